"""The last six hours of one service, for the page's charts: a slot for every half minute, in compact arrays.

Bounded: `SLOTS` slots of eight 4-byte numbers, 23 KB a service. What was not read is NaN, never zero.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import isnan, nan

from autoscaler.ports import Tick
from autoscaler.telemetry.account import counts_of

STEP_S = 30
SLOTS = 720
"""Six hours."""

SET_BACK = 4
"""A clock that goes back by no more than so many slots was trimmed; by more, it was set, and the past is begun anew."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one tick adds: messages, tasks, seconds. NaN: not known."""

    waiting: float = nan
    in_flight: float = nan
    desired: float = nan
    running: float = nan
    asked: float = nan
    oldest_s: float = nan
    received: float = nan
    late: float = nan


NAMES = tuple(field.name for field in fields(Sample))


def sample_of(tick: Tick, oldest_s: float | None) -> Sample:
    """`oldest_s`: for how long the oldest message waits (None: not known)."""
    seen = tick.observation
    if seen is None:
        return Sample()
    counts = counts_of(seen)
    demand = None if tick.decision is None else tick.decision.demand
    known = seen.knowledge
    return Sample(
        waiting=float(sum(one.visible for one in counts)) if counts else nan,
        in_flight=float(sum(one.in_flight for one in counts)) if counts else nan,
        desired=float(seen.fleet.desired),
        running=float(seen.fleet.running),
        asked=nan if demand is None else float(demand),
        oldest_s=nan if oldest_s is None else oldest_s,
        received=nan if known is None else known.received,
        late=nan if known is None else known.late,
    )


def _blank() -> array[float]:
    return array("f", [nan]) * SLOTS


def _newest(old: float, new: float) -> float:
    return old if isnan(new) else new


def _highest(old: float, new: float) -> float:
    return new if isnan(old) else max(old, new) if new > old else old


def _sum(old: float, new: float) -> float:
    return _newest(old, new) if isnan(old) or isnan(new) else old + new


_MERGED: Mapping[str, Callable[[float, float], float]] = {
    "waiting": _highest,
    "in_flight": _highest,
    "desired": _newest,
    "running": _newest,
    "asked": _highest,
    "oldest_s": _highest,
    "received": _sum,
    "late": _sum,
}
"""What becomes of several ticks in one slot: peaks are kept, counts of tasks are the last, messages are added up."""


class Past:
    """The slots, in a ring: slot n, from n x `STEP_S` seconds since the epoch on (half-open), is at n mod `SLOTS`."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._lines = {name: _blank() for name in NAMES}

    def note(self, wall: float, sample: Sample) -> None:
        """The sample belongs to the time of day `wall`, in seconds since the epoch."""
        at = self._advance(int(wall // STEP_S)) % SLOTS
        for name, line in self._lines.items():
            line[at] = _MERGED[name](line[at], getattr(sample, name))

    def _advance(self, slot: int) -> int:
        """The slot to write to; those that were passed over are unknown."""
        newest = self._newest
        if newest is not None and newest - SET_BACK <= slot <= newest:
            return newest
        if newest is not None and newest < slot < newest + SLOTS:
            for line in self._lines.values():
                for passed in range(newest + 1, slot + 1):
                    line[passed % SLOTS] = nan
        elif newest is not None:
            self._lines = {name: _blank() for name in NAMES}
        self._newest = slot
        return slot

    def copied(self) -> Past:
        """The same, that nobody writes to any more."""
        copy = Past()
        copy._newest, copy._lines = self._newest, {name: line[:] for name, line in self._lines.items()}
        return copy

    def series(self) -> dict[str, list[float | None]]:
        """Oldest first: `at`, the beginning of each slot in which something was noted (seconds since the epoch), and
        what was; None: not known then.
        """
        if self._newest is None:
            return {"at": [], **{name: [] for name in NAMES}}
        slots = [slot for slot in range(self._newest - SLOTS + 1, self._newest + 1) if self._is_noted(slot % SLOTS)]
        told = {name: [_told(line[slot % SLOTS]) for slot in slots] for name, line in self._lines.items()}
        return {"at": [slot * STEP_S for slot in slots], **told}

    def newest(self) -> dict[str, float | None] | None:
        """The newest slot as a point of the series (None: nothing was noted)."""
        if self._newest is None:
            return None
        at = self._newest % SLOTS
        return {"at": self._newest * STEP_S, **{name: _told(line[at]) for name, line in self._lines.items()}}

    def in_time(self) -> tuple[float, float]:
        """How many messages were received in these hours, and how many of them late."""
        received, late = ([one for one in self._lines[name] if not isnan(one)] for name in ("received", "late"))
        return sum(received), sum(late)

    def _is_noted(self, at: int) -> bool:
        return not all(isnan(line[at]) for line in self._lines.values())


def _told(value: float) -> float | None:
    return None if isnan(value) else round(value, 2)
