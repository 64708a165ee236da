"""The planning steps of the clairvoyant, each on its own."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.sim.limits.chains import (
    Chain,
    Roster,
    cost_s,
    in_order,
    joined,
    one_after_another,
    parted,
    polished,
    run,
    single,
)
from autoscaler.sim.limits.episode import Episode, in_time, near
from autoscaler.sim.limits.planning import Tube, planned, staff, taut, tube
from autoscaler.sim.limits.serving import Plan, serve
from tests.about import about

SEEDS = st.integers(0, 2**32)


def episode(seed: int, count: int = 60, span_s: float = 600.0, latency_s: float = 60.0) -> Episode:
    rng = np.random.default_rng(seed)
    return Episode(
        arrivals_s=np.sort(rng.random(count) * span_s),
        service_s=rng.lognormal(1, 1, count),
        latency_s=latency_s,
        start_up_s=20 + rng.exponential(30, count + 1),
        tasks_at_start=1,
        task_concurrency=1,
        least_billed_s=60.0,
    )


def tube_of(seed: int) -> Tube:
    rng = np.random.default_rng(seed)
    least = np.cumsum(rng.exponential(1, 40) * (rng.random(40) < 0.3))
    most = np.maximum.accumulate(least + rng.exponential(3, 40))
    most[0], most[-1] = least[0], least[-1] = 0.0, max(float(most[-1]), 1.0)
    return Tube(np.arange(40.0), least, most)


def variation(work: np.ndarray) -> float:
    return float(np.abs(np.diff(np.diff(work))).sum())


@given(SEEDS, SEEDS)
def test_the_string_stays_in_the_tube_and_no_other_path_varies_less_or_has_a_lower_peak(seed: Any, other: Any) -> None:
    within = tube_of(seed)
    string = taut(within)
    work = np.interp(within.at_s, string.at_s, string.work)
    assert (work >= within.least - 1e-9).all()
    assert (work <= within.most + 1e-9).all()
    share = np.random.default_rng(other).random(40)
    path = within.least + np.sort(share) * (within.most - within.least)
    assert variation(work) <= variation(path) + 1e-9
    assert np.diff(work).max() <= np.diff(path).max() + 1e-9
    assert np.hypot(1, np.diff(work)).sum() <= np.hypot(1, np.diff(path)).sum() + 1e-9


def test_a_burst_is_processed_at_a_constant_rate_until_its_last_deadline() -> None:
    """600 messages of 1 s arrive at once and must begin within 50 s, so they end within 51 s: 600 / 51 tasks."""
    burst = Episode(np.zeros(600), np.ones(600), 50.0, np.ones(601), 0, 1, 60.0)
    string = taut(tube(burst, 50.0, 0.5))
    assert string.slopes.max() == about(600 / 50.5, rel=0.02)


@given(SEEDS, st.integers(0, 3), st.sampled_from([0.0, 30.0, 60.0]))
def test_only_dips_that_are_shorter_than_the_gap_are_filled(seed: Any, before: Any, gap_s: Any) -> None:
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
def test_launch_times_ascend_and_no_others_have_a_smaller_squared_error(seed: Any, other: Any) -> None:
    rng = np.random.default_rng(seed)
    required_s, start_up_s = np.sort(rng.random(30) * 300), 20 + rng.exponential(30, 31)
    launched_s = near(required_s, start_up_s)
    others_s = np.sort(launched_s + np.random.default_rng(other).normal(0, 10, 30))
    assert (np.diff(launched_s) >= 0).all()
    assert _squared_error(launched_s, required_s, start_up_s) <= _squared_error(others_s, required_s, start_up_s)


def _squared_error(launched_s: np.ndarray, required_s: np.ndarray, start_up_s: np.ndarray) -> float:
    return float(((launched_s + start_up_s[: len(required_s)] - required_s) ** 2).sum())


@given(SEEDS)
def test_in_time_launches_ascend_and_each_is_as_late_as_possible(seed: Any) -> None:
    rng = np.random.default_rng(seed)
    required_s, start_up_s = np.sort(rng.random(30) * 300), 20 + rng.exponential(30, 31)
    launched_s = in_time(required_s, start_up_s)
    slack = np.minimum(required_s - start_up_s[:30], np.append(launched_s[1:], np.inf)) - launched_s
    assert slack == about(np.zeros(30))


@given(SEEDS)
def test_a_chain_equals_the_processing_of_its_messages_one_by_one(seed: Any) -> None:
    case = episode(seed, count=6, span_s=60.0, latency_s=500.0)
    chain = reduce(one_after_another, (single(case, message) for message in range(6)))
    done, latest = -np.inf, np.inf
    for arrival, service in zip(case.arrivals_s, case.service_s, strict=True):
        done = max(done, arrival) + service
    for arrival, service in zip(case.arrivals_s[::-1], case.service_s[::-1], strict=True):
        latest = min(arrival + 500.0, latest - service)
    assert chain == Chain(tuple(range(6)), about(latest), about(done), about(case.service_s.sum()))


def test_chains_are_not_joined_if_the_second_cannot_wait() -> None:
    assert joined(Chain((0,), 5.0, 20.0, 15.0), Chain((1,), 19.0, 30.0, 10.0)) is None
    assert joined(Chain((0,), 5.0, 20.0, 15.0), Chain((1,), 20.0, 30.0, 10.0)) == Chain((0, 1), 5.0, 30.0, 25.0)


def test_neighbouring_launches_are_swapped_if_that_launches_later() -> None:
    """Up by 100 and by 110, start-up times of 20 and 50 s: launches at 60 and 60; in the other order at 50 and 50."""
    one, other = Chain((0,), 100.0, 0.0, 1.0), Chain((1,), 110.0, 0.0, 1.0)
    assert in_order([other, one], [20.0, 50.0]) == (one, other)
    assert in_order([one, other], [50.0, 20.0]) == (one, other)
    assert in_order([one, other._replace(up_by_s=101.0)], [50.0, 20.0])[0] == one


@given(SEEDS, st.integers(1, 60))
def test_a_roster_processes_every_message_once_in_time_at_its_stated_cost(seed: Any, count: Any) -> None:
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


def test_an_initial_task_that_would_be_late_makes_a_roster_impossible() -> None:
    late = Chain((0,), -1.0, 10.0, 5.0)
    assert cost_s(Roster((late,), ()), [], 60.0) == np.inf
    assert cost_s(Roster((), (late,)), [20.0], 60.0) == 60.0


def test_a_task_continues_with_messages_that_would_otherwise_need_another_launch() -> None:
    """Work for three tasks that must begin within 10 s. With one chain per task, the cost would be 3.3 times it."""
    case = episode(3, count=1_200, span_s=1_800.0, latency_s=10.0)
    roster = parted(case)
    assert roster is not None
    assert cost_s(roster, case.start_up_s.tolist(), 60.0) < 2.0 * case.service_s.sum()


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_an_initial_task_without_work_costs_one_minute(seed: int) -> None:
    """The first message arrives after half an hour."""
    late = episode(seed, count=1_500, span_s=3_600.0)
    late = replace(late, arrivals_s=late.arrivals_s + 1_800)
    assert planned(late).billed_s == about(planned(replace(late, tasks_at_start=0)).billed_s + 60)


@settings(max_examples=30)
@given(SEEDS)
def test_polishing_never_increases_the_cost(seed: Any) -> None:
    case = episode(seed, count=6, span_s=120.0)
    roster = parted(case)
    assert roster is not None
    assert run(case, polished(case, roster, thorough=True)).billed_s <= run(case, roster).billed_s + 1e-6


@given(SEEDS)
def test_a_planned_run_is_never_late(seed: Any) -> None:
    case = episode(seed, count=200)
    run_ = planned(case)
    assert (run_.begun_s >= case.arrivals_s).all()
    assert (run_.begun_s <= case.arrivals_s + case.latency_s + 1e-9).all()


def test_without_planned_tasks_each_message_begins_at_its_deadline_in_an_unplanned_task() -> None:
    served = serve(Plan([0.0, 1.0, 2.0], [5.0, 5.0, 5.0], 3.0, [0.0, 1.0, 2.0], [], [], []))
    assert served.begun_s == [3.0, 4.0, 5.0]
    assert served.unplanned == [0, 1, 2]


def test_a_task_above_the_plan_stays_until_the_run_catches_up_with_the_plan() -> None:
    """The plan has one task until 4. The task ends the first message at 5; the second was due to begin at 2."""
    plan = Plan([0.0, 0.0, 0.0], [5.0, 5.0, 5.0], 60.0, [0.0, 2.0, 11.0], [0.0], [0.0, 4.0], [1, 0])
    served = serve(plan)
    assert served.begun_s[:2] == [0.0, 5.0]
    assert served.by == [0, 0, 1]
    assert served.done_s[0] == 10.0


def test_slots_of_a_task_are_not_used_before_the_task_is_up() -> None:
    served = serve(Plan([0.0, 0.0], [5.0, 5.0], 60.0, [0.0, 0.0], [10.0], [0.0], [1], task_concurrency=2))
    assert served.begun_s == [10.0, 10.0]
    assert served.by == [0, 0]
