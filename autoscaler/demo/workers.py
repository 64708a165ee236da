"""A typical worker: it receives in batches, processes several messages at the same time, and deletes in batches.

When it is stopped, it receives no more messages, processes and deletes those that it holds, and ends. A scale-in
loses no message.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from autoscaler.demo.ledger import Ledger
from autoscaler.demo.region_client import RegionClient

CONCURRENCY = 10
"""Messages that a worker holds at the same time, and the maximum of SQS for one receive or delete call."""

POLL_S = 2
"""Wait time of a receive. A worker that is stopped during a receive waits until its end."""

LINGER_S = 0.5
"""A worker receives and deletes at most twice per second, to use batches instead of single messages."""


@dataclass(frozen=True, slots=True)
class DemoQueue:
    """The queue of the demo, used through the SQS API."""

    client: RegionClient
    url: str

    async def send(self, bodies: list[str]) -> None:
        """Send at most ten messages. A retry after a lost answer can cause duplicates."""
        entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(bodies)]
        await self.client.call("sqs", "SendMessageBatch", QueueUrl=self.url, Entries=entries)

    async def receive(self, most: int) -> list[dict[str, Any]]:
        """Receive at most `most` messages, or none after an empty poll."""
        answer = await self.client.call(
            "sqs", "ReceiveMessage", QueueUrl=self.url, MaxNumberOfMessages=most, WaitTimeSeconds=POLL_S
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    async def delete(self, handles: list[str]) -> None:
        """Delete at most ten messages."""
        entries = [{"Id": str(index), "ReceiptHandle": handle} for index, handle in enumerate(handles)]
        await self.client.call("sqs", "DeleteMessageBatch", QueueUrl=self.url, Entries=entries)


@dataclass(frozen=True, slots=True)
class ProcessedMessage:
    """A processed message that must be deleted."""

    number: int
    handle: str


async def pause(seconds: float, unless: asyncio.Event) -> None:
    """Wait for a time in seconds, or until the event is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await unless.wait()


@dataclass
class DemoWorker:
    """The process of one task. `holding`: the number of messages in progress."""

    queue: DemoQueue
    ledger: Ledger
    holding: int = 0
    _freed: asyncio.Event = field(default_factory=asyncio.Event)
    _done: list[ProcessedMessage] = field(default_factory=list)

    async def serve(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then drain. Return when all received messages are deleted."""
        drained = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._delete_as_done(drained))
            await self._work_until(stopping)
            drained.set()

    async def _work_until(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            while not stopping.is_set():
                for message in await self.queue.receive(CONCURRENCY - self.holding):
                    self.holding += 1
                    group.create_task(self._work_on(message))
                await self._wait_for_slot(stopping)

    async def _wait_for_slot(self, stopping: asyncio.Event) -> None:
        """Wait for a batch, and then for a free slot."""
        if self.holding:
            await pause(LINGER_S, stopping)
        while self.holding >= CONCURRENCY:
            self._freed.clear()
            await self._freed.wait()

    async def _work_on(self, message: dict[str, Any]) -> None:
        body = json.loads(message["Body"])
        self.ledger.note_received(body["number"], monotonic())
        await asyncio.sleep(body["work_s"])
        self.ledger.note_worked(body["number"], body["work_s"])
        self._done.append(ProcessedMessage(body["number"], message["ReceiptHandle"]))
        self.holding -= 1
        self._freed.set()

    async def _delete_as_done(self, drained: asyncio.Event) -> None:
        while self._done or not drained.is_set():
            await pause(LINGER_S, drained)
            batch, self._done = self._done[:CONCURRENCY], self._done[CONCURRENCY:]
            if batch:
                await self.queue.delete([done.handle for done in batch])
                self.ledger.note_deleted(done.number for done in batch)
