"""Background tasks and computations: they delay no poll and end with the daemon."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from autoscaler.control.background import Background


async def test_computations_do_not_block_the_event_loop_and_run_one_at_a_time() -> None:
    going, begun = threading.Event(), list[int]()

    def compute_slowly(number: int) -> int:
        begun.append(number)
        assert going.wait(10)
        return number

    async with Background() as background:
        computations = [asyncio.create_task(background.compute(partial(compute_slowly, number))) for number in (1, 2)]
        async with asyncio.timeout(10):
            while not begun:  # noqa: ASYNC110 - the other thread sets no asyncio event
                await asyncio.sleep(0.01)
        assert begun == [1]
        going.set()
        assert await asyncio.gather(*computations) == [1, 2]


async def test_unfinished_work_is_cancelled_at_the_end() -> None:
    ended = list[str]()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    async with asyncio.timeout(10), Background() as background:
        background.begin(forever())
        await asyncio.sleep(0)
    assert ended == ["cancelled"]


async def test_a_bug_in_background_work_ends_the_daemon() -> None:
    async def bug() -> None:
        raise ZeroDivisionError

    async def daemon() -> None:
        async with asyncio.timeout(10), Background() as background:
            background.begin(bug())
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as raised:
        await daemon()
    assert raised.group_contains(ZeroDivisionError)
