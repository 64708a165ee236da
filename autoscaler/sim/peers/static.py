"""A constant number of tasks, as in most services without an autoscaler. Its operator knows the peak in advance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autoscaler.sim.model import MINUTE_S, Floats, Surface, Workload
from autoscaler.sim.peers.peer import Peer, Setup, scaled, tasks

NAME = "static"

WINDOW_S = 300.0
"""Seconds. The peak is a five-minute mean, because a shorter peak would be random."""


def peak_tasks(workload: Workload, task_concurrency: int, window_s: float = WINDOW_S) -> int:
    """Return the busy tasks of the busiest window if no message waits, at least 1.

    This is the highest mean number of messages in progress over windows from 0 on, divided by the messages that a task
    processes at once.
    """
    if not workload.arrivals_s.size:
        return 1
    ends = workload.arrivals_s + workload.service_s
    edges = np.arange(0.0, float(ends.max()) + 2 * window_s, window_s)
    since_arrival, since_end = _elapsed_s(workload.arrivals_s, edges), _elapsed_s(np.sort(ends), edges)
    busiest = float(np.diff(since_arrival - since_end).max()) / window_s
    return max(1, math.ceil(busiest / task_concurrency - 1e-6))


def _elapsed_s(instants: Floats, edges: Floats) -> Floats:
    """Return, for each edge, the sum of the seconds since each instant before it. Both inputs ascend."""
    count = np.searchsorted(instants, edges, side="right")
    sums = np.concatenate(([0.0], np.cumsum(instants)))
    elapsed: Floats = count * edges - sums[count]
    return elapsed


@dataclass(frozen=True, slots=True)
class StaticSettings:
    """A constant count of `tasks`. It has no source: this is the practice without an autoscaler."""

    tasks: int
    interval_s: float = MINUTE_S

    def __str__(self) -> str:
        return f"{self.tasks} tasks"


class Static:
    """The simulated fixed fleet. It sets its count at the first poll, and again only if that was refused or undone."""

    def __init__(self, settings: StaticSettings) -> None:
        self._settings = settings

    @property
    def interval_s(self) -> float:
        return self._settings.interval_s

    def poll(self, world: Surface) -> None:
        seen = tasks(world)
        if seen is not None and seen.desired != self._settings.tasks:
            scaled(world, self._settings.tasks, "constant number of tasks")

    def restart(self) -> None:
        """Nothing is lost: it has no state."""


def _settings(setup: Setup, text: str | None) -> StaticSettings:
    count = peak_tasks(setup.workload, setup.task_concurrency) if not text else _count(text)
    return StaticSettings(setup.bounded(count, least=1))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise ValueError(f"TASKS is {text!r}: it must be a whole number of at least 1")
    return int(text)


def _grid(setup: Setup) -> tuple[str, ...]:
    """Return the peak, and shares of it that operators with less or more reserve choose."""
    peak = peak_tasks(setup.workload, setup.task_concurrency)
    counts = sorted({max(1, math.ceil(peak * share)) for share in (0.5, 0.75, 1.25)} - {peak})
    return (NAME, *(f"{NAME}:{count}" for count in counts))


def _depends_on_latency(text: str | None) -> bool:
    """Return False. Raise `ValueError` for an invalid count."""
    if text:
        _count(text)
    return False


PEER = Peer(
    NAME,
    "a constant number of tasks: TASKS, or the demand of the busiest five minutes",
    f"{NAME}[:TASKS]",
    lambda setup, text: Static(_settings(setup, text)),
    _grid,
    lambda setup, text: str(_settings(setup, text)) if text else "the peak demand of five minutes",
    _depends_on_latency,
)
