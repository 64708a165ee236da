"""The pacer, the counter and the clocks of a test: they remember what they were told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from autoscaler.aws import Aws, connect
from autoscaler.errors import Throttled
from autoscaler.ports import Category, Urgency

REGION = "eu-west-1"
MINUTE = 1_800_000_000 // 60 * 60
"""A whole minute, in seconds since the epoch."""


@dataclass
class Spies:
    """A pacer that admits all but the `resting` categories, a counter, and two clocks that stand still. `lean`: the
    floor that is connected to them may go the shorter way.
    """

    now_s: float = 1000.0
    wall_s: float = MINUTE + 30.0
    resting: set[Category] = field(default_factory=set)
    paced: list[tuple[str, Category, str]] = field(default_factory=list)
    calls: list[tuple[str, Category, str]] = field(default_factory=list)
    units: list[int] = field(default_factory=list)
    turns: list[tuple[str, Urgency]] = field(default_factory=list)
    lean: bool = True

    def pass_s(self, seconds: float) -> None:
        self.now_s += seconds
        self.wall_s += seconds

    async def turn(self, category: Category, region: str, who: str, urgency: Urgency, more: int = 0) -> float:
        if category in self.resting:
            raise Throttled(f"{category} rests")
        self.paced.append(("admitted", category, region))
        self.turns.append((who, urgency))
        return 0.0

    def waited(self, seconds: float) -> None:
        assert seconds == 0.0

    def throttled(self, category: Category, region: str) -> None:
        self.paced.append(("throttled", category, region))

    def succeeded(self, category: Category, region: str) -> None:
        self.paced.append(("succeeded", category, region))

    def made(self, api: str, category: Category, outcome: str, units: int = 1) -> None:
        self.calls.append((api, category, outcome))
        self.units.append(units)

    @property
    def verdicts(self) -> list[str]:
        return [word for word, *_ in self.paced]

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(api, outcome) for api, _, outcome in self.calls]


@asynccontextmanager
async def connected(spies: Spies, call_timeout_s: float = 5.0, *, once: bool = False) -> AsyncIterator[Aws]:
    """The real floor over these spies."""
    clock, wall = (lambda: spies.now_s), (lambda: spies.wall_s)
    async with connect(spies, spies, clock, wall, call_timeout_s, lean=spies.lean, once=once) as aws:
        yield aws
