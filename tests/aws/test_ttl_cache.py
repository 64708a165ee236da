"""Once a period, whoever asks and however often."""

from __future__ import annotations

import asyncio

from autoscaler.aws.ttl_cache import SWEEP_AT, TtlCache
from autoscaler.core.model import Missing
from autoscaler.errors import Throttled, Unavailable
from tests.aws.spies import Spies


async def test_who_asks_meanwhile_waits_for_the_same_answer(spies: Spies) -> None:
    schedule: TtlCache[str, int] = TtlCache(lambda: spies.now_s, 60.0)
    asked: list[int] = []
    answered = asyncio.Event()

    async def ask() -> int:
        asked.append(len(asked))
        await answered.wait()
        return 7

    async with asyncio.TaskGroup() as group:
        readings = [group.create_task(schedule.reading("a", ask)) for _ in range(3)]
        await asyncio.sleep(0)
        answered.set()
    assert [reading.result() for reading in readings] == [7, 7, 7]
    assert len(asked) == 1


async def test_one_key_does_not_wait_for_another(spies: Spies) -> None:
    schedule: TtlCache[str, str] = TtlCache(lambda: spies.now_s, 60.0)
    answered = asyncio.Event()

    async def slow() -> str:
        await answered.wait()
        return "slow"

    async def quick() -> str:
        return "quick"

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(schedule.reading("a", slow))
        await asyncio.sleep(0)
        assert await schedule.reading("b", quick) == "quick"
        answered.set()
    assert waiting.result() == "slow"


async def test_a_question_that_is_given_up_leaves_the_turn_to_the_next(spies: Spies) -> None:
    schedule: TtlCache[str, int] = TtlCache(lambda: spies.now_s, 60.0)

    async def never() -> int:
        await asyncio.Event().wait()
        return 0

    async def ask() -> int:
        return 7

    async with asyncio.TaskGroup() as group:
        given_up = group.create_task(schedule.reading("a", never))
        await asyncio.sleep(0)
        given_up.cancel()
    assert await schedule.reading("a", ask) == 7


async def test_an_error_stands_for_as_long_as_its_kind_asks(spies: Spies) -> None:
    schedule: TtlCache[str, int] = TtlCache(
        lambda: spies.now_s, 60.0, lambda fault: 20.0 if isinstance(fault, Throttled) else 0.0
    )

    async def throttled() -> int:
        raise Throttled("slow down")

    async def unavailable() -> int:
        raise Unavailable("gone")

    async def ask() -> int:
        return 7

    assert await schedule.reading("a", throttled) == Missing("slow down", "throttled")
    spies.pass_s(19)
    assert await schedule.reading("a", ask) == Missing("slow down", "throttled")
    spies.pass_s(1)
    assert await schedule.reading("a", unavailable) == Missing("gone", "unavailable")
    assert await schedule.reading("a", ask) == 7


async def test_what_nobody_asks_for_any_more_is_forgotten() -> None:
    now = 0.0
    schedule: TtlCache[int, int] = TtlCache(lambda: now, 60.0)

    async def answer() -> int:
        return 1

    for key in range(20 * SWEEP_AT):
        now += 60.0
        await schedule.reading(key, answer)
    assert len(schedule._kept) <= 2 * SWEEP_AT
    assert len(schedule._turns) == len(schedule._kept)
