"""What is learned of the work: from readings of a made world whose truth is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.estimate import Estimator
from autoscaler.core.knowledge import Knowledge
from autoscaler.core.model import Backlog, Deployment, Fleet, Flow, Missing, Observation, QueueReading
from autoscaler.core.policy import Policy, QueuePolicy

MINUTE_S, TICK_S = 60.0, 10.0


def policy(**changes: object) -> Policy:
    return replace(Policy("orders", 0, 100, queues=(QueuePolicy("q", 60.0),)), **changes)  # type: ignore[arg-type]


class Made:
    """A queue with a steady load, seen every ten seconds; each minute's counts are known one minute after its end."""

    def __init__(self, wanted: Policy, *, tasks: int = 10) -> None:
        self.policy, self.tasks, self.now, self.asked = wanted, tasks, 0.0, tasks
        self.visible = 0.0
        self.deployment: Deployment | None = None
        self._told: list[Flow] = []
        self.estimator = Estimator(wanted, self.observed(0, 0), TICK_S)
        self.known = self.estimator.see(wanted, self.observed(0, 0))

    def observed(self, held: int, waiting: int, flow: Flow | None = None) -> Observation:
        backlog = Backlog(round(self.visible), held, 0, self.now)
        if flow is not None:
            backlog = replace(backlog, deleted=flow.deleted, counted_at=flow.at)
        fleet = Fleet(self.asked, self.tasks, max(0, self.asked - self.tasks), self.now, self.deployment)
        return Observation(self.now, fleet, (QueueReading("q", backlog),), flow=flow)

    def minutes(
        self, count: int, *, held: int, deleted: int, received: int | None = None, growth: float = 0.0
    ) -> Knowledge:
        for _ in range(count):
            for _ in range(6):
                self.now += TICK_S
                self.visible = max(0.0, self.visible + growth / 6)
                flow = self._told.pop(0) if self._told and self.now >= self._told[0].at + MINUTE_S else None
                self.known = self.estimator.see(self.policy, self.observed(held, 0, flow))
            taken = deleted if received is None else received
            self._told.append(Flow(taken, deleted, self.tasks, self.now, int(self.visible)))
        return self.known


def test_a_prior_that_is_ten_times_wrong_is_learned_within_a_tenth_in_ten_minutes() -> None:
    for wrong_s in (0.5, 50.0):
        known = Made(policy(processing_time_s=wrong_s)).minutes(10, held=5, deleted=60)
        assert known.processing_s.value == pytest.approx(5.0, rel=0.1)
        assert known.processing_s.confidence > 0.9


def test_what_is_said_to_be_fixed_is_not_learned() -> None:
    known = Made(policy(processing_time_s=50.0, learn=False)).minutes(10, held=5, deleted=60)
    assert (known.processing_s.value, known.slow_s, known.is_learning) == (50.0, 50.0, False)


def test_a_release_that_is_twice_as_slow_is_followed_within_five_minutes() -> None:
    made = Made(policy())
    made.minutes(30, held=5, deleted=60)
    known = made.minutes(5, held=10, deleted=60)
    assert known.slow_s == pytest.approx(10.0, rel=0.25)
    assert known.processing_s.value == pytest.approx(10.0, rel=0.1)


def test_a_broken_database_teaches_nothing_of_processing_times() -> None:
    made = Made(policy())
    made.minutes(30, held=5, deleted=60)
    known = made.minutes(20, held=10, deleted=0, received=60)
    assert known.slow_s == pytest.approx(5.0, rel=0.2)


def test_a_broken_database_behind_few_and_long_jobs_teaches_next_to_nothing() -> None:
    """Four messages a minute should have been deleted. Two such minutes may be chance; from the third on it is not."""
    made = Made(policy(), tasks=20)
    made.minutes(60, held=20, deleted=4)
    before = made.known.processing_s.value
    known = made.minutes(40, held=20, deleted=0, received=4)
    assert known.processing_s.value == pytest.approx(before, rel=0.1)
    assert known.processing_s.value == pytest.approx(300, rel=0.15)


def test_workers_that_hang_make_processing_times_longer_and_not_boundless() -> None:
    """Nothing is received either: long jobs, or a hang. Each minute counts as little as a few messages."""
    made = Made(policy())
    made.minutes(30, held=5, deleted=60)
    assert 5.0 < made.minutes(4, held=10, deleted=0, received=0).slow_s < 20.0


def test_prefetching_workers_are_measured_where_messages_wait() -> None:
    """Eleven messages in the hands of each of two tasks that do one in five seconds."""
    made = Made(policy(), tasks=2)
    made.visible = 500.0
    made.minutes(3, held=22, deleted=24)
    made.tasks = made.asked = 3
    made.minutes(3, held=33, deleted=36)
    made.tasks = made.asked = 2
    known = made.minutes(40, held=22, deleted=24)
    assert known.concurrency.value == 11
    assert known.concurrency.value / known.processing_s.value == pytest.approx(1 / 5, rel=0.1)


@pytest.mark.parametrize("foreign", [20, 200])
def test_what_others_hold_is_not_taken_for_slots_of_ours(foreign: int) -> None:
    """A second consumer, or workers that died: it does not follow the number of our tasks."""
    made = Made(policy(), tasks=2)
    made.visible = 500.0
    assert made.minutes(10, held=2 + foreign, deleted=24).concurrency.value == 1
    made.tasks = made.asked = 4
    assert made.minutes(10, held=4 + foreign, deleted=48).concurrency.value == 1


def test_what_others_delete_while_no_task_of_ours_runs_teaches_nothing() -> None:
    made = Made(policy(processing_time_s=10.0), tasks=0)
    made.visible = 500.0
    known = made.minutes(15, held=20, deleted=600)
    assert known.processing_s.value == 10.0


def test_messages_that_are_deleted_while_none_is_seen_in_flight_break_nothing() -> None:
    made = Made(policy())
    made.visible = 500.0
    assert made.minutes(20, held=0, deleted=60).slow_s > 0


@pytest.mark.parametrize("seen_every", [2, 3, 1000])
def test_a_queue_that_cannot_be_read_for_a_while_makes_nobody_faster(seen_every: int) -> None:
    """20 tasks, 10 s each; for six minutes the counts are missing, and CloudWatch goes on."""
    made = Made(policy(), tasks=20)
    made.minutes(20, held=20, deleted=120)
    for tick in range(36):
        made.now += TICK_S
        flow = Flow(120, 120, 20, made.now - 60, 0) if tick % 6 == 5 else None
        seen = made.observed(20, 0, flow)
        if tick % seen_every:
            seen = replace(seen, queues=(QueueReading("q", Missing("throttled", "throttled")),))
        made.known = made.estimator.see(made.policy, seen)
    assert made.known.processing_s.value == pytest.approx(10.0, rel=0.1)


def test_a_start_that_waited_for_capacity_is_none() -> None:
    """Ten tasks that came up after an hour: a start takes as long as was assumed before."""
    made = Made(policy(), tasks=0)
    made.asked = 10
    made.minutes(60, held=0, deleted=0)
    made.tasks = 10
    assert made.minutes(1, held=0, deleted=0).start_s.value == 50.0


@pytest.mark.parametrize("odd", [float("nan"), -5, 2**60, float("inf")])
def test_counts_that_cannot_be_are_as_good_as_missing(odd: float) -> None:
    made = Made(policy())
    made.minutes(5, held=5, deleted=60)
    seen = made.observed(5, 0)
    for counts in (Backlog(odd, 5, 0, made.now), Backlog(5, odd, 0, made.now)):  # type: ignore[arg-type]
        known = made.estimator.see(made.policy, replace(seen, queues=(QueueReading("q", counts),)))
        assert known.queues == ()
        assert known.load >= 0


def test_arrivals_are_what_is_more_and_what_was_done_meanwhile() -> None:
    known = Made(policy()).minutes(10, held=5, deleted=60, growth=30.0)
    assert known.rate_per_s.value == pytest.approx(1.5, rel=0.1)
    assert known.load == pytest.approx(1.5 * 5, rel=0.15)


def test_the_ages_of_what_waits_add_up_to_what_waits() -> None:
    known = Made(policy()).minutes(10, held=5, deleted=60, growth=30.0)
    [queue] = known.queues
    assert sum(messages for _, messages in queue.waiting) == pytest.approx(300)
    assert [age_s for age_s, _ in queue.waiting] == sorted(age_s for age_s, _ in queue.waiting)
    assert queue.waiting[-1].seconds == pytest.approx(300 / 1.5, abs=20), "the oldest: as long as it took to come"


def test_what_waited_at_the_start_is_as_old_as_cloudwatch_says() -> None:
    backlog = Backlog(40, 0, 0, 0.0, oldest_age_s=500.0)
    seen = Observation(0.0, Fleet(1, 1, 0, 0.0), (QueueReading("q", backlog),))
    known = Estimator(policy(), seen, TICK_S).see(policy(), seen)
    assert known.queues[0].waiting == ((500.0, 40.0),)


def test_a_start_up_is_learned_from_what_was_asked_for_and_came_up() -> None:
    made = Made(policy())
    for _ in range(30):
        made.minutes(1, held=5, deleted=60)
        made.asked += 1
        made.minutes(2, held=5, deleted=60)
        assert made.known.starting[0].tasks == 1
        made.tasks += 1
    known = made.minutes(1, held=5, deleted=60)
    assert known.start_s.value == pytest.approx(120, rel=0.2)
    assert known.start_late_s >= known.start_s.value
    assert known.starting == ()


def test_what_a_deployment_starts_says_nothing_of_start_ups() -> None:
    made = Made(policy())
    made.deployment = Deployment(0.0)
    made.minutes(1, held=5, deleted=60)
    made.asked += 5
    made.minutes(5, held=5, deleted=60)
    made.tasks += 5
    assert made.minutes(1, held=5, deleted=60).start_s.weight == 0


def test_an_unread_queue_is_not_known_of_and_comes_back_without_a_burst() -> None:
    made = Made(policy())
    made.minutes(10, held=5, deleted=60)
    made.now += 60
    blind = replace(made.observed(5, 0), queues=(QueueReading("q", Missing("SQS does not answer")),))
    assert made.estimator.see(made.policy, blind).queues == ()
    assert made.minutes(1, held=5, deleted=60).rate_per_s.value == pytest.approx(1.0, abs=0.2)


def test_what_is_purged_where_nobody_works_was_neither_received_nor_late() -> None:
    made = Made(policy(), tasks=0)
    made.visible = 200.0
    made.minutes(3, held=0, deleted=0)
    made.visible, made.now = 0.0, made.now + TICK_S
    known = made.estimator.see(made.policy, made.observed(0, 0))
    assert (known.received, known.late) == (0.0, 0.0)


def test_what_goes_while_somebody_works_was_received() -> None:
    made = Made(policy(), tasks=1)
    made.visible = 200.0
    made.minutes(3, held=1, deleted=0)
    made.visible, made.now = 150.0, made.now + TICK_S
    known = made.estimator.see(made.policy, made.observed(1, 0))
    assert known.received >= 50
    assert known.late > 0
