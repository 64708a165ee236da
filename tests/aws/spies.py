"""A rate limiter and a call counter that record their calls, and clocks that only a test advances."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from autoscaler.aws.connection import Aws, connect
from autoscaler.errors import Throttled
from autoscaler.ports import Category, Urgency

REGION = "eu-west-1"
MINUTE = 1_800_000_000 // 60 * 60
"""The start of a minute, in seconds since the epoch."""


@dataclass
class Spies:
    """A rate limiter that admits all categories except the `exhausted` ones, a call counter, and two clocks that only
    `pass_s` advances. `fast_sqs`: the connected AWS layer may use the faster implementation.
    """

    now_s: float = 1000.0
    wall_s: float = MINUTE + 30.0
    exhausted: set[Category] = field(default_factory=set)
    limiter_calls: list[tuple[str, Category, str]] = field(default_factory=list)
    calls: list[tuple[str, Category, str]] = field(default_factory=list)
    units: list[int] = field(default_factory=list)
    acquired: list[tuple[str, Urgency]] = field(default_factory=list)
    fast_sqs: bool = True

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        self.wall_s += seconds

    async def acquire(self, category: Category, area: str, caller: str, urgency: Urgency, more: int = 0) -> float:
        if category in self.exhausted:
            raise Throttled(f"{category} is exhausted")
        self.limiter_calls.append(("admitted", category, area))
        self.acquired.append((caller, urgency))
        return 0.0

    def waited(self, seconds: float) -> None:
        assert seconds == 0.0

    def throttled(self, category: Category, area: str) -> None:
        self.limiter_calls.append(("throttled", category, area))

    def succeeded(self, category: Category, area: str) -> None:
        self.limiter_calls.append(("succeeded", category, area))

    def made(self, api: str, category: Category, outcome: str, units: int = 1) -> None:
        self.calls.append((api, category, outcome))
        self.units.append(units)

    @property
    def limiter_events(self) -> list[str]:
        return [event for event, *_ in self.limiter_calls]

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(api, outcome) for api, _, outcome in self.calls]


@asynccontextmanager
async def connected(spies: Spies, call_timeout_s: float = 5.0, *, once: bool = False) -> AsyncIterator[Aws]:
    """Yield the AWS layer, connected to these spies."""
    clock, wall = (lambda: spies.now_s), (lambda: spies.wall_s)
    async with connect(spies, spies, clock, wall, call_timeout_s, fast_sqs=spies.fast_sqs, once=once) as aws:
        yield aws
