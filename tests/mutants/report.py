"""Report the outcomes of the mutants, with a reason for each survivor."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from tests.mutants.planting import ROOT, Mutant
from tests.mutants.trials import MutantOutcome

PAGE = ROOT / "docs" / "mutants.md"
SURVIVORS = Path(__file__).with_name("survivors.toml")
LEAST_KILLED_RATIO = 0.9
"""In each module."""

Result = tuple[Mutant, MutantOutcome]
_Key = tuple[str, str, str, str]

_INTRODUCTION = """\
# Mutants

Written by `make mutants`. Each mutant is the core with one small mistake. It is killed if a test of `tests/core` fails
or hangs. Texts for people are not mutated.

A mutant runs with the tests that execute the changed statement, recorded once for each test; the others cannot detect
it. A property test has a fifth of the examples of `make test`, and at least 20, always the same ones.
"""


@dataclass(frozen=True)
class Reasons:
    """The reasons of the accepted survivors: by `Mutant.key`, and by (module, name) for the values of constants."""

    by_key: Mapping[_Key, str] = field(default_factory=dict)
    by_constant: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def of(self, mutant: Mutant) -> str | None:
        found = [self.by_key.get(mutant.key)]
        if mutant.operator == "constant" and not mutant.within:
            found += [self.by_constant.get((mutant.module, name)) for name in _assigned(mutant)]
        return next(filter(None, found), None)


def reasons() -> Reasons:
    content = tomllib.loads(SURVIVORS.read_text())
    return Reasons(
        {
            (entry["module"], entry["function"], entry["line"], becomes): entry["reason"]
            for entry in content.get("survivor", [])
            for becomes in entry["becomes"]
        },
        {(entry["module"], name): entry["reason"] for entry in content.get("constant", []) for name in entry["names"]},
    )


def exclusions() -> dict[tuple[str, str], str]:
    """Return the reasons of the names that are not mutated, by module and name."""
    entries = tomllib.loads(SURVIVORS.read_text()).get("excluded", [])
    return {(entry["module"], name): entry["reason"] for entry in entries for name in entry["names"]}


def findings(results: Sequence[Result], known: Reasons) -> list[str]:
    """Return one line for each problem; empty if enough mutants were killed and each survivor has a reason."""
    found = [f"no reason: {describe(mutant)}" for mutant in survivors(results) if known.of(mutant) is None]
    for module in sorted({mutant.module for mutant, _ in results}):
        ratio = killed_ratio([result for result in results if result[0].module == module])
        if ratio < LEAST_KILLED_RATIO:
            found.append(f"{module}.py: {ratio:.1%} killed; required: {LEAST_KILLED_RATIO:.0%}")
    return found


def describe(mutant: Mutant) -> str:
    """Return the mutant as text: its place, the original line and the changed line."""
    return f"{mutant.module}.py:{mutant.line} in {mutant.function}\n  - {mutant.before}\n  + {mutant.after}"


def stale(results: Sequence[Result], known: Reasons) -> list[str]:
    """Return one line for each reason without a survivor."""
    alive = {mutant.key for mutant in survivors(results)}
    constants = {(mutant.module, name) for mutant in survivors(results) for name in _assigned(mutant)}
    return [
        *(f"no such survivor: {key[0]}.py, {key[1]}: {key[3]}" for key in known.by_key if key not in alive),
        *(f"no such survivor: {module}.py, {name}" for module, name in known.by_constant.keys() - constants),
    ]


def survivors(results: Sequence[Result]) -> list[Mutant]:
    alive = [mutant for mutant, outcome in results if outcome is MutantOutcome.SURVIVED]
    return sorted(alive, key=lambda mutant: (mutant.module, mutant.line, mutant.after))


def killed_ratio(results: Sequence[Result]) -> float:
    """Return the fraction of killed mutants; a timeout counts as killed; 1.0 without mutants."""
    return 1 - len(survivors(results)) / len(results) if results else 1.0


def page(
    results: Sequence[Result],
    known: Reasons,
    excluded: Mapping[tuple[str, str], str],
    today: str,
    not_run: Sequence[Mutant] = (),
) -> str:
    """Return the report as Markdown. `not_run`: mutants without an outcome, as in an interrupted run."""
    alive = survivors(results)
    open_ones = [mutant for mutant in alive if known.of(mutant) is None]
    missing = f" {len(open_ones)} of the {len(alive)} survivors have no reason yet." if open_ones else ""
    if not_run:
        missing += (
            f"\n\n{len(not_run):,} further mutants were not run; no figure includes them. Those inside functions run "
            "first,\nin random order."
        )
    return "\n".join(
        [
            _INTRODUCTION,
            f"{today}: {len(results):,} mutants, {killed_ratio(results):.1%} killed.\n{missing.lstrip()}",
            "",
            *module_table(results, not_run),
            "",
            *_table("mistake", results, not_run, lambda mutant: mutant.operator),
            "",
            "## Survivors, each with its reason",
            "",
            *_survivor_lines([mutant for mutant in alive if mutant not in open_ones], known),
            *(["## Survivors without a reason", "", *_survivor_lines(open_ones, known)] if open_ones else []),
            "## Not mutated",
            "",
            *(f"- `{module}.py`, `{name}`: {reason}." for (module, name), reason in excluded.items()),
            "",
        ]
    )


def module_table(results: Sequence[Result], not_run: Sequence[Mutant] = ()) -> list[str]:
    """Return the outcomes by module, as lines of a Markdown table."""
    return _table("module", results, not_run, lambda mutant: f"`{mutant.module}.py`")


def _table(
    title: str, results: Sequence[Result], not_run: Sequence[Mutant], group: Callable[[Mutant], str]
) -> list[str]:
    counts = Counter[tuple[str, MutantOutcome | None]]((group(mutant), outcome) for mutant, outcome in results)
    counts.update((group(mutant), None) for mutant in not_run)
    groups = sorted({name for name, _ in counts})
    columns = (*MutantOutcome, *([None] if not_run else []))
    rows = [(name, [counts[name, column] for column in columns]) for name in groups]
    rows.append(("all", [sum(counts[name, column] for name in groups) for column in columns]))
    heads = [title, "mutants", "killed", "timed out", "survived", *(["not run"] if not_run else []), ""]
    return [
        f"| {' | '.join(heads)} |".replace("|  |", "| |"),
        f"|---|{'---:|' * (len(heads) - 1)}",
        *(f"| {name} | {sum(row)} | {' | '.join(map(str, row))} | {_percentage(*row[:3])} |" for name, row in rows),
    ]


def _percentage(killed: int, late: int, alive: int) -> str:
    return f"{(killed + late) / (killed + late + alive):.0%}" if killed + late + alive else "-"


def _survivor_lines(alive: Sequence[Mutant], known: Reasons) -> Iterator[str]:
    """Yield the survivors; those of one line with one reason are listed together."""

    def place(mutant: Mutant) -> tuple[str, str, str, str]:
        return mutant.module, mutant.function, known.of(mutant) or "", mutant.before

    for (module, function, reason, before), mutants in groupby(sorted(alive, key=place), place):
        yield f"`{module}.py`, `{function}`{f': {reason}.' if reason else ''}"
        yield from ("", "```diff", f"- {before}", *(f"+ {mutant.after}" for mutant in mutants), "```", "")


def _assigned(mutant: Mutant) -> list[str]:
    """Return the names of the constants that the mutated line assigns."""
    left = mutant.before.partition("=")[0].partition(":")[0]
    return [name.strip() for name in left.split(",")]
