"""The CloudWatch minutes that AWS would publish by itself: the queue's counters and the service's CPU."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import fmean
from time import time
from typing import Any, NamedTuple

from autoscaler.demo.fleet import Fleet
from autoscaler.demo.ledger import Ledger
from autoscaler.demo.region_client import RegionClient

MINUTE_S = 60
LOOK_S = 1.0


class Totals(NamedTuple):
    """The queue's counters since its beginning."""

    sent: int
    received: int
    deleted: int


@dataclass
class Minutes:
    """Looks at queue and fleet once a second, and publishes what it saw once a minute of wall time."""

    client: RegionClient
    ledger: Ledger
    fleet: Fleet
    cluster: str
    service: str
    queue: str
    _before: Totals = field(default_factory=lambda: Totals(0, 0, 0))
    _busy: list[float] = field(default_factory=list)
    _live: list[int] = field(default_factory=list)

    async def publish(self) -> None:
        """For ever: each minute is put once it is over, under its beginning."""
        while True:
            minute = int(time()) // MINUTE_S
            while int(time()) // MINUTE_S == minute:
                self.look()
                await asyncio.sleep(LOOK_S)
            await self.close(minute * MINUTE_S)

    async def close(self, begins: int) -> None:
        """The minute that began then, in seconds since 1970, is published; the next one starts from nothing."""
        await self._put("AWS/SQS", list(self._counters(begins)))
        await self._put("AWS/ECS", list(self._utilization(begins)))

    def look(self) -> None:
        """How many tasks run now, and how busy they are, counts towards the minute."""
        self._live.append(self.fleet.running)
        if (busy := self.fleet.busy_ratio) is not None:
            self._busy.append(busy)

    async def _put(self, namespace: str, data: list[dict[str, Any]]) -> None:
        if data:
            await self.client.call("monitoring", "PutMetricData", Namespace=namespace, MetricData=data)

    def _counters(self, begins: int) -> Iterator[dict[str, Any]]:
        totals = Totals(len(self.ledger.sent), self.ledger.receives, self.ledger.processed)
        names = ("NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfMessagesDeleted")
        for name, now, before in zip(names, totals, self._before, strict=True):
            yield _datum(name, {"QueueName": self.queue}, begins, now - before, "Count")
        self._before = totals

    def _utilization(self, begins: int) -> Iterator[dict[str, Any]]:
        """A task's CPU is as busy as its slots. With no task in the whole minute there is no datapoint, as in AWS."""
        if self._busy:
            names = {"ClusterName": self.cluster, "ServiceName": self.service}
            yield _datum("LiveTaskCount", names, begins, round(fmean(self._live), 2), "Count")
            yield _datum("CPUUtilization", names, begins, round(100 * fmean(self._busy), 2), "Percent")
        self._busy.clear()
        self._live.clear()


def _datum(name: str, dimensions: dict[str, str], begins: int, value: float, unit: str) -> dict[str, Any]:
    named = [{"Name": key, "Value": content} for key, content in dimensions.items()]
    return {"MetricName": name, "Dimensions": named, "Timestamp": begins, "Value": value, "Unit": unit}
