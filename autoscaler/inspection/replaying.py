"""Replay a journal: decide each logged situation again with this code, and compare the result with the log.

Invariant: a journal that the same code wrote with the same settings has no difference.

Each situation is decided independently, with its recorded history: a difference has no effect on later situations.
Rules that span services (fleet cap, shared caps, conflicting scalers) are not part of a situation. The daemon applies
them after the decision, so their steps are removed from the recorded decision before the comparison.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

from autoscaler.config import ServiceConfig, fields_of
from autoscaler.config.names import folded
from autoscaler.config.quoting import printable
from autoscaler.core.figures import several
from autoscaler.core.model import Rule
from autoscaler.core.policy import Policy
from autoscaler.inspection.columns import INDENT, indented, laid_out, wrapped
from autoscaler.inspection.deciding import JournalLine, decision_on, parsed

ADMISSION = frozenset({Rule.FLEET_CAP.value, Rule.SHARED_CAP.value, Rule.CONFLICTING_SCALER.value})
"""Rules that are applied after the decision."""

PolicyLookup: TypeAlias = Callable[[str, Mapping[str, Any]], Mapping[str, Any] | None]
"""Maps a service's key and its journal entry to the policy fields to use instead. None: the settings have no such
service.
"""


class Skipped(NamedTuple):
    """A line without a decision. `is_text`: it has no JSON."""

    line: int
    is_text: bool = False


class Unset(NamedTuple):
    """A decision on a service that is not in the settings."""

    line: int
    service: str


class Unread(NamedTuple):
    """A decision that this code cannot read. `error` is the reason."""

    line: int
    error: str


class Replayed(NamedTuple):
    """A decision that was made again. `rules_then` and `rules_now` are the rules that changed the count, in order."""

    line: int
    ts: str | None
    service: str
    current: int
    target_then: int
    target_now: int
    rules_then: tuple[str, ...]
    rules_now: tuple[str, ...]
    sentence: str

    @property
    def alike(self) -> bool:
        """Whether the target and the rules are the same. The texts of the reasons are not compared."""
        return self.target_then == self.target_now and self.rules_then == self.rules_now


Outcome: TypeAlias = Skipped | Unset | Unread | Replayed


class _RecordedDecision(NamedTuple):
    """A logged decision without the steps of `ADMISSION`."""

    target: int
    rules: tuple[str, ...]


def policy_lookup(
    services: Iterable[ServiceConfig], policy_at: Callable[[ServiceConfig, float], Policy]
) -> PolicyLookup:
    """Return a function that finds a service in the current settings, by its key, otherwise by its ECS name if that
    name is unique.

    `policy_at` returns the policy of a service at a wall time, with its schedules. An entry without a time gets the
    service's own policy.
    """
    known = {folded(service.ref.key): service for service in services}
    named = Counter(service.ref.service for service in known.values())
    known |= {f"ecs:{one.ref.service}": one for one in known.values() if named[one.ref.service] == 1}

    def lookup(key: str, entry: Mapping[str, Any]) -> Mapping[str, Any] | None:
        service = known.get(folded(key)) or known.get(f"ecs:{entry.get('ecs_service', key)}")
        if service is None:
            return None
        wall = _wall(entry.get("ts"))
        return fields_of(service.policy if wall is None else policy_at(service, wall))

    return lookup


def _wall(ts: object) -> float | None:
    try:
        return datetime.fromisoformat(str(ts)).timestamp()
    except (ValueError, OverflowError):
        return None


def replayed(journal: Iterable[JournalLine], lookup: PolicyLookup | None = None) -> Iterator[Outcome]:
    """Yield the outcome of each line, in order. `lookup`: the settings to use instead of the recorded ones."""
    return (_replayed(line, lookup) for line in journal)


def _replayed(line: JournalLine, lookup: PolicyLookup | None) -> Outcome:
    try:
        entry = _entry(line)
    except ValueError as error:
        return Unread(line.number, str(error))
    if entry is None:
        return Skipped(line.number, is_text=b"{" not in (line.content or b"{"))
    situation = entry["situation"]
    service = str(entry.get("service") or situation.get("name") or "service")
    if lookup is not None:
        policy = lookup(service, entry)
        if policy is None:
            return Unset(line.number, service)
        situation = {**situation, "policy": policy}
    try:
        then = _recorded(entry)
        now = decision_on(situation)
    except ValueError as error:
        return Unread(line.number, str(error))
    return _compared(line.number, service, entry, then, now)


def _entry(line: JournalLine) -> dict[str, Any] | None:
    """Return the journal entry on the line, without the prefix of a log driver. None: the line has no decision.

    Raises ValueError if the line has a decision and is malformed or truncated.
    """
    content = line.content or b""
    if b'"situation"' not in content or b"{" not in content:
        return None
    entry = parsed(content[content.find(b"{") :])
    return entry if isinstance(entry, dict) and isinstance(entry.get("situation"), dict) else None


def _recorded(entry: Mapping[str, Any]) -> _RecordedDecision:
    try:
        target, steps = int(entry["target"]), [(str(step["rule"]), int(step["from"])) for step in entry["steps"]]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError("the journal entry has no `target` or `steps`, so it cannot be compared") from None
    while steps and steps[-1][0] in ADMISSION:
        target = steps.pop()[1]
    return _RecordedDecision(target, tuple(rule for rule, _ in steps))


def _compared(
    number: int, service: str, entry: Mapping[str, Any], then: _RecordedDecision, now: Mapping[str, Any]
) -> Replayed:
    ts = entry.get("ts")
    return Replayed(
        line=number,
        ts=ts if isinstance(ts, str) else None,
        service=service,
        current=now["current"],
        target_then=then.target,
        target_now=now["target"],
        rules_then=then.rules,
        rules_now=tuple(step["rule"] for step in now["steps"]),
        sentence=now["sentence"],
    )


# Report a replay while it runs, in bounded memory for a log of any length.

NAMED = 20
"""Maximum number of unreadable lines, and of unknown services, that are named. All are counted."""

HEADS = ("time", "service", "then", "now", "rules", "decision now")
WIDTHS = (24, 20, 14, 14, 24)
"""Minimum widths of the columns: rows are printed as they are found, before the longest is known."""


@dataclass(slots=True)
class ReplayCounts:
    """The counts of a replay. `decisions` were made again, and were `alike` or `different`.

    `texts`: skipped lines without JSON. `unset`: decisions on services that are not in the settings. `unread`:
    decisions that this code cannot read.
    """

    lines: int = 0
    decisions: int = 0
    alike: int = 0
    different: int = 0
    skipped: int = 0
    texts: int = 0
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
            case Skipped(is_text=is_text):
                self.skipped += 1
                self.texts += is_text

    @property
    def is_text(self) -> bool:
        """Whether the log is the text that the daemon writes on a terminal: most lines are no JSON, none a decision."""
        return 2 * self.texts > self.lines and self.lines == self.skipped


def as_json(differences: Iterable[Replayed], tally: ReplayCounts) -> Iterator[str]:
    """Yield one JSON object in pieces: `differences`, one line each, then the counts."""
    yield '{"differences": ['
    comma = ""
    for one in differences:
        yield comma + json.dumps(_report_entry(one))
        comma = ","
    counts = {name: getattr(tally, name) for name in _COUNTS}
    named = {"strangers": sorted(tally.unknown_services), "unreadable": [one._asdict() for one in tally.unreadable]}
    yield f"], {json.dumps(counts | named)[1:]}"


_COUNTS = ("lines", "decisions", "alike", "different", "skipped", "unset", "unread")


def _report_entry(one: Replayed) -> dict[str, Any]:
    return {
        "line": one.line,
        "ts": one.ts,
        "service": one.service,
        "current": one.current,
        "then": {"target": one.target_then, "rules": one.rules_then},
        "now": {"target": one.target_now, "rules": one.rules_now, "sentence": one.sentence},
    }


def as_table(differences: Iterable[Replayed], tally: ReplayCounts, columns: int | None = None) -> Iterator[str]:
    """Yield a row for each difference, with a header if there is one, then the unreadable lines, then the counts.

    `columns`: the width of the terminal. The rules and the decision are then below the row (None: one line per row).
    """
    rows = map(_row, differences)
    first = next(rows, None)
    if first is not None:
        yield from (line for row in chain([HEADS, first], rows) for line in _lines(row, columns))
        yield ""
    for one in tally.unreadable:
        yield from wrapped(f"line {one.line} cannot be replayed: {printable(one.error)}", columns)
    yield from wrapped(summary(tally), columns)


def _lines(row: Sequence[str], columns: int | None) -> Iterator[str]:
    *cells, rules, decision = map(printable, row)
    if columns is None:
        yield from laid_out([*cells, rules, decision], WIDTHS, None)
        return
    yield from laid_out([*cells, ""], WIDTHS[: len(cells)], columns)
    yield from indented(" " * INDENT, f"{rules}: {decision}", columns)


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
