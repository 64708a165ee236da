"""The loop of one service, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from autoscaler.control.fleetwatch import SETTLING_S
from autoscaler.control.loop import Rhythm, ServiceLoop
from autoscaler.control.shadow import Shadow
from autoscaler.core.engine import decide
from autoscaler.core.model import Backlog, Missing
from autoscaler.errors import Throttled, Unavailable
from tests.control.fakes import World, loop_over, play, ports_of, service
from tests.virtual import run_virtually


def test_it_wakes_from_zero_and_goes_back_to_zero_only_after_more_than_a_minute_of_nothing() -> None:
    world = World()
    play(world, 200, {5: lambda: setattr(world, "waiting", 95), 35: lambda: setattr(world, "waiting", 0)})
    assert [tasks for _, tasks in world.writes] == [10, 1, 0]
    woke, shrank, slept = (at - 1000 for at, _ in world.writes)
    assert 5 <= woke <= 15
    assert shrank - 30 >= 60, "the demand of 10 was last seen at 30 s and holds for the stabilization of 60 s"
    assert slept - 40 > 60, "the queue was first seen empty at 40 s"


def test_nothing_is_written_while_nothing_changes() -> None:
    world = World(waiting=95, desired=10)
    play(world, 600)
    assert world.writes == []
    assert len(world.ticks) == 60


def test_ticks_keep_to_the_interval_however_long_they_take_and_missed_ones_fall_out() -> None:
    world = World(slow_s=4.0)
    play(world, 61)
    read = [tick.observation.queues[0].backlog for tick in world.ticks if tick.observation]
    assert [backlog.at % 10 for backlog in read if isinstance(backlog, Backlog)] == [0.0] * 7
    slow = World(slow_s=14.0)
    play(slow, 61)
    assert len(slow.ticks) == 4
    assert all(tick.lag_s == 0 and tick.took_s == 14 for tick in slow.ticks)


def test_a_blind_tick_holds_and_the_next_good_one_goes_on() -> None:
    world = World(waiting=95)
    unread = Missing("SQS did not answer", "unavailable")

    def change(blind: Missing | None, waiting: int) -> None:
        world.blind, world.waiting = blind, waiting

    play(
        world,
        100,
        {
            15: partial(change, blind=unread, waiting=0),
            75: partial(change, blind=None, waiting=195),
        },
    )
    assert [tasks for _, tasks in world.writes] == [10, 20]


def test_a_service_that_ecs_does_not_show_is_told_of_and_not_decided_on() -> None:
    world = World(waiting=95, gone=Missing("service orders is not in cluster prod", "not_found"))
    play(world, 25)
    assert world.writes == []
    assert {(tick.outcome, tick.decision) for tick in world.ticks} == {("not_found", None)}


def test_a_refused_write_is_told_and_tried_again_with_no_cooldown_begun() -> None:
    world = World(waiting=95, refuses=Throttled("AWS throttled"))
    play(world, 35, {25: lambda: setattr(world, "refuses", None)})
    assert [tick.outcome for tick in world.ticks] == ["throttled", "throttled", "throttled", "accepted"]
    assert all(not tick.memory.changes for tick in world.ticks)


def test_a_write_whose_answer_was_lost_counts_as_made_once_ecs_shows_it() -> None:
    world = World(waiting=95, refuses=Unavailable("timed out"), takes_it_all_the_same=True)
    play(world, 15)
    first, second = world.ticks
    assert first.outcome == "unavailable"
    assert second.outcome == "unchanged"
    assert [change.tasks for change in second.memory.changes] == [10]


def test_a_read_that_lags_behind_our_write_does_not_make_us_write_again() -> None:
    world = World(waiting=95, stale_reads=1)
    play(world, 4, interval_s=2.0)
    assert [tasks for _, tasks in world.writes] == [10]


def test_a_count_that_somebody_else_set_back_is_corrected_in_the_first_tick_that_may_believe_it() -> None:
    world = World(waiting=95)
    play(world, SETTLING_S + 9, {SETTLING_S + 2: lambda: setattr(world, "desired", 2)}, interval_s=1.0)
    assert [tasks for _, tasks in world.writes] == [10, 10]


def test_tasks_still_coming_up_at_the_start_count_as_just_added() -> None:
    world = World(waiting=195, desired=8, running=4)
    limit = {"scale_out": _doubling()}
    play(world, 5, **dict[str, Any](limit))
    assert world.writes == [], "from 4 running, 100 % a minute permits 8: a restart does not double again"


def test_shadow_asks_nothing_of_ecs_and_says_what_it_would_have_done() -> None:
    world = World(waiting=95)

    async def main() -> None:
        ports = replace(ports_of(world), fleets=Shadow(world))
        world.record(await ServiceLoop(service(), ports, Rhythm(10.0)).tick())

    run_virtually(main())
    assert world.writes == []
    assert world.ticks[0].outcome == "shadow"
    assert world.ticks[0].decision is not None
    assert world.ticks[0].decision.target == 10


def test_what_the_tick_tells_decides_alike_when_it_is_decided_again() -> None:
    world = World(waiting=95, cpu_percent=80.0)
    play(world, 300, {60: lambda: setattr(world, "waiting", 3)}, cpu_target_percent=50.0)
    told = [tick for tick in world.ticks if tick.observation is not None]
    assert len(told) == 30
    for tick in told:
        assert tick.observation is not None
        assert decide(tick.policy, tick.memory, tick.observation) == tick.decision


def test_a_cpu_datapoint_is_held_against_the_tasks_of_its_time_so_that_it_is_used_once() -> None:
    """90 % on 4 tasks asks for 6 however often it is read, also once 6 run."""
    world = World(waiting=1000, desired=4, cpu_percent=90.0)

    async def main() -> list[int]:
        loop = loop_over(world, cpu_target_percent=60.0, queues=(), backlog_per_task=None)
        loop._service = type(loop._service)(loop._service.ref, (), loop._service.policy)
        targets = []
        stamp = asyncio.get_running_loop().time()
        world.cpu = _stuck_at(stamp, 90.0)  # type: ignore[method-assign]
        for _ in range(4):
            tick = await loop.tick()
            assert tick.decision is not None
            targets.append(tick.decision.target)
            await asyncio.sleep(10)
        return targets

    assert run_virtually(main()) == [6, 6, 6, 6]


def _stuck_at(stamp: float, percent: float) -> Any:
    from autoscaler.core.model import Utilization

    async def cpu(_service: object) -> Utilization:
        return Utilization(percent, stamp)

    return cpu


def _doubling() -> object:
    from autoscaler.core.policy import Direction, Limit

    return Direction(limits=(Limit(60.0, percent=100),))


@pytest.mark.parametrize("wait_s", [0.0, 3.0, 9.9])
def test_stopping_interrupts_a_wait_at_once(wait_s: float) -> None:
    async def main() -> float:
        world, stopping, clock = World(), asyncio.Event(), asyncio.get_running_loop()
        task = asyncio.create_task(loop_over(world).run(stopping))
        await asyncio.sleep(wait_s)
        began = clock.time()
        stopping.set()
        await task
        return clock.time() - began

    assert run_virtually(main()) == 0
