"""The faults of a simulated world by instant. Windows are half-open: a fault is over at `end_s`."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import TypeVar

from autoscaler.sim.model import (
    Breakdown,
    Contention,
    CrashLoop,
    Fault,
    PlannedRollout,
    Shortage,
    Slow,
    SqsOutage,
    Throttling,
)

Window = Slow | Contention | Breakdown | CrashLoop | Shortage | Throttling | SqsOutage
Kind = TypeVar("Kind", Slow, Contention, Breakdown, CrashLoop, Shortage, Throttling, SqsOutage)


class FaultPlan:
    """The faults of a run, by instant."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._slow = _of(Slow, faults)
        self._contention = _of(Contention, faults)
        self._crashing = _of(CrashLoop, faults)
        self._shortage = _of(Shortage, faults)
        self._throttling = _of(Throttling, faults)
        self._sqs_outages = _of(SqsOutage, faults)
        self.breakdowns = _merged((each.start_s, each.end_s) for each in _of(Breakdown, faults))
        self.rollouts_s = sorted(each.start_s for each in faults if isinstance(each, PlannedRollout))
        self.shortages_end_s = sorted(each.end_s for each in self._shortage)
        slowing: tuple[Slow | Contention, ...] = (*self._slow, *self._contention)
        self.slowdown_changes_s = sorted({at for each in slowing for at in (each.start_s, each.end_s)})

    def slowdown(self, now: float, running: int) -> float:
        """Return the factor of the processing time of a message that begins now, with `running` running tasks."""
        factor = 1.0
        for slow in _now(self._slow, now):
            factor *= slow.factor
        for contention in _now(self._contention, now):
            factor *= max(1.0, running / contention.tasks)
        return factor

    def crashes(self, now: float) -> bool:
        """Return whether a task that comes up now will crash."""
        return any(_now(self._crashing, now))

    def capacity(self, now: float) -> float:
        """Return the maximum number of running and pending tasks; infinite without a shortage."""
        return min((each.tasks for each in _now(self._shortage, now)), default=inf)

    def throttled(self, now: float) -> bool:
        return any(_now(self._throttling, now))

    def unreadable(self, now: float) -> bool:
        return any(_now(self._sqs_outages, now))


def _of(kind: type[Kind], faults: tuple[Fault, ...]) -> tuple[Kind, ...]:
    return tuple(each for each in faults if isinstance(each, kind))


def _now(windows: Iterable[Kind], now: float) -> Iterable[Kind]:
    return (each for each in windows if each.start_s <= now < each.end_s)


def _merged(windows: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return the windows, ascending, with overlapping and adjacent ones joined."""
    merged: list[tuple[float, float]] = []
    for start_s, end_s in sorted(windows):
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end_s, merged[-1][1]))
        else:
            merged.append((start_s, end_s))
    return tuple(merged)
