"""What became of the mutants, in a page for people; and why those may live that do."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.mutants.planting import ROOT, Mutant
from tests.mutants.trials import Outcome

PAGE = ROOT / "docs" / "mutants.md"
SURVIVORS = Path(__file__).with_name("survivors.toml")
LEAST_KILLED_RATIO = 0.9

Result = tuple[Mutant, Outcome]
Reasons = Mapping[tuple[str, str, str, str], str]


def reasons() -> dict[tuple[str, str, str, str], str]:
    """Why a mutant may live, by `Mutant.key`."""
    entries = tomllib.loads(SURVIVORS.read_text()).get("survivor", [])
    return {
        (entry["module"], entry["function"], entry["line"], becomes): entry["reason"]
        for entry in entries
        for becomes in entry["becomes"]
    }


def exclusions() -> dict[tuple[str, str], str]:
    """Why a name of a module is not mutated at all, by both."""
    entries = tomllib.loads(SURVIVORS.read_text()).get("excluded", [])
    return {(entry["module"], name): entry["reason"] for entry in entries for name in entry["names"]}


def findings(results: Sequence[Result], known: Reasons) -> list[str]:
    """What is wrong with these results, a line each: nothing, if enough were killed and each survivor has a reason."""
    found = [f"no reason: {told(mutant)}" for mutant in survivors(results) if mutant.key not in known]
    ratio = killed_ratio(results)
    return found if ratio >= LEAST_KILLED_RATIO else [*found, f"{ratio:.1%} were killed, {LEAST_KILLED_RATIO:.0%} must"]


def told(mutant: Mutant) -> str:
    """The mutant on a terminal: where it is, what stood there and what stands there now."""
    return f"{mutant.module}.py:{mutant.line} in {mutant.function}\n  - {mutant.before}\n  + {mutant.after}"


def stale(results: Sequence[Result], known: Reasons) -> list[str]:
    """Reasons for what does not survive, or is not there any more."""
    alive = {mutant.key for mutant in survivors(results)}
    return [f"no such survivor: {key[0]}.py, {key[1]}: {key[3]}" for key in known if key not in alive]


def survivors(results: Sequence[Result]) -> list[Mutant]:
    alive = [mutant for mutant, outcome in results if outcome is Outcome.SURVIVED]
    return sorted(alive, key=lambda mutant: (mutant.module, mutant.line, mutant.after))


def killed_ratio(results: Sequence[Result]) -> float:
    """What was killed of all, a hang included (1.0: there was none to kill)."""
    return 1 - len(survivors(results)) / len(results) if results else 1.0


def page(results: Sequence[Result], known: Reasons, excluded: Mapping[tuple[str, str], str], today: str) -> str:
    """The report as Markdown."""
    return "\n".join(
        [
            "# Mutants",
            "",
            "Written by `make mutants`. Each mutant is the core with one small mistake planted; it is killed where a",
            "test of `tests/core` fails, or hangs. Words for people are not mutated.",
            "",
            f"{today}: {len(results):,} mutants, {killed_ratio(results):.1%} killed.",
            "",
            *_table("module", results, lambda mutant: f"`{mutant.module}.py`"),
            "",
            *_table("mistake", results, lambda mutant: mutant.operator),
            "",
            "## Survivors, and why they may live",
            "",
            *_survivor_lines(results, known),
            "## Not mutated",
            "",
            *(f"- `{module}.py`, `{name}`: {reason}." for (module, name), reason in excluded.items()),
            "",
        ]
    )


def _table(title: str, results: Sequence[Result], group: Callable[[Mutant], str]) -> list[str]:
    counts = Counter((group(mutant), outcome) for mutant, outcome in results)
    groups = sorted({name for name, _ in counts})
    rows = [(name, [counts[name, outcome] for outcome in Outcome]) for name in groups]
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
