"""The interval without the setting `interval`: short where a start-up leaves little time, and never expensive."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.control.cadence import (
    BUDGET,
    CALL_USD,
    CALLS_RATIO,
    COST,
    DIVISORS,
    FIFO_CALL_USD,
    NO_MORE,
    SHORTEST_S,
    STEPS,
    TASK_USD_PER_S,
    Cadence,
    Rhythm,
)
from autoscaler.control.supervisor import POLLS_PER_S, USED_RATIO, ReadBudget
from autoscaler.core.policy import Activation, QueuePolicy
from autoscaler.ports import Poll, ServiceRef
from tests.control.fakes import FakePorts, loop_over, now
from tests.virtual import run_virtually

DERIVED = Rhythm(10.0, derived=True)


def polls(world: FakePorts, seconds: float, rhythm: Rhythm = DERIVED, **changes: object) -> list[Poll]:
    """Return the polls of one service that waits for its start-up time to be learned: p90 75 s."""

    async def main() -> None:
        stopping = asyncio.Event()
        settings = {"backlog_per_task": None, "max_tasks": 500, **changes}
        task = asyncio.create_task(loop_over(world, rhythm=rhythm, **settings).run(stopping))  # type: ignore[arg-type]
        await asyncio.sleep(seconds)
        stopping.set()
        await task

    run_virtually(main())
    return world.polls


def starts(found: list[Poll]) -> list[float]:
    return [poll.observation.now for poll in found if poll.observation is not None]


def gaps_s(found: list[Poll]) -> set[float]:
    return {round(later - earlier, 2) for earlier, later in pairwise(starts(found))}


def queue(latency_s: float, name: str = "orders") -> tuple[QueuePolicy, ...]:
    return (QueuePolicy(name, latency_s),)


@pytest.mark.parametrize(("latency_s", "gap_s"), [(15.0, 1.0), (30.0, 2.0), (60.0, 5.0), (120.0, 5.0), (300.0, 10.0)])
def test_a_busy_service_is_polled_more_often_if_a_start_up_leaves_little_time(latency_s: float, gap_s: float) -> None:
    rhythm = replace(DERIVED, interval_s=min(10.0, latency_s / 3))
    world = FakePorts(waiting=40, in_flight=20, desired=40)
    assert gaps_s(polls(world, 60, rhythm, queues=queue(latency_s), max_tasks=500)) == {gap_s}


def test_a_learned_short_start_up_leaves_more_time() -> None:
    found = polls(FakePorts(waiting=40, in_flight=20, desired=40), 60, queues=queue(120.0))
    seen = found[-1].observation
    assert seen is not None
    assert seen.knowledge is not None
    quick = replace(found[-1], observation=replace(seen, knowledge=replace(seen.knowledge, start_late_s=20.0)))
    slow = replace(found[-1], observation=replace(seen, knowledge=replace(seen.knowledge, start_late_s=90.0)))
    assert (Cadence(DERIVED).after(quick), Cadence(DERIVED).after(slow)) == (10, 5)


def test_a_configured_interval_is_used_exactly() -> None:
    assert gaps_s(polls(FakePorts(waiting=40, in_flight=20, desired=40), 60, Rhythm(10.0))) == {10.0}


def test_each_poll_says_when_the_next_one_is_and_why() -> None:
    found = polls(FakePorts(waiting=40, in_flight=20, desired=40), 60)
    assert [poll.pace and poll.pace.interval_s for poll in found] == [5.0] * len(found)
    assert {poll.pace.reason for poll in found if poll.pace} == {"the latency target leaves 0 s after a start-up"}
    [*_, last] = polls(FakePorts(waiting=40, in_flight=20, desired=40), 60, max_tasks=40)
    assert last.pace == (10.0, NO_MORE)


@pytest.mark.parametrize(("tasks", "name"), [(1, "orders"), (2, "orders"), (3, "orders"), (2, "orders.fifo")])
def test_the_calls_cost_at_most_a_hundredth_of_the_tasks(tasks: int, name: str) -> None:
    [*_, last] = polls(FakePorts(waiting=9, in_flight=tasks, desired=tasks), 60, queues=queue(60.0, name))
    assert last.pace is not None
    usd = FIFO_CALL_USD if name.endswith(".fifo") else CALL_USD
    is_paid = usd / SHORTEST_S <= CALLS_RATIO * TASK_USD_PER_S * tasks
    assert (last.pace.interval_s, last.pace.reason == COST) == ((SHORTEST_S, False) if is_paid else (10.0, True))


def test_a_burst_of_a_service_that_had_many_tasks_is_noticed_as_fast_with_one_task() -> None:
    world = FakePorts(waiting=40, in_flight=20, desired=40)

    async def main() -> None:
        stopping = asyncio.Event()
        loop = loop_over(world, rhythm=DERIVED, backlog_per_task=None, max_tasks=500)
        task = asyncio.create_task(loop.run(stopping))
        await asyncio.sleep(300)
        world.waiting, world.in_flight, world.desired = 1, 1, 1
        await asyncio.sleep(60)
        stopping.set()
        await task

    run_virtually(main())
    assert world.polls[-1].pace is not None
    assert world.polls[-1].pace.interval_s == SHORTEST_S


def test_the_shared_call_budget_lengthens_the_interval_of_every_service() -> None:
    [*_, last] = polls(FakePorts(waiting=40, in_flight=20, desired=40), 60, replace(DERIVED, least_s=lambda: 6.0))
    assert last.pace == (10.0, BUDGET)


def test_readings_that_are_counted_before_a_service_wakes_are_as_far_apart_as_the_longest_interval() -> None:
    world = FakePorts(waiting=3, desired=0)
    polls(world, 60, activation=Activation(reads=3), acceptable_latency_s=60.0)
    [(woken_at, _), *_] = world.writes
    assert woken_at - starts(world.polls)[0] >= 20.0


def test_failed_readings_are_as_far_apart_as_the_longest_interval() -> None:
    from autoscaler.core.model import Missing

    world = FakePorts(desired=40, queue_missing=Missing("SQS does not respond", "unavailable"))
    assert gaps_s(polls(world, 60)) == {10.0}


def test_services_that_are_polled_together_stay_together_at_different_intervals() -> None:
    """Every time of a slow service is also one of a fast service, whatever they were before."""
    slow, fast = FakePorts(waiting=400, in_flight=40, desired=40), FakePorts(waiting=400, in_flight=40, desired=40)

    async def main() -> list[list[float]]:
        began, stopping = now(), asyncio.Event()
        tasks = [
            asyncio.create_task(
                loop_over(world, rhythm=DERIVED, backlog_per_task=None, max_tasks=500, queues=queue(latency_s)).run(
                    stopping
                )
            )
            for world, latency_s in ((slow, 300.0), (fast, 60.0))
        ]
        await asyncio.sleep(37)
        fast.waiting = fast.in_flight = fast.desired = 0
        await asyncio.sleep(65)
        fast.waiting = fast.in_flight = fast.desired = 400
        await asyncio.sleep(100)
        stopping.set()
        await asyncio.wait(tasks)
        return [[round(at - began, 2) for at in starts(world.polls)] for world in (slow, fast)]

    of_slow, of_fast = run_virtually(main())
    assert {at for at in of_slow if at > 120} <= set(of_fast)


def test_all_services_have_the_same_shortest_interval_within_the_budgets() -> None:
    """A thousand services fill the polls a second; five queues each would exceed the rate of SQS before."""
    budget = ReadBudget(lambda: 5.0, 10, lambda: 1000.0)
    refs = [ServiceRef(f"s{number}", "prod", f"s{number}") for number in range(1000)]
    for ref in refs:
        budget.join(ref, 0)
    assert {budget.least_s(ref) for ref in refs} == {1000 / POLLS_PER_S} == {5.0}
    for ref in refs:
        budget.join(ref, 0, queues=4)
        budget.leave(ref, 0, queues=0)
    assert budget.least_s(refs[0]) == 5 * 1000 / (1000.0 * USED_RATIO)
    for ref in refs[1:]:
        budget.leave(ref, 0, queues=5)
    assert budget.least_s(refs[0]) == 5 / (1000.0 * USED_RATIO)


@pytest.mark.parametrize(("tasks", "share"), [(200, 1), (1000, 10)])
def test_services_that_change_are_read_from_ecs_within_the_budget(tasks: int, share: int) -> None:
    """Tasks are starting all the time. With a budget of one read in 4 s, every poll of 5 s may read; with 40 s, one in
    7.5 s does.
    """
    reads = list[float]()

    class FleetReads(FakePorts):
        async def read(self, *args: Any, **kwargs: Any) -> Any:
            reads.append(now())
            return await super().read(*args, **kwargs)

    rhythm = replace(DERIVED, fleet_every_s=lambda: 4.0 * share)
    found = polls(FleetReads(waiting=tasks, in_flight=9, desired=tasks, running=9), 100, rhythm, max_tasks=tasks + 1000)
    assert len(found) == 20
    assert len(reads) == pytest.approx(20 if share == 1 else 10, abs=1)


@given(st.floats(3.0, 900.0), st.floats(1.0, 300.0), st.integers(0, 1000), st.floats(0.0, 30.0), st.integers(0, 10_000))
def test_a_derived_interval_is_a_divisor_of_the_longest_within_all_limits(
    latency_s: float, start_late_s: float, tasks: int, least_s: float, at: int
) -> None:
    world: Any = POLL
    seen = world.observation
    known = replace(seen.knowledge, start_late_s=start_late_s)
    seen = replace(seen, knowledge=known, fleet=replace(seen.fleet, desired=tasks, running=tasks))
    poll = replace(
        world,
        observation=seen,
        policy=replace(world.policy, queues=queue(latency_s), max_tasks=5000),
        decision=replace(world.decision, target=max(1, tasks), current=tasks),
    )
    longest_s = min(10.0, latency_s / 3)
    rhythm = Rhythm(longest_s, derived=True, least_s=lambda: least_s)
    cadence = Cadence(rhythm)
    steps = cadence.after(poll, at)
    assert any((at + steps) % each == 0 and steps <= each for each in DIVISORS)
    whole_s = next(each for each in DIVISORS if (at + steps) % each == 0 and steps <= each) * rhythm.step_s
    assert whole_s <= longest_s + 1e-9
    if (at + steps) % STEPS:  # shorter than the longest interval
        paid_s = CALL_USD / (CALLS_RATIO * TASK_USD_PER_S * tasks) if tasks else float("inf")
        longest_here = max(each for each in DIVISORS if (at + steps) % each == 0) * rhythm.step_s
        assert longest_here + 1e-9 >= min(paid_s, longest_s)
        assert longest_here + 1e-9 >= min(least_s, longest_s)


POLL = polls(FakePorts(waiting=40, in_flight=20, desired=40), 20)[-1]
