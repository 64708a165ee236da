"""The estimators of one service at their edges: standing backlogs, held messages, FIFO queues, and a recalled past."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.estimate import Estimator
from autoscaler.core.knowledge import Knowledge, Regime
from autoscaler.core.model import Backlog, Fleet, Flow, Observation, PastCounts, QueueReading
from tests.core.estimate.test_estimator import LearnedPolls, bottlenecked, policy
from tests.core.estimate.test_recall import POLICY, hour, observed, recalled

# A standing backlog.


@pytest.mark.parametrize(("latency_s", "from_s"), [(60.0, 620.5), (900.0, 1340.5)])
def test_a_backlog_stands_after_ten_minutes_or_the_target_of_waits_of_half_the_target(
    latency_s: float, from_s: float
) -> None:
    """Ten messages wait from 0 s on. At 20 s the oldest has waited for less than 30 s, at 440 s for less than 450 s."""
    polls = LearnedPolls(policy(latency_s), 10)
    while polls.now < from_s - 0.5:
        polls.see(10)
    assert polls.now == from_s - 0.5
    assert not polls.known.standing, "for exactly as long"
    assert polls.see(11, after_s=0.5).standing
    assert polls.known.arriving


@pytest.mark.parametrize("peak", [0, 200])
def test_a_backlog_that_was_received_once_in_ten_minutes_does_not_stand(peak: int) -> None:
    """Either the queue was empty at one reading, or only messages waited that had just arrived."""
    polls = LearnedPolls(policy(), 10)
    for _ in range(100):
        polls.see(10)
    assert polls.known.standing
    polls.see(0)
    assert not polls.see(peak).standing
    assert not polls.known.standing


def test_one_standing_queue_is_enough() -> None:
    configured = policy(names=("a", "b"))

    def seen(now: float, counts: tuple[int, int]) -> Observation:
        queues = tuple(QueueReading(name, Backlog(count, 0, 0, now)) for name, count in zip("ab", counts, strict=True))
        return Observation(now, Fleet(10, 10, 0, now), queues)

    for counts, stands in (((10, 0), True), ((0, 10), True), ((10, 10), True), ((0, 0), False)):
        estimator = Estimator(configured, seen(0.0, counts), 10.0)
        known = [estimator.see(configured, seen(10.0 * poll, counts)) for poll in range(70)][-1]
        assert known.standing is stands


# Messages that are held for longer than before.


def held_s(processing_s: float, polls: int = 12) -> list[float]:
    """Return for how long messages are expected to be held, at each poll without any change."""
    still = LearnedPolls(policy(processing_time_s=processing_s), 500, 200, tasks=200)
    return [still.see(500, 200).holding_s for _ in range(polls)]


def test_messages_are_held_once_they_are_expected_to_take_longer_than_usual() -> None:
    """Unchanged for t, they are expected to take 2 t. At 60 s that is the 120 s that they usually take."""
    assert held_s(5.0) == [0.0] * 4 + [2 * 10.0 * poll for poll in range(5, 13)]
    assert held_s(120.0) == [0.0] * 6 + [2 * 10.0 * poll for poll in range(7, 13)]


def test_without_a_running_task_no_message_is_held() -> None:
    polls = LearnedPolls(policy(), 50, 10)
    for _ in range(12):
        polls.see(50, 10)
    assert polls.known.holding_s > 0.0
    polls.tasks = 0
    assert polls.see(50, 10).holding_s == 0.0


def test_further_polls_between_two_intervals_add_no_evidence() -> None:
    rare, often = LearnedPolls(policy(), 50, 10), LearnedPolls(policy(), 50, 10)
    for _ in range(12):
        often.see(50, 10, after_s=5.0)
        assert often.see(50, 10, after_s=5.0).holding_s == rare.see(50, 10).holding_s


@pytest.mark.parametrize(("in_flight", "is_held"), [((10, 10), True), ((8, 10), False), ((8, 8), False)])
def test_the_fewer_messages_of_two_readings_are_expected_to_complete(
    in_flight: tuple[int, int], *, is_held: bool
) -> None:
    """At 45 s each, ten messages complete 2.2 in a poll and eight 1.8. From 2 on, unchanged counts are evidence."""
    polls = LearnedPolls(policy(processing_time_s=45.0), 50, 10)
    for poll in range(100):
        polls.see(60 - in_flight[poll % 2], in_flight[poll % 2])
    assert (polls.known.holding_s > 0.0) is is_held


def test_nothing_arrives_while_nothing_moves() -> None:
    """Ten messages of 5 s are in progress, and as many would arrive as complete."""
    polls = LearnedPolls(policy(), 50, 10)
    assert polls.see(50, 10).rate_per_s.weight == 20.0
    for _ in range(11):
        polls.see(50, 10)
    assert polls.known.rate_per_s.weight == 0.0


def test_a_corrected_processing_time_corrects_only_the_completions_of_the_time_in_which_messages_moved() -> None:
    """For two polls, 20 completions each are assumed, then none. A minute with six deletions shows slower messages."""
    polls = LearnedPolls(policy(900.0, learn=True), 50, 10)
    for _ in range(12):
        polls.see(50, 10)
    before = polls.known
    after = polls.see(50, 10, after_s=0.0, flow=Flow(6, 6, 10, 120.0, 50))
    assert after.processing_s.value > 2 * before.processing_s.value
    arrived = [known.lasting_load * 300 / known.slow_s for known in (before, after)]
    assert arrived == pytest.approx([40.0, 40.0 * before.processing_s.value / after.processing_s.value])


def test_slow_messages_that_do_not_move_are_as_expected_however_long_they_wait() -> None:
    """Ten tasks, 1,000 s a message: 0.1 completions are expected in a poll."""
    slow = LearnedPolls(policy(processing_time_s=1000.0), 50, 10)
    assert {slow.see(50, 10).holding_s for _ in range(200)} == {0.0}


def test_completions_of_held_messages_are_assumed_at_the_time_that_they_are_expected_to_take() -> None:
    """Ten tasks; nothing moves for 120 s, then one message completes. At 240 s each, 10 x 10 / 240 would complete in a
    poll and no message arrived; at the 5 s from before it, twenty would have, and nineteen would have arrived.
    """
    polls = LearnedPolls(policy(), 50, 10)
    for _ in range(12):
        polls.see(50, 10)
    assert polls.known.holding_s == 240.0
    assert polls.see(49, 10).holding_s == 240.0
    assert polls.known.rate_per_s.weight == 0.0


def test_minutes_in_which_messages_are_held_are_not_compared() -> None:
    """A fifth of the expected messages is deleted, by ten tasks and by forty, and the counts do not change."""
    moving, held = bottlenecked(60), bottlenecked(60, drift=0)
    assert moving.bottleneck == pytest.approx(10.0, rel=0.1)
    assert (held.regime, held.bottleneck) == (Regime.BATCH, None)


@pytest.mark.parametrize(("visible", "is_compared"), [(399, False), (400, True)])
def test_minutes_are_compared_if_as_many_messages_wait_as_all_slots_receive_between_two_polls(
    visible: int, *, is_compared: bool
) -> None:
    """40 tasks with two slots of 2 s receive 400 messages in 10 s."""
    assert (bottlenecked(600, visible=visible, slots=2).bottleneck is not None) is is_compared


def test_without_a_backlog_minutes_are_compared_by_the_tasks_that_were_busy() -> None:
    """Two messages of 20 s per task, so half of the 10 and then 40 tasks are busy. 600 messages a minute arrive more
    than are deleted, but one reading in each minute shows none that waits.
    """
    polls = LearnedPolls(policy(processing_time_s=20.0, task_concurrency=2), 0, 10)
    for minute in range(8):
        polls.tasks = (10, 40)[minute // 4]
        for poll in range(6):
            flow = Flow(120, 120, polls.tasks, polls.now, 0) if poll == 0 and minute else None
            polls.see(0 if poll == 2 else 600 * (minute + (poll == 5)), polls.tasks, flow=flow)
    assert polls.known.bottleneck == pytest.approx(5.0)


def test_minutes_of_a_backlog_are_compared_by_the_tasks_that_ran() -> None:
    """Nine of ten tasks hold a message at a reading: the others are between two receives."""
    polls = LearnedPolls(policy(processing_time_s=2.0), 5000, 9)
    for minute in range(8):
        polls.tasks = (10, 40)[minute // 4]
        for poll in range(6):
            flow = Flow(300, 300, polls.tasks, polls.now, 5000) if poll == 0 and minute else None
            polls.see(5000 + poll % 2, polls.tasks * 9 // 10, flow=flow)
    assert polls.known.bottleneck == pytest.approx(10.0)


def test_minutes_without_tasks_and_messages_end_a_bottleneck() -> None:
    polls = LearnedPolls(policy(processing_time_s=2.0), 5000, 10)
    for minute in range(12):
        polls.tasks = (10, 40, 0)[minute // 4]
        for poll in range(6):
            flow = Flow(300, 300, polls.tasks, polls.now, 5000) if minute < 9 else Flow(0, 0, 0, polls.now, 0)
            visible = 5000 + poll % 2 if polls.tasks else 0
            polls.see(visible, polls.tasks, flow=flow if poll == 0 and minute else None)
        if minute == 7:
            assert polls.known.bottleneck == pytest.approx(10.0, rel=0.1)
    assert polls.known.bottleneck is None


def test_when_failed_messages_are_taken_back_the_throughput_of_a_task_stays() -> None:
    """Ten tasks delete 600 messages a minute, and eight messages per task are in flight; one slot was assumed. The
    varying tasks of the second minute show more slots, until the third one shows that 2,000 messages failed.
    """
    polls = LearnedPolls(policy(learn=True, processing_time_s=None), 5000, 80)
    minutes = {6: Flow(600, 600, 10, 60.0, 5000), 18: Flow(2600, 600, 10, 180.0, 5000)}
    for poll in range(18):
        polls.tasks = 15 if poll in {6, 7, 8} else 10
        polls.see(5000 + poll % 2, 8 * polls.tasks, flow=minutes.get(poll))
    assert polls.known.concurrency.value == 4.0
    assert polls.known.slow_s == pytest.approx(4.0, rel=0.01)
    after = polls.see(5000, 80, flow=minutes[18])
    assert after.concurrency.value < 4.0
    assert after.slow_s / after.concurrency.value == pytest.approx(1.0, rel=0.15)


# FIFO queues, whose messages can wait for their group while slots are free.


EMPTY = Backlog(0, 0, 0, 0.0)
GROUPED = replace(EMPTY, visible=5, in_flight=1, groups_in_flight=1, deleted=60)


class GroupedPolls:
    """Ten tasks and two queues; the first one has 50 messages, two of them in flight in two groups."""

    def __init__(self) -> None:
        self.policy = policy(names=("a", "b"))
        self.now = 0.0
        self.first = replace(EMPTY, visible=50, in_flight=2, groups_in_flight=2, deleted=240)
        self.behind_s = 0.0
        """By how much the minute that CloudWatch counted for the first queue is older than that for the second one."""
        self.estimator = Estimator(self.policy, self.seen(EMPTY), 10.0)

    def seen(self, second: Backlog) -> Observation:
        minute = self.now // 60 * 60
        counted = replace(self.first, at=self.now, counted_at=minute - self.behind_s)
        queues = (QueueReading("a", counted), QueueReading("b", replace(second, at=self.now, counted_at=minute)))
        return Observation(self.now, Fleet(10, 10, 0, self.now), queues)

    def limit(self, second: Backlog, seconds: int) -> float | None:
        """Return the limit by the groups after `seconds` with such a second queue."""
        for _ in range(seconds // 10):
            self.now += 10.0
            known = self.estimator.see(self.policy, self.seen(second))
        return known.groups


@pytest.mark.parametrize(
    ("second", "is_known"),
    [
        (EMPTY, True),
        (replace(EMPTY, visible=5), False),
        (replace(EMPTY, in_flight=1), False),
        (replace(EMPTY, visible=5, in_flight=1), False),
        (replace(EMPTY, groups_in_flight=0), True),
        (replace(EMPTY, visible=5, in_flight=1, groups_in_flight=1), True),
    ],
)
def test_groups_are_known_if_each_queue_with_messages_has_its_number(second: Backlog, *, is_known: bool) -> None:
    assert (GroupedPolls().limit(second, 60) is not None) is is_known


def test_groups_are_forgotten_when_a_queue_has_messages_without_a_number_of_groups() -> None:
    polls = GroupedPolls()
    assert polls.limit(EMPTY, 60) is not None
    assert polls.limit(replace(EMPTY, visible=1), 10) is None
    assert polls.limit(EMPTY, 20) is None, "30 s with idle tasks are needed again"
    assert polls.limit(EMPTY, 20) is not None
    polls.first = EMPTY
    assert polls.limit(EMPTY, 10) is None, "no message is left"


@pytest.mark.parametrize(("groups", "limit"), [(None, 5.0), (0, 5.0), (3, 6.0), (6, 9.0)])
def test_the_groups_of_a_queue_that_is_empty_now_count_as_of_their_minute(groups: int | None, limit: float) -> None:
    """Two groups of the other queue, these, and a task to find more; a reduction keeps five of ten tasks at least."""
    assert GroupedPolls().limit(replace(EMPTY, groups_in_flight=groups, deleted=0), 190) == limit


def test_groups_of_different_minutes_are_not_added() -> None:
    polls = GroupedPolls()
    polls.behind_s = 60.0
    assert polls.limit(GROUPED, 120) is None
    assert GroupedPolls().limit(GROUPED, 120) == 10.0


@pytest.mark.parametrize(("deleted", "limit"), [(240, 5.0), (None, 5.0), (0, None)])
def test_a_reduction_was_wrong_if_fewer_messages_are_deleted_but_not_if_their_number_is_unknown(
    deleted: int | None, limit: float | None
) -> None:
    """After three minutes with idle tasks the limit falls to half of the tasks."""
    polls = GroupedPolls()
    assert polls.limit(GROUPED, 180) == 10.0
    assert polls.limit(GROUPED, 10) == 5.0
    polls.first = replace(polls.first, deleted=deleted)
    assert polls.limit(GROUPED, 120) == limit


@pytest.mark.parametrize(
    ("groups", "in_flight", "visible", "waiting", "regime"),
    [
        (None, 7, 5, 0, Regime.SATURATED),
        (3, 7, 5, 0, Regime.IDLE),
        (3, 8, 5, 0, Regime.SATURATED),
        (None, 7, 0, 5, Regime.SATURATED),
        (3, 7, 0, 5, Regime.IDLE),
    ],
)
def test_messages_of_fifo_queues_wait_for_tasks_only_if_four_fifths_of_the_slots_are_occupied(
    groups: int | None, in_flight: int, visible: int, waiting: int, regime: Regime
) -> None:
    """Ten tasks. `visible`: at the third reading, and five at the others. `waiting`: CloudWatch's minimum."""
    polls = LearnedPolls(policy(learn=True), 5, in_flight)
    for poll in range(1, 7):
        polls.see(visible if poll == 3 else 5, in_flight, groups_in_flight=groups)
    minute = Flow(12 * in_flight, 12 * in_flight, 10, 60.0, waiting)
    assert polls.see(5, in_flight, after_s=0.0, groups_in_flight=groups, flow=minute).regime is regime


# The past at a start.


def grouped(*in_flight: int, slots: int = 1) -> Knowledge:
    """Return what a past hour of a FIFO queue with a backlog shows. The samples in flight end with these numbers."""
    held = [in_flight[0]] * (60 - len(in_flight)) + list(in_flight)
    counts = hour(lambda minute: PastCounts(1000 + minute, held[minute], 24, 24, groups_in_flight=held[minute]))
    return recalled(counts, observed(1060, in_flight[-1]), replace(POLICY, task_concurrency=slots))


@pytest.mark.parametrize(
    ("in_flight", "slots", "regime"),
    [
        ((8, 8), 1, Regime.SATURATED),
        ((7, 7), 1, Regime.IDLE),
        ((8, 7), 1, Regime.IDLE),
        ((7, 8), 1, Regime.IDLE),
        ((9, 9), 1, Regime.SATURATED),
        ((15, 15), 2, Regime.IDLE),
        ((16, 16), 2, Regime.SATURATED),
    ],
)
def test_past_fifo_minutes_have_a_backlog_if_four_fifths_of_the_slots_were_occupied_at_both_ends(
    in_flight: tuple[int, ...], slots: int, regime: Regime
) -> None:
    assert grouped(*in_flight, slots=slots).regime is regime


def test_in_past_fifo_minutes_with_idle_slots_the_messages_in_flight_give_the_processing_time() -> None:
    """Two messages in flight and 24 deletions: 2 x 60 / 24 = 5 s. In other queues, such workers delete first."""
    assert grouped(2).processing_s.value == pytest.approx(5.0, rel=0.03)


@pytest.mark.parametrize("growth", [0, 2])
def test_without_past_deletions_the_growth_of_the_counts_gives_the_arrivals(growth: int) -> None:
    """The last 300 s are 70 s until now, and 230 s of minutes with samples. A message is assumed to take 12 s."""
    past = hour(lambda minute: PastCounts(500 + growth * minute, 0, None, None))
    known = recalled(past, observed(500 + growth * 60, 0))
    assert known.lasting_load == pytest.approx(growth * (1 + 230 / 60) / 300 * 12)


def test_past_messages_in_flight_beyond_the_slots_were_in_progress_elsewhere() -> None:
    """30 in flight, and ten tasks with one slot deleted 120 a minute: 5 s."""
    known = recalled(hour(lambda _: PastCounts(1000, 30, 120, 120)), observed(1000, 30))
    assert known.processing_s.value == pytest.approx(5.0, rel=0.03)


def test_a_past_minute_has_a_backlog_if_more_messages_waited_at_its_start_than_were_received() -> None:
    rising = recalled(hour(lambda minute: PastCounts(1000 * (minute == 59), 5, 60, 60))[-2:], observed(1000))
    waiting = recalled(hour(lambda _: PastCounts(1000, 5, 60, 60))[-2:], observed(1000))
    assert (rising.regime, waiting.regime) == (Regime.IDLE, Regime.SATURATED)


@pytest.mark.parametrize(("growth", "bottleneck"), [(50, 10.0), (0, None)])
def test_past_minutes_are_compared_if_more_messages_arrived_than_were_deleted(
    growth: int, bottleneck: float | None
) -> None:
    """1,200 messages are deleted in each of twenty minutes, by 10 and then by 30 tasks, and fewer than that wait."""
    tasks = [10] * 54 + [30] * 6
    past = hour(lambda minute: PastCounts(max(100, 100 + growth * (minute - 40)), tasks[minute], 1200, 1200))
    varied = [minute._replace(tasks=count) for minute, count in zip(past, tasks, strict=True)][-20:]
    known = recalled(varied, observed(1100, 30, 30))
    assert known.bottleneck == (None if bottleneck is None else pytest.approx(bottleneck, abs=1.0))


@pytest.mark.parametrize(
    ("visible", "tasks", "is_seen"),
    [(9000, (10.0,), True), (0, (10.0,), False), (9000, (10.0, 20.0, 30.0), False)],
)
def test_past_minutes_show_the_concurrency_if_messages_waited_and_the_tasks_stayed(
    visible: int, tasks: tuple[float, ...], *, is_seen: bool
) -> None:
    """The number of tasks between two minutes is the mean of theirs: 15, 25, 20."""
    minutes = hour(lambda minute: PastCounts(visible, 40, 480, 480))
    varied = [minute._replace(tasks=tasks[index % len(tasks)]) for index, minute in enumerate(minutes)]
    known = recalled(varied, observed(0, 40), replace(POLICY, task_concurrency=10))
    assert (known.concurrency.weight > 0) is is_seen
    assert known.concurrency.value == (4.0 if is_seen else 10.0)


def test_after_a_start_the_long_term_mean_counts_until_new_minutes_were_read() -> None:
    """A message takes 5 s, and 10 s in the last three minutes; each of these has only one sample."""
    known = recalled(hour(lambda minute: PastCounts(0, 1 + (minute > 56), 12, 12)), observed(0, 1))
    assert known.slow_s == known.processing_s.value == pytest.approx(5.0, rel=0.2)


@pytest.mark.parametrize(("tasks", "were_received"), [(10.0, True), (None, False)])
def test_messages_that_are_gone_since_the_past_were_received_if_tasks_ran_then(
    tasks: float | None, *, were_received: bool
) -> None:
    """No task runs now. The messages that were in flight a minute ago were completed, or they expired."""
    known = recalled(hour(lambda _: PastCounts(0, 10, 120, 120), tasks), observed(0, 0, running=0))
    assert (known.received > 0) is were_received


@pytest.mark.parametrize(("visible", "weight"), [(1000, 12.0), (0, 2.0)])
def test_a_past_minute_with_a_backlog_counts_as_six_without_one(visible: int, weight: float) -> None:
    """Messages in flight have one sample; in a backlog every slot was occupied all the time."""
    known = recalled(hour(lambda _: PastCounts(visible, 10, 12, 12))[-2:], observed(visible))
    assert known.processing_s.weight == pytest.approx(weight)


@pytest.mark.parametrize(("received", "is_limited"), [(399, True), (400, False)])
def test_minutes_in_which_messages_fail_show_no_bottleneck(received: int, *, is_limited: bool) -> None:
    """300 a minute are deleted by 10 and by 40 tasks. Of 400 received messages a quarter is not deleted."""
    configured = policy(processing_time_s=2.0)
    polls = LearnedPolls(configured, 5000, 10, tasks=10)
    for minute in range(10):
        polls.tasks = 10 if minute < 5 else 40
        for poll in range(6):
            flow = Flow(received, 300, polls.tasks, polls.now, 5000) if poll == 0 and minute else None
            polls.see(5000 + poll % 2, polls.tasks, flow=flow)
    assert (polls.known.bottleneck is not None) is is_limited


def test_two_minutes_in_which_messages_fail_end_a_limit() -> None:
    polls = LearnedPolls(policy(processing_time_s=2.0), 5000, 10, tasks=10)
    limits = []
    for minute in range(12):
        polls.tasks = 10 if minute < 5 else 40
        for poll in range(6):
            received = 300 if minute < 10 else 400
            flow = Flow(received, 300, polls.tasks, polls.now, 5000) if poll == 0 and minute else None
            polls.see(5000 + poll % 2, polls.tasks, flow=flow)
        limits.append(polls.known.bottleneck)
    assert limits[9:] == [10.0, 10.0, None]


@pytest.mark.parametrize(("slots", "is_limited"), [(1, False), (100, True)])
def test_more_messages_in_flight_than_the_tasks_can_hold_show_no_bottleneck(slots: int, *, is_limited: bool) -> None:
    """The others are held by other consumers, or wait in the workers' buffers. 100 more arrive than are deleted."""
    polls, held = LearnedPolls(policy(processing_time_s=2.0, task_concurrency=slots), 0, 100, tasks=10), 100
    for minute in range(16):
        polls.tasks = 10 if minute < 8 else 40
        for poll in range(6):
            held += 20
            polls.see(0, held, flow=Flow(420, 300, polls.tasks, polls.now, 0) if poll == 0 and minute else None)
    assert (polls.known.bottleneck is not None) is is_limited


def test_a_bottleneck_supports_the_tasks_that_littles_law_gives_at_the_measured_time() -> None:
    """Before the backlog, 20 messages are in flight and 300 a minute are deleted: 4 s each, two at once, so 2 s of a
    task, and 300 x 2 / 60 = 10 tasks.
    """
    polls = LearnedPolls(policy(task_concurrency=2, learn=True, processing_time_s=None), 0, 20, tasks=10)
    for minute in range(24):
        visible, polls.tasks = (0, 10) if minute < 12 else (5000, 20 if minute < 17 else 60)
        for poll in range(6):
            flow = Flow(300, 300, polls.tasks, polls.now, visible) if poll == 0 and minute else None
            polls.see(visible + poll % 2, 2 * polls.tasks, flow=flow)
    assert polls.known.bottleneck == pytest.approx(10.0, rel=1e-3)


@pytest.mark.parametrize(
    ("in_flight", "counted", "learns"), [(0, True, False), (1, True, True), (60, True, True), (60, False, False)]
)
def test_slots_are_learned_if_a_twentieth_of_the_tasks_hold_a_message_that_counts(
    in_flight: int, *, counted: bool, learns: bool
) -> None:
    configured = policy(learn=True, processing_time_s=None, count_in_flight=counted)
    polls = LearnedPolls(configured, 50, in_flight, tasks=20)
    for poll in range(40):
        polls.see(50 + poll % 2, in_flight)
    assert (polls.known.concurrency.weight > 0) is learns


@pytest.mark.parametrize("slots", [1, 2, 4])
def test_without_messages_in_flight_all_slots_share_the_deletions_of_a_backlog(slots: int) -> None:
    """Ten tasks delete 240 a minute: 2.5 s of a task each, whatever the number of its slots."""
    configured = policy(learn=True, count_in_flight=False, task_concurrency=slots)
    polls = LearnedPolls(configured, 500, 0)
    for poll in range(1, 31):
        minute = Flow(240, 240, 10, polls.now, 500) if poll % 6 == 1 and poll > 1 else None
        polls.see(500 + poll % 2, 0, flow=minute)
    assert polls.known.regime is Regime.EARLY_ACK
    assert polls.known.processing_s.value / slots == pytest.approx(2.5, rel=0.02)
