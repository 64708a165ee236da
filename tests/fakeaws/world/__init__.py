"""The resources of one account in one Region: queues, services, metrics and scaling policies, scripted by tests."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import ceil
from typing import Any

from tests.fakeaws.world.minutes import FakeMinutes, Metric
from tests.fakeaws.world.queues import FakeQueue
from tests.fakeaws.world.scaling import Scaling
from tests.fakeaws.world.services import FakeService

CREATED_S = 86_400.0
"""Age of each new queue or service: one day."""


class FakeRegionState:
    """`now` is the clock of the fake. Each queue and service has a random number generator from `seed` and its name."""

    def __init__(self, now: Callable[[], float], account: str, region: str, url: Callable[[], str], seed: int) -> None:
        self._now = now
        self._url = url
        self._seed = seed
        self.account = account
        self.region = region
        self.queues: dict[str, FakeQueue] = {}
        self.clusters: dict[str, dict[str, FakeService]] = {}
        self.numbered: list[FakeService] = []
        self.minutes = FakeMinutes(self._derive, self._samples)
        self.scaling = Scaling()
        self.counts_live_tasks = True

    def put_queue(self, name: str, visible: int = 0, in_flight: int = 0, delayed: int = 0, **more: Any) -> FakeQueue:
        """Create a queue with these counts; `more` are fields of `FakeQueue`, as in `approximate=True`."""
        url = f"{self._url()}/{self.account}/{name}"
        queue = FakeQueue(name, url, self._rng(name), in_flight=in_flight, delayed=delayed, **more)
        queue.put(self._now() - CREATED_S, 0)
        if visible:
            queue.put(self._now(), visible)
        self.queues[name] = queue
        return queue

    def put_service(
        self, cluster: str, name: str, desired: int = 0, *, running: int | None = None, **more: Any
    ) -> FakeService:
        """Create a service with `running` tasks (None: `desired` tasks); `more` are fields of `FakeService`."""
        now, number = self._now(), len(self.numbered)
        service = FakeService(number, cluster, name, now - CREATED_S, self._rng(f"{cluster}/{name}"), **more)
        service.begin(desired, desired if running is None else running, now)
        self.numbered.append(service)
        self.clusters.setdefault(cluster, {})[name] = service
        return service

    def service(self, cluster: str, name: str) -> FakeService:
        return self.clusters[cluster][name]

    def set_queue(self, name: str, visible: float | None = None, arriving_per_s: float | None = None) -> None:
        """Set the visible messages and the arrivals per second; None: unchanged."""
        self.queues[name].put(self._now(), visible, arriving_per_s)

    def join(self, queue: str, cluster: str, service: str, per_task_per_s: float) -> None:
        """Let the service's tasks process the queue, each `per_task_per_s` messages per second."""
        self.queues[queue].worked_by(self._now(), self.service(cluster, service), per_task_per_s)

    def scale(self, cluster: str, name: str, desired: int) -> None:
        """Set the desired count directly, as another autoscaler or an operator does."""
        self.service(cluster, name).scale(desired, self._now())

    def deploy(self, cluster: str, name: str, takes_s: float = 300.0) -> None:
        self.service(cluster, name).deploy(self._now(), takes_s)

    def protect(self, cluster: str, name: str, tasks: int, lasts_s: float = 7200.0) -> None:
        self.service(cluster, name).protect(self._now(), tasks, lasts_s)

    def add_event(self, cluster: str, name: str, text: str) -> None:
        """Add an ECS service event."""
        self.service(cluster, name).add_event(self._now(), text)

    def arn(self, kind: str, path: str) -> str:
        """As in `arn:aws:ecs:eu-west-1:111111111111:service/prod/worker`."""
        return f"arn:aws:ecs:{self.region}:{self.account}:{kind}/{path}"

    def _rng(self, name: str) -> random.Random:
        return random.Random(f"{self._seed} {self.account} {self.region} {name}")

    def _derive(self, metric: Metric, began: float) -> float | None:
        """Return the value that AWS itself publishes for a queue's or service's minute; None: no datapoint."""
        own = dict(metric.dimensions)
        if metric.namespace == "AWS/SQS" and (queue := self.queues.get(own.get("QueueName", ""))):
            return queue.minute(metric.name, began)
        if metric.namespace == "AWS/ECS" and own.keys() == {"ClusterName", "ServiceName"}:
            return self._utilization(own["ClusterName"], own["ServiceName"], metric.name, began)
        return None

    def _samples(self, metric: Metric, began: float) -> float:
        """Return the sample count of a derived minute: for a service's utilization, one per task that ran."""
        own = dict(metric.dimensions)
        service = self.clusters.get(own.get("ClusterName", ""), {}).get(own.get("ServiceName", ""))
        return 1.0 if service is None else float(ceil(service.ran_on_average(began, began + 60)))

    def _utilization(self, cluster: str, name: str, metric: str, began: float) -> float | None:
        service = self.clusters.get(cluster, {}).get(name)
        if service is None:
            return None
        service.settle(self._now())
        if not service.ran_between(began, began + 60):
            return None
        if metric == "LiveTaskCount":
            return service.ran_on_average(began, began + 60) if self.counts_live_tasks else None
        percent = {"CPUUtilization": service.cpu, "MemoryUtilization": service.memory}.get(metric)
        return percent(began) if callable(percent) else percent
