"""The parts that the clairvoyant plans with, each by its law."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.sim.limits.chains import Chain, Roster, cost_s, in_order, in_turn, joined, run, single
from autoscaler.sim.limits.episode import Episode
from autoscaler.sim.limits.launching import in_time, near
from autoscaler.sim.limits.parting import parted
from autoscaler.sim.limits.planning import planned
from autoscaler.sim.limits.polishing import polished
from autoscaler.sim.limits.serving import Plan, serve
from autoscaler.sim.limits.staffing import staff
from autoscaler.sim.limits.tube import Tube, taut, tube
from tests.about import about

SEEDS = st.integers(0, 2**32)


def episode(seed: int, count: int = 60, span_s: float = 600.0, latency_s: float = 60.0) -> Episode:
    chance = np.random.default_rng(seed)
    return Episode(
        arrivals_s=np.sort(chance.random(count) * span_s),
        service_s=chance.lognormal(1, 1, count),
        latency_s=latency_s,
        start_up_s=20 + chance.exponential(30, count + 1),
        tasks_at_start=1,
        task_concurrency=1,
        least_billed_s=60.0,
    )


def tube_of(seed: int) -> Tube:
    chance = np.random.default_rng(seed)
    least = np.cumsum(chance.exponential(1, 40) * (chance.random(40) < 0.3))
    most = np.maximum.accumulate(least + chance.exponential(3, 40))
    most[0], most[-1] = least[0], least[-1] = 0.0, max(float(most[-1]), 1.0)
    return Tube(np.arange(40.0), least, most)


def variation(work: np.ndarray) -> float:
    return float(np.abs(np.diff(np.diff(work))).sum())


@given(SEEDS, SEEDS)
def test_the_string_stays_in_the_tube_and_no_way_through_it_varies_less_or_has_a_lesser_peak(
    seed: Any, other: Any
) -> None:
    within = tube_of(seed)
    string = taut(within)
    work = np.interp(within.at_s, string.at_s, string.work)
    assert (work >= within.least - 1e-9).all()
    assert (work <= within.most + 1e-9).all()
    share = np.random.default_rng(other).random(40)
    way = within.least + np.sort(share) * (within.most - within.least)
    assert variation(work) <= variation(way) + 1e-9
    assert np.diff(work).max() <= np.diff(way).max() + 1e-9
    assert np.hypot(1, np.diff(work)).sum() <= np.hypot(1, np.diff(way)).sum() + 1e-9


def test_a_burst_is_worked_at_one_pace_until_its_last_deadline() -> None:
    """Work for 10 tasks for 60 s, all at once, to be begun within 50 s by tasks that take 1 s each: 600 / 51 tasks."""
    burst = Episode(np.zeros(600), np.ones(600), 50.0, np.ones(601), 0, 1, 60.0)
    string = taut(tube(burst, 50.0, 0.5))
    assert string.slopes.max() == about(600 / 50.5, rel=0.02)


@given(SEEDS, st.integers(0, 3), st.sampled_from([0.0, 30.0, 60.0]))
def test_dips_that_are_shorter_than_the_gap_are_filled_and_nothing_else(seed: Any, before: Any, gap_s: Any) -> None:
    within = tube(episode(seed), 40.0, 2.0)
    string = taut(within)
    plain = staff(within, string, before, 0.0).tasks
    filled = staff(within, string, before, gap_s).tasks
    steps = round(gap_s / 2.0)
    for row, count in enumerate(plain.tolist()):
        left = [plain[max(0, row - back) : row + 1].max() for back in range(steps + 2)]
        right = [plain[row : row + steps - back + 2].max() for back in range(steps + 2)]
        assert filled[row] == max(count, *(min(one, other) for one, other in zip(left, right, strict=True)))


@given(SEEDS, SEEDS)
def test_launches_ascend_and_no_others_bring_the_tasks_nearer(seed: Any, other: Any) -> None:
    chance = np.random.default_rng(seed)
    wanted_s, start_up_s = np.sort(chance.random(30) * 300), 20 + chance.exponential(30, 31)
    launched_s = near(wanted_s, start_up_s)
    rivals_s = np.sort(launched_s + np.random.default_rng(other).normal(0, 10, 30))
    assert (np.diff(launched_s) >= 0).all()
    assert _missed(launched_s, wanted_s, start_up_s) <= _missed(rivals_s, wanted_s, start_up_s)


def _missed(launched_s: np.ndarray, wanted_s: np.ndarray, start_up_s: np.ndarray) -> float:
    return float(((launched_s + start_up_s[: len(wanted_s)] - wanted_s) ** 2).sum())


@given(SEEDS)
def test_launches_in_time_ascend_and_each_is_as_late_as_it_or_the_next_may_be(seed: Any) -> None:
    chance = np.random.default_rng(seed)
    wanted_s, start_up_s = np.sort(chance.random(30) * 300), 20 + chance.exponential(30, 31)
    launched_s = in_time(wanted_s, start_up_s)
    slack = np.minimum(wanted_s - start_up_s[:30], np.append(launched_s[1:], np.inf)) - launched_s
    assert slack == about(np.zeros(30))


@given(SEEDS)
def test_a_chain_is_what_working_through_it_gives(seed: Any) -> None:
    case = episode(seed, count=6, span_s=60.0, latency_s=500.0)
    chain = reduce(in_turn, (single(case, message) for message in range(6)))
    done, latest = -np.inf, np.inf
    for arrival, service in zip(case.arrivals_s, case.service_s, strict=True):
        done = max(done, arrival) + service
    for arrival, service in zip(case.arrivals_s[::-1], case.service_s[::-1], strict=True):
        latest = min(arrival + 500.0, latest - service)
    assert chain == Chain(tuple(range(6)), about(latest), about(done), about(case.service_s.sum()))


def test_what_cannot_wait_is_not_joined() -> None:
    assert joined(Chain((0,), 5.0, 20.0, 15.0), Chain((1,), 19.0, 30.0, 10.0)) is None
    assert joined(Chain((0,), 5.0, 20.0, 15.0), Chain((1,), 20.0, 30.0, 10.0)) == Chain((0, 1), 5.0, 30.0, 25.0)


def test_neighbours_in_the_order_of_launch_are_swapped_where_that_launches_later() -> None:
    """Up by 100 and by 110, start-ups of 20 and 50 s: launched at 60 and 60, or else at 50 and 50."""
    one, other = Chain((0,), 100.0, 0.0, 1.0), Chain((1,), 110.0, 0.0, 1.0)
    assert in_order([other, one], [20.0, 50.0]) == (one, other)
    assert in_order([one, other], [50.0, 20.0]) == (one, other)
    assert in_order([one, other._replace(up_by_s=101.0)], [50.0, 20.0])[0] == one


@given(SEEDS, st.integers(1, 60))
def test_a_roster_works_every_message_once_in_time_and_costs_what_it_says(seed: Any, count: Any) -> None:
    case = episode(seed, count)
    roster = parted(case)
    assert isinstance(roster, Roster)
    messages = [message for chain in (*roster.at_start, *roster.launched) for message in chain.messages]
    assert sorted(messages) == list(range(count))
    worked = run(case, roster)
    waits = worked.begun_s - case.arrivals_s
    assert waits.min() >= 0
    assert waits.max() <= case.latency_s + 1e-9
    assert worked.billed_s == about(cost_s(roster, case.start_up_s.tolist(), case.least_billed_s))


def test_a_task_of_the_start_that_would_be_late_makes_a_roster_impossible() -> None:
    late = Chain((0,), -1.0, 10.0, 5.0)
    assert cost_s(Roster((late,), ()), [], 60.0) == np.inf
    assert cost_s(Roster((), (late,)), [20.0], 60.0) == 60.0


def test_tasks_go_on_with_what_another_would_have_to_be_started_for() -> None:
    """Three tasks' work, to be begun within 10 s. By tasks that last for one stretch only it costs 3.3 times that."""
    case = episode(3, count=1_200, span_s=1_800.0, latency_s=10.0)
    roster = parted(case)
    assert roster is not None
    assert cost_s(roster, case.start_up_s.tolist(), 60.0) < 2.0 * case.service_s.sum()


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_a_task_of_the_start_that_finds_no_work_costs_its_minute_and_no_more(seed: int) -> None:
    """Work comes after half an hour only."""
    late = episode(seed, count=1_500, span_s=3_600.0)
    late = replace(late, arrivals_s=late.arrivals_s + 1_800)
    assert planned(late).billed_s == about(planned(replace(late, tasks_at_start=0)).billed_s + 60)


@settings(max_examples=30)
@given(SEEDS)
def test_polishing_never_costs(seed: Any) -> None:
    case = episode(seed, count=6, span_s=120.0)
    roster = parted(case)
    assert roster is not None
    assert run(case, polished(case, roster, thorough=True)).billed_s <= run(case, roster).billed_s + 1e-6


@given(SEEDS)
def test_a_plan_is_never_late_whatever_it_lacked(seed: Any) -> None:
    case = episode(seed, count=200)
    run_ = planned(case)
    assert (run_.begun_s >= case.arrivals_s).all()
    assert (run_.begun_s <= case.arrivals_s + case.latency_s + 1e-9).all()


def test_where_nothing_is_planned_each_message_is_begun_at_its_deadline_by_a_task_that_is_lacked() -> None:
    served = serve(Plan([0.0, 1.0, 2.0], [5.0, 5.0, 5.0], 3.0, [0.0, 1.0, 2.0], [], [], []))
    assert served.begun_s == [3.0, 4.0, 5.0]
    assert served.unplanned == [0, 1, 2]


def test_who_is_above_the_plan_stays_until_what_the_plan_had_begun_is_begun() -> None:
    """One task is planned until 4. At 5 it is done with the first; the second should have been begun at 2."""
    plan = Plan([0.0, 0.0, 0.0], [5.0, 5.0, 5.0], 60.0, [0.0, 2.0, 11.0], [0.0], [0.0, 4.0], [1, 0])
    served = serve(plan)
    assert served.begun_s[:2] == [0.0, 5.0]
    assert served.by == [0, 0, 1]
    assert served.done_s[0] == 10.0


def test_slots_of_a_task_that_comes_up_later_are_not_taken_before() -> None:
    served = serve(Plan([0.0, 0.0], [5.0, 5.0], 60.0, [0.0, 0.0], [10.0], [0.0], [1], task_concurrency=2))
    assert served.begun_s == [10.0, 10.0]
    assert served.by == [0, 0]
