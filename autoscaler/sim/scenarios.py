"""Workloads and workers as people have them, by name: `simulate --scenario NAME`, and docs/robustness.md.

Each row of the table is one load in one world. Nothing is configured for a policy except the latency target and the
bounds. With one seed, every policy gets the same messages, service times and start-up times.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from autoscaler.sim.chance import StartUp, durations
from autoscaler.sim.experiment import Experiment
from autoscaler.sim.model import (
    Breakdown,
    Contention,
    CrashLoop,
    Fault,
    ManualChange,
    PlannedRollout,
    Rebalancing,
    Restart,
    Shortage,
    Slow,
    SpotLoss,
    SqsOutage,
    Throttling,
    Victims,
    WorldSettings,
)
from autoscaler.sim.workload.phases import Phase, Phased

HOUR_S, MINUTE_S, DAY_S = 3600.0, 60.0, 86_400.0

SERVICE = "lognormal:5:1"
"""Processing time where a scenario needs no other one."""

ALL = "all"

JUDGEMENT = ("known_concurrency", "judged_from_s", "limit", "limited_s")
"""The fields of a scenario that are not fields of its world."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load in a world. `sentence`: what is special. `known_concurrency`: what policies are given (None: the truth).

    For judgement: messages that arrive before `judged_from_s` do not count; from `limited_s` on, for an hour and longer
    a downstream service supports only `limit` tasks (None: no limit).
    """

    name: str
    sentence: str
    load: Phased
    world: WorldSettings = field(default_factory=WorldSettings)
    known_concurrency: int | None = None
    judged_from_s: float = 0.0
    limit: int | None = None
    limited_s: tuple[float, float] = (0.0, 0.0)

    def experiment(self, latency_s: float, min_tasks: int = 0, max_tasks: int = 5000) -> Experiment:
        """Return the experiment. `experiment.drawn(seed)` is the workload of a seed."""
        return Experiment(
            self.load,
            self.world,
            latency_s,
            self.load.mean_service_s,
            min_tasks,
            max_tasks,
            known_concurrency=self.known_concurrency,
        )


def named(text: str) -> tuple[Scenario, ...]:
    """Return the scenarios of a comma-separated list, without duplicates. `all`: every one, in the order of the table.

    Raise `ValueError` with a suggestion for an unknown name.
    """
    return listed(text, SCENARIOS, "scenario")


Row = TypeVar("Row")


def listed(text: str, rows: Mapping[str, Row], kind: str) -> tuple[Row, ...]:
    """Return the rows of a comma-separated list of names, without duplicates; `all`: every row, in order.

    Raise `ValueError` with a suggestion for an unknown name. `kind`: what a row is.
    """
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if not names:
        raise ValueError(f"no {kind} is given. Choose from {', '.join(rows)}, or {ALL}")
    found = [each for name in names for each in (rows if name == ALL else [name])]
    for name in found:
        if name not in rows:
            similar = difflib.get_close_matches(name, rows, 1)
            suggestion = f"; did you mean {similar[0]}?" if similar else ""
            raise ValueError(f"{name!r} is not a {kind}{suggestion} (known: {', '.join(rows)}, {ALL})")
    return tuple(rows[name] for name in dict.fromkeys(found))


def _waves(per_s: float = 2.0, service: str = SERVICE, hours: float = 6.0) -> tuple[Phase, ...]:
    """Return a load that swings between a fifth and nine fifths of its mean every three hours."""
    return (Phase(0.0, hours * HOUR_S, per_s, durations(service), swing=0.8),)


def _steady(per_s: float, service: str = SERVICE, hours: float = 6.0) -> tuple[Phase, ...]:
    return (Phase(0.0, hours * HOUR_S, per_s, durations(service)),)


def _row(name: str, sentence: str, phases: tuple[Phase, ...], faults: tuple[Fault, ...] = (), **more: Any) -> Scenario:
    """Return a scenario. `more`: fields of the world, and of the scenario."""
    judgement = {name: more.pop(name) for name in JUDGEMENT if name in more}
    length_s = max(phase.end_s for phase in phases)
    return Scenario(name, sentence, Phased(name, length_s, phases), WorldSettings(faults=faults, **more), **judgement)


# How workers receive, process and delete messages.

_WORKERS = (
    _row("well-behaved", "workers and a load without special properties, for comparison", _waves()),
    _row(
        "delete-on-receipt",
        "workers delete a message when they receive it, before they process it for 10 s",
        _waves(1.0, "lognormal:10:1"),
        delete_on_receipt=True,
        judged_from_s=10 * MINUTE_S,
    ),
    _row(
        "unknown-concurrency",
        "each task processes ten messages at once, and task_concurrency is not set",
        _waves(8.0),
        task_concurrency=10,
        known_concurrency=1,
    ),
    _row(
        "fifo-one-group",
        "a FIFO queue with 50 message groups; for two hours only one has messages, more than a task processes",
        (
            Phase(0.0, HOUR_S, 4.0, durations(SERVICE)),
            Phase(HOUR_S, 2 * HOUR_S, 0.3, durations(SERVICE)),
            Phase(3 * HOUR_S, 4 * HOUR_S, 4.0, durations(SERVICE)),
        ),
        groups=((0.0, 50), (HOUR_S, 1), (3 * HOUR_S, 50)),
    ),
    _row(
        "fifo-few-groups",
        "a FIFO queue whose number of active message groups changes each hour, with receives of up to ten messages",
        _steady(1.0),
        groups=((0.0, 40), (HOUR_S, 8), (2 * HOUR_S, 40), (3 * HOUR_S, 12), (4 * HOUR_S, 7), (5 * HOUR_S, 40)),
        receive_batch=10,
    ),
    _row("prefetch", "each task receives ten further messages into a buffer", _waves(), prefetch=10),
    _row(
        "poison",
        "a fifth of the messages is never deleted; each returns after 150 s, four times, then it is a dead letter",
        _waves(1.6),
        poison_ratio=0.2,
        max_receives=5,
    ),
    _row("duplicates", "SQS delivers a twentieth of the messages twice", _waves(), duplicate_ratio=0.05),
    _row(
        "unprotected-tasks",
        "ECS stops random tasks with messages of 60 s in progress, which start again after 150 s",
        _waves(0.2, "lognormal:60:1"),
        victims=Victims.RANDOM,
    ),
)

# How long messages take, and when they arrive.

_LOADS = (
    _row(
        "long-batch",
        "an hour of jobs of 5 s, five tasks, then 100 jobs of 300 s at once",
        (
            Phase(0.0, HOUR_S, 1.0, durations(SERVICE)),
            Phase(HOUR_S, 2 * HOUR_S, 100 / HOUR_S, durations("lognormal:300:0.1"), every_s=HOUR_S),
        ),
        judged_from_s=HOUR_S,
    ),
    _row(
        "hourly-batch",
        "2,000 messages of 5 s at each hour, and nothing in between",
        (Phase(0.0, 6 * HOUR_S, 2000 / HOUR_S, durations(SERVICE), every_s=HOUR_S),),
    ),
    _row(
        "large-batch",
        "50,000 messages of 5 s at once, more than the launch rate of ECS can serve at once",
        (Phase(600.0, 2 * HOUR_S, 50_000 / (2 * HOUR_S), durations(SERVICE), every_s=2 * HOUR_S),),
    ),
    _row(
        "quantized",
        "jobs of exactly 10 s that arrive on a timer, so that many end at a poll",
        (Phase(0.0, 4 * HOUR_S, 2.0, durations("constant:10"), every_s=10.0),),
        start_up=StartUp(40.0, 40.0, 40.0),
    ),
    _row(
        "mixed-jobs",
        "nine tenths of the jobs take 1 s, and one tenth takes 120 s",
        _waves(0.8, "lognormal:1:0.5,10%=lognormal:120:0.3"),
    ),
    _row("heavy-tail", "processing times with a heavy tail (Pareto, alpha 1.5)", _waves(2.0, "pareto:5:1.5")),
    _row("rare", "ten messages an hour for a day", _steady(10 / HOUR_S, hours=24.0)),
    _row(
        "bursts",
        "eight messages a second for a minute, then nothing for five minutes",
        (Phase(0.0, 6 * HOUR_S, 8 / 6, durations(SERVICE), every_s=360.0, burst_s=60.0),),
    ),
    _row(
        "surge",
        "twelve times the load for half an hour, without a warning",
        (*_steady(1.0, hours=5.0), Phase(2 * HOUR_S, 2.5 * HOUR_S, 11.0, durations(SERVICE))),
    ),
)

# How tasks start and stop.

_TASKS = (
    _row("slow-start", "a task needs two minutes to start", _waves(), start_up=StartUp(120.0, 150.0)),
    _row("slower-start", "a task needs four minutes to start", _waves(), start_up=StartUp(240.0, 300.0)),
    _row(
        "two-start-ups",
        "three of ten tasks need 150 s to start, the others 30 s",
        _waves(),
        start_up=StartUp(30.0, 45.0, other=StartUp(150.0, 210.0), other_share=0.3),
    ),
    _row(
        "spot-loss",
        "AWS takes back half of the Spot tasks at the highest load, and a third an hour later",
        _waves(),
        (SpotLoss(3.75 * HOUR_S, 0.5), SpotLoss(4.75 * HOUR_S, 1 / 3)),
    ),
    _row(
        "rebalancing",
        "every hour ECS moves a third of the tasks to another Availability Zone",
        _waves(),
        tuple(Rebalancing(hour * HOUR_S, 1 / 3) for hour in range(1, 6)),
    ),
    _row(
        "crash-loop",
        "for 20 minutes with a rising load every new task crashes",
        _waves(),
        (CrashLoop(3 * HOUR_S, 3 * HOUR_S + 20 * MINUTE_S),),
    ),
    _row("shortage", "for an hour there is capacity for eight tasks", _waves(), (Shortage(3 * HOUR_S, 4 * HOUR_S, 8),)),
    _row("rollout", "two rolling deployments", _waves(), (PlannedRollout(2.5 * HOUR_S), PlannedRollout(4 * HOUR_S))),
)

# What happens around the service.

_AROUND = (
    _row(
        "bottleneck",
        "for four hours a downstream service supports only ten tasks; the load needs 14",
        (*_steady(2.8, hours=7.0),),
        (Contention(HOUR_S, 5 * HOUR_S, 10),),
        limit=10,
        limited_s=(HOUR_S, 5 * HOUR_S),
    ),
    _row(
        "slow-release",
        "for two hours messages take three times as long",
        _waves(),
        (Slow(2 * HOUR_S, 4 * HOUR_S, 3.0),),
    ),
    _row(
        "slower-release",
        "for two hours messages take ten times as long",
        _waves(),
        (Slow(2 * HOUR_S, 4 * HOUR_S, 10.0),),
    ),
    _row(
        "breakdown",
        "for 20 minutes no message can be processed; each returns after 150 s",
        _waves(),
        (Breakdown(3.5 * HOUR_S, 3.5 * HOUR_S + 20 * MINUTE_S),),
    ),
    _row(
        "throttling",
        "for ten minutes ECS refuses every call",
        _waves(),
        (Throttling(3.25 * HOUR_S, 3.25 * HOUR_S + 10 * MINUTE_S),),
    ),
    _row(
        "sqs-outage",
        "for ten minutes the counts of the queue cannot be read",
        _waves(),
        (SqsOutage(3.25 * HOUR_S, 3.25 * HOUR_S + 10 * MINUTE_S),),
    ),
    _row(
        "restart",
        "the autoscaler restarts every hour",
        _waves(),
        tuple(Restart(hour * HOUR_S + 15 * MINUTE_S) for hour in range(1, 6)),
    ),
    _row(
        "set-to-zero",
        "another writer sets the desired count to 0",
        _waves(),
        (ManualChange(3.5 * HOUR_S, 0),),
    ),
    _row("late-minutes", "CloudWatch publishes each minute five minutes later", _waves(), metrics_late_s=300.0),
    _row("count-error", "the counts of SQS have an error of 20 %", _waves(), count_error_ratio=0.2),
    _row("count-lag", "the counts of SQS are 30 s old", _waves(), count_late_s=30.0),
)

SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {each.name: each for each in (*_WORKERS, *_LOADS, *_TASKS, *_AROUND)}
)
"""Every scenario by its name, in display order."""
