"""Laws of the load of a signal that is a mean over the tasks (`core/load.py`), over drawn histories of periods."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import ceil
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autoscaler.core.load import MOST_AHEAD, RUN, LoadPeriod, follow, joined, load_of, noise_of, reach_s
from autoscaler.core.memory import Memory, RunningCount
from autoscaler.core.model import Fleet, RanTasks

TARGET = 60.0
FULL = 100.0


def minutes(*tasks: float, saturated: bool = False) -> list[LoadPeriod]:
    """Return minutes whose load requires these tasks."""
    return [LoadPeriod(60.0 * at, load * TARGET, load * TARGET, saturated) for at, load in enumerate(tasks)]


def required(periods: list[LoadPeriod], current: int) -> float:
    found = follow(periods, TARGET, current)
    return found.planned if found.rises else found.held if found.falls else float(current)


HISTORIES = st.lists(st.floats(0.5, 40.0), min_size=1, max_size=16)


@given(HISTORIES, st.integers(1, 50), st.floats(1.0, 3.0))
def test_a_higher_newest_period_never_requires_fewer_tasks(history: list[float], current: int, times: float) -> None:
    higher = [*history[:-1], history[-1] * times]
    assert required(minutes(*higher), current) >= required(minutes(*history), current) - 1e-9


@given(HISTORIES, st.integers(1, 50), st.floats(1.0, 3.0))
def test_a_load_that_was_higher_by_a_factor_never_requires_fewer_tasks(
    history: list[float], current: int, times: float
) -> None:
    higher = [load * times for load in history]
    assert required(minutes(*higher), current) >= required(minutes(*history), current) - 1e-9


@given(HISTORIES, st.integers(1, 50))
def test_a_rise_is_at_most_a_tenth_more_than_measured(history: list[float], current: int) -> None:
    found = follow(minutes(*history), TARGET, current)
    if found.rises:
        assert current <= found.planned <= max(current, found.measured * (1 + MOST_AHEAD) + 1e-9)


@given(HISTORIES, st.integers(1, 50))
def test_after_a_scale_in_no_period_of_the_window_is_above_the_target(history: list[float], current: int) -> None:
    found = follow(minutes(*history), TARGET, current)
    if found.falls:
        assert max(history) - 1e-9 <= found.held <= current - 1 + 1e-6
        left = ceil(round(found.held, 6))
        assert left == 0 or not follow(minutes(*history), TARGET, left).rises


@given(st.floats(0.3, 30.0), st.integers(1, 40), st.integers(1, 20))
def test_a_constant_load_without_noise_requires_its_tasks(load: float, current: int, length: int) -> None:
    """From below after at most twelve minutes, from above at once; and then nothing changes."""
    count = current
    for number in range(1, max(length, RUN) + 1):
        count = max(1, ceil(round(required(minutes(*[load] * number), count), 6)))
    assert count == max(1, ceil(round(load, 6)))
    assert required(minutes(*[load] * 16), count) == count


def test_one_period_is_above_the_count_by_its_noise_and_twelve_by_nothing() -> None:
    steady = [5.0] * 8
    assert follow(minutes(6.31), TARGET, 6).rises, "2.5 x 2 % above"
    assert not follow(minutes(6.29), TARGET, 6).rises
    assert follow(minutes(*steady, 6.22), TARGET, 6).rises, "2.5 x 1.4 %, if no noise was measured"
    assert not follow(minutes(*steady, 6.2), TARGET, 6).rises
    assert follow(minutes(6.16, 6.16, 6.16, 6.16), TARGET, 6).rises
    assert not follow(minutes(6.14, 6.14, 6.14, 6.14), TARGET, 6).rises
    assert follow(minutes(*[6.01] * 12), TARGET, 6).rises
    assert not follow(minutes(*[6.01] * 11), TARGET, 6).rises
    assert not follow(minutes(*[6.01] * 5, 5.99, *[6.01] * 11), TARGET, 6).rises
    assert not follow(minutes(*[6.0] * 16), TARGET, 6).rises
    assert follow(minutes(6.25, 6.22), TARGET, 6).rises, "both by 2.5 x 2 % / sqrt(2)"
    assert not follow(minutes(6.25, 6.2), TARGET, 6).rises, "the lower one is not"
    noisy = [5.0, 10.0] * 4
    assert follow(minutes(*noisy, 12.96), TARGET, 12).rises, "2.5 x 3.2 %: 4 % were measured and 2 % assumed"
    assert not follow(minutes(*noisy, 12.93), TARGET, 12).rises


def test_a_rounding_error_neither_requires_a_task_nor_keeps_one() -> None:
    """21 / 0.7 is 30.000000000000004, and 20993 / 0.7 is 29990.000000000004."""
    counts = [10 * n for n in range(1, 3000) if 7.0 * n / 0.7 > 10 * n]
    assert (counts[0], counts[-1]) == (30, 29_990)
    for count in counts:
        periods = [LoadPeriod(60.0 * at, 7.0 * (count // 10), 7.0 * (count // 10)) for at in range(RUN)]
        assert not follow(periods, 0.7, count).rises
        assert follow(periods, 0.7, count + 1).falls


def test_the_slope_of_two_minutes_is_continued_for_three_by_at_most_a_tenth() -> None:
    found = follow(minutes(10.0, 10.1, 10.2), TARGET, 9)
    assert found.planned == pytest.approx(10.2 + 3 * 0.1)
    assert follow(minutes(10.0, 11.0, 12.0), TARGET, 9).planned == pytest.approx(12.0 * 1.1)
    assert follow(minutes(10.0, 10.0, 12.0), TARGET, 9).planned == pytest.approx(12.0 * 1.1), "over both periods"
    assert follow(minutes(12.0, 10.0, 12.0), TARGET, 9).planned == pytest.approx(12.0), "a single period is no slope"
    assert follow(minutes(10.0, 12.0, 12.0), TARGET, 9).planned == pytest.approx(12.0), "no rise in the last minute"
    assert follow(minutes(10.0, 12.0), TARGET, 9).planned == pytest.approx(12.0), "two periods are not enough"


def test_a_slope_is_relative_and_over_at_least_most_of_a_minute() -> None:
    assert follow(minutes(0.5, 0.51, 0.52), TARGET, 20).held == pytest.approx(0.52 + 3 * 0.01)
    assert follow(minutes(0.0, 0.0, 0.0), TARGET, 20).held == 0.0
    at_once = [period._replace(at=60.0) for period in minutes(10.0, 10.1, 10.2)]
    assert follow(at_once, TARGET, 20).held == pytest.approx(10.2 + 180 * 0.1 / 55)


def test_a_fall_is_not_continued() -> None:
    assert follow(minutes(9.0, 7.0, 5.0), TARGET, 20, window_s=60.0).held == pytest.approx(5.0)


def test_a_rise_within_the_noise_is_no_slope() -> None:
    """The noise is at most 4 %: a rise by 0.2 in two minutes, from 5.15 to 5.35, is less than 4 % of 5.35."""
    found = follow(minutes(*[5.0, 5.2] * 4, 5.15, 5.25, 5.35), TARGET, 20)
    assert found.held == pytest.approx(5.35 * 1.08)


def test_while_all_tasks_are_busy_the_count_grows_by_a_tenth_more_than_measured() -> None:
    period = load_of(100.0, 0.0, RanTasks(6, 6), FULL)
    assert period.saturated
    assert follow([period._replace(at=-60.0), period], TARGET, 6).planned == pytest.approx(11.0)
    assert follow([period], TARGET, 6).planned == pytest.approx(10.0), "a single datapoint is taken as it is"
    assert load_of(97.0, 0.0, RanTasks(6, 6), FULL).saturated
    assert not load_of(96.9, 0.0, RanTasks(6, 6), FULL).saturated
    assert not load_of(100.0, 0.0, RanTasks(6, 6)).saturated, "a metric has no value that a task cannot exceed"


def test_a_starting_task_may_use_no_cpu_or_all_of_it() -> None:
    ran = RanTasks(5.0, 6.0, starting=1.0, started=2.0)
    assert load_of(80.0, 0.0, ran, FULL) == LoadPeriod(0.0, 80 * 5 - 100, 80 * 6, False, True)
    assert load_of(80.0, 0.0, ran) == LoadPeriod(0.0, 80 * 4, 80 * 6, False, True)
    assert load_of(100.0, 0.0, ran, FULL) == LoadPeriod(0.0, 300, 600, True, True), "all that started, if all are busy"
    assert load_of(10.0, 0.0, ran, FULL).low == 0.0
    one = RanTasks(5.0, 6.0, starting=0.5, started=1.0)
    assert load_of(120.0, 0.0, one, FULL) == LoadPeriod(0.0, 480, 720, True, True), "more than all that it reserved"
    assert load_of(80.0, 0.0, RanTasks(5.0, 5.0), FULL) == LoadPeriod(0.0, 400, 400, False, False)


def test_a_vague_period_is_above_the_count_only_by_its_vagueness() -> None:
    def period(low: float, *, starting: bool) -> LoadPeriod:
        return LoadPeriod(0.0, low * TARGET, 10.0 * TARGET, starting=starting)

    assert period(7.9, starting=True).vagueness == pytest.approx(0.21)
    assert period(8.1, starting=True).vagueness == 0.0
    assert LoadPeriod(0.0, 8.0, 10.0, starting=True).vagueness == 0.0, "a fifth is not more than a fifth"
    assert LoadPeriod(0.0, 0.1, 0.4, starting=True).vagueness == pytest.approx(0.75), "in any unit"
    assert LoadPeriod(0.0, 0.0, 0.0, starting=True).vagueness == 0.0
    assert follow([period(7.9, starting=True)], TARGET, 6).rises
    assert not follow([period(7.9, starting=True)], TARGET, 7).rises
    assert follow([period(7.9, starting=False)], TARGET, 7).rises


def test_a_scale_in_needs_room_for_the_noise_of_the_window() -> None:
    noisy = [5.0, 5.1] * 5
    noise = noise_of(noisy[:-1])
    assert noise is not None
    assert 0.01 < noise <= 0.04
    assert follow(minutes(*noisy), TARGET, 8).held == pytest.approx(5.1 * (1 + 2 * noise))
    assert follow(minutes(*noisy), TARGET, 6).held == pytest.approx(5.1 * (1 + 4 * noise)), "a small step"
    assert noise_of([5.0] * 6) == 0.0
    assert noise_of([float(at) for at in range(5, 15)]) == 0.0, "a slope is no noise"
    assert noise_of([5.0] * 5) is None, "too few"
    assert follow(minutes(*noisy[:6]), TARGET, 8).held == pytest.approx(5.1)
    assert follow(minutes(*noisy), TARGET, 4).planned == pytest.approx(5.1 * (1 + 2 * noise)), "as a scale-out does"
    assert follow(minutes(*[5.0, 10.0] * 5), TARGET, 30).held == pytest.approx(10.0 * 1.08), "at most 4 % are noise"


@pytest.mark.parametrize("unit", [0.001, 1.0, 1000.0])
def test_the_noise_is_the_relative_standard_deviation_of_independent_periods(unit: float) -> None:
    drawn = Random(1)
    assert noise_of([drawn.gauss(100.0, 1.0) * unit for _ in range(20_000)]) == pytest.approx(0.01, rel=0.04)
    assert noise_of([0.0] * 20) is None
    assert noise_of([]) is None


def test_a_small_scale_in_needs_twice_the_window() -> None:
    history = minutes(9.0, *[5.0] * 20)
    assert follow(history, TARGET, 10, window_s=900.0).held == pytest.approx(5.0), "a large one does not"
    assert follow(minutes(9.9, *[9.0] * 20), TARGET, 10, window_s=900.0).held == pytest.approx(9.9)
    assert not follow(minutes(9.9, *[9.0] * 20), TARGET, 10, window_s=900.0).falls
    assert follow(minutes(*[9.0] * 20), TARGET, 10, window_s=900.0).falls
    assert reach_s(900.0) == 1800.0
    assert follow(minutes(9.0, 5.0), TARGET, 10, window_s=0.0).held == pytest.approx(5.0), "the newest always counts"
    assert follow(minutes(9.0, 5.0), TARGET, 20, window_s=60.0).held == pytest.approx(5.0), "windows are half-open"


@pytest.mark.parametrize(("load", "held"), [(8.4, 8.4), (8.5, 8.5), (8.6, 9.0)])
def test_a_scale_in_is_small_by_less_than_a_task_and_a_twentieth_of_the_count(load: float, held: float) -> None:
    """Of 10 tasks by less than 1.5: the load of two minutes ago, 9.0, then counts too."""
    assert follow(minutes(9.0, load, load), TARGET, 10, window_s=120.0).held == pytest.approx(held)


@pytest.mark.parametrize("current", [10, 2])
def test_a_signal_that_needs_a_task_keeps_it_whatever_its_load(current: int) -> None:
    assert follow(minutes(0.2), TARGET, current, least=1.0).held == 1.0
    assert follow(minutes(0.2), TARGET, current, least=1.0).falls
    assert follow(minutes(0.2), TARGET, current).held == pytest.approx(0.2)


@given(st.lists(st.floats(0.0, 2000.0), min_size=1, max_size=12), st.floats(100.0, 1000.0))
def test_each_period_is_stored_once_and_for_the_window(ends: list[float], reach_s: float) -> None:
    periods: tuple[LoadPeriod, ...] = ()
    for end in sorted(ends):
        for _ in range(10):  # ten polls
            periods = joined(periods, LoadPeriod(end, 1.0, 2.0), reach_s)
    instants = [period.at for period in periods]
    assert instants == sorted(set(instants))
    assert all(later - earlier >= 55.0 for earlier, later in pairwise(instants))
    assert max(ends) - instants[0] < reach_s + 55.0


def test_a_later_reading_of_a_period_replaces_its_low_and_keeps_its_highest_load() -> None:
    first, second = LoadPeriod(100.0, 3.0, 9.0), LoadPeriod(140.0, 2.0, 4.0)
    assert joined((first,), second, 900.0) == (LoadPeriod(100.0, 2.0, 9.0),)
    assert joined((first,), second._replace(at=154.9), 900.0) == (LoadPeriod(100.0, 2.0, 9.0),)
    assert joined((first,), second._replace(at=155.0), 900.0) == (first, second._replace(at=155.0))
    assert joined((first, first._replace(at=110.0)), second, 900.0) == (LoadPeriod(100.0, 2.0, 9.0),)
    assert joined((first,), second._replace(at=100.0), 900.0) == (LoadPeriod(100.0, 2.0, 4.0),), "the same datapoint"
    assert joined((first,), second._replace(at=1000.0), 900.0) == (second._replace(at=1000.0),)


FLEET = Fleet(desired=7, running=7, pending=0, at=200.0)


def test_a_change_happened_up_to_two_polls_before_it_was_seen() -> None:
    memory = Memory(running=(RunningCount(0.0, 4), RunningCount(150.0, 7)))
    assert memory.tasks_in(120.0, 180.0, 0.0, FLEET) == RanTasks(5.5, 5.5, starting=1.5, started=3.0)
    assert memory.tasks_in(120.0, 180.0, 20.0, FLEET) == RanTasks(5.5, 6.5, starting=2.5, started=3.0)
    assert memory.tasks_in(60.0, 120.0, 20.0, FLEET) == RanTasks(4.0, 4.0)
    half_a_second = memory.tasks_in(90.5, 150.5, 20.0, FLEET)
    assert half_a_second == pytest.approx((4 + 3 * 0.5 / 60, 4 + 3 * 20.5 / 60, 3 * 20.5 / 60, 3.0))
    assert memory.tasks_in(180.0, 240.0, 20.0, FLEET) == RanTasks(7.0, 7.0, starting=1.5, started=3.0)
    assert memory.tasks_in(240.0, 300.0, 20.0, FLEET) == RanTasks(7.0, 7.0)
    assert memory.tasks_in(-120.0, -60.0, 20.0, FLEET) == RanTasks(4.0, 4.0), "before the first count it applies"


def test_a_count_that_rose_and_fell_has_the_means_of_every_delay() -> None:
    memory = Memory(running=(RunningCount(0.0, 4), RunningCount(100.0, 10), RunningCount(110.0, 4)))
    ran = memory.tasks_in(50.0, 105.0, 20.0, replace(FLEET, desired=4, running=4, at=110.0))
    assert ran is not None
    assert (ran.fewest, ran.most) == pytest.approx((4 + 6 * 5 / 55, 4 + 6 * 10 / 55))


@given(
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 9)), min_size=1, max_size=6, unique_by=lambda pair: pair[0]),
    st.integers(-50, 200),
    st.integers(1, 70),
    st.integers(0, 30),
)
@example([(0, 4), (100, 10), (105, 4)], 90, 10, 20)
@example([(0, 4), (100, 0), (105, 9)], 90, 10, 20)
@example([(0, 4), (100, 10), (101, 4)], 99, 1, 3)
@example([(0, 0), (100, 9), (101, 0)], 90, 60, 0)
@example([(0, 9), (40, 5), (100, 7)], 40, 60, 0)
@example([(0, 9), (40, 5), (99, 7)], 40, 60, 0)
def test_the_tasks_of_a_period_are_those_of_every_delay_second_by_second(
    counts: list[tuple[int, int]], start: int, length: int, noticed: int
) -> None:
    """All times are whole seconds, so the mean of a period is that of its seconds, and its extremes are at whole
    delays. A task counts as starting from `noticed` seconds before it was seen until 60 s after it.
    """
    counts.sort()

    def at(second: int) -> int:
        return next((tasks for since, tasks in reversed(counts) if since <= second), counts[0][1])

    period = range(start, start + length)
    means = [sum(at(second + delay) for second in period) / length for delay in range(noticed + 1)]
    rises = [(later, more - tasks) for (_, tasks), (later, more) in pairwise(counts) if more > tasks]
    young = [(more, sum(since - noticed <= second < since + 60 for second in period)) for since, more in rises]
    memory = Memory(running=tuple(RunningCount(float(since), tasks) for since, tasks in counts))
    present = Fleet(desired=counts[-1][1], running=counts[-1][1], pending=0, at=counts[-1][0] + 5.0)
    ran = memory.tasks_in(float(start), float(start + length), float(noticed), present)
    starting = sum(more * seconds / length for more, seconds in young)
    started = sum(more for more, seconds in young if seconds)
    assert ran == pytest.approx((min(means), max(means), min(starting, max(means)), min(started, max(means))))


def test_a_count_that_was_read_before_the_newest_stored_one_is_not_part_of_the_record() -> None:
    """ECS readings are reused between polls. A count of the same reading is the stored one, before or after a change of
    the desired count.
    """
    memory = Memory(running=(RunningCount(0.0, 4), RunningCount(100.0, 10)))
    for read_at in (90.0, 100.0):
        ran = memory.tasks_in(60.0, 120.0, 0.0, replace(FLEET, at=read_at))
        assert ran is not None
        assert ran.most == pytest.approx((4 * 40 + 10 * 20) / 60)


def test_the_present_count_is_part_of_the_record() -> None:
    memory = Memory(running=(RunningCount(0.0, 4),))
    ran = memory.tasks_in(150.0, 210.0, 0.0, FLEET)
    assert ran is not None
    assert ran.most == pytest.approx((4 * 50 + 7 * 10) / 60)
    assert Memory().tasks_in(0.0, 60.0, 20.0, FLEET) is None


def test_a_present_count_that_was_stored_before_another_one_is_part_of_the_record() -> None:
    memory = Memory(running=(RunningCount(0.0, 4), RunningCount(100.0, 10)))
    ran = memory.tasks_in(150.0, 210.0, 0.0, replace(FLEET, desired=4, running=4))
    assert ran is not None
    assert ran.most == pytest.approx((10 * 50 + 4 * 10) / 60)
