"""The part of ECS that moto does not implement: tasks take time to start, and drain when they stop.

As in ECS, the running task to stop is selected regardless of the messages that it holds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from random import Random
from time import monotonic
from typing import Any, TypeAlias

from autoscaler.demo.load import Arrival, DemoLoad
from autoscaler.demo.region_client import RegionClient
from autoscaler.demo.summary import Ledger

# A typical worker: it receives in batches, processes several messages at the same time, and deletes in batches.
#
# When it is stopped, it receives no more messages, processes and deletes those that it holds, and ends. A scale-in
# loses no message.

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


START_UP_S = (4.0, 6.0)
"""The shortest and the longest start-up of a task."""

UPDATE_EVERY_S = 0.25
"""Interval between reads of the desired count."""

Spawn: TypeAlias = Callable[[Callable[[], Awaitable[None]]], object]


class State(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"


@dataclass
class DemoTask:
    """One ECS task from its launch on. `start_up_s`: time until it can process messages."""

    worker: DemoWorker
    start_up_s: float
    launched: float = field(default_factory=monotonic)
    state: State = State.STARTING
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def live(self) -> None:
        """Start, work until the task is stopped, and drain. A task that is stopped while it starts ends at once."""
        await pause(self.start_up_s, unless=self.stopping)
        if not self.stopping.is_set():
            self.state = State.RUNNING
            await self.worker.serve(self.stopping)

    def stop(self) -> None:
        self.state = State.DRAINING
        self.stopping.set()


@dataclass
class DemoFleet:
    """The tasks of the service. `new_worker` creates the worker of a task; `spawn` runs it concurrently."""

    client: RegionClient
    new_worker: Callable[[], DemoWorker]
    spawn: Spawn
    random: Random
    tasks: list[DemoTask] = field(default_factory=list)
    desired: int = 0
    peak: int = 0
    scale_outs: int = 0
    scale_ins: int = 0
    _past_task_seconds: float = 0.0

    def count(self, state: State) -> int:
        return sum(task.state is state for task in self.tasks)

    @property
    def running(self) -> int:
        return self.count(State.RUNNING)

    @property
    def starting(self) -> int:
        return self.count(State.STARTING)

    @property
    def draining(self) -> int:
        return self.count(State.DRAINING)

    @property
    def at_rest(self) -> bool:
        """Whether the desired count is 0 and no task is left."""
        return self.desired == 0 and not self.tasks

    @property
    def busy_ratio(self) -> float | None:
        """Share of the slots of running tasks that hold a message (None: no task runs)."""
        running = [task for task in self.tasks if task.state is State.RUNNING]
        return sum(task.worker.holding for task in running) / (len(running) * CONCURRENCY) if running else None

    @property
    def task_seconds(self) -> float:
        """Task-seconds from launch to stop of all tasks so far; until now for tasks that are left."""
        now = monotonic()
        return self._past_task_seconds + sum(now - task.launched for task in self.tasks)

    async def follow(self) -> None:
        """Launch and stop tasks to match the desired count, and report the counts to the Region. Never returns."""
        while True:
            counts = await self.client.report(running=self.running, pending=self.starting)
            self.desired, self.scale_outs, self.scale_ins = counts["desired"], counts["scale_outs"], counts["scale_ins"]
            self._match()
            await asyncio.sleep(UPDATE_EVERY_S)

    def _match(self) -> None:
        alive = [task for task in self.tasks if task.state is not State.DRAINING]
        for _ in range(self.desired - len(alive)):
            self._launch()
        for task in self._to_stop(alive, len(alive) - self.desired):
            task.stop()
        self.peak = max(self.peak, len(self.tasks) - self.draining)

    def _to_stop(self, alive: list[DemoTask], excess: int) -> list[DemoTask]:
        """Return the tasks to stop: first tasks that still start, then random ones."""
        if excess <= 0:
            return []
        order = sorted(alive, key=lambda task: (task.state is State.RUNNING, self.random.random()))
        return order[:excess]

    def _launch(self) -> None:
        task = DemoTask(self.new_worker(), self.random.uniform(*START_UP_S))
        self.tasks.append(task)
        self.spawn(partial(self._run_task, task))

    async def _run_task(self, task: DemoTask) -> None:
        await task.live()
        self.tasks.remove(task)
        self._past_task_seconds += monotonic() - task.launched


# Send the messages of the load at their times, ten per call.

BATCH = 10
SEND_EVERY_S = 0.2
"""Interval between sends of the messages that are due."""


async def send(load: DemoLoad, queue: DemoQueue, ledger: Ledger) -> None:
    """Send every arrival, not before its time. Returns when the duration of the load is over."""
    starts = monotonic()
    sent = 0
    while (elapsed := monotonic() - starts) < load.duration_s:
        due = _due(load.arrivals, sent, elapsed)
        await _send_all(load.arrivals[sent:due], sent, queue, ledger)
        sent = due
        await asyncio.sleep(SEND_EVERY_S)
    await _send_all(load.arrivals[sent:], sent, queue, ledger)


def _due(arrivals: Sequence[Arrival], sent: int, elapsed: float) -> int:
    """Return how many arrivals are due at `elapsed`. The first `sent` ones are sent already."""
    while sent < len(arrivals) and arrivals[sent].at_s <= elapsed:
        sent += 1
    return sent


async def _send_all(arrivals: Sequence[Arrival], first: int, queue: DemoQueue, ledger: Ledger) -> None:
    """Send in batches. The ledger is updated first: a worker can receive a message before the call returns."""
    for start in range(0, len(arrivals), BATCH):
        batch = arrivals[start : start + BATCH]
        ledger.note_sent([monotonic()] * len(batch))
        numbered = enumerate(batch, first + start)
        await queue.send([json.dumps({"number": number, "work_s": round(a.work_s, 3)}) for number, a in numbered])
