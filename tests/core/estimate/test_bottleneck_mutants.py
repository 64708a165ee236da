"""The thresholds of a test whether more tasks help, and what the minutes around a limit and a test count."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import pytest

from autoscaler.core.estimate.bottleneck import (
    PROBE_AFTER_S,
    PROBE_FOR_S,
    TRIAL_S,
    Bottleneck,
    _accumulates,
)
from autoscaler.core.estimate.likelihood import Evidence, _compared, _times_log, evidence
from tests.core.estimate.test_bottleneck_edges import limited, then
from tests.core.estimate.test_bottleneck_tests import SlowMinutes


def compared(
    tasks: Sequence[float],
    deleted: Sequence[float],
    *,
    widths: Sequence[float] = (0.0,),
    task_s: float = 5.0,
) -> Bottleneck:
    """Return it with these minutes. All are compared, and in each one 1,000 messages more arrived than were deleted."""
    found = Bottleneck()
    found._tasks, found._deleted = array("d", tasks), array("d", deleted)
    found._counts = array("d", [count for more in deleted for count in (more, 1000.0)])
    found._times_s, found._widths = array("d", [task_s]), array("d", widths)
    found._compared = found._slower_for = len(tasks)
    return found


def evidence_of(found: Bottleneck) -> list[Evidence]:
    """Return the evidence of its minutes, if a task has one slot and deletions are Poisson counts."""
    return evidence(found._tasks, found._deleted[-found._compared :].tolist(), 1.0, 1.0)


# Which minutes are compared


@pytest.mark.parametrize(("minutes", "number"), [(1, 1), (2, 0)])
def test_after_a_start_one_minute_without_a_backlog_is_compared_and_two_are_not(minutes: int, number: int) -> None:
    assert SlowMinutes().before(14).found._compared == 0
    assert SlowMinutes().add(14, 168, minutes, gained=0.0, saturated=False).found._compared == number


def test_a_surplus_counts_from_the_first_minute_with_a_backlog() -> None:
    """Five minutes with 50 messages more each, and two without a backlog, are a surplus of 350: far more than two
    standard deviations, 2 x sqrt(1 + 2 x 7 x 300) = 130. That 9,000 fewer waited before does not matter.
    """
    minutes = SlowMinutes().add(14, 300, 9, gained=-1000.0, saturated=False).add(14, 300, 5)
    assert minutes.add(14, 300, 2, saturated=False).found._compared == 7


def test_after_the_end_of_a_limit_the_newest_minute_is_the_first_to_be_compared() -> None:
    """Twice the deletions are a release. One twentieth fewer, with as many fewer tasks, are not a bottleneck's."""
    released = then(limited(12_000), (14, 24_000), since_s=480.0)
    assert (released.limit(540.0), released._compared) == (None, 1)
    refuted = then(limited(12_000), (38, 11_400), since_s=480.0)
    assert (refuted.limit(540.0), refuted._compared) == (None, 1)


def test_without_tasks_nothing_is_compared() -> None:
    minutes = SlowMinutes().add(0, 0, 3).add(15, 180, 6)
    assert evidence_of(minutes.found) == []


@pytest.mark.parametrize(("deleted", "lags"), [(10.0, 2), (10.1, 1)])
def test_added_tasks_completed_messages_after_a_quarter_more_than_their_time(deleted: float, lags: int) -> None:
    """8 tasks that delete 10 a minute: 0.8 minutes each, and a minute is exactly a quarter more."""
    assert len(evidence_of(compared([8.0] * 12, [deleted] * 12))) == lags


def test_the_time_of_a_message_is_that_at_the_same_lag() -> None:
    """With a lag of one minute, 10 tasks delete 10 a minute. With a longer one it is not known which tasks the newest
    deletions belong to, and 20 tasks delete 10 a minute: two minutes each, so a lag of three is needed.
    """
    found = evidence_of(compared([20.0] * 10 + [10.0] * 2, [10.0] * 12))
    assert [each.task_minutes for each in found] == [1.0, 2.0, 2.0]


@pytest.mark.parametrize(("more", "task_minutes"), [(10.0, 64 / 700), (10.1, 24 / 300)])
def test_few_tasks_are_those_up_to_a_quarter_above_the_fewest(more: float, task_minutes: float) -> None:
    """The earliest minute is not compared: three with 8 tasks are left."""
    assert _compared([8.0] * 4 + [more] * 4, [100.0] * 8, 1.0).task_minutes == pytest.approx(task_minutes)


def test_the_minutes_since_a_collapse_are_those_in_which_the_deletions_are_constant() -> None:
    """With one message more in each sum, a minute of 4 tasks and 8 deletions would count as one of them."""
    evidence = _compared([4.0] * 2 + [12.0] * 4, [8.0] * 2 + [1.0] * 4, 1.0)
    assert (evidence.fewest, evidence.rate, evidence.nats) == (12.0, 1.0, 0.0)


def test_without_deletions_the_logarithm_of_the_likelihood_is_zero() -> None:
    """d x ln(d) approaches 0."""
    assert _times_log(0.0, 3.0) == 0.0


@pytest.mark.parametrize(("gained", "accumulates"), [(3.0, False), (3.1, True)])
def test_without_deletions_more_than_three_messages_are_clearly_a_surplus(gained: float, *, accumulates: bool) -> None:
    """A standard deviation of one."""
    assert _accumulates(array("d", [0.0, gained]), 3.0) is accumulates


# The limit and the trial


def test_a_trial_takes_fifteen_minutes() -> None:
    found = then(Bottleneck(), *[(10, 100)] * 15)
    found.recalled(1000.0)
    assert (found.trial(999.0 + TRIAL_S), found.trial(1000.0 + TRIAL_S)) == (25.0, None)


def test_more_tasks_are_permitted_for_five_minutes() -> None:
    found = limited(300)
    began = found._probed_at + PROBE_AFTER_S
    assert found.limit(began + PROBE_FOR_S - 1) == pytest.approx(21.0)
    assert found.limit(began + PROBE_FOR_S) == pytest.approx(14.0)


def test_a_limit_is_at_least_one_task() -> None:
    """Messages of 10 ms: one task could delete 6,000 a minute, and the bottleneck permits 300."""
    assert SlowMinutes().add(1, 300, 6, task_s=0.01).add(3, 300, 6, task_s=0.01).limit == 1.0


@pytest.mark.parametrize(("dispersion", "is_refuted"), [(30.0, True), (40.0, False)])
def test_a_single_task_counts_as_fewer_tasks(dispersion: float, *, is_refuted: bool) -> None:
    """400 x ln(2.5 / 4) + 100 x ln(2.5) = -96."""
    found = compared([4.0, 1.0], [400.0, 100.0])
    found._limited_for = 2
    assert found._is_refuted(dispersion) is is_refuted


@pytest.mark.parametrize(("leaning", "trial"), [(3.0, 4.0), (5.0, 6.0), (20.0, 24.0)])
@pytest.mark.parametrize("test", [30.0, None])
def test_after_ten_minutes_a_fifth_more_tasks_are_tried_and_at_least_one(
    leaning: float, trial: float, test: float | None
) -> None:
    """During a test, and after its end too."""
    found = Bottleneck()
    found._leaning, found._leaning_at, found._test, found._test_ended = leaning, 60.0, test, test is None
    assert found.trial(PROBE_AFTER_S + 59.0) == leaning
    assert found.trial(PROBE_AFTER_S + 60.0) == pytest.approx(trial)


# When a test can begin


def test_a_first_minute_without_deletions_is_not_slower_than_before() -> None:
    """150 tasks delete 1,400 instead of 1,800. The fifth such minute shows it, and not the fourth."""
    minutes = SlowMinutes().add(150, 0)
    assert [minutes.add(150, 1400, gained=400.0).found.test is not None for _ in range(6)] == [False] * 4 + [True] * 2


def test_after_failures_there_is_no_test_until_messages_take_as_long_as_before() -> None:
    minutes = SlowMinutes().before(15).add(15, 180, 3)
    minutes.found.skip()
    assert minutes.slower(15, 1.5, 8).found.test is None
    assert minutes.add(15, 180).slower(15, 1.5, 8).found.test is not None


@pytest.mark.parametrize(("task_s", "before_s"), [(6.0, 6.0), (6.001, 5.0)])
def test_up_to_a_fifth_longer_messages_are_learned_during_a_backlog(task_s: float, before_s: float) -> None:
    assert SlowMinutes().before(15).add(15, 150, 30, task_s=task_s).found._task_s == before_s


@pytest.mark.parametrize("limit", [40.0, None])
def test_during_a_limit_there_is_no_test(limit: float | None) -> None:
    """Its own tests show whether more help."""
    minutes = SlowMinutes().before(15).slower(15, 1.5, 4)
    minutes.found._limit, minutes.found._rate = limit, 120.0
    assert (minutes.slower(15, 1.5).found.test is None) is (limit is not None)


@pytest.mark.parametrize(("tasks", "minutes"), [(7, 0), (8, 5)])
def test_slower_messages_are_certain_by_three_standard_deviations_of_the_widest_spread(
    tasks: float, minutes: int
) -> None:
    """60 would be deleted by a task in five minutes, and 48 are. With a spread of 1: n x 12 > 3 x sqrt(2 x n x 60),
    which holds from 7.5 tasks on.
    """
    found = compared([tasks] * 5, [tasks * 9.6] * 5, widths=(1.0, 0.0))
    assert found._slower_minutes() == minutes


@pytest.mark.parametrize(
    ("deleted", "minutes"), [(449.0, 0), (450.0, 5), (745.0, 5), (749.9, 5), (750.0, 0), (750.5, 0)]
)
def test_messages_are_slower_by_more_than_a_fifth_and_up_to_twice(deleted: float, minutes: int) -> None:
    """15 tasks would delete 900 in five minutes."""
    assert compared([15.0] * 5, [deleted / 5] * 5)._slower_minutes() == minutes


@pytest.mark.parametrize(
    ("tasks", "minutes"),
    [
        ((10.0, 10.0, 10.0, 10.0, 12.5), 5),
        ((10.0, 10.0, 10.0, 10.0, 12.6), 0),
        ((12.5, 12.5, 12.5, 12.5, 10.0), 5),
        ((12.6, 12.6, 12.6, 12.6, 10.0), 0),
    ],
)
def test_tasks_that_differ_by_up_to_a_quarter_are_about_as_many(tasks: tuple[float, ...], minutes: int) -> None:
    assert compared(tasks, [count * 8 for count in tasks])._slower_minutes() == minutes


def test_half_a_task_is_tested_too() -> None:
    """Half a task deletes 200 a minute, and 300 before."""
    assert compared([0.5] * 5, [200.0] * 5, task_s=0.1)._slower_minutes() == 5


def test_a_test_takes_more_than_the_tasks_of_the_slower_minutes() -> None:
    """Not than those of minutes before."""
    found = compared([10.0] * 5 + [40.0] * 2 + [10.0] * 5, [120.0] * 12)
    assert found._test_tasks(5) == pytest.approx(40 / 3)
    fewer_at_first = compared([8.0] * 4 + [10.0], [100.0] * 5)
    assert fewer_at_first._test_tasks(5) == pytest.approx(40 / 3)


@pytest.mark.parametrize(
    ("deleted", "widths", "is_informative"),
    [(380.0, (0.0,), False), (390.0, (0.0,), True), (770.0, (1.0, 0.0), False), (780.0, (1.0, 0.0), True)],
)
def test_a_test_must_be_able_to_be_certain_with_the_most_tasks_and_the_widest_spread(
    deleted: float, widths: Sequence[float], *, is_informative: bool
) -> None:
    """A third more than 10 tasks: 2 ln(7 / 6) - ln(4 / 3) = 0.02062 for each deletion, and 8 are needed: 388, and
    twice as many with a spread of 1.
    """
    found = compared([8.0] * 4 + [10.0], [deleted / 5] * 5, widths=widths)
    assert found._is_informative(5, 40 / 3) is is_informative


def test_more_tasks_that_delete_more_at_the_time_from_before_are_no_test() -> None:
    """Messages that are slower later can still be tested."""
    found = SlowMinutes().before(15).add(15, 180, 5).add(20, 240).found
    assert max(each.nats for each in evidence_of(found)) < -3
    assert not found._test_ended


@pytest.mark.parametrize(("minutes", "ended"), [(1, False), (2, True)])
def test_slower_minutes_with_more_tasks_that_delete_more_end_the_test(minutes: int, *, ended: bool) -> None:
    """The newest minutes that are slower than before: with 20 tasks only, or with 15 before them."""
    found = SlowMinutes().before(15).add(15, 180, 6 - minutes).add(15, 179, minutes - 1).add(20, 239).found
    assert max(each.nats for each in evidence_of(found)) < -3
    assert found._test_ended is ended
