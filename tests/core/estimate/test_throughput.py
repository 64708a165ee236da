"""The processing time in cases with a closed form, and laws over random minutes.

Unless stated, a task has one slot, readings are 10 s apart, and CloudWatch's minute is read when it ends. A minute in
which `held` messages were in progress has 60 x `held` slot-seconds.
"""

from __future__ import annotations

from bisect import bisect_right
from math import exp, inf, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.estimate.readings import Minute, RecentReadings
from autoscaler.core.estimate.throughput import Throughput, _Newest, _Sum
from autoscaler.core.knowledge import Regime
from autoscaler.core.model import Flow

ASSUMED_S = 12.0


class Minutes:
    """A throughput that is fed minute by minute."""

    def __init__(self, prior_s: float | None = None, **more: bool) -> None:
        self.learned, self.now = Throughput(prior_s, 0.0, **more), 0.0

    def read(self, held: float, slots: float, visible: int = 0, overfull: int = 0) -> None:
        """Add six readings; the last `overfull` ones are so."""
        for reading in range(6):
            self.now += 10.0
            self.learned.see(held, slots, 10.0, self.now, (visible, 0), overfull=reading >= 6 - overfull)

    def add(
        self,
        held: float,
        deleted: int,
        *,
        slots: float = 100.0,
        visible: int = 0,
        received: int | None = None,
        tasks: int = 10,
        overfull: int = 0,
    ) -> Throughput:
        self.read(held, slots, visible, overfull)
        flow = Flow(deleted if received is None else received, deleted, tasks, self.now, visible)
        if (read := self.learned.minute(flow)) is not None:
            self.learned.learn(read, flow)
        return self.learned


def steady(prior_s: float = 10.0, slots: float = 10.0) -> Minutes:
    """Return a first minute without messages: the tasks of the next one ran before."""
    minutes = Minutes(prior_s)
    minutes.add(0.0, 0, slots=slots)
    return minutes


def blended(taken_s: float, deleted: float, prior_s: float = ASSUMED_S) -> float:
    """The assumed time has the weight of three deletions, which fades: after 5 deletions half of it remains."""
    weight = 3 * 5 / (5 + deleted)
    return (taken_s + weight * prior_s) / (deleted + weight)


# The mean.


def test_without_minutes_12_s_are_assumed_or_what_is_configured() -> None:
    assert (Throughput(None, 0.0).mean_s, Throughput(None, 0.0).slow_s) == (12.0, 12.0)
    assert (Throughput(7.0, 0.0).mean_s, Throughput(7.0, 0.0).spread) == (7.0, 1.0)
    estimate = Throughput(7.0, 0.0).estimate(5.0)
    assert (estimate.value, estimate.weight, estimate.age_s) == (7.0, 0.0, None)


@pytest.mark.parametrize(("held", "deleted"), [(5.0, 60), (20.0, 60), (1.0, 1), (0.5, 30), (3.0, 5)])
def test_the_time_of_a_message_is_slot_seconds_by_deletions(held: float, deleted: int) -> None:
    learned = Minutes(10.0).add(held, deleted)
    mean_s = blended(60 * held, deleted, 10.0)
    assert learned.mean_s == pytest.approx(mean_s)
    assert learned.slow_s == pytest.approx(max(mean_s, (60 * held + 5 * mean_s) / (deleted + 5)))
    assert learned.estimate(100.0).age_s == 40.0
    assert learned.estimate(100.0).weight == deleted
    assert learned.estimate(50.0).age_s == 0.0


@pytest.mark.parametrize(("deleted", "kept"), [(60, 0.85), (20, 0.95), (80, 0.8), (120, 0.8)])
def test_older_minutes_fade_with_the_deletions_at_most_by_a_fifth_a_minute(deleted: int, kept: float) -> None:
    minutes = Minutes(10.0)
    minutes.add(8.0, 60)
    learned = minutes.add(8.4, deleted)
    assert learned.mean_s == pytest.approx(blended(480 * kept + 504, 60 * kept + deleted, 10.0))
    assert learned.estimate(120.0).weight == pytest.approx(60 * kept + deleted)


def test_the_slow_time_is_that_of_the_last_three_minutes_if_they_are_slower() -> None:
    minutes = Minutes(10.0)
    for held in (10.0, 10.0, 10.0, 10.5, 11.0, 11.5):
        learned = minutes.add(held, 60)
    recent_s = (60 * (10.5 + 11.0 + 11.5) + 5 * learned.mean_s) / (3 * 60 + 5)
    assert learned.mean_s < 11.0 - 0.2
    assert learned.slow_s == pytest.approx(recent_s)
    for held in (10.0, 9.5, 9.0):
        learned = minutes.add(held, 60)
    assert learned.slow_s == learned.mean_s, "never less than the mean"


@pytest.mark.parametrize(("held", "limited"), [(20.0, True), (0.7, False)])
def test_a_minute_without_deletions_counts_at_most_as_four_messages(held: float, limited: bool) -> None:
    learned = Minutes(12.0).add(held, 0, received=0)
    assert learned.mean_s == pytest.approx(blended(4 * 12.0 if limited else 42.0, 0, 12.0))
    assert learned.estimate(60.0).age_s is None


@pytest.mark.parametrize(("deleted", "limited"), [(9, True), (10, False)])
def test_ten_deletions_of_a_minute_with_a_backlog_are_certain(deleted: int, limited: bool) -> None:
    """100 busy slots, nine or ten deletions: ten minutes each. Uncertain ones count as 4 x 12 s each."""
    learned = Minutes(12.0).add(100.0, deleted, visible=50)
    taken_s = 4 * (deleted + 1) * 12.0 if limited else 6000.0
    assert learned.mean_s == pytest.approx(blended(taken_s, deleted, 12.0))
    idle = Minutes(12.0).add(90.0, 10)
    assert idle.mean_s == pytest.approx(blended(4 * 11 * 12.0, 10, 12.0)), "none waits: uncertain"


@pytest.mark.parametrize(("prior_s", "is_learned"), [(6.0, False), (6.01, True)])
def test_receives_without_the_ten_deletions_that_are_expected_show_that_workers_are_broken(
    prior_s: float, is_learned: bool
) -> None:
    """One message in progress for 60 s: ten of 6 s are expected."""
    learned = Minutes(prior_s).add(1.0, 0, received=5)
    assert (learned.mean_s != prior_s) == is_learned


def test_expected_deletions_add_up_over_minutes_until_one_is_deleted() -> None:
    minutes = Minutes(12.0)
    minutes.add(1.0, 5)  # 12 s each: the estimate stays
    first = [minutes.add(1.0, 0, received=1).mean_s for _ in range(4)]
    assert first[0] < first[1] == first[2] == first[3], "more than ten were expected from the second minute on"
    minutes.add(1.0, 5)
    again = minutes.learned.mean_s
    assert minutes.add(1.0, 0, received=1).mean_s > again
    hung = Minutes(6.0)
    assert hung.add(1.0, 0, received=0).mean_s > 6.0, "nothing was received either: long jobs, or a hang"


def test_without_tasks_other_consumers_did_the_work() -> None:
    assert Minutes(10.0).add(5.0, 60, tasks=0).mean_s == 10.0


def test_a_message_takes_at_least_a_millisecond() -> None:
    assert Minutes(0.0).add(0.0, 1000).mean_s == 1e-3


def test_a_fixed_time_is_not_learned() -> None:
    learned = Minutes(10.0, fixed=True).add(50.0, 60)
    assert (learned.mean_s, learned.slow_s) == (10.0, 10.0)
    assert (learned.estimate(99.0).value, learned.estimate(99.0).weight) == (10.0, inf)
    assert Minutes(None, fixed=True).add(50.0, 60).mean_s > 20.0, "nothing is configured"


# Which minutes are used.


def test_a_minute_that_the_readings_do_not_cover_is_not_used() -> None:
    minutes = Minutes(10.0)
    minutes.read(5.0, 10.0)
    learned = minutes.learned
    for at, is_covered in [(59.9, False), (60.0, True), (60.1, False), (120.0, False)]:
        assert (learned.minute(Flow(9, 9, 10, at, 0)) is not None) == is_covered
    assert learned.minute(Flow(9, 9, 10, 60.0, 0)) == Minute(300.0, 600.0, 0, overfull=False, gained=0)
    assert learned.minute(Flow(9, 9, 10, 60.0, 4)) == Minute(300.0, 600.0, 4, overfull=False, gained=0)


def test_messages_waited_if_the_readings_or_cloudwatch_show_some() -> None:
    minutes = Minutes(10.0)
    minutes.read(5.0, 10.0, visible=7)
    minutes.read(5.0, 10.0, visible=7)
    found = [minutes.learned.minute(Flow(9, 9, 10, 120.0, waiting)) for waiting in (0, 9)]
    assert [read and read.fewest for read in found] == [7, 9]


@pytest.mark.parametrize(
    ("since", "until", "is_used"), [(0.0, 60.0, True), (0.0, 61.0, False), (119.0, 130.0, False), (120.0, 150.0, True)]
)
def test_a_minute_that_overlaps_a_gap_is_not_used(since: float, until: float, is_used: bool) -> None:
    minutes = Minutes(10.0)
    minutes.read(5.0, 10.0)
    minutes.read(5.0, 10.0)
    minutes.learned.skipped(since, until)
    assert (minutes.learned.minute(Flow(9, 9, 10, 120.0, 0)) is not None) == is_used


@pytest.mark.parametrize(("second_s", "is_used"), [(430.0, False), (430.1, True)])
def test_gaps_less_than_seven_minutes_apart_are_one(second_s: float, is_used: bool) -> None:
    minutes = Minutes(10.0)
    for _ in range(8):
        minutes.read(5.0, 10.0)
    minutes.learned.skipped(0.0, 10.0)
    minutes.learned.skipped(second_s, 450.0)
    assert (minutes.learned.minute(Flow(9, 9, 10, 300.0, 0)) is not None) == is_used


@pytest.mark.parametrize(
    ("start", "end", "fewest"),
    [(10.0, 30.0, 2), (11.0, 30.0, 2), (20.0, 40.0, 2), (30.0, 50.0, 2), (31.0, 50.0, 3), (90.0, 95.0, 5)],
)
def test_the_fewest_visible_messages_of_the_readings_of_a_time_and_of_the_one_before(
    start: float, end: float, fewest: int
) -> None:
    readings = RecentReadings()
    for at, visible in [(10.0, 9), (20.0, 2), (30.0, 3), (40.0, 8), (50.0, 5)]:
        readings.add(at, visible, 0, overfull=False)
    assert readings.fewest(start, end) == fewest
    assert RecentReadings().fewest(start, end) == 0
    rising = RecentReadings()
    for at, visible in [(10.0, 1), (20.0, 5)]:
        rising.add(at, visible, 0, overfull=False)
    assert rising.fewest(15.0, 20.0) == 1


def test_overfull_seconds_are_the_share_of_the_readings_and_old_readings_are_forgotten() -> None:
    readings = RecentReadings()
    for at in range(0, 610, 10):
        readings.add(float(at), 1, 2, overfull=at >= 580)
    assert readings.overfull_s(540.0, 600.0) == pytest.approx(3 / 7 * 60)
    assert readings.overfull_s(700.0, 760.0) == 0.0
    stored = (readings._instants, readings._visible, readings._in_flight, readings._overfull)
    assert [len(each) for each in stored] == [43] * 4, "420 s, both ends"


@pytest.mark.parametrize(("overfull", "regime"), [(1, Regime.IDLE), (2, Regime.UNIDENTIFIABLE)])
def test_15_overfull_seconds_of_a_minute_give_only_an_upper_bound(overfull: int, regime: Regime) -> None:
    """Of seven readings, each is 8.6 s. Then at most the tasks' own slots were occupied."""
    minutes = Minutes(10.0)
    minutes.read(15.0, 10.0)
    learned = minutes.add(15.0, 60, slots=10.0, overfull=overfull)
    assert learned.regime is regime
    assert learned.mean_s == pytest.approx(blended(600.0 if regime is Regime.UNIDENTIFIABLE else 900.0, 60, 10.0))
    waiting = minutes.add(15.0, 60, slots=10.0, overfull=6, visible=1)
    assert waiting.regime is Regime.SATURATED


# Saturated minutes.


@pytest.mark.parametrize(("held", "is_used"), [(30.0, False), (45.0, True)])
def test_clearly_longer_saturated_minutes_replace_all_minutes(held: float, is_used: bool) -> None:
    """An idle minute of 5 s, and a saturated one of 18 or 27 s: ln(18 / 12.2) is 0.39, ln(27 / 17.2) is 0.45. With 100
    deletions, three standard errors are 3 x sqrt(2 / 100) = 0.42.
    """
    minutes = Minutes(5.0)
    minutes.add(100 / 12, 100)
    learned = minutes.add(held, 100, visible=9, slots=held)
    full = 60 * held
    every = blended(500 * 0.8 + full, 180, 5.0)
    assert learned.mean_s == pytest.approx(blended(full, 100, 5.0) if is_used else every)
    assert learned.regime is Regime.SATURATED


@pytest.mark.parametrize(("deleted", "is_used"), [(29, False), (30, True)])
def test_30_deletions_of_saturated_minutes_are_needed(deleted: int, is_used: bool) -> None:
    minutes = Minutes(5.0)
    minutes.add(100 / 12, 100)
    learned = minutes.add(deleted * 1.0, deleted, visible=9, slots=deleted * 1.0)
    kept = 1 - deleted / 400
    every = blended(500 * kept + 60 * deleted, 100 * kept + deleted, 5.0)
    assert learned.mean_s == pytest.approx(blended(60.0 * deleted, deleted, 5.0) if is_used else every)


@pytest.mark.parametrize(("minutes_later", "is_used"), [(60, True), (61, False)])
def test_a_saturated_minute_is_valid_for_an_hour(minutes_later: int, is_used: bool) -> None:
    """Saturated: 30 s each. Afterwards, a few messages of 5 s each."""
    minutes = Minutes(5.0)
    minutes.add(50.0, 100, visible=9, slots=50.0)
    for _ in range(minutes_later):
        learned = minutes.add(1 / 12, 1)
    assert learned._saturated == ((3000.0, 100.0) if is_used else (0.0, 0.0))


@given(st.floats(1.0, 10.0), st.integers(30, 200))
def test_resized_slots_scale_what_full_minutes_showed(ratio: float, deleted: int) -> None:
    minutes = Minutes(5.0)
    learned = minutes.add(10.0, deleted, slots=10.0, visible=9)
    learned.resize(ratio)
    assert learned.mean_s == pytest.approx(blended(600.0 * ratio, deleted, 5.0))
    assert learned._minutes.total(3) == learned._saturated == pytest.approx((600.0 * ratio, deleted))


@pytest.mark.parametrize(("held", "is_scaled"), [(9.4, False), (9.5, True), (10.0, True)])
def test_only_minutes_with_at_least_95_percent_of_the_slots_occupied_are_scaled(held: float, is_scaled: bool) -> None:
    learned = Minutes(5.0).add(held, 100, slots=10.0)
    before = learned.mean_s
    learned.resize(2.0)
    assert (learned.mean_s != before) == is_scaled


def test_minutes_with_all_slots_occupied_are_scaled_also_if_counts_do_not_show_it() -> None:
    hidden = steady().add(0.1, 60, slots=10.0, visible=9)
    hidden.resize(2.0)
    assert hidden.mean_s == pytest.approx(blended(1200.0, 60, 10.0))
    overfull = Minutes(10.0).add(5.0, 60, slots=10.0, overfull=6)
    assert overfull.mean_s == pytest.approx(blended(300.0, 60, 10.0))
    overfull.resize(2.0)
    assert overfull.mean_s == pytest.approx(blended(600.0, 60, 10.0))


# A new release, and the spread.


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_three_minutes_that_clearly_differ_replace_what_was_learned(ratio: float) -> None:
    """600 deletions a minute: four standard errors of ln(mean) are 0.13, less than 0.2."""
    minutes = Minutes(10.0)
    for _ in range(6):
        minutes.add(100.0, 600, slots=1e4)
    for _ in range(3):
        learned = minutes.add(100.0 * ratio, 600, slots=1e4)
    assert learned.mean_s == pytest.approx(10.0 * ratio, rel=1e-3)


@pytest.mark.parametrize(
    ("apart", "deleted", "is_new"), [(0.7, 600, False), (0.85, 600, True), (0.85, 20, False), (0.85, 150, False)]
)
def test_a_small_or_uncertain_difference_is_averaged(apart: float, deleted: int, is_new: bool) -> None:
    """After three minutes the mean has followed by two thirds: ln(20.1 / 16.7) is 0.19, ln(23.4 / 18.9) is 0.22. At 20
    deletions a minute, four standard errors are 4 x sqrt(2 / 60) = 0.73, at 150 still 0.27.
    """
    minutes = Minutes(10.0)
    for _ in range(3):
        minutes.add(deleted / 6, deleted, slots=1e4)
    for _ in range(3):
        learned = minutes.add(deleted / 6 * exp(apart), deleted, slots=1e4)
    assert (learned.mean_s == pytest.approx(10.0 * exp(apart), rel=2e-3)) == is_new


def test_regular_minutes_narrow_the_spread_from_the_tenth_on_three_minutes_later() -> None:
    """The assumed spread of 1 has the weight of 100 deletions, and both fade by 2 % a minute."""
    minutes = Minutes(5.0)
    spreads = [minutes.add(5.0, 60).spread for _ in range(14)]
    assert spreads[:12] == [1.0] * 12
    assert spreads[12] == pytest.approx(98 / (98 + 600))
    assert spreads[13] == pytest.approx(98 * 0.98 / ((98 + 600) * 0.98 + 600))


def test_minutes_that_scatter_widen_the_spread() -> None:
    """Ten minutes with 1.2 times the work of their deletions: 120 messages of 600 more, squared."""
    minutes = Minutes(5.0)
    for _ in range(9):
        minutes.add(5.0, 60)
    learned = minutes.add(5.0 + 10.0, 60)
    off = (300.0 * 9 + 900.0 - learned.mean_s * 600) / learned.mean_s
    assert abs(off) > 50
    for _ in range(3):
        assert learned.spread == 1.0
        minutes.add(5.0, 60)
    assert learned.spread == pytest.approx((98 + off * off) / (98 + 600))


def spreads_around_a_release(per_minute: int, before: int, ratio: float, seed: int) -> list[float]:
    """Return the spread after each of `before` minutes of messages with a mean of 10 s and a CV of 1, and of 30 minutes
    of messages that take `ratio` times as long. Messages never wait.
    """
    rng, until_s = Random(seed), 60.0 * (before + 30)
    arrived = sorted(rng.uniform(-120.0, until_s) for _ in range(per_minute * (before + 32)))
    sigma = log(2.0) ** 0.5
    deleted = sorted(
        at + 10.0 * (ratio if at >= 60.0 * before else 1.0) * rng.lognormvariate(-sigma * sigma / 2, sigma)
        for at in arrived
    )
    minutes, spreads, held = Minutes(10.0), [], 0
    for minute in range(before + 30):
        for _ in range(6):
            was_held, minutes.now = held, minutes.now + 10.0
            held = bisect_right(arrived, minutes.now) - bisect_right(deleted, minutes.now)
            minutes.learned.see((was_held + held) / 2, 1e6, 10.0, minutes.now, (0, held), overfull=False)
        count = bisect_right(deleted, 60.0 * (minute + 1)) - bisect_right(deleted, 60.0 * minute)
        flow = Flow(count, count, 10, minutes.now, 0)
        if (read := minutes.learned.minute(flow)) is not None:
            minutes.learned.learn(read, flow)
        spreads.append(minutes.learned.spread)
    return spreads


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("per_minute", "before"), [(300, 45), (600, 16), (600, 45), (1500, 20)])
@pytest.mark.parametrize("ratio", [0.5, 2.0, 3.0])
def test_a_release_that_takes_longer_or_shorter_does_not_change_the_spread(
    ratio: float, per_minute: int, before: int, seed: int
) -> None:
    """Its first minutes scatter by a multiple of the mean. Without a release the spread of these times is 0.1 to 1."""
    spreads = spreads_around_a_release(per_minute, before, ratio, seed)
    assert max(spreads[before:]) <= 2.0
    assert min(spreads[before : before + 15]) >= spreads[before - 1] / 2


occupied = st.floats(0.1, 40).filter(lambda held: all(abs(held - share * 40) > 1e-3 for share in (0.05, 0.3, 0.95)))
"""Occupied ones of 40 slots; not on the thresholds, where a rounding error decides."""

minutes_of_work = st.lists(
    st.tuples(occupied, st.integers(0, 300), st.sampled_from([0, 0, 5]), st.integers(0, 9)),
    min_size=1,
    max_size=14,
)


@given(minutes_of_work, st.floats(0.1, 10), st.floats(0.5, 20.0))
def test_times_in_another_unit_give_the_estimates_in_that_unit(
    worked: list[tuple[float, int, int, int]], ratio: float, prior_s: float
) -> None:
    """All slots, messages in progress and the configured time are multiplied: so is the estimate, and no spread is."""
    plain, scaled = Minutes(prior_s), Minutes(prior_s * ratio)
    for held, deleted, visible, overfull in worked:
        more = {"visible": visible, "overfull": 0 if visible else max(0, overfull - 6)}
        plain.add(held, deleted, slots=40.0, **more)
        scaled.add(held * ratio, deleted, slots=40.0 * ratio, **more)
    assert scaled.learned.mean_s == pytest.approx(plain.learned.mean_s * ratio, rel=1e-6)
    assert scaled.learned.slow_s == pytest.approx(plain.learned.slow_s * ratio, rel=1e-6)
    assert scaled.learned.spread == pytest.approx(plain.learned.spread, rel=1e-6)
    assert scaled.learned.regime is plain.learned.regime


@given(st.lists(st.tuples(st.floats(2.0, 9.0), st.integers(20, 300)), min_size=1, max_size=14), st.floats(2.0, 9.0))
def test_the_estimate_is_between_the_shortest_and_the_longest_time_that_was_seen(
    worked: list[tuple[float, int]], prior_s: float
) -> None:
    minutes, times_s = Minutes(prior_s), [prior_s, *(time_s for time_s, _ in worked)]
    for time_s, deleted in worked:
        learned = minutes.add(time_s * deleted / 60, deleted, slots=1e4)
        assert min(times_s) - 1e-9 <= learned.mean_s <= max(times_s) + 1e-9
        assert learned.mean_s <= learned.slow_s <= max(times_s) + 1e-9


# Workers that delete messages first.


@pytest.mark.parametrize(
    ("held", "deleted", "hides"), [(2.9, 5, False), (0.4, 4, False), (0.4, 5, True), (3.1, 60, False)]
)
def test_hardly_any_message_in_flight_shows_that_workers_delete_messages_first(
    held: float, deleted: int, hides: bool
) -> None:
    """Ten slots: less than 30 % occupied, with five deletions in minutes with hardly any message in flight."""
    learned = steady().add(held, deleted, slots=10.0, visible=9)
    assert learned.hides_work == (hides or (held < 3 and deleted >= 5))


def test_few_deletions_a_minute_are_counted_together() -> None:
    minutes = steady()
    hides = [minutes.add(0.1, 2, slots=10.0, visible=9).hides_work for _ in range(4)]
    assert hides == [False, False, True, True]
    for held, is_none in [(0.49, True), (0.5, False)]:  # five percent of the slots
        few = steady()
        for _ in range(4):
            few.add(held, 2, slots=10.0, visible=9)
        assert few.learned.hides_work is is_none
    interrupted = steady()
    for held in (0.1, 0.1, 9.0, 0.1):
        interrupted.add(held, 2, slots=10.0, visible=9)
    assert not interrupted.learned.hides_work


def test_hidden_work_occupies_all_slots_of_saturated_minutes_and_others_show_nothing() -> None:
    minutes = steady()
    learned = minutes.add(0.1, 60, slots=10.0, visible=9)
    assert learned.regime is Regime.EARLY_ACK
    assert learned.mean_s == pytest.approx(blended(600.0, 60, 10.0))
    before = learned.mean_s
    assert minutes.add(2.9, 60, slots=10.0).mean_s == before, "no message waited"
    assert minutes.add(9.0, 60, slots=10.0, visible=9).hides_work is False


@pytest.mark.parametrize(("ratio", "hides"), [(1.0, True), (1.09, True), (1.11, False), (4.0, False)])
def test_minutes_in_which_tasks_start_show_nothing(ratio: float, hides: bool) -> None:
    """A tenth more slots than in the minute before: the new tasks hold nothing yet."""
    assert steady(slots=10.0).add(0.1, 60, slots=10.0 * ratio, visible=9).hides_work is hides
    assert not steady(slots=0.9).add(0.01, 60, slots=0.9, visible=9).hides_work, "less than a task for a minute"


@pytest.mark.parametrize(
    ("held", "deleted", "hides"), [(2.9, 60, True), (3.1, 60, False), (3.1, 4, True), (1.4, 30, True), (1.6, 30, False)]
)
def test_messages_in_flight_in_proportion_to_deletions_show_that_workers_delete_them_last(
    held: float, deleted: int, hides: bool
) -> None:
    """Ten slots seemed to need 10 s each. Thirty deletions a minute then need five; 30 % is 1.5."""
    minutes = steady()
    for _ in range(3):
        minutes.add(0.1, 60, slots=10.0, visible=9)
    assert minutes.learned.hides_work
    learned = minutes.add(held, deleted, slots=10.0)
    assert learned.hides_work is hides
    if not hides:
        assert learned.mean_s == pytest.approx(blended(60 * held, deleted, 10.0)), "what was learned is discarded"


def test_what_was_learned_from_messages_in_flight_is_discarded() -> None:
    minutes = steady()
    for _ in range(5):
        minutes.add(0.5, 100, slots=10.0)  # 0.3 s each, as it seems
    assert minutes.learned.mean_s < 1.0
    assert minutes.add(0.1, 60, slots=10.0, visible=9).mean_s == pytest.approx(blended(600.0, 60, 10.0))


def test_ignored_in_flight_counts_are_as_hidden_work() -> None:
    minutes = Minutes(10.0, ignore_in_flight=True)
    assert minutes.learned.hides_work
    assert minutes.add(99.0, 60, slots=10.0).mean_s == 10.0
    assert minutes.add(9.0, 60, slots=10.0, visible=9).mean_s == pytest.approx(blended(600.0, 60, 10.0))
    assert minutes.learned.hides_work


# The sums.


def test_a_sum_fades_before_the_next_is_added() -> None:
    assert _Sum(100.0, 10.0).plus(_Sum(7.0, 3.0), 0.5) == (57.0, 8.0)
    assert _Sum(100.0, 10.0).plus(_Sum(7.0, 3.0)) == (107.0, 13.0)
    assert _Sum() == (0.0, 0.0)


def test_the_newest_ten_minutes_are_stored() -> None:
    newest = _Newest()
    for minute in range(1, 13):
        newest.add(_Sum(float(minute), 10.0 * minute))
        assert len(newest) == min(minute, 10)
    assert newest.total(3) == (33.0, 330.0)
    assert newest.total(99) == (75.0, 750.0)
    newest.scale(2.0)
    assert newest.total(10) == (150.0, 750.0)
