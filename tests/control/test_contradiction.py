"""S14 and S15: what SQS's counts do not show, and what they show and is not so. The real loop, with minutes of
CloudWatch that are as late as they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from autoscaler.control.loop import Rhythm
from autoscaler.core.model import Backlog, Missing
from autoscaler.core.policy import Direction, QueuePolicy
from autoscaler.ports import QueueMinute, QueueRef
from tests.control.fakes import World, loop_over, now, ports_of, service
from tests.virtual import run_virtually

NOTHING = (0, 0)
Counts = Callable[[float], tuple[int, int]]
"""Visible and in flight, by the seconds since the start."""


@dataclass
class Minutes:
    """What CloudWatch counts in each minute that ends so many seconds after the start: sent, received, deleted."""

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
class Cloud(World):
    """Queues whose counts and minutes are given, by name."""

    depths: dict[str, Counts] = field(default_factory=dict)
    counted: dict[str, Minutes] = field(default_factory=dict)
    silent_from_s: float = float("inf")
    silence: str = "unavailable"

    async def backlog(self, queue: QueueRef) -> Backlog | Missing:
        counts = self.depths.get(queue.name)
        visible, in_flight = counts(now() - 1000.0) if counts else NOTHING
        return Backlog(visible, in_flight, 0, now())

    async def minute(self, queue: QueueRef) -> QueueMinute | Missing:
        if queue.name not in self.counted or now() - 1000.0 >= self.silent_from_s:
            return Missing("CloudWatch does not answer", self.silence)
        return self.counted[queue.name].newest()


def played(world: Cloud, seconds: float, **changes: object) -> list[int]:
    """The counts that were written."""

    async def main() -> None:
        stopping = asyncio.Event()
        wanted: dict[str, object] = {"backlog_per_task": None, "max_tasks": 5000, "scale_in": Direction(0.0, 45.0)}
        task = asyncio.create_task(loop_over(world, **wanted | changes).run(stopping))  # type: ignore[arg-type]
        await asyncio.sleep(seconds)
        stopping.set()
        await task

    run_virtually(main())
    return [tasks for _, tasks in world.writes]


@pytest.mark.parametrize("late_s", [1.0, 60.0, 90.0, 170.0])
@pytest.mark.parametrize("shown", ["nothing", "one at the start", "one in nine polls", "visible work in between"])
def test_work_too_short_to_be_seen_keeps_a_task(late_s: float, shown: str) -> None:
    """600 messages a minute of milliseconds: SQS shows none of them at nearly every poll."""
    depths: dict[str, Counts] = {
        "nothing": lambda _: NOTHING,
        "one at the start": lambda at: (0, int(at < 5)),
        "one in nine polls": lambda at: (0, int(at // 10 % 9 == 0)),
        "visible work in between": lambda at: (30, 6) if 600 <= at < 900 else NOTHING,
    }
    world = Cloud(desired=6, depths={"orders": depths[shown]})
    world.counted["orders"] = Minutes(600, 600, 600, late_s=late_s)
    assert 0 not in played(world, 3600)
    assert world.desired >= 1


@pytest.mark.parametrize("age_s", [181.0, 900.0])
@pytest.mark.parametrize("shown_s", [0.0, 5.0, 45.0, 300.0])
def test_an_old_message_that_sqs_does_not_show_keeps_a_task(age_s: float, shown_s: float) -> None:
    """Whenever SQS showed it last."""
    world = Cloud(desired=6, waiting=0, depths={"orders": lambda at: (0, int(at < shown_s))})
    world.counted["orders"] = Minutes(received=0.6, oldest_age_s=age_s)
    assert 0 not in played(world, 1800)


@pytest.mark.parametrize("kind", ["sent", "received", "deleted"])
def test_each_of_the_counts_contradicts(kind: str) -> None:
    world = Cloud(desired=6, depths={"orders": lambda at: (0, int(at == 0))})
    world.counted["orders"] = Minutes(**{kind: 600.0})
    assert 0 not in played(world, 1800)


def test_what_was_busy_stays_although_nothing_of_it_is_seen() -> None:
    """600 messages a minute of 500 ms, fixed: five tasks are busy."""
    world = Cloud(desired=12, depths={"orders": lambda at: (0, int(at < 5))})
    world.counted["orders"] = Minutes(600, 600, 600)
    written = played(world, 1800, processing_time_s=0.5, learn=False)
    assert min(written) == 5


def test_one_queue_of_two_that_is_not_seen_keeps_a_task() -> None:
    """The other one is seen and ends: its readings say nothing of the first."""
    world = Cloud(desired=6)
    world.depths = {"orders": lambda at: (20, 4) if at < 600 else NOTHING}
    world.counted = {"orders": Minutes(60, 60, 60, until_s=600.0), "mails": Minutes(600, 600, 600)}
    queues = (QueuePolicy("orders", 60.0), QueuePolicy("mails", 60.0))
    world.depths["mails"] = lambda at: (0, int(at < 5))
    assert 0 not in played(world, 1800, queues=queues)


@pytest.mark.parametrize("kind", ["unavailable", "denied", "throttled", "no_data"])
def test_an_outage_of_cloudwatch_does_not_refute_what_it_said(kind: str) -> None:
    """For most of an hour. A service that has nothing to do is not held for ever by it."""
    world = Cloud(desired=6, depths={"orders": lambda at: (0, int(at < 5))}, silent_from_s=400.0, silence=kind)
    world.counted["orders"] = Minutes(600, 600, 600)
    assert played(world, 3600) == [1]
    assert played(world, 2 * 3600)[-1] == 0


def test_a_reload_does_not_refute_what_cloudwatch_said() -> None:
    world = Cloud(desired=6, depths={"orders": lambda at: (0, int(at < 5))}, silent_from_s=300.0)
    world.counted["orders"] = Minutes(600, 600, 600)

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


def test_a_queue_that_really_is_empty_goes_to_none_once_cloudwatch_agrees() -> None:
    world = Cloud(desired=6, depths={"orders": lambda at: (20, 4) if at < 300 else NOTHING})
    world.counted["orders"] = Minutes(60, 60, 60, until_s=300.0)
    assert played(world, 900)[-1] == 0


@pytest.mark.parametrize("in_flight", [20, 500, 100_000])
@pytest.mark.parametrize("cloudwatch", ["counts nothing", "has no datapoint"])
@pytest.mark.parametrize("rule", ["latency", "backlog"])
def test_messages_that_are_held_ask_for_no_more_tasks(in_flight: int, cloudwatch: str, rule: str) -> None:
    """Twenty tasks with a long job each; messages that nobody processes: nothing visible, sent, received or deleted."""
    world = Cloud(desired=20, depths={"orders": lambda _: (0, in_flight)})
    if cloudwatch == "counts nothing":
        world.counted["orders"] = Minutes(oldest_age_s=None)
    written = played(world, 3600, backlog_per_task=1.0 if rule == "backlog" else None)
    assert max(written, default=20) <= 20
    last = world.ticks[-1].observation
    assert last is not None
    assert last.knowledge is not None
    assert last.knowledge.rate_per_s.value == 0.0, "what is held is no arrival"


def test_jobs_that_were_received_long_ago_and_a_trickle_do_not_multiply() -> None:
    """One new message every five minutes asks for a task of its own, not for twenty."""
    arrivals = [300.0 * number for number in range(1, 12)]

    def depth(at: float) -> tuple[int, int]:
        arrived = [each for each in arrivals if each <= at]
        waiting = sum(at - each < 20.0 for each in arrived)
        return waiting, 20 + len(arrived) - waiting

    world = Cloud(desired=20, depths={"orders": depth})
    world.counted["orders"] = Minutes(sent=0.2, received=0.2)
    written = played(world, 3600)
    assert max(written, default=20) <= 20 + 2 * len(arrivals)


@pytest.mark.parametrize("tasks", [5, 20, 200])
@pytest.mark.parametrize("processing_s", [None, 1.0], ids=["not configured", "configured far too short"])
@pytest.mark.parametrize("counted", [0, 1, 3], ids=["noise", "one a minute", "three a minute"])
def test_long_jobs_of_which_one_ends_now_and_then_do_not_multiply(
    tasks: int, processing_s: float | None, counted: int
) -> None:
    """Every task has one long job; each minute one ends and the next begins, or SQS's count is off by one for a moment.
    What was assumed to be completed by a time that is far too short is no arrival once the time is known better.
    """
    world = Cloud(desired=tasks, depths={"orders": lambda at: (0, tasks - int(at // 10 % 6 == 0))})
    world.counted["orders"] = Minutes(counted, counted, counted)
    written = played(world, 1800, processing_time_s=processing_s)
    assert max(written, default=tasks) <= 1.1 * tasks + 4


@pytest.mark.parametrize("of_it", [1, 20])
def test_a_steady_flow_that_never_waits_is_known_for_what_it_is(of_it: int) -> None:
    """Its counts stay level because as many come as are done; CloudWatch's deletions tell it from work that is held."""
    world = Cloud(desired=20, depths={"orders": lambda _: (0, of_it)})
    world.counted["orders"] = Minutes(12 * of_it, 12 * of_it, 12 * of_it)
    played(world, 1200)
    last = world.ticks[-1].observation
    assert last is not None
    assert last.knowledge is not None
    assert last.knowledge.arriving
    assert last.knowledge.rate_per_s.value == pytest.approx(of_it / 5, rel=0.25)
    assert world.desired >= of_it
