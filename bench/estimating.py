"""How far off the estimated counts are: messages and late messages, against a simulated SQS that knows each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from autoscaler.ports import Tick
from autoscaler.sim.chance import Distribution, stream
from autoscaler.sim.model import MINUTE_S, Floats, Workload, WorldSettings
from autoscaler.sim.ours import Ours, Wishes
from autoscaler.sim.play import play
from autoscaler.sim.score import billed_s
from autoscaler.telemetry.account import faults_of
from autoscaler.telemetry.tally import Tally

DAY_S, SERVICE_S = 86_400.0, 5.0
MINUTES = int(DAY_S / MINUTE_S)


class Case(NamedTuple):
    """A day: tasks that its arrivals keep busy, minute by minute, and what the operator says."""

    name: str
    tasks: Floats
    wishes: Wishes


class Estimated(NamedTuple):
    """What was estimated, and what was so. Task-hours: what ECS bills, against what the counts say."""

    name: str
    messages: float
    messages_truly: int
    late: float
    late_truly: int
    task_hours: float
    task_hours_truly: float


def cases() -> Iterator[Case]:
    """A promise that is kept, one that cannot be, bursts from zero, and a latency shorter than a start."""
    minute = np.arange(MINUTES)
    hill = 10.0 + 10.0 * np.sin(2 * np.pi * minute / MINUTES) ** 2
    bursts = np.where(minute % 60 < 2, 20.0, 0.0)
    yield Case("a hill of 10 to 20 tasks, 60 s", hill, Wishes(60.0))
    yield Case("the same with at most 17 tasks", hill, Wishes(60.0, max_tasks=17))
    yield Case("a burst each hour, from zero, 60 s", bursts, Wishes(60.0))
    yield Case("the same with 30 s", bursts, Wishes(30.0))
    yield Case("the hill with 30 s", hill, Wishes(30.0))


def estimated(case: Case, seed: int = 1) -> Estimated:
    """One simulated day."""
    load, tally = _load(case, seed), _Counting()
    outcome = play(load, WorldSettings(), seed, Ours(case.wishes.policy(), heard=tally.hear))
    waits_s = outcome.received_s - load.arrivals_s
    counted = tally.counted
    return Estimated(
        case.name,
        counted.received,
        len(waits_s),
        counted.late,
        int((waits_s > case.wishes.acceptable_latency_s).sum()),
        counted.usage.task_s / 3600,
        billed_s(outcome) / 3600,
    )


class _Counting:
    """Counts ticks as the daemon's metrics do."""

    def __init__(self) -> None:
        self.counted = Tally()

    def hear(self, tick: Tick) -> None:
        self.counted = self.counted.after(tick, faults_of(tick))


def _load(case: Case, seed: int) -> Workload:
    chance = stream(seed, "bench")
    counts = chance.poisson(case.tasks / SERVICE_S * MINUTE_S)
    begins = np.repeat(np.arange(MINUTES) * MINUTE_S, counts)
    arrivals = np.sort(begins + chance.uniform(0.0, MINUTE_S, counts.sum()))
    service = Distribution("lognormal", SERVICE_S, 1.0).sample(chance, len(arrivals))
    return Workload(case.name, arrivals, service, DAY_S, MINUTE_S, counts.astype(float), np.zeros(0))


def main() -> None:
    """A line for each day."""
    print("| a day of | messages | estimated | late | estimated | task-hours billed | estimated |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for case in cases():
        one = estimated(case)
        print(
            f"| {one.name} | {one.messages_truly:,} | {one.messages / one.messages_truly - 1:+.2%} "
            f"| {one.late_truly / one.messages_truly:.2%} | {one.late / one.messages_truly:.2%} "
            f"| {one.task_hours_truly:.0f} | {one.task_hours / one.task_hours_truly - 1:+.1%} |"
        )


if __name__ == "__main__":
    main()
