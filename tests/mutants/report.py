"""Report the outcomes of the mutants, with a reason for each survivor."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.mutants.planting import ROOT, Mutant
from tests.mutants.trials import MutantOutcome

PAGE = ROOT / "docs" / "mutants.md"
SURVIVORS = Path(__file__).with_name("survivors.toml")
LEAST_KILLED_RATIO = 0.8
"""In each module."""

Result = tuple[Mutant, MutantOutcome]
Reasons = Mapping[tuple[str, str, str, str], str]


def reasons() -> dict[tuple[str, str, str, str], str]:
    """Return the reasons of the accepted survivors, by `Mutant.key`."""
    entries = tomllib.loads(SURVIVORS.read_text()).get("survivor", [])
    return {
        (entry["module"], entry["function"], entry["line"], becomes): entry["reason"]
        for entry in entries
        for becomes in entry["becomes"]
    }


def exclusions() -> dict[tuple[str, str], str]:
    """Return the reasons of the names that are not mutated, by module and name."""
    entries = tomllib.loads(SURVIVORS.read_text()).get("excluded", [])
    return {(entry["module"], name): entry["reason"] for entry in entries for name in entry["names"]}


def findings(results: Sequence[Result], known: Reasons) -> list[str]:
    """Return one line for each problem; empty if enough mutants were killed and each survivor has a reason."""
    found = [f"no reason: {describe(mutant)}" for mutant in survivors(results) if mutant.key not in known]
    for module in sorted({mutant.module for mutant, _ in results}):
        ratio = killed_ratio([result for result in results if result[0].module == module])
        if ratio < LEAST_KILLED_RATIO:
            found.append(f"{module}.py: {ratio:.1%} killed; required: {LEAST_KILLED_RATIO:.0%}")
    return found


def describe(mutant: Mutant) -> str:
    """Return the mutant as text: its place, the original line and the changed line."""
    return f"{mutant.module}.py:{mutant.line} in {mutant.function}\n  - {mutant.before}\n  + {mutant.after}"


def stale(results: Sequence[Result], known: Reasons) -> list[str]:
    """Return one line for each reason whose mutant does not survive or no longer exists."""
    alive = {mutant.key for mutant in survivors(results)}
    return [f"no such survivor: {key[0]}.py, {key[1]}: {key[3]}" for key in known if key not in alive]


def survivors(results: Sequence[Result]) -> list[Mutant]:
    alive = [mutant for mutant, outcome in results if outcome is MutantOutcome.SURVIVED]
    return sorted(alive, key=lambda mutant: (mutant.module, mutant.line, mutant.after))


def killed_ratio(results: Sequence[Result]) -> float:
    """Return the fraction of killed mutants; a timeout counts as killed; 1.0 without mutants."""
    return 1 - len(survivors(results)) / len(results) if results else 1.0


def page(results: Sequence[Result], known: Reasons, excluded: Mapping[tuple[str, str], str], today: str) -> str:
    """Return the report as Markdown."""
    return "\n".join(
        [
            "# Mutants",
            "",
            "Written by `make mutants`. Each mutant is the core with one small mistake. It is killed if a test of",
            "`tests/core` fails or hangs. Texts for people are not mutated.",
            "",
            f"{today}: {len(results):,} mutants, {killed_ratio(results):.1%} killed.",
            "",
            *module_table(results),
            "",
            *_table("mistake", results, lambda mutant: mutant.operator),
            "",
            "## Survivors, each with its reason",
            "",
            *_survivor_lines(results, known),
            "## Not mutated",
            "",
            *(f"- `{module}.py`, `{name}`: {reason}." for (module, name), reason in excluded.items()),
            "",
        ]
    )


def module_table(results: Sequence[Result]) -> list[str]:
    """Return the outcomes by module, as lines of a Markdown table."""
    return _table("module", results, lambda mutant: f"`{mutant.module}.py`")


def _table(title: str, results: Sequence[Result], group: Callable[[Mutant], str]) -> list[str]:
    counts = Counter((group(mutant), outcome) for mutant, outcome in results)
    groups = sorted({name for name, _ in counts})
    rows = [(name, [counts[name, outcome] for outcome in MutantOutcome]) for name in groups]
    rows.append(("all", [sum(column) for column in zip(*(counted for _, counted in rows), strict=True)]))
    return [
        f"| {title} | mutants | killed | timed out | survived | |",
        "|---|---:|---:|---:|---:|---:|",
        *(
            f"| {name} | {killed + late + alive} | {killed} | {late} | {alive} "
            f"| {(killed + late) / (killed + late + alive):.0%} |"
            for name, (killed, late, alive) in rows
        ),
    ]


def _survivor_lines(results: Sequence[Result], known: Reasons) -> list[str]:
    lines: list[str] = []
    for mutant in survivors(results):
        lines += [
            f"`{mutant.module}.py`, `{mutant.function}`: {known.get(mutant.key, 'NO REASON YET')}.",
            "",
            "```diff",
            f"- {mutant.before}",
            f"+ {mutant.after}",
            "```",
            "",
        ]
    return lines
