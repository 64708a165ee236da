"""Tasks take time to start, process messages, and drain. The tests use the embedded Region and its queue."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any

import pytest

from autoscaler.demo import fleet as fleet_module
from autoscaler.demo.fleet import CONCURRENCY, DemoFleet, DemoQueue, DemoWorker, ProcessedMessage, State, send
from autoscaler.demo.load import Arrival, DemoLoad
from autoscaler.demo.summary import Ledger
from tests.demo.test_region import counts_of, describe_service, set_desired_count
from tests.demo.waiting import until


@asynccontextmanager
async def running_fleet(queue: Any, ledger: Any, start_up_s: Any = (0.3, 0.5)) -> AsyncIterator[Any]:
    """Run a fleet and its tasks until the context ends, and yield the fleet."""

    async def run(job: Callable[[], Awaitable[None]]) -> None:
        await job()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fleet_module, "START_UP_S", start_up_s)
        with suppress(asyncio.CancelledError):
            async with asyncio.TaskGroup() as group:
                members: list[asyncio.Task[None]] = []
                fleet = DemoFleet(
                    queue.client,
                    lambda: DemoWorker(queue, ledger),
                    lambda job: members.append(group.create_task(run(job))),
                    Random(0),
                )
                members.append(group.create_task(fleet.follow()))
                yield fleet
                for member in members:
                    member.cancel()


async def test_the_fleet_and_ecs_count_tasks_as_running_only_after_their_start(queue: Any) -> None:
    async with running_fleet(queue, Ledger(), start_up_s=(1.5, 1.5)) as fleet:
        await set_desired_count(queue, 3)
        await until(lambda: fleet.starting == 3)
        assert fleet.running == 0
        await until(lambda: fleet.running == 3)
        async with asyncio.timeout(20):
            while (service := await describe_service(queue))["runningCount"] != 3:
                assert service["runningCount"] + service["pendingCount"] <= 3
        assert service["pendingCount"] == 0
        assert fleet.task_seconds >= 3 * 1.5
        assert fleet.peak == 3


async def test_a_task_that_is_stopped_during_its_start_receives_no_message(queue: Any) -> None:
    ledger = Ledger()
    async with running_fleet(queue, ledger, start_up_s=(30.0, 30.0)) as fleet:
        await set_desired_count(queue, 2)
        await until(lambda: fleet.starting == 2)
        await send(load_of(20), queue, ledger)
        await set_desired_count(queue, 0)
        await until(lambda: fleet.at_rest)
        assert ledger.receives == 0


def load_of(messages: int, work_s: float = 0.3) -> DemoLoad:
    return DemoLoad(tuple(Arrival(0.0, work_s) for _ in range(messages)), 0.01)


async def test_every_sent_message_is_processed_once(queue: Any) -> None:
    ledger = Ledger()
    async with running_fleet(queue, ledger) as fleet:
        await set_desired_count(queue, 3)
        await send(load_of(137), queue, ledger)
        await until(lambda: ledger.processed == 137)
        assert len(ledger.sent) == 137
        assert ledger.duplicates == 0
        assert all(wait >= 0 for wait in ledger.waits_s())
        await set_desired_count(queue, 0)
        await until(lambda: fleet.at_rest)
    assert await counts_of(queue) == (0, 0)


async def test_a_draining_task_receives_no_more_messages_and_deletes_those_that_it_holds(queue: Any) -> None:
    ledger = Ledger()
    async with running_fleet(queue, ledger) as fleet:
        await set_desired_count(queue, 1)
        await until(lambda: fleet.running == 1)
        await send(load_of(4 * CONCURRENCY, work_s=2.0), queue, ledger)
        await until(lambda: ledger.receives >= CONCURRENCY)
        await set_desired_count(queue, 0)
        await until(lambda: fleet.at_rest)
    assert CONCURRENCY <= ledger.processed < 4 * CONCURRENCY
    assert ledger.in_flight == 0
    assert await counts_of(queue) == (ledger.waiting, 0)


async def test_a_worker_never_holds_more_messages_than_its_concurrency(queue: Any) -> None:
    ledger = Ledger()
    async with running_fleet(queue, ledger) as fleet:
        await set_desired_count(queue, 1)
        await until(lambda: fleet.running == 1)
        (task,) = fleet.tasks
        uneven = tuple(Arrival(0.0, 0.3 + index % 3) for index in range(35))
        await send(DemoLoad(uneven, 0.01), queue, ledger)
        held = set()
        while ledger.processed < 35:
            held.add(task.worker.holding)
            await asyncio.sleep(0.01)
        assert max(held) == CONCURRENCY
        assert task.worker.holding == 0


async def test_a_scale_in_stops_starting_tasks_first(queue: Any) -> None:
    async with running_fleet(queue, Ledger()) as fleet:
        await set_desired_count(queue, 2)
        await until(lambda: fleet.running == 2)
        fleet_module.START_UP_S = (30.0, 30.0)
        started = list(fleet.tasks)
        await set_desired_count(queue, 5)
        await until(lambda: fleet.starting == 3)
        await set_desired_count(queue, 2)
        await until(lambda: len(fleet.tasks) == 2)
        assert fleet.tasks == started
        assert all(task.state is State.RUNNING for task in started)


async def test_a_stopped_worker_deletes_all_processed_messages_in_batches_of_ten() -> None:
    deleted: list[list[str]] = []

    class Recorder(DemoQueue):
        def __init__(self) -> None:
            pass

        async def delete(self, handles: list[str]) -> None:
            deleted.append(handles)

    ledger = Ledger()
    processed = [ProcessedMessage(number, f"handle {number}") for number in range(25)]
    worker = DemoWorker(Recorder(), ledger, _done=processed)
    stopped = asyncio.Event()
    stopped.set()
    await worker.serve(stopped)
    assert [len(handles) for handles in deleted] == [10, 10, 5]
    assert ledger.processed == 25


async def test_messages_that_are_due_at_the_end_of_the_load_are_sent(queue: Any) -> None:
    ledger = Ledger()
    await send(DemoLoad((Arrival(0.0, 1.0), Arrival(0.25, 1.0)), 0.25), queue, ledger)
    assert len(ledger.sent) == 2
    assert await counts_of(queue) == (2, 0)


async def test_a_message_has_its_number_and_its_processing_time(queue: Any) -> None:
    await send(load_of(1, work_s=1.25), queue, Ledger())
    (message,) = await queue.receive(1)
    assert json.loads(message["Body"]) == {"number": 0, "work_s": 1.25}
