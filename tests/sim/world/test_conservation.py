"""No message is lost, no message is processed twice without a reason, and all work is accounted for."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from autoscaler.sim.model import (
    Breakdown,
    Contention,
    CrashLoop,
    ManualChange,
    PlannedRollout,
    Rebalancing,
    Shortage,
    SimulationOutcome,
    Slow,
    SpotLoss,
    StartUp,
    Victims,
    Workload,
    WorldSettings,
)
from autoscaler.sim.world import World
from autoscaler.sim.world.serving import Held, SimulatedWorkers
from tests.sim.world.made import RandomScaler, poisson

FAULTS = (
    Slow(100.0, 300.0, 2.0),
    Contention(200.0, 500.0, 3),
    Breakdown(400.0, 460.0),
    Breakdown(440.0, 500.0),
    CrashLoop(550.0, 700.0),
    Shortage(600.0, 900.0, 4),
    PlannedRollout(800.0),
    SpotLoss(350.0, 0.5),
    Rebalancing(300.0, 0.4),
    ManualChange(650.0, 0),
)


def ending(changed: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a world in which poison messages do not circulate forever."""
    return {**changed, "max_receives": changed["max_receives"] or 3} if changed["poison_ratio"] else changed


WORLDS = strategies.fixed_dictionaries(
    {
        "task_concurrency": strategies.sampled_from([1, 1, 2, 5]),
        "prefetch": strategies.sampled_from([0, 0, 3]),
        "victims": strategies.sampled_from(Victims),
        "stop_timeout_s": strategies.sampled_from([0.0, 3.0, 30.0]),
        "visibility_timeout_s": strategies.sampled_from([1.0, 30.0, 150.0]),
        "max_receives": strategies.sampled_from([None, None, 1, 3]),
        "duplicate_ratio": strategies.sampled_from([0.0, 0.0, 0.1]),
        "poison_ratio": strategies.sampled_from([0.0, 0.0, 0.2]),
        "delete_on_receipt": strategies.sampled_from([False, False, True]),
        "launches_per_minute": strategies.sampled_from([2, 500]),
        "tasks_at_start": strategies.integers(0, 3),
        "launch_burst": strategies.sampled_from([2, 100]),
        "launch_per_s": strategies.sampled_from([0.1, 20.0]),
        "faults": strategies.sets(strategies.sampled_from(FAULTS)).map(lambda some: tuple(sorted(some, key=str))),
    }
).map(ending)


SEEDS = strategies.integers(0, 2**16)


class DeliveryLog:
    """Every delivery in a world and the end of its work, read from inside the world."""

    def __init__(self, world: World, workers: SimulatedWorkers) -> None:
        self.delivered: list[Held] = []
        put = workers.put

        def recorded(message: int, service_s: float, at: float) -> Held:
            held = put(message, service_s, at)
            self.delivered.append(held)
            return held

        workers.put = recorded  # type: ignore[method-assign]
        self.abandoned: dict[tuple[int, int, float], float] = {}
        abandon = world._serving._abandon

        def recorded_abandon(held: Held, now: float, visible_s: float | None) -> None:
            self.abandoned[held[1:]] = now
            abandon(held, now, visible_s)

        world._serving._abandon = recorded_abandon  # type: ignore[method-assign]

    def spans(self) -> list[tuple[int, int, float, float]]:
        """Return task, message, begin and end of each processing. Begin and end are equal if it is abandoned before."""
        spans = []
        for end_s, task, message, since in self.delivered:
            until = self.abandoned.get((task, message, since), end_s)
            spans.append((task, message, min(since, until), until))
        return spans


def run(
    load: Workload,
    changed: dict[str, Any],
    seed: int,
    *,
    fast_path: bool = True,
    on_poll: Callable[[World], object] = lambda _: None,
) -> tuple[World, SimulationOutcome, DeliveryLog]:
    world = World(load, WorldSettings(start_up=StartUp(8.0, 14.0, 3.0), **changed), seed)
    log = DeliveryLog(world, world._serving.workers)
    world._serving._has_fast_path &= fast_path
    scaler, poll = RandomScaler(seed, 8), 0
    while not world.has_ended and world.now < load.length_s + 40_000:
        world.advance(poll * scaler.interval_s)
        on_poll(world)
        if not world.has_ended:
            scaler.poll(world)
        poll += 1
    return world, world.outcome(), log


def drawn(seed: int) -> Workload:
    return poisson(seed, 0.5, 1000.0, "lognormal:5:1")


@settings(max_examples=80, deadline=None, derandomize=True)
@given(WORLDS, SEEDS)
def test_every_message_is_received_and_then_deleted_or_becomes_a_dead_letter(
    changed: dict[str, Any], seed: int
) -> None:
    load = drawn(seed)
    world, outcome, _ = run(load, changed, seed)
    assert world.has_ended
    assert not np.isnan(outcome.received_s).any()
    assert (outcome.received_s >= load.arrivals_s).all()
    assert world._serving.deleted(world.now) + outcome.dead_letters == len(load.arrivals_s)
    if changed["max_receives"] is None:
        assert outcome.dead_letters == 0
    if not changed["delete_on_receipt"]:
        assert outcome.lost_messages == 0


@settings(max_examples=40, deadline=None, derandomize=True)
@given(WORLDS.filter(lambda changed: changed["poison_ratio"] and not changed["delete_on_receipt"]), SEEDS)
def test_a_poison_message_is_never_deleted_and_is_dead_after_its_last_receive(
    changed: dict[str, Any], seed: int
) -> None:
    world, outcome, log = run(drawn(seed), changed, seed, fast_path=False)
    poison = world._serving._poison
    received = Counter(held[2] for held in log.delivered)
    assert all(received[message] == changed["max_receives"] for message in poison)
    assert outcome.dead_letters >= len(poison)
    assert world._serving.deleted(world.now) + outcome.dead_letters == len(outcome.received_s)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(WORLDS.filter(lambda changed: changed["delete_on_receipt"]), SEEDS)
def test_messages_that_are_deleted_on_receipt_are_received_once_and_never_in_flight(
    changed: dict[str, Any], seed: int
) -> None:
    flights = set[int]()

    def see(world: World) -> None:
        flights.add(world._serving.in_flight(world.now))

    _, outcome, log = run(drawn(seed), changed, seed, fast_path=False, on_poll=see)
    received = Counter(held[2] for held in log.delivered if held[2] >= 0)
    assert flights <= {0}
    assert set(received.values()) == {1}
    assert outcome.dead_letters == 0
    killed = sum(message >= 0 for _, message, _ in log.abandoned)
    assert outcome.lost_messages == killed


@settings(max_examples=40, deadline=None, derandomize=True)
@given(WORLDS, SEEDS)
def test_no_minute_has_more_launches_than_the_quota(changed: dict[str, Any], seed: int) -> None:
    _, outcome, _ = run(drawn(seed), changed, seed)
    launched_s = [life.launched_s for life in outcome.lives[changed["tasks_at_start"] :]]
    for at, since in enumerate(launched_s):
        assert sum(since <= other < since + 60 for other in launched_s[at:]) <= changed["launches_per_minute"]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(WORLDS, SEEDS)
def test_all_work_is_either_useful_or_counted_as_lost(changed: dict[str, Any], seed: int) -> None:
    load = drawn(seed)
    world, outcome, log = run(load, changed, seed, fast_path=False)
    spent_s = math.fsum(end_s - since for _, _, since, end_s in log.spans())
    assert world._serving.worked_until(world.now) == pytest.approx(spent_s)
    slowed = any(isinstance(fault, Slow | Contention) for fault in changed["faults"])
    if not slowed and not outcome.dead_letters and not outcome.lost_messages:
        assert spent_s == pytest.approx(load.work_s + outcome.lost_work_s)
    assert outcome.redelivered == len(log.delivered) - len(load.arrivals_s)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(WORLDS, SEEDS)
def test_a_task_works_only_while_it_is_up_and_within_its_concurrency(changed: dict[str, Any], seed: int) -> None:
    _, outcome, log = run(drawn(seed), changed, seed, fast_path=False)
    events: dict[int, list[tuple[float, int]]] = {}
    for task, _, since, until in log.spans():
        life = outcome.lives[task]
        assert life.up_s <= since
        assert until <= life.stopped_s
        if until > since:
            events.setdefault(task, []).extend([(since, 1), (until, -1)])
    for changes in events.values():
        busy = np.cumsum([change for _, change in sorted(changes)])
        assert busy.max() <= changed["task_concurrency"]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(WORLDS, SEEDS)
def test_a_message_is_in_one_task_at_a_time_and_returns_only_after_the_visibility_timeout(
    changed: dict[str, Any], seed: int
) -> None:
    """A message begins again only after its task stopped, or its work ended in a breakdown, or if it is poison.
    Duplicates are left out.
    """
    world, _, log = run(drawn(seed), changed, seed, fast_path=False)
    broken = world._faults.breakdowns
    last: dict[int, tuple[float, bool, bool]] = {}
    for (_, task, message, since), (_, _, _, until) in zip(log.delivered, log.spans(), strict=True):
        if message < 0:
            continue
        was_abandoned = (task, message, since) in log.abandoned
        returned_unbegun = was_abandoned and until <= since
        failed = not was_abandoned and any(start_s <= until < end_s for start_s, end_s in broken)
        failed |= message in world._serving._poison
        if message in last:
            free_s, may_return, at_once = last[message]
            assert may_return
            assert since >= free_s + (0.0 if at_once else changed["visibility_timeout_s"])
        last[message] = (until, was_abandoned or failed, returned_unbegun)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(WORLDS, SEEDS)
def test_the_fast_path_gives_the_same_run(changed: dict[str, Any], seed: int) -> None:
    load = drawn(seed)
    _, fast, _ = run(load, changed, seed)
    _, slow, _ = run(load, changed, seed, fast_path=False)
    assert fast.received_s.tobytes() == slow.received_s.tobytes()
    assert (fast.lives, fast.running, fast.lost_work_s) == (slow.lives, slow.running, slow.lost_work_s)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(WORLDS, SEEDS)
def test_task_lives_are_ordered_and_their_sum_matches_the_running_count(changed: dict[str, Any], seed: int) -> None:
    _, outcome, _ = run(drawn(seed), changed, seed)
    for life in outcome.lives:
        assert 0 <= life.launched_s <= life.stopped_s <= outcome.ended_s
        assert life.launched_s <= life.up_s
        assert life.up_s <= life.stopped_s or math.isinf(life.up_s)
    steps = [*outcome.running, (outcome.ended_s, 0)]
    running_s = math.fsum(count * (steps[at + 1][0] - since) for at, (since, count) in enumerate(outcome.running))
    up_s = math.fsum(life.stopped_s - life.up_s for life in outcome.lives if life.up_s < math.inf)
    stopping_s = changed["stop_timeout_s"] * len(outcome.lives)
    assert running_s <= up_s + 1e-6 <= running_s + stopping_s + 2e-6


def test_without_faults_and_kills_each_message_is_processed_once() -> None:
    load = poisson(5, 2.0, 3000.0)
    for victims in Victims:
        changed = {"victims": victims, "stop_timeout_s": math.inf}
        _, outcome, log = run(load, changed, 5, fast_path=False)
        assert (outcome.redelivered, outcome.lost_work_s, outcome.dead_letters) == (0, 0.0, 0)
        assert sorted(held[2] for held in log.delivered) == list(range(len(load.arrivals_s)))


def test_no_work_is_lost_if_ecs_stops_idle_tasks_with_any_stop_timeout() -> None:
    _, outcome, _ = run(poisson(6, 0.8, 9000.0), {"stop_timeout_s": 0.0}, 6)
    assert (outcome.redelivered, outcome.lost_work_s) == (0, 0.0)
    assert len(outcome.lives) > 200
