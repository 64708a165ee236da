"""Turns: who may call when, in virtual time. Budgets are kept, nobody starves, and what AWS says is believed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from autoscaler.control.rate_limiter import (
    DOUBLE_NEED_S,
    FIRST_REST_S,
    LEAST_REST_RATIO,
    LONGEST_REST_S,
    LOOK_AGAIN_S,
    MOST_WAIT_S,
    PUBLISHED,
    SHARE,
    TokenBucketLimiter,
)
from autoscaler.control.token_bucket import LEAST_PER_S, TokenBucket
from autoscaler.errors import Throttled
from autoscaler.ports import Category, Urgency
from tests.virtual import run_virtually

READ, WRITE = Category.SERVICE_READ, Category.SERVICE_MODIFY
FROM_ZERO, OUT, ROUTINE, BACKGROUND = Urgency


def now() -> float:
    return asyncio.get_running_loop().time()


def played(script: Callable[[TokenBucketLimiter], Awaitable[None]], draw: float = 1.0) -> None:
    async def main() -> None:
        await script(TokenBucketLimiter(now, lambda: draw))

    run_virtually(main())


async def emptied(limiter: TokenBucketLimiter, category: Category, urgency: Urgency = ROUTINE) -> int:
    """As many calls as can be made at once."""
    calls = 0
    while await limiter.turn(category, "eu", f"{calls}", urgency) == 0:
        calls += 1
    return calls


async def rest_s(limiter: TokenBucketLimiter, category: Category = READ, region: str = "eu") -> float:
    """How long the category rests from now on, to the tenth of a second."""
    began = now()
    while True:
        try:
            await limiter.turn(category, region, "one", ROUTINE)
        except Throttled:
            await asyncio.sleep(0.1)
        else:
            return now() - began


@pytest.mark.parametrize("category", [READ, WRITE, Category.TASK_READ])
def test_at_once_our_share_and_then_our_share_of_the_rate(category: Category) -> None:
    rate, burst = PUBLISHED[category]

    async def script(limiter: TokenBucketLimiter) -> None:
        assert await emptied(limiter, category) == int(SHARE * burst)
        began, calls = now(), 0
        while now() - began < 100:
            await limiter.turn(category, "eu", "one", ROUTINE)
            calls += 1
        assert calls == pytest.approx(100 * SHARE * rate, abs=1)

    played(script)


def test_scale_outs_may_use_all_that_aws_allows() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        assert await emptied(limiter, WRITE, OUT) == 50
        began = now()
        for _ in range(100):
            await limiter.turn(WRITE, "eu", "one", OUT)
        assert now() - began == pytest.approx(20, abs=0.3)

    played(script)


def test_from_zero_goes_first_and_then_who_needs_more() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        await emptied(limiter, WRITE, OUT)
        order = list[str]()

        async def write(who: str, urgency: Urgency) -> None:
            await limiter.turn(WRITE, "eu", who, urgency)
            order.append(who)

        wishes = [("in", ROUTINE), ("out", OUT), ("out too", OUT), ("from zero", FROM_ZERO)]
        await asyncio.gather(*(write(*wish) for wish in wishes))
        assert order == ["from zero", "out", "out too", "in"]

    played(script)


def test_of_those_who_need_more_tasks_he_goes_first_who_needs_most_but_waiting_counts_too() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        await emptied(limiter, WRITE, OUT)
        order = list[str]()

        async def write(who: str, more: int, after_s: float) -> None:
            await asyncio.sleep(after_s)
            await limiter.turn(WRITE, "eu", who, OUT, more)
            order.append(who)

        needs = {"one": 1, "many": 100, "some": 10, "most": 1000}
        await asyncio.gather(*(write(who, more, 0.0) for who, more in needs.items()))
        assert order == ["most", "many", "some", "one"]

        order.clear()
        with pytest.raises(Throttled):
            await asyncio.gather(*(write(f"{number}", 3, 0.0) for number in range(80)))
        await asyncio.sleep(DOUBLE_NEED_S)
        await emptied(limiter, WRITE, OUT)
        await asyncio.gather(write("twice as many, now", 7, 0.0), write("79", 3, 0.0))
        assert order[-2:] == ["79", "twice as many, now"]

    played(script)


def test_what_is_done_in_the_background_goes_last() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        await emptied(limiter, WRITE)
        order = list[Urgency]()

        async def ask(urgency: Urgency) -> None:
            await limiter.turn(WRITE, "eu", f"{urgency}", urgency)
            order.append(urgency)

        await asyncio.gather(*(ask(urgency) for urgency in (BACKGROUND, ROUTINE, OUT)))
        assert order == [OUT, ROUTINE, BACKGROUND]

    played(script)


def test_whose_turn_would_be_too_late_is_sent_away_at_once_and_told_why() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        await emptied(limiter, WRITE)
        turns = [asyncio.create_task(limiter.turn(WRITE, "eu", f"{number}", ROUTINE)) for number in range(9)]
        began = now()
        done = await asyncio.gather(*turns, return_exceptions=True)
        refused = [each for each in done if isinstance(each, Throttled)]
        assert [isinstance(each, Throttled) for each in done] == [False] * 3 + [True] * 6
        assert now() - began <= MOST_WAIT_S
        assert "ecs_service_modify in eu is at our share of AWS's rate" in str(refused[0])
        assert "AUTOSCALER_INTERVAL" in str(refused[0])

    played(script)


def test_nobody_starves_at_a_tenth_of_what_is_needed() -> None:
    """200 services ask every 10 s: 20 calls a second, of which AWS lets 2 through for half an hour. Jain's index of
    what they got is at least 0.99, and the longest wait at most 2 n / rate: 200 s.
    """
    services, rate = 200, 2.0

    async def script(limiter: TokenBucketLimiter) -> None:
        limiter._lanes[READ, "eu"] = limiter._lane(READ, "eu")
        limiter._lane(READ, "eu").ours = TokenBucket(rate, 10, now())
        got, last, longest = Counter[int](), dict.fromkeys(range(services), now()), 0.0

        async def ask(number: int) -> None:
            nonlocal longest
            try:
                await limiter.turn(READ, "eu", f"service {number}", ROUTINE)
            except Throttled:
                return
            got[number] += 1
            longest, last[number] = max(longest, now() - last[number]), now()

        async def service(number: int) -> None:
            await asyncio.sleep(number % 16 * 10 / 16)
            for _ in range(180):
                due = now() + 10
                await ask(number)
                await asyncio.sleep(due - now())

        async with asyncio.TaskGroup() as group:
            for number in range(services):
                group.create_task(service(number))
        shares = [got[number] for number in range(services)]
        assert sum(shares) ** 2 / (services * sum(share * share for share in shares)) >= 0.99
        assert longest <= 2 * services / rate
        assert sum(shares) >= 0.9 * rate * 1800, "what there is, is used"

    played(script)


@pytest.mark.parametrize("allowed", [1.0, 10.0])
def test_where_aws_allows_a_tenth_of_what_is_needed_nearly_every_call_is_answered_and_all_alike(allowed: float) -> None:
    """Queues are asked for every 5 s, ten times as many as AWS lets through: 50, or 500."""
    services = int(allowed * 50)

    async def script(limiter: TokenBucketLimiter) -> None:
        theirs, got, made = TokenBucket(allowed, allowed, now()), Counter[int](), 0

        async def ask(number: int) -> None:
            nonlocal made
            try:
                await limiter.turn(Category.QUEUE_READ, "eu", f"{number}", ROUTINE)
            except Throttled:
                return
            made += 1
            if theirs.wait_s(1, now()) > 0:
                limiter.throttled(Category.QUEUE_READ, "eu")
                return
            theirs.take(now())
            got[number] += 1
            limiter.succeeded(Category.QUEUE_READ, "eu")

        async def service(number: int) -> None:
            await asyncio.sleep(number % 16 * 5 / 16)
            while True:
                due = now() + 5
                await ask(number)
                await asyncio.sleep(due - now())

        tasks = [asyncio.create_task(service(number)) for number in range(services)]
        await asyncio.sleep(60)
        got.clear()
        made = 0
        await asyncio.sleep(1800)
        for task in tasks:
            task.cancel()
        shares = [got[number] for number in range(services)]
        assert made <= 1.1 * sum(shares)
        assert sum(shares) ** 2 / (services * sum(share * share for share in shares)) >= 0.99
        assert sum(shares) >= 0.4 * allowed * 1800, "and half of what there is, is used"

    played(script, draw=0.5)


def test_while_aws_throttles_the_calls_stay_few_and_a_minute_later_all_is_as_before() -> None:
    """AWS refuses everything for ten minutes: each call that is made is refused."""

    async def script(limiter: TokenBucketLimiter) -> None:
        made, began = 0, now()
        while now() - began < 600:
            for number in range(20):
                try:
                    await limiter.turn(READ, "eu", f"{number}", ROUTINE)
                except Throttled:
                    continue
                made += 1
                limiter.throttled(READ, "eu")
            await asyncio.sleep(10)
        assert made <= 30, "a call or so at the end of each rest"
        await asyncio.sleep(61 + LONGEST_REST_S)
        limiter.succeeded(READ, "eu")
        began, calls = now(), 0
        while now() - began < 60:
            await limiter.turn(READ, "eu", "one", ROUTINE)
            calls += 1
        assert calls >= 60 * SHARE * PUBLISHED[READ][0]

    played(script, draw=0.5)


def test_a_throttle_rests_its_category_in_its_region_and_no_other() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        for _ in range(3):
            limiter.throttled(READ, "eu")
            await asyncio.sleep(LONGEST_REST_S)
        limiter.throttled(READ, "eu")
        with pytest.raises(Throttled, match=r"AWS throttled ecs_service_read in eu.*rest"):
            await limiter.turn(READ, "eu", "one", ROUTINE)
        assert await limiter.turn(WRITE, "eu", "one", ROUTINE) == 0
        assert await limiter.turn(READ, "us", "one", ROUTINE) == 0

    played(script)


def test_a_rest_doubles_with_each_throttle_in_a_row_up_to_a_minute() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        rests = []
        for _ in range(8):
            limiter.throttled(READ, "eu")
            rests.append(await rest_s(limiter))
        assert rests[:5] == pytest.approx([FIRST_REST_S * 2**n for n in range(5)], abs=1)
        assert rests[-1] == pytest.approx(LONGEST_REST_S, abs=1)

    played(script)


def test_a_rest_is_drawn_and_never_none() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        limiter.throttled(READ, "eu")
        assert LEAST_REST_RATIO * FIRST_REST_S - 0.2 <= await rest_s(limiter) <= 1.2, (
            "and then there is a call a second"
        )

    played(script, draw=0.0)


def test_throttles_that_were_under_way_when_the_rest_began_are_the_same_one() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        for _ in range(5):
            limiter.throttled(READ, "eu")
        assert await rest_s(limiter) == pytest.approx(FIRST_REST_S, abs=0.2)

    played(script)


def test_a_success_ends_the_row_but_not_a_rest_that_began_after_it_was_sent() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        limiter.throttled(READ, "eu")
        limiter.succeeded(READ, "eu")
        assert await rest_s(limiter) == pytest.approx(FIRST_REST_S, abs=0.2)
        limiter.succeeded(READ, "eu")
        limiter.throttled(READ, "eu")
        assert await rest_s(limiter) == pytest.approx(FIRST_REST_S, abs=0.5)

    played(script)


def test_who_gives_up_waiting_is_in_nobodys_way() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        await emptied(limiter, WRITE)
        impatient = asyncio.create_task(limiter.turn(WRITE, "eu", "one", ROUTINE))
        await asyncio.sleep(0.1)
        impatient.cancel()
        assert 0.69 <= await limiter.turn(WRITE, "eu", "other", ROUTINE) <= 0.7 + LOOK_AGAIN_S

    played(script)


def test_what_is_left_is_told() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        assert limiter.tokens() == {}
        await limiter.turn(READ, "eu", "one", ROUTINE)
        await limiter.turn(READ, "us", "one", ROUTINE)
        await limiter.turn(READ, "us", "one", ROUTINE)
        assert limiter.tokens() == {READ: 23.0}
        limiter.throttled(READ, "eu")
        assert limiter.tokens() == {READ: 0.0}

    played(script)


def test_a_bucket_never_gives_more_than_its_burst_and_its_rate() -> None:
    bucket, taken = TokenBucket(2.0, 5.0, 0.0), 0
    for tick in range(1000):
        at = tick * 0.1
        if bucket.wait_s(1, at) == 0:
            bucket.take(at)
            taken += 1
        assert taken <= 5 + 2 * at + 1e-9
    assert taken >= 5 + 2 * 99.9 - 1


def test_a_bucket_that_is_throttled_goes_on_at_half_its_pace_and_is_whole_within_a_minute() -> None:
    bucket, at = TokenBucket(1000.0, 1000.0, 0.0), 0.0
    for _ in range(1000):
        at += 0.05
        bucket.take(at)
    bucket.throttled(at)
    assert bucket.rate * bucket.share == pytest.approx(20 / 2, rel=0.1), "twenty were made a second"
    for _ in range(20):
        bucket.throttled(at)
    assert bucket.wait_s(1, at) == pytest.approx(1 / LEAST_PER_S)
    bucket.left(at + 60.0)
    assert bucket.share == 1.0
    assert bucket.left(0.0) == bucket.tokens, "a clock that goes back gives nothing"


def test_after_a_throttle_there_is_no_burst() -> None:
    bucket = TokenBucket(1000.0, 1000.0, 0.0)
    bucket.throttled(0.0)
    assert bucket.left(2.0) <= max(1.0, 1000.0 * bucket.share)
    assert bucket.left(2.0) < 5
