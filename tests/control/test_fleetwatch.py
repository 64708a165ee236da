"""When ECS is asked about a service: seldom while it stands still, always while it moves and before a write."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from autoscaler.control.fleetwatch import BELIEVED_S, MOVING_S
from autoscaler.control.loop import Rhythm
from autoscaler.control.read_budget import USED_RATIO, ReadBudget
from autoscaler.core.model import Fleet, Missing
from autoscaler.ports import ServiceRef, Urgency
from tests.control.fakes import World, loop_over, now
from tests.virtual import run_virtually

SELDOM_S = 200.0


@dataclass
class Watched(World):
    """Counts how it is read. `throttled`: nobody may."""

    reads: list[tuple[float, Urgency]] = field(default_factory=list)
    throttled: bool = False

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        self.reads.append((now(), urgency))
        return Missing("not our turn", "throttled") if self.throttled else await super().read(service, urgency)


def looked_at(world: Watched, seconds: float, script: dict[float, dict[str, object]] | None = None) -> list[float]:
    """When it was read, in seconds from the start, with a look every ten seconds and a round of all every 200."""

    async def main() -> list[float]:
        began, stopping = now(), asyncio.Event()
        loop = loop_over(world, rhythm=Rhythm(10.0, fleet_every_s=lambda: SELDOM_S))
        task = asyncio.create_task(loop.run(stopping))
        for at, changes in sorted((script or {}).items()):
            await asyncio.sleep(began + at - now())
            for name, value in changes.items():
                setattr(world, name, value)
        await asyncio.sleep(began + seconds - now())
        stopping.set()
        await task
        return [at - began for at, _ in world.reads]

    return run_virtually(main())


def test_what_stands_still_is_read_once_a_round() -> None:
    assert looked_at(Watched(), 605) == [0, 200, 400, 600]


@pytest.mark.parametrize("moving", [{"desired": 2, "running": 1}, {"desired": 2, "deploying_since": 0.0}])
def test_what_moves_is_read_at_each_look(moving: dict[str, object]) -> None:
    assert looked_at(Watched(waiting=11, **moving), 55) == [0, 10, 20, 30, 40, 50]  # type: ignore[arg-type]


def test_a_change_rests_on_a_reading_of_its_own_look_and_is_as_urgent_as_the_change() -> None:
    world = Watched()
    reads = looked_at(world, 95, {35: {"waiting": 50}})
    assert [at for at in reads if at < 45] == [0, 40]
    assert world.reads[1][1] is Urgency.FROM_ZERO
    assert [tasks for _, tasks in world.writes] == [5]


def test_after_a_change_it_is_on_the_move_for_a_minute() -> None:
    reads = looked_at(Watched(), 400, {35: {"waiting": 50}})
    assert [at for at in reads if at < 230] == [0, 40, *range(50, 40 + int(MOVING_S), 10)]


def test_somebody_elses_count_is_found_before_it_is_decided_against() -> None:
    world = Watched(waiting=20, desired=2)
    looked_at(world, 58, {35: {"waiting": 50, "desired": 7}})
    assert world.writes == [], "seven are more than the five that were wanted"
    assert [tick.decision.current for tick in world.ticks if tick.decision] == [2, 2, 2, 2, 7, 7]


def test_where_nobody_may_read_what_was_read_last_is_believed_and_nothing_is_changed_on_it() -> None:
    world = Watched(waiting=20, desired=2)
    looked_at(world, 400, {35: {"waiting": 50, "throttled": True}})
    assert world.writes == []
    kinds = [tick.outcome for tick in world.ticks]
    assert kinds[:4] == ["unchanged"] * 4
    assert set(kinds[4:]) == {"throttled"}


def test_it_is_not_believed_for_ever() -> None:
    world = Watched(waiting=20, desired=2)
    looked_at(world, BELIEVED_S + 205, {35: {"throttled": True}})
    assert world.ticks[int(BELIEVED_S / 10) - 1].outcome == "unchanged"
    assert world.ticks[-1].outcome == "throttled"


def test_a_reading_that_became_old_within_its_own_look_is_no_ground_for_a_change() -> None:
    """The queue answers after 30 s; meanwhile somebody has paused the service."""
    world = Watched(waiting=50, slow_s=30.0)
    looked_at(world, 100, {5: {"pause_tag": "all"}})
    assert world.writes == []
    assert len(world.reads) >= 2


def test_rounds_fit_into_the_rate_and_services_of_a_cluster_and_group_are_ten_a_call() -> None:
    read_budget = ReadBudget(lambda: 5.0, 10)
    services = [ServiceRef(f"s{number}", "prod", f"s{number}") for number in range(95)]
    for service in services:
        read_budget.join(service, 0)
    assert read_budget.every_s(services[0]) == pytest.approx(10 / (5.0 * USED_RATIO))
    for service in services[:15]:
        read_budget.leave(service, 0)
    assert read_budget.every_s(services[0]) == pytest.approx(8 / (5.0 * USED_RATIO))


def test_rounds_of_another_region_and_calls_about_few_are_counted_apart() -> None:
    read_budget = ReadBudget(lambda: 5.0, 10)
    here = [ServiceRef(f"s{number}", f"cluster {number}", "s") for number in range(20)]
    there = ServiceRef("far", "prod", "s", "us-east-1")
    for service in (*here, there):
        read_budget.join(service, 0)
    assert read_budget.every_s(here[0]) == pytest.approx(20 / (5.0 * USED_RATIO))
    assert read_budget.every_s(there) == pytest.approx(1 / (5.0 * USED_RATIO))
