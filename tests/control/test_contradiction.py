"""S14 and S15: messages that SQS's counts do not show, and in-flight counts that are no arrivals. The real loop, with
minutes that CloudWatch publishes late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from autoscaler.control.cadence import Rhythm
from autoscaler.core.model import Backlog, Missing
from autoscaler.core.policy import QueuePolicy, ScaleIn
from autoscaler.ports import QueueMinute, QueueRef
from tests.control.fakes import FakePorts, loop_over, now, ports_of, service
from tests.virtual import run_virtually

NOTHING = (0, 0)
Counts = Callable[[float], tuple[int, int]]
"""Returns the visible and in-flight messages at a time, in seconds since the start."""


@dataclass
class CountedMinutes:
    """CloudWatch's counts per minute, which are 0 after `until_s`. A minute is published `late_s` after its end."""

    sent: float = 0.0
    received: float = 0.0
    deleted: float = 0.0
    oldest_age_s: float | None = None
    until_s: float = float("inf")
    late_s: float = 90.0

    def newest(self) -> QueueMinute | Missing:
        end = (now() - self.late_s) // 60 * 60
        if end - 1000.0 > self.until_s + 60:
            return QueueMinute(end, 0, 0, None, sent=0)
        return QueueMinute(end, round(self.received), round(self.deleted), self.oldest_age_s, sent=round(self.sent))


@dataclass
class Cloud(FakePorts):
    """Fakes with counts and minutes by queue name. CloudWatch fails from `silent_from_s` on, for the queue `silent`
    (None: for all).
    """

    depths: dict[str, Counts] = field(default_factory=dict)
    counted: dict[str, CountedMinutes] = field(default_factory=dict)
    silent_from_s: float = float("inf")
    silence: str = "unavailable"
    silent: str | None = None

    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        counts = self.depths.get(queue.name)
        visible, in_flight = counts(now() - 1000.0) if counts else NOTHING
        return Backlog(visible, in_flight, 0, now())

    async def minute(self, queue: QueueRef) -> QueueMinute | Missing:
        is_silent = self.silent in {None, queue.name} and now() - 1000.0 >= self.silent_from_s
        if queue.name not in self.counted or is_silent:
            return Missing("CloudWatch does not answer", self.silence)
        return self.counted[queue.name].newest()


def played(world: Cloud, seconds: float, **changes: object) -> list[int]:
    """Return the counts that were written."""

    async def main() -> None:
        stopping = asyncio.Event()
        defaults: dict[str, object] = {"backlog_per_task": None, "max_tasks": 5000, "scale_in": ScaleIn(0.0, 45.0)}
        task = asyncio.create_task(loop_over(world, **defaults | changes).run(stopping))  # type: ignore[arg-type]
        await asyncio.sleep(seconds)
        stopping.set()
        await task

    run_virtually(main())
    return [tasks for _, tasks in world.writes]


@pytest.mark.parametrize("late_s", [1.0, 60.0, 90.0, 170.0])
@pytest.mark.parametrize("shown", ["nothing", "one at the start", "one in nine polls", "visible work in between"])
def test_messages_too_short_to_be_seen_keep_at_least_one_task(late_s: float, shown: str) -> None:
    """600 messages a minute of some milliseconds each: at nearly every poll SQS shows none."""
    depths: dict[str, Counts] = {
        "nothing": lambda _: NOTHING,
        "one at the start": lambda at: (0, int(at < 5)),
        "one in nine polls": lambda at: (0, int(at // 10 % 9 == 0)),
        "visible work in between": lambda at: (30, 6) if 600 <= at < 900 else NOTHING,
    }
    world = Cloud(desired=6, depths={"orders": depths[shown]})
    world.counted["orders"] = CountedMinutes(600, 600, 600, late_s=late_s)
    assert 0 not in played(world, 3600)
    assert world.desired >= 1


@pytest.mark.parametrize("age_s", [181.0, 900.0])
@pytest.mark.parametrize("shown_s", [0.0, 5.0, 45.0, 300.0])
def test_an_old_message_that_sqs_does_not_show_keeps_at_least_one_task(age_s: float, shown_s: float) -> None:
    """This holds whenever SQS last showed the message."""
    world = Cloud(desired=6, waiting=0, depths={"orders": lambda at: (0, int(at < shown_s))})
    world.counted["orders"] = CountedMinutes(received=0.6, oldest_age_s=age_s)
    assert 0 not in played(world, 1800)


@pytest.mark.parametrize("kind", ["sent", "received", "deleted"])
def test_each_count_of_cloudwatch_prevents_zero_tasks(kind: str) -> None:
    world = Cloud(desired=6, depths={"orders": lambda at: (0, int(at == 0))})
    world.counted["orders"] = CountedMinutes(**{kind: 600.0})
    assert 0 not in played(world, 1800)


def test_busy_tasks_stay_although_sqs_shows_no_message() -> None:
    """600 messages a minute at a configured 500 ms each: five tasks are busy."""
    world = Cloud(desired=12, depths={"orders": lambda at: (0, int(at < 5))})
    world.counted["orders"] = CountedMinutes(600, 600, 600)
    written = played(world, 1800, processing_time_s=0.5, learn=False)
    assert min(written) == 5


def test_one_of_two_queues_with_unseen_messages_keeps_at_least_one_task() -> None:
    """The other queue shows work that ends: its readings do not describe the first queue."""
    world = Cloud(desired=6)
    world.depths = {"orders": lambda at: (20, 4) if at < 600 else NOTHING}
    world.counted = {"orders": CountedMinutes(60, 60, 60, until_s=600.0), "mails": CountedMinutes(600, 600, 600)}
    queues = (QueuePolicy("orders", 60.0), QueuePolicy("mails", 60.0))
    world.depths["mails"] = lambda at: (0, int(at < 5))
    assert 0 not in played(world, 1800, queues=queues)


@pytest.mark.parametrize("kind", ["unavailable", "denied", "throttled", "no_data"])
def test_an_outage_of_cloudwatch_does_not_cancel_its_last_counts(kind: str) -> None:
    """The last counts hold for most of an hour. Then a service without work scales to 0."""
    world = Cloud(desired=6, depths={"orders": lambda at: (0, int(at < 5))}, silent_from_s=400.0, silence=kind)
    world.counted["orders"] = CountedMinutes(600, 600, 600)
    assert played(world, 3600) == [1]
    assert played(world, 2 * 3600)[-1] == 0


@pytest.mark.parametrize("kind", ["unavailable", "denied", "throttled", "no_data"])
def test_the_minutes_of_one_queue_do_not_cancel_the_last_counts_of_another(kind: str) -> None:
    """CloudWatch answers for `orders`, which is empty, and no longer for `mails`, which was busy."""
    world = Cloud(desired=6, silent_from_s=400.0, silence=kind, silent="mails")
    world.depths = {"orders": lambda at: (0, int(at < 5)), "mails": lambda at: (0, int(at < 5))}
    world.counted = {"orders": CountedMinutes(), "mails": CountedMinutes(600, 600, 600)}
    queues = (QueuePolicy("orders", 60.0), QueuePolicy("mails", 60.0))
    assert 0 not in played(world, 3600, queues=queues)
    assert played(world, 2 * 3600, queues=queues)[-1] == 0


def test_a_reload_does_not_cancel_the_last_counts_of_cloudwatch() -> None:
    world = Cloud(desired=6, depths={"orders": lambda at: (0, int(at < 5))}, silent_from_s=300.0)
    world.counted["orders"] = CountedMinutes(600, 600, 600)

    async def main() -> None:
        stopping, rhythm = asyncio.Event(), Rhythm(10.0)
        loop = loop_over(world, rhythm=rhythm, backlog_per_task=None)
        task = asyncio.create_task(loop.run(stopping))
        await asyncio.sleep(320)
        loop.adopt(service(backlog_per_task=None, max_tasks=10), ports_of(world), rhythm)
        await asyncio.sleep(600)
        stopping.set()
        await task

    run_virtually(main())
    assert [tasks for _, tasks in world.writes] == [1]


def test_an_empty_queue_scales_to_zero_once_cloudwatch_agrees() -> None:
    world = Cloud(desired=6, depths={"orders": lambda at: (20, 4) if at < 300 else NOTHING})
    world.counted["orders"] = CountedMinutes(60, 60, 60, until_s=300.0)
    assert played(world, 900)[-1] == 0


@pytest.mark.parametrize("in_flight", [20, 500, 100_000])
@pytest.mark.parametrize("cloudwatch", ["counts nothing", "has no datapoint"])
@pytest.mark.parametrize("rule", ["latency", "backlog"])
def test_messages_that_stay_in_flight_require_no_more_tasks(in_flight: int, cloudwatch: str, rule: str) -> None:
    """20 tasks with a long job each, or messages that no task processes: none is visible, sent, received or deleted."""
    world = Cloud(desired=20, depths={"orders": lambda _: (0, in_flight)})
    if cloudwatch == "counts nothing":
        world.counted["orders"] = CountedMinutes(oldest_age_s=None)
    written = played(world, 3600, backlog_per_task=1.0 if rule == "backlog" else None)
    assert max(written, default=20) <= 20
    last = world.polls[-1].observation
    assert last is not None
    assert last.knowledge is not None
    assert last.knowledge.rate_per_s.value == 0.0, "a message that stays in flight is no arrival"


def test_long_jobs_with_few_arrivals_do_not_multiply_the_tasks() -> None:
    """A new message every five minutes requires one more task, not twenty."""
    arrivals = [300.0 * number for number in range(1, 12)]

    def depth(at: float) -> tuple[int, int]:
        arrived = [each for each in arrivals if each <= at]
        waiting = sum(at - each < 20.0 for each in arrived)
        return waiting, 20 + len(arrived) - waiting

    world = Cloud(desired=20, depths={"orders": depth})
    world.counted["orders"] = CountedMinutes(sent=0.2, received=0.2)
    written = played(world, 3600)
    assert max(written, default=20) <= 20 + 2 * len(arrivals)


@pytest.mark.parametrize("tasks", [5, 20, 200])
@pytest.mark.parametrize("processing_s", [None, 1.0], ids=["not configured", "configured far too short"])
@pytest.mark.parametrize("counted", [0, 1, 3], ids=["noise", "one a minute", "three a minute"])
def test_long_jobs_that_end_one_at_a_time_do_not_multiply_the_tasks(
    tasks: int, processing_s: float | None, counted: int
) -> None:
    """Every task has one long job. Each minute one job ends and the next begins, or SQS's count is low by one for a
    moment. Completions that a far too short processing time implied are no arrivals once the time is learned.
    """
    world = Cloud(desired=tasks, depths={"orders": lambda at: (0, tasks - int(at // 10 % 6 == 0))})
    world.counted["orders"] = CountedMinutes(counted, counted, counted)
    written = played(world, 1800, processing_time_s=processing_s)
    assert max(written, default=tasks) <= 1.1 * tasks + 4


@pytest.mark.parametrize("busy", [1, 20])
def test_a_steady_flow_without_a_backlog_counts_as_arrivals(busy: int) -> None:
    """Arrivals equal completions, so the counts stay level. CloudWatch's deletions show that messages are completed."""
    world = Cloud(desired=20, depths={"orders": lambda _: (0, busy)})
    world.counted["orders"] = CountedMinutes(12 * busy, 12 * busy, 12 * busy)
    played(world, 1200)
    last = world.polls[-1].observation
    assert last is not None
    assert last.knowledge is not None
    assert last.knowledge.arriving
    assert last.knowledge.rate_per_s.value == pytest.approx(busy / 5, rel=0.25)
    assert world.desired >= busy
