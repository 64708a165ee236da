"""What the estimators of one service make of a sequence of polls, in cases with a closed form; laws over random polls.

Unless stated, a message takes 5 s (configured, not learned), and ten tasks with one slot each are polled every 10 s.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate import Estimator
from autoscaler.core.estimate.foreseen import Foreseen
from autoscaler.core.knowledge import Knowledge, Regime
from autoscaler.core.model import Backlog, Fleet, Flow, Missing, Observation, QueueReading
from autoscaler.core.policy import Policy, QueuePolicy
from autoscaler.core.signals import MOST_MESSAGES

POLL_S = 10.0
Counts = dict[str, Backlog | Missing]


def policy(latency_s: float = 60.0, names: tuple[str, ...] = ("q",), **changes: Any) -> Policy:
    queues = tuple(QueuePolicy(name, latency_s) for name in names)
    plain = Policy("orders", 0, 5000, queues=queues, acceptable_latency_s=latency_s, processing_time_s=5.0, learn=False)
    return replace(plain, **changes)


class LearnedPolls:
    """The polls of a service with one queue."""

    def __init__(self, configured: Policy, visible: int = 0, in_flight: int = 0, *, tasks: int = 10) -> None:
        self.policy, self.tasks, self.now = configured, tasks, 0.0
        self.estimator = Estimator(configured, self.seen(visible, in_flight), POLL_S)
        self.known = self.see(visible, in_flight, after_s=0.0)

    def seen(self, visible: int, in_flight: int = 0, flow: Flow | None = None, **more: Any) -> Observation:
        backlog = replace(Backlog(visible, in_flight, 0, self.now), **more)
        fleet = Fleet(self.tasks, self.tasks, 0, self.now)
        return Observation(self.now, fleet, (QueueReading("q", backlog),), flow=flow)

    def see(
        self, visible: int, in_flight: int = 0, *, after_s: float = POLL_S, flow: Flow | None = None, **more: Any
    ) -> Knowledge:
        self.now += after_s
        self.known = self.estimator.see(self.policy, self.seen(visible, in_flight, flow, **more))
        return self.known

    def grow(self, *by: int, in_flight: int = 0, visible: int = 0) -> Knowledge:
        """Poll once for each number, by which the visible messages grow."""
        for more in by:
            visible += more
            self.see(visible, in_flight)
        return self.known


# Arrivals, load and what is expected.


def test_arrivals_are_the_growth_and_the_completions_of_the_messages_in_progress() -> None:
    """Five in flight complete ten messages in 10 s. One more is visible at each poll: 11 arrivals a poll."""
    known = LearnedPolls(policy(), 0, 5).grow(*[1] * 8, in_flight=5)
    assert known.rate_per_s.value == pytest.approx(1.1)
    assert known.rate_per_s.weight == pytest.approx(66.0)
    assert known.rate_per_s.age_s == 0.0
    assert known.load == known.lasting_load == pytest.approx(5.5)
    [queue] = known.queues
    assert [each.seconds for each in queue.coming] == [10, 20, 30, 40, 50, 60]
    assert [each.messages for each in queue.coming] == pytest.approx([11, 22, 33, 44, 55, 66])
    assert (known.interval_s, known.slow_s, known.regime, known.holding_s) == (10.0, 5.0, Regime.IDLE, 0.0)


def test_messages_in_flight_beyond_the_slots_are_in_progress_elsewhere() -> None:
    """30 in flight, ten slots: ten are in progress, and complete 20 in 10 s. One more is visible at each poll."""
    known = LearnedPolls(policy(), 5, 30).grow(*[1] * 8, in_flight=30, visible=5)
    assert known.rate_per_s.value == pytest.approx(2.1)


def test_the_mean_of_the_messages_in_progress_at_both_polls_completes() -> None:
    polls = LearnedPolls(policy(), 9, 2)
    polls.see(9, 6)
    assert polls.known.rate_per_s.weight == pytest.approx(4 + 4 * 10 / 5)


@pytest.mark.parametrize(
    ("processing_s", "slots", "within_s"),
    [(5.0, 1, 60), (20.0, 1, 60), (50.0, 1, 150), (50.0, 2, 150), (300.0, 1, 400)],
)
def test_the_load_is_that_of_a_minute_or_three_processing_times(processing_s: float, slots: int, within_s: int) -> None:
    """37 polls: 4 arrivals each, in the last 3 one each. Nothing is in flight. 900 s would be ten minutes: 600 s."""
    configured = policy(processing_time_s=processing_s, task_concurrency=slots)
    known = LearnedPolls(configured).grow(*[4] * 37, *[1] * 3)
    arrived = 3 + 4 * (within_s // 10 - 3)
    span_s = max(60.0, min(600.0, 3 * processing_s))
    assert known.load == pytest.approx(arrived / span_s * processing_s / slots)


@pytest.mark.parametrize(("latency_s", "within_s"), [(60.0, 60), (180.0, 60), (300.0, 100), (900.0, 300)])
def test_the_lasting_load_is_that_of_a_third_of_the_latency(latency_s: float, within_s: int) -> None:
    known = LearnedPolls(policy(latency_s)).grow(*[4] * 37, *[1] * 3)
    assert known.lasting_load == pytest.approx((3 + 4 * (within_s / 10 - 3)) / within_s * 5)


@pytest.mark.parametrize("processing_s", [5.0, 50.0])
def test_without_arrivals_there_is_no_load(processing_s: float) -> None:
    known = LearnedPolls(policy(900.0, processing_time_s=processing_s)).grow(*[0] * 40)
    assert (known.load, known.lasting_load, known.rate_per_s.value) == (0.0, 0.0, 0.0)


def test_the_forecast_is_expected_and_what_exceeded_it_before() -> None:
    polls = LearnedPolls(policy())
    polls.grow(*[4] * 8)
    some, none = (1.0, 9.0, 9.0, 9.0, 80.0, 90.0), (0.0,) * 6
    known = polls.estimator.see(polls.policy, polls.seen(32), {"q": Foreseen(some, none)})
    assert [each.messages for each in known.queues[0].coming] == pytest.approx([5, 17, 21, 25, 100, 114])
    known = polls.estimator.see(polls.policy, polls.seen(32), {"q": Foreseen(some, (4.0, 8.0, 10.0, 11.0, 99.0, 99.0))})
    assert [each.messages for each in known.queues[0].coming] == pytest.approx([1, 9, 11, 14, 80, 90])
    assert known.foreseen == 90
    other = polls.estimator.see(polls.policy, polls.seen(32), {"other": Foreseen(some, none)})
    assert [each.messages for each in other.queues[0].coming] == pytest.approx([4, 8, 12, 16, 20, 24])
    assert other.foreseen == 0


def test_messages_arrive_if_the_count_rose_or_the_look_ahead_expects_some() -> None:
    polls = LearnedPolls(policy())
    assert not polls.known.arriving
    assert polls.see(1).arriving
    assert [polls.see(1).arriving for _ in range(7)] == [True] * 6 + [False]
    for each, arrives in [(0.1, True), (0.0, False)]:
        ahead = {"q": Foreseen((each,) * 6, (0.0,) * 6)}
        assert polls.estimator.see(polls.policy, polls.seen(1), ahead).arriving is arrives


def test_delayed_messages_wait_first_if_they_count() -> None:
    polls = LearnedPolls(policy(count_delayed=True))
    known = polls.see(3, delayed=1)
    assert [tuple(each) for each in known.queues[0].waiting] == [(0.0, 1), (5.0, 3.0)]
    assert [tuple(each) for each in polls.see(3, delayed=0).queues[0].waiting] == [(15.0, 3.0)]
    assert [tuple(each) for each in LearnedPolls(policy()).see(3, delayed=7).queues[0].waiting] == [(5.0, 3.0)]


# What was received, and late.


@pytest.mark.parametrize(
    ("visible", "received", "late"), [(100, 0.0, 0.0), (70, 30.0, 30.0), (40, 60.0, 50.0), (0, 100.0, 50.0)]
)
def test_messages_that_are_gone_were_received_the_oldest_first(visible: int, received: float, late: float) -> None:
    """Fifty have waited for 65 s and fifty for 5 s; they are received 5 s later on average. The target is 60 s."""
    polls = LearnedPolls(policy(), 0)
    polls.grow(50, 0, 0, 0, 0, 0, 50)
    known = polls.see(visible)
    assert known.received == received
    assert known.late == pytest.approx(late)


def test_the_oldest_are_late_first() -> None:
    """30 have waited for 75 s and 50 for 65 s; 40 of them are received."""
    polls = LearnedPolls(policy(), 0)
    polls.grow(30, 50, 0, 0, 0, 0, 0, 0)
    assert polls.see(40).late == pytest.approx(40.0)


def test_a_single_late_message_counts() -> None:
    polls = LearnedPolls(policy(), 0)
    polls.grow(1, 0, 0, 0, 0, 0, 0, 0)
    assert (polls.see(0).received, polls.known.late) == (1.0, 1.0)


def test_messages_that_return_to_the_queue_are_no_negative_receives() -> None:
    """30 messages in flight become visible again; ten more are assumed to have arrived, because ten completed."""
    polls = LearnedPolls(policy(), 5, 30)
    assert polls.see(35, 0).received == 0.0


@pytest.mark.parametrize(("latency_s", "late"), [(69.0, 30.0), (70.0, 0.0)])
def test_a_message_is_late_if_its_age_halfway_between_the_polls_exceeds_the_target(
    latency_s: float, late: float
) -> None:
    polls = LearnedPolls(policy(latency_s))
    polls.grow(50, 0, 0, 0, 0, 0, 0)
    assert polls.see(20).late == late


def test_arrivals_between_two_polls_that_are_gone_were_received() -> None:
    """Five in progress complete ten in 10 s, and as many wait as before: ten arrived and were received."""
    busy = LearnedPolls(policy(), 3, 5)
    assert (busy.see(3, 5).received, busy.known.late) == (10.0, 0.0)


@pytest.mark.parametrize(
    ("before", "after", "in_flight", "received"),
    [(0, 0, 0, 0.0), (1, 0, 0, 50.0), (0, 1, 0, 50.0), (0, 0, 1, 49.0)],
)
def test_without_tasks_and_messages_in_flight_messages_that_are_gone_were_purged(
    before: int, after: int, in_flight: int, received: float
) -> None:
    polls = LearnedPolls(policy(), 100, tasks=before)
    polls.tasks = after
    assert polls.see(50, in_flight).received == pytest.approx(50.0 if received else 0.0, abs=1.0)


# Which readings count.


def test_an_observation_with_an_unread_queue_updates_nothing_and_what_it_has_is_ignored() -> None:
    configured = policy(names=("a", "b"))
    counts = Backlog(100, 5, 0, 0.0, deleted=30, counted_at=0.0)
    partial = (QueueReading("a", counts), QueueReading("b", Missing("throttled", "throttled")))
    seen = Observation(0.0, Fleet(10, 10, 0, 0.0), partial)
    estimator = Estimator(configured, seen, POLL_S)
    known = estimator.see(configured, seen)
    assert (known.queues, known.received, known.late, known.load) == ((), 0.0, 0.0, 0.0)
    both = replace(seen, now=10.0, queues=(partial[0], QueueReading("b", counts)))
    assert [queue.name for queue in estimator.see(configured, both).queues] == ["a", "b"]
    again = estimator.see(configured, replace(both, now=20.0, queues=partial))
    assert (again.received, again.late) == (0.0, 0.0)


def test_tasks_hold_no_message_of_a_queue_that_the_settings_did_not_have_at_the_last_poll() -> None:
    configured = policy(names=("a", "b"))

    def seen(now: float, **visible: int) -> Observation:
        queues = tuple(QueueReading(name, Backlog(count, 0, 0, now)) for name, count in visible.items())
        return Observation(now, Fleet(10, 10, 0, now), queues)

    estimator = Estimator(configured, seen(0.0, a=0, b=5), POLL_S)
    for each in (seen(0.0, a=0, b=5), seen(10.0, a=0), seen(20.0, a=0, b=7)):
        known = estimator.see(configured, each)
    assert known.rate_per_s.weight == 2.0, "the two more that wait; none completed"


def test_arrivals_are_known_for_ten_minutes_also_with_a_short_latency_and_fast_polls() -> None:
    polls = LearnedPolls(policy(60.0, processing_time_s=300.0))
    for visible in range(1, 701):
        polls.see(visible, after_s=1.0)
    assert polls.known.load == pytest.approx(600 / 600 * 300)


@pytest.mark.parametrize(("gap_s", "is_learned"), [(25.0, True), (25.5, False)])
def test_after_two_and_a_half_intervals_without_a_reading_a_minute_is_not_used(gap_s: float, is_learned: bool) -> None:
    polls = LearnedPolls(policy(processing_time_s=None, learn=True), 0, 5)
    for after_s in (10.0, gap_s, 10.0, 10.0, 10.0):
        polls.see(0, 5, after_s=after_s)
    known = polls.see(0, 5, flow=Flow(60, 60, 10, 60.0, 0))
    assert (known.processing_s.weight > 0) == is_learned


def test_a_minute_is_learned_from_once() -> None:
    polls = LearnedPolls(policy(processing_time_s=None, learn=True), 0, 5)
    for _ in range(7):
        polls.see(0, 5)
    flow = Flow(60, 60, 10, 60.0, 0)
    weights = [polls.see(0, 5, flow=flow).processing_s.weight for _ in range(3)]
    assert weights == [60.0] * 3
    for _ in range(3):
        polls.see(0, 5)
    assert polls.see(0, 5, flow=replace(flow, at=120.0)).processing_s.weight == pytest.approx(60 * 0.85 + 60)


@pytest.mark.parametrize(
    ("visible", "in_flight", "is_possible"),
    [(0, 0, True), (-1, 0, False), (0, -1, False), (MOST_MESSAGES, MOST_MESSAGES, True), (MOST_MESSAGES * 2, 0, False)],
)
def test_possible_counts(visible: float, in_flight: float, is_possible: bool) -> None:
    polls = LearnedPolls(policy())
    assert bool(polls.see(int(visible), int(in_flight)).queues) == is_possible


@pytest.mark.parametrize(("latency_s", "late_by"), [(84.9, True), (85.0, False)])
def test_arrivals_must_be_foreseen_if_the_latency_is_shorter_than_a_poll_and_a_late_start(
    latency_s: float, late_by: bool
) -> None:
    assert LearnedPolls(policy(latency_s)).estimator.must_foresee(policy(latency_s)) is late_by


# The slots.


def slots_after(polls: LearnedPolls, readings: int, **more: Any) -> float:
    for reading in range(readings):
        polls.see(50 + reading % 2, 40, **more)
    return polls.known.concurrency.value


def prefetching(**changes: Any) -> LearnedPolls:
    """Ten tasks that are configured to hold ten messages each and hold four."""
    return LearnedPolls(policy(learn=True, task_concurrency=10, **changes), 50, 40)


def test_the_slots_are_learned_from_readings_with_a_backlog() -> None:
    assert slots_after(prefetching(), 300) == 4.0
    assert slots_after(prefetching(), 300, groups_in_flight=3) == 10.0, "FIFO groups limit the messages in flight"
    idle = prefetching()
    for _ in range(100):
        idle.see(0, 40)
    assert idle.known.concurrency.value == 10.0, "nothing waits"


@pytest.mark.parametrize(("desired", "is_seen"), [(10, True), (11, False)])
def test_slots_are_not_learned_while_tasks_start_or_stop(desired: int, is_seen: bool) -> None:
    polls = prefetching()
    polls.now += POLL_S
    seen = polls.seen(50, 40)
    polls.estimator.see(polls.policy, replace(seen, fleet=Fleet(desired, 10, desired - 10, polls.now)))
    readings = 1 + 0.98 + 0.98**2 if is_seen else 1 + 0.98
    assert polls.see(50, 40).concurrency.weight == pytest.approx(readings)


@pytest.mark.parametrize(("after_s", "readings"), [(0.0, 1.98), (7.4, 1.98), (7.5, 1.98 * 0.98 + 1)])
def test_slots_are_learned_from_polls_that_are_three_quarters_of_an_interval_apart(
    after_s: float, readings: float
) -> None:
    """Of polls that come sooner, for a signal that is read faster, none adds evidence."""
    polls = prefetching()
    polls.see(50, 40)
    assert polls.see(50, 40, after_s=after_s).concurrency.weight == pytest.approx(readings)


# CloudWatch's minutes.


def test_counted_deletions_correct_the_arrivals_of_their_minute() -> None:
    """Five are visible all the time; 30 deletions in the minute until 60 s are 30 arrivals. One count alone is none."""
    polls = LearnedPolls(policy(), 5)
    polls.grow(*[0] * 6, visible=5)
    for more in ({"deleted": 30}, {"counted_at": 60.0}, {"deleted": 30, "counted_at": None}):
        assert polls.see(5, after_s=0.0, **more).rate_per_s.weight == 0.0
    assert polls.see(5, after_s=0.0, deleted=30, counted_at=60.0).rate_per_s.weight == pytest.approx(30.0)


def test_a_corrected_processing_time_corrects_the_arrivals_that_were_derived_from_it() -> None:
    """Five in progress complete 5 x 10 / 12 in a poll, while 12 s are assumed. It is about 5 s: 60 were deleted."""
    polls = LearnedPolls(policy(processing_time_s=None, learn=True), 3, 5)
    before = polls.grow(*[1] * 6, visible=3, in_flight=5)
    assert before.rate_per_s.weight == pytest.approx(6 + 6 * 5 * 10 / 12)
    after = polls.see(9, 5, after_s=0.0, flow=Flow(60, 60, 10, 60.0, 0))
    assert after.processing_s.value == pytest.approx(5.0, rel=0.05)
    assert after.rate_per_s.weight == pytest.approx(6 + 6 * 5 * 10 / after.processing_s.value)


def test_a_corrected_processing_time_makes_no_arrivals_of_a_queue_without_any() -> None:
    """100 tasks complete 50 messages a second, 2 s each. With the assumed 12 s, it seemed that they complete 8."""
    polls = LearnedPolls(policy(processing_time_s=None, learn=True), 40_000, 100, tasks=100)
    for poll in range(1, 25):
        counted_at = (polls.now + POLL_S) // 60 * 60 - 60
        more: dict[str, Any] = {"deleted": 3000, "counted_at": counted_at} if counted_at > 0 else {}
        flow = Flow(3000, 3000, 100, counted_at, 10_000) if more and poll % 6 == 0 else None
        known = polls.see(40_000 - 500 * poll, 100, flow=flow, **more)
        assert (known.rate_per_s.value, known.load) == (0.0, 0.0)
    assert known.processing_s.value == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("is_held", [True, False])
def test_the_oldest_message_of_cloudwatch_counts_while_messages_are_held(is_held: bool) -> None:
    """Ten tasks hold ten of 60 messages that all arrived at 10 s; from 30 s on one or none arrives at each poll. Until
    three readings were the same, 20 completions a poll were assumed.
    """
    polls = LearnedPolls(policy())
    for poll in range(1, 13):
        visible = 50 if is_held else 50 + poll % 2
        known = polls.see(visible, 10, oldest_age_s=50.0, counted_at=60.0)
    ages_s = [age_s for age_s, _ in known.queues[0].waiting]
    assert (known.holding_s > 0) is is_held
    assert (min(ages_s) == 110.0) is is_held
    assert (max(ages_s) < 60.0) is not is_held


def test_ages_are_known_as_far_back_as_the_longest_latency() -> None:
    polls = LearnedPolls(policy(3600.0))
    known = polls.grow(*[1] * 300)
    assert known.queues[0].waiting[-1].seconds == pytest.approx(3000.0, abs=60)
    assert sum(age_s > 2000 for age_s, _ in known.queues[0].waiting) > 20
    short = LearnedPolls(policy(60.0)).grow(*[1] * 59)
    assert short.queues[0].waiting[-1].seconds == pytest.approx(585.0, abs=15)


def bottlenecked(
    deleted: int, *, tasks: tuple[int, int] = (10, 40), visible: int = 5000, drift: int = 1, slots: int = 1
) -> Knowledge:
    """Return the knowledge after four minutes with few tasks and four with many, all deleting as much.

    Slots are full, and messages wait. CloudWatch's minute is read when it ends.
    """
    configured = policy(processing_time_s=2.0, task_concurrency=slots)
    polls = LearnedPolls(configured, visible, slots * tasks[0], tasks=tasks[0])
    for minute in range(8):
        polls.tasks = tasks[minute // 4]
        for poll in range(6):
            flow = Flow(deleted, deleted, polls.tasks, polls.now, visible) if poll == 0 and minute else None
            polls.see(visible + drift * (poll % 2), slots * polls.tasks, flow=flow)
    return polls.known


def test_tasks_that_delete_no_more_show_a_bottleneck() -> None:
    assert bottlenecked(300).bottleneck == pytest.approx(10.0, rel=0.1)
    assert bottlenecked(300, tasks=(10, 15)).bottleneck == pytest.approx(10.0, rel=0.1)
    assert bottlenecked(300, tasks=(10, 11)).bottleneck is None, "a tenth more is too little to see"
    assert bottlenecked(300, visible=150).bottleneck is None, "fewer wait than are received between two polls"


def test_minutes_in_which_messages_are_held_show_no_bottleneck() -> None:
    assert bottlenecked(0, drift=0).bottleneck is None
    assert bottlenecked(0, drift=0).regime is Regime.BATCH
    assert bottlenecked(0, drift=0).holding_s > 100
    assert bottlenecked(300, drift=0).regime is not Regime.BATCH, "CloudWatch counts deletions"


def test_a_bottleneck_is_at_most_the_fewest_tasks_that_completed_as_many() -> None:
    """A configured time, which can be wrong, shows nothing."""
    assert bottlenecked(300, visible=500).bottleneck == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("tasks", "slots", "in_flight", "is_held"), [(10, 1, 7, False), (10, 1, 8, True), (5, 2, 7, False), (5, 2, 8, True)]
)
def test_counts_are_evidence_if_four_fifths_of_the_slots_are_occupied(
    tasks: int, slots: int, in_flight: int, is_held: bool
) -> None:
    polls = LearnedPolls(policy(task_concurrency=slots), 50, in_flight, tasks=tasks)
    for poll in range(12):
        started = poll % 2 if in_flight == 8 else 0  # a message that is received changes no sum
        polls.see(50 - started, in_flight + started)
    assert (polls.known.holding_s > 0) is is_held


def test_one_occupied_slot_is_evidence_too() -> None:
    polls = LearnedPolls(policy(), 5, 1, tasks=1)
    for _ in range(12):
        polls.see(5, 1)
    assert polls.known.holding_s > 0


def test_unchanged_counts_are_no_evidence_if_no_completion_isforeseen() -> None:
    slow = LearnedPolls(policy(processing_time_s=1000.0), 50, 10)
    idle = LearnedPolls(policy(), 0, 10)
    for _ in range(12):
        slow.see(50, 10)
        idle.see(0, 10)
    assert (slow.known.holding_s, idle.known.holding_s) == (0.0, 0.0)


MANY = 10**6
"""A number of messages in progress with which a single unchanged sum is evidence."""


@pytest.mark.parametrize(
    ("before", "after", "is_held"),
    [(10, 10, True), (1, 1, True), (1, 10, True), (10, 0, False), (0, 10, False), (MANY + 10, 10, False)],
)
def test_messages_must_wait_and_be_in_progress_at_both_readings(before: int, after: int, is_held: bool) -> None:
    polls = LearnedPolls(policy(), before, MANY + 10 - before, tasks=MANY)
    assert (polls.see(after, MANY + 10 - after, after_s=50.0).holding_s > 0) is is_held


# What minutes are learned from.


def regime_of(
    *readings: tuple[int, int], tasks: int = 10, deleted: int = 60, waiting: int = 0, slots: int = 1
) -> Regime:
    """Return the regime after two minutes, each with these readings of (visible, in flight); the last one repeats."""
    polls = LearnedPolls(policy(learn=True, task_concurrency=slots), *readings[0], tasks=tasks)
    for poll in range(12):
        flow = Flow(deleted, deleted, tasks, polls.now, waiting) if poll == 6 else None
        polls.see(*readings[min(poll % 6, len(readings) - 1)], flow=flow)
    flow = Flow(deleted, deleted, tasks, polls.now, waiting)
    return polls.see(*readings[-1], after_s=0.0, flow=flow).regime


def test_readings_are_overfull_if_more_messages_are_in_flight_than_slots_and_none_waits() -> None:
    assert regime_of((0, 5)) is Regime.IDLE
    assert regime_of((0, 10)) is Regime.IDLE
    assert regime_of((0, 11)) is Regime.UNIDENTIFIABLE
    assert regime_of((0, 3), tasks=1) is Regime.UNIDENTIFIABLE
    assert regime_of((0, 19), tasks=10, slots=2) is Regime.IDLE
    assert regime_of((5, 30), waiting=5) is Regime.SATURATED
    assert regime_of((5, 30), (5, 30), (5, 30), (0, 30), (5, 30)) is Regime.IDLE, "messages waited most of the time"


def test_readings_without_tasks_are_not_overfull() -> None:
    """The messages of stopped tasks are in flight for half of the minute."""
    polls = LearnedPolls(policy(learn=True), 0, 5, tasks=0)
    for poll in range(6):
        polls.tasks = 10 if poll >= 3 else 0
        polls.see(0, 5)
    assert polls.see(0, 5, after_s=0.0, flow=Flow(60, 60, 10, 60.0, 0)).regime is Regime.IDLE


def test_workers_that_hold_less_than_three_tenths_of_their_slots_delete_messages_first() -> None:
    assert regime_of((9, 2), waiting=9) is Regime.EARLY_ACK
    assert regime_of((9, 4), waiting=9) is Regime.SATURATED


def test_tasks_that_load_data_before_their_first_receive_do_not_delete_messages_first() -> None:
    """Twelve new tasks run, and receive nothing for a minute."""
    polls = LearnedPolls(policy(learn=True), 50, 3, tasks=3)
    for minute in range(6):
        for poll in range(6):
            flow = Flow(36, 36, polls.tasks, polls.now, 50) if poll == 0 and minute else None
            assert polls.see(50, 3 if minute < 4 else 15, flow=flow).regime is not Regime.EARLY_ACK
        polls.tasks = 3 if minute < 2 else 15
    assert polls.known.regime is Regime.SATURATED


@pytest.mark.parametrize(("in_flight", "regime"), [(0, Regime.EARLY_ACK), (9, Regime.EARLY_ACK), (45, Regime.IDLE)])
def test_messages_in_flight_in_proportion_to_the_deletions_show_that_workers_delete_them_last(
    in_flight: int, regime: Regime
) -> None:
    """Ten tasks seemed to need 10 s for each message, and held none. Later none waits, and 540 a minute are deleted."""
    polls = LearnedPolls(policy(learn=True), 50, 0, tasks=10)
    for poll in range(20):
        polls.see(50, 0, flow=Flow(60, 60, 10, polls.now, 50) if poll in {6, 12, 18} else None)
    assert polls.known.regime is Regime.EARLY_ACK
    polls.tasks = 70
    for poll in range(20):
        polls.see(0, in_flight, flow=Flow(540, 540, 70, polls.now) if poll in {10, 16} else None)
    assert polls.known.regime is regime


def test_slots_are_not_learned_from_workers_that_delete_messages_first() -> None:
    polls = LearnedPolls(policy(learn=True, task_concurrency=10), 500, 0)
    for minute in range(15):
        for poll in range(6):
            flow = Flow(60, 60, 10, polls.now, 500) if poll == 0 and minute else None
            polls.see(500 + poll % 2, 0, flow=flow)
    assert polls.known.regime is Regime.EARLY_ACK
    assert polls.known.concurrency.value >= 7


def test_when_more_slots_are_learned_the_throughput_of_a_task_stays() -> None:
    """Tasks hold four messages each, and delete 60 a minute; one slot was assumed."""
    polls, changes = LearnedPolls(policy(learn=True, processing_time_s=None), 5000, 40, tasks=10), 0
    for poll in range(240):
        polls.tasks = 10 + poll // 20 % 2 * 5
        flow = Flow(60 * polls.tasks, 60 * polls.tasks, polls.tasks, polls.now, 5000) if poll % 6 == 5 else None
        before = polls.known
        after = polls.see(5000 + poll % 2, 4 * polls.tasks, flow=flow)
        if flow is None and after.concurrency.value != before.concurrency.value:
            changes += 1
            per_task = before.slow_s / before.concurrency.value
            assert after.slow_s / after.concurrency.value == pytest.approx(per_task, rel=0.02)
    assert polls.known.concurrency.value == 4
    assert changes >= 2


# Laws over random polls.

reading = st.tuples(
    st.sampled_from([0, 0, 1, 5, 40, 500]), st.sampled_from([0, 1, 5, 10, 30]), st.sampled_from([0, 2, 40, 300])
)
polls_of_two = st.lists(st.tuples(reading, reading), min_size=1, max_size=25)


def played(readings: list[tuple[tuple[int, int, int], ...]], names: tuple[str, ...]) -> Knowledge:
    """Return the knowledge after polls of queues with these names; each reading is (visible, in flight, deleted)."""
    configured = policy(names=names, learn=True)
    estimator = None
    for number, each in enumerate(readings):
        now = POLL_S * number
        counted_at = now // 60 * 60 - 60
        queues = tuple(
            QueueReading(name, Backlog(visible, in_flight, 0, now, deleted=deleted, counted_at=counted_at))
            for name, (visible, in_flight, deleted) in zip(names, each, strict=True)
        )
        minute = Flow(9, sum(deleted for _, _, deleted in each), 10, counted_at, 0)
        seen = Observation(now, Fleet(10, 10, 0, now), queues, flow=minute if number % 6 == 5 else None)
        estimator = estimator or Estimator(configured, seen, POLL_S)
        known = estimator.see(configured, seen)
    return known


@given(polls_of_two)
def test_the_order_of_the_queues_does_not_matter(readings: list[tuple[tuple[int, int, int], ...]]) -> None:
    one, other = played(readings, ("a", "b")), played([each[::-1] for each in readings], ("b", "a"))
    assert other.slow_s == pytest.approx(one.slow_s)
    assert other.load == pytest.approx(one.load)
    assert other.received == pytest.approx(one.received)
    assert other.late == pytest.approx(one.late)
    assert [queue.name for queue in other.queues] == ["b", "a"]
    for queue, same in zip(one.queues, other.queues[::-1], strict=True):
        assert [each for pair in same.waiting for each in pair] == pytest.approx(
            [each for pair in queue.waiting for each in pair]
        )


@given(polls_of_two)
def test_an_empty_queue_changes_nothing(readings: list[tuple[tuple[int, int, int], ...]]) -> None:
    alone = played([(each[0],) for each in readings], ("a",))
    both = played([(each[0], (0, 0, 0)) for each in readings], ("a", "b"))
    assert replace(both, queues=both.queues[:1]) == alone
    assert both.queues[1].waiting == ()
    assert all(messages == 0 for _, messages in both.queues[1].coming)


@given(polls_of_two)
def test_the_waiting_messages_are_all_visible_ones_with_ages_since_the_first_poll(
    readings: list[tuple[tuple[int, int, int], ...]],
) -> None:
    known = played(readings, ("a", "b"))
    for queue, (visible, _, _) in zip(known.queues, readings[-1], strict=True):
        assert sum(messages for _, messages in queue.waiting) == pytest.approx(visible)
        ages_s = [age_s for age_s, _ in queue.waiting]
        assert ages_s == sorted(ages_s)
        assert all(0 <= age_s <= POLL_S * len(readings) for age_s in ages_s)
        arrived = [messages for _, messages in queue.coming]
        assert arrived == sorted(arrived)
    assert known.received >= known.late >= 0
    assert known.load >= 0
    assert known.slow_s >= known.processing_s.value > 0
