"""Actions of operators and tasks while the daemon runs: pause tags, manual counts, task protection."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.e2e.daemon import DaemonProcess, daemon
from tests.e2e.region import MotoProxy
from tests.e2e.test_daemon import SETTINGS, desired, free_port, last_write, queue_url, send, until, world

TASKS = [f"arn:aws:ecs:eu-west-1:123456789012:task/prod/{n:032x}" for n in range(3)]


async def service_arn(observer: MotoProxy) -> str:
    answer = await observer.moto.call("ecs", "DescribeServices", cluster="prod", services=["orders"])
    return str(answer["services"][0]["serviceArn"])


async def tag(observer: MotoProxy, value: str) -> None:
    tags = [{"key": "autoscaler:paused", "value": value}]
    await observer.moto.call("ecs", "TagResource", resourceArn=await service_arn(observer), tags=tags)


async def untag(observer: MotoProxy) -> None:
    arn = await service_arn(observer)
    await observer.moto.call("ecs", "UntagResource", resourceArn=arn, tagKeys=["autoscaler:paused"])


async def test_a_pause_by_tag_starts_and_ends_without_a_restart() -> None:
    async with world() as observer:
        await tag(observer, "out")
        await send(observer, 0, 300)
        async with daemon(observer.url, free_port(), SETTINGS) as running:
            await running.until_ready()
            asked = len(observer.requests)
            await until(lambda: len(observer.requests) > asked + 6, 20, running)
            assert observer.writes() == []
            await untag(observer)
            await until(lambda: last_write(observer) == 3, 20, running)


async def drifts(running: DaemonProcess) -> float:
    _, metrics = await running.get("/metrics")
    lines = [line for line in metrics.splitlines() if line.startswith("autoscaler_drifts_total{")]
    return sum(float(line.split()[-1]) for line in lines)


async def test_a_count_reset_under_load_is_adopted_and_counted_and_raised_again() -> None:
    async with world() as observer:
        await send(observer, 0, 300)
        async with daemon(observer.url, free_port(), SETTINGS) as running:
            await until(lambda: last_write(observer) == 3, 20, running)
            seen = len(observer.requests)
            await until(lambda: len(observer.requests) > seen + 20, 30, running)  # until our own write is settled
            await observer.moto.call("ecs", "UpdateService", cluster="prod", service="orders", desiredCount=1)
            await until(lambda: len(observer.writes()) == 2, 20, running)
            assert observer.writes() == [3, 3]
            async with asyncio.timeout(20):
                while not (counted := await drifts(running)):  # noqa: ASYNC110 - another process records it later
                    await asyncio.sleep(0.1)
            assert counted == 1


async def test_protected_tasks_are_never_scaled_in() -> None:
    """With an empty queue and 2 protected tasks of 3, 2 tasks stay, and protection is not read at every poll."""
    self_protecting = SETTINGS | {
        "AUTOSCALER_WORKERS": "self_protecting",
        "AUTOSCALER_DEPLOYMENTS__HOLD_SCALE_IN": "false",  # moto's deployments never complete
    }
    protection: list[dict[str, Any]] = [
        {"taskArn": arn, "protectionEnabled": number < 2} for number, arn in enumerate(TASKS)
    ]
    async with world(desired=3) as observer:
        observer.scripted["ListTasks"] = {"taskArns": TASKS}
        observer.scripted["GetTaskProtection"] = {"protectedTasks": protection, "failures": []}
        await send(observer, 0, 1)
        received = await observer.moto.call("sqs", "ReceiveMessage", QueueUrl=await queue_url(observer))
        async with daemon(observer.url, free_port(), self_protecting) as running:
            await running.until_ready()  # it has read that workers receive from the queue
            handle = received["Messages"][0]["ReceiptHandle"]
            await observer.moto.call("sqs", "DeleteMessage", QueueUrl=await queue_url(observer), ReceiptHandle=handle)
            await until(lambda: last_write(observer) == 2, 90, running)
            asked = sum(request.action == "GetTaskProtection" for request in observer.requests)
            polls = len(observer.requests)
            await until(lambda: len(observer.requests) > polls + 10, 30, running)
            assert observer.writes() == [2]
            assert await desired(observer) == 2
            again = sum(request.action == "GetTaskProtection" for request in observer.requests)
            assert again <= asked + 1
