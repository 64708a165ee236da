"""A fleet of one size: what most services run without an autoscaler. Its operator has seen the peak beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autoscaler.sim.model import MINUTE_S, Floats, Surface, Workload
from autoscaler.sim.peers.looking import scaled, tasks
from autoscaler.sim.peers.peer import Peer, Setup

NAME = "static"

WINDOW_S = 300.0
"""The peak is that of five minutes: of a shorter one, chance would decide."""


def peak_tasks(workload: Workload, task_concurrency: int, window_s: float = WINDOW_S) -> int:
    """The tasks that the busiest window keeps at work if no message waits: the highest mean, over windows from 0 on,
    of messages being worked on, by the messages a task works on at once. At least 1.
    """
    if not workload.arrivals_s.size:
        return 1
    ends = workload.arrivals_s + workload.service_s
    edges = np.arange(0.0, float(ends.max()) + 2 * window_s, window_s)
    begun, done = _elapsed_s(workload.arrivals_s, edges), _elapsed_s(np.sort(ends), edges)
    busiest = float(np.diff(begun - done).max()) / window_s
    return max(1, math.ceil(busiest / task_concurrency - 1e-6))


def _elapsed_s(instants: Floats, edges: Floats) -> Floats:
    """At each edge, the sum of the seconds that have passed since each instant before it. Both ascend."""
    count = np.searchsorted(instants, edges, side="right")
    sums = np.concatenate(([0.0], np.cumsum(instants)))
    elapsed: Floats = count * edges - sums[count]
    return elapsed


@dataclass(frozen=True, slots=True)
class StaticSettings:
    """`tasks` at all times. No source: it is what one does without an autoscaler."""

    tasks: int
    interval_s: float = MINUTE_S

    def __str__(self) -> str:
        return f"{self.tasks} tasks"


class Static:
    """Sets its count at the first tick, and again only where that was refused or undone."""

    def __init__(self, settings: StaticSettings) -> None:
        self._settings = settings

    @property
    def interval_s(self) -> float:
        return self._settings.interval_s

    def tick(self, world: Surface) -> None:
        seen = tasks(world)
        if seen is not None and seen.desired != self._settings.tasks:
            scaled(world, self._settings.tasks, "a fleet of one size")

    def restart(self) -> None:
        """There is nothing to forget."""


def _settings(setup: Setup, text: str | None) -> StaticSettings:
    wanted = peak_tasks(setup.workload, setup.task_concurrency) if not text else _count(text)
    return StaticSettings(setup.bounded(wanted, least=1))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(f"TASKS is {text!r}: it must be a whole number of at least 1")
    return int(text)


def _grid(setup: Setup) -> tuple[str, ...]:
    """The peak, and what a bolder and a more careful operator would take."""
    peak = peak_tasks(setup.workload, setup.task_concurrency)
    counts = sorted({max(1, math.ceil(peak * share)) for share in (0.5, 0.75, 1.25)} - {peak})
    return (NAME, *(f"{NAME}:{count}" for count in counts))


def _depends_on_latency(text: str | None) -> bool:
    """Never; a count that cannot be read is told of here too."""
    if text:
        _count(text)
    return False


PEER = Peer(
    NAME,
    "a fleet of one size, of the busiest five minutes' demand or of TASKS",
    f"{NAME}[:TASKS]",
    lambda setup, text: Static(_settings(setup, text)),
    _grid,
    lambda setup, text: str(_settings(setup, text)) if text else "the peak of five minutes",
    _depends_on_latency,
)
