"""The demand of a promise: laws over drawn worlds, and what it comes to in plain ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.engine import decide
from autoscaler.core.knowledge import Coming, Estimate, Knowledge, QueueKnowledge, Some
from autoscaler.core.latency import need
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Fleet, Observation, QueueReading, Rule
from autoscaler.core.policy import Direction, Policy, QueuePolicy
from autoscaler.core.signals import Work
from tests.core.calm import NOW, demands, rules

LATENCIES_S = (30.0, 60.0, 120.0, 300.0, 900.0)


def policy(latency_s: float = 60.0, **changes: object) -> Policy:
    plain = Policy("orders", 0, 1000, queues=(QueuePolicy("q", latency_s),), acceptable_latency_s=latency_s)
    return replace(plain, **changes)  # type: ignore[arg-type]


def known(
    *waiting: tuple[float, float],
    coming: tuple[tuple[float, float], ...] = (),
    starting: tuple[tuple[float, int], ...] = (),
    slow_s: float = 5.0,
    load: float = 0.0,
    spread: float = 1.0,
    slots: float = 1.0,
) -> Knowledge:
    return Knowledge(
        processing_s=Estimate(slow_s, 100.0, 0.0),
        slow_s=slow_s,
        spread=spread,
        concurrency=Estimate(slots),
        start_s=Estimate(50.0),
        start_late_s=75.0,
        rate_per_s=Estimate(load / slow_s),
        load=load,
        lasting_load=load,
        interval_s=10.0,
        queues=(QueueKnowledge("q", tuple(Some(*each) for each in waiting), tuple(Some(*each) for each in coming)),),
        starting=tuple(Coming(*each) for each in starting),
    )


def work(waiting: float, in_flight: int = 0) -> Work:
    return Work(waiting=int(waiting), in_flight=in_flight, counted=int(waiting) + in_flight, held=in_flight)


def asked(
    knowledge: Knowledge, *, running: int = 0, current: int | None = None, latency_s: float = 60.0, in_flight: int = 0
) -> float:
    waits = sum(messages for _, messages in knowledge.queues[0].waiting)
    now = running if current is None else current
    return need(policy(latency_s), knowledge, work(waits, in_flight), running, now).load


waits = st.lists(st.tuples(st.floats(0, 1000), st.floats(1, 1000)), max_size=8).map(sorted)


@given(
    waits, st.integers(0, 40), st.integers(0, 40), st.sampled_from(LATENCIES_S), st.integers(0, 7), st.floats(0.1, 500)
)
def test_more_that_waits_never_asks_for_fewer(
    waiting: list[tuple[float, float]], running: int, pending: int, latency_s: float, place: int, more: float
) -> None:
    index = min(place, len(waiting))
    age_s = waiting[index - 1][0] if index else 0.0
    longer = [*waiting[:index], (age_s, more), *waiting[index:]]
    starting = ((20.0, pending),) if pending else ()

    def load(ages: list[tuple[float, float]]) -> float:
        return asked(
            known(*ages, starting=starting, load=3.0), running=running, current=running + pending, latency_s=latency_s
        )

    assert load(longer) >= load(waiting) - 1e-9


@given(waits.filter(bool), st.integers(0, 40), st.sampled_from(LATENCIES_S), st.floats(0, 2000))
def test_older_never_asks_for_fewer(
    waiting: list[tuple[float, float]], running: int, latency_s: float, older_s: float
) -> None:
    aged = [(age_s + older_s, messages) for age_s, messages in waiting]
    young = asked(known(*waiting), running=running, latency_s=latency_s)
    assert asked(known(*aged), running=running, latency_s=latency_s) >= young - 1e-9


@given(waits, st.integers(0, 40), st.sampled_from(LATENCIES_S), st.floats(0.1, 10_000), st.integers(1, 20))
def test_never_more_tasks_than_there_are_messages_for(
    waiting: list[tuple[float, float]], running: int, latency_s: float, slow_s: float, slots: int
) -> None:
    load = asked(known(*waiting, slow_s=slow_s, slots=slots), running=running, latency_s=latency_s)
    messages = sum(each for _, each in waiting)
    assert load <= max(float(running), messages / slots) + 1e-9


def test_one_message_of_two_hours_is_one_task() -> None:
    assert 0.99 < asked(known((100.0, 1.0), slow_s=7200.0)) <= 1.0


def test_nothing_that_waits_and_nothing_that_comes_asks_for_none() -> None:
    assert asked(known()) == 0.0
    assert asked(known(), running=10) == 0.0


def test_a_burst_is_spread_over_the_latency_that_is_left() -> None:
    """300 messages of 5 s: within 60 s from none, a start-up taken off, many; within 300 s six."""
    assert 30 < asked(known((5.0, 300.0))) < 300
    assert asked(known((5.0, 300.0)), latency_s=300.0) == pytest.approx(6.2, abs=0.5)


def test_what_is_starting_already_is_counted() -> None:
    from_none = asked(known((5.0, 300.0)), latency_s=300.0)
    coming_up = known((5.0, 300.0), starting=((40.0, 7),))
    assert asked(coming_up, current=7, latency_s=300.0) <= 7.0
    assert from_none > 5.0


def test_a_load_without_a_queue_keeps_its_tasks_and_a_few_more() -> None:
    assert 20 < asked(known(load=20.0), running=40, in_flight=20) < 22
    wide = asked(known(load=20.0, slow_s=60.0, spread=12.0), running=40, in_flight=20)
    assert 28 < wide < 30, "twice the root of the load where jobs spread widely"


@pytest.mark.parametrize(("latency_s", "kept"), [(84.0, 40.0), (85.0, 7.0), (300.0, 7.0)])
def test_where_a_message_that_comes_may_wait_for_a_start_two_tasks_are_spare(latency_s: float, kept: float) -> None:
    """Five messages of ten minutes each are at work, and 30 a minute came until now. A look and a start take 85 s."""
    knowledge = known(coming=((60.0, 30.0),), load=300.0, slow_s=600.0)
    assert asked(knowledge, running=40, in_flight=5, latency_s=latency_s) == pytest.approx(kept)


def test_a_small_step_in_waits_for_longer_than_a_large_one() -> None:
    fleet = Fleet(20, 20, 0, NOW)
    seen = Observation(NOW, fleet, (QueueReading("q", Backlog(0, 0, 0, NOW)),), knowledge=known(load=15.0))
    wanted = policy(scale_in=Direction(stabilization_s=45.0))
    small = decide(wanted, demands((100.0, 18), (40.0, 15), (10.0, 15)), seen)
    assert (small.target, rules(small)) == (18, [Rule.SMALL_STEP_STABILIZATION])
    over = decide(wanted, demands((120.0, 18), (40.0, 16), (10.0, 15)), seen)
    assert over.target == 16
    none = replace(seen, knowledge=known(load=4.0))
    large = decide(wanted, demands((100.0, 18), (40.0, 5), (10.0, 5)), none)
    assert (large.target, rules(large)) == (5, [])


def test_the_operators_backlog_per_task_stands_for_the_rule_unless_he_says_what_a_message_takes() -> None:
    fleet = Fleet(0, 0, 0, NOW)
    seen = Observation(NOW, fleet, (QueueReading("q", Backlog(100, 0, 0, NOW)),), knowledge=known((5.0, 100.0)))
    assert [vote.signal for vote in decide(policy(backlog_per_task=10.0), Memory(), seen).votes] == ["backlog"]
    both = decide(policy(backlog_per_task=10.0, processing_time_s=5.0), Memory(), seen)
    assert [vote.signal for vote in both.votes] == ["latency", "backlog"]
