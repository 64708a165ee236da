"""The loop of one service, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.control.readers import SETTLING_S
from autoscaler.control.shadow import Shadow
from autoscaler.core.engine import decide
from autoscaler.core.model import Backlog, Missing
from autoscaler.errors import Throttled, Unavailable
from tests.control.fakes import FakePorts, loop_over, play, ports_of, service
from tests.virtual import run_virtually


def test_a_service_scales_out_from_zero_and_back_to_zero_only_after_more_than_an_empty_minute() -> None:
    world = FakePorts()
    play(world, 200, {5: lambda: setattr(world, "waiting", 95), 35: lambda: setattr(world, "waiting", 0)})
    assert [tasks for _, tasks in world.writes] == [10, 1, 0]
    out_at, in_at, zero_at = (at - 1000 for at, _ in world.writes)
    assert 5 <= out_at <= 15
    assert in_at - 30 >= 60, "10 tasks were last required at 30 s, and the stabilization window is 60 s"
    assert zero_at - 40 > 60, "the queue was first seen empty at 40 s"


def test_nothing_is_written_while_nothing_changes() -> None:
    world = FakePorts(waiting=95, desired=10)
    play(world, 600)
    assert world.writes == []
    assert len(world.polls) == 60


def test_polls_stay_on_the_interval_and_missed_polls_are_skipped() -> None:
    world = FakePorts(slow_s=4.0)
    play(world, 61)
    read = [poll.observation.queues[0].backlog for poll in world.polls if poll.observation]
    assert [backlog.at % 10 for backlog in read if isinstance(backlog, Backlog)] == [0.0] * 7
    slow = FakePorts(slow_s=14.0)
    play(slow, 61)
    assert len(slow.polls) == 4
    assert all(poll.lag_s == 0 and poll.took_s == 14 for poll in slow.polls)


def test_a_poll_without_the_queue_changes_nothing_and_the_next_complete_poll_scales() -> None:
    world = FakePorts(waiting=95)
    unread = Missing("SQS did not answer", "unavailable")

    def change(queue_missing: Missing | None, waiting: int) -> None:
        world.queue_missing, world.waiting = queue_missing, waiting

    play(
        world,
        100,
        {
            15: partial(change, queue_missing=unread, waiting=0),
            75: partial(change, queue_missing=None, waiting=195),
        },
    )
    assert [tasks for _, tasks in world.writes] == [10, 20]


def test_a_service_that_does_not_exist_is_reported_without_a_decision() -> None:
    world = FakePorts(waiting=95, service_missing=Missing("service orders is not in cluster prod", "not_found"))
    play(world, 25)
    assert world.writes == []
    assert {(poll.outcome, poll.decision) for poll in world.polls} == {("not_found", None)}


def test_a_refused_write_is_reported_and_repeated_and_starts_no_cooldown() -> None:
    world = FakePorts(waiting=95, write_error=Throttled("AWS throttled"))
    play(world, 35, {25: lambda: setattr(world, "write_error", None)})
    assert [poll.outcome for poll in world.polls] == ["throttled", "throttled", "throttled", "accepted"]
    assert all(not poll.memory.changes for poll in world.polls)


def test_a_write_without_an_answer_counts_as_accepted_once_ecs_shows_it() -> None:
    world = FakePorts(waiting=95, write_error=Unavailable("timed out"), accepts_despite_error=True)
    play(world, 15)
    first, second = world.polls
    assert first.outcome == "unavailable"
    assert second.outcome == "unchanged"
    assert [change.tasks for change in second.memory.changes] == [10]


def test_a_stale_read_after_a_write_causes_no_second_write() -> None:
    world = FakePorts(waiting=95, stale_reads=1)
    play(world, 4, interval_s=2.0)
    assert [tasks for _, tasks in world.writes] == [10]


def test_a_count_that_another_program_set_back_is_corrected_after_the_settling_time() -> None:
    world = FakePorts(waiting=95)
    play(world, SETTLING_S + 9, {SETTLING_S + 2: lambda: setattr(world, "desired", 2)}, interval_s=1.0)
    assert [tasks for _, tasks in world.writes] == [10, 10]


def test_tasks_that_are_starting_at_the_first_poll_count_as_just_added() -> None:
    world = FakePorts(waiting=195, desired=8, running=4)
    limit = {"scale_out": _doubling()}
    play(world, 5, **dict[str, Any](limit))
    assert world.writes == [], "from 4 running, 100 % a minute permits 8: a restart does not double again"


def test_shadow_writes_nothing_to_ecs_and_records_its_decision() -> None:
    world = FakePorts(waiting=95)

    async def main() -> None:
        ports = replace(ports_of(world), fleets=Shadow(world))
        world.record(await ServiceLoop(service(), ports, Rhythm(10.0)).poll())

    run_virtually(main())
    assert world.writes == []
    assert world.polls[0].outcome == "shadow"
    assert world.polls[0].decision is not None
    assert world.polls[0].decision.target == 10


def test_a_recorded_poll_gives_the_same_decision_again() -> None:
    world = FakePorts(waiting=95, cpu_percent=80.0)
    play(world, 300, {60: lambda: setattr(world, "waiting", 3)}, cpu_target_percent=50.0)
    recorded = [poll for poll in world.polls if poll.observation is not None]
    assert len(recorded) == 30
    for poll in recorded:
        assert poll.observation is not None
        assert decide(poll.policy, poll.memory, poll.observation) == poll.decision


def test_a_cpu_datapoint_is_compared_with_the_tasks_of_its_time_and_used_once() -> None:
    """90 % on 4 tasks requires 6 tasks at every read of the datapoint, also once 6 run."""
    world = FakePorts(waiting=1000, desired=4, cpu_percent=90.0)

    async def main() -> list[int]:
        loop = loop_over(world, cpu_target_percent=60.0, queues=(), backlog_per_task=None)
        loop._service = type(loop._service)(loop._service.ref, (), loop._service.policy)
        targets = []
        stamp = asyncio.get_running_loop().time()
        world.cpu = _stuck_at(stamp, 90.0)  # type: ignore[method-assign]
        for _ in range(4):
            poll = await loop.poll()
            assert poll.decision is not None
            targets.append(poll.decision.target)
            await asyncio.sleep(10)
        return targets

    assert run_virtually(main()) == [6, 6, 6, 6]


def _stuck_at(stamp: float, percent: float) -> Any:
    from autoscaler.core.model import Utilization

    async def cpu(_service: object) -> Utilization:
        return Utilization(percent, stamp)

    return cpu


def _doubling() -> object:
    from autoscaler.core.policy import Direction, RateLimit

    return Direction(limits=(RateLimit(60.0, percent=100),))


@pytest.mark.parametrize("wait_s", [0.0, 3.0, 9.9])
def test_stopping_interrupts_a_wait_at_once(wait_s: float) -> None:
    async def main() -> float:
        world, stopping, clock = FakePorts(), asyncio.Event(), asyncio.get_running_loop()
        task = asyncio.create_task(loop_over(world).run(stopping))
        await asyncio.sleep(wait_s)
        began = clock.time()
        stopping.set()
        await task
        return clock.time() - began

    assert run_virtually(main()) == 0
