"""The daemon as a process, over the real protocol, against moto, an independent implementation of AWS.

The observer records only the calls of the daemon. Windows are shortened, except the minute before a scale-in to zero.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.e2e.daemon import DaemonProcess, daemon
from tests.e2e.region import MotoProxy, region

MESSAGES = 1000
SETTINGS = {
    "AUTOSCALER_CLUSTER": "prod",
    "AUTOSCALER_SERVICE": "orders",
    "AUTOSCALER_QUEUES": "orders",
    "AUTOSCALER_MAX_TASKS": "7",
    "AUTOSCALER_MODE": "active",
    "AUTOSCALER_BACKLOG_PER_TASK": "100",
    "AUTOSCALER_ACCEPTABLE_LATENCY": "30s",
    "AUTOSCALER_INTERVAL": "1s",
    "AUTOSCALER_SCALE_IN__STABILIZATION": "3s",
}
READS = {
    *("GetQueueUrl", "GetQueueAttributes", "DescribeServices", "DescribeTaskDefinition", "GetMetricData"),
    "DescribeScalableTargets",
}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@asynccontextmanager
async def world(desired: int = 0) -> AsyncIterator[MotoProxy]:
    """Run a Region with one queue and one service."""
    async with region(free_port()) as observer:
        await create_resources(observer, desired)
        yield observer


async def create_resources(observer: MotoProxy, desired: int) -> None:
    call = observer.moto.call
    await call("sqs", "CreateQueue", QueueName="orders", Attributes={"VisibilityTimeout": "30"})
    await call("ecs", "CreateCluster", clusterName="prod")
    container = {"name": "worker", "image": "worker", "memory": 128}
    await call("ecs", "RegisterTaskDefinition", family="worker", containerDefinitions=[container])
    await call(
        "ecs", "CreateService", cluster="prod", serviceName="orders", taskDefinition="worker", desiredCount=desired
    )


async def queue_url(observer: MotoProxy) -> str:
    return str((await observer.moto.call("sqs", "GetQueueUrl", QueueName="orders"))["QueueUrl"])


async def send(observer: MotoProxy, first: int, last: int) -> None:
    url = await queue_url(observer)
    for start in range(first, last, 10):
        entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(start, min(start + 10, last))]
        await observer.moto.call("sqs", "SendMessageBatch", QueueUrl=url, Entries=entries)


async def desired(observer: MotoProxy) -> int:
    answer = await observer.moto.call("ecs", "DescribeServices", cluster="prod", services=["orders"])
    return int(answer["services"][0]["desiredCount"])


async def work(observer: MotoProxy, done: list[int], most: int) -> None:
    """Receive and delete messages, as a task of the service does, until `most` messages are done."""
    url = await queue_url(observer)
    while len(done) < most:
        if not await desired(observer):
            await asyncio.sleep(0.2)
            continue
        answer = await observer.moto.call("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=10)
        received = answer.get("Messages", [])
        if received:
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(received)]
            await observer.moto.call("sqs", "DeleteMessageBatch", QueueUrl=url, Entries=entries)
            done.extend(int(message["Body"]) for message in received)
        await asyncio.sleep(0.05)


async def until(reached: Callable[[], bool], within_s: float, running: DaemonProcess) -> None:
    """Wait until the condition holds. Raises `TimeoutError` after `within_s` seconds."""
    async with asyncio.timeout(within_s):
        while not reached():
            assert running.process.returncode is None, running.errors
            await asyncio.sleep(0.1)


def last_write(observer: MotoProxy) -> int | None:
    return observer.writes()[-1] if observer.writes() else None


async def test_1000_messages_scale_from_zero_to_max_and_back_to_zero() -> None:
    async with world() as observer, daemon(observer.url, free_port(), SETTINGS) as running:
        await running.until_ready()
        assert observer.writes() == [], "an empty queue causes no write"

        await send(observer, 0, MESSAGES)
        done: list[int] = []
        await work(observer, done, MESSAGES)
        assert sorted(done) == list(range(MESSAGES))

        await until(lambda: last_write(observer) == 0, 120, running)
        written = len(observer.writes())
        polls = observer.requests[-1].at
        await until(lambda: observer.requests[-1].at > polls + 5, 30, running)

        assert len(observer.writes()) == written, "no more writes at zero tasks with an empty queue"
        assert max(observer.writes()) == 7
        assert all(0 <= count <= 7 for count in observer.writes())
        assert all(a != b for a, b in zip(observer.writes(), observer.writes()[1:], strict=False))
        assert {request.action for request in observer.requests} <= READS | {"UpdateService"}
        updates = [request.parameters for request in observer.requests if request.action == "UpdateService"]
        assert all(set(update) == {"cluster", "service", "desiredCount"} for update in updates)
        assert len(running.events("scaled")) == written
        assert all("situation" in line and line["sentence"] for line in running.events("scaled"))
        assert running.errors == []


async def test_an_outage_of_aws_holds_the_count_and_scaling_continues_after_it() -> None:
    async with world() as observer:
        await send(observer, 0, 300)
        async with daemon(observer.url, free_port(), SETTINGS) as running:
            await until(lambda: observer.writes() == [3], 20, running)

            await observer.moto.stop()
            await until(lambda: len(running.events("missing_signal")) > 0, 20, running)
            status, body = await running.get("/readyz")
            assert status == 503
            status_of = json.loads(body)["services"]["orders"]
            assert status_of["state"] == "failing"
            assert status_of["error"]["kind"] == "unavailable"
            assert (await running.get("/healthz"))[0] == 200, "an AWS outage must not restart the daemon"
            assert observer.writes() == [3]

            await observer.moto.start()
            await create_resources(observer, 3)
            await send(observer, 0, 600)
            await until(lambda: last_write(observer) == 6, 30, running)
            await running.until_ready()  # the poll is recorded after its write
            assert observer.writes() == sorted(observer.writes())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_during_a_poll_lets_the_poll_finish_and_exits_0(number: signal.Signals) -> None:
    async with world() as observer:
        await send(observer, 0, 300)
        answered = observer.held["UpdateService"] = asyncio.Event()
        async with daemon(observer.url, free_port(), SETTINGS) as running:
            await until(lambda: observer.writes() == [3], 20, running)
            running.process.send_signal(number)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await running.process.wait()  # it does not exit before its poll ends
            answered.set()
            async with asyncio.timeout(5):
                assert await running.process.wait() == 0
            await running.output_read()
            assert [line["target"] for line in running.events("scaled")] == [3]
            assert running.lines[-1]["event"] == "stopped"


async def test_a_call_without_an_answer_does_not_block_the_exit() -> None:
    async with world() as observer, daemon(observer.url, free_port(), SETTINGS) as running:
        await running.until_ready()
        observer.held["DescribeServices"] = asyncio.Event()
        calls = len(observer.requests)
        await until(lambda: len(observer.requests) > calls, 20, running)
        running.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            assert await running.process.wait() == 0


async def test_shadow_mode_writes_nothing_and_logs_what_it_would_do() -> None:
    async with world() as observer:
        await send(observer, 0, 300)
        async with daemon(observer.url, free_port(), SETTINGS | {"AUTOSCALER_MODE": "shadow"}) as running:
            await until(lambda: len(running.events("would_scale")) > 0, 20, running)
            assert observer.writes() == []
            assert running.events("would_scale")[0]["target"] == 3


async def test_the_default_mode_writes_nothing_and_logs_how_to_activate_it() -> None:
    unset = {name: value for name, value in SETTINGS.items() if name != "AUTOSCALER_MODE"}
    async with world() as observer:
        await send(observer, 0, 300)
        async with daemon(observer.url, free_port(), unset) as running:
            await until(lambda: len(running.events("would_scale")) > 0, 20, running)
            assert observer.writes() == []
            [notice] = running.events("shadow_by_default")
            assert (notice["service"], notice["mode"], notice["activate"]) == (
                "orders",
                "shadow",
                "set AUTOSCALER_MODE=active",
            )
            [status] = json.loads((await running.get("/readyz"))[1])["services"].values()
            assert status["activate"] == notice["activate"]


async def test_a_misconfigured_service_does_not_affect_others_and_reports_its_error() -> None:
    many = {
        "AUTOSCALER_INTERVAL": "1s",
        "AUTOSCALER_DEFAULTS__CLUSTER": "prod",
        "AUTOSCALER_DEFAULTS__MAX_TASKS": "7",
        "AUTOSCALER_DEFAULTS__MODE": "active",
        "AUTOSCALER_DEFAULTS__BACKLOG_PER_TASK": "100",
        "AUTOSCALER_SERVICES__GOOD__SERVICE": "orders",
        "AUTOSCALER_SERVICES__GOOD__QUEUES": "orders",
        "AUTOSCALER_SERVICES__NOQUEUE__SERVICE": "orders2",
        "AUTOSCALER_SERVICES__NOQUEUE__QUEUES": "misspelt",
        "AUTOSCALER_SERVICES__NOSERVICE__SERVICE": "nowhere",
        "AUTOSCALER_SERVICES__NOSERVICE__QUEUES": "other",
    }
    async with world() as observer:
        await observer.moto.call("sqs", "CreateQueue", QueueName="other")
        await observer.moto.call(
            "ecs", "CreateService", cluster="prod", serviceName="orders2", taskDefinition="worker", desiredCount=2
        )
        await send(observer, 0, 300)
        async with daemon(observer.url, free_port(), many) as running:
            await until(lambda: last_write(observer) == 3, 20, running)
            await until(lambda: bool(running.events("scaled")), 20, running)
            await until(lambda: len(running.events("missing_signal")) >= 2, 20, running)
            services: dict[str, Any] = json.loads((await running.get("/readyz"))[1])["services"]
            assert services["good"]["state"] == "ok"
            assert services["noservice"]["error"]["kind"] == "not_found"
            assert "nowhere" in services["noservice"]["error"]["text"]
            assert "misspelt" in json.dumps(services["noqueue"])
            assert observer.writes() == [3]
