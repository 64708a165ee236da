"""The closed loop: an estimate that the deletions contradict is replaced, and tasks that do not help are not added."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate import Estimator
from autoscaler.core.estimate.holding import REMAINING_RATIO, STALE_S, Holding
from autoscaler.core.knowledge import Knowledge, Regime
from autoscaler.core.model import Backlog, Fleet, Flow, Observation, QueueReading
from autoscaler.core.policy import Policy, QueuePolicy

MINUTE_S, POLL_S = 60.0, 10.0


def policy(**changes: object) -> Policy:
    return replace(Policy("orders", 0, 5000, queues=(QueuePolicy("q", 60.0),)), **changes)  # type: ignore[arg-type]


class PolledService:
    """A service polled every ten seconds. A minute's deletions can be read one minute after it."""

    def __init__(self, configured: Policy, tasks: int = 10) -> None:
        self.policy, self.now, self.tasks = configured, 0.0, tasks
        self._pending: list[Flow] = []
        self.estimator = Estimator(configured, self._observation(0, 0, None), POLL_S)

    def _observation(self, visible: int, in_flight: int, flow: Flow | None) -> Observation:
        backlog = Backlog(visible, in_flight, 0, self.now)
        fleet = Fleet(self.tasks, self.tasks, 0, self.now)
        return Observation(self.now, fleet, (QueueReading("q", backlog),), flow=flow)

    def minutes(self, count: int, *, visible: int, in_flight: int, deleted: int, drift: int = 1) -> Knowledge:
        """Return the knowledge after this number of minutes. `drift`: the visible messages alternate by this number."""
        for _ in range(count):
            for poll in range(6):
                self.now += POLL_S
                due = bool(self._pending) and self.now >= self._pending[0].at + MINUTE_S
                flow = self._pending.pop(0) if due else None
                seen = self._observation(visible + drift * (poll % 2) * bool(visible), in_flight, flow)
                known = self.estimator.see(self.policy, seen)
            self._pending.append(Flow(deleted, deleted, self.tasks, self.now, visible))
        return known


def test_if_workers_delete_messages_first_their_throughput_is_learned_from_minutes_with_a_backlog() -> None:
    """Ten tasks delete 60 messages a minute and none is ever in flight: 10 x 60 / 60 = 10 s each."""
    known = PolledService(policy()).minutes(6, visible=500, in_flight=0, deleted=60)
    assert known.regime is Regime.EARLY_ACK
    assert known.slow_s == pytest.approx(10.0, rel=0.1)


@given(deleted=st.integers(1, 4), tasks=st.integers(1, 30))
def test_long_jobs_that_are_deleted_first_are_recognized_from_several_minutes(deleted: int, tasks: int) -> None:
    """Fewer than five deletions a minute. Nothing is learned from the first minutes, above all no time of zero."""
    worked = PolledService(policy(), tasks)
    first = worked.minutes(2, visible=500, in_flight=0, deleted=deleted)
    assert first.slow_s == pytest.approx(12.0), "as assumed"
    known = worked.minutes(28, visible=500, in_flight=0, deleted=deleted)
    assert known.regime is Regime.EARLY_ACK
    assert known.slow_s == pytest.approx(60.0 * tasks / deleted, rel=0.2)


def test_few_messages_in_flight_are_no_early_ack_if_few_are_deleted() -> None:
    """One FIFO message group: one of ten tasks works, and a job takes 20 s."""
    known = PolledService(policy()).minutes(30, visible=500, in_flight=1, deleted=3)
    assert known.regime is Regime.SATURATED
    assert known.slow_s == pytest.approx(20.0, rel=0.1)


def test_if_workers_delete_messages_first_a_configured_time_stays_while_no_message_waits() -> None:
    worked = PolledService(policy(processing_time_s=10.0))
    worked.minutes(5, visible=500, in_flight=0, deleted=60)
    known = worked.minutes(60, visible=0, in_flight=0, deleted=30)
    assert known.slow_s == pytest.approx(10.0, rel=0.1)


def test_a_wrong_time_of_a_millisecond_is_discarded_after_one_minute_with_a_backlog() -> None:
    worked = PolledService(policy())
    assert worked.minutes(30, visible=0, in_flight=0, deleted=60).slow_s < 1.0
    assert worked.minutes(3, visible=500, in_flight=0, deleted=60).slow_s == pytest.approx(10.0, rel=0.2)


def test_workers_that_hold_their_messages_have_no_early_ack() -> None:
    known = PolledService(policy()).minutes(10, visible=500, in_flight=10, deleted=60)
    assert known.regime is Regime.SATURATED
    assert known.slow_s == pytest.approx(10.0, rel=0.1)


def test_more_messages_in_flight_than_slots_without_a_backlog_give_only_an_upper_bound() -> None:
    known = PolledService(policy()).minutes(5, visible=0, in_flight=30, deleted=60)
    assert known.regime is Regime.UNIDENTIFIABLE
    assert known.slow_s <= 10.0 * 1.05, "10 tasks x 60 s / 60 messages"


def test_a_corrected_number_of_slots_does_not_change_the_learned_throughput_of_a_task() -> None:
    """Each task holds four messages and completes one each second; one slot was assumed."""
    worked = PolledService(policy(), tasks=10)
    worked.minutes(3, visible=900, in_flight=40, deleted=600)
    for _ in range(40):
        known = worked.minutes(1, visible=900, in_flight=40, deleted=600)
        assert known.slow_s / known.concurrency.value == pytest.approx(1.0, rel=0.15)


def test_without_count_in_flight_only_minutes_with_a_backlog_are_learned_from() -> None:
    """500 stuck messages are in flight all day; ten tasks complete 60 a minute."""
    worked = PolledService(policy(count_in_flight=False))
    before = worked.minutes(10, visible=0, in_flight=500, deleted=60).slow_s
    assert before == pytest.approx(12.0), "as assumed"
    assert worked.minutes(5, visible=400, in_flight=510, deleted=60).slow_s == pytest.approx(10.0, rel=0.1)


def test_counted_delayed_messages_wait() -> None:
    def waiting(configured: Policy) -> float:
        estimator = Estimator(configured, observed(0.0), POLL_S)
        return sum(messages for _, messages in estimator.see(configured, observed(10.0)).queues[0].waiting)

    def observed(now: float) -> Observation:
        return Observation(now, Fleet(0, 0, 0, now), (QueueReading("q", Backlog(0, 0, 60, now)),))

    assert waiting(policy(count_delayed=True)) == 60
    assert waiting(policy()) == 0


def test_a_corrected_number_of_slots_is_no_change_of_the_number_of_tasks() -> None:
    """Each task holds eleven messages and deletes twelve a minute: the learned slots grow, the tasks hardly change."""
    worked = PolledService(policy())
    for minute in range(60):
        worked.tasks = 12 + minute % 6
        known = worked.minutes(1, visible=900, in_flight=11 * worked.tasks, deleted=12 * worked.tasks)
        assert known.bottleneck is None
    assert known.concurrency.value > 5


# Messages that take much longer than any before.


def held_for(seconds: int, *, completions: float = 6.0, full: bool = True, level: int = 100) -> Holding:
    holding = Holding()
    holding.see(level, completions, POLL_S, 0.0, full=full)
    for poll in range(1, int(seconds / POLL_S) + 1):
        holding.see(level, completions, POLL_S, poll * POLL_S, full=full)
    return holding


def test_messages_that_do_not_move_are_expected_to_take_twice_as_long_as_they_were_held() -> None:
    assert held_for(40).expected_s == 0.0
    assert held_for(60).expected_s == REMAINING_RATIO * 60
    assert held_for(200).expected_s == REMAINING_RATIO * 200


def test_counts_are_no_evidence_while_they_may_be_stale() -> None:
    assert held_for(int(STALE_S) - 5, completions=1e6).expected_s == 0.0


@pytest.mark.parametrize("more", [{"full": False}, {"completions": 1.0}])
def test_idle_slots_and_long_known_times_are_no_evidence(more: dict[str, float]) -> None:
    assert held_for(600, **more).expected_s == 0.0  # type: ignore[arg-type]


def test_a_change_before_the_evidence_is_complete_starts_again() -> None:
    holding = held_for(40)
    holding.see(101, 6.0, POLL_S, 50.0, full=True)
    holding.see(101, 6.0, POLL_S, 60.0, full=True)
    assert holding.expected_s == 0.0


def test_the_expected_time_stays_when_the_first_message_completes_and_ends_with_the_backlog() -> None:
    holding = held_for(300)
    holding.see(99, 6.0, POLL_S, 310.0, full=True)
    assert holding.expected_s == REMAINING_RATIO * 300
    holding.see(3, 6.0, POLL_S, 320.0, full=False)
    assert holding.expected_s == 0.0


def test_deletions_during_unchanged_counts_show_regular_arrivals_for_an_hour() -> None:
    holding = held_for(200)
    holding.check(60.0, 36, 36.0, 200.0)
    assert holding.expected_s == 0.0
    for poll in range(100):
        holding.see(100, 6.0, POLL_S, 210.0 + poll * POLL_S, full=True)
    assert holding.expected_s == 0.0


def test_deletions_before_the_counts_stopped_to_change_show_nothing() -> None:
    holding = held_for(200)
    holding.check(-60.0, 36, 36.0, 200.0)
    assert holding.expected_s == REMAINING_RATIO * 200


def test_nothing_arrives_and_nothing_completes_while_the_counts_do_not_change() -> None:
    """Three tasks, 5 s a message so far, now 97 messages that do not move: no phantom arrivals."""
    worked = PolledService(policy(), tasks=3)
    worked.minutes(10, visible=30, in_flight=3, deleted=36)
    known = worked.minutes(2, visible=97, in_flight=3, deleted=0, drift=0)
    assert known.regime is Regime.BATCH
    assert sum(messages for age_s, messages in known.queues[0].waiting if age_s < 60) < 20


@pytest.mark.parametrize(("readings", "expected_s"), [(5, 0.0), (6, 240.0)])
def test_six_unchanged_readings_are_enough_at_two_expected_completions(readings: int, expected_s: float) -> None:
    """Each has a probability of 1 / sqrt(8 pi) = 0.2; six together 0.00006, five 0.0003."""
    holding = Holding()
    holding.see(100, 2.0, 20.0, 0.0, full=True)
    for reading in range(1, readings + 1):
        holding.see(100, 2.0, 20.0, reading * 20.0, full=True)
    assert holding.expected_s == expected_s


def moved(changes: list[int], still: int, completions: float = 20.0) -> Holding:
    """Return what is known after readings with these changes of the count, and then `still` readings without one."""
    holding, level = Holding(), 10_000
    for reading, change in enumerate([0, *changes, *[0] * still]):
        level += change
        holding.see(level, completions, POLL_S, reading * POLL_S, full=True)
    return holding


@given(st.integers(1, 9), st.integers(30, 60))
def test_a_timer_and_constant_times_give_counts_that_stay_unchanged(step: int, readings: int) -> None:
    """As many messages arrive and complete at each reading: the counts rise by the same number, and then stay."""
    steady = moved([step] * readings, still=6)
    assert steady.expected_s == 0.0
    assert not steady.is_still


@given(st.lists(st.sampled_from([-9, -6, -4, -2, 1, 3, 5, 8]), min_size=15, max_size=60))
def test_counts_that_scattered_and_then_stay_unchanged_show_that_messages_are_held(changes: list[int]) -> None:
    """Twenty independent arrivals and completions per reading scatter by 6."""
    scattered = [sign * abs(change) for sign, change in zip([1, -1] * 30, changes, strict=False)]
    assert moved(scattered, still=6).expected_s == REMAINING_RATIO * 60
    assert moved(scattered, still=6).is_still


def test_a_minute_without_a_deletion_shows_that_messages_of_a_timer_are_held() -> None:
    steady = moved([5] * 30, still=12)
    assert steady.expected_s == 0.0
    steady.check(310.0, 0, 120.0, 430.0)
    steady.see(10_150, 20.0, POLL_S, 430.0, full=True)
    assert steady.expected_s == REMAINING_RATIO * 130


@pytest.mark.parametrize(("seconds", "is_held"), [(44, False), (45, True)])
def test_unchanged_counts_are_evidence_from_45_seconds_on(seconds: int, is_held: bool) -> None:
    holding = Holding()
    for at in range(seconds + 1):
        holding.see(100, 1e6, 1.0, float(at), full=True)
    assert (holding.expected_s > 0) == is_held


def test_three_unchanged_readings_are_still() -> None:
    holding = Holding()
    still = []
    for at in range(5):
        holding.see(100, 2.0, POLL_S, at * POLL_S, full=True)
        still.append(holding.is_still)
    assert still == [False, False, False, True, True]
    holding.see(101, 2.0, POLL_S, 50.0, full=True)
    assert not holding.is_still


@pytest.mark.parametrize(
    ("deleted", "completions", "stays"), [(17, 36.0, True), (18, 36.0, False), (0, 0.0, True), (1, 0.5, False)]
)
def test_half_of_the_expected_deletions_show_that_messages_complete(
    deleted: int, completions: float, stays: bool
) -> None:
    holding = held_for(200)
    holding.check(0.0, deleted, completions, 200.0)
    assert (holding.expected_s > 0) == stays
