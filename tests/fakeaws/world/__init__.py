"""What one account has in one Region: queues, services, metrics and rivals, for a test to script in plain Python."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import ceil
from typing import Any

from tests.fakeaws.world.minutes import Metric, Minutes
from tests.fakeaws.world.queues import Queue
from tests.fakeaws.world.scaling import Scaling
from tests.fakeaws.world.services import Service

CREATED_S = 86_400.0
"""Whatever is put there has existed for a day."""


class World:
    """`now` is the double's clock; all chance is drawn from `seed` and the name of the thing."""

    def __init__(self, now: Callable[[], float], account: str, region: str, url: Callable[[], str], seed: int) -> None:
        self._now = now
        self._url = url
        self._seed = seed
        self.account = account
        self.region = region
        self.queues: dict[str, Queue] = {}
        self.clusters: dict[str, dict[str, Service]] = {}
        self.numbered: list[Service] = []
        self.minutes = Minutes(self._derive, self._samples)
        self.scaling = Scaling()
        self.counts_live_tasks = True

    def put_queue(self, name: str, visible: int = 0, in_flight: int = 0, delayed: int = 0, **more: Any) -> Queue:
        """A queue that holds so many; `more` are fields of `Queue`, as in `approximate=True`."""
        url = f"{self._url()}/{self.account}/{name}"
        queue = Queue(name, url, self._chance(name), in_flight=in_flight, delayed=delayed, **more)
        queue.put(self._now() - CREATED_S, 0)
        if visible:
            queue.put(self._now(), visible)
        self.queues[name] = queue
        return queue

    def put_service(
        self, cluster: str, name: str, desired: int = 0, *, running: int | None = None, **more: Any
    ) -> Service:
        """A service of which so many tasks run (None: all that are desired); `more` are fields of `Service`."""
        now, number = self._now(), len(self.numbered)
        service = Service(number, cluster, name, now - CREATED_S, self._chance(f"{cluster}/{name}"), **more)
        service.begin(desired, desired if running is None else running, now)
        self.numbered.append(service)
        self.clusters.setdefault(cluster, {})[name] = service
        return service

    def service(self, cluster: str, name: str) -> Service:
        return self.clusters[cluster][name]

    def set_queue(self, name: str, visible: float | None = None, arriving_per_s: float | None = None) -> None:
        """From now on the queue holds so many, and gets so many a second; None: as before."""
        self.queues[name].put(self._now(), visible, arriving_per_s)

    def join(self, queue: str, cluster: str, service: str, per_task_per_s: float) -> None:
        """The service's tasks work on the queue, each so many messages a second."""
        self.queues[queue].worked_by(self._now(), self.service(cluster, service), per_task_per_s)

    def scale(self, cluster: str, name: str, desired: int) -> None:
        """Somebody sets the service's count without asking anybody: another autoscaler, or a person."""
        self.service(cluster, name).scale(desired, self._now())

    def deploy(self, cluster: str, name: str, takes_s: float = 300.0) -> None:
        self.service(cluster, name).deploy(self._now(), takes_s)

    def protect(self, cluster: str, name: str, tasks: int, lasts_s: float = 7200.0) -> None:
        self.service(cluster, name).protect(self._now(), tasks, lasts_s)

    def tell(self, cluster: str, name: str, text: str) -> None:
        """ECS says so in the service's events."""
        self.service(cluster, name).tell(self._now(), text)

    def arn(self, kind: str, path: str) -> str:
        """As in `arn:aws:ecs:eu-west-1:111111111111:service/prod/worker`."""
        return f"arn:aws:ecs:{self.region}:{self.account}:{kind}/{path}"

    def _chance(self, name: str) -> random.Random:
        return random.Random(f"{self._seed} {self.account} {self.region} {name}")

    def _derive(self, metric: Metric, began: float) -> float | None:
        """What AWS itself publishes of a queue's or a service's minute; None: nothing."""
        own = dict(metric.dimensions)
        if metric.namespace == "AWS/SQS" and (queue := self.queues.get(own.get("QueueName", ""))):
            return queue.minute(metric.name, began)
        if metric.namespace == "AWS/ECS" and own.keys() == {"ClusterName", "ServiceName"}:
            return self._utilization(own["ClusterName"], own["ServiceName"], metric.name, began)
        return None

    def _samples(self, metric: Metric, began: float) -> float:
        """How many samples a derived minute is made of: of a service's utilization, one from each task that ran."""
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
