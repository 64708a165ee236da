"""A cluster whose past is simulated: services with another autoscaler, or none, and the CloudWatch metrics of their
days. So the true processing time and the true lateness are known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from autoscaler.assess.replayed import oldest_ages
from autoscaler.sim.chance import DurationDistribution
from autoscaler.sim.experiment import Experiment, RunRequest, run
from autoscaler.sim.model import MINUTE_S, Floats, WorldSettings
from autoscaler.sim.workload import Choice, by_count, generated
from tests.fakeaws import FakeAws
from tests.fakeaws.world.minutes import metric

DAY_S, HOUR_S = 86_400.0, 3600.0

FARGATE = {
    "cpu": "512",
    "memory": "1024",
    "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
}
"""Fields of a task definition."""


@dataclass(frozen=True)
class KnownPast:
    """A simulated past by the minute. `late_fraction`: of its messages; `task_hours`: billed."""

    sent: Floats
    deleted: Floats
    age_s: Floats
    tasks: Floats
    in_flight: Floats
    late_fraction: float
    task_hours: float


@cache
def past(load: str, policy: str, days: int, service_s: float, latency_s: float = 60.0, seed: int = 3) -> KnownPast:
    """Return the past of a service with this load (as for --load, of a day), policy and processing time."""
    service = DurationDistribution("lognormal", service_s, 1.0)
    source = by_count(generated(load, Choice(0, days)), Choice(), service)
    experiment = Experiment(source, WorldSettings(), latency_s, service_s)
    scored = run(experiment, RunRequest(policy, seed), math.nan)
    workload, outcome = experiment.drawn(seed), scored.outcome
    edges = np.arange(days * 1440 + 1) * MINUTE_S
    finished = outcome.received_s + workload.service_s
    at, running = np.array(outcome.running, dtype=np.float64).reshape(-1, 2).T
    until = np.append(at[1:], max(edges[-1], at[-1]) + 1)
    task_s = np.concatenate([[0.0], np.cumsum(running * (until - at))])
    return KnownPast(
        np.histogram(workload.arrivals_s, edges)[0].astype(float),
        np.histogram(finished, edges)[0].astype(float),
        oldest_ages(workload, outcome),
        np.diff(np.interp(edges, np.append(at, until[-1]), task_s)) / MINUTE_S,
        np.asarray(_passed(outcome.received_s, edges[1:]) - _passed(finished, edges[1:])),
        scored.score.late_fraction,
        scored.facts.task_hours,
    )


def _passed(instants: Floats, at: Any) -> Any:
    """Return how many of the instants have passed, as CloudWatch samples a count at the end of each minute."""
    return np.searchsorted(np.sort(instants), at, side="right").astype(float)


def put(aws: FakeAws, service: str, queue: str | None, shown: KnownPast, *, live: bool = True) -> None:
    """Put the metrics of the past into CloudWatch: it ends with the last whole hour. `live` False: the service has no
    LiveTaskCount. As in AWS, there is no datapoint of the tasks while none runs.
    """
    world = aws.world()
    end = math.floor((aws.clock.now() - 180) / HOUR_S) * HOUR_S
    start = end - len(shown.sent) * MINUTE_S
    named = {"ClusterName": "prod", "ServiceName": service}
    tasks = metric("AWS/ECS", "LiveTaskCount", named)
    for index, count in enumerate(shown.tasks.tolist()):
        if live and count > 0:
            world.minutes.put(tasks, start + index * MINUTE_S, count)
    if queue is None:
        return
    for name, values in (
        ("NumberOfMessagesSent", shown.sent),
        ("NumberOfMessagesDeleted", shown.deleted),
        ("ApproximateAgeOfOldestMessage", shown.age_s),
        ("ApproximateNumberOfMessagesNotVisible", shown.in_flight),
    ):
        own = metric("AWS/SQS", name, {"QueueName": queue})
        for index, value in enumerate(values.tolist()):
            world.minutes.put(own, start + index * MINUTE_S, value)


def environment(**variables: str) -> list[dict[str, Any]]:
    """Return the containers of a task definition with these variables."""
    listed = [{"name": name, "value": value} for name, value in variables.items()]
    return [{"name": "worker", "essential": True, "environment": listed}]


def url(queue: str) -> str:
    return f"https://sqs.eu-west-1.amazonaws.com/123456789012/{queue}"


def shop(aws: FakeAws, days: int = 3) -> None:
    """Add a cluster as people have them: a fixed fleet, one that is late, one without a queue, and others."""
    world = aws.world()
    fixed = past("diurnal:2", "static:12", days, 2.0)
    world.put_service(
        "prod", "orders", 12, containers=environment(ORDERS_QUEUE_URL=url("orders"), ORDERS_DLQ_URL=url("orders-dlq")),
        definition=FARGATE,
    )  # fmt: skip
    put(aws, "orders", "orders", fixed)
    late = past("on_off:6:600:3000", "target-tracking", days, 3.0)
    world.put_service("prod", "invoices", 6, tags={"autoscaler:queues": "invoices"}, definition=FARGATE)
    put(aws, "invoices", "invoices", late)
    idle = past("batch:20:21600", "static:2", days, 10.0)
    world.put_service(
        "prod", "reports", 2, containers=environment(REPORT_QUEUE="reports", RESULT_QUEUE="report-results"),
        definition=FARGATE, extra={"launchType": "EC2"},
    )  # fmt: skip
    put(aws, "reports", "reports", idle)
    world.put_service("prod", "web", 4, containers=environment(DATABASE_URL="postgres://db/shop"), definition=FARGATE)
    put(aws, "web", None, past("steady:1", "static:4", days, 1.0))
