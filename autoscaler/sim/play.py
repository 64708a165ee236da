"""Run a policy against the simulated world, from the first second until every message is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TypeAlias

from autoscaler.sim.model import Restart, Scaler, SimulationOutcome, Workload, WorldSettings
from autoscaler.sim.world import World

Progress: TypeAlias = Callable[[float], None]
"""Called with the simulated share of the days, 0 to 1."""

OVERTIME_S = 86_400.0
"""Seconds after the end of the workload. A queue that has not drained by then is assumed never to drain."""


def play(
    workload: Workload,
    settings: WorldSettings,
    seed: int,
    scaler: Scaler,
    on_progress: Progress | None = None,
) -> SimulationOutcome:
    """Run the policy on the workload, with a poll at every multiple of its interval, and return the outcome.

    The run ends when the days are over and every message is deleted or in the dead-letter queue, at most one day after
    the days. All tasks stop then. `on_progress` is called at each hundredth of the days, and with 1 at the end.
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
        scaler.poll(world)
        progress.reached(at)
    progress.reached(workload.length_s)
    return world.outcome()


class _Progress:
    """Reports each hundredth at most once; a poll that passes several hundredths reports only the last one."""

    def __init__(self, length_s: float, on_progress: Progress | None) -> None:
        self._length_s = length_s
        self._on_progress = on_progress
        self._next = 0

    def reached(self, at: float) -> None:
        hundredths = min(100, int(100 * at / self._length_s)) if self._length_s > 0 else 100
        if self._on_progress is not None and hundredths >= self._next:
            self._next = hundredths + 1
            self._on_progress(hundredths / 100)
