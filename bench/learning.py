"""Measure decisions with estimators and look-ahead over many polls, and the memory of a service."""

from __future__ import annotations

import gc
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import replace
from math import exp, pi, sin, sqrt
from typing import Any, NamedTuple, TypeAlias

from autoscaler.control.learning import ForecastHistory
from autoscaler.core.engine import decide
from autoscaler.core.estimate import Estimator
from autoscaler.core.estimate.foreseen import NOTHING_AHEAD
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Fleet, Flow, Observation, QueueReading
from autoscaler.core.policy import Policy, QueuePolicy
from autoscaler.ports import Computed, PeriodSum, QueueMinute, QueueRef, Span

POLL_S, MINUTE_S = 10.0, 60.0
RUNS, POLLS = 5, 4_320
"""Half a day per run, to include what the look-ahead learns again every few hours."""
MESSAGE_S, LATENCY_S, TASKS = 5.0, 60.0, 20
WALL_S = 1_699_999_980.0
SERVICES = 50

World: TypeAlias = list[tuple[Observation, QueueMinute]]


class Learned(NamedTuple):
    """`alone`, `ahead`: decisions per second without and with look-ahead. `quiet`: without look-ahead, messages and
    tasks. `kib`, `kib_alone`: memory of one more service, with and without look-ahead.
    """

    alone: float
    ahead: float
    quiet: float
    kib: float
    kib_alone: float


def learned() -> Learned:
    """Return the medians of several runs, in CPU time of this process."""
    busy = [[*_world(random.Random(seed), POLLS)] for seed in range(RUNS)]
    quiet = [[*_quiet_world(POLLS)]] * RUNS
    rates = _rate(busy, look_ahead=False), _rate(busy, look_ahead=True), _rate(quiet, look_ahead=False)
    return Learned(*rates, kib_per_service(look_ahead=True), kib_per_service(look_ahead=False))


def _rate(worlds: list[World], *, look_ahead: bool) -> float:
    return statistics.median([_one_rate(world, look_ahead=look_ahead) for world in worlds])


def _one_rate(world: World, *, look_ahead: bool) -> float:
    service = _Learner(look_ahead=look_ahead)
    service.poll(*world[0])
    began = time.process_time()
    for seen, minute in world[1:]:
        service.poll(seen, minute)
    return len(world) / (time.process_time() - began)


def kib_per_service(*, look_ahead: bool, services: int = SERVICES) -> float:
    """Return the median memory that each of many services adds after half an hour with everything enabled, its stored
    readings included.
    """
    _run(_Learner(look_ahead=look_ahead), _world(random.Random(0), 180))
    gc.collect()
    tracemalloc.start()
    learners, sizes = [], []
    for seed in range(services):
        before = tracemalloc.get_traced_memory()[0]
        learners.append(_Learner(look_ahead=look_ahead))
        _run(learners[-1], _world(random.Random(seed), 180))
        gc.collect()
        sizes.append((tracemalloc.get_traced_memory()[0] - before) / 1024)
    tracemalloc.stop()
    return statistics.median(sizes)


def _run(service: _Learner, world: Iterable[tuple[Observation, QueueMinute]]) -> None:
    for seen, minute in world:
        service.poll(seen, minute)


def _world(rng: random.Random, polls: int) -> Iterator[tuple[Observation, QueueMinute]]:
    """Yield a queue whose load rises and falls within two hours, with about as many tasks as required."""
    waiting, deleted = 0.0, 0
    flow, minute = None, QueueMinute(0.0, 0, 0, sent=0)
    for poll in range(polls):
        now = POLL_S * (poll + 1)
        rate = TASKS / MESSAGE_S * (1 + 0.5 * sin(2 * pi * now / 7200))
        arrived = max(0.0, rate * POLL_S + sqrt(rate * POLL_S) * rng.gauss(0, 1))
        waiting += arrived
        gone = min(waiting, 1.3 * TASKS / MESSAGE_S * POLL_S)
        waiting -= gone
        deleted += int(gone)
        if poll % 6 == 5:
            flow = Flow(deleted, deleted, TASKS, now, int(waiting))
            minute = QueueMinute(now, deleted, deleted, sent=int(6 * arrived))
            deleted = 0
        queue = QueueReading("orders", Backlog(int(waiting), min(TASKS, int(gone * MESSAGE_S / POLL_S)), 0, now))
        yield Observation(now, Fleet(TASKS, TASKS, 0, now), (queue,), flow=flow), minute


def _quiet_world(polls: int) -> Iterator[tuple[Observation, QueueMinute]]:
    """Yield a queue without messages and tasks, the usual state of most services in a large fleet."""
    for poll in range(polls):
        now = POLL_S * (poll + 1)
        flow = Flow(0, 0, 0, now) if poll % 6 == 5 else None
        queue = QueueReading("orders", Backlog(0, 0, 0, now))
        yield Observation(now, Fleet(0, 0, 0, now), (queue,), flow=flow), QueueMinute(now, 0, 0, sent=0)


class _Learner:
    """The steps of a service's loop between reads and writes."""

    def __init__(self, *, look_ahead: bool) -> None:
        self.policy = Policy(name="orders", min_tasks=0, max_tasks=500, queues=(QueuePolicy("orders", LATENCY_S),))
        self.now = 0.0
        self.ahead = ForecastHistory(
            [QueueRef("orders")], _Past(), _ImmediateRunner(), lambda: self.now, lambda: WALL_S + self.now
        )
        self.is_ahead = look_ahead
        self.estimator: Estimator | None = None
        self.memory = Memory()
        if look_ahead:
            _run_at_once(self.ahead)

    def poll(self, seen: Observation, minute: QueueMinute) -> None:
        self.now, policy = seen.now, self.policy
        if self.estimator is None:
            self.estimator, self.memory = Estimator(policy, seen, POLL_S), Memory.begun(seen.fleet, seen.now)
        ahead = NOTHING_AHEAD
        if self.is_ahead:
            self.ahead.see({"orders": minute})
            ahead = self.ahead.ahead() if self.estimator.must_foresee(policy) else NOTHING_AHEAD
        seen = replace(seen, knowledge=self.estimator.see(policy, seen, ahead))
        self.memory = self.memory.remembering(policy, seen, decide(policy, self.memory, seen))


class _ImmediateRunner:
    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do nothing: `_run_at_once` runs the work."""

    async def compute(self, work: Callable[[], Computed]) -> Computed:
        return work()


class _Past:
    """Two weeks with a daily pattern."""

    async def sent(self, _: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        [(start, end, period_s)] = spans
        begins = range(int(start), int(end), period_s)
        return tuple((float(at), period_s, _sent(at)) for at in begins)

    async def received(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        return await self.sent(queue, spans)


def _sent(at: int) -> float:
    hour = at / 3600 % 24
    return round(200 + 100 * exp(-((hour - 9) ** 2)) + 20 * sin(at))


def _run_at_once(ahead: ForecastHistory) -> None:
    """Run the read of the history, which returns at once."""
    try:
        ahead.begin().send(None)
    except StopIteration:
        return
    raise RuntimeError("the history read waited")
