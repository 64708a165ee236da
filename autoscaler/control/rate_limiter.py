"""When a call may be made: a token bucket per throttle category and area, and whose turn it is.

What AWS throttles together shares a bucket, at a share of the published rate: the account's other callers drain the
same one. Scale-outs alone may use the whole of it. Turns go by urgency, and within one to who has waited longest, a
larger need counting as time waited; who was sent away keeps his place, so that no service starves however little there
is. After a throttle everybody rests, for a random time below a bound that doubles with each throttle in a row, and goes
on at half the pace that was too much.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from math import log2
from typing import NamedTuple, TypeAlias

from autoscaler.control.token_bucket import TokenBucket
from autoscaler.core.model import Instant
from autoscaler.errors import Throttled
from autoscaler.ports import Category, Urgency

FIRST_REST_S = 2.0
LONGEST_REST_S = 60.0
LEAST_REST_RATIO = 0.25
"""A rest is drawn from a quarter of its bound upwards: full jitter from zero would often be no rest at all."""

MOST_WAIT_S = 3.0
"""For so long a turn is waited for. Whose would come later is sent away at once, and keeps his place."""

OUT_MOST_WAIT_S = 10.0
"""The same for what adds tasks: of all who need some, those who wait here are put in order."""

DOUBLE_NEED_S = 30.0
"""Who needs twice as many tasks comes first, as if he had waited for so much longer; and no later than that."""

SHORTEST_S, LOOK_AGAIN_S = 0.001, 0.5
"""A wait is never shorter, as of 1e-17 s a clock sees nothing; nor longer, as who is ahead may give up."""

SWEEP_AT = 1000
"""Places that are kept before any are cleared away."""

LONG_ENOUGH_S = 60.0
"""Who waits for so long in the background waits like everybody else."""

PLACE_KEPT_S = 300.0
"""Who has not come back by then has given up."""

PUBLISHED = {
    Category.SERVICE_READ: (20.0, 100.0),
    Category.SERVICE_MODIFY: (5.0, 50.0),
    Category.TASK_READ: (20.0, 100.0),
    Category.TASK_PROTECTION: (80.0, 200.0),
    Category.TASK_DEFINITION_READ: (20.0, 50.0),
    Category.METRIC_READ: (500.0, 500.0),
    Category.QUEUE_READ: (4000.0, 4000.0),
    Category.SCALING_READ: (10.0, 20.0),
    Category.ROLE: (100.0, 100.0),
    Category.TAG_MODIFY: (10.0, 20.0),
    Category.IDENTITY: (10.0, 20.0),
    Category.SIMULATION: (10.0, 40.0),
}
"""Calls a second, and at once. ECS's are AWS's own figures, as is CloudWatch's rate. For SQS's attributes, for
Application Auto Scaling, STS and IAM these are guesses, which the first throttle corrects."""

SHARE = 0.25

Lane: TypeAlias = tuple[Category, str]


class _Place(NamedTuple):
    """In the order of turns. `since`: when it was asked for first, the earlier the more is needed."""

    urgency: Urgency
    since: Instant
    number: int


@dataclass(slots=True)
class _Lane:
    """One category in one area, a Region of an account. `whole`: what AWS allows. `ours`: our share of it, for all but
    scale-outs.
    """

    whole: TokenBucket
    ours: TokenBucket
    rests_until: Instant = float("-inf")
    throttles: int = 0
    waiting: list[_Place] = field(default_factory=list)
    kept: dict[str, Instant] = field(default_factory=dict)
    sweep_at: int = SWEEP_AT


class TokenBucketLimiter:
    """A `Pacer`. `draw` gives random numbers in [0, 1)."""

    def __init__(self, clock: Callable[[], float], draw: Callable[[], float], share: float = SHARE) -> None:
        self._clock = clock
        self._draw = draw
        self._share = share
        self._lanes: dict[Lane, _Lane] = {}
        self._turns = 0

    def rate(self, category: Category) -> float:
        """How many calls of the category a second are ours, in each Region, while nobody throttles."""
        return PUBLISHED[category][0] * self._share

    def tokens(self) -> dict[Category, float]:
        """How many calls of each category could be made at once, in the area where that is fewest."""
        left: dict[Category, float] = {}
        for (category, _), lane in self._lanes.items():
            here = max(0.0, lane.ours.left(self._clock()))
            left[category] = min(left.get(category, here), here)
        return left

    async def turn(self, category: Category, area: str, who: str, urgency: Urgency, more: int = 0) -> float:
        """A call may be made now; returns for how many seconds its turn was waited for.

        Raises `Throttled` where that would be for more than `MOST_WAIT_S`, or `OUT_MOST_WAIT_S` for a scale-out: then
        no call is made, and `who` keeps his place. `more`: how many tasks depend on it.
        """
        lane, asked = self._lane(category, area), self._clock()
        small_step_stabilization_s = MOST_WAIT_S if urgency >= Urgency.ROUTINE else OUT_MOST_WAIT_S
        self._turns += 1
        since = self._since(lane, who, asked)
        if asked - since > LONG_ENOUGH_S:
            urgency = min(urgency, Urgency.ROUTINE)
        place = _Place(urgency, since - DOUBLE_NEED_S * log2(1 + more), self._turns)
        insort(lane.waiting, place)
        try:
            while (wait_s := self._wait_s(lane, place)) > 0:
                if self._clock() + wait_s - asked > small_step_stabilization_s:
                    self._keep(lane, who, since)
                    raise self._refusal(category, area, lane, wait_s)
                await asyncio.sleep(min(max(wait_s, SHORTEST_S), LOOK_AGAIN_S))
            self._take(lane, urgency)
        finally:
            lane.waiting.remove(place)
        return self._clock() - asked

    def throttled(self, category: Category, area: str) -> None:
        """AWS throttled a call of this category: it rests, longer each time in a row, and then goes on more slowly."""
        lane, now = self._lane(category, area), self._clock()
        if now < lane.rests_until:
            return  # a call that was already under way when the rest began: the same throttling, not a new one
        lane.throttles += 1
        lane.whole.throttled(now)
        lane.ours.throttled(now)
        bound_s = min(LONGEST_REST_S, FIRST_REST_S * 2.0 ** min(lane.throttles - 1, 10))
        lane.rests_until = now + bound_s * (LEAST_REST_RATIO + (1 - LEAST_REST_RATIO) * self._draw())

    def succeeded(self, category: Category, area: str) -> None:
        """AWS answered a call of this category: the rests are over, and the rate grows back."""
        lane = self._lane(category, area)
        if lane.rests_until <= self._clock():
            lane.throttles = 0

    def _lane(self, category: Category, area: str) -> _Lane:
        lane = self._lanes.get((category, area))
        if lane is None:
            (rate, burst), now = PUBLISHED[category], self._clock()
            ours = TokenBucket(rate * self._share, max(1.0, burst * self._share), now)
            lane = self._lanes[category, area] = _Lane(TokenBucket(rate, burst, now), ours)
        return lane

    def _keep(self, lane: _Lane, who: str, since: Instant) -> None:
        """His place is kept; those of who has given up are cleared away once there are many."""
        lane.kept[who] = since
        if len(lane.kept) > lane.sweep_at:
            young = self._clock() - PLACE_KEPT_S
            lane.kept = {each: at for each, at in lane.kept.items() if at >= young}
            lane.sweep_at = max(SWEEP_AT, 2 * len(lane.kept))

    def _since(self, lane: _Lane, who: str, now: Instant) -> Instant:
        since = lane.kept.pop(who, now)
        return since if now - since <= PLACE_KEPT_S else now

    def _wait_s(self, lane: _Lane, place: _Place) -> float:
        """Until everybody before him and he have a token; a scale-out needs none of our own share."""
        now, turn = self._clock(), bisect_left(lane.waiting, place) + 1
        wait_s = lane.whole.wait_s(turn, now)
        if place.urgency >= Urgency.ROUTINE:
            ahead = bisect_left(lane.waiting, _Place(Urgency.ROUTINE, float("-inf"), 0))
            wait_s = max(wait_s, lane.ours.wait_s(turn - ahead, now))
        return max(wait_s, lane.rests_until - now)

    def _take(self, lane: _Lane, urgency: Urgency) -> None:
        now = self._clock()
        lane.whole.take(now)
        if urgency >= Urgency.ROUTINE:
            lane.ours.take(now)

    def _refusal(self, category: Category, area: str, lane: _Lane, wait_s: float) -> Throttled:
        if lane.rests_until > self._clock():
            return Throttled(
                f"AWS throttled {category} in {area}: calls of this kind rest for {wait_s:.1f} s more. The account's "
                "callers share the rate: look for others who call it, or ask AWS for a higher quota"
            )
        return Throttled(
            f"{category} in {area} is at our share of AWS's rate: it would be this one's turn in {wait_s:.1f} s. "
            "Let us have more of it (AUTOSCALER_RATE_SHARE_PERCENT), look less often (AUTOSCALER_INTERVAL), or ask AWS "
            "for a higher quota"
        )
