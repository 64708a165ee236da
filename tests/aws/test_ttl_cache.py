"""Each key is read at most once per period, for all callers."""

from __future__ import annotations

import asyncio

from autoscaler.aws.batching import SWEEP_AT, TtlCache
from autoscaler.core.model import Missing
from autoscaler.errors import Throttled, Unavailable
from tests.aws.spies import Spies


async def test_concurrent_callers_share_one_call(spies: Spies) -> None:
    cache: TtlCache[str, int] = TtlCache(lambda: spies.now_s, 60.0)
    calls: list[int] = []
    answered = asyncio.Event()

    async def ask() -> int:
        calls.append(len(calls))
        await answered.wait()
        return 7

    async with asyncio.TaskGroup() as group:
        readings = [group.create_task(cache.reading("a", ask)) for _ in range(3)]
        await asyncio.sleep(0)
        answered.set()
    assert [reading.result() for reading in readings] == [7, 7, 7]
    assert len(calls) == 1


async def test_one_key_does_not_wait_for_another(spies: Spies) -> None:
    cache: TtlCache[str, str] = TtlCache(lambda: spies.now_s, 60.0)
    answered = asyncio.Event()

    async def slow() -> str:
        await answered.wait()
        return "slow"

    async def quick() -> str:
        return "quick"

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(cache.reading("a", slow))
        await asyncio.sleep(0)
        assert await cache.reading("b", quick) == "quick"
        answered.set()
    assert waiting.result() == "slow"


async def test_the_next_caller_reads_after_a_cancelled_one(spies: Spies) -> None:
    cache: TtlCache[str, int] = TtlCache(lambda: spies.now_s, 60.0)

    async def never() -> int:
        await asyncio.Event().wait()
        return 0

    async def ask() -> int:
        return 7

    async with asyncio.TaskGroup() as group:
        cancelled = group.create_task(cache.reading("a", never))
        await asyncio.sleep(0)
        cancelled.cancel()
    assert await cache.reading("a", ask) == 7


async def test_an_error_is_cached_for_the_time_of_its_kind(spies: Spies) -> None:
    cache: TtlCache[str, int] = TtlCache(
        lambda: spies.now_s, 60.0, lambda fault: 20.0 if isinstance(fault, Throttled) else 0.0
    )

    async def throttled() -> int:
        raise Throttled("slow down")

    async def unavailable() -> int:
        raise Unavailable("gone")

    async def ask() -> int:
        return 7

    assert await cache.reading("a", throttled) == Missing("slow down", "throttled")
    spies.pass_s(19)
    assert await cache.reading("a", ask) == Missing("slow down", "throttled")
    spies.pass_s(1)
    assert await cache.reading("a", unavailable) == Missing("gone", "unavailable")
    assert await cache.reading("a", ask) == 7


async def test_unused_readings_are_removed() -> None:
    now = 0.0
    cache: TtlCache[int, int] = TtlCache(lambda: now, 60.0)

    async def answer() -> int:
        return 1

    for key in range(20 * SWEEP_AT):
        now += 60.0
        await cache.reading(key, answer)
    assert len(cache._cached) <= 2 * SWEEP_AT
    assert len(cache._locks) == len(cache._cached)
