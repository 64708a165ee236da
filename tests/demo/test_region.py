"""The embedded Region tells the truth about tasks, keeps every message, and does not outlive its owner."""

import asyncio
import json
import sys
from collections import Counter
from random import Random
from typing import Any

from autoscaler.demo import settings
from autoscaler.demo.children import environment
from autoscaler.demo.fleet import DemoFleet
from autoscaler.demo.ledger import Ledger
from autoscaler.demo.minutes import MinutePublisher
from autoscaler.demo.region import ServiceCounts
from autoscaler.demo.workers import DemoQueue, DemoWorker


async def desire(queue: DemoQueue, tasks: int) -> None:
    await queue.client.call(
        "ecs", "UpdateService", cluster=settings.CLUSTER, service=settings.SERVICE, desiredCount=tasks
    )


async def describe(queue: DemoQueue) -> dict[str, Any]:
    answer = await queue.client.call("ecs", "DescribeServices", cluster=settings.CLUSTER, services=[settings.SERVICE])
    result: dict[str, Any] = answer["services"][0]
    return result


async def test_running_and_pending_are_what_the_fleet_reports_and_not_what_is_desired(queue: Any) -> None:
    await desire(queue, 5)
    service = await describe(queue)
    assert (service["desiredCount"], service["runningCount"], service["pendingCount"]) == (5, 0, 0)
    told = await queue.client.report(running=2, pending=3)
    assert told["desired"] == 5
    service = await describe(queue)
    assert (service["desiredCount"], service["runningCount"], service["pendingCount"]) == (5, 2, 3)


async def test_scaling_is_no_deployment(queue: Any) -> None:
    await desire(queue, 7)
    await queue.client.report(running=1, pending=6)
    (deployment,) = (await describe(queue))["deployments"]
    assert deployment["rolloutState"] == "COMPLETED"
    assert deployment["status"] == "PRIMARY"
    assert (deployment["desiredCount"], deployment["runningCount"], deployment["pendingCount"]) == (7, 1, 6)


async def test_changes_are_counted_by_direction_and_repetitions_are_none(queue: Any) -> None:
    before = await queue.client.report(running=0, pending=0)
    for tasks in (3, 3, 8, 1, 0, 0):
        await desire(queue, tasks)
    told = await queue.client.report(running=0, pending=0)
    assert told["scale_outs"] - before["scale_outs"] == 2
    assert told["scale_ins"] - before["scale_ins"] == 2


def test_counts_follow_what_is_desired() -> None:
    counts = ServiceCounts()
    for tasks in (1, 4, 4, 2):
        counts.desire(tasks)
    assert counts == ServiceCounts(desired=2, scale_outs=2, scale_ins=1)


async def test_many_callers_at_once_lose_and_double_nothing(queue: Any) -> None:
    """moto by itself hands messages out twice, or loses those sent while others are deleted."""
    received: list[int] = []
    senders, each, batches = 4, 10, 12

    async def send(sender: int) -> None:
        for batch in range(batches):
            first = (sender * batches + batch) * each
            await queue.send([json.dumps(first + place) for place in range(each)])

    async def eat() -> None:
        while len(received) < senders * batches * each:
            messages = await queue.receive(10)
            received.extend(json.loads(message["Body"]) for message in messages)
            if messages:
                await queue.delete([message["ReceiptHandle"] for message in messages])

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for sender in range(senders):
            group.create_task(send(sender))
        for _ in range(10):
            group.create_task(eat())
    assert Counter(received) == Counter(range(senders * batches * each))
    assert await counts_of(queue) == (0, 0)


async def counts_of(queue: DemoQueue) -> tuple[int, int]:
    answer = await queue.client.call("sqs", "GetQueueAttributes", QueueUrl=queue.url, AttributeNames=["All"])
    attributes = answer["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]), int(attributes["ApproximateNumberOfMessagesNotVisible"])


async def test_a_poll_that_waits_keeps_nobody_else_waiting(queue: Any) -> None:
    """Else the send would be let in only when the poll has ended with nothing."""
    async with asyncio.TaskGroup() as group:
        polling = group.create_task(queue.receive(1))
        await counts_of(queue)
        await queue.send(["hello"])
    assert [message["Body"] for message in polling.result()] == ["hello"]


async def test_the_queue_counts_what_waits_and_what_is_in_flight(queue: Any) -> None:
    await queue.send([str(place) for place in range(10)])
    assert await counts_of(queue) == (10, 0)
    held = await queue.receive(4)
    assert await counts_of(queue) == (6, 4)
    await queue.delete([message["ReceiptHandle"] for message in held])
    assert await counts_of(queue) == (6, 0)


async def test_a_minute_can_be_read_back_from_cloudwatch(queue: Any) -> None:
    ledger = Ledger()
    fleet = DemoFleet(queue.client, lambda: DemoWorker(queue, ledger), lambda act: None, Random(0))
    minutes = MinutePublisher(queue.client, ledger, fleet, settings.CLUSTER, settings.SERVICE, settings.QUEUE)
    begins = 1_800_000_000 // 60 * 60
    ledger.note_sent([1.0] * 30)
    await minutes.close(begins)
    ledger.note_sent([2.0] * 12)
    await minutes.close(begins + 60)
    query = {
        "Id": "sent",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/SQS",
                "MetricName": "NumberOfMessagesSent",
                "Dimensions": [{"Name": "QueueName", "Value": settings.QUEUE}],
            },
            "Period": 60,
            "Stat": "Sum",
        },
    }
    answer = await queue.client.call(
        *("monitoring", "GetMetricData"), MetricDataQueries=[query], StartTime=begins, EndTime=begins + 120
    )
    (result,) = answer["MetricDataResults"]
    assert sorted(result["Values"]) == [12, 30]


async def test_it_ends_when_its_owner_is_gone() -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "autoscaler.demo.region"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment({}),
    )
    try:
        assert child.stdin is not None
        assert child.stdout is not None
        async with asyncio.timeout(40):
            assert (await child.stdout.readline()).strip().isdigit()
            child.stdin.close()
            assert await child.wait() == 0
    finally:
        if child.returncode is None:
            child.kill()
