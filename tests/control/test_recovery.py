"""After a time in which AWS throttled every call, all services are polled again within two intervals.

In virtual time, with the callers of 1 to 500 services: each poll reads ECS (ten services share a call) and one queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import pytest

from autoscaler.control.rate_limiter import SHARE, TokenBucketLimiter
from autoscaler.control.supervisor import MOST_GROUPS, SPREAD
from autoscaler.errors import Throttled
from autoscaler.ports import Category, Urgency
from tests.virtual import run_virtually

READ, QUEUE = Category.SERVICE_READ, Category.QUEUE_READ
BATCH = 10


@dataclass
class RecoveringAws:
    """AWS throttles every call while `throttles`. Records the times of the throttled calls, and of the polls."""

    limiter: TokenBucketLimiter
    throttles: bool = False
    refused: list[float] = field(default_factory=list)
    polled: dict[int, float] = field(default_factory=dict)
    calls: list[float] = field(default_factory=list)
    missing: int | None = None
    all_polled: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, category: Category, caller: str) -> None:
        await self.limiter.acquire(category, "eu", caller, Urgency.ROUTINE)
        self.calls.append(now())
        if self.throttles:
            self.refused.append(now())
            self.limiter.throttled(category, "eu")
            raise Throttled("AWS")
        self.limiter.succeeded(category, "eu")

    async def poll(self, members: range) -> None:
        """Poll services that share a call to ECS."""
        try:
            await self.call(READ, f"services from {members[0]}")
        except Throttled:
            return
        for service in members:
            try:
                await self.call(QUEUE, f"queue {service}")
            except Throttled:
                continue
            self.polled[service] = now()
            if len(self.polled) == self.missing:
                self.all_polled.set()


def now() -> float:
    return asyncio.get_running_loop().time()


def recovered_s(services: int, interval_s: float, throttled_s: float, seed: int) -> tuple[float, RecoveringAws]:
    """Return the seconds from the end of the throttling until every service has been polled."""
    draw = Random(seed)
    lasts_s = max(6 * interval_s, 60.0)

    async def main() -> tuple[float, RecoveringAws]:
        aws = RecoveringAws(TokenBucketLimiter(now, draw.random))
        aws.limiter.follow(interval_s)

        async def loop(number: int, members: range) -> None:
            due = now() + SPREAD[number % MOST_GROUPS] * interval_s / MOST_GROUPS
            while True:
                await asyncio.sleep(max(0.0, due - now()))
                await aws.poll(members)
                due += interval_s * max(1, -(-(now() - due) // interval_s))

        batches = [range(first, min(first + BATCH, services)) for first in range(0, services, BATCH)]
        tasks = [asyncio.create_task(loop(number, members)) for number, members in enumerate(batches)]
        await asyncio.sleep(max(3 * interval_s, 30.0) + draw.random() * interval_s)
        aws.throttles = True
        await asyncio.sleep(throttled_s)
        aws.throttles, ended = False, now()
        aws.polled.clear()
        aws.missing = services
        with suppress(TimeoutError):
            async with asyncio.timeout(lasts_s):
                await aws.all_polled.wait()
        for task in tasks:
            task.cancel()
        return now() - ended, aws

    return run_virtually(main())


def scenes() -> Iterator[tuple[int, float]]:
    """All numbers of services whose reads fit into the budget at that interval."""
    for interval_s in (1.0, 2.0, 5.0, 10.0, 20.0, 60.0):
        for services in (1, 7, 40, 100, 500):
            if services / BATCH / interval_s <= 0.8 * SHARE * READ.rate:
                yield services, interval_s


@pytest.mark.parametrize(("services", "interval_s"), list(scenes()))
@pytest.mark.parametrize("throttled_s", [61.0, 180.0])
def test_every_service_is_polled_within_two_intervals_after_throttling(
    services: int, interval_s: float, throttled_s: float
) -> None:
    took_s, aws = recovered_s(services, interval_s, throttled_s, seed=services % 3)
    assert took_s <= 2 * interval_s
    categories, rest_s = 2, max(interval_s / 2, 0.5)
    most = categories * (throttled_s / (rest_s / 4) + 2)
    assert len(aws.refused) <= most, "few calls are made while AWS throttles"
