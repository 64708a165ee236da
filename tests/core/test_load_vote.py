"""The vote of a signal that is a mean over the tasks: its terms, its reason, and when it keeps the present count.

Unless stated, 10 tasks run, a utilization has a target of 50 %, and the scale-in window is 900 s. There are fewer than
six earlier periods, so the assumed noise of 2 % applies: one period is above the count from 2.5 x 2 % = 5 % on.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.core.demand import read_signals
from autoscaler.core.load import LoadPeriod
from autoscaler.core.memory import Memory
from autoscaler.core.model import Fleet, Measurement, MetricReading, RanTasks, Utilization, Vote
from autoscaler.core.policy import MetricPolicy
from tests.core.calm import NOW, policy, seen


def cpu_vote(
    percent: float, *earlier: float, memory: Memory | None = None, waiting: int = 1000, tasks: int = 10
) -> Vote:
    """Return the vote of CPU at this mean over the tasks. `earlier`: the means of the minutes before, newest first."""
    periods = [LoadPeriod(NOW - 60.0 * ago, each * tasks, each * tasks) for ago, each in enumerate(earlier, 1)]
    known = replace(memory or Memory(), loads={"cpu": tuple(reversed(periods))})
    world = seen(waiting, fleet=Fleet(tasks, tasks, 0, NOW), cpu=Utilization(percent, NOW, tasks))
    return read_signals(policy(cpu_target_percent=50.0), world, known).votes[-1]


def terms(vote: Vote) -> list[tuple[str, float, bool]]:
    return [(term.name, round(term.tasks, 9), term.cap) for term in vote.terms]


def said(vote: Vote) -> str:
    """Return what the reason says after the measured value."""
    return vote.reason.partition(" %; ")[2]


WORK = ("messages", 1000.0, True)


def test_a_clear_rise_requires_what_was_measured() -> None:
    vote = cpu_vote(100.0)
    assert terms(vote) == [("cpu", 20.0, False), WORK]
    assert (vote.load, vote.reason) == (20.0, "cpu was at 100 % on 10 tasks, target 50 %")


@pytest.mark.parametrize(("percents", "load"), [((90.0, 72.0, 54.0), 19.8), ((90.0, 90.0, 54.0), 18.0)])
def test_a_rise_is_planned_with_a_tenth_more_if_the_load_has_risen_for_two_minutes(
    percents: tuple[float, ...], load: float
) -> None:
    """90 % of 50 % on 10 tasks are 18 tasks. A rise by a fifth a minute for three minutes would be more than 19.8."""
    vote = cpu_vote(*percents)
    assert [vote.load, vote.terms[0].tasks] == pytest.approx([load, load])


def test_a_rise_below_the_present_count_shows_what_was_measured_and_keeps_a_tenth_more() -> None:
    """4 tasks were measured after 2 and 3: 4.4 are the highest load of the window."""
    vote = cpu_vote(20.0, 15.0, 10.0)
    assert terms(vote) == [("cpu", 4.0, False), ("highest", 4.4, False), WORK]
    assert vote.terms[0].reason == "cpu was at 20 % on 10 tasks, target 50 %"


@pytest.mark.parametrize(
    ("waiting", "load", "reason"),
    [(9, 8.0, "up to 8 tasks within 900 s"), (8, 8.0, "up to 8 tasks within 900 s"), (5, 5.0, "there is work for 5")],
)
def test_the_reason_names_the_term_that_decides(waiting: int, load: float, reason: str) -> None:
    vote = cpu_vote(20.0, 40.0, waiting=waiting)
    assert vote.load == pytest.approx(load)
    assert said(vote) == reason


def test_a_rise_within_the_noise_keeps_the_present_count() -> None:
    """51 % of 50 % on 10 tasks are 10.2 tasks: 2 % more, and 5 % is noise."""
    vote = cpu_vote(51.0)
    assert terms(vote) == [("cpu", 10.2, False), ("present", 10.0, True), ("present", 10.0, False), WORK]
    assert vote.load == 10.0
    assert said(vote) == "it is not above 10 tasks by more than its noise"


@pytest.mark.parametrize("memory", [replace(Memory(), since=NOW - 100.0), replace(Memory(), lapsed=True)])
def test_a_rise_within_the_noise_keeps_the_present_count_during_the_warm_up_too(memory: Memory) -> None:
    vote = cpu_vote(51.0, memory=memory)
    assert vote.load == 10.0
    assert [term.reason for term in vote.terms[1:3]] == [
        "it is not above 10 tasks by more than its noise",
        "fewer than 10 tasks only after 900 s",
    ]


def test_a_rise_is_stated_in_parts_and_a_load_that_does_not_rise_without_its_slope() -> None:
    rising = cpu_vote(90.0, 60.0, 75.0)
    measured = rising.terms[0]
    assert dict(measured.parts)["measured"] == pytest.approx(18.0)
    assert sum(tasks for _, tasks in measured.parts) == pytest.approx(measured.tasks)
    assert measured.tasks > 18.0
    assert measured.reason.endswith(f"; with its slope and noise {measured.tasks:.1f} tasks")
    falling = cpu_vote(20.0, 60.0, 10.0)
    assert "slope" not in falling.terms[0].reason
    assert falling.terms[0].parts == ()


def test_a_load_of_exactly_the_present_count_keeps_it_without_a_cap() -> None:
    assert terms(cpu_vote(50.0)) == [("cpu", 10.0, False), ("present", 10.0, False), WORK]


@pytest.mark.parametrize(
    ("earlier", "load", "reason"),
    [
        ((), 4.0, "up to 4 tasks within 900 s"),
        ((20.0, 20.0), 4.0, "up to 4 tasks within 900 s"),
        ((40.0,), 8.0, "up to 8 tasks within 900 s"),
        ((20.0, 40.0, 20.0), 8.0, "up to 8 tasks within 900 s"),
        ((46.0,), 10.0, "not fewer than 10 tasks: up to 9.2 tasks within 900 s"),
        ((46.66,), 10.0, "not fewer than 10 tasks: up to 9.33 tasks within 900 s"),
    ],
)
def test_fewer_tasks_are_required_down_to_the_highest_load_of_the_window(
    earlier: tuple[float, ...], load: float, reason: str
) -> None:
    """20 % on 10 tasks are 4 tasks. A load of more than 9 tasks in the window permits no scale-in from 10."""
    vote = cpu_vote(20.0, *earlier)
    assert vote.load == pytest.approx(load)
    assert said(vote) == reason


@pytest.mark.parametrize(
    ("memory", "load"),
    [
        (replace(Memory(), since=NOW - 899.9), 10.0),
        (replace(Memory(), since=NOW - 900.0), 4.0),
        (replace(Memory(), since=NOW - 900.0, lapsed=True), 10.0),
        (Memory(lapsed=True), 10.0),
    ],
)
def test_fewer_tasks_are_required_only_after_a_whole_window_without_a_gap(memory: Memory, load: float) -> None:
    vote = cpu_vote(20.0, memory=memory)
    assert vote.load == load
    assert (said(vote) == "fewer than 10 tasks only after 900 s") is (load == 10.0)


@pytest.mark.parametrize(("percent", "load"), [(0.0, 1.0), (5.0, 1.0), (60.0, 1.2)])
def test_a_utilization_requires_at_least_the_task_that_shows_the_next_one(percent: float, load: float) -> None:
    vote = cpu_vote(percent, tasks=1)
    assert vote.load == pytest.approx(load)
    assert vote.terms[0].tasks == pytest.approx(load)


def test_a_metric_with_a_target_value_is_named_with_its_own_unit_and_can_require_no_task() -> None:
    lag = (MetricReading("lag", Measurement(20.0, NOW, 10)),)
    world = seen(3, metrics=lag)
    measured = policy(metrics=(MetricPolicy("lag", target_value=100.0),))
    vote = read_signals(measured, world).votes[-1]
    assert terms(vote)[0] == ("lag", 2.0, False)
    assert vote.reason == "lag was 20 on 10 tasks, target 100; up to 2 tasks within 900 s"
    one = replace(world, metrics=(MetricReading("lag", Measurement(10.0, NOW, 10)),))
    assert read_signals(measured, one).votes[-1].reason.endswith("; up to 1 task within 900 s")
    none = replace(world, metrics=(MetricReading("lag", Measurement(0.0, NOW, 10)),))
    assert read_signals(measured, none).votes[-1].load == 0.0


@pytest.mark.parametrize(
    ("ran", "shown"), [((10.0, 10.0), "10 tasks"), ((9.0, 9.5), "9.25 tasks"), ((9.0, 9.6667), "9.33 tasks")]
)
def test_the_mean_number_of_tasks_of_the_period_is_shown(ran: tuple[float, float], shown: str) -> None:
    world = seen(1000, cpu=Utilization(100.0, NOW, ran=RanTasks(*ran)))
    reason = read_signals(policy(cpu_target_percent=50.0), world).votes[-1].reason
    assert reason.startswith(f"cpu was at 100 % on {shown}, target 50 %")
