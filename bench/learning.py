"""What learning costs: a decision with its estimators and look-ahead, tick after tick, and what a service remembers."""

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

from autoscaler.control.background import Thought
from autoscaler.control.lookahead import LookAhead
from autoscaler.core.engine import decide
from autoscaler.core.estimate import Estimator
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Fleet, Flow, Observation, QueueReading
from autoscaler.core.policy import Policy, QueuePolicy
from autoscaler.ports import PeriodSum, QueueMinute, QueueRef, Span

TICK_S, MINUTE_S = 10.0, 60.0
RUNS, TICKS = 5, 4_320
"""Half a day a run, so that what the look-ahead learns anew every few hours is in it."""
MESSAGE_S, LATENCY_S, TASKS = 5.0, 60.0, 20
WALL_S = 1_699_999_980.0
SERVICES = 50

World: TypeAlias = list[tuple[Observation, QueueMinute]]


class Learned(NamedTuple):
    """`alone`, `ahead`, `quiet`: decisions a second, without and with look-ahead, and without where nothing comes and
    no task runs. `kib`: what one more service keeps.
    """

    alone: float
    ahead: float
    quiet: float
    kib: float


def learned() -> Learned:
    """Medians of several runs, by this process's own CPU time."""
    busy = [[*_world(random.Random(seed), TICKS)] for seed in range(RUNS)]
    quiet = [[*_quiet_world(TICKS)]] * RUNS
    return Learned(_rate(busy, look_ahead=False), _rate(busy, look_ahead=True), _rate(quiet, look_ahead=False), _kib())


def _rate(worlds: list[World], *, look_ahead: bool) -> float:
    return statistics.median([_one_rate(world, look_ahead=look_ahead) for world in worlds])


def _one_rate(world: World, *, look_ahead: bool) -> float:
    service = _Learner(look_ahead=look_ahead)
    service.tick(*world[0])
    began = time.process_time()
    for seen, minute in world[1:]:
        service.tick(seen, minute)
    return len(world) / (time.process_time() - began)


def _kib() -> float:
    """The median of what each of many services adds, after half an hour with everything on: what it keeps of what it
    has seen, too.
    """
    _run(_Learner(look_ahead=True), _world(random.Random(0), 180))
    gc.collect()
    tracemalloc.start()
    kept, sizes = [], []
    for seed in range(SERVICES):
        before = tracemalloc.get_traced_memory()[0]
        kept.append(_Learner(look_ahead=True))
        _run(kept[-1], _world(random.Random(seed), 180))
        gc.collect()
        sizes.append((tracemalloc.get_traced_memory()[0] - before) / 1024)
    tracemalloc.stop()
    return statistics.median(sizes)


def _run(service: _Learner, world: Iterable[tuple[Observation, QueueMinute]]) -> None:
    for seen, minute in world:
        service.tick(seen, minute)


def _world(chance: random.Random, ticks: int) -> Iterator[tuple[Observation, QueueMinute]]:
    """A queue whose load comes and goes within two hours; about as many tasks as it takes."""
    waiting, deleted = 0.0, 0
    flow, minute = None, QueueMinute(0.0, 0, 0, sent=0)
    for tick in range(ticks):
        now = TICK_S * (tick + 1)
        rate = TASKS / MESSAGE_S * (1 + 0.5 * sin(2 * pi * now / 7200))
        come = max(0.0, rate * TICK_S + sqrt(rate * TICK_S) * chance.gauss(0, 1))
        waiting += come
        gone = min(waiting, 1.3 * TASKS / MESSAGE_S * TICK_S)
        waiting -= gone
        deleted += int(gone)
        if tick % 6 == 5:
            flow = Flow(deleted, deleted, TASKS, now, int(waiting))
            minute = QueueMinute(now, deleted, deleted, sent=int(6 * come))
            deleted = 0
        queue = QueueReading("orders", Backlog(int(waiting), min(TASKS, int(gone * MESSAGE_S / TICK_S)), 0, now))
        yield Observation(now, Fleet(TASKS, TASKS, 0, now), (queue,), flow=flow), minute


def _quiet_world(ticks: int) -> Iterator[tuple[Observation, QueueMinute]]:
    """What most of many services are at most times: nothing comes, and no task runs."""
    for tick in range(ticks):
        now = TICK_S * (tick + 1)
        flow = Flow(0, 0, 0, now) if tick % 6 == 5 else None
        queue = QueueReading("orders", Backlog(0, 0, 0, now))
        yield Observation(now, Fleet(0, 0, 0, now), (queue,), flow=flow), QueueMinute(now, 0, 0, sent=0)


class _Learner:
    """What a service's loop does between reading and writing."""

    def __init__(self, *, look_ahead: bool) -> None:
        self.policy = Policy(name="orders", min_tasks=0, max_tasks=500, queues=(QueuePolicy("orders", LATENCY_S),))
        self.now = 0.0
        self.ahead = LookAhead([QueueRef("orders")], _Past(), _AtOnce(), lambda: self.now, lambda: WALL_S + self.now)
        self.is_ahead = look_ahead
        self.estimator: Estimator | None = None
        self.memory = Memory()
        if look_ahead:
            _done(self.ahead)

    def tick(self, seen: Observation, minute: QueueMinute) -> None:
        self.now, policy = seen.now, self.policy
        if self.estimator is None:
            self.estimator, self.memory = Estimator(policy, seen, TICK_S), Memory.begun(seen.fleet, seen.now)
        ahead = None
        if self.is_ahead:
            self.ahead.see({"orders": minute})
            ahead = self.ahead.ahead() if self.estimator.must_foresee(policy) else None
        seen = replace(seen, knowledge=self.estimator.see(policy, seen, ahead))
        self.memory = self.memory.remembering(policy, seen, decide(policy, self.memory, seen))


class _AtOnce:
    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Nothing is begun here but by `_done`."""

    async def think(self, work: Callable[[], Thought]) -> Thought:
        return work()


class _Past:
    """Two weeks with a morning and an evening."""

    async def sent(self, _: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        [(start, end, period_s)] = spans
        begins = range(int(start), int(end), period_s)
        return tuple((float(at), period_s, _sent(at)) for at in begins)

    async def received(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        return await self.sent(queue, spans)


def _sent(at: int) -> float:
    hour = at / 3600 % 24
    return round(200 + 100 * exp(-((hour - 9) ** 2)) + 20 * sin(at))


def _done(ahead: LookAhead) -> None:
    """Everything here answers at once."""
    try:
        ahead.begin().send(None)
    except StopIteration:
        return
    raise RuntimeError("the past waited")
