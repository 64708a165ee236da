"""CloudWatch metrics with a resolution below one minute, built from what an agent samples at each poll."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from autoscaler.sim.model import Surface
from autoscaler.sim.peers.application_auto_scaling import MetricPeriod
from autoscaler.sim.peers.peer import counts, tasks

Sampler: TypeAlias = Callable[[Surface], MetricPeriod | None]
"""Returns one sample: the value, and the tasks that run now. None: it cannot be read, or is undefined."""


def sampled_backlog_per_task(world: Surface) -> MetricPeriod | None:
    """Return visible messages / running tasks, at least 1 task: what the agent of AWS Copilot publishes.

    aws/copilot-cli, `backlog-per-task-calculator.js`, a Lambda function that an EventBridge rule runs each minute: if
    no task runs it publishes the number of messages, and if a call fails it publishes nothing.
    """
    queue, seen = counts(world), tasks(world)
    if queue is None or seen is None:
        return None
    return MetricPeriod(queue.visible / max(seen.running, 1), seen.running)


def sampled_cpu_percent(task_concurrency: int) -> Sampler:
    """Return a sampler of the CPU utilization: messages in flight / messages that the running tasks process at once.

    The simulator publishes CPU only per minute, in which it is the busy share of the tasks. This is the same share at
    one instant. Without a running task there is no sample.
    """

    def sample(world: Surface) -> MetricPeriod | None:
        queue, seen = counts(world), tasks(world)
        if queue is None or seen is None or seen.running == 0:
            return None
        return MetricPeriod(min(100.0, 100.0 * queue.in_flight / (seen.running * task_concurrency)), seen.running)

    return sample


@dataclass(slots=True)
class _Sums:
    """The samples of one period."""

    samples: int = 0
    value: float = 0.0
    running: float = 0.0

    def mean(self) -> MetricPeriod:
        return MetricPeriod(self.value / self.samples, self.running / self.samples)


class HighResolutionMetric:
    """The means of the samples of each period. Periods are multiples of `period_s` from 0.

    `late_s`: seconds from a period's end until its datapoint can be read. `most`: the number of periods that are kept.
    """

    def __init__(self, sampler: Sampler, period_s: float, late_s: float, most: int) -> None:
        self._sampler = sampler
        self._period_s = period_s
        self._late_s = late_s
        self._most = most
        self._periods: dict[int, _Sums] = {}

    def sample(self, world: Surface) -> None:
        """Add the current sample, if there is one."""
        sampled = self._sampler(world)
        if sampled is None or sampled.value is None or sampled.running is None:
            return
        number = int(world.now // self._period_s)
        if number not in self._periods:
            self._drop_before(self._published(world.now) - self._most)
        sums = self._periods.setdefault(number, _Sums())
        sums.samples += 1
        sums.value += sampled.value
        sums.running += sampled.running

    def newest(self, world: Surface, most: int) -> tuple[MetricPeriod, ...]:
        """Return the newest periods that can be read, oldest first. A period without a sample has no value."""
        end = self._published(world.now)
        found = (self._periods.get(number) for number in range(max(0, end - most), end))
        return tuple(MetricPeriod(None, None) if sums is None else sums.mean() for sums in found)

    def _published(self, now: float) -> int:
        """Return the number of the first period that cannot be read yet."""
        return int((now - self._late_s) // self._period_s)

    def _drop_before(self, number: int) -> None:
        for old in [each for each in self._periods if each < number]:
            del self._periods[old]
