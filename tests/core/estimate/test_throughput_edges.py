"""The processing time: when messages failed, how the readings are used, and thresholds at both sides."""

from __future__ import annotations

from math import exp

import pytest

from autoscaler.core.estimate.readings import Minute, RecentReadings
from autoscaler.core.estimate.throughput import Throughput
from autoscaler.core.knowledge import Regime
from autoscaler.core.model import Flow
from tests.core.estimate.test_throughput import Minutes, blended, steady

QUIET = Minute(60.0, 600.0, 0, overfull=False, gained=0)
"""One message in progress, in ten slots."""


# Failures.


@pytest.mark.parametrize(
    ("received", "deleted", "gained", "fails"),
    [
        (40, 30, 0, True),
        (40, 31, 0, False),
        (44, 34, 0, False),
        (44, 33, 0, True),
        (19, 10, 0, False),
        (20, 10, 0, True),
        (40, 20, 10, True),
        (40, 20, 11, False),
        (40, 32, -2, True),
    ],
)
def test_messages_failed_if_a_quarter_and_at_least_ten_are_neither_deleted_nor_in_flight(
    received: int, deleted: int, gained: int, fails: bool
) -> None:
    minute = Flow(received, deleted, 10, 60.0, 0)
    assert Throughput(6.0, 0.0).fails(QUIET._replace(gained=gained), minute) is fails


@pytest.mark.parametrize(("prior_s", "fails"), [(6.0, True), (6.01, False)])
def test_messages_failed_if_ten_deletions_were_expected_and_there_was_none(prior_s: float, fails: bool) -> None:
    learned, minute = Throughput(prior_s, 0.0), Flow(1, 0, 10, 60.0, 0)
    learned.learn(QUIET, minute)
    assert learned.fails(QUIET, minute) is fails


def test_after_a_deletion_ten_are_expected_again_before_workers_count_as_broken() -> None:
    minutes = Minutes(6.0)
    minutes.add(1.0, 10)
    assert minutes.learned.mean_s == pytest.approx(6.0)
    assert minutes.add(0.95, 0, received=5).mean_s > 6.0, "9.5 were expected"


# Readings.


@pytest.mark.parametrize(
    ("start", "end", "gained"),
    [(10.0, 30.0, -2), (15.0, 45.0, 1), (5.0, 30.0, -2), (20.0, 50.0, 1), (9.9, 49.9, 1), (1.0, 5.0, 0)],
)
def test_the_messages_in_flight_rose_from_the_newest_reading_until_each_instant(
    start: float, end: float, gained: int
) -> None:
    readings = RecentReadings()
    for at, in_flight in [(10.0, 3), (20.0, 8), (30.0, 1), (40.0, 4), (50.0, 9)]:
        readings.add(at, 0, in_flight, overfull=False)
    assert readings.gained(start, end) == gained


def test_busy_slots_are_the_mean_over_the_time() -> None:
    minutes = Minutes(10.0)
    minutes.read(5.0, 10.0)
    minutes.read(8.0, 10.0)
    assert minutes.learned.busy(0.0, 60.0) == pytest.approx(5.0)
    assert minutes.learned.busy(30.0, 90.0) == pytest.approx(6.5)


@pytest.mark.parametrize(("apart_s", "overfull", "is_overfull"), [(20.0, 1, True), (2.5, 6, False), (2.5, 7, True)])
def test_a_minute_is_overfull_from_15_seconds_on(apart_s: float, overfull: int, is_overfull: bool) -> None:
    """One of four readings is 15 s, six of 25 are 14.4 s, and seven 16.8 s."""
    learned = Throughput(10.0, 0.0)
    for number in range(int(60 / apart_s) + 1):
        learned.see(20.0, 10.0, apart_s, number * apart_s, (0, 20), overfull=number < overfull)
    read = learned.minute(Flow(9, 9, 10, 60.0, 0))
    assert read is not None
    assert read.overfull is is_overfull


# The past, and minutes that were sampled more rarely.


def test_the_recalled_past_leaves_no_recent_minutes() -> None:
    minutes = Minutes(5.0)
    for held in (5.0, 5.0, 5.0, 6.0, 6.0, 6.0):
        learned = minutes.add(held, 60)
    assert learned.slow_s > learned.mean_s
    learned.recalled(minutes.now)
    assert learned.slow_s == learned.mean_s
    spreads = [minutes.add(5.5, 60).spread for _ in range(13)]
    assert spreads[:12] == [1.0] * 12
    assert spreads[12] < 1.0, "ten minutes of its own readings, and three until they count"


def test_rarely_sampled_minutes_say_nothing_about_the_spread() -> None:
    learned = Throughput(5.0, 0.0)
    for number in range(1, 15):
        learned.learn(worked(300.0), Flow(60, 60, 10, 60.0 * number, 0), weight=0.5)
    assert learned.spread == 1.0
    assert learned.mean_s == pytest.approx(5.0)


def worked(taken_s: float, fewest: int = 0, slots_s: float = 6000.0) -> Minute:
    return Minute(taken_s, slots_s, fewest, overfull=False, gained=0)


# Workers that delete messages first.


@pytest.mark.parametrize(("held", "hides"), [(3.0, False), (2.95, True)])
def test_workers_that_hold_less_than_three_tenths_of_their_slots_delete_first(held: float, hides: bool) -> None:
    assert steady().add(held, 60, slots=10.0, visible=9).hides_work is hides


def test_all_minutes_of_hidden_work_are_learned_from() -> None:
    """The first one discards what was learned before, and no later one."""
    minutes = steady()
    minutes.add(0.1, 60, slots=10.0, visible=9)
    learned = minutes.add(0.1, 80, slots=10.0, visible=9)
    assert learned.mean_s == pytest.approx(blended(600 * 0.8 + 600, 60 * 0.8 + 80, 10.0))


def test_few_deletions_of_hidden_work_are_learned_from_and_of_unknown_work_are_not() -> None:
    unknown = steady().add(0.1, 2, slots=10.0, visible=9)
    assert (unknown.mean_s, unknown.estimate(60.0).weight) == (10.0, 0.0)
    minutes = steady()
    minutes.add(0.1, 60, slots=10.0, visible=9)
    minutes.add(2.0, 3, slots=10.0, visible=9)  # 20 % of the slots: still hidden, and counted from here
    before = minutes.learned.estimate(minutes.now).weight
    after = minutes.add(0.1, 1, slots=10.0, visible=9).estimate(minutes.now).weight
    assert after == pytest.approx(before * (1 - 1 / 400) + 1)


# Saturated minutes, and a new release.


def test_saturated_minutes_without_any_slot_divide_by_nothing() -> None:
    """The tasks stopped within the minute: deletions, and no slot in any reading."""
    learned = Throughput(5.0, 0.0)
    for number in range(1, 5):
        learned.learn(worked(0.0, 9, 0.0), Flow(100, 100, 10, 60.0 * number, 9))
    assert 0.0 < learned.mean_s < 1.0
    assert learned.regime is Regime.SATURATED


def test_the_shortest_saturated_minutes_count_as_the_longest_ones() -> None:
    """0.27 s of work: 100 messages of 2.7 ms. In idle minutes they took half a millisecond."""
    minutes = Minutes(0.0005)
    minutes.add(100 * 0.0005 / 60, 100)
    learned = minutes.add(0.0045, 100, visible=9, slots=0.0045)
    assert learned.mean_s == pytest.approx(blended(0.27, 100, 0.0005))


@pytest.mark.parametrize(("later_s", "is_valid"), [(3600.0, True), (3600.5, False)])
def test_saturation_takes_precedence_for_an_hour(later_s: float, is_valid: bool) -> None:
    learned = Throughput(5.0, 0.0)
    learned.learn(worked(3000.0, 9, 3000.0), Flow(100, 100, 50, 60.0, 9))
    learned.learn(worked(5.0), Flow(1, 1, 50, 60.0 + later_s, 0))
    assert (learned._saturated.deleted > 0) is is_valid


@pytest.mark.parametrize(("deleted", "is_new"), [(9, False), (10, True)])
def test_30_deletions_of_three_minutes_can_show_a_new_release(deleted: int, is_new: bool) -> None:
    minutes = Minutes(1.0)
    for _ in range(3):
        minutes.add(10.0, 600, slots=1e4)
    for _ in range(3):
        learned = minutes.add(100.0, deleted, slots=1e4)
    assert (learned.estimate(minutes.now).weight == 3 * deleted) is is_new


def test_messages_of_a_millisecond_can_show_a_new_release() -> None:
    minutes = Minutes(0.01)
    for _ in range(6):
        minutes.add(150 * 0.01 / 60, 150, slots=1e4)
    for _ in range(3):
        learned = minutes.add(150 * 0.002 / 60, 150, slots=1e4)
    assert learned.estimate(minutes.now).weight == 450


def test_after_a_new_release_the_spread_is_measured_from_thirteen_minutes_on_three_minutes_later() -> None:
    minutes = Minutes(10.0)
    for _ in range(6):
        minutes.add(100.0, 600, slots=1e4)
    for _ in range(3):
        learned = minutes.add(200.0, 600, slots=1e4)
    assert learned.mean_s == pytest.approx(20.0, rel=1e-3)
    spreads = [minutes.add(200.0, 600, slots=1e4).spread for _ in range(16)]
    assert spreads[:15] == [1.0] * 15
    assert spreads[15] < 1.0


@pytest.mark.parametrize(("apart", "is_new"), [(0.9, False), (1.0, True)])
def test_a_new_release_differs_by_four_standard_errors(apart: float, is_new: bool) -> None:
    """200 deletions a minute: 4 x sqrt(2 / 600) = 0.231. The mean has followed to 0.224 or 0.241."""
    minutes = Minutes(10.0)
    for _ in range(3):
        minutes.add(200 / 6, 200, slots=1e4)
    for _ in range(3):
        learned = minutes.add(200 / 6 * exp(apart), 200, slots=1e4)
    assert (learned.estimate(minutes.now).weight == 600) is is_new


@pytest.mark.parametrize(("apart", "is_new"), [(0.78, False), (0.8, True)])
def test_a_faster_release_differs_by_six_standard_errors(apart: float, is_new: bool) -> None:
    """200 deletions a minute: 6 x sqrt(2 / 600) = 0.346. The mean has followed to 0.343 or 0.350."""
    minutes = Minutes(10.0)
    for _ in range(3):
        minutes.add(200 / 6, 200, slots=1e4)
    for _ in range(3):
        learned = minutes.add(200 / 6 * exp(-apart), 200, slots=1e4)
    assert (learned.estimate(minutes.now).weight == 600) is is_new


@pytest.mark.parametrize(("scattering", "is_new"), [(10.0, True), (8.0, False)])
def test_a_minute_that_scatters_makes_a_new_release_less_likely_at_once(scattering: float, is_new: bool) -> None:
    minutes = Minutes(10.0)
    for held in [10.0] * 9 + [scattering] + [2.5] * 3:
        learned = minutes.add(held, 60, slots=1e4)
    assert (learned.estimate(minutes.now).weight == 180) is is_new


def test_the_spread_of_the_demand_widens_at_once_and_narrows_three_minutes_later() -> None:
    minutes = Minutes(5.0)
    for _ in range(9):
        learned = minutes.add(5.0, 60)
    learned = minutes.add(5.0 + 10.0, 60)
    off = (300.0 * 9 + 900.0 - learned.mean_s * 600) / learned.mean_s
    assert learned.spread == 1.0
    assert learned.safe_spread == pytest.approx((100 + off * off) / (100 + 600))
    regular = Minutes(5.0)
    for _ in range(12):
        learned = regular.add(5.0, 60)
        assert learned.safe_spread == learned.spread == 1.0
    narrowed = regular.add(5.0, 60)
    assert narrowed.safe_spread == narrowed.spread < 1.0


def hiding(*, mean_s: float = 12.0) -> Throughput:
    learned = Throughput(mean_s, 0.0)
    learned.hides_work = True
    return learned


def sees(learned: Throughput, taken_s: float, slots_s: float, deleted: int, *, fewest: int = 0) -> bool:
    """Return whether workers still seem to hide their work after a minute."""
    learned._sees_work(Minute(taken_s, slots_s, fewest, overfull=False, gained=0), Flow(deleted, deleted, 10, 60.0))
    return learned.hides_work


@pytest.mark.parametrize(
    ("taken_s", "deleted", "hides"),
    [
        (120.0, 5, False),
        (120.0, 4, True),  # too few deletions to decide
        (0.3 * 60, 5, False),  # 5 x 12 s are due: 30 % of them are enough
        (0.3 * 60 - 0.1, 5, True),
        (0.3 * 600, 500, False),  # no more than the slots are due, however long messages were thought to take
        (0.3 * 600 - 0.1, 500, True),
    ],
)
def test_messages_in_flight_in_proportion_to_the_deletions_show_that_work_is_not_hidden(
    taken_s: float, deleted: int, hides: bool
) -> None:
    assert sees(hiding(), taken_s, 600.0, deleted) is hides


@pytest.mark.parametrize(("slots_s", "hides"), [(660.0, False), (660.1, True), (60.0, False), (59.9, True)])
def test_a_minute_with_a_backlog_is_evidence_only_if_its_tasks_ran_before(slots_s: float, hides: bool) -> None:
    """At most a tenth more slots than in the minute before (600 slot-seconds), and at least one slot."""
    learned = hiding()
    sees(learned, 0.0, 600.0, 0)
    assert sees(learned, slots_s, slots_s, 5, fewest=1) is hides


def test_differences_count_at_once_each_with_its_deletions() -> None:
    learned = Throughput(5.0, 0.0)
    deviation, compared = learned._deviation, learned._compared
    learned._pending.extend((500.0, 10.0, 900.0, 20.0, 700.0, 40.0))
    assert learned.safe_spread == pytest.approx((deviation + 2100.0) / (compared + 70.0))


def test_a_new_release_hardly_widens_the_spread_that_it_is_compared_with() -> None:
    """Each difference is limited to two standard deviations, and none narrows the spread."""
    learned = Throughput(5.0, 0.0)
    spread, deviation, compared = learned.spread, learned._deviation, learned._compared
    learned._pending.extend((1e9, 10.0, 1e9, 20.0))
    assert learned._limited_spread == pytest.approx((deviation + 4 * (1 + spread) * 30.0) / (compared + 30.0))
    learned._pending[:] = learned._pending[:0]
    learned._pending.extend((0.0, 1e6))
    assert learned._limited_spread == spread
