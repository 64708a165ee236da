"""Measure the CPU of the SDK's calls alone for many services, the baseline of `bench/many.py`.

    python -m bench.bare SERVICES INTERVAL_S SECONDS METRICS DESCRIBED_PER_S MEASURED_PER_S WRITTEN_PER_S

Queues are read in sixteen groups per interval, the queues of a group concurrently. At regular intervals services are
read, ten per call; metrics of queues, METRICS per call; and services are updated. Prints milliseconds of CPU per queue
read.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import uvloop
from aiobotocore.client import AioBaseClient
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from autoscaler.aws.clients import CONNECTIONS
from autoscaler.aws.names import queue_metrics

GROUPS = 16
NAMES = [f"ApproximateNumberOfMessages{name}" for name in ("", "NotVisible", "Delayed")]


MINUTES = 5


async def main(services: int, interval_s: float, seconds: float, metrics: int, per_s: dict[str, float]) -> float:
    """Return milliseconds of this process's CPU per queue read. `metrics`: of one call. `per_s`: the other calls a
    second, by operation.
    """
    config = AioConfig(max_pool_connections=CONNECTIONS, retries={"total_max_attempts": 1, "mode": "standard"})
    session, region = AioSession(), os.environ["AWS_REGION"]
    sqs_of, ecs_of, watch_of = (
        session.create_client(name, region_name=region, config=config) for name in ("sqs", "ecs", "cloudwatch")
    )
    async with sqs_of as sqs, ecs_of as ecs, watch_of as watch:
        first = (await sqs.get_queue_url(QueueName="queue-00000"))["QueueUrl"]
        known = [first.replace("queue-00000", f"queue-{number:05d}") for number in range(services)]
        calls = _calls(ecs, watch, services, metrics)
        await _read_queues(sqs, known, interval_s, interval_s)
        for name, call in calls.items():
            await _repeatedly(call, per_s[name], 1.0)
        cpu_s = time.process_time()
        async with asyncio.timeout(seconds + 60), asyncio.TaskGroup() as group:
            reading = group.create_task(_read_queues(sqs, known, interval_s, seconds))
            for name, call in calls.items():
                group.create_task(_repeatedly(call, per_s[name], seconds))
        reads = reading.result()
        spent_s = time.process_time() - cpu_s
    return 1000 * spent_s / reads


def _calls(ecs: Any, watch: Any, services: int, metrics: int) -> dict[str, Callable[[int], Awaitable[object]]]:
    """Return each call by its operation. Its argument is the number of calls before."""

    def describe(number: int) -> Awaitable[object]:
        names = [f"service-{each % services:05d}" for each in range(10 * number, 10 * number + min(10, services))]
        answer: Awaitable[object] = ecs.describe_services(cluster="bench", services=names, include=["TAGS"])
        return answer

    def measure(number: int) -> Awaitable[object]:
        end = time.time() // 60 * 60
        start, until = datetime.fromtimestamp(end - 60 * MINUTES, UTC), datetime.fromtimestamp(end, UTC)
        queries = list(_queries(services, number * metrics, metrics))
        answer: Awaitable[object] = watch.get_metric_data(
            MetricDataQueries=queries, StartTime=start, EndTime=until, ScanBy="TimestampDescending"
        )
        return answer

    def update(number: int) -> Awaitable[object]:
        name, count = f"service-{number % services:05d}", 3 + number // services % 2
        answer: Awaitable[object] = ecs.update_service(cluster="bench", service=name, desiredCount=count)
        return answer

    return {"DescribeServices": describe, "GetMetricData": measure, "UpdateService": update}


def _queries(services: int, first: int, metrics: int) -> Iterator[dict[str, object]]:
    """Yield a query for each of `metrics` metrics of the queues, from the metric with that number on."""
    for number in range(first, first + metrics):
        queue, place = divmod(number, 4)
        metric = list(queue_metrics(f"queue-{queue % services:05d}").values())[place]
        dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
        named = {"Namespace": metric.namespace, "MetricName": metric.metric, "Dimensions": dimensions}
        stat = {"Metric": named, "Period": 60, "Stat": metric.statistic}
        yield {"Id": f"m{number}", "MetricStat": stat, "ReturnData": True}


async def _repeatedly(call: Callable[[int], Awaitable[object]], per_s: float, seconds: float) -> None:
    """Make the call at regular intervals for that time."""
    loop, number = asyncio.get_running_loop(), 0
    began = loop.time()
    while per_s and loop.time() - began < seconds:
        await call(number)
        number += 1
        await asyncio.sleep(began + number / per_s - loop.time())


async def _read_queues(sqs: AioBaseClient, urls: list[str], interval_s: float, seconds: float) -> int:
    loop = asyncio.get_running_loop()
    began, reads, number = loop.time(), 0, 0
    while loop.time() - began < seconds:
        group = urls[number % GROUPS :: GROUPS]
        await _all(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=NAMES) for url in group)  # type: ignore[attr-defined]
        reads, number = reads + len(group), number + 1
        await asyncio.sleep(began + number * interval_s / GROUPS - loop.time())
    return reads


async def _all(calls: object) -> None:
    await asyncio.gather(*calls)  # type: ignore[misc]


if __name__ == "__main__":
    rates = dict(zip(("DescribeServices", "GetMetricData", "UpdateService"), map(float, sys.argv[5:]), strict=True))
    print(uvloop.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), rates)))
