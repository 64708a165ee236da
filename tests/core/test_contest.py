"""Two writers on one service: what is a contest, what is not, and how the autoscaler stops writing.

The world is one count that the autoscaler and other writers set. The autoscaler is `decide` and `Memory` in the order
of the poll loop; it requires 40 tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.core.contest import (
    FIRST_PAUSE_S,
    LEAST_REVERSALS,
    LONGEST_PAUSE_S,
    MOST_STORED,
    STOOD_S,
    WINDOW_S,
    Contest,
    Drift,
    Move,
)
from autoscaler.core.engine import decide
from autoscaler.core.memory import NO_CONTEST, Memory
from autoscaler.core.model import Backlog, Fleet, Observation, QueueReading, Rule, Verdict
from autoscaler.core.policy import Mode, Policy
from tests.core.calm import policy

HERE, THERE = 40, 17
HOUR_S = 3_600.0
ACTIVE = policy(mode=Mode.ACTIVE)
INTERVALS_S = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 150.0, 299.0)


@dataclass
class Writers:
    """The count, the autoscaler's writes, and when it found that the count was contested."""

    policy: Policy = ACTIVE
    desired: int = HERE
    memory: Memory = field(default_factory=Memory)
    writes: list[tuple[float, int]] = field(default_factory=list)
    found: list[float] = field(default_factory=list)
    paused: list[float] = field(default_factory=list)

    def poll(self, now: float, backlog: int = 10 * HERE) -> None:
        queues = (QueueReading("q", Backlog(backlog, 0, 0, now)),)
        seen = Observation(now, Fleet(self.desired, self.desired, 0, now), queues)
        decision = decide(self.policy, self.memory, seen)
        self.memory = self.memory.remembering(self.policy, seen, decision)
        if self.memory.contest.notice(now) is not None:
            self.found.append(now)
        if decision.rule is Rule.CONTESTED:
            self.paused.append(now)
        if decision.verdict is not Verdict.HOLD:
            self.writes.append((now, decision.target))
            self.memory = self.memory.acknowledging(now, decision.target - decision.current)
            self.desired = decision.target

    def run(self, polls: Iterable[float], other: Callable[[float, int], int]) -> None:
        """Poll at these times; `other` returns the count that the other writers leave just before each poll."""
        for now in polls:
            self.desired = other(now, self.desired)
            self.poll(now)


def every(interval_s: float, lasts_s: float, start: float = 1_000.0) -> list[float]:
    return [start + interval_s * step for step in range(int(lasts_s / interval_s) + 1)]


def at_times(times: Iterable[float], count: int) -> Callable[[float, int], int]:
    """Another writer that sets the count at these times."""
    due = sorted(times)

    def other(now: float, desired: int) -> int:
        while due and due[0] <= now:
            due.pop(0)
            desired = count
        return desired

    return other


@pytest.mark.parametrize("interval_s", [each for each in INTERVALS_S if each < STOOD_S])
def test_a_writer_that_always_reverses_is_found_at_any_interval_and_the_autoscaler_stops(interval_s: float) -> None:
    world = Writers()
    world.run(every(interval_s, 2 * HOUR_S), lambda _now, _desired: THERE)
    assert world.found[0] <= 1_000.0 + (LEAST_REVERSALS + 1) * interval_s
    before = [at for at, _ in world.writes if at < world.found[0]]
    assert len(before) <= LEAST_REVERSALS + 1
    late = [at for at, _ in world.writes if at >= world.found[0] + HOUR_S]
    assert 0 < len(late) <= HOUR_S / LONGEST_PAUSE_S + 1, "it tries again, at most once per longest pause"
    assert world.found[-1] == 1_000.0 + interval_s * int(2 * HOUR_S / interval_s), "the notice stays"


@pytest.mark.parametrize("interval_s", [1.0, 10.0, 60.0])
@pytest.mark.parametrize("other_s", [120.0, 150.0, 240.0, 299.0])
def test_a_slow_writer_is_reported_and_the_scale_out_is_repeated_at_once(interval_s: float, other_s: float) -> None:
    """A pause would leave 17 tasks for most of the time, and the backlog of 40 tasks would grow without end."""
    world = Writers()
    resets = [1_000.0 + other_s * step for step in range(1, 100)]
    counts = []
    other = at_times(resets, THERE)
    for now in every(interval_s, 2 * HOUR_S):
        world.desired = other(now, world.desired)
        world.poll(now)
        counts.append(world.desired)
    assert set(counts) == {HERE}
    assert not world.paused
    assert world.found[0] <= 1_000.0 + (LEAST_REVERSALS + 1) * other_s + interval_s
    notice = world.memory.contest.notice(now)
    assert notice is not None
    assert "repeats its scale-outs, because they last for 120 s or more" in notice


def test_only_a_scale_out_that_stood_is_repeated() -> None:
    for sign, pauses in ((1, 0), (-1, 1)):
        contest = NO_CONTEST
        for step in range(LEAST_REVERSALS):
            contest = contest.wrote(23 * sign, STOOD_S * step).drifted(-23 * sign, THERE, STOOD_S * (step + 1))
        assert contest.pauses == pauses, "a scale-in is not urgent: it pauses"


def test_slow_other_writers_that_reverse_each_other_are_no_reason_to_write() -> None:
    contest = NO_CONTEST
    for step in range(LEAST_REVERSALS + 1):
        contest = contest.drifted(5 if step % 2 else -5, HERE, 1.5 * STOOD_S * step)
    assert contest.pauses == 1


def test_a_slow_writer_that_becomes_fast_is_paused_and_one_that_becomes_slow_is_not() -> None:
    world = Writers()
    slow = [1_000.0 + 300.0 * step for step in range(1, 5)]
    world.run(every(10.0, 1_250.0), at_times(slow, THERE))
    assert not world.paused
    world.run(every(10.0, 60.0, start=2_260.0), lambda _now, _desired: THERE)
    assert world.paused
    before = len(world.paused)
    world.run(every(10.0, HOUR_S, start=2_330.0), at_times([2_500.0 + 300.0 * step for step in range(11)], THERE))
    assert len(world.paused) - before <= FIRST_PAUSE_S / 10, "the pause that had begun is the last one"


@pytest.mark.parametrize("other_s", [7.0, 10.0, 20.0, 45.0, 120.0, 240.0])
def test_a_slower_or_faster_writer_is_found_too(other_s: float) -> None:
    world = Writers()
    world.run(every(10.0, HOUR_S), at_times([1_000.0 + other_s * step for step in range(1, 400)], THERE))
    assert world.found
    assert world.found[0] <= 1_010.0 + (LEAST_REVERSALS + 1) * max(10.0, other_s)


@pytest.mark.parametrize("upwards", [False, True])
def test_it_does_not_matter_which_writer_scales_out(upwards: bool) -> None:
    world = Writers(desired=THERE if upwards else HERE)
    for now in every(10.0, 600.0):
        world.desired = HERE if upwards else THERE
        world.poll(now, backlog=10 * (THERE if upwards else HERE))
    assert world.found
    assert len(world.writes) <= 10


def test_two_other_writers_that_reverse_each_other_are_found() -> None:
    world = Writers()
    world.run(every(10.0, 300.0), lambda now, _desired: HERE + 5 if now % 20 else HERE - 5)
    assert world.found


@pytest.mark.parametrize("interval_s", INTERVALS_S)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_person_or_a_pipeline_that_resets_the_count_a_few_times_is_no_contest(interval_s: float, times: int) -> None:
    world = Writers(desired=THERE)  # the autoscaler has just scaled out
    resets = [1_000.0 + 3 * interval_s * (step + 1) for step in range(times)]
    world.run(every(interval_s, 30 * interval_s), at_times(resets, THERE))
    assert not world.found
    assert len(world.writes) == 1 + times, "each reset is answered in the same poll"


@pytest.mark.parametrize("period_s", [HOUR_S, HOUR_S / 2, 900.0, 601.0])
def test_a_scheduled_writer_is_no_contest(period_s: float) -> None:
    world = Writers()
    world.run(every(10.0, 6 * HOUR_S), at_times([1_000.0 + period_s * step for step in range(1, 40)], THERE))
    assert not world.found


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.sampled_from([-1, 1]))
def test_changes_in_one_direction_are_no_contest(steps: list[int], sign: int) -> None:
    """A person who raises a count step by step, or another autoscaler that scales in the same direction."""
    contest, count = NO_CONTEST, 1_000
    for number, step in enumerate(steps):
        count += sign * step
        contest = contest.drifted(sign * step, count, 10.0 * number)
        contest = contest.wrote(sign, 10.0 * number + 5)
    assert contest.pauses == 0


moves = st.lists(
    st.tuples(
        st.sampled_from([-23, -1, 1, 23]), st.booleans(), st.sampled_from([1.0, 10.0, 59.0, 60.0, 300.0, 1200.0])
    ),
    max_size=120,
)


def played(events: list[tuple[int, bool, float]]) -> Iterable[tuple[Contest, Contest, float, bool]]:
    """Yield the state before and after each change, its time, and whether the change was the autoscaler's own. A write
    whose answer was lost can be accepted during a pause.
    """
    contest, now = NO_CONTEST, 0.0
    for tasks, own, later_s in events:
        now += later_s
        after = contest.wrote(tasks, now) if own else contest.drifted(tasks, 50 + tasks, now)
        yield contest, after, now, own
        contest = after


@settings(max_examples=500, deadline=None)
@given(moves)
def test_pauses_are_bounded_and_end_and_only_a_reversal_begins_one(events: list[tuple[int, bool, float]]) -> None:
    for before, after, now, own in played(events):
        assert len(after.drifts) <= MOST_STORED
        if after.paused_at != before.paused_at or after.pauses > before.pauses:
            assert not own
            assert not before.is_paused(now), "a change during a pause does not prolong it"
            assert before.last is not None
            assert now - before.last.at < WINDOW_S
            assert after.drifts[-1].reverses
            assert FIRST_PAUSE_S <= after.pause_s <= LONGEST_PAUSE_S
            assert after.is_paused(now)
            assert after.is_paused(now + after.pause_s - 0.001)
            assert not after.is_paused(now + after.pause_s), "half-open"
        if after.pauses > 1 and after.pauses > before.pauses:
            assert before.last is not None
            assert before.last.own, "a longer pause needs a reversal of the autoscaler's own change"
            assert after.pause_s == min(LONGEST_PAUSE_S, 2 * before.pause_s)


def test_the_pauses_double_up_to_a_bound() -> None:
    world = Writers()
    world.run(every(10.0, 2 * HOUR_S), lambda _now, _desired: THERE)
    tries = [at for at, _ in world.writes if at > world.found[0]]
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps[:5] == [130.0, 250.0, 490.0, 610.0, 610.0]


def test_the_pause_ends_by_itself_when_the_other_writer_has_gone() -> None:
    world = Writers()
    world.run(every(10.0, 80.0), lambda _now, _desired: THERE)
    assert world.memory.contest.is_paused(1_080.0)
    world.run(every(10.0, 1_500.0, start=1_090.0), lambda _now, desired: desired)
    assert [target for at, target in world.writes if at > 1_080.0] == [HERE]
    assert world.desired == HERE
    [resumed] = [at for at, _ in world.writes if at > 1_080.0]
    assert resumed <= world.memory.contest.paused_at + FIRST_PAUSE_S + 10
    assert world.memory.contest.notice(2_590.0) is None
    assert world.found[-1] < world.memory.contest.paused_at + FIRST_PAUSE_S + WINDOW_S


def test_after_a_calm_window_the_pauses_are_short_again() -> None:
    world = Writers()
    world.run(every(10.0, 1_200.0), lambda _now, _desired: THERE)
    assert world.memory.contest.pauses > 2
    calm = world.memory.contest.paused_at + world.memory.contest.pause_s + WINDOW_S
    world.run(every(10.0, 60.0, start=calm), lambda _now, _desired: THERE)
    assert world.memory.contest.pauses == 1


def test_one_pause_holds_both_directions_and_a_count_out_of_bounds() -> None:
    contest = Contest()
    for step in range(LEAST_REVERSALS):
        contest = contest.wrote(23, 10.0 * step).drifted(-23, THERE, 10.0 * step + 5)
    assert contest.is_paused(40.0)
    memory = Memory(contest=contest, expected=THERE)
    for waiting, desired in ((4_000, THERE), (0, THERE), (400, 1), (400, 200)):
        seen = Observation(40.0, Fleet(desired, desired, 0, 40.0), (QueueReading("q", Backlog(waiting, 0, 0, 40.0)),))
        for bounds in (ACTIVE, replace(ACTIVE, min_tasks=30), replace(ACTIVE, paused=3)):
            assert decide(bounds, replace(memory, expected=desired), seen).verdict is Verdict.HOLD


def test_the_rule_states_for_how_long_nothing_is_written() -> None:
    """The fourth reversal at 35 s begins a pause of 60 s; 5 s later, 55 s are left."""
    contest = Contest()
    for step in range(LEAST_REVERSALS):
        contest = contest.wrote(23, 10.0 * step).drifted(-23, THERE, 10.0 * step + 5)
    seen = Observation(40.0, Fleet(THERE, THERE, 0, 40.0), (QueueReading("q", Backlog(400, 0, 0, 40.0)),))
    decision = decide(ACTIVE, Memory(contest=contest, expected=THERE), seen)
    assert decision.steps[-1].rule is Rule.CONTESTED
    assert decision.steps[-1].reason.endswith("no change for the next 55 s, because two writers undo each other")


def test_a_gap_keeps_the_contest_a_restart_and_shadow_have_none() -> None:
    world = Writers()
    world.run(every(10.0, 60.0), lambda _now, _desired: THERE)
    fleet = Fleet(THERE, THERE, 0, 1_070.0)
    assert world.memory.contest.is_paused(1_070.0)
    lapsed = replace(world.memory, lapsed=True).resumed(fleet, 1_070.0, complete=True)
    assert lapsed.contest == world.memory.contest
    assert Memory.begun(fleet, 1_070.0).contest == NO_CONTEST
    shadow = replace(ACTIVE, mode=Mode.SHADOW)
    assert world.memory.contest_at(shadow, fleet, 1_070.0) == NO_CONTEST
    in_shadow = Writers(policy=shadow)
    in_shadow.run(every(10.0, 300.0), lambda now, _desired: THERE if now % 20 else HERE)
    assert not in_shadow.found, "in shadow, another autoscaler scales the service"


def test_the_autoscaler_s_own_changes_in_both_directions_are_no_reversal() -> None:
    contest = NO_CONTEST
    for step in range(20):
        contest = contest.wrote(5, 30.0 * step).wrote(-5, 30.0 * step + 10).drifted(-1, 9, 30.0 * step + 20)
    assert contest.pauses == 0
    assert not any(drift.reverses for drift in contest.drifts)


def test_the_account_counts_all_changes_and_names_the_last_count() -> None:
    contest = NO_CONTEST
    for step in range(12):
        contest = contest.wrote(27, 15.0 * step).drifted(-27, 13, 15.0 * step + 10)
    assert contest.account == "desiredCount was changed by someone else 12 times in 3 minutes, last to 13"
    assert contest.drifted(-3, 10, 175.0 + 1_160.0).account.startswith(
        "desiredCount was changed by someone else 4 times in 20 minutes, last to 10"
    )
    once = NO_CONTEST.wrote(1, 0.0).drifted(-1, 1, 0.4)
    assert once.account == "desiredCount was changed by someone else 1 time in 0 seconds, last to 1"
    assert once.notice(0.4) is None


def test_the_smallest_change_back_is_a_reversal() -> None:
    contest = NO_CONTEST.drifted(1, 18, 0.0).wrote(-1, 5.0)
    assert contest.last == Move(5.0, -1, own=True, reverses=True)
    assert contest.drifted(1, 18, 10.0).drifts[-1].reverses


def test_other_writers_that_reverse_each_other_after_a_pause_begin_no_longer_one() -> None:
    contest = NO_CONTEST
    for step in range(LEAST_REVERSALS):
        contest = contest.wrote(23, 10.0 * step).drifted(-23, THERE, 10.0 * step + 5)
    assert contest.pauses == 1
    for step in range(10):
        contest = contest.drifted(5 if step % 2 else -5, HERE, 200.0 + 10.0 * step)
        assert contest.drifts[-1].reverses is (step > 0)
    assert contest.pauses == 1


def test_without_a_contest_nothing_is_paused_just_after_the_clock_began() -> None:
    assert not NO_CONTEST.is_paused(0.0)
    assert not NO_CONTEST.is_on(0.0)
    assert Contest(pauses=1).notice(1.0) is None, "a recorded situation without the changes"


REVERSED = (Drift(0.0, THERE, reverses=True),)


@pytest.mark.parametrize(
    ("contest", "until"),
    [
        (Contest(REVERSED * LEAST_REVERSALS), WINDOW_S),
        (Contest(REVERSED, pauses=1, paused_at=0.0), FIRST_PAUSE_S + WINDOW_S),
        (Contest(REVERSED, pauses=2, paused_at=0.0), 2 * FIRST_PAUSE_S + WINDOW_S),
        (Contest((*REVERSED, Drift(500.0, THERE, reverses=True)), pauses=1, paused_at=0.0), 500.0 + WINDOW_S),
        (
            Contest((*REVERSED, Drift(500.0, THERE, reverses=False)), pauses=1, paused_at=0.0),
            FIRST_PAUSE_S + WINDOW_S,
        ),
        (Contest(REVERSED * (LEAST_REVERSALS - 1)), -1.0),
    ],
)
def test_a_contest_ends_a_window_after_the_newest_pause_or_reversal(contest: Contest, until: float) -> None:
    assert contest.is_on(until - 0.001) is (until > 0)
    assert not contest.is_on(until), "half-open"


def test_the_notice_names_the_pause_or_the_repeated_scale_outs() -> None:
    paused = Contest(REVERSED, pauses=2, paused_at=0.0).notice(30.0)
    assert paused is not None
    assert "pauses its writes for 120 s at a time" in paused
    stood = Contest(REVERSED * LEAST_REVERSALS).notice(30.0)
    assert stood is not None
    assert "repeats its scale-outs" in stood


@pytest.mark.parametrize(("lasted_s", "words"), [(59.0, "59 seconds"), (60.0, "1 minute"), (150.0, "2 minutes")])
def test_the_account_gives_seconds_below_a_minute(lasted_s: float, words: str) -> None:
    assert f"2 times in {words}" in Contest((*REVERSED, Drift(lasted_s, 5, reverses=False))).account


@pytest.mark.parametrize(("later_s", "reverses"), [(WINDOW_S - 1, True), (WINDOW_S, False)])
def test_a_change_of_long_ago_is_not_reversed(later_s: float, reverses: bool) -> None:
    contest = NO_CONTEST.wrote(1, 0.0).drifted(-1, THERE, later_s)
    assert contest.drifts[-1].reverses is reverses
    assert len(contest.drifted(-1, THERE, later_s + WINDOW_S).drifts) == 1, "forgotten after a window"


def test_a_reversal_during_a_pause_does_not_begin_another() -> None:
    """A write whose answer was lost can be accepted during a pause."""
    contest = NO_CONTEST
    for step in range(LEAST_REVERSALS):
        contest = contest.wrote(23, 10.0 * step).drifted(-23, THERE, 10.0 * step + 5)
    again = contest.wrote(23, 50.0).drifted(-23, THERE, 55.0)
    assert (again.pauses, again.paused_at) == (1, contest.paused_at)


def test_a_scale_in_by_one_task_that_stood_is_no_scale_out() -> None:
    contest = NO_CONTEST
    for step in range(LEAST_REVERSALS):
        contest = contest.wrote(-1, STOOD_S * step).drifted(1, THERE, STOOD_S * (step + 1))
    assert contest.pauses == 1


@pytest.mark.parametrize(("pauses", "pause_s"), [(1, 60.0), (4, 480.0), (5, 600.0), (6, 600.0), (5_000, 600.0)])
def test_no_pause_is_longer_than_ten_minutes_however_long_the_contest_lasts(pauses: int, pause_s: float) -> None:
    """5,000 pauses are those of five weeks; two to the power of their number exceeds the largest float."""
    assert Contest(pauses=pauses).pause_s == pause_s


def test_the_newest_64_changes_are_stored() -> None:
    """Another writer changes the count each second, for five minutes."""
    contest = NO_CONTEST
    for second in range(300):
        contest = contest.drifted(-1, 1_000 - second, float(second))
    assert contest.account == "desiredCount was changed by someone else 64 times in 1 minute, last to 701"
    assert contest.drifts[0].at == 299.0 - 63.0


def test_a_scale_out_that_stood_is_repeated_also_just_after_the_clock_began() -> None:
    """Three reversals within 25 s; the next scale-out stands from then until 147 s. There was no pause."""
    contest = NO_CONTEST
    for step in range(LEAST_REVERSALS - 1):
        contest = contest.wrote(23, 10.0 * step).drifted(-23, THERE, 10.0 * step + 5)
    contest = contest.wrote(23, 25.0).drifted(-23, THERE, 25.0 + STOOD_S + 2)
    assert contest.pauses == 0
    assert contest.is_on(25.0 + STOOD_S + 2)


def test_a_contest_ends_although_its_changes_are_forgotten() -> None:
    """A pause of ten minutes begins at 0 s, and the next change by another writer, which reverses nothing, comes when
    the one before is forgotten: the contest ends a window after the pause.
    """
    contest = Contest(REVERSED, Move(0.0, -23, own=False), pauses=5, paused_at=0.0)
    contest = contest.drifted(-1, THERE - 1, WINDOW_S)
    assert [drift.reverses for drift in contest.drifts] == [False]
    assert contest.is_on(LONGEST_PAUSE_S + WINDOW_S - 0.001)
    assert not contest.is_on(LONGEST_PAUSE_S + WINDOW_S)
