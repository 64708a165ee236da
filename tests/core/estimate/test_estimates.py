"""The estimates, from the readings of a synthetic queue with known true values."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.estimate import Estimator
from autoscaler.core.knowledge import Knowledge
from autoscaler.core.model import Backlog, Deployment, Fleet, Flow, Missing, Observation, QueueReading
from autoscaler.core.policy import Policy, QueuePolicy

MINUTE_S, POLL_S = 60.0, 10.0


def policy(**changes: object) -> Policy:
    return replace(Policy("orders", 0, 100, queues=(QueuePolicy("q", 60.0),)), **changes)  # type: ignore[arg-type]


class SteadyQueue:
    """A queue with a steady load, polled every ten seconds. A minute's counts are available one minute after it."""

    def __init__(self, configured: Policy, *, tasks: int = 10) -> None:
        self.policy, self.tasks, self.now, self.desired = configured, tasks, 0.0, tasks
        self.visible = 0.0
        self.deployment: Deployment | None = None
        self._pending: list[Flow] = []
        self.estimator = Estimator(configured, self.observed(0, 0), POLL_S)
        self.known = self.estimator.see(configured, self.observed(0, 0))

    def observed(self, held: int, waiting: int, flow: Flow | None = None) -> Observation:
        backlog = Backlog(round(self.visible), held, 0, self.now)
        if flow is not None:
            backlog = replace(backlog, deleted=flow.deleted, counted_at=flow.at)
        fleet = Fleet(self.desired, self.tasks, max(0, self.desired - self.tasks), self.now, self.deployment)
        return Observation(self.now, fleet, (QueueReading("q", backlog),), flow=flow)

    def minutes(
        self, count: int, *, held: int, deleted: int, received: int | None = None, growth: float = 0.0
    ) -> Knowledge:
        for _ in range(count):
            for _ in range(6):
                self.now += POLL_S
                self.visible = max(0.0, self.visible + growth / 6)
                flow = self._pending.pop(0) if self._pending and self.now >= self._pending[0].at + MINUTE_S else None
                self.known = self.estimator.see(self.policy, self.observed(held, 0, flow))
            receives = deleted if received is None else received
            self._pending.append(Flow(receives, deleted, self.tasks, self.now, int(self.visible)))
        return self.known


def test_a_tenfold_wrong_prior_is_corrected_to_10_percent_in_ten_minutes() -> None:
    for wrong_s in (0.5, 50.0):
        known = SteadyQueue(policy(processing_time_s=wrong_s)).minutes(10, held=5, deleted=60)
        assert known.processing_s.value == pytest.approx(5.0, rel=0.1)
        assert known.processing_s.confidence > 0.9


def test_with_learn_false_the_configured_time_does_not_change() -> None:
    known = SteadyQueue(policy(processing_time_s=50.0, learn=False)).minutes(10, held=5, deleted=60)
    assert (known.processing_s.value, known.slow_s, known.is_learning) == (50.0, 50.0, False)


def test_a_release_that_is_twice_as_slow_is_learned_within_five_minutes() -> None:
    steady = SteadyQueue(policy())
    steady.minutes(30, held=5, deleted=60)
    known = steady.minutes(5, held=10, deleted=60)
    assert known.slow_s == pytest.approx(10.0, rel=0.25)
    assert known.processing_s.value == pytest.approx(10.0, rel=0.1)


def test_failed_processing_does_not_change_the_processing_time() -> None:
    steady = SteadyQueue(policy())
    steady.minutes(30, held=5, deleted=60)
    known = steady.minutes(20, held=10, deleted=0, received=60)
    assert known.slow_s == pytest.approx(5.0, rel=0.2)


def test_failed_processing_of_few_long_jobs_hardly_changes_the_processing_time() -> None:
    """Four deletes a minute are expected. Two minutes without any can be random; from the third on they are not."""
    steady = SteadyQueue(policy(), tasks=20)
    steady.minutes(60, held=20, deleted=4)
    before = steady.known.processing_s.value
    known = steady.minutes(40, held=20, deleted=0, received=4)
    assert known.processing_s.value == pytest.approx(before, rel=0.1)
    assert known.processing_s.value == pytest.approx(300, rel=0.15)


def test_workers_that_hang_increase_the_processing_time_within_a_limit() -> None:
    """Nothing is received either: long jobs, or a hang. Each minute has the weight of a few messages."""
    steady = SteadyQueue(policy())
    steady.minutes(30, held=5, deleted=60)
    assert 5.0 < steady.minutes(4, held=10, deleted=0, received=0).slow_s < 20.0


def test_the_concurrency_of_prefetching_workers_is_learned_while_messages_wait() -> None:
    """Each of two tasks holds eleven messages and processes one every five seconds."""
    steady = SteadyQueue(policy(), tasks=2)
    steady.visible = 500.0
    steady.minutes(3, held=22, deleted=24)
    steady.tasks = steady.desired = 3
    steady.minutes(3, held=33, deleted=36)
    steady.tasks = steady.desired = 2
    known = steady.minutes(40, held=22, deleted=24)
    assert known.concurrency.value == 11
    assert known.concurrency.value / known.processing_s.value == pytest.approx(1 / 5, rel=0.1)


@pytest.mark.parametrize("others", [20, 200])
def test_messages_at_other_consumers_do_not_count_as_slots(others: int) -> None:
    """A second consumer, or dead workers: their messages do not vary with the number of tasks."""
    steady = SteadyQueue(policy(), tasks=2)
    steady.visible = 500.0
    assert steady.minutes(10, held=2 + others, deleted=24).concurrency.value == 1
    steady.tasks = steady.desired = 4
    assert steady.minutes(10, held=4 + others, deleted=48).concurrency.value == 1


def test_deletes_by_other_consumers_without_running_tasks_are_not_learned() -> None:
    steady = SteadyQueue(policy(processing_time_s=10.0), tasks=0)
    steady.visible = 500.0
    known = steady.minutes(15, held=20, deleted=600)
    assert known.processing_s.value == 10.0


def test_deletes_without_messages_in_flight_give_a_valid_processing_time() -> None:
    steady = SteadyQueue(policy())
    steady.visible = 500.0
    assert steady.minutes(20, held=0, deleted=60).slow_s > 0


@pytest.mark.parametrize("seen_every", [2, 3, 1000])
def test_missing_counts_do_not_shorten_the_processing_time(seen_every: int) -> None:
    """20 tasks, 10 s each. For six minutes SQS counts are missing, and CloudWatch counts are available."""
    steady = SteadyQueue(policy(), tasks=20)
    steady.minutes(20, held=20, deleted=120)
    for poll in range(36):
        steady.now += POLL_S
        flow = Flow(120, 120, 20, steady.now - 60, 0) if poll % 6 == 5 else None
        seen = steady.observed(20, 0, flow)
        if poll % seen_every:
            seen = replace(seen, queues=(QueueReading("q", Missing("throttled", "throttled")),))
        steady.known = steady.estimator.see(steady.policy, seen)
    assert steady.known.processing_s.value == pytest.approx(10.0, rel=0.1)


def test_a_start_that_waited_for_capacity_is_not_learned() -> None:
    """Ten tasks run after an hour: the start-up time stays at the assumed value."""
    steady = SteadyQueue(policy(), tasks=0)
    steady.desired = 10
    steady.minutes(60, held=0, deleted=0)
    steady.tasks = 10
    assert steady.minutes(1, held=0, deleted=0).start_s.value == 50.0


@pytest.mark.parametrize("odd", [float("nan"), -5, 2**60, float("inf")])
def test_impossible_counts_are_missing(odd: float) -> None:
    steady = SteadyQueue(policy())
    steady.minutes(5, held=5, deleted=60)
    seen = steady.observed(5, 0)
    for counts in (Backlog(odd, 5, 0, steady.now), Backlog(5, odd, 0, steady.now)):  # type: ignore[arg-type]
        known = steady.estimator.see(steady.policy, replace(seen, queues=(QueueReading("q", counts),)))
        assert known.queues == ()
        assert known.load >= 0


def test_arrivals_are_the_growth_of_the_backlog_plus_the_deletes() -> None:
    known = SteadyQueue(policy()).minutes(10, held=5, deleted=60, growth=30.0)
    assert known.rate_per_s.value == pytest.approx(1.5, rel=0.1)
    assert known.load == pytest.approx(1.5 * 5, rel=0.15)


def test_the_waiting_messages_by_age_add_up_to_the_backlog() -> None:
    known = SteadyQueue(policy()).minutes(10, held=5, deleted=60, growth=30.0)
    [queue] = known.queues
    assert sum(messages for _, messages in queue.waiting) == pytest.approx(300)
    assert [age_s for age_s, _ in queue.waiting] == sorted(age_s for age_s, _ in queue.waiting)
    assert queue.waiting[-1].seconds == pytest.approx(300 / 1.5, abs=20), (
        "the oldest age: 300 messages at 1.5 messages/s"
    )


def test_the_backlog_at_the_start_has_the_age_that_cloudwatch_reports() -> None:
    backlog = Backlog(40, 0, 0, 0.0, oldest_age_s=500.0)
    seen = Observation(0.0, Fleet(1, 1, 0, 0.0), (QueueReading("q", backlog),))
    known = Estimator(policy(), seen, POLL_S).see(policy(), seen)
    assert known.queues[0].waiting == ((500.0, 40.0),)


def test_the_start_up_time_is_learned_from_requested_and_running_tasks() -> None:
    steady = SteadyQueue(policy())
    for _ in range(30):
        steady.minutes(1, held=5, deleted=60)
        steady.desired += 1
        steady.minutes(2, held=5, deleted=60)
        assert steady.known.starting[0].tasks == 1
        steady.tasks += 1
    known = steady.minutes(1, held=5, deleted=60)
    assert known.start_s.value == pytest.approx(120, rel=0.2)
    assert known.start_late_s >= known.start_s.value
    assert known.starting == ()


def test_task_starts_of_a_deployment_are_not_learned() -> None:
    steady = SteadyQueue(policy())
    steady.deployment = Deployment(0.0)
    steady.minutes(1, held=5, deleted=60)
    steady.desired += 5
    steady.minutes(5, held=5, deleted=60)
    steady.tasks += 5
    assert steady.minutes(1, held=5, deleted=60).start_s.weight == 0


def test_an_unread_queue_has_no_estimates_and_returns_without_a_burst() -> None:
    steady = SteadyQueue(policy())
    steady.minutes(10, held=5, deleted=60)
    steady.now += 60
    unread = replace(steady.observed(5, 0), queues=(QueueReading("q", Missing("SQS does not answer")),))
    assert steady.estimator.see(steady.policy, unread).queues == ()
    assert steady.minutes(1, held=5, deleted=60).rate_per_s.value == pytest.approx(1.0, abs=0.2)


def test_messages_that_disappear_without_running_tasks_were_not_received_or_late() -> None:
    steady = SteadyQueue(policy(), tasks=0)
    steady.visible = 200.0
    steady.minutes(3, held=0, deleted=0)
    steady.visible, steady.now = 0.0, steady.now + POLL_S
    known = steady.estimator.see(steady.policy, steady.observed(0, 0))
    assert (known.received, known.late) == (0.0, 0.0)


def test_messages_that_disappear_with_a_running_task_were_received() -> None:
    steady = SteadyQueue(policy(), tasks=1)
    steady.visible = 200.0
    steady.minutes(3, held=1, deleted=0)
    steady.visible, steady.now = 150.0, steady.now + POLL_S
    known = steady.estimator.see(steady.policy, steady.observed(1, 0))
    assert known.received >= 50
    assert known.late > 0
