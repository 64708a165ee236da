"""Report a replay while it runs, in bounded memory for a log of any length."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from autoscaler.config.quoting import printable
from autoscaler.core.figures import several
from autoscaler.inspection.replaying import Outcome, Replayed, Unread, Unset

NAMED = 20
"""Maximum number of unreadable lines, and of unknown services, that are named. All are counted."""

HEADS = ("time", "service", "then", "now", "rules", "decision now")
WIDTHS = (24, 20, 14, 14, 24, 0)
"""Minimum widths of the columns: rows are printed as they are found, before the longest is known."""


@dataclass(slots=True)
class ReplayCounts:
    """The counts of a replay. `decisions` were made again, and were `alike` or `different`.

    `unset`: decisions on services that are not in the settings. `unread`: decisions that this code cannot read.
    """

    lines: int = 0
    decisions: int = 0
    alike: int = 0
    different: int = 0
    skipped: int = 0
    unset: int = 0
    unread: int = 0
    unknown_services: set[str] = field(default_factory=set)
    unreadable: list[Unread] = field(default_factory=list)

    def counted(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Yield the outcomes, each after it was counted."""
        for outcome in outcomes:
            self._count(outcome)
            yield outcome

    def _count(self, outcome: Outcome) -> None:
        self.lines += 1
        match outcome:
            case Replayed():
                self.decisions += 1
                self.alike += outcome.alike
                self.different += not outcome.alike
            case Unset(service=service):
                self.unset += 1
                if len(self.unknown_services) < NAMED:
                    self.unknown_services.add(service)
            case Unread():
                self.unread += 1
                if len(self.unreadable) < NAMED:
                    self.unreadable.append(outcome)
            case _:
                self.skipped += 1


def as_json(differences: Iterable[Replayed], tally: ReplayCounts) -> Iterator[str]:
    """Yield one JSON object in pieces: `differences`, one line each, then the counts."""
    yield '{"differences": ['
    comma = ""
    for one in differences:
        yield comma + json.dumps(_entry(one))
        comma = ","
    counts = {name: getattr(tally, name) for name in _COUNTS}
    named = {"strangers": sorted(tally.unknown_services), "unreadable": [one._asdict() for one in tally.unreadable]}
    yield f"], {json.dumps(counts | named)[1:]}"


_COUNTS = ("lines", "decisions", "alike", "different", "skipped", "unset", "unread")


def _entry(one: Replayed) -> dict[str, Any]:
    return {
        "line": one.line,
        "ts": one.ts,
        "service": one.service,
        "current": one.current,
        "then": {"target": one.target_then, "rules": one.rules_then},
        "now": {"target": one.target_now, "rules": one.rules_now, "sentence": one.sentence},
    }


def as_table(differences: Iterable[Replayed], tally: ReplayCounts) -> Iterator[str]:
    """Yield a row for each difference, with a header if there is one, then the unreadable lines, then the counts."""
    rows = map(_row, differences)
    first = next(rows, None)
    if first is not None:
        yield from map(_aligned, chain([HEADS, first], rows))
        yield ""
    for one in tally.unreadable:
        yield f"line {one.line} cannot be replayed: {printable(one.error)}"
    yield summary(tally)


def _row(one: Replayed) -> tuple[str, ...]:
    then, now = (f"{one.current} -> {target}" for target in (one.target_then, one.target_now))
    return one.ts or f"line {one.line}", one.service, then, now, _rules(one), one.sentence


def _rules(one: Replayed) -> str:
    """Return the rules that no longer change the count (`-`) and those that now do (`+`), or `different order`."""
    gone = [f"-{rule}" for rule in dict.fromkeys(one.rules_then) if rule not in one.rules_now]
    new = [f"+{rule}" for rule in dict.fromkeys(one.rules_now) if rule not in one.rules_then]
    if one.rules_then == one.rules_now:
        return "equal"
    return " ".join(gone + new) or "different order"


def _aligned(row: Iterable[str]) -> str:
    return "  ".join(printable(cell).ljust(width) for cell, width in zip(row, WIDTHS, strict=True)).rstrip()


def summary(tally: ReplayCounts) -> str:
    """Return the counts in a sentence."""
    parts = [f"{several(tally.decisions, 'decision')} replayed: {tally.alike:,} equal, {tally.different:,} different"]
    if tally.unread:
        parts.append(several(tally.unread, "unreadable line"))
    if tally.unset:
        names = ", ".join(map(printable, sorted(tally.unknown_services)))
        parts.append(f"{several(tally.unset, 'decision')} for services that are not in the settings ({names})")
    parts.append(several(tally.skipped, "line without a decision", "lines without a decision"))
    return "; ".join(parts)
