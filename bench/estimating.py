"""Measure the error of the estimated messages, late messages and task-hours, against the exact ones of a simulation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from autoscaler.ports import Poll
from autoscaler.sim.chance import DurationDistribution, stream
from autoscaler.sim.model import MINUTE_S, Floats, Workload, WorldSettings
from autoscaler.sim.ours import Ours, SimulatedSettings
from autoscaler.sim.play import play
from autoscaler.sim.score import billed_s
from autoscaler.telemetry.account import faults_of
from autoscaler.telemetry.tally import ServiceTally

DAY_S, SERVICE_S = 86_400.0, 5.0
MINUTES = int(DAY_S / MINUTE_S)


class Case(NamedTuple):
    """A day: the mean number of busy tasks in each minute, and the settings."""

    name: str
    tasks: Floats
    settings: SimulatedSettings


class Estimated(NamedTuple):
    """Estimated and exact figures. Task-hours: computed from the counts, and billed by ECS."""

    name: str
    messages: float
    messages_exact: int
    late: float
    late_exact: int
    task_hours: float
    task_hours_exact: float


def cases() -> Iterator[Case]:
    """Yield a latency target that is met, one that cannot be met, bursts from zero, and one below the start-up time."""
    minute = np.arange(MINUTES)
    hill = 10.0 + 10.0 * np.sin(2 * np.pi * minute / MINUTES) ** 2
    bursts = np.where(minute % 60 < 2, 20.0, 0.0)
    yield Case("10 to 20 tasks, 60 s", hill, SimulatedSettings(60.0))
    yield Case("the same with at most 17 tasks", hill, SimulatedSettings(60.0, max_tasks=17))
    yield Case("a burst each hour, from zero, 60 s", bursts, SimulatedSettings(60.0))
    yield Case("the same with 30 s", bursts, SimulatedSettings(30.0))
    yield Case("10 to 20 tasks, 30 s", hill, SimulatedSettings(30.0))


def estimated(case: Case, seed: int = 1) -> Estimated:
    """Simulate one day."""
    load, tally = _load(case, seed), _PollCounter()
    outcome = play(load, WorldSettings(), seed, Ours(case.settings.policy(), on_poll=tally.count_poll))
    waits_s = outcome.received_s - load.arrivals_s
    counted = tally.counted
    return Estimated(
        case.name,
        counted.received,
        len(waits_s),
        counted.late,
        int((waits_s > case.settings.acceptable_latency_s).sum()),
        counted.usage.task_s / 3600,
        billed_s(outcome) / 3600,
    )


class _PollCounter:
    """Counts as the daemon's metrics do."""

    def __init__(self) -> None:
        self.counted = ServiceTally()

    def count_poll(self, poll: Poll) -> None:
        self.counted = self.counted.after(poll, faults_of(poll))


def _load(case: Case, seed: int) -> Workload:
    rng = stream(seed, "bench")
    counts = rng.poisson(case.tasks / SERVICE_S * MINUTE_S)
    begins = np.repeat(np.arange(MINUTES) * MINUTE_S, counts)
    arrivals = np.sort(begins + rng.uniform(0.0, MINUTE_S, counts.sum()))
    service = DurationDistribution("lognormal", SERVICE_S, 1.0).sample(rng, len(arrivals))
    return Workload(case.name, arrivals, service, DAY_S, MINUTE_S, counts.astype(float), np.zeros(0))


def main() -> None:
    """Print one line per day."""
    print("| load, latency target | messages | estimated | late | estimated | task-hours billed | estimated |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for case in cases():
        one = estimated(case)
        print(
            f"| {one.name} | {one.messages_exact:,} | {one.messages / one.messages_exact - 1:+.2%} "
            f"| {one.late_exact / one.messages_exact:.2%} | {one.late / one.messages_exact:.2%} "
            f"| {one.task_hours_exact:.0f} | {one.task_hours / one.task_hours_exact - 1:+.1%} |"
        )


if __name__ == "__main__":
    main()
