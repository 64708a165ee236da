"""A bottleneck behind the workers: more busy tasks complete no more messages."""

from __future__ import annotations

import random
from itertools import pairwise
from math import inf, lgamma, log
from statistics import fmean

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from autoscaler.core.estimate.bottleneck import PROBE_AFTER_S, PROBE_MORE, PROBE_RATIO, Bottleneck, WorkedMinute
from autoscaler.core.estimate.likelihood import FEWEST, LEANING_NATS, LOW_RATIO, MOST_LAG_MINUTES, _compared

MINUTE_S = 60.0


def after(*counts: tuple[float, float], spread: float = 1.0, gained: float = 50.0) -> Bottleneck:
    """Return the state after saturated minutes of (busy tasks, deletions)."""
    found = Bottleneck()
    more(found, *counts, spread=spread, gained=gained)
    return found


def more(
    found: Bottleneck,
    *counts: tuple[float, float],
    since: float = 0.0,
    spread: float = 1.0,
    gained: float = 50.0,
    saturated: bool = True,
) -> None:
    for minute, (tasks, deleted) in enumerate(counts, 1):
        found.see(WorkedMinute(since + minute * MINUTE_S, tasks, deleted, gained, spread), saturated=saturated)


def noisy(tasks: list[float], rate: float, elasticity: float, seed: int) -> list[tuple[float, float]]:
    """Return minutes of deletions at this elasticity, `rate` at the first."""
    drawn = random.Random(seed)
    means = [rate * (each / tasks[0]) ** elasticity for each in tasks]
    return [(each, max(0, round(drawn.gauss(mean, mean**0.5)))) for each, mean in zip(tasks, means, strict=True)]


growth = st.floats(1.2, 1.6).map(lambda ratio: [14 * ratio**minute for minute in range(10)])
seeds = st.integers(0, 1000)


@given(growth, st.floats(250, 3000), seeds)
def test_tasks_that_bring_no_more_deletions_limit_the_count(tasks: list[float], rate: float, seed: int) -> None:
    limit = after(*noisy(tasks, rate, 0.0, seed), spread=0.5).limit(600.0)
    assert limit is not None
    assert 0.4 * tasks[0] < limit < 3 * tasks[0]


@given(growth, st.floats(30, 3000), st.floats(0, 9), seeds)
def test_deletions_in_proportion_to_the_tasks_are_no_bottleneck(
    tasks: list[float], rate: float, spread: float, seed: int
) -> None:
    assert after(*noisy(tasks, rate, 1.0, seed), spread=spread).limit(600.0) is None


@given(growth, st.floats(1.0, 50.0), seeds)
def test_few_deletions_that_scatter_at_random_are_no_bottleneck(tasks: list[float], rate: float, seed: int) -> None:
    assert after(*noisy(tasks[:5], rate / 50, 0.7, seed), spread=9.0).limit(300.0) is None


def test_a_release_that_is_five_times_as_slow_is_no_bottleneck() -> None:
    """After the release, 14 tasks delete 34 a minute instead of 168, and 70 delete 168."""
    slower = [(14, 34), (14, 36), (20, 47), (30, 72), (45, 108), (70, 168), (70, 165), (70, 170)]
    assert after(*slower).limit(600.0) is None


def test_long_jobs_with_few_deletions_need_more_minutes() -> None:
    """Twelve deletions a minute scatter by a third: tasks that grow by a tenth a minute show it after 20 minutes."""
    counts = [(8 * 1.1**minute, 12.0 + (-1) ** minute) for minute in range(40)]
    known = [after(*counts[:minutes], gained=6.0).limit(minutes * MINUTE_S) is not None for minutes in range(1, 40)]
    first = known.index(True)
    assert 10 < first < 25
    assert all(known[first:])


def test_times_that_spread_widely_are_less_certain() -> None:
    counts = [(14 * 1.3**minute, 120.0) for minute in range(6)]
    assert after(*counts, spread=0.5).limit(400.0) is not None
    assert after(*counts, spread=30.0).limit(400.0) is None


def test_the_spread_of_the_minutes_before_counts() -> None:
    """A bottleneck makes the times differ: 5 s before, 50 s after."""
    counts = [(14 * 1.3**minute, 120.0) for minute in range(8)]
    found = Bottleneck()
    for minute, (tasks, deleted) in enumerate(counts):
        spread = 0.5 if minute < 4 else 60.0
        found.see(WorkedMinute(minute * MINUTE_S, tasks, deleted, 50.0, spread), saturated=True)
    assert found.limit(500.0) is not None


def test_a_minute_without_deletions_is_no_bottleneck() -> None:
    assert after(*[(10.0, 300.0)] * 3, (40.0, 300.0), (40.0, 0.0), spread=0.0).limit(400.0) is None


def test_a_limit_ends_after_two_minutes_without_a_backlog() -> None:
    found = after(*[(14 * 1.3**minute, 120.0) for minute in range(8)])
    more(found, (14, 110), since=480.0, gained=-500.0, saturated=False)
    assert found.limit(540.0) is not None
    more(found, (14, 110), since=540.0, gained=0.0, saturated=False)
    assert found.limit(600.0) is None


def test_more_deletions_end_the_limit() -> None:
    found = after(*[(14 * 1.3**minute, 120.0) for minute in range(8)])
    more(found, (15, 240), (15, 238), since=480.0)
    assert found.limit(600.0) is None


def test_without_a_visible_backlog_the_surplus_of_arrivals_shows_that_deletions_are_limited() -> None:
    """Every message is received by one of ever more tasks: nothing waits, and more arrive than are completed."""
    counts = [(14 * 1.2**minute, 120.0) for minute in range(16)]
    hidden, served = Bottleneck(), Bottleneck()
    more(hidden, *counts, gained=48.0, saturated=False)
    more(served, *counts, gained=0.0, saturated=False)
    assert hidden.limit(960.0) is not None
    assert served.limit(960.0) is None, "the arrivals limit the deletions"


def test_the_limit_is_tested_after_ten_minutes_and_later_less_often() -> None:
    found = after(*[(14.0, 120.0)] * 4, *[(40.0, 120.0)] * 4)
    first = found.limit(480.0)
    assert first is not None
    probed = []
    for minute in range(8, 200):
        for at in range(6):
            now = minute * MINUTE_S + 10 * at
            if found.limit(now) != first:
                assert found.limit(now) == pytest.approx(max(first * PROBE_RATIO, first + PROBE_MORE))
                probed.append(now)
        more(found, (14.0, 120.0), since=minute * MINUTE_S)
    gaps = [later - earlier for earlier, later in pairwise(probed) if later - earlier > 10]
    assert PROBE_AFTER_S <= probed[0] - 300 <= PROBE_AFTER_S + 60
    assert gaps == sorted(gaps)
    assert gaps[0] >= 2 * PROBE_AFTER_S
    assert gaps[-1] <= 3600 + 60


def timed(
    *counts: tuple[float, float], task_s: float, since: float = 0.0, found: Bottleneck | None = None
) -> Bottleneck:
    """Return the state after saturated minutes of (tasks, deletions), with this time of a message as known then."""
    state = Bottleneck() if found is None else found
    for minute, (tasks, deleted) in enumerate(counts, 1):
        at = since + minute * MINUTE_S
        state.see(WorkedMinute(at, tasks, deleted, 50.0, 0.5, task_s), saturated=True)
    return state


@given(st.floats(2, 200), st.floats(0.5, 20), st.integers(0, 1000))
def test_the_limit_is_littles_law_at_the_time_from_before(supported: float, task_s: float, seed: int) -> None:
    """A system that supports this number of tasks: with twice and more tasks, as many are deleted as by that number."""
    rate = supported * MINUTE_S / task_s
    tasks = [2.0 * supported * 1.5**minute for minute in range(9)]
    slower = timed(
        *noisy(tasks, rate, 0.0, seed), task_s=3 * task_s, since=60.0, found=timed((tasks[0], rate), task_s=task_s)
    )
    limit = slower.limit(600.0)
    if rate > 100:
        assert limit is not None
    if limit is not None:
        assert limit == pytest.approx(max(1.0, supported), rel=0.35)


def test_without_a_known_time_the_limit_is_the_fewest_tasks() -> None:
    counts = [(14.0, 120.0)] * 4 + [(40.0, 120.0)] * 4
    assert timed(*counts, task_s=inf).limit(480.0) == 14.0


def test_a_probe_stays_within_twice_the_limit() -> None:
    """At 4 tasks: 4 + 3. At 2: 2 x 2, not 2 + 3. At 100: 1.5 x 100."""
    for supported, tested in ((4.0, 7.0), (2.0, 4.0), (100.0, 150.0)):
        found = timed(*[(supported, 600.0)] * 5, *[(3 * supported, 600.0)] * 4, task_s=inf)
        assert found.limit(540.0) == supported
        began = next(at for at in range(300, 1500) if found.limit(float(at)) != supported)
        assert found.limit(float(began)) == tested


def test_a_change_of_all_messages_before_the_tasks_were_added_is_no_bottleneck() -> None:
    """180 a minute by 15 tasks, then a third of it; 45 tasks delete 180 again. The tasks tripled, the deletions did
    not rise above those of 15 tasks.
    """
    counts = [(15, 180)] * 5 + [(15, 60)] * 3 + [(30, 120)] * 2 + [(45, 180)] * 4
    for minutes in range(5, len(counts) + 1):
        found = timed(*counts[:minutes], task_s=5.0)
        assert (found.limit(minutes * MINUTE_S), found.trial(minutes * MINUTE_S)) == (None, None)


@given(st.integers(5, 12), st.integers(0, 1000))
def test_a_change_at_any_minute_is_recognized(constant: int, seed: int) -> None:
    """A bottleneck that begins while messages wait: 15 tasks delete 180 and then 120, like 20, 30 and 45."""
    counts = [(15.0, 180.0)] * constant + noisy([15.0] * 4 + [20.0, 30.0, 45.0, 45.0], 120.0, 0.0, seed)
    found = timed(*counts, task_s=5.0)
    limit = found.limit(len(counts) * MINUTE_S)
    assert limit is not None
    assert limit == pytest.approx(10.0, rel=0.25)


def likely() -> Bottleneck:
    """Poisson: deleted x ln(mean / tasks) over the minutes, without the first of those that are compared: 19 x (4 x
    ln(13.33 / 10) + 4 x ln(13.33 / 16.67)) / 1.5 = 3.3, between 3 and 8. It is 2.9 with one minute less.
    """
    found = timed(*[(10.0, 19.0)] * 6, *[(16.67, 19.0)] * 3, task_s=inf)
    assert (found.limit(540.0), found.trial(540.0)) == (None, None)
    return timed((16.67, 19.0), since=540.0, task_s=inf, found=found)


@pytest.mark.parametrize(("after_s", "most"), [(0.0, 16.67), (599.0, 16.67), (600.0, 25.005)])
def test_while_a_bottleneck_is_likely_no_more_tasks_are_tried_for_ten_minutes(after_s: float, most: float) -> None:
    assert likely().limit(600.0) is None
    assert likely().trial(600.0 + after_s) == pytest.approx(most)


def test_a_test_begins_ten_minutes_of_its_own() -> None:
    """25 tasks delete slightly more than 17: still a bottleneck is likely, and not certain."""
    found = timed((25.0, 20.0), since=600.0, task_s=inf, found=likely())
    assert found.limit(660.0) is None
    assert [found.trial(at) for at in (660.0, 1259.0, 1260.0)] == pytest.approx([25.0, 25.0, 37.5])


def test_minutes_in_which_tasks_stopped_are_left_out() -> None:
    """Four tasks stop within a minute: its deletions are of four tasks, of one, or of some in between."""
    growing = [(1.0, 15.0)] * 6 + [(2.0, 25.0)] * 4 + [(4.0, 45.0)] * 3
    stopped = [(0.3, 12.0), *[(1.0, 12.0)] * 4]
    for minutes in range(len(growing), len(growing) + len(stopped) + 1):
        found = timed(*[*growing, *stopped][:minutes], task_s=inf)
        assert (found.limit(minutes * MINUTE_S), found.trial(minutes * MINUTE_S)) == (None, None)


def test_after_a_skipped_minute_nothing_before_it_is_compared() -> None:
    """As many deletions by twice the tasks show a bottleneck, and not if messages failed in between."""
    few, many = [(10.0, 100.0)] * 6, [(20.0, 100.0)] * 6
    assert timed(*few, *many, task_s=inf).limit(720.0) is not None
    found = timed(*few, task_s=inf)
    found.skip()
    assert (timed(*many, since=420.0, task_s=inf, found=found).limit(780.0), found.trial(780.0)) == (None, None)


@pytest.mark.parametrize(("skipped", "is_limited"), [(1, True), (2, False)])
def test_two_skipped_minutes_end_the_limit(skipped: int, *, is_limited: bool) -> None:
    found = timed(*[(10.0, 100.0)] * 6, *[(20.0, 100.0)] * 6, task_s=inf)
    for _ in range(skipped):
        found.skip()
    assert (found.limit(900.0) is not None) is is_limited


def test_one_minute_with_few_tasks_decides_nothing() -> None:
    """Tasks that start within a minute have deleted more than the mean number of tasks in it explains."""
    found = timed((28, 153), *[(38, 152)] * 30, task_s=inf)
    assert (found.limit(1860.0), found.trial(1860.0)) == (None, None)


def test_added_tasks_must_have_had_the_time_to_complete_their_first_messages() -> None:
    """Each message takes four minutes, so 300 tasks in place of 100 delete more from the fifth minute on."""
    counts = [(100.0, 25.0)] * 12 + [(300.0, 25.0)] * 4 + [(300.0, 75.0)] * 8
    for minutes in range(13, len(counts) + 1):
        assert timed(*counts[:minutes], task_s=240.0).limit(minutes * MINUTE_S) is None


@pytest.mark.parametrize(("task_minutes", "is_limited"), [(7.9, True), (8.1, False)])
def test_messages_longer_than_eight_minutes_are_not_compared(task_minutes: float, *, is_limited: bool) -> None:
    assert MOST_LAG_MINUTES == LOW_RATIO * 8
    few = 1000.0 * task_minutes
    found = timed(*[(few, 1000.0)] * 15, *[(3 * few, 1000.0)] * 15, task_s=inf)
    assert (found.limit(1800.0) is not None) is is_limited


@pytest.mark.parametrize(("newest", "is_limited"), [(90.0, False), (120.0, True)])
def test_with_less_than_half_of_the_deletions_the_workers_are_broken(newest: float, *, is_limited: bool) -> None:
    """The mean without the first minute: (4 x 240 + newest) / 5 = 210 or 216, and half of it is 105 or 108."""
    found = timed(*[(10.0, 240.0)] * 3, *[(40.0, 240.0)] * 2, (40.0, newest), task_s=inf)
    assert (found.limit(360.0) is not None) is is_limited


@pytest.mark.parametrize(("gap_s", "is_limited"), [(180.0, True), (181.0, False)])
def test_minutes_with_a_gap_of_more_than_three_minutes_are_not_compared(gap_s: float, *, is_limited: bool) -> None:
    found = timed(*[(14.0, 300.0)] * 6, task_s=inf)
    timed(*[(40.0, 300.0)] * 6, since=300.0 + gap_s, task_s=inf, found=found)
    assert (found.limit(660.0 + gap_s) is not None) is is_limited


def test_a_limit_that_is_too_low_ends_when_fewer_tasks_complete_fewer_messages() -> None:
    """40 tasks deleted as much as 10, at random. 10 of them delete a quarter of what 40 did."""
    found = timed(*[(10.0, 240.0)] * 5, *[(40.0, 240.0)] * 3, task_s=inf)
    assert found.limit(480.0) == 10.0
    timed((40.0, 240.0), (20.0, 120.0), (10.0, 60.0), since=480.0, task_s=inf, found=found)
    assert found.limit(660.0) is None


def test_a_limit_stays_while_fewer_tasks_complete_as_many_messages() -> None:
    found = timed(*[(10.0, 240.0)] * 5, *[(40.0, 240.0)] * 3, task_s=inf)
    timed((40.0, 240.0), (20.0, 240.0), (10.0, 240.0), since=480.0, task_s=inf, found=found)
    assert found.limit(660.0) == 10.0


def test_deletions_that_scatter_as_with_jobs_of_one_second_and_two_minutes_need_more_evidence() -> None:
    """The same mean, 60 a minute: with 10 and 110 in turn the scatter is 50^2 / 60 = 42 times that of a count."""
    even = timed(*[(10.0, 60.0)] * 8, *[(30.0, 60.0)] * 8, task_s=inf)
    wide = timed(*[(10.0, 10.0), (10.0, 110.0)] * 4, *[(30.0, 10.0), (30.0, 110.0)] * 4, task_s=inf)
    assert even.limit(960.0) == 10.0
    assert wide.limit(960.0) is None


# The limits of what is compared, at both sides.


@pytest.mark.parametrize(("minutes", "most"), [(14, None), (15, 25.0)])
def test_after_a_start_twice_as_many_tasks_are_tried_if_messages_waited_for_15_minutes(
    minutes: int, most: float | None
) -> None:
    found = timed(*[(10.0, 100.0)] * minutes, task_s=inf)
    found.recalled(minutes * MINUTE_S)
    assert found.trial(minutes * MINUTE_S) == most


def test_a_known_limit_needs_no_trial() -> None:
    found = timed(*[(10.0, 100.0)] * 6, *[(20.0, 100.0)] * 16, task_s=inf)
    assert found.limit(1320.0) == 10.0
    found.recalled(1320.0)
    assert found.trial(1320.0) is None


@pytest.mark.parametrize(("gained", "is_limited"), [(13.0, False), (15.0, True)])
def test_a_surplus_must_be_certain_within_ten_minutes(gained: float, *, is_limited: bool) -> None:
    """Three standard deviations of ten minutes are 3 x sqrt(1 + 2 x 1200) = 147, of fifteen 180, a surplus of 12."""
    found = Bottleneck()
    more(found, *[(14 * 1.1**minute, 120.0) for minute in range(30)], gained=gained, saturated=False)
    assert (found.limit(1800.0) is not None) is is_limited


def test_a_certain_surplus_counts_until_it_is_below_two_standard_deviations() -> None:
    """After 19 minutes of 120 deletions, 160 are 2.4 standard deviations."""
    found = Bottleneck()
    more(found, *[(14 * 1.2**minute, 120.0) for minute in range(16)], gained=48.0, saturated=False)
    more(found, (200.0, 120.0), since=960.0, gained=-608.0, saturated=False)
    more(found, *[(200.0, 120.0)] * 2, since=1020.0, gained=0.0, saturated=False)
    assert found.limit(1140.0) is not None
    more(found, *[(200.0, 120.0)] * 2, since=1140.0, gained=-30.0, saturated=False)
    assert found.limit(1260.0) is None


def test_after_the_end_of_a_limit_no_earlier_minute_is_compared() -> None:
    found = after(*[(14 * 1.3**minute, 120.0) for minute in range(8)])
    more(found, *[(14.0, 110.0)] * 2, since=480.0, gained=-500.0, saturated=False)
    more(found, (88.0, 120.0), since=600.0)
    assert found.limit(660.0) is None


def test_a_first_minute_with_failures_is_no_error() -> None:
    found = Bottleneck()
    found.skip()
    assert timed(*[(10.0, 100.0)] * 6, *[(20.0, 100.0)] * 6, task_s=inf, found=found).limit(720.0) == 10.0


def test_the_first_minute_after_failures_shows_the_spread_before_a_bottleneck() -> None:
    limits = []
    for spread in (0.5, 30.0):
        found = timed(*[(14.0, 120.0)] * 2, task_s=inf)
        found.skip()
        more(found, (14.0, 120.0), since=180.0, spread=spread)
        more(found, *[(14 * 1.3**minute, 120.0) for minute in range(7)], since=240.0, spread=0.5)
        limits.append(found.limit(660.0))
    assert limits[0] is not None
    assert limits[1] is None


def test_a_minute_in_which_some_tasks_stopped_counts_for_the_tasks_before() -> None:
    """Nine messages of ten tasks: eight are not the fewest that complete as many."""
    found = timed(*[(10.0, 11.0)] * 8, (8.0, 9.0), *[(30.0, 11.0)] * 3, task_s=inf)
    assert (found.limit(720.0), found.trial(720.0)) == (None, 30.0)


def test_minutes_before_the_limit_do_not_end_it() -> None:
    """In proportion: 40 tasks deleted 400, and ten 100. Then 33 delete 100, too."""
    found = timed(*[(40.0, 400.0)] * 6, *[(10.0, 100.0)] * 3, *[(33.0, 100.0)] * 4, task_s=inf)
    assert found.limit(780.0) == 10.0


def test_minutes_without_deletions_are_no_error() -> None:
    assert timed(*[(10.0, 0.0)] * 3, *[(10.0, 240.0)] * 5, *[(40.0, 240.0)] * 5, task_s=inf).limit(780.0) == 10.0
    assert timed(*[(10.0, 0.0)] * 8, task_s=inf).limit(480.0) is None


def test_one_task_can_be_as_fast_as_three() -> None:
    assert timed(*[(1.0, 100.0)] * 6, *[(3.0, 100.0)] * 6, task_s=inf).limit(720.0) == 1.0


@pytest.mark.parametrize(("tasks", "is_limited"), [(12.5, True), (12.6, False)])
def test_a_minute_in_which_more_than_a_fifth_of_the_tasks_stopped_is_left_out(
    tasks: float, *, is_limited: bool
) -> None:
    """Without it only four minutes remain to be compared."""
    found = timed(*[(10.0, 300.0)] * 3, (tasks, 300.0), (10.0, 300.0), (30.0, 300.0), task_s=inf)
    assert (found.limit(360.0) is not None) is is_limited


@pytest.mark.parametrize(("widest", "is_limited"), [(0.5, True), (30.0, False)])
def test_the_widest_spread_before_the_backlog_counts(widest: float, *, is_limited: bool) -> None:
    """A processing time of 30 s is not a spread."""
    found = Bottleneck()
    for minute, spread in ((1, widest), (2, 0.5)):
        found.see(WorkedMinute(minute * MINUTE_S, 10.0, 60.0, 0.0, spread, 30.0), saturated=False)
    more(found, *[(14 * 1.3**minute, 120.0) for minute in range(7)], since=120.0, spread=0.5)
    assert (found.limit(540.0) is not None) is is_limited


def limited() -> Bottleneck:
    """A limit of ten tasks, found in the last minute."""
    found = timed(*[(10.0, 240.0)] * 5, (40.0, 240.0), task_s=inf)
    assert found.limit(360.0) == 10.0
    return found


def test_fewer_deletions_by_fewer_tasks_must_be_certain_to_end_the_limit() -> None:
    """240 x ln(35 / 40) + 180 x ln(35 / 30) = -4.3, and the spread of 0.5 requires 3 x 1.5 = 4.5."""
    found = timed((40.0, 240.0), (30.0, 180.0), since=360.0, task_s=inf, found=limited())
    assert found.limit(480.0) == 10.0
    assert timed((30.0, 178.0), since=480.0, task_s=inf, found=found).limit(540.0) is None


def test_as_many_tasks_as_at_first_do_not_end_the_limit() -> None:
    """In proportion to the tasks it is -5.6, but the tasks did not become fewer."""
    found = timed((40.0, 240.0), (30.0, 180.0), (40.0, 240.0), since=360.0, task_s=inf, found=limited())
    assert found.limit(540.0) == 10.0


def test_the_minute_in_which_the_limit_was_found_does_not_end_it() -> None:
    """240 by 40 tasks and 125 by 20 would be -18."""
    assert timed((20.0, 125.0), since=360.0, task_s=inf, found=limited()).limit(420.0) == 10.0


def test_after_the_limit_was_wrong_five_minutes_are_compared_again() -> None:
    found = timed((40.0, 240.0), (20.0, 120.0), since=360.0, task_s=inf, found=limited())
    assert found.limit(480.0) is None
    timed(*[(40.0 * 2**minute, 130.0) for minute in range(4)], since=480.0, task_s=inf, found=found)
    assert found.limit(720.0) is None
    assert timed((640.0, 130.0), since=720.0, task_s=inf, found=found).limit(780.0) is not None


def test_minutes_up_to_forty_are_compared() -> None:
    """Eight deletions a minute, and tasks that grow by 3 % a minute: it is certain after 38 minutes."""
    counts = [(8 * 1.03**minute, 8.0 + (-1) ** minute) for minute in range(38)]
    assert timed(*counts[:37], task_s=inf).limit(2220.0) is None
    assert timed(*counts, task_s=inf).limit(2280.0) is not None


@pytest.mark.parametrize(("deleted", "is_limited"), [(23.8, False), (24.0, True)])
def test_no_minutes_before_the_newest_forty_are_compared(deleted: float, *, is_limited: bool) -> None:
    """An hour with 10 tasks, and then one with 13. A pair of minutes, one of each, shows ln(11.5^2 / 130) = 0.01716 per
    deletion. Forty minutes are 20 pairs, and half a pair, the minute of the change, is not compared: 19.5 x 24 x
    0.01716 = 8.03, and 8 are needed.
    """
    found, limits = Bottleneck(), []
    for minute in range(1, 121):
        tasks = 10.0 if minute <= 60 else 13.0
        found.see(WorkedMinute(minute * MINUTE_S, tasks, deleted, 50.0, 0.0), saturated=True)
        limits.append(found.limit(minute * MINUTE_S))
    assert any(limits) is is_limited


def test_during_a_limit_a_bottleneck_that_is_only_likely_is_no_second_cap() -> None:
    """13 tasks delete as many as 10. Once the minutes with 10 tasks are more than forty minutes old, they are no longer
    compared: a bottleneck is then only likely, and later unknown. The limit stays until deletions contradict it.
    """
    found = Bottleneck()
    for minute in range(1, 71):
        tasks = 10.0 if minute <= 30 else 13.0
        found.see(WorkedMinute(minute * MINUTE_S, tasks, 30.0, 50.0, 0.0), saturated=True)
        known = found.limit(minute * MINUTE_S), found.trial(minute * MINUTE_S)
        assert None in known
    assert known == (10.0, None)


@pytest.mark.parametrize(("ratio", "most"), [(1.4, 33.0), (1.499, 34.98), (1.5, None), (1.6, None)])
def test_with_other_counts_of_tasks_before_a_start_nothing_is_tried(ratio: float, most: float | None) -> None:
    found = timed(*[(10.0, 100.0)] * 8, *[(10.0 * ratio, 100.0 * ratio)] * 8, task_s=inf)
    found.recalled(960.0)
    assert found.trial(960.0) == (None if most is None else pytest.approx(most))


def test_a_test_of_few_tasks_permits_three_more() -> None:
    found = timed(*[(1.0, 19.0)] * 6, *[(1.667, 19.0)] * 4, task_s=inf)
    assert [found.trial(at) for at in (600.0, 1200.0)] == pytest.approx([1.667, 4.667])


def test_the_ten_minutes_begin_with_the_first_minute_in_which_a_bottleneck_is_likely() -> None:
    found = timed((16.67, 19.0), since=600.0, task_s=inf, found=likely())
    assert [found.trial(at) for at in (660.0, 1199.0, 1200.0)] == pytest.approx([16.67, 16.67, 25.005])


@pytest.mark.parametrize(("spread", "is_limited"), [(7.0, False), (10.0, True)])
def test_more_deletions_must_be_certain_at_the_spread_of_both_minutes(spread: float, *, is_limited: bool) -> None:
    """239 in place of 120, of two minutes: 3 x sqrt((1 + spread) x 359 / 2) is 114 or 133."""
    found = after(*[(14 * 1.3**minute, 120.0) for minute in range(8)])
    more(found, (15, 240), (15, 238), since=480.0, spread=spread)
    assert (found.limit(600.0) is not None) is is_limited


def test_a_minute_without_a_task_within_a_limit_is_no_error() -> None:
    """Other consumers delete 130: the limit is not that of the tasks."""
    found = timed((40.0, 240.0), (0.0, 130.0), since=360.0, task_s=inf, found=limited())
    assert found.limit(480.0) is None


def test_fewer_messages_by_fewer_tasks_without_a_limit_change_nothing() -> None:
    """The minutes with 20 and with 10 tasks count: two with 40 are then enough."""
    minutes = [*[(20.0, 120.0)] * 6, *[(10.0, 60.0)] * 2, *[(40.0, 60.0)] * 3]
    assert timed(*minutes, task_s=inf).limit(660.0) == 10.0


def test_added_tasks_of_several_slots_must_have_had_the_time_too() -> None:
    """A task processes four messages at once, each for four minutes: one a minute."""
    counts = [(100.0, 100.0)] * 12 + [(300.0, 100.0)] * 4 + [(300.0, 300.0)] * 8
    for minutes in range(13, len(counts) + 1):
        found = Bottleneck()
        for minute, (tasks, deleted) in enumerate(counts[:minutes], 1):
            found.see(WorkedMinute(minute * MINUTE_S, tasks, deleted, 50.0, 0.5), saturated=True, slots=4.0)
        assert found.limit(minutes * MINUTE_S) is None


def poisson(deleted: list[float], means: list[float]) -> float:
    """The logarithm of the likelihood of Poisson counts."""
    pairs = zip(deleted, means, strict=True)
    return sum(count * log(mean) - mean - lgamma(count + 1) for count, mean in pairs if mean)


def in_proportion(tasks: list[float], deleted: list[float]) -> list[float]:
    return [sum(deleted) * each / sum(tasks) for each in tasks]


def scatter(deleted: list[float], means: list[float]) -> float:
    return sum((count - mean) ** 2 / mean for count, mean in zip(deleted, means, strict=True) if mean)


@settings(max_examples=500)
@example([(1.0, 0), (1.0, 2), (1.0, 3), (1.0, 3), (1.0, 3), (1.0, 4)], 1.0)
@given(
    st.lists(st.tuples(st.floats(1, 50), st.integers(0, 300)), min_size=FEWEST, max_size=20),
    st.floats(1.0, 20.0),
)
def test_the_evidence_is_the_ratio_of_poisson_likelihoods(minutes: list[tuple[float, int]], dispersion: float) -> None:
    """The earliest change that fits about as well as the best: in proportion to the tasks before, constant since. The
    minute of the change is not compared.
    """
    tasks, deleted = [count for count, _ in minutes], [float(more) for _, more in minutes]
    fits = []
    for start in range(len(minutes) - FEWEST + 1):
        before = poisson(deleted[:start], in_proportion(tasks[:start], deleted[:start])) if start else 0.0
        fits.append(before + poisson(deleted[start:], [fmean(deleted[start:])] * len(deleted[start:])))
    enough = max(fits) - LEANING_NATS * dispersion
    assume(all(abs(fit - enough) > 1e-6 for fit in fits))
    start = 1 + next(index for index, fit in enumerate(fits) if fit >= enough)
    since, constant = deleted[start:], [fmean(deleted[start:])] * len(deleted[start:])
    linear = in_proportion(tasks[start:], since)
    spread = scatter(deleted[:start], in_proportion(tasks[:start], deleted[:start]))
    spread += min(scatter(since, linear), scatter(since, constant))
    found = _compared(tasks, deleted, dispersion)
    nats = poisson(since, constant) - poisson(since, linear)
    assert found.nats == pytest.approx(nats / max(dispersion, spread / len(minutes)), rel=1e-6, abs=1e-6)
    assert [found.rate, found.fewest] == pytest.approx([fmean(since), min(tasks[start:])])
