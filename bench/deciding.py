"""Measure decisions per second on one core, for a plain service and for one with every rule."""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

from autoscaler.core.engine import decide
from autoscaler.core.memory import AcceptedChange, Demand, Memory, RunningCount
from autoscaler.core.model import Backlog, Deployment, Fleet, Observation, QueueReading, Utilization
from autoscaler.core.policy import (
    Activation,
    Direction,
    Fallback,
    FallbackBehavior,
    Mode,
    Policy,
    QueuePolicy,
    RateLimit,
    ScaleIn,
)

NOW = 100_000.0
POLL_S = 10.0
RUNS, DECISIONS = 7, 4_000

World = tuple[Policy, Memory, Observation]


def world(window_s: float) -> World:
    """Return a busy service during a deployment, with one demand per poll for the length of the windows."""
    limits = (RateLimit(window_s, tasks=10), RateLimit(60.0, percent=100))
    policy = Policy(
        name="orders",
        min_tasks=0,
        max_tasks=500,
        queues=(QueuePolicy("orders", 60.0), QueuePolicy("refunds", 300.0)),
        processing_time_s=2.0,
        backlog_per_task=30.0,
        cpu_target_percent=60.0,
        scale_out=Direction(30.0, window_s, limits),
        scale_in=ScaleIn(60.0, window_s, limits),
        activation=Activation(10, 2),
        fallback=Fallback(FallbackBehavior.STATIC, 20),
        mode=Mode.SCALE_OUT_ONLY,
    )
    polls = range(int(window_s / POLL_S), 0, -1)
    memory = Memory(
        since=0.0,
        demands=tuple(Demand(NOW - POLL_S * poll, 20 + poll * 7 % 13) for poll in polls),
        changes=tuple(AcceptedChange(NOW - POLL_S * poll, 1 - poll % 3) for poll in polls if poll % 4 == 0),
        running=(RunningCount(NOW - 500, 10),),
    )
    queues = (
        QueueReading("orders", Backlog(900, 40, 0, NOW - 1)),
        QueueReading("refunds", Backlog(100, 40, 0, NOW - 1)),
    )
    fleet = Fleet(22, 20, 2, NOW - 1, Deployment(NOW - 50))
    return policy, memory, Observation(NOW, fleet, queues, Utilization(70.0, NOW - 60, 20))


def plain(window_s: float) -> World:
    """Return one queue with a latency target, both stabilization windows, a rate limit and a cooldown per direction."""
    _, memory, seen = world(window_s)
    limits = (RateLimit(60.0, percent=100),)
    policy = Policy(
        name="orders",
        min_tasks=0,
        max_tasks=500,
        queues=(QueuePolicy("orders", 60.0),),
        processing_time_s=2.0,
        scale_out=Direction(30.0, window_s, limits),
        scale_in=ScaleIn(60.0, window_s, limits),
    )
    return policy, memory, replace(seen, queues=seen.queues[:1], cpu=None, fleet=replace(seen.fleet, deployment=None))


def decisions_per_second(case: World) -> float:
    """Return the median of several runs in CPU time of this process, so that other processes do not count."""
    rates = []
    for _ in range(RUNS):
        began = time.process_time()
        for _ in range(DECISIONS):
            decide(*case)
        rates.append(DECISIONS / (time.process_time() - began))
    return statistics.median(rates)
