"""How many decisions one core makes in a second: of a plain service, and with every restraint on."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

from autoscaler.core.engine import decide
from autoscaler.core.memory import Change, Demand, Memory, Running
from autoscaler.core.model import Backlog, Deployment, Fleet, Observation, QueueReading, Utilization
from autoscaler.core.policy import Activation, Direction, Fallback, FallbackBehavior, Limit, Mode, Policy, QueuePolicy

NOW = 100_000.0
TICK_S = 10.0
RUNS, DECISIONS = 7, 4_000

World = tuple[Policy, Memory, Observation]


def world(window_s: float) -> World:
    """A busy service in the middle of a deployment, remembered at every tick for as long as the windows reach."""
    limits = (Limit(window_s, tasks=10), Limit(60.0, percent=100))
    policy = Policy(
        name="orders",
        min_tasks=0,
        max_tasks=500,
        queues=(QueuePolicy("orders", 60.0), QueuePolicy("refunds", 300.0)),
        processing_time_s=2.0,
        backlog_per_task=30.0,
        cpu_target_percent=60.0,
        scale_out=Direction(30.0, window_s, limits),
        scale_in=Direction(60.0, window_s, limits),
        activation=Activation(10, 2),
        fallback=Fallback(FallbackBehavior.STATIC, 20),
        mode=Mode.SCALE_OUT_ONLY,
    )
    ticks = range(int(window_s / TICK_S), 0, -1)
    memory = Memory(
        since=0.0,
        demands=tuple(Demand(NOW - TICK_S * tick, 20 + tick * 7 % 13) for tick in ticks),
        changes=tuple(Change(NOW - TICK_S * tick, 1 - tick % 3) for tick in ticks if tick % 4 == 0),
        running=(Running(NOW - 500, 10),),
    )
    queues = (
        QueueReading("orders", Backlog(900, 40, 0, NOW - 1)),
        QueueReading("refunds", Backlog(100, 40, 0, NOW - 1)),
    )
    fleet = Fleet(22, 20, 2, NOW - 1, Deployment(NOW - 50))
    return policy, memory, Observation(NOW, fleet, queues, Utilization(70.0, NOW - 60, 20))


def plain(window_s: float) -> World:
    """One queue and a latency, both stabilization windows, a limit and a cooldown in each direction."""
    _, memory, seen = world(window_s)
    limits = (Limit(60.0, percent=100),)
    policy = Policy(
        name="orders",
        min_tasks=0,
        max_tasks=500,
        queues=(QueuePolicy("orders", 60.0),),
        processing_time_s=2.0,
        scale_out=Direction(30.0, window_s, limits),
        scale_in=Direction(60.0, window_s, limits),
    )
    return policy, memory, replace(seen, queues=seen.queues[:1], cpu=None, fleet=replace(seen.fleet, deployment=None))


def decisions_per_second(case: World) -> float:
    """The median of several runs, by this process's own CPU time, so that neighbours on the machine do not count."""
    rates = []
    for _ in range(RUNS):
        began = time.process_time()
        for _ in range(DECISIONS):
            decide(*case)
        rates.append(DECISIONS / (time.process_time() - began))
    return statistics.median(rates)
