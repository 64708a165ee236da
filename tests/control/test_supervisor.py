"""The supervisor, in virtual time: how all loops end."""

from __future__ import annotations

import asyncio

import pytest

from autoscaler.control.supervisor import GRACE_S, supervise
from tests.control.fakes import World, loop_over
from tests.virtual import run_virtually


def stopped_after(world: World, seconds: float) -> float:
    """How long the supervisor takes to end once stopping is set."""

    async def main() -> float:
        stopping, clock = asyncio.Event(), asyncio.get_running_loop()
        task = asyncio.create_task(supervise([loop_over(world), loop_over(World())], stopping))
        await asyncio.sleep(seconds)
        began = clock.time()
        stopping.set()
        await task
        return clock.time() - began

    return run_virtually(main())


def test_loops_that_wait_end_at_once() -> None:
    assert stopped_after(World(), 5) == 0


def test_a_tick_under_way_is_finished() -> None:
    world = World(slow_s=3.0)
    assert stopped_after(world, 1) == 2
    assert len(world.ticks) == 1


def test_a_tick_that_hangs_is_cut_after_the_grace() -> None:
    world = World(slow_s=3600.0)
    assert stopped_after(world, 1) == GRACE_S
    assert world.ticks == []


def test_a_bug_in_one_loop_ends_them_all_and_is_not_hidden() -> None:
    def bug() -> None:
        raise ZeroDivisionError

    world = World(waiting=95, before_write=bug)

    async def main() -> None:
        await supervise([loop_over(world), loop_over(World())], asyncio.Event())

    with pytest.raises(ExceptionGroup) as raised:
        run_virtually(main())
    assert raised.group_contains(ZeroDivisionError)
