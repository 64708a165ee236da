"""The queue of events, with the daemon as a process and SQS by moto. EventBridge's messages are put in by hand."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.aws.ecs_events import action, stopped_task
from tests.e2e.daemon import DaemonProcess, daemon
from tests.e2e.region import MotoProxy
from tests.e2e.test_daemon import SETTINGS, free_port, send, until, world

EVENTS = {"AUTOSCALER_EVENT_QUEUE": "events"}
WITHIN_S = 60.0


async def create_queue(observer: MotoProxy) -> str:
    attributes = {"VisibilityTimeout": "30"}
    answer = await observer.moto.call("sqs", "CreateQueue", QueueName="events", Attributes=attributes)
    return str(answer["QueueUrl"])


async def put(observer: MotoProxy, url: str, *events: object) -> None:
    bodies = [event if isinstance(event, str) else json.dumps(event) for event in events]
    entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)]
    await observer.moto.call("sqs", "SendMessageBatch", QueueUrl=url, Entries=entries)


async def messages(observer: MotoProxy, url: str) -> int:
    """Return the number of messages in the queue, hidden or not."""
    answer = await observer.moto.call("sqs", "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    return sum(int(answer["Attributes"][name]) for name in names)


async def outcomes(running: DaemonProcess) -> dict[str, float]:
    """Return the number of events by outcome, and the state of the queue as `up`."""
    _, text = await running.get("/metrics")
    found = dict[str, float]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "autoscaler_events_total":
                outcome = sample.labels["outcome"]
                found[outcome] = found.get(outcome, 0) + sample.value
            elif sample.name == "autoscaler_event_queue_up":
                found["up"] = sample.value
    return found


async def until_found(running: DaemonProcess, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    async with asyncio.timeout(WITHIN_S):
        while not holds(found := await outcomes(running)):
            assert running.process.returncode is None, running.errors
            await asyncio.sleep(0.2)
    return found


def of_service(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event of the service of `SETTINGS`."""
    changed: dict[str, Any] = json.loads(json.dumps(event).replace("/prod/web", "/prod/orders"))
    return changed


async def test_events_are_used_once_and_deleted_and_other_messages_stay() -> None:
    now = time.time()
    placement = of_service(action(now, "SERVICE_TASK_PLACEMENT_FAILURE", "RESOURCE:FARGATE", id_="a-1"))
    async with world() as observer:
        url = await create_queue(observer)
        stopped = [stopped_task(now, "orders", "t1", version) for version in (5, 4, 5)]
        await put(observer, url, *stopped, placement, stopped_task(now, "unknown"), "order 17")
        async with daemon(observer.url, free_port(), SETTINGS | EVENTS) as running:
            await until_found(running, lambda found: sum(found.values()) >= 7)
            found = await outcomes(running)
            assert found["up"] == 1
            assert found["unknown_service"] == found["foreign"] == 1
            # moto may deliver in any order: of the three, at least one is new and at least one is not
            assert found["used"] + found.get("duplicate", 0) + found.get("old", 0) == 4
            assert 2 <= found["used"] <= 3
            async with asyncio.timeout(WITHIN_S):
                while await messages(observer, url) != 1:  # noqa: ASYNC110 - another process has no event to wait for
                    await asyncio.sleep(0.2)
            assert len(running.events("events_received")) == 1
            running.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(5):
                assert await running.process.wait() == 0, "a long poll in progress does not delay the end"
            await running.output_read()
            assert running.errors == []


async def test_a_queue_that_is_missing_never_affects_scaling_and_is_used_once_it_exists() -> None:
    async with world() as observer, daemon(observer.url, free_port(), SETTINGS | EVENTS) as running:
        await until_found(running, lambda found: found.get("up") == 0)
        await send(observer, 0, 300)
        await until(lambda: observer.writes() == [3], 30, running)
        assert len(running.events("events_not_received")) == 1
        url = await create_queue(observer)
        await put(observer, url, stopped_task(time.time(), "orders"))
        await until_found(running, lambda found: found.get("up") == 1 and found.get("used") == 1)


async def test_without_the_setting_no_message_is_received() -> None:
    async with world() as observer, daemon(observer.url, free_port(), SETTINGS) as running:
        url = await create_queue(observer)
        await put(observer, url, stopped_task(time.time(), "orders"))
        await running.until_ready()
        actions = {request.action for request in observer.requests}
        assert not actions & {"ReceiveMessage", "DeleteMessageBatch"}
        assert await outcomes(running) == {}
