"""A policy plays against the world: from the first second until every message is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

from autoscaler.sim.model import Outcome, Restart, Scaler, Workload, WorldSettings
from autoscaler.sim.world import World

Progress: TypeAlias = Callable[[float], None]
"""Told how much of the days has been played: 0 to 1."""

OVERTIME_S = 86_400.0
"""A world that does not drain within a day of the workload's end never will."""


def play(
    workload: Workload,
    settings: WorldSettings,
    seed: int,
    scaler: Scaler,
    on_progress: Progress | None = None,
) -> Outcome:
    """What becomes of the workload under that policy, which ticks at every multiple of its interval.

    It ends once the days are over and every message is deleted or dead, and at most a day later. All tasks stop then.
    `on_progress` is told at each hundredth of the days, and of the whole at the end.
    """
    world = World(workload, settings, seed)
    restarts_s = deque(sorted(fault.start_s for fault in settings.faults if isinstance(fault, Restart)))
    progress = _Progress(workload.length_s, on_progress)
    limit_s = workload.length_s + OVERTIME_S
    for number in count():
        at = number * scaler.interval_s
        world.advance(min(at, limit_s))
        if world.has_ended or at > limit_s:
            break
        while restarts_s and restarts_s[0] <= at:
            restarts_s.popleft()
            scaler.restart()
        scaler.tick(world)
        progress.reached(at)
    progress.reached(workload.length_s)
    return world.outcome()


class _Progress:
    """Tells of each hundredth once, or of several at a time where they come so fast."""

    def __init__(self, length_s: float, tell: Progress | None) -> None:
        self._length_s = length_s
        self._tell = tell
        self._next = 0

    def reached(self, at: float) -> None:
        hundredths = min(100, int(100 * at / self._length_s)) if self._length_s > 0 else 100
        if self._tell is not None and hundredths >= self._next:
            self._next = hundredths + 1
            self._tell(hundredths / 100)
