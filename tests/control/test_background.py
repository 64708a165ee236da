"""What is done beside the ticks: by and by, one thought at a time, and not longer than the daemon."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from autoscaler.control.background import Background


async def test_thoughts_do_not_hold_up_the_event_loop_and_come_one_at_a_time() -> None:
    going, begun = threading.Event(), list[int]()

    def think(number: int) -> int:
        begun.append(number)
        assert going.wait(10)
        return number

    async with Background() as background:
        thoughts = [asyncio.create_task(background.think(partial(think, number))) for number in (1, 2)]
        async with asyncio.timeout(10):
            while not begun:  # noqa: ASYNC110 - another thread has no event for us
                await asyncio.sleep(0.01)
        assert begun == [1]
        going.set()
        assert await asyncio.gather(*thoughts) == [1, 2]


async def test_what_is_not_done_in_the_end_is_given_up() -> None:
    ended = list[str]()

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("given up")

    async with asyncio.timeout(10), Background() as background:
        background.begin(for_ever())
        await asyncio.sleep(0)
    assert ended == ["given up"]


async def test_a_bug_ends_all() -> None:
    async def bug() -> None:
        raise ZeroDivisionError

    async def daemon() -> None:
        async with asyncio.timeout(10), Background() as background:
            background.begin(bug())
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as raised:
        await daemon()
    assert raised.group_contains(ZeroDivisionError)
