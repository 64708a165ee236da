"""Measure the CPU of the SDK's calls alone for many services, the baseline of `bench/many.py`.

    python -m bench.bare SERVICES INTERVAL_S SECONDS DESCRIBED_PER_S

Queues are read in sixteen groups per interval, the queues of a group concurrently; services are read ten per call, at
regular intervals. Prints milliseconds of CPU per queue read.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

import uvloop
from aiobotocore.client import AioBaseClient
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession

from autoscaler.aws.clients import CONNECTIONS

GROUPS = 16
NAMES = [f"ApproximateNumberOfMessages{name}" for name in ("", "NotVisible", "Delayed")]


async def main(services: int, interval_s: float, seconds: float, described_per_s: float) -> float:
    """Return milliseconds of this process's CPU per queue read."""
    config = AioConfig(max_pool_connections=CONNECTIONS, retries={"total_max_attempts": 1, "mode": "standard"})
    session = AioSession()
    sqs_of = session.create_client("sqs", region_name=os.environ["AWS_REGION"], config=config)
    ecs_of = session.create_client("ecs", region_name=os.environ["AWS_REGION"], config=config)
    async with sqs_of as sqs, ecs_of as ecs:
        first = (await sqs.get_queue_url(QueueName="queue-00000"))["QueueUrl"]
        known = [first.replace("queue-00000", f"queue-{number:05d}") for number in range(services)]
        await _read_queues(sqs, known, interval_s, interval_s)
        cpu_s = time.process_time()
        async with asyncio.timeout(seconds + 60), asyncio.TaskGroup() as group:
            reading = group.create_task(_read_queues(sqs, known, interval_s, seconds))
            group.create_task(_describe_services(ecs, services, described_per_s, seconds))
        reads = reading.result()
        spent_s = time.process_time() - cpu_s
    return 1000 * spent_s / reads


async def _read_queues(sqs: AioBaseClient, urls: list[str], interval_s: float, seconds: float) -> int:
    loop = asyncio.get_running_loop()
    began, reads, number = loop.time(), 0, 0
    while loop.time() - began < seconds:
        group = urls[number % GROUPS :: GROUPS]
        await _all(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=NAMES) for url in group)  # type: ignore[attr-defined]
        reads, number = reads + len(group), number + 1
        await asyncio.sleep(began + number * interval_s / GROUPS - loop.time())
    return reads


async def _describe_services(ecs: AioBaseClient, services: int, per_s: float, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    began, number = loop.time(), 0
    while loop.time() - began < seconds:
        some = [f"service-{each % services:05d}" for each in range(10 * number, 10 * number + 10)]
        await ecs.describe_services(cluster="bench", services=some[:services], include=["TAGS"])  # type: ignore[attr-defined]
        number += 1
        await asyncio.sleep(began + number / per_s - loop.time())


async def _all(calls: object) -> None:
    await asyncio.gather(*calls)  # type: ignore[misc]


if __name__ == "__main__":
    arguments = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    print(uvloop.run(main(*arguments)))
