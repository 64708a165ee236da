"""The clairvoyant: it is never late, its tasks are possible ones, and its cost is close to the optimum."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.sim.chance import StartUp, stream
from autoscaler.sim.limits import clairvoyant, least_possible_billed_s
from autoscaler.sim.model import SimulationOutcome, Workload, WorldSettings
from autoscaler.sim.score import billed_s, score
from tests.sim.limits.exhaustive import optimum_s

ROUNDING_S = 1e-5
START_UPS = [StartUp(), StartUp(0.0, 0.0, 0.0), StartUp(300.0, 600.0)]


def workload(arrivals: list[float], service: list[float]) -> Workload:
    at = np.sort(np.array(arrivals, dtype=np.float64))
    length_s = float(at.max(initial=0.0)) + 1
    return Workload("few", at, np.array(service, dtype=np.float64), length_s, 60.0, np.zeros(1), np.zeros(0))


def steady(load: float, length_s: float, seed: int = 7, burst_s: float = 0.0) -> Workload:
    """Poisson arrivals, exponential service of 5 s. `burst_s`: only in these first seconds of every 10 minutes."""
    rng = stream(seed, "test")
    count = rng.poisson(load / 5 * length_s)
    at = np.sort(rng.random(count) * length_s)
    if burst_s:
        at = np.sort(at // 600 * 600 + at % 600 * burst_s / 600)
    return Workload("steady", at, rng.exponential(5.0, count), length_s, 60.0, np.zeros(1), np.zeros(0))


@st.composite
def days(draw: Any) -> Any:
    """Return a few messages, often at the same instants, a world, a seed, and a latency target."""
    count = draw(st.integers(0, 40))
    span = draw(st.sampled_from([1.0, 30.0, 300.0, 3_000.0, 20_000.0]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    at, service = rng.random(count) * span, rng.lognormal(0, 1.5, count)
    if draw(st.booleans()):
        at = np.round(at / 10) * 10
    world = WorldSettings(
        start_up=draw(st.sampled_from(START_UPS)),
        task_concurrency=draw(st.sampled_from([1, 1, 2, 5])),
        tasks_at_start=draw(st.sampled_from([0, 1, 3])),
    )
    scale = draw(st.sampled_from([0.01, 1.0, 10.0, 60.0]))
    latency_s = draw(st.sampled_from([0.0, 1.0, 20.0, 60.0, 300.0, 5_000.0]))
    return workload(at.tolist(), (service * scale).tolist()), world, draw(st.integers(0, 99)), latency_s


def least_free_slots(outcome: SimulationOutcome, service: np.ndarray, slots: int) -> int:
    """Return the minimum over time of the slots that are up less the messages in progress. Ends count before begins."""
    begun = outcome.received_s
    ended = np.maximum(begun + service - ROUNDING_S, begun + ROUNDING_S)
    changes = [(life.up_s - ROUNDING_S, 0, slots) for life in outcome.lives]
    changes += [(life.stopped_s + ROUNDING_S, 2, -slots) for life in outcome.lives]
    changes += [(at, 1, -1) for at in begun.tolist()] + [(at, 0, 1) for at in ended.tolist()]
    return int(min(np.cumsum([change for _, _, change in sorted(changes)]), default=0))


@settings(max_examples=60)
@given(days())
def test_every_message_is_received_in_time_by_a_task_that_is_up_and_has_a_free_slot(day: Any) -> None:
    load, world, seed, latency_s = day
    outcome = clairvoyant(load, world, seed, latency_s)
    assert len(outcome.received_s) == len(load.arrivals_s)
    assert (outcome.received_s >= load.arrivals_s).all()
    assert (outcome.received_s <= load.arrivals_s + latency_s).all()
    assert least_free_slots(outcome, load.service_s, world.task_concurrency) >= 0


@settings(max_examples=60)
@given(days())
def test_the_kth_launch_takes_the_kth_start_up_time_and_initial_tasks_take_none(day: Any) -> None:
    load, world, seed, latency_s = day
    outcome = clairvoyant(load, world, seed, latency_s)
    drawn = world.start_up.sample(stream(seed, "start-up"), 2 * len(load.arrivals_s) + 1)
    launches = [life.launched_s for life in outcome.lives]
    took = [life.up_s - life.launched_s for life in outcome.lives]
    assert launches == sorted(launches)
    if world.start_up.median_s:
        assert sum(life[:2] == (0.0, 0.0) for life in outcome.lives) == world.tasks_at_start
        assert [time for time in took if time] == pytest.approx(drawn[: len(took) - world.tasks_at_start].tolist())
    assert all(life.stopped_s >= life.up_s - ROUNDING_S for life in outcome.lives)


@settings(max_examples=60)
@given(days())
def test_the_clairvoyant_never_costs_less_than_the_lower_bound(day: Any) -> None:
    load, world, seed, latency_s = day
    outcome = clairvoyant(load, world, seed, latency_s)
    assert billed_s(outcome) >= least_possible_billed_s(load, world) - ROUNDING_S


def test_the_lower_bound_is_the_work_per_slot_or_the_minimum_of_the_initial_tasks() -> None:
    load = workload([0.0, 1.0], [100.0, 300.0])
    assert least_possible_billed_s(load, WorldSettings()) == 400
    assert least_possible_billed_s(load, WorldSettings(task_concurrency=4)) == 100
    assert least_possible_billed_s(load, WorldSettings(task_concurrency=4, tasks_at_start=2)) == 120


def test_counts_begin_at_second_0_and_end_with_no_task() -> None:
    outcome = clairvoyant(steady(3.0, 1_800.0), WorldSettings(), 1, 60.0)
    for counts in (outcome.desired, outcome.running):
        assert counts[0][0] == 0.0
        assert counts[-1][1] == 0
        assert [at for at, _ in counts] == sorted({at for at, _ in counts})
    assert outcome.ended_s == outcome.desired[-1][0] == max(life.stopped_s for life in outcome.lives)


def test_without_messages_the_initial_tasks_stop_at_once() -> None:
    outcome = clairvoyant(workload([], []), WorldSettings(tasks_at_start=2), 1, 60.0)
    assert billed_s(outcome) == 120
    assert outcome.ended_s == 0


def test_equal_settings_and_seed_give_an_equal_outcome() -> None:
    load = steady(2.0, 3_600.0)
    one, other = (clairvoyant(load, WorldSettings(), 5, 60.0) for _ in range(2))
    assert one.lives == other.lives
    assert (one.received_s == other.received_s).all()


def few(seed: int) -> tuple[Workload, float]:
    """Return one to five messages with short or long gaps, and service times from short to longer than the latency."""
    rng = np.random.default_rng(seed)
    count, span = int(rng.integers(1, 6)), float(rng.choice([10, 60, 200, 600]))
    service = rng.lognormal(0, 1, count) * float(rng.choice([1, 5, 20, 40]))
    load = workload((rng.random(count) * span).tolist(), service.tolist())
    return load, float(rng.choice([5, 20, 60, 120]))


def test_with_few_messages_the_cost_is_close_to_the_optimum_of_an_exhaustive_search() -> None:
    ratios = []
    for seed in range(150):
        load, latency_s = few(seed)
        start_up_s = StartUp().sample(stream(seed, "start-up"), 6).tolist()
        best = optimum_s(load.arrivals_s.tolist(), load.service_s.tolist(), latency_s, start_up_s)
        ratios.append(billed_s(clairvoyant(load, WorldSettings(), seed, latency_s)) / best)
    assert min(ratios) > 1 - 1e-9
    assert statistics.mean(ratios) < 1.001
    assert max(ratios) < 1.02


def test_with_few_messages_more_latency_never_costs_more() -> None:
    for seed in range(60):
        load, latency_s = few(seed)
        costs = [billed_s(clairvoyant(load, WorldSettings(), seed, factor * latency_s)) for factor in (1, 2, 5)]
        assert costs[2] < costs[1] * 1.001
        assert costs[1] < costs[0] * 1.001


@pytest.mark.parametrize("load", [0.1, 0.5, 2.0, 10.0])
@pytest.mark.parametrize("burst_s", [0.0, 60.0])
def test_more_latency_costs_less(load: float, burst_s: float) -> None:
    day = steady(load, 7_200.0, burst_s=burst_s)
    costs = [billed_s(clairvoyant(day, WorldSettings(), 3, latency_s)) for latency_s in (10.0, 60.0, 300.0)]
    assert costs == sorted(costs, reverse=True)


@pytest.mark.parametrize(
    ("load", "latency_s", "most"),
    [(20.0, 60.0, 1.02), (20.0, 300.0, 1.01), (5.0, 300.0, 1.02), (1.0, 300.0, 1.05)],
)
def test_a_steady_load_costs_little_more_than_the_work(load: float, latency_s: float, most: float) -> None:
    day = steady(load, 14_400.0)
    assert billed_s(clairvoyant(day, WorldSettings(), 3, latency_s)) < most * day.work_s


def test_a_message_that_begins_at_its_deadline_is_not_late_by_a_rounding_error() -> None:
    """Each message has a task that comes up exactly at its deadline. Instants near a million seconds round coarsely."""
    at = np.sort(stream(7, "test").random(300)) * 1e6
    day = workload(at.tolist(), [0.1] * 300)
    outcome = clairvoyant(day, WorldSettings(), 3, 0.3)
    assert score(day, outcome, 0.3, 1.0).late_fraction == 0


def test_a_small_load_is_processed_in_batches() -> None:
    """A load of 0.1 tasks: the arrivals of 5 minutes are 30 s of work. One task processes them in one batch, with 3 s
    of work that arrive meanwhile. With a start-up of 48 s, the cost is (48 + 33) / 33 = 2.5 times the work."""
    day = steady(0.1, 14_400.0)
    assert billed_s(clairvoyant(day, WorldSettings(), 3, 300.0)) < 2.5 * day.work_s


def test_bursts_are_spread_over_the_latency() -> None:
    """The first minute of every ten brings work for 20 tasks. If it begins within 2 minutes, a task works for about
    120 s, and its start-up of 48 s adds 40 %; within 6 minutes, 13 %."""
    day = steady(2.0, 14_400.0, burst_s=60.0)
    assert billed_s(clairvoyant(day, WorldSettings(), 3, 60.0)) < 1.5 * day.work_s
    assert billed_s(clairvoyant(day, WorldSettings(), 3, 300.0)) < 1.2 * day.work_s


def test_messages_share_the_slots_of_a_task() -> None:
    day = steady(20.0, 7_200.0)
    world = WorldSettings(task_concurrency=4)
    assert billed_s(clairvoyant(day, world, 3, 60.0)) < 1.1 * day.work_s / 4
