"""The server: connections that hang, drip and break, and the control API for other processes."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError

from tests.fakeaws import FakeAws, FakeFault, StillClock, serving
from tests.fakeaws.conftest import client
from tests.fakeaws.faults import sent
from tests.fakeaws.replies import Manner


async def call_verb(url: Any, verb: Any, http_status: Any = 200, **parameters: Any) -> Any:
    async with aiohttp.ClientSession() as http, http.post(f"{url}/_double/{verb}", json=parameters) as answer:
        assert answer.status == http_status
        return await answer.json()


async def attributes(aws: Any, name: Any = "orders") -> Any:
    async with client(aws, "sqs") as sqs:
        url = (await sqs.get_queue_url(QueueName=name))["QueueUrl"]
        return (await sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"]))["Attributes"]


@pytest.mark.parametrize("manner", [Manner.RESET, Manner.CUT])
async def test_a_broken_connection_is_an_error(aws: Any, manner: Any) -> None:
    aws.world().put_queue("orders")
    aws.faults.script("GetQueueAttributes", sent(manner))
    with pytest.raises(Exception, match=r"(?i)connection|payload"):
        await attributes(aws)


async def test_a_dripping_answer_arrives_completely(aws: Any) -> None:
    aws.world().put_queue("orders", visible=3)
    aws.faults.script("GetQueueAttributes", sent(Manner.DRIP, 0.0001))
    assert (await attributes(aws))["ApproximateNumberOfMessages"] == "3"


async def test_a_hanging_request_ends_when_the_server_closes() -> None:
    async with serving(FakeAws(StillClock())) as aws:
        aws.world().put_queue("orders")
        asked = asyncio.Event()

        def hang(reply: Any) -> Any:
            asked.set()
            return replace(reply, manner=Manner.HANG)

        aws.faults.script("GetQueueAttributes", FakeFault(reply=hang))
        waiting = asyncio.create_task(attributes(aws))
        await asked.wait()
    with pytest.raises(Exception, match=r"(?i)connection|endpoint"):
        await waiting


async def test_a_change_is_applied_even_if_its_answer_is_lost(aws: Any) -> None:
    aws.world().put_service("prod", "worker", 1)
    aws.faults.script("UpdateService", sent(Manner.RESET))
    async with client(aws, "ecs") as ecs:
        with pytest.raises(Exception, match=r"(?i)connection"):
            await ecs.update_service(cluster="prod", service="worker", desiredCount=3)
    assert aws.world().service("prod", "worker").desired == 3
    [update] = aws.record.updates
    assert (update.at, update.service, update.desired, update.outcome) == (aws.clock.now(), "worker", 3, "ok")


async def test_the_control_verbs_change_and_report_the_state(aws: Any) -> None:
    aws.world().put_queue("orders")
    aws.world().put_service("prod", "worker", 1)
    await call_verb(aws.url, "queue", names=["orders"], visible=300, in_flight=2)
    await call_verb(aws.url, "deploy", cluster="prod", service="worker")
    await call_verb(aws.url, "clock", pass_s=90)
    assert (await call_verb(aws.url, "services", cluster="prod", names=["worker"]))["services"] == {"worker": [1, 2, 0]}
    found = await attributes(aws)
    assert (found["ApproximateNumberOfMessages"], found["ApproximateNumberOfMessagesNotVisible"]) == ("300", "2")
    assert (await call_verb(aws.url, "answers", operation="GetQueueAttributes"))["answers"] == {"orders": [1, 0.0]}
    record = await call_verb(aws.url, "record", forget=True)
    assert ["GetQueueAttributes", "ok", 1] in record["outcomes"]
    assert record["per_second"] == {str(int(aws.clock.now())): {"GetQueueUrl": 1, "GetQueueAttributes": 1}}
    assert (await call_verb(aws.url, "record"))["outcomes"] == []
    assert (await call_verb(aws.url, "rates", factor=0.1, limits={"queue_read": [1, 2]}))["factor"] == 0.1
    assert aws.buckets.limits["queue_read"] == (1, 2)


async def test_the_control_api_poisons_and_heals(aws: Any) -> None:
    aws.world().put_queue("orders")
    await call_verb(aws.url, "poison", name="counts_missing", service="worker", queue="orders")
    with pytest.raises(KeyError):
        await attributes(aws)
    await call_verb(aws.url, "heal", subjects=["orders"])
    assert await attributes(aws)


async def test_the_control_api_scripts_a_fault_for_a_number_of_calls(aws: Any) -> None:
    aws.world().put_queue("orders")
    await call_verb(aws.url, "fault", operation="GetQueueAttributes", code="InternalError", status=500, times=1)
    with pytest.raises(ClientError, match="InternalError"):
        await attributes(aws)
    assert await attributes(aws)


@pytest.mark.parametrize(
    ("verb", "parameters"),
    [("dance", {}), ("queue", {"names": ["missing"], "visible": 1}), ("queue", {"colour": "red"}), ("poison", {})],
)
async def test_an_invalid_control_call_returns_an_error(aws: Any, verb: str, parameters: Any) -> None:
    assert verb in (await call_verb(aws.url, verb, http_status=400, **parameters))["error"]


@asynccontextmanager
async def process(*arguments: Any) -> AsyncIterator[Any]:
    """Run the fake AWS as a process; yield its address."""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakeaws", *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert running.stdout is not None
        async with asyncio.timeout(60):
            yield (await running.stdout.readline()).decode().strip()
    finally:
        running.terminate()
        await running.wait()


async def test_a_process_prints_its_address_and_has_the_configured_services() -> None:
    async with process("--services", "12", "--clusters", "2", "--cpu", "40", "--validate") as url:
        aws = FakeAws(url=url)
        async with client(aws, "ecs") as ecs:
            first = (await ecs.list_services(cluster="bench", maxResults=100))["serviceArns"]
            second = (await ecs.list_services(cluster="bench-1", maxResults=100))["serviceArns"]
        assert len(first) == len(second) == 6
        assert json.loads((await attributes(aws, "queue-00011"))["ApproximateNumberOfMessages"]) == 0
        assert (await call_verb(url, "record"))["complaints"] == []
