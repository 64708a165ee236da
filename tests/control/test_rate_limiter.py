"""The rate limiter in virtual time: its limits, the order of calls, fairness, and the backoff after a throttle."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from autoscaler.control.rate_limiter import (
    DOUBLE_NEED_S,
    FIRST_BACKOFF_S,
    LEAST_BACKOFF_RATIO,
    LEAST_PER_S,
    LONGEST_BACKOFF_S,
    MOST_WAIT_S,
    RECHECK_S,
    SHARE,
    TokenBucket,
    TokenBucketLimiter,
)
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
    """Take all available tokens, and return their number."""
    calls = 0
    while await limiter.acquire(category, "eu", f"{calls}", urgency) == 0:
        calls += 1
    return calls


async def backoff_s(limiter: TokenBucketLimiter, category: Category = READ, region: str = "eu") -> float:
    """Return the seconds until the category permits a call again, to a tenth of a second."""
    began = now()
    while True:
        try:
            await limiter.acquire(category, region, "one", ROUTINE)
        except Throttled:
            await asyncio.sleep(0.1)
        else:
            return now() - began


@pytest.mark.parametrize("category", [READ, WRITE, Category.TASK_READ])
def test_calls_get_our_share_of_the_burst_and_then_of_the_rate(category: Category) -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        assert await emptied(limiter, category) == int(SHARE * category.burst)
        began, calls = now(), 0
        while now() - began < 100:
            await limiter.acquire(category, "eu", "one", ROUTINE)
            calls += 1
        assert calls == pytest.approx(100 * SHARE * category.rate, abs=1)

    played(script)


def test_scale_outs_may_use_the_full_quota() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        assert await emptied(limiter, WRITE, OUT) == 50
        began = now()
        for _ in range(100):
            await limiter.acquire(WRITE, "eu", "one", OUT)
        assert now() - began == pytest.approx(20, abs=0.3)

    played(script)


def test_a_scale_out_from_zero_goes_first_and_then_other_scale_outs() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        await emptied(limiter, WRITE, OUT)
        order = list[str]()

        async def write(caller: str, urgency: Urgency) -> None:
            await limiter.acquire(WRITE, "eu", caller, urgency)
            order.append(caller)

        requests = [("in", ROUTINE), ("out", OUT), ("out too", OUT), ("from zero", FROM_ZERO)]
        await asyncio.gather(*(write(*request) for request in requests))
        assert order == ["from zero", "out", "out too", "in"]

    played(script)


def test_the_largest_scale_out_goes_first_but_waiting_time_counts_too() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        await emptied(limiter, WRITE, OUT)
        order = list[str]()

        async def write(caller: str, more: int, after_s: float) -> None:
            await asyncio.sleep(after_s)
            await limiter.acquire(WRITE, "eu", caller, OUT, more)
            order.append(caller)

        needs = {"one": 1, "many": 100, "some": 10, "most": 1000}
        await asyncio.gather(*(write(caller, more, 0.0) for caller, more in needs.items()))
        assert order == ["most", "many", "some", "one"]

        order.clear()
        with pytest.raises(Throttled):
            await asyncio.gather(*(write(f"{number}", 3, 0.0) for number in range(80)))
        await asyncio.sleep(DOUBLE_NEED_S)
        await emptied(limiter, WRITE, OUT)
        await asyncio.gather(write("twice as many, now", 7, 0.0), write("79", 3, 0.0))
        assert order[-2:] == ["79", "twice as many, now"]

    played(script)


def test_background_calls_go_last() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        await emptied(limiter, WRITE)
        order = list[Urgency]()

        async def call(urgency: Urgency) -> None:
            await limiter.acquire(WRITE, "eu", f"{urgency}", urgency)
            order.append(urgency)

        await asyncio.gather(*(call(urgency) for urgency in (BACKGROUND, ROUTINE, OUT)))
        assert order == [OUT, ROUTINE, BACKGROUND]

    played(script)


def test_a_call_whose_wait_would_be_too_long_is_refused_at_once_with_the_reason() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        await emptied(limiter, WRITE)
        calls = [asyncio.create_task(limiter.acquire(WRITE, "eu", f"{number}", ROUTINE)) for number in range(9)]
        began = now()
        done = await asyncio.gather(*calls, return_exceptions=True)
        refused = [each for each in done if isinstance(each, Throttled)]
        assert [isinstance(each, Throttled) for each in done] == [False] * 3 + [True] * 6
        assert now() - began <= MOST_WAIT_S
        assert "client-side rate limit reached for ecs_service_modify in eu" in str(refused[0])
        assert "AUTOSCALER_INTERVAL" in str(refused[0])

    played(script)


def test_every_caller_gets_its_share_at_a_tenth_of_the_needed_rate() -> None:
    """200 services call every 10 s: 20 calls a second, while 2 a second are permitted for half an hour. Jain's fairness
    index is at least 0.99, and the longest wait at most 2 n / rate: 200 s.
    """
    services, rate = 200, 2.0

    async def script(limiter: TokenBucketLimiter) -> None:
        limiter._states[READ, "eu"] = limiter._state(READ, "eu")
        limiter._state(READ, "eu").ours = TokenBucket(rate, 10, now())
        got, last, longest = Counter[int](), dict.fromkeys(range(services), now()), 0.0

        async def call(number: int) -> None:
            nonlocal longest
            try:
                await limiter.acquire(READ, "eu", f"service {number}", ROUTINE)
            except Throttled:
                return
            got[number] += 1
            longest, last[number] = max(longest, now() - last[number]), now()

        async def service(number: int) -> None:
            await asyncio.sleep(number % 16 * 10 / 16)
            for _ in range(180):
                due = now() + 10
                await call(number)
                await asyncio.sleep(due - now())

        async with asyncio.TaskGroup() as group:
            for number in range(services):
                group.create_task(service(number))
        shares = [got[number] for number in range(services)]
        assert sum(shares) ** 2 / (services * sum(share * share for share in shares)) >= 0.99
        assert longest <= 2 * services / rate
        assert sum(shares) >= 0.9 * rate * 1800, "90 % of the permitted rate is used"

    played(script)


@pytest.mark.parametrize(
    ("services", "rate", "interval_s", "urgency"),
    [
        (50, 0.2, 10.0, ROUTINE),
        (200, 0.2, 10.0, ROUTINE),
        (200, 0.2, 10.0, OUT),
        (20, 0.05, 10.0, ROUTINE),
        (20, 0.1, 60.0, ROUTINE),
    ],
)
def test_no_caller_starves_at_a_rate_at_which_a_round_takes_many_minutes(
    services: int, rate: float, interval_s: float, urgency: Urgency
) -> None:
    """The worst share of AWS's rate, for two hours: tokens come at whole multiples of the poll interval, and a caller
    waits for its turn longer than `POSITION_TTL_S`.
    """

    async def script(limiter: TokenBucketLimiter) -> None:
        state = limiter._state(READ, "eu")
        state.ours, state.whole = TokenBucket(rate, 1, now()), TokenBucket(rate, 1, now())
        began, last, longest = now(), dict.fromkeys(range(services), now()), 0.0

        async def service(number: int) -> None:
            nonlocal longest
            await asyncio.sleep(number % 16 * interval_s / 16)
            while now() < began + 7_200:
                due = now() + interval_s
                with suppress(Throttled):
                    await limiter.acquire(READ, "eu", f"service {number}", urgency, 1)
                    longest, last[number] = max(longest, now() - last[number]), now()
                await asyncio.sleep(max(0.0, due - now()))

        async with asyncio.TaskGroup() as group:
            for number in range(services):
                group.create_task(service(number))
        longest = max(longest, now() - min(last.values()))
        assert longest <= 2 * services / rate

    played(script)


@pytest.mark.parametrize("allowed", [1.0, 10.0])
def test_nearly_every_call_succeeds_with_equal_shares_if_aws_permits_a_tenth_of_the_calls(allowed: float) -> None:
    """50 or 500 queues are read every 5 s: ten times the calls that AWS permits."""
    services = int(allowed * 50)

    async def script(limiter: TokenBucketLimiter) -> None:
        aws_bucket, got, made = TokenBucket(allowed, allowed, now()), Counter[int](), 0

        async def call(number: int) -> None:
            nonlocal made
            try:
                await limiter.acquire(Category.QUEUE_READ, "eu", f"{number}", ROUTINE)
            except Throttled:
                return
            made += 1
            if aws_bucket.wait_s(1, now()) > 0:
                limiter.throttled(Category.QUEUE_READ, "eu")
                return
            aws_bucket.take(now())
            got[number] += 1
            limiter.succeeded(Category.QUEUE_READ, "eu")

        async def service(number: int) -> None:
            await asyncio.sleep(number % 16 * 5 / 16)
            while True:
                due = now() + 5
                await call(number)
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
        assert sum(shares) >= 0.4 * allowed * 1800, "40 % of the permitted rate is used"

    played(script, draw=0.5)


def test_few_calls_are_made_while_aws_throttles_and_the_full_rate_returns_afterwards() -> None:
    """AWS throttles every call for ten minutes."""

    async def script(limiter: TokenBucketLimiter) -> None:
        made, began = 0, now()
        while now() - began < 600:
            for number in range(20):
                try:
                    await limiter.acquire(READ, "eu", f"{number}", ROUTINE)
                except Throttled:
                    continue
                made += 1
                limiter.throttled(READ, "eu")
            await asyncio.sleep(10)
        assert made <= 62, "about one call in each poll interval"
        await asyncio.sleep(61 + LONGEST_BACKOFF_S)
        limiter.succeeded(READ, "eu")
        began, calls = now(), 0
        while now() - began < 60:
            await limiter.acquire(READ, "eu", "one", ROUTINE)
            calls += 1
        assert calls >= 60 * SHARE * READ.rate

    played(script, draw=0.5)


def test_a_throttle_starts_a_backoff_of_its_category_in_its_region_only() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        for _ in range(3):
            limiter.throttled(READ, "eu")
            await asyncio.sleep(LONGEST_BACKOFF_S)
        limiter.throttled(READ, "eu")
        with pytest.raises(Throttled, match=r"AWS throttled ecs_service_read in eu: next call in"):
            await limiter.acquire(READ, "eu", "one", ROUTINE)
        assert await limiter.acquire(WRITE, "eu", "one", ROUTINE) == 0
        assert await limiter.acquire(READ, "us", "one", ROUTINE) == 0

    played(script)


def test_the_backoff_doubles_with_each_consecutive_throttle_up_to_a_minute() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        backoffs_s = []
        limiter.follow(300.0)
        for _ in range(8):
            limiter.throttled(READ, "eu")
            backoffs_s.append(await backoff_s(limiter))
        assert backoffs_s[:5] == pytest.approx([FIRST_BACKOFF_S * 2**n for n in range(5)], abs=1)
        assert backoffs_s[-1] == pytest.approx(LONGEST_BACKOFF_S, abs=1)

    played(script)


@pytest.mark.parametrize(
    ("interval_s", "longest_s"), [(0.1, 0.5), (2.0, 1.0), (10.0, 5.0), (119.0, 59.5), (900.0, 60.0)]
)
def test_the_longest_backoff_is_half_of_the_shortest_poll_interval(interval_s: float, longest_s: float) -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        limiter.follow(interval_s)
        for _ in range(9):
            limiter.throttled(READ, "eu")
            await asyncio.sleep(60.0)
        limiter.throttled(READ, "eu")
        assert limiter._state(READ, "eu").backoff_until - now() == pytest.approx(longest_s)

    played(script)


def test_the_backoff_is_random_and_never_zero() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        limiter.throttled(READ, "eu")
        assert LEAST_BACKOFF_RATIO * FIRST_BACKOFF_S - 0.2 <= await backoff_s(limiter) <= 1.2, (
            "the rate is then one call a second"
        )

    played(script, draw=0.0)


def test_throttles_of_calls_in_flight_do_not_extend_the_backoff() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        for _ in range(5):
            limiter.throttled(READ, "eu")
        assert await backoff_s(limiter) == pytest.approx(FIRST_BACKOFF_S, abs=0.2)

    played(script)


def test_a_success_resets_the_doubling_but_does_not_end_a_backoff() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        limiter.throttled(READ, "eu")
        limiter.succeeded(READ, "eu")
        assert await backoff_s(limiter) == pytest.approx(FIRST_BACKOFF_S, abs=0.2)
        limiter.succeeded(READ, "eu")
        limiter.throttled(READ, "eu")
        assert await backoff_s(limiter) == pytest.approx(FIRST_BACKOFF_S, abs=0.5)

    played(script)


def test_a_cancelled_call_delays_no_other_call() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        await emptied(limiter, WRITE)
        cancelled = asyncio.create_task(limiter.acquire(WRITE, "eu", "one", ROUTINE))
        await asyncio.sleep(0.1)
        cancelled.cancel()
        assert 0.69 <= await limiter.acquire(WRITE, "eu", "other", ROUTINE) <= 0.7 + RECHECK_S

    played(script)


def test_the_reported_tokens_are_those_of_the_area_with_the_fewest() -> None:
    async def script(limiter: TokenBucketLimiter) -> None:
        assert limiter.tokens() == {}
        await limiter.acquire(READ, "eu", "one", ROUTINE)
        await limiter.acquire(READ, "us", "one", ROUTINE)
        await limiter.acquire(READ, "us", "one", ROUTINE)
        assert limiter.tokens() == {READ: 23.0}
        limiter.throttled(READ, "eu")
        assert limiter.tokens() == {READ: 0.0}

    played(script)


def test_a_bucket_never_gives_more_than_its_burst_and_its_rate() -> None:
    bucket, taken = TokenBucket(2.0, 5.0, 0.0), 0
    for poll in range(1000):
        at = poll * 0.1
        if bucket.wait_s(1, at) == 0:
            bucket.take(at)
            taken += 1
        assert taken <= 5 + 2 * at + 1e-9
    assert taken >= 5 + 2 * 99.9 - 1


def test_a_throttled_bucket_continues_at_half_its_pace_and_recovers_within_a_minute() -> None:
    bucket, at = TokenBucket(1000.0, 1000.0, 0.0), 0.0
    for _ in range(1000):
        at += 0.05
        bucket.take(at)
    bucket.throttled(at)
    assert bucket.rate * bucket.share == pytest.approx(20 / 2, rel=0.1), "the pace was 20 calls a second"
    for _ in range(20):
        bucket.throttled(at)
    assert bucket.wait_s(1, at) == pytest.approx(1 / LEAST_PER_S)
    bucket.left(at + 60.0)
    assert bucket.share == 1.0
    assert bucket.left(0.0) == bucket.tokens, "a clock that goes back adds no tokens"


def test_a_throttled_bucket_has_no_burst() -> None:
    bucket = TokenBucket(1000.0, 1000.0, 0.0)
    bucket.throttled(0.0)
    assert bucket.left(2.0) <= max(1.0, 1000.0 * bucket.share)
    assert bucket.left(2.0) < 5
