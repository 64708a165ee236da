"""The last six hours of one service for the charts of the page: one slot per 30 seconds, in compact arrays.

Bounded: `SLOTS` slots of eight 4-byte numbers, 23 KB per service. A value that was not read is NaN, never zero.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import isnan, nan

from autoscaler.ports import Poll
from autoscaler.telemetry.account import counts_of

STEP_S = 30
SLOTS = 720
"""Six hours."""

SET_BACK = 4
"""Slots. If the clock moves back by at most this number, samples go to the newest slot; if by more, the history is
cleared.
"""


@dataclass(frozen=True, slots=True)
class PastSample:
    """The values of one poll: messages, tasks, seconds. NaN: unknown."""

    waiting: float = nan
    in_flight: float = nan
    desired: float = nan
    running: float = nan
    demand: float = nan
    oldest_s: float = nan
    received: float = nan
    late: float = nan


NAMES = tuple(field.name for field in fields(PastSample))


def sample_of(poll: Poll, oldest_s: float | None) -> PastSample:
    """Return the values of the poll. `oldest_s`: age of the oldest message in seconds (None: unknown)."""
    seen = poll.observation
    if seen is None:
        return PastSample()
    counts = counts_of(seen)
    demand = None if poll.decision is None else poll.decision.demand
    known = seen.knowledge
    return PastSample(
        waiting=float(sum(one.visible for one in counts)) if counts else nan,
        in_flight=float(sum(one.in_flight for one in counts)) if counts else nan,
        desired=float(seen.fleet.desired),
        running=float(seen.fleet.running),
        demand=nan if demand is None else float(demand),
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
    "demand": _highest,
    "oldest_s": _highest,
    "received": _sum,
    "late": _sum,
}
"""How the values of several polls in one slot are merged: the maximum, the newest (task counts), or the sum."""


class StatusHistory:
    """A ring of slots. Slot n begins n x `STEP_S` seconds after the epoch (half-open) and has index n mod `SLOTS`."""

    def __init__(self) -> None:
        self._newest: int | None = None
        self._lines = {name: _blank() for name in NAMES}

    def note(self, wall: float, sample: PastSample) -> None:
        """Merge the sample into the slot of `wall`, in seconds since the epoch."""
        at = self._advance(int(wall // STEP_S)) % SLOTS
        for name, line in self._lines.items():
            line[at] = _MERGED[name](line[at], getattr(sample, name))

    def _advance(self, slot: int) -> int:
        """Return the slot to write to. Skipped slots are set to NaN."""
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

    def copied(self) -> StatusHistory:
        """Return a copy, which is not written to."""
        copy = StatusHistory()
        copy._newest, copy._lines = self._newest, {name: line[:] for name, line in self._lines.items()}
        return copy

    def series(self) -> dict[str, list[float | None]]:
        """Return the slots that have a value, oldest first. `at`: start of the slot in seconds since the epoch. A value
        of None is unknown.
        """
        if self._newest is None:
            return {"at": [], **{name: [] for name in NAMES}}
        slots = [slot for slot in range(self._newest - SLOTS + 1, self._newest + 1) if self._is_noted(slot % SLOTS)]
        values = {name: [_rounded(line[slot % SLOTS]) for slot in slots] for name, line in self._lines.items()}
        return {"at": [slot * STEP_S for slot in slots], **values}

    def newest(self) -> dict[str, float | None] | None:
        """Return the newest slot as a point of the series (None: there is no slot yet)."""
        if self._newest is None:
            return None
        at = self._newest % SLOTS
        return {"at": self._newest * STEP_S, **{name: _rounded(line[at]) for name, line in self._lines.items()}}

    def in_time(self) -> tuple[float, float]:
        """Return the number of messages received in these hours, and the number of late ones among them."""
        received, late = ([one for one in self._lines[name] if not isnan(one)] for name in ("received", "late"))
        return sum(received), sum(late)

    def _is_noted(self, at: int) -> bool:
        return not all(isnan(line[at]) for line in self._lines.values())


def _rounded(value: float) -> float | None:
    return None if isnan(value) else round(value, 2)
