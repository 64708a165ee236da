"""`count_delayed` and `count_in_flight` in the default mode (a latency target and nothing else), through the daemon."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from math import floor

from autoscaler.core.model import Backlog, Missing
from autoscaler.core.policy import ScaleIn, WorkerSafety
from autoscaler.ports import QueueMinute, QueueRef
from tests.control.fakes import FakePorts, loop_over, now
from tests.virtual import run_virtually

QUICK = ScaleIn(stabilization_s=0.0, small_step_stabilization_s=0.0)


@dataclass
class CountedDelays(FakePorts):
    """A queue with delayed messages. Each minute `deleted` messages are received and deleted."""

    delayed: int = 0
    deleted: int = 0

    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        backlog = await super().backlog(queue)
        return backlog if isinstance(backlog, Missing) else replace(backlog, delayed=self.delayed)

    async def minute(self, queue: QueueRef) -> QueueMinute | Missing:
        return QueueMinute(floor(now() / 60 - 1) * 60.0, self.deleted, self.deleted, 5.0, None, self.deleted)


def counts_after(world: CountedDelays, seconds: float, **changes: object) -> int:
    async def main() -> None:
        stopping = asyncio.Event()
        defaults: dict[str, object] = {"backlog_per_task": None, "max_tasks": 500, "scale_in": QUICK}
        task = asyncio.create_task(loop_over(world, **defaults | changes).run(stopping))  # type: ignore[arg-type]
        await asyncio.sleep(seconds)
        stopping.set()
        await task

    run_virtually(main())
    return world.desired


def test_delayed_messages_require_tasks_only_if_they_count() -> None:
    assert counts_after(CountedDelays(delayed=60), 120, count_delayed=True) > 0
    assert counts_after(CountedDelays(delayed=60), 120, count_delayed=False) == 0


def test_without_count_in_flight_the_deletions_in_a_backlog_give_the_throughput() -> None:
    """Each of ten tasks holds 20 messages, and processes one at a time, in 5 s: 120 deletions a minute, and
    messages wait. With the messages in flight, a task seems to process twenty at once.
    """
    learned = {}

    for counts in (True, False):
        world = CountedDelays(desired=10, waiting=50, in_flight=200, deleted=120)
        counts_after(world, 1200, count_in_flight=counts, workers=WorkerSafety.DRAINING, max_tasks=10, min_tasks=10)
        known = [poll.observation.knowledge for poll in world.polls if poll.observation is not None][-1]
        assert known is not None
        learned[counts] = known.regime
        assert 4.5 < known.processing_s.value / known.concurrency.value < 5.5
    assert learned[True] != learned[False]
