"""What is wrong with the world, and when. Windows are half-open: at `end_s` all is well again."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import TypeVar

from autoscaler.sim.model import (
    Blindness,
    Breakdown,
    Contention,
    CrashLoop,
    Fault,
    Rollout,
    Shortage,
    Slow,
    Throttling,
)

Window = Slow | Contention | Breakdown | CrashLoop | Shortage | Throttling | Blindness
Kind = TypeVar("Kind", Slow, Contention, Breakdown, CrashLoop, Shortage, Throttling, Blindness)


class Faults:
    """The faults of a run, asked by instant."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._slow = _of(Slow, faults)
        self._contention = _of(Contention, faults)
        self._crashing = _of(CrashLoop, faults)
        self._shortage = _of(Shortage, faults)
        self._throttling = _of(Throttling, faults)
        self._blindness = _of(Blindness, faults)
        self.breakdowns = _merged((each.start_s, each.end_s) for each in _of(Breakdown, faults))
        self.rollouts_s = sorted(each.start_s for each in faults if isinstance(each, Rollout))
        self.shortages_end_s = sorted(each.end_s for each in self._shortage)
        paced: tuple[Slow | Contention, ...] = (*self._slow, *self._contention)
        self.pace_changes_s = sorted({at for each in paced for at in (each.start_s, each.end_s)})

    def stretch(self, now: float, running: int) -> float:
        """How many times as long as it should a message takes that is begun now, while so many tasks run."""
        factor = 1.0
        for slow in _now(self._slow, now):
            factor *= slow.factor
        for contention in _now(self._contention, now):
            factor *= max(1.0, running / contention.tasks)
        return factor

    def crashes(self, now: float) -> bool:
        """Whether a task that comes up now will crash."""
        return any(_now(self._crashing, now))

    def capacity(self, now: float) -> float:
        """How many tasks there may be, running and pending (infinite: any number)."""
        return min((each.tasks for each in _now(self._shortage, now)), default=inf)

    def throttled(self, now: float) -> bool:
        return any(_now(self._throttling, now))

    def blind(self, now: float) -> bool:
        return any(_now(self._blindness, now))


def _of(kind: type[Kind], faults: tuple[Fault, ...]) -> tuple[Kind, ...]:
    return tuple(each for each in faults if isinstance(each, kind))


def _now(windows: Iterable[Kind], now: float) -> Iterable[Kind]:
    return (each for each in windows if each.start_s <= now < each.end_s)


def _merged(windows: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The same instants, in windows that neither overlap nor touch, ascending."""
    merged: list[tuple[float, float]] = []
    for start_s, end_s in sorted(windows):
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end_s, merged[-1][1]))
        else:
            merged.append((start_s, end_s))
    return tuple(merged)
