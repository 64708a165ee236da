"""The HorizontalPodAutoscaler's decision, as a pure function of what it remembers.

Source: Kubernetes, "Horizontal Pod Autoscaling" (algorithm details, configurable scaling behavior), and what the
controller of autoscaling/v2 does where that page is silent. Its words are kept here: replicas, scale up and down.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

TOLERANCE = 0.1
"""`--horizontal-pod-autoscaler-tolerance`."""

MOST_REPLICAS = 2**31 - 1
"""Counts are 32-bit: what is larger is held there."""


class Kind(StrEnum):
    """What a policy's value counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class Select(StrEnum):
    """Which of several policies counts: the one that allows the larger change, or the smaller, or none at all."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class Limit(NamedTuple):
    """At most so many pods, or so many percent, within any `period_s`."""

    kind: Kind
    value: int
    period_s: float


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction of a `behavior`."""

    stabilization_s: float
    select: Select
    limits: tuple[Limit, ...]

    @property
    def longest_s(self) -> float:
        return max((limit.period_s for limit in self.limits), default=0.0)


SCALE_UP = Rules(0.0, Select.MAX, (Limit(Kind.PODS, 4, 15.0), Limit(Kind.PERCENT, 100, 15.0)))
"""The default: at once, by 4 pods or by as many as there are, whichever is more, in 15 s."""

SCALE_DOWN = Rules(300.0, Select.MAX, (Limit(Kind.PERCENT, 100, 15.0),))
"""The default: to the highest count recommended in 300 s, without a limit."""


class Recommendation(NamedTuple):
    at: float
    replicas: int


class Event(NamedTuple):
    """A change that was made: `change` replicas added, or removed; always positive."""

    at: float
    change: int


class Condition(StrEnum):
    """What bound the count."""

    WITHIN = "DesiredWithinRange"
    TOO_MANY = "TooManyReplicas"
    TOO_FEW = "TooFewReplicas"
    UP = "ScaleUpLimit"
    DOWN = "ScaleDownLimit"


@dataclass(frozen=True, slots=True)
class Spec:
    """What the operator set; the defaults are those of autoscaling/v2."""

    min_replicas: int
    max_replicas: int
    up: Rules = SCALE_UP
    down: Rules = SCALE_DOWN
    tolerance_up: float = TOLERANCE
    tolerance_down: float = TOLERANCE


@dataclass(frozen=True, slots=True)
class Memory:
    """What the controller keeps between two syncs, and loses when it is started anew. `recommendations` None: it has
    not seen this target yet; its first recommendation is then the count that it finds, so that it never scales down
    at once.
    """

    recommendations: tuple[Recommendation, ...] | None = None
    ups: tuple[Event, ...] = ()
    downs: tuple[Event, ...] = ()


def by_average(value: float, target: float, current: int, spec: Spec) -> int:
    """An external metric of type AverageValue, KEDA's default: `target` of `value` for each replica."""
    if current > 0 and _tolerable(value / (target * current), spec):
        return current
    return _whole(value / target)


def by_value(value: float, target: float, current: int, ready: int, spec: Spec) -> int:
    """A metric of type Value: the ready replicas times value / target."""
    if current == 0:
        return _whole(value / target)
    if _tolerable(value / target, spec):
        return current
    return _whole(value / target * ready)


def _tolerable(ratio: float, spec: Spec) -> bool:
    return 1.0 - spec.tolerance_down <= ratio <= 1.0 + spec.tolerance_up


def _whole(replicas: float) -> int:
    return int(min(math.ceil(replicas), MOST_REPLICAS))


def of_several(wanted: Iterable[int | None], current: int) -> int | None:
    """The most that any metric asks for; None is a metric that failed, and then nothing is done rather than scaling
    down. None: do nothing.
    """
    asked = list(wanted)
    valid = [replicas for replicas in asked if replicas is not None]
    if not valid or (len(valid) < len(asked) and max(valid) < current):
        return None
    return max(valid)


def desired(spec: Spec, memory: Memory, current: int, asked: int, now: float) -> tuple[int, Memory]:
    """How many replicas to have, when the metrics ask for `asked`; and the memory with that recommendation in it.

    Bounds on what is found come first, then stabilization, then the rate, then the bounds again.
    """
    if memory.recommendations is None:
        memory = _recommending(memory, (Recommendation(now, current),))
    if current > spec.max_replicas:
        return spec.max_replicas, memory
    if current < spec.min_replicas:
        return spec.min_replicas, memory
    stable, memory = stabilized(spec, memory, current, asked, now)
    return limited(spec, memory, current, stable, now)[0], memory


def stabilized(spec: Spec, memory: Memory, current: int, asked: int, now: float) -> tuple[int, Memory]:
    """The current count, moved no further than every recommendation of the windows agrees. What is remembered is
    what was asked for, not the result. An edge is open: a recommendation of exactly the window's age does not count.
    """
    low = high = asked
    for made_at, replicas in memory.recommendations or ():
        if now - made_at < spec.up.stabilization_s:
            low = min(low, replicas)
        if now - made_at < spec.down.stabilization_s:
            high = max(high, replicas)
    return max(low, min(current, high)), _remembered(spec, memory, Recommendation(now, asked))


def _remembered(spec: Spec, memory: Memory, newest: Recommendation) -> Memory:
    """One that has outlived both windows gives its place to the newest."""
    kept = list(memory.recommendations or ())
    longest_s = max(spec.up.stabilization_s, spec.down.stabilization_s)
    obsolete = [index for index, old in enumerate(kept) if newest.at - old.at > longest_s]
    if obsolete:
        kept[obsolete[-1]] = newest
    else:
        kept.append(newest)
    return _recommending(memory, tuple(kept))


def _recommending(memory: Memory, recommendations: tuple[Recommendation, ...]) -> Memory:
    return Memory(recommendations, memory.ups, memory.downs)


def limited(spec: Spec, memory: Memory, current: int, wanted: int, now: float) -> tuple[int, Condition]:
    """The wanted count within rate and bounds, and what bound it; a bound comes before a rate of the same count."""
    if wanted > current:
        highest = up_limit(spec.up, memory, current, now)
        if wanted > min(highest, spec.max_replicas):
            slow = highest < spec.max_replicas
            return (highest, Condition.UP) if slow else (spec.max_replicas, Condition.TOO_MANY)
    elif wanted < current:
        lowest = down_limit(spec.down, memory, current, now)
        if wanted < max(lowest, spec.min_replicas):
            slow = lowest > spec.min_replicas
            return (lowest, Condition.DOWN) if slow else (spec.min_replicas, Condition.TOO_FEW)
    return wanted, Condition.WITHIN


def up_limit(rules: Rules, memory: Memory, current: int, now: float) -> int:
    """The highest count that may be reached now; never below the current one."""
    if rules.select is Select.DISABLED:
        return current
    reached = [_up(limit, _begun_with(limit, memory, current, now)) for limit in rules.limits]
    return max(current, max(reached) if rules.select is Select.MAX else min(reached))


def _up(limit: Limit, begun_with: int) -> int:
    if limit.kind is Kind.PODS:
        return begun_with + limit.value
    return math.ceil(begun_with * (1 + limit.value / 100))


def down_limit(rules: Rules, memory: Memory, current: int, now: float) -> int:
    """The lowest count that may be reached now; never above the current one."""
    if rules.select is Select.DISABLED:
        return current
    reached = [_down(limit, _begun_with(limit, memory, current, now)) for limit in rules.limits]
    return min(current, min(reached) if rules.select is Select.MAX else max(reached))


def _down(limit: Limit, begun_with: int) -> int:
    if limit.kind is Kind.PODS:
        return begun_with - limit.value
    return math.trunc(begun_with * (1 - limit.value / 100))


def _begun_with(limit: Limit, memory: Memory, current: int, now: float) -> int:
    """The count when the period began: what was added since is taken off, what was removed is put back."""
    added = sum(event.change for event in memory.ups if now - event.at < limit.period_s)
    removed = sum(event.change for event in memory.downs if now - event.at < limit.period_s)
    return current - added + removed


def changed(spec: Spec, memory: Memory, before: int, after: int, now: float) -> Memory:
    """The memory once a change has been made. Events that no period reaches any more are forgotten."""
    ups = tuple(event for event in memory.ups if now - event.at <= _longest_s(spec))
    downs = tuple(event for event in memory.downs if now - event.at <= _longest_s(spec))
    if after > before:
        ups += (Event(now, after - before),)
    elif after < before:
        downs += (Event(now, before - after),)
    return Memory(memory.recommendations, ups, downs)


def _longest_s(spec: Spec) -> float:
    """Both directions are netted, so the longer of the two periods counts for both."""
    return max(spec.up.longest_s, spec.down.longest_s)
