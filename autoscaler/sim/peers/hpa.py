"""The decision of the HorizontalPodAutoscaler, as a pure function of its memory.

Source: Kubernetes, "Horizontal Pod Autoscaling" (algorithm details, configurable scaling behavior), and the behavior of
the autoscaling/v2 controller for details that the page omits. This module uses its terms: replicas, scale up and down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

TOLERANCE = 0.1
"""`--horizontal-pod-autoscaler-tolerance`."""

MOST_REPLICAS = 2**31 - 1
"""Counts are 32-bit integers, and larger values are limited to this."""


class PolicyKind(StrEnum):
    """The unit of a policy's value."""

    PODS = "Pods"
    PERCENT = "Percent"


class SelectPolicy(StrEnum):
    """Which of several policies applies: the largest change, the smallest change, or no scaling."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class ScalingPolicy(NamedTuple):
    """At most `value` pods or percent within any `period_s`."""

    kind: PolicyKind
    value: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction of a `behavior`."""

    stabilization_s: float
    select: SelectPolicy
    limits: tuple[ScalingPolicy, ...]

    @property
    def longest_s(self) -> float:
        return max((limit.period_s for limit in self.limits), default=0.0)


SCALE_UP = Rules(
    0.0, SelectPolicy.MAX, (ScalingPolicy(PolicyKind.PODS, 4, 15.0), ScalingPolicy(PolicyKind.PERCENT, 100, 15.0))
)
"""The default: no stabilization; 4 pods or 100 % in 15 s, whichever is more."""

SCALE_DOWN = Rules(300.0, SelectPolicy.MAX, (ScalingPolicy(PolicyKind.PERCENT, 100, 15.0),))
"""The default: the highest recommendation of 300 s, without a rate limit."""


class Recommendation(NamedTuple):
    at: float
    replicas: int


class ScaleEvent(NamedTuple):
    """A completed change. `change`: the number of replicas added or removed, always positive."""

    at: float
    change: int


class Condition(StrEnum):
    """Which limit applied to the count."""

    WITHIN = "DesiredWithinRange"
    TOO_MANY = "TooManyReplicas"
    TOO_FEW = "TooFewReplicas"
    UP = "ScaleUpLimit"
    DOWN = "ScaleDownLimit"


@dataclass(frozen=True, slots=True)
class Spec:
    """The operator's settings, with the defaults of autoscaling/v2."""

    min_replicas: int
    max_replicas: int
    up: Rules = SCALE_UP
    down: Rules = SCALE_DOWN
    tolerance_up: float = TOLERANCE
    tolerance_down: float = TOLERANCE


@dataclass(frozen=True, slots=True)
class HpaMemory:
    """The state of the controller between two syncs, which a restart loses. `recommendations` None: it has not
    synced this target yet. The first recommendation is then the current count, so that it never scales down at once.
    """

    recommendations: tuple[Recommendation, ...] | None = None
    ups: tuple[ScaleEvent, ...] = ()
    downs: tuple[ScaleEvent, ...] = ()


def by_average(value: float, target: float, current: int, spec: Spec) -> int:
    """Return the replicas for an external metric of type AverageValue, KEDA's default: value / target."""
    if current > 0 and _tolerable(value / (target * current), spec):
        return current
    return _whole(value / target)


def _tolerable(ratio: float, spec: Spec) -> bool:
    return 1.0 - spec.tolerance_down <= ratio <= 1.0 + spec.tolerance_up


def _whole(replicas: float) -> int:
    return int(min(math.ceil(replicas), MOST_REPLICAS))


def desired(spec: Spec, memory: HpaMemory, current: int, proposed: int, now: float) -> tuple[int, HpaMemory]:
    """Return the desired replicas for the metrics' proposal, and the memory that includes it.

    The bounds of the current count apply first, then stabilization, then the rate, then the bounds again.
    """
    if memory.recommendations is None:
        memory = _recommending(memory, (Recommendation(now, current),))
    if current > spec.max_replicas:
        return spec.max_replicas, memory
    if current < spec.min_replicas:
        return spec.min_replicas, memory
    stable, memory = stabilized(spec, memory, current, proposed, now)
    return limited(spec, memory, current, stable, now)[0], memory


def stabilized(spec: Spec, memory: HpaMemory, current: int, proposed: int, now: float) -> tuple[int, HpaMemory]:
    """Return the current count, changed only as far as all recommendations of the windows permit. The memory stores
    the proposal, not the result. A recommendation whose age is exactly the window does not count.
    """
    low = high = proposed
    for made_at, replicas in memory.recommendations or ():
        if now - made_at < spec.up.stabilization_s:
            low = min(low, replicas)
        if now - made_at < spec.down.stabilization_s:
            high = max(high, replicas)
    return max(low, min(current, high)), _remembered(spec, memory, Recommendation(now, proposed))


def _remembered(spec: Spec, memory: HpaMemory, newest: Recommendation) -> HpaMemory:
    """Add the newest recommendation. It replaces one that is older than both windows, if there is one."""
    stored = list(memory.recommendations or ())
    longest_s = max(spec.up.stabilization_s, spec.down.stabilization_s)
    obsolete = [index for index, old in enumerate(stored) if newest.at - old.at > longest_s]
    if obsolete:
        stored[obsolete[-1]] = newest
    else:
        stored.append(newest)
    return _recommending(memory, tuple(stored))


def _recommending(memory: HpaMemory, recommendations: tuple[Recommendation, ...]) -> HpaMemory:
    return HpaMemory(recommendations, memory.ups, memory.downs)


def limited(spec: Spec, memory: HpaMemory, current: int, proposed: int, now: float) -> tuple[int, Condition]:
    """Return the proposal within rate and bounds, and the limit that applied. If both limits are equal: the bound."""
    if proposed > current:
        highest = up_limit(spec.up, memory, current, now)
        if proposed > min(highest, spec.max_replicas):
            is_rate = highest < spec.max_replicas
            return (highest, Condition.UP) if is_rate else (spec.max_replicas, Condition.TOO_MANY)
    elif proposed < current:
        lowest = down_limit(spec.down, memory, current, now)
        if proposed < max(lowest, spec.min_replicas):
            is_rate = lowest > spec.min_replicas
            return (lowest, Condition.DOWN) if is_rate else (spec.min_replicas, Condition.TOO_FEW)
    return proposed, Condition.WITHIN


def up_limit(rules: Rules, memory: HpaMemory, current: int, now: float) -> int:
    """Return the highest permitted count. It is never below the current count."""
    if rules.select is SelectPolicy.DISABLED:
        return current
    reached = [_up(limit, _at_period_start(limit, memory, current, now)) for limit in rules.limits]
    return max(current, max(reached) if rules.select is SelectPolicy.MAX else min(reached))


def _up(limit: ScalingPolicy, at_start: int) -> int:
    if limit.kind is PolicyKind.PODS:
        return at_start + limit.value
    return math.ceil(at_start * (1 + limit.value / 100))


def down_limit(rules: Rules, memory: HpaMemory, current: int, now: float) -> int:
    """Return the lowest permitted count. It is never above the current count."""
    if rules.select is SelectPolicy.DISABLED:
        return current
    reached = [_down(limit, _at_period_start(limit, memory, current, now)) for limit in rules.limits]
    return min(current, min(reached) if rules.select is SelectPolicy.MAX else max(reached))


def _down(limit: ScalingPolicy, at_start: int) -> int:
    if limit.kind is PolicyKind.PODS:
        return at_start - limit.value
    return math.trunc(at_start * (1 - limit.value / 100))


def _at_period_start(limit: ScalingPolicy, memory: HpaMemory, current: int, now: float) -> int:
    """Return the count at the start of the period: without replicas added since, and with replicas removed since."""
    added = sum(event.change for event in memory.ups if now - event.at < limit.period_s)
    removed = sum(event.change for event in memory.downs if now - event.at < limit.period_s)
    return current - added + removed


def changed(spec: Spec, memory: HpaMemory, before: int, after: int, now: float) -> HpaMemory:
    """Return the memory after a change. It drops events that are older than every period."""
    ups = tuple(event for event in memory.ups if now - event.at <= _longest_s(spec))
    downs = tuple(event for event in memory.downs if now - event.at <= _longest_s(spec))
    if after > before:
        ups += (ScaleEvent(now, after - before),)
    elif after < before:
        downs += (ScaleEvent(now, before - after),)
    return HpaMemory(memory.recommendations, ups, downs)


def _longest_s(spec: Spec) -> float:
    """Return the longest period. It applies to both directions, because their changes are netted."""
    return max(spec.up.longest_s, spec.down.longest_s)
