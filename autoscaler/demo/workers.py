"""A worker as its owner might write it: receive in batches, work on several messages at once, delete in batches.

Told to stop, it receives no more, finishes what it holds, deletes it and is done: nothing is lost by a scale-in.
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
"""Messages that a worker holds at once, and the most that SQS gives or deletes in one call."""

POLL_S = 2
"""How long a receive waits for messages. A worker that is told to stop may be in one, and waits it out."""

LINGER_S = 0.5
"""A worker asks for more, and deletes, at most twice a second: batches instead of single messages."""


@dataclass(frozen=True, slots=True)
class Queue:
    """The demo's queue, through its real API."""

    client: RegionClient
    url: str

    async def send(self, bodies: list[str]) -> None:
        """At most ten messages are in the queue. Sending again after a lost answer may make duplicates."""
        entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies)]
        await self.client.call("sqs", "SendMessageBatch", QueueUrl=self.url, Entries=entries)

    async def receive(self, most: int) -> list[dict[str, Any]]:
        """Up to `most` messages, none after a poll without any."""
        answer = await self.client.call(
            "sqs", "ReceiveMessage", QueueUrl=self.url, MaxNumberOfMessages=most, WaitTimeSeconds=POLL_S
        )
        messages: list[dict[str, Any]] = answer.get("Messages", [])
        return messages

    async def delete(self, handles: list[str]) -> None:
        """At most ten messages are gone from the queue."""
        entries = [{"Id": str(place), "ReceiptHandle": handle} for place, handle in enumerate(handles)]
        await self.client.call("sqs", "DeleteMessageBatch", QueueUrl=self.url, Entries=entries)


@dataclass(frozen=True, slots=True)
class Done:
    """A message that was worked on and is to be deleted."""

    number: int
    handle: str


async def pause(seconds: float, unless: asyncio.Event) -> None:
    """So much time has passed, or the event has happened."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await unless.wait()


@dataclass
class Worker:
    """One task's process. `holding`: how many messages it works on now."""

    queue: Queue
    ledger: Ledger
    holding: int = 0
    _freed: asyncio.Event = field(default_factory=asyncio.Event)
    _done: list[Done] = field(default_factory=list)

    async def serve(self, stopping: asyncio.Event) -> None:
        """Works until `stopping`, then drains. Ends when all that was received is deleted."""
        drained = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._delete_as_done(drained))
            await self._work_until(stopping)
            drained.set()

    async def _work_until(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as hands:
            while not stopping.is_set():
                for message in await self.queue.receive(CONCURRENCY - self.holding):
                    self.holding += 1
                    hands.create_task(self._work_on(message))
                await self._take_breath(stopping)

    async def _take_breath(self, stopping: asyncio.Event) -> None:
        """Time for a batch to gather, and then a hand is free."""
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
        self._done.append(Done(body["number"], message["ReceiptHandle"]))
        self.holding -= 1
        self._freed.set()

    async def _delete_as_done(self, drained: asyncio.Event) -> None:
        while self._done or not drained.is_set():
            await pause(LINGER_S, drained)
            batch, self._done = self._done[:CONCURRENCY], self._done[CONCURRENCY:]
            if batch:
                await self.queue.delete([done.handle for done in batch])
                self.ledger.note_deleted(done.number for done in batch)
