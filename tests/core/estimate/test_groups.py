"""The limit of a FIFO queue's message groups, over histories of polls ten seconds apart.

The world: `active(t)` groups have messages at `t`, each with a backlog. A task holds one group; a receive takes `batch`
messages of it, which the task processes one after another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate import Estimator
from autoscaler.core.knowledge import Knowledge, Regime
from autoscaler.core.model import Backlog, Fleet, Flow, Observation, QueueReading
from autoscaler.core.policy import Policy, QueuePolicy

POLICY = Policy("orders", 0, 1000, queues=(QueuePolicy("orders.fifo", 60.0),))
POLL_S, MINUTE_S = 10.0, 60.0
LAG_S = 90.0
"""Seconds from the end of a minute until its metrics are read."""


@dataclass
class Groups:
    """`tasks`: those that run; they follow the limit only if `follows`. `per_s`: deletions of a busy task a second."""

    active: Callable[[float], int]
    tasks: int = 50
    batch: int = 1
    follows: bool = True
    per_s: float = 0.2
    hidden: float = 1.0
    """The share of busy tasks whose message is in flight at a reading: below 1 for very short messages."""
    policy: Policy = POLICY
    now: float = 0.0
    limits: list[tuple[float, float | None]] = field(default_factory=list)
    _minutes: list[tuple[float, int, int]] = field(default_factory=list)
    _groups: list[int] = field(default_factory=list)
    _deleted: float = 0.0
    _estimator: Estimator | None = None

    @property
    def busy(self) -> int:
        return min(self.tasks * self.policy.task_concurrency, self.active(self.now))

    def poll(self, visible: int = 300) -> Knowledge:
        self.now += POLL_S
        in_flight = ceil(self.busy * self.hidden) * ceil((self.batch + 1) / 2)
        self._groups.append(ceil(self.busy * self.hidden))
        self._deleted += self.busy * self.per_s * POLL_S
        if self.now % MINUTE_S == 0:
            self._minutes.append((self.now, max(self._groups[-6:]), round(self._deleted)))
            self._deleted = 0.0
        counts, flow = Backlog(visible, in_flight, 0, self.now), None
        known = [minute for minute in self._minutes if minute[0] + LAG_S <= self.now]
        if known:
            at, groups, deleted = known[-1]
            counts = replace(counts, groups_in_flight=groups, deleted=deleted, counted_at=at)
            flow = Flow(deleted, deleted, self.tasks, at, visible)
        fleet = Fleet(self.tasks, self.tasks, 0, self.now)
        seen = Observation(self.now, fleet, (QueueReading("orders.fifo", counts),), flow=flow)
        if self._estimator is None:
            self._estimator = Estimator(self.policy, seen, POLL_S)
        learned = self._estimator.see(self.policy, seen)
        self.limits.append((self.now, learned.groups))
        if self.follows and learned.groups is not None:
            self.tasks = min(self.tasks, ceil(learned.groups))
        return learned

    def run(self, minutes: int, visible: int = 300) -> Knowledge:
        for _ in range(6 * minutes - 1):
            self.poll(visible)
        return self.poll(visible)


@pytest.mark.parametrize("active", [1, 3, 10])
@pytest.mark.parametrize("batch", [1, 10])
def test_the_tasks_are_reduced_to_the_groups_and_a_probe(active: int, batch: int) -> None:
    world = Groups(lambda _: active, batch=batch)
    assert world.run(25).groups == active + 1
    assert world.tasks == active + 1
    assert world.run(60).groups == active + 1, "it stays"


def test_nothing_is_reduced_before_three_minutes_and_then_at_most_to_half_at_once() -> None:
    world = Groups(lambda _: 1, follows=False)
    world.run(8)
    first = next(at for at, limit in world.limits if limit is not None and limit < 50)
    assert first >= 180
    assert min(limit for _, limit in world.limits if limit is not None) >= 25


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.sampled_from([1, 4, 10]), st.integers(1, 20))
def test_the_limit_is_never_below_the_groups_that_were_active_for_minutes(
    numbers: list[int], batch: int, each_minutes: int
) -> None:
    """Over drawn histories: a limit below the present groups ends within three polls of their rise."""
    world = Groups(lambda at: numbers[min(len(numbers) - 1, int(at // (60 * each_minutes)))], batch=batch)
    too_low = 0
    for _ in range(6 * each_minutes * len(numbers)):
        limit = world.poll().groups
        if limit is not None and limit < min(world.active(world.now), world.tasks + 1):
            too_low += 1
            assert too_low <= 3
        else:
            too_low = 0
        if limit is None:
            world.tasks = 60


@pytest.mark.parametrize("batch", [1, 10])
def test_when_groups_rise_the_limit_ends_within_two_polls(batch: int) -> None:
    world = Groups(lambda at: 1 if at < 1800 else 40, batch=batch)
    world.run(30)
    assert world.tasks == 2
    world.poll()
    assert world.poll().groups is None


def test_one_reading_without_an_idle_task_does_not_end_the_limit() -> None:
    world = Groups(lambda at: 40 if at == 1810 else 1)
    world.run(31)
    assert world.tasks == 2


def test_short_messages_of_many_groups_are_not_taken_for_idle_tasks() -> None:
    """A message takes 20 ms and a receive as long: half of the busy tasks hold a message at a reading. The first
    reduction halves the deletions, so it ends, and none follows for a quarter of an hour.
    """
    world = Groups(lambda _: 1000, hidden=0.4, per_s=25.0)
    reduced = list[float]()
    for _ in range(6 * 120):
        before = world.tasks
        limit = world.poll().groups
        if world.tasks < before:
            reduced.append(world.now)
        if limit is None:
            world.tasks = 50
        assert world.tasks >= 25
    assert len(reduced) <= 8
    assert all(later - earlier >= 900 for earlier, later in pairwise(reduced))


def test_no_backlog_no_limit() -> None:
    assert all(limit is None for limit in [Groups(lambda _: 1).run(20, visible=0).groups])
    world = Groups(lambda _: 1)
    world.run(20)
    assert world.run(2, visible=0).groups is None


def test_a_task_with_several_slots_serves_several_groups() -> None:
    world = Groups(lambda _: 25, tasks=20, policy=replace(POLICY, task_concurrency=10))
    assert world.run(30).groups == 3


def test_waiting_for_a_group_is_no_saturation() -> None:
    """In one group of fifty tasks a message takes 5 s, not 250 s, and is not deleted on receipt."""
    known = Groups(lambda _: 1, follows=False).run(30)
    assert known.regime is not Regime.EARLY_ACK
    assert known.processing_s.value == pytest.approx(5.0, rel=0.15)
