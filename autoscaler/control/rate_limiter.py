"""Client-side rate limiter: a token bucket and a priority queue per throttle category and area.

Calls that AWS throttles together share a bucket. The bucket holds a share of the published rate, because other callers
in the account use the same quota. Only scale-out calls may use the full rate. The queue is ordered by urgency, then by
waiting time; a larger need counts as additional waiting time. A caller that is refused a token keeps its position in
the queue, so no service starves at any rate. After a throttle all calls of the category back off for a random time. Its
upper bound doubles with each consecutive throttle. Calls then continue at half the rate that was throttled.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections.abc import Callable
from dataclasses import dataclass, field
from math import exp, log2
from typing import NamedTuple, TypeAlias

from autoscaler.core.model import Instant
from autoscaler.errors import Throttled
from autoscaler.ports import Category, Urgency

FIRST_BACKOFF_S = 2.0
LONGEST_BACKOFF_S = 60.0
BACKOFF_RATIO, SHORTEST_BOUND_S = 0.5, 0.5
"""The longest backoff is half of the shortest poll interval, from 0.5 to 60 s: 5 s with an interval of 10 s. So about
one call in each interval finds out whether AWS still throttles. After that has ended, each service is polled within two
intervals. A poll interval is at most a third of the latency target.
"""

USUAL_INTERVAL_S = 10.0
LEAST_BACKOFF_RATIO = 0.25
"""The minimum of a random backoff, as a ratio of its bound. With full jitter from zero, the backoff would often be
close to 0.
"""

MOST_WAIT_S = 3.0
"""The longest wait for a token. A call that would wait longer is refused at once and keeps its position."""

OUT_MOST_WAIT_S = 10.0
"""The longest wait for a scale-out call. It is longer, because waiting calls are ordered by the number of tasks they
add.
"""

DOUBLE_NEED_S = 30.0
"""Each doubling of the tasks that a call adds counts as this much additional waiting time."""

SHORTEST_S, RECHECK_S = 0.001, 0.5
"""Bounds of one sleep. A sleep of 1e-17 s does not advance the clock; a longer one could be too long if a call ahead
stops waiting.
"""

SWEEP_AT = 1000
"""Stored positions above which expired ones are removed."""

AGING_S = 60.0
"""A background call that has waited longer than this is ordered as a routine call. A routine call may then wait as long
as a scale-out call: at 0.2 calls a second, a caller that always comes just after a token was taken finds the next one
in 5 s, and would be refused forever.
"""

POSITION_TTL_S = 300.0
"""A refused caller that has not retried within this time loses its position. A caller that retries keeps it for as long
as it takes: 200 callers at 0.2 calls a second take 1,000 s.
"""

SHARE = 0.25

BucketKey: TypeAlias = tuple[Category, str]


class _Waiter(NamedTuple):
    """A call that waits for a token, in the order of the queue. `since`: the time of the first request, earlier for
    larger needs.
    """

    urgency: Urgency
    since: Instant
    number: int


class _Position(NamedTuple):
    """The position of a refused caller: the times of its first request and of its newest refusal."""

    since: Instant
    refused_at: Instant


@dataclass(slots=True)
class _BucketState:
    """The state of one category in one area (a Region of an account). `whole`: AWS's full rate. `ours`: the daemon's
    share of it, used by all calls except scale-outs. `positions`: those of the refused callers.
    """

    whole: TokenBucket
    ours: TokenBucket
    backoff_until: Instant = float("-inf")
    throttles: int = 0
    waiting: list[_Waiter] = field(default_factory=list)
    positions: dict[str, _Position] = field(default_factory=dict)
    sweep_at: int = SWEEP_AT


class TokenBucketLimiter:
    """A `RateLimiter`. `draw` returns random numbers in [0, 1)."""

    def __init__(self, clock: Callable[[], float], draw: Callable[[], float], share: float = SHARE) -> None:
        self._clock = clock
        self._draw = draw
        self._share = share
        self._states: dict[BucketKey, _BucketState] = {}
        self._calls = 0
        self._longest_s = 0.0
        self.follow(USUAL_INTERVAL_S)

    def follow(self, interval_s: float) -> None:
        """Adapt the longest backoff to `interval_s`, the shortest poll interval of all services."""
        self._longest_s = min(LONGEST_BACKOFF_S, max(SHORTEST_BOUND_S, BACKOFF_RATIO * interval_s))

    def rate(self, category: Category) -> float:
        """Return the daemon's share of the category's rate in each Region, in calls per second, while AWS does not
        throttle.
        """
        return category.rate * self._share

    def tokens(self) -> dict[Category, float]:
        """Return the available tokens of each category, in the area that has the fewest."""
        left: dict[Category, float] = {}
        for (category, _), state in self._states.items():
            here = max(0.0, state.ours.left(self._clock()))
            left[category] = min(left.get(category, here), here)
        return left

    async def acquire(self, category: Category, area: str, caller: str, urgency: Urgency, more: int = 0) -> float:
        """Wait for a token and take it. Return the seconds waited.

        Raises `Throttled` if the wait would exceed `MOST_WAIT_S`, or `OUT_MOST_WAIT_S` for a scale-out and for a caller
        that was refused for longer than `AGING_S`. No call may be made then, and `caller` keeps its position in the
        queue. `more`: the number of tasks that the call adds.
        """
        state, requested_at = self._state(category, area), self._clock()
        self._calls += 1
        since = self._since(state, caller, requested_at)
        aged = requested_at - since > AGING_S
        urgency = min(urgency, Urgency.ROUTINE) if aged else urgency
        waiter = _Waiter(urgency, since - DOUBLE_NEED_S * log2(1 + more), self._calls)
        insort(state.waiting, waiter)
        try:
            while (wait_s := self._wait_s(state, waiter)) > 0:
                if self._clock() + wait_s - requested_at > self._most_wait_s(state, urgency, aged=aged):
                    self._store_position(state, caller, since)
                    raise self._refusal(category, area, state, urgency, wait_s)
                await asyncio.sleep(min(max(wait_s, SHORTEST_S), RECHECK_S))
            self._take(state, urgency)
        finally:
            state.waiting.remove(waiter)
        return self._clock() - requested_at

    def throttled(self, category: Category, area: str) -> None:
        """Start a backoff after AWS throttled a call, longer for each consecutive throttle, and lower the rate."""
        state, now = self._state(category, area), self._clock()
        if now < state.backoff_until:
            return  # a call that was in flight when the backoff began: the same throttling, not a new one
        again, least_per_s = state.throttles > 0, max(LEAST_PER_S, 1.0 / self._longest_s)
        state.throttles += 1
        for bucket in (state.whole, state.ours):
            bucket.throttled(now, again=again, least_per_s=least_per_s)
        bound_s = min(self._longest_s, FIRST_BACKOFF_S * 2.0 ** min(state.throttles - 1, 10))
        state.backoff_until = now + bound_s * (LEAST_BACKOFF_RATIO + (1 - LEAST_BACKOFF_RATIO) * self._draw())

    def succeeded(self, category: Category, area: str) -> None:
        """Reset the count of consecutive throttles after AWS answered a call, unless a backoff is in force."""
        state, now = self._state(category, area), self._clock()
        if state.throttles and state.backoff_until <= now:
            state.throttles = 0
            state.whole.answered(now)
            state.ours.answered(now)

    def _state(self, category: Category, area: str) -> _BucketState:
        state = self._states.get((category, area))
        if state is None:
            rate, burst, now = category.rate, category.burst, self._clock()
            ours = TokenBucket(rate * self._share, max(1.0, burst * self._share), now)
            state = self._states[category, area] = _BucketState(TokenBucket(rate, burst, now), ours)
        return state

    def _store_position(self, state: _BucketState, caller: str, since: Instant) -> None:
        """Store the caller's position. Expired positions are removed once there are many."""
        now = self._clock()
        state.positions[caller] = _Position(since, now)
        if len(state.positions) > state.sweep_at:
            young = now - POSITION_TTL_S
            state.positions = {each: kept for each, kept in state.positions.items() if kept.refused_at >= young}
            state.sweep_at = max(SWEEP_AT, 2 * len(state.positions))

    def _since(self, state: _BucketState, caller: str, now: Instant) -> Instant:
        position = state.positions.pop(caller, None)
        return now if position is None or now - position.refused_at > POSITION_TTL_S else position.since

    def _most_wait_s(self, state: _BucketState, urgency: Urgency, *, aged: bool) -> float:
        """Return the longest wait. An aged call does not outwait a backoff: few calls are made while AWS throttles."""
        if urgency < Urgency.ROUTINE or (aged and state.backoff_until <= self._clock()):
            return OUT_MOST_WAIT_S
        return MOST_WAIT_S

    def _wait_s(self, state: _BucketState, waiter: _Waiter) -> float:
        """Return the seconds until this call and all calls ahead have a token. A scale-out takes no token of `ours`."""
        now, needed = self._clock(), bisect_left(state.waiting, waiter) + 1
        wait_s = state.whole.wait_s(needed, now)
        if waiter.urgency >= Urgency.ROUTINE:
            scale_outs = bisect_left(state.waiting, _Waiter(Urgency.ROUTINE, float("-inf"), 0))
            wait_s = max(wait_s, state.ours.wait_s(needed - scale_outs, now))
        return max(wait_s, state.backoff_until - now)

    def _take(self, state: _BucketState, urgency: Urgency) -> None:
        now = self._clock()
        state.whole.take(now)
        if urgency >= Urgency.ROUTINE:
            state.ours.take(now)

    def _refusal(
        self, category: Category, area: str, state: _BucketState, urgency: Urgency, wait_s: float
    ) -> Throttled:
        if state.backoff_until > self._clock():
            return Throttled(
                f"AWS throttled {category} in {area}: next call in {wait_s:.1f} s. All callers in the account share "
                "the quota; find the other callers, or request a quota increase"
            )
        percent = 100 * (self._share if urgency >= Urgency.ROUTINE else 1.0)
        return Throttled(
            f"client-side rate limit reached for {category} in {area} (at most {percent:g} % of the AWS quota): next "
            f"call in {wait_s:.1f} s; raise AUTOSCALER_RATE_SHARE_PERCENT or AUTOSCALER_INTERVAL, or request a quota "
            "increase"
        )


# An adaptive token bucket: a throttle cuts the rate to below the throttled pace, and it recovers within a minute.
#
# Invariant: in any time `t` no more than `burst + rate * t` tokens are taken.

CUT = 0.5
"""New rate after a throttle, as a ratio of the throttled pace: at 100 calls a second 50, even if the configured rate is
1,000.
"""

LEAST_PER_S = 0.1
"""The lowest rate: some calls must be made to find out that AWS no longer throttles."""

MEASURED_S = 4.0
"""Time constant of the measured pace, in seconds."""

LEAST_PACE = 2.0
"""Calls a second. One throttle at a lower pace is weak evidence: other callers may have emptied AWS's bucket."""

NEAR = 0.8, 1.25
"""Ratios of the throttled pace. Between them the rate grows slowly."""

QUICK_S, SLOW_S, QUICKER_S = 4.5, 35.0, 2.5
"""Seconds in which the rate doubles below, near and above the throttled pace. While AWS throttles, about one call in
twenty is throttled. After the last throttle the lowest rate becomes 1,000 a second within a minute: 4.5 + 23 + 13 times
2.5 s.
"""


@dataclass(slots=True)
class TokenBucket:
    """Holds at most `burst` tokens and gains `rate` tokens per second while nothing is throttled. Full at `at`."""

    rate: float
    burst: float
    at: Instant
    share: float = 1.0
    """The share of `rate` and `burst` that is in force."""
    tokens: float = field(init=False)
    _made: float = 0.0
    """Recent calls, with exponential decay."""
    _too_much: float = 1.0
    """The share at which AWS last throttled."""
    _resumed: float = 0.0
    """The share with which calls continue as soon as AWS answers one."""

    def __post_init__(self) -> None:
        self.tokens = self.burst

    def left(self, now: Instant) -> float:
        """Return the tokens that are available now."""
        self._refill(now)
        return self.tokens

    def wait_s(self, tokens: float, now: Instant) -> float:
        """Return the seconds until `tokens` tokens are available at the present rate."""
        return max(0.0, (tokens - self.left(now)) / (self.rate * self.share))

    def take(self, now: Instant) -> None:
        """Take one token. The caller has checked that it is available."""
        self._refill(now)
        self.tokens -= 1.0
        self._made += 1.0

    def throttled(self, now: Instant, *, again: bool = False, least_per_s: float = LEAST_PER_S) -> None:
        """Cut the rate, at most to `least_per_s`: AWS's own bucket is empty, because of other callers or a lower quota.

        `again`: AWS has answered no call since the throttle before. Then the pace says nothing about AWS's limit, which
        stays that of the first throttle. Otherwise three minutes without an answer would need one more to recover.
        """
        self._refill(now)
        self.tokens = min(self.tokens, 0.0)
        least = min(1.0, least_per_s / self.rate)
        if again:
            self.share = max(least, CUT * self.share)
            return
        pace = max(LEAST_PACE, self._made / MEASURED_S)
        self._too_much = max(least, min(self.share, pace / self.rate))
        self.share = self._resumed = max(least, CUT * self._too_much)

    def answered(self, now: Instant) -> None:
        """Continue at half the pace of the first throttle: AWS has answered a call."""
        self._refill(now)
        self.share = max(self.share, self._resumed)

    def _refill(self, now: Instant) -> None:
        elapsed_s = max(0.0, now - self.at)
        self.at = max(self.at, now)
        self._made *= exp(-elapsed_s / MEASURED_S)
        more = self.tokens + elapsed_s * self.rate * self.share
        self._regrow(elapsed_s)
        self.tokens = min(max(1.0, self.burst * self.share), more)

    def _regrow(self, elapsed_s: float) -> None:
        """Let the share grow exponentially: below, near and above the throttled pace at different speeds."""
        bounds = (NEAR[0] * self._too_much, NEAR[1] * self._too_much, 1.0)
        for bound, double_s in zip(bounds, (QUICK_S, SLOW_S, QUICKER_S), strict=True):
            if self.share < bound and elapsed_s > 0:
                needed_s = double_s * log2(bound / self.share)
                self.share = bound if elapsed_s >= needed_s else self.share * 2.0 ** (elapsed_s / double_s)
                elapsed_s -= needed_s
        self.share = min(1.0, self.share)
