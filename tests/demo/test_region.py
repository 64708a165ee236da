"""The embedded Region returns the task counts of the fleet, loses no message, and ends when its input is closed."""

import asyncio
import json
import sys
from collections import Counter
from random import Random
from typing import Any

from autoscaler.demo import play
from autoscaler.demo.children import environment
from autoscaler.demo.fleet import DemoFleet, DemoQueue, DemoWorker
from autoscaler.demo.minutes import MinutePublisher
from autoscaler.demo.region import ServiceCounts
from autoscaler.demo.summary import Ledger


async def set_desired_count(queue: DemoQueue, tasks: int) -> None:
    await queue.client.call("ecs", "UpdateService", cluster=play.CLUSTER, service=play.SERVICE, desiredCount=tasks)


async def describe_service(queue: DemoQueue) -> dict[str, Any]:
    answer = await queue.client.call("ecs", "DescribeServices", cluster=play.CLUSTER, services=[play.SERVICE])
    result: dict[str, Any] = answer["services"][0]
    return result


async def test_running_and_pending_counts_are_those_that_the_fleet_reports(queue: Any) -> None:
    await set_desired_count(queue, 5)
    service = await describe_service(queue)
    assert (service["desiredCount"], service["runningCount"], service["pendingCount"]) == (5, 0, 0)
    counts = await queue.client.report(running=2, pending=3)
    assert counts["desired"] == 5
    service = await describe_service(queue)
    assert (service["desiredCount"], service["runningCount"], service["pendingCount"]) == (5, 2, 3)


async def test_scaling_starts_no_deployment(queue: Any) -> None:
    await set_desired_count(queue, 7)
    await queue.client.report(running=1, pending=6)
    (deployment,) = (await describe_service(queue))["deployments"]
    assert deployment["rolloutState"] == "COMPLETED"
    assert deployment["status"] == "PRIMARY"
    assert (deployment["desiredCount"], deployment["runningCount"], deployment["pendingCount"]) == (7, 1, 6)


async def test_changes_are_counted_by_direction_and_repeated_values_are_not_counted(queue: Any) -> None:
    before = await queue.client.report(running=0, pending=0)
    for tasks in (3, 3, 8, 1, 0, 0):
        await set_desired_count(queue, tasks)
    after = await queue.client.report(running=0, pending=0)
    assert after["scale_outs"] - before["scale_outs"] == 2
    assert after["scale_ins"] - before["scale_ins"] == 2


def test_service_counts_follow_the_desired_count() -> None:
    counts = ServiceCounts()
    for tasks in (1, 4, 4, 2):
        counts.desire(tasks)
    assert counts == ServiceCounts(desired=2, scale_outs=2, scale_ins=1)


async def test_concurrent_calls_lose_and_duplicate_no_message(queue: Any) -> None:
    """Without the lock, moto can deliver a message twice, or lose a message that is sent during a delete."""
    received: list[int] = []
    senders, each, batches = 4, 10, 12

    async def send(sender: int) -> None:
        for batch in range(batches):
            first = (sender * batches + batch) * each
            await queue.send([json.dumps(first + index) for index in range(each)])

    async def consume() -> None:
        while len(received) < senders * batches * each:
            messages = await queue.receive(10)
            received.extend(json.loads(message["Body"]) for message in messages)
            if messages:
                await queue.delete([message["ReceiptHandle"] for message in messages])

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for sender in range(senders):
            group.create_task(send(sender))
        for _ in range(10):
            group.create_task(consume())
    assert Counter(received) == Counter(range(senders * batches * each))
    assert await counts_of(queue) == (0, 0)


async def counts_of(queue: DemoQueue) -> tuple[int, int]:
    answer = await queue.client.call("sqs", "GetQueueAttributes", QueueUrl=queue.url, AttributeNames=["All"])
    attributes = answer["Attributes"]
    return int(attributes["ApproximateNumberOfMessages"]), int(attributes["ApproximateNumberOfMessagesNotVisible"])


async def test_a_long_poll_does_not_block_other_calls(queue: Any) -> None:
    """If it did, the send would start only after the poll has ended without a message."""
    async with asyncio.TaskGroup() as group:
        polling = group.create_task(queue.receive(1))
        await counts_of(queue)
        await queue.send(["hello"])
    assert [message["Body"] for message in polling.result()] == ["hello"]


async def test_the_queue_counts_visible_and_in_flight_messages(queue: Any) -> None:
    await queue.send([str(index) for index in range(10)])
    assert await counts_of(queue) == (10, 0)
    held = await queue.receive(4)
    assert await counts_of(queue) == (6, 4)
    await queue.delete([message["ReceiptHandle"] for message in held])
    assert await counts_of(queue) == (6, 0)


async def test_a_published_minute_can_be_read_from_cloudwatch(queue: Any) -> None:
    ledger = Ledger()
    fleet = DemoFleet(queue.client, lambda: DemoWorker(queue, ledger), lambda job: None, Random(0))
    minutes = MinutePublisher(queue.client, ledger, fleet, play.CLUSTER, play.SERVICE, play.QUEUE)
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
                "Dimensions": [{"Name": "QueueName", "Value": play.QUEUE}],
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


async def test_the_region_ends_when_its_standard_input_is_closed() -> None:
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
