"""Publish the CloudWatch metrics that AWS publishes: the counters of the queue, CPU and tasks of the service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import fmean
from time import time
from typing import Any, NamedTuple

from autoscaler.demo.fleet import DemoFleet
from autoscaler.demo.region_client import RegionClient
from autoscaler.demo.summary import Ledger

MINUTE_S = 60
SAMPLE_EVERY_S = 1.0


class Totals(NamedTuple):
    """The counters of the queue since its creation."""

    sent: int
    received: int
    deleted: int


@dataclass
class MinutePublisher:
    """Samples the fleet once per second, and publishes queue and fleet metrics once per minute of wall time."""

    client: RegionClient
    ledger: Ledger
    fleet: DemoFleet
    cluster: str
    service: str
    queue: str
    _before: Totals = field(default_factory=lambda: Totals(0, 0, 0))
    _busy: list[float] = field(default_factory=list)
    _live: list[int] = field(default_factory=list)

    async def publish(self) -> None:
        """Publish each minute after its end, with its start as timestamp. Never returns."""
        while True:
            minute = int(time()) // MINUTE_S
            while int(time()) // MINUTE_S == minute:
                self.sample()
                await asyncio.sleep(SAMPLE_EVERY_S)
            await self.close(minute * MINUTE_S)

    async def close(self, begins: int) -> None:
        """Publish the minute that began at `begins` (seconds since 1970), and reset the samples."""
        await self._put("AWS/SQS", list(self._counters(begins)))
        await self._put("AWS/ECS", list(self._utilization(begins)))

    def sample(self) -> None:
        """Add the number of running tasks and their utilization to the current minute."""
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
        """Yield CPU and live tasks, or nothing without tasks, as AWS does. A task's CPU is as busy as its slots."""
        if self._busy:
            names = {"ClusterName": self.cluster, "ServiceName": self.service}
            yield _datum("LiveTaskCount", names, begins, round(fmean(self._live), 2), "Count")
            yield _datum("CPUUtilization", names, begins, round(100 * fmean(self._busy), 2), "Percent")
        self._busy.clear()
        self._live.clear()


def _datum(name: str, dimensions: dict[str, str], begins: int, value: float, unit: str) -> dict[str, Any]:
    named = [{"Name": key, "Value": content} for key, content in dimensions.items()]
    return {"MetricName": name, "Dimensions": named, "Timestamp": begins, "Value": value, "Unit": unit}
