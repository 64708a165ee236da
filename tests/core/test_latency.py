"""The tasks that a latency target requires: laws over random worlds, and values for simple ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.engine import decide
from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, Regime, StartingTasks, TimedCount
from autoscaler.core.latency import need
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Fleet, Observation, QueueReading, Rule
from autoscaler.core.policy import Policy, QueuePolicy, ScaleIn
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
        queues=(
            QueueKnowledge(
                "q", tuple(TimedCount(*each) for each in waiting), tuple(TimedCount(*each) for each in coming)
            ),
        ),
        starting=tuple(StartingTasks(*each) for each in starting),
    )


def work(waiting: float, in_flight: int = 0) -> Work:
    return Work(waiting=int(waiting), in_flight=in_flight, counted=int(waiting) + in_flight, held=in_flight)


def required(
    knowledge: Knowledge, *, running: int = 0, current: int | None = None, latency_s: float = 60.0, in_flight: int = 0
) -> float:
    waits = sum(messages for _, messages in knowledge.queues[0].waiting)
    now = running if current is None else current
    return need(policy(latency_s), knowledge, work(waits, in_flight), running, now).load


waits = st.lists(st.tuples(st.floats(0, 1000), st.floats(1, 1000)), max_size=8).map(sorted)


@given(
    waits, st.integers(0, 40), st.integers(0, 40), st.sampled_from(LATENCIES_S), st.integers(0, 7), st.floats(0.1, 500)
)
def test_more_waiting_messages_never_require_fewer_tasks(
    waiting: list[tuple[float, float]], running: int, pending: int, latency_s: float, position: int, more: float
) -> None:
    index = min(position, len(waiting))
    age_s = waiting[index - 1][0] if index else 0.0
    longer = [*waiting[:index], (age_s, more), *waiting[index:]]
    starting = ((20.0, pending),) if pending else ()

    def load(ages: list[tuple[float, float]]) -> float:
        return required(
            known(*ages, starting=starting, load=3.0), running=running, current=running + pending, latency_s=latency_s
        )

    assert load(longer) >= load(waiting) - 1e-9


@given(waits.filter(bool), st.integers(0, 40), st.sampled_from(LATENCIES_S), st.floats(0, 2000))
def test_older_messages_never_require_fewer_tasks(
    waiting: list[tuple[float, float]], running: int, latency_s: float, older_s: float
) -> None:
    aged = [(age_s + older_s, messages) for age_s, messages in waiting]
    young = required(known(*waiting), running=running, latency_s=latency_s)
    assert required(known(*aged), running=running, latency_s=latency_s) >= young - 1e-9


@given(waits, st.integers(0, 40), st.sampled_from(LATENCIES_S), st.floats(0.1, 10_000), st.integers(1, 20))
def test_the_required_tasks_never_exceed_the_slots_that_messages_can_fill(
    waiting: list[tuple[float, float]], running: int, latency_s: float, slow_s: float, slots: int
) -> None:
    load = required(known(*waiting, slow_s=slow_s, slots=slots), running=running, latency_s=latency_s)
    messages = sum(each for _, each in waiting)
    assert load <= max(float(running), messages / slots) + 1e-9


def test_one_message_of_two_hours_requires_one_task() -> None:
    assert 0.99 < required(known((100.0, 1.0), slow_s=7200.0)) <= 1.0


def test_without_a_backlog_and_arrivals_no_task_is_required() -> None:
    assert required(known()) == 0.0
    assert required(known(), running=10) == 0.0


def test_a_burst_is_spread_over_the_remaining_latency() -> None:
    """300 messages of 5 s, from 0 tasks: within 60 s minus a start-up many tasks, within 300 s six."""
    assert 30 < required(known((5.0, 300.0))) < 300
    assert required(known((5.0, 300.0)), latency_s=300.0) == pytest.approx(6.2, abs=0.5)


def test_tasks_that_are_starting_are_counted() -> None:
    from_none = required(known((5.0, 300.0)), latency_s=300.0)
    coming_up = known((5.0, 300.0), starting=((40.0, 7),))
    assert required(coming_up, current=7, latency_s=300.0) <= 7.0
    assert from_none > 5.0


def test_a_load_without_a_backlog_requires_its_busy_tasks_and_a_few_spare() -> None:
    assert 20 < required(known(load=20.0), running=40, in_flight=20) < 22
    wide = required(known(load=20.0, slow_s=60.0, spread=12.0), running=40, in_flight=20)
    assert 28 < wide < 30, "twice the square root of the load if processing times vary widely"


@pytest.mark.parametrize(("latency_s", "expected"), [(84.0, 40.0), (85.0, 7.0), (300.0, 7.0)])
def test_two_tasks_are_spare_if_the_latency_covers_a_poll_and_a_start(latency_s: float, expected: float) -> None:
    """Five messages of ten minutes each are in flight; 30 a minute arrived until now. A poll and a start take 85 s."""
    knowledge = known(coming=((60.0, 30.0),), load=300.0, slow_s=600.0)
    assert required(knowledge, running=40, in_flight=5, latency_s=latency_s) == pytest.approx(expected)


def test_a_small_scale_in_has_a_longer_stabilization_window_than_a_large_one() -> None:
    fleet = Fleet(20, 20, 0, NOW)
    seen = Observation(NOW, fleet, (QueueReading("q", Backlog(0, 0, 0, NOW)),), knowledge=known(load=15.0))
    configured = policy(scale_in=ScaleIn(stabilization_s=45.0))
    small = decide(configured, demands((100.0, 18), (40.0, 15), (10.0, 15)), seen)
    assert (small.target, rules(small)) == (18, [Rule.SMALL_STEP_STABILIZATION])
    over = decide(configured, demands((120.0, 18), (40.0, 16), (10.0, 15)), seen)
    assert over.target == 16
    none = replace(seen, knowledge=known(load=4.0))
    large = decide(configured, demands((100.0, 18), (40.0, 5), (10.0, 5)), none)
    assert (large.target, rules(large)) == (5, [])


def test_backlog_per_task_replaces_the_latency_rule_unless_processing_time_is_set() -> None:
    fleet = Fleet(0, 0, 0, NOW)
    seen = Observation(NOW, fleet, (QueueReading("q", Backlog(100, 0, 0, NOW)),), knowledge=known((5.0, 100.0)))
    assert [vote.signal for vote in decide(policy(backlog_per_task=10.0), Memory(), seen).votes] == ["backlog"]
    both = decide(policy(backlog_per_task=10.0, processing_time_s=5.0), Memory(), seen)
    assert [vote.signal for vote in both.votes] == ["latency", "backlog"]


def test_above_a_bottleneck_no_more_tasks_are_required() -> None:
    free = known((30.0, 5000.0), load=40.0)
    assert required(free, running=14) > 20
    assert required(replace(free, bottleneck=14.5), running=14) == 14.5
    assert required(replace(free, bottleneck=1e6), running=14) == required(free, running=14)


@given(waits, st.integers(0, 40), st.floats(1, 100), st.sampled_from(list(Regime)), st.floats(0, 500))
def test_in_every_regime_more_messages_never_require_fewer_tasks(
    waiting: list[tuple[float, float]], running: int, more: float, regime: Regime, holding_s: float
) -> None:
    def load(ages: list[tuple[float, float]]) -> float:
        return required(
            replace(known(*ages, load=3.0), regime=regime, holding_s=holding_s), running=running, in_flight=running
        )

    assert load([(0.0, more), *waiting]) >= load(waiting) - 1e-9


def test_while_only_an_upper_bound_is_known_and_nothing_waits_the_tasks_are_reduced_step_by_step() -> None:
    unclear = replace(known(load=200.0), regime=Regime.UNIDENTIFIABLE)
    assert required(unclear, running=200, in_flight=260) == pytest.approx(170.0)
    waits_now = replace(known((5.0, 50.0), load=200.0), regime=Regime.UNIDENTIFIABLE)
    assert required(waits_now, running=170, in_flight=260) == 170, "it stops when messages begin to wait"


def test_hidden_work_occupies_all_slots_while_messages_wait() -> None:
    """Ten tasks of 10 s with nothing in flight: they are not idle, as 100 waiting messages show."""
    seen_idle = known((40.0, 100.0), slow_s=10.0)
    hidden = replace(seen_idle, regime=Regime.EARLY_ACK)
    assert required(hidden, running=10) > required(seen_idle, running=10)
    assert required(hidden, running=10) == pytest.approx(required(seen_idle, running=10, in_flight=10))


def test_messages_that_are_held_for_long_need_a_slot_each() -> None:
    """95 messages are due in 100 s; each of five tasks holds its message for 300 s."""
    held = replace(known((790.0, 95.0)), holding_s=300.0)
    assert required(held, running=5, latency_s=900.0, in_flight=5) > 70
    assert required(known((790.0, 95.0)), running=5, latency_s=900.0, in_flight=5) < 20


def test_messages_that_are_held_for_long_and_are_due_get_a_slot_each_whatever_was_expected() -> None:
    """It is 60 s since anything moved: of jobs that have taken 60 s, every second takes more than 120 s."""
    held = replace(known((230.0, 90.0)), holding_s=120.0)
    assert required(held, running=5, latency_s=300.0, in_flight=5) > 80


@given(st.floats(0.5, 2.0), st.floats(5.0, 200.0), st.sampled_from([120.0, 300.0, 900.0]))
def test_a_standing_backlog_is_worked_off_down_to_half_of_the_target(
    waits: float, load: float, latency_s: float
) -> None:
    """Arrivals that keep `load` tasks of 5 s busy; at that rate, the backlog takes `waits` x target to receive."""
    backlog = (0.0, waits * latency_s * load / 5.0)
    calm = known(backlog, load=load)
    before = required(calm, running=round(load), latency_s=latency_s, in_flight=round(load))
    after = required(replace(calm, standing=True), running=round(load), latency_s=latency_s, in_flight=round(load))
    drained = (0.5 + waits) * load
    assert after >= before
    if drained > round(load) + max(0.7, 0.05 * load):
        assert after >= drained - 1e-6
    if before < drained - 1e-6:
        assert after <= drained + 1e-6


def test_messages_that_are_due_soon_are_not_planned_for_much_later_with_a_long_target() -> None:
    """With a target of 15 minutes, 100 messages that are due in two minutes need tasks now."""
    assert required(known((780.0, 1000.0)), running=5, latency_s=900.0, in_flight=5) > 30
