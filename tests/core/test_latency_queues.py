"""The tasks that several queues with their own latency targets require: laws over random queues and their arrivals."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autoscaler.core.knowledge import Knowledge, QueueKnowledge, TimedCount
from autoscaler.core.latency import Need, need
from autoscaler.core.policy import Policy, QueuePolicy
from tests.core.test_latency import LATENCIES_S, known, work

Pairs = tuple[tuple[float, float], ...]


class SomeQueue(NamedTuple):
    """`waiting`: (age in seconds, messages), youngest first. `arrivals`: (seconds from now, further messages)."""

    latency_s: float
    waiting: Pairs = ()
    arrivals: Pairs = ()

    def learned(self, name: str) -> QueueKnowledge:
        total, coming = 0.0, []
        for within_s, messages in self.arrivals:
            total += messages
            coming.append(TimedCount(within_s, total))
        return QueueKnowledge(name, tuple(TimedCount(*each) for each in self.waiting), tuple(coming))


class Load(NamedTuple):
    """Several queues of one service, and its tasks. `starting`: (seconds until up, tasks)."""

    queues: tuple[SomeQueue, ...]
    running: int = 0
    starting: tuple[tuple[float, int], ...] = ()
    busy_ratio: float = 1.0
    load: float = 3.0
    slots: float = 1.0
    slow_s: float = 5.0

    def knowledge(self) -> Knowledge:
        plain = known(starting=self.starting, load=self.load, slots=self.slots, slow_s=self.slow_s)
        return replace(plain, queues=tuple(each.learned(f"q{at}") for at, each in enumerate(self.queues)))

    def need(self) -> Need:
        policy = Policy(
            "orders",
            0,
            10_000,
            queues=tuple(QueuePolicy(f"q{at}", each.latency_s) for at, each in enumerate(self.queues)),
            acceptable_latency_s=60.0,
        )
        waiting = sum(messages for each in self.queues for _, messages in each.waiting)
        in_flight = int(self.busy_ratio * self.running * self.slots)
        current = self.running + sum(tasks for _, tasks in self.starting)
        return need(policy, self.knowledge(), work(waiting, in_flight), self.running, current)


def ascending(pairs: list[tuple[float, float]]) -> Pairs:
    return tuple(sorted(pairs))


ages = st.lists(st.tuples(st.floats(0, 1000), st.floats(1, 500)), max_size=5).map(ascending)
arrivals = st.lists(st.tuples(st.sampled_from([60.0, 120.0, 300.0, 600.0]), st.floats(0, 500)), max_size=4).map(
    ascending
)
queues = st.builds(SomeQueue, st.sampled_from(LATENCIES_S), ages, arrivals)
loads = st.builds(
    Load,
    st.lists(queues, min_size=1, max_size=3).map(tuple),
    st.integers(0, 60),
    st.sampled_from([(), ((20.0, 3),), ((5.0, 1), (45.0, 10))]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([0.0, 0.4, 3.0, 20.0]),
    st.sampled_from([1.0, 4.0]),
    st.sampled_from([0.5, 5.0, 60.0]),
)


@settings(max_examples=400)
@example(
    Load((SomeQueue(30.0), SomeQueue(300.0), SomeQueue(30.0, (), ((120.0, 134.0),))), load=0.0, slow_s=0.5), 0, 0.0, 1.0
)
@given(loads, st.integers(0, 2), st.sampled_from([0.0, 30.0, 120.0, 600.0]), st.floats(1, 1000))
def test_more_expected_arrivals_never_require_fewer_tasks(load: Load, at: int, within_s: float, more: float) -> None:
    index = at % len(load.queues)
    each = load.queues[index]
    busier = each._replace(arrivals=ascending([*each.arrivals, (within_s, more)]))
    changed = load._replace(queues=(*load.queues[:index], busier, *load.queues[index + 1 :]))
    assert changed.need().load >= load.need().load - 1e-9


def test_the_longest_latency_of_several_queues_is_planned_for() -> None:
    """6,000 messages of 5 s with 900 s left need 36 tasks for 823 s, whatever the target of the empty queue is."""
    assert Load((SomeQueue(60.0), SomeQueue(900.0, ((0.0, 6000.0),))), load=0.0).need().load > 30


def test_expected_arrivals_require_tasks_before_they_arrive() -> None:
    assert Load((SomeQueue(300.0, (), ((1.0, 600.0),)),), load=0.0).need().load > 10
    assert Load((SomeQueue(300.0),), load=0.0).need().load == 0


@settings(max_examples=400)
@given(loads)
def test_the_order_of_the_queues_does_not_change_the_required_tasks(load: Load) -> None:
    reversed_load = load._replace(queues=load.queues[::-1])
    before, after = load.need(), reversed_load.need()
    assert after.load == pytest.approx(before.load, rel=1e-9, abs=1e-9)
    assert after.must is before.must


@settings(max_examples=400)
@example(Load((SomeQueue(60.0, (), ((60.0, 1.0),)),), starting=((20.0, 3),), load=0.0, slow_s=0.5), SomeQueue(30.0))
@example(Load((SomeQueue(900.0, ((617.0, 1.0),)),), load=0.0, slow_s=0.5), SomeQueue(30.0))
@example(Load((SomeQueue(900.0, ((0.0, 6000.0),)),), load=0.0), SomeQueue(60.0))
@given(loads, queues)
def test_another_queue_never_requires_fewer_tasks(load: Load, more: SomeQueue) -> None:
    assert load._replace(queues=(*load.queues, more)).need().load >= load.need().load - 1e-9


@pytest.mark.parametrize("messages", [1.0, 10.0, 200.0])
@pytest.mark.parametrize("slow_s", [0.5, 5.0, 60.0])
@pytest.mark.parametrize("other_s", [60.0, 300.0, 900.0])
def test_messages_wait_at_zero_tasks_no_longer_next_to_another_queue(
    messages: float, slow_s: float, other_s: float
) -> None:
    """A queue with 600 s has the same safety margin next to an empty queue with another target as alone."""

    def waits_until(*others: SomeQueue) -> int:
        return next(
            age_s
            for age_s in range(600)
            if Load((SomeQueue(600.0, ((float(age_s), messages),)), *others), load=0.0, slow_s=slow_s).need().load > 0
        )

    alone = waits_until()
    assert waits_until(SomeQueue(other_s)) <= alone
    assert alone <= 600 - 85 - 8, "a start-up of 85 s, and the age of a reading"
