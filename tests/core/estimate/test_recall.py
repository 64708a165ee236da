"""What the estimators learn from the hour before the daemon's start: the same as a daemon that ran, and no more."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate import Estimator
from autoscaler.core.estimate.throughput import ASSUMED_S
from autoscaler.core.knowledge import Knowledge, Regime
from autoscaler.core.latency import need
from autoscaler.core.model import Backlog, Fleet, Missing, Observation, PastCounts, PastMinute, QueueReading
from autoscaler.core.policy import Policy, QueuePolicy
from autoscaler.core.signals import Work

POLICY = Policy("orders", 0, 1000, queues=(QueuePolicy("q", 900.0),))
NOW = 10_000.0
NEWEST = NOW - 70.0


def hour(
    counts: Callable[[int], PastCounts], tasks: float | None = 10.0, samples: float | None = None
) -> list[PastMinute]:
    """Return sixty minutes, oldest first; `counts` is called with the number of the minute, 0 to 59."""
    return [PastMinute(NEWEST - 60.0 * (59 - n), tasks, samples, {"q": counts(n)}) for n in range(60)]


def observed(visible: int = 0, in_flight: int = 10, running: int = 10, **more: Backlog) -> Observation:
    counts = {"q": Backlog(visible, in_flight, 0, NOW)} | more
    readings = tuple(QueueReading(name, backlog) for name, backlog in counts.items())
    return Observation(NOW, Fleet(running, running, 0, NOW), readings)


def recalled(past: list[PastMinute], seen: Observation, policy: Policy = POLICY) -> Knowledge:
    estimator = Estimator(policy, seen, 10.0)
    estimator.recall(seen, past)
    return estimator.see(policy, seen)


def saturated(deleted: int, in_flight: int = 10) -> Callable[[int], PastCounts]:
    """The backlog grows by one message a minute: as many arrive as are deleted, and one more."""
    return lambda minute: PastCounts(1000 + minute, in_flight, deleted, deleted)


@pytest.mark.parametrize("service_s", [2.0, 5.0, 30.0, 120.0])
def test_deletions_per_task_in_minutes_with_a_backlog_give_the_processing_time(service_s: float) -> None:
    known = recalled(hour(saturated(round(600 / service_s))), observed(1060))
    assert known.processing_s.value == pytest.approx(service_s, rel=0.03)
    assert known.slow_s == pytest.approx(service_s, rel=0.03)
    assert known.processing_s.confidence > 0.9
    assert known.regime is Regime.SATURATED


def test_without_a_backlog_the_messages_in_flight_give_the_processing_time() -> None:
    known = recalled(hour(lambda _: PastCounts(0, 6, 72, 72)), observed(0, 6))
    assert known.processing_s.value == pytest.approx(5.0, rel=0.03)
    assert known.load == pytest.approx(6.0, rel=0.1)


def test_the_waiting_messages_have_the_ages_of_their_arrivals() -> None:
    """100 messages arrive a minute and 60 are deleted: of 2,000 that wait, the oldest came 20 minutes ago."""
    counts = hour(lambda minute: PastCounts(40 * minute, 10, 60, 60))
    known = recalled(counts, observed(40 * 60))
    [queue] = known.queues
    oldest_s = max(age_s for age_s, messages in queue.waiting if messages > 1)
    assert oldest_s == pytest.approx(24 * 60, abs=90)
    assert sum(messages for _, messages in queue.waiting) == pytest.approx(2400)
    younger = sum(messages for age_s, messages in queue.waiting if age_s < 600)
    assert younger == pytest.approx(1000, rel=0.15)


def test_without_a_task_count_the_throughput_of_a_task_stays_unknown() -> None:
    known = recalled(hour(saturated(120), tasks=None), observed(1060))
    assert known.processing_s.value == ASSUMED_S
    assert known.processing_s.weight == 0
    assert known.rate_per_s.value > 0.5


@pytest.mark.parametrize(
    ("samples", "running", "expected_s"), [(10.0, 10, 5.0), (30.0, 10, 5.0), (20.0, 10, ASSUMED_S)]
)
def test_cpu_samples_count_the_tasks_if_it_is_known_how_many_a_task_has(
    samples: float, running: int, expected_s: float
) -> None:
    known = recalled(hour(saturated(120), None, samples), observed(1060, running=running))
    assert known.processing_s.value == pytest.approx(expected_s, rel=0.03)


def test_a_single_cpu_sample_is_no_task_count() -> None:
    known = recalled(hour(saturated(12, 1), None, 1.0), observed(1060, 1, running=1))
    assert known.processing_s.weight == 0


def test_minutes_without_the_counts_or_sums_of_a_queue_show_nothing() -> None:
    for counts in (PastCounts(None, 10, 120, 120), PastCounts(1000, None, 120, 120), PastCounts(1000, 10, None, None)):
        known = recalled(hour(lambda _, counts=counts: counts), observed(1000))  # type: ignore[misc]
        assert known.processing_s.weight == 0, counts


def test_an_idle_second_queue_without_datapoints_is_empty_and_a_busy_one_unknown() -> None:
    policy = replace(POLICY, queues=(*POLICY.queues, QueuePolicy("idle", 900.0)))
    past = hour(saturated(120))
    idle = recalled(past, observed(1060, idle=Backlog(0, 0, 0, NOW)), policy)
    assert idle.processing_s.value == pytest.approx(5.0, rel=0.03)
    busy = recalled(past, observed(1060, idle=Backlog(7, 0, 0, NOW)), policy)
    assert busy.processing_s.weight == 0
    gone = replace(observed(1060), queues=(*observed(1060).queues, QueueReading("idle", Missing("denied"))))
    assert recalled(past, gone, policy).processing_s.weight == 0


def test_messages_deleted_on_receipt_in_a_backlog_give_the_time_of_a_slot() -> None:
    known = recalled(hour(saturated(60, in_flight=0)), observed(1060, 0))
    assert known.processing_s.value == pytest.approx(10.0, rel=0.03)
    assert known.regime is Regime.EARLY_ACK


def test_samples_without_a_message_in_flight_give_only_an_upper_bound() -> None:
    """Workers may delete on receipt, or messages may take milliseconds: without a backlog both give the same counts."""
    assert recalled(hour(lambda _: PastCounts(0, 0, 30, 30)), observed(0, 0)).processing_s.value == ASSUMED_S
    bounded = recalled(hour(lambda _: PastCounts(0, 0, 6000, 6000)), observed(0, 0)).processing_s.value
    assert bounded == pytest.approx(0.1, rel=0.1)


def test_two_counts_above_zero_are_no_backlog_if_more_messages_were_received_in_between() -> None:
    """Twenty tasks with two messages of 5 s each; one is visible at each sample, because the counts are late."""
    known = recalled(hour(lambda _: PastCounts(1, 2, 24, 24), tasks=20.0), observed(1, 2, 20))
    assert known.processing_s.value == pytest.approx(5.0, rel=0.1)
    assert known.regime is Regime.IDLE


def test_several_messages_per_task_are_learned_from_a_backlog_while_the_number_of_tasks_varies() -> None:
    """Ten messages of 5 s each at once: 120 deletions a minute and task."""
    tasks = [10.0 if minute // 10 % 2 else 20.0 for minute in range(60)]
    minutes = hour(lambda minute: PastCounts(9000, int(10 * tasks[minute]), *[int(120 * tasks[minute])] * 2))
    varied = [minute._replace(tasks=count) for minute, count in zip(minutes, tasks, strict=True)]
    known = recalled(varied, observed(9000, 100))
    assert known.concurrency.value == pytest.approx(10, abs=1)
    assert known.concurrency.value / known.processing_s.value == pytest.approx(2.0, rel=0.1)


def test_more_tasks_are_tried_if_messages_waited_long_and_it_is_unknown_whether_more_help() -> None:
    estimator = Estimator(POLICY, observed(9000), 10.0)
    estimator.recall(observed(9000), hour(saturated(120)))
    known = estimator.see(POLICY, observed(9000))
    assert known.trial == 25.0
    assert need(POLICY, known, Work(9000, 10, 9010, 10), 10, 10).load <= 25.0
    assert need(POLICY, known, Work(9000, 10, 9010, 10), 10, 40).load <= 40.0
    later = replace(observed(9000), now=NOW + 901.0)
    assert estimator.see(POLICY, later).trial is None


def test_no_trial_without_a_backlog_or_if_more_tasks_were_seen_to_help() -> None:
    assert recalled(hour(lambda _: PastCounts(0, 6, 72, 72)), observed(0, 6)).trial is None
    tasks = [10.0 if minute < 54 else 30.0 for minute in range(60)]
    minutes = hour(lambda minute: PastCounts(9000, int(tasks[minute]), *[int(120 * tasks[minute])] * 2))
    varied = [minute._replace(tasks=count) for minute, count in zip(minutes, tasks, strict=True)]
    assert recalled(varied, observed(9000, 30, 30)).trial is None


def test_a_bottleneck_of_the_last_hour_is_known() -> None:
    tasks = [10.0 if minute < 54 else 30.0 for minute in range(60)]
    minutes = hour(lambda minute: PastCounts(9000, int(tasks[minute]), 1200, 1200))
    varied = [minute._replace(tasks=count) for minute, count in zip(minutes, tasks, strict=True)]
    known = recalled(varied, observed(9000, 30, 30))
    assert known.bottleneck == pytest.approx(10.0, abs=1)
    assert known.trial is None


def test_an_empty_past_changes_nothing() -> None:
    fresh = Estimator(POLICY, observed(500), 10.0).see(POLICY, observed(500))
    assert recalled([], observed(500)) == fresh


COUNT = st.none() | st.integers(0, 10**6)
MINUTES = st.lists(
    st.builds(
        PastMinute,
        st.integers(0, 60).map(lambda minute: NEWEST - 60.0 * minute),
        st.none() | st.floats(0, 5000),
        st.none() | st.floats(0, 15000),
        st.dictionaries(st.sampled_from(["q", "other"]), st.builds(PastCounts, COUNT, COUNT, COUNT, COUNT)),
    ),
    max_size=60,
)


@given(MINUTES, st.integers(0, 5000), st.integers(0, 100))
def test_any_past_gives_finite_and_repeatable_estimates(past: list[PastMinute], visible: int, running: int) -> None:
    seen = observed(visible, running=running)
    known = recalled(past, seen)
    assert known == recalled(list(reversed(past)), seen) or len({minute.at for minute in past}) < len(past)
    assert 0 < known.processing_s.value < math.inf
    assert known.slow_s >= known.processing_s.value
    assert known.concurrency.value >= 1
    assert sum(messages for queue in known.queues for _, messages in queue.waiting) == pytest.approx(visible)
    assert all(age_s >= 0 for queue in known.queues for age_s, _ in queue.waiting)


@pytest.mark.parametrize(("deleted", "is_learned"), [(120, True), (40, False)])
def test_failed_messages_of_the_last_hour_are_no_concurrency(deleted: int, is_learned: bool) -> None:
    """Twelve messages in flight per task. If a third of the received ones is deleted, the others failed, and are in
    flight until their visibility timeout.
    """
    tasks = [10.0 + 5.0 * (minute // 5 % 2) for minute in range(60)]
    minutes = hour(lambda minute: PastCounts(9000, int(12 * tasks[minute]), 120, deleted))
    varied = [minute._replace(tasks=count) for minute, count in zip(minutes, tasks, strict=True)]
    known = recalled(varied, observed(9000, 180, 15))
    assert (known.concurrency.value > 5) == is_learned
