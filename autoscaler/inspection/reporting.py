"""What a replay came to: counted as it goes, and told as it goes, so that a log of any length needs no more memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from autoscaler.config.quoting import printable
from autoscaler.inspection.replaying import Outcome, Replayed, Unread, Unset

NAMED = 20
"""So many unreadable lines and unknown services are named; all are counted."""

HEADS = ("time", "service", "then", "now", "rules", "now in a sentence")
WIDTHS = (24, 20, 14, 14, 24, 0)
"""The least widths of the columns: rows are printed as they are found, before the longest is known."""


@dataclass(slots=True)
class Tally:
    """The counts of a replay. `decisions` were made again, and were `alike` or `different`.

    `unset`: decisions for services that the settings do not have. `unread`: decisions that cannot be read any more.
    """

    lines: int = 0
    decisions: int = 0
    alike: int = 0
    different: int = 0
    skipped: int = 0
    unset: int = 0
    unread: int = 0
    strangers: set[str] = field(default_factory=set)
    unreadable: list[Unread] = field(default_factory=list)

    def counted(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """The outcomes as they come, each counted before it is passed on."""
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
                if len(self.strangers) < NAMED:
                    self.strangers.add(service)
            case Unread():
                self.unread += 1
                if len(self.unreadable) < NAMED:
                    self.unreadable.append(outcome)
            case _:
                self.skipped += 1


def as_json(differences: Iterable[Replayed], tally: Tally) -> Iterator[str]:
    """One JSON object in pieces: `differences`, a line each, then the counts, which are known only then."""
    yield '{"differences": ['
    comma = ""
    for one in differences:
        yield comma + json.dumps(_entry(one))
        comma = ","
    counts = {name: getattr(tally, name) for name in _COUNTS}
    named = {"strangers": sorted(tally.strangers), "unreadable": [one._asdict() for one in tally.unreadable]}
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


def as_table(differences: Iterable[Replayed], tally: Tally) -> Iterator[str]:
    """A row for each difference, under a head where there is one; then what could not be read, and the counts."""
    rows = map(_row, differences)
    first = next(rows, None)
    if first is not None:
        yield from map(_aligned, chain([HEADS, first], rows))
        yield ""
    for one in tally.unreadable:
        yield f"line {one.line} cannot be decided on: {printable(one.error)}"
    yield summary(tally)


def _row(one: Replayed) -> tuple[str, ...]:
    then, now = (f"{one.current} -> {target}" for target in (one.target_then, one.target_now))
    return one.ts or f"line {one.line}", one.service, then, now, _rules(one), one.sentence


def _rules(one: Replayed) -> str:
    """What moves the count no more, and what does now; `other order` where only that is new."""
    gone = [f"-{rule}" for rule in dict.fromkeys(one.rules_then) if rule not in one.rules_now]
    new = [f"+{rule}" for rule in dict.fromkeys(one.rules_now) if rule not in one.rules_then]
    if one.rules_then == one.rules_now:
        return "the same"
    return " ".join(gone + new) or "other order"


def _aligned(row: Iterable[str]) -> str:
    return "  ".join(printable(cell).ljust(width) for cell, width in zip(row, WIDTHS, strict=True)).rstrip()


def summary(tally: Tally) -> str:
    """The counts in a sentence."""
    parts = [f"{tally.decisions:,} decisions again: {tally.alike:,} alike, {tally.different:,} different"]
    if tally.unread:
        parts.append(f"{tally.unread:,} that cannot be read")
    if tally.unset:
        names = ", ".join(map(printable, sorted(tally.strangers)))
        parts.append(f"{tally.unset:,} of services that the settings do not have ({names})")
    parts.append(f"{tally.skipped:,} other lines")
    return "; ".join(parts)
