"""When a service is read from ECS: rarely while it does not change, at each poll while it does, and before a write."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from autoscaler.control.cadence import Rhythm
from autoscaler.control.readers import MOVING_S, TRUSTED_S
from autoscaler.control.supervisor import USED_RATIO, ReadBudget
from autoscaler.core.model import Fleet, Missing
from autoscaler.ports import ServiceRef, Urgency
from tests.control.fakes import FakePorts, loop_over, now
from tests.virtual import run_virtually

ROUND_S = 200.0


@dataclass
class CountedReads(FakePorts):
    """Records the reads. `throttled`: each read is throttled."""

    reads: list[tuple[float, Urgency]] = field(default_factory=list)
    throttled: bool = False

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        self.reads.append((now(), urgency))
        return Missing("rate limit", "throttled") if self.throttled else await super().read(service, urgency)


def read_times(
    world: CountedReads, seconds: float, script: dict[float, dict[str, object]] | None = None
) -> list[float]:
    """Return the times of the ECS reads, in seconds from the start. A poll is due every 10 s, a round every 200 s."""

    async def main() -> list[float]:
        began, stopping = now(), asyncio.Event()
        loop = loop_over(world, rhythm=Rhythm(10.0, fleet_every_s=lambda: ROUND_S))
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


def test_a_service_that_does_not_change_is_read_once_per_round() -> None:
    assert read_times(CountedReads(), 605) == [0, 200, 400, 600]


@pytest.mark.parametrize("moving", [{"desired": 2, "running": 1}, {"desired": 2, "deploying_since": 0.0}])
def test_a_changing_service_is_read_at_each_poll(moving: dict[str, object]) -> None:
    assert read_times(CountedReads(waiting=11, **moving), 55) == [0, 10, 20, 30, 40, 50]  # type: ignore[arg-type]


def test_a_change_reads_ecs_in_its_own_poll_with_the_urgency_of_the_change() -> None:
    world = CountedReads()
    reads = read_times(world, 95, {35: {"waiting": 50}})
    assert [at for at in reads if at < 45] == [0, 40]
    assert world.reads[1][1] is Urgency.FROM_ZERO
    assert [tasks for _, tasks in world.writes] == [5]


def test_a_service_counts_as_changing_for_a_minute_after_a_write() -> None:
    reads = read_times(CountedReads(), 400, {35: {"waiting": 50}})
    assert [at for at in reads if at < 230] == [0, 40, *range(50, 40 + int(MOVING_S), 10)]


def test_a_count_that_another_program_set_is_read_before_a_write() -> None:
    world = CountedReads(waiting=20, desired=2)
    read_times(world, 58, {35: {"waiting": 50, "desired": 7}})
    assert world.writes == [], "7 tasks are more than the 5 required"
    assert [poll.decision.current for poll in world.polls if poll.decision] == [2, 2, 2, 2, 7, 7]


def test_the_last_reading_is_used_without_a_change_while_reads_are_throttled() -> None:
    world = CountedReads(waiting=20, desired=2)
    read_times(world, 400, {35: {"waiting": 50, "throttled": True}})
    assert world.writes == []
    kinds = [poll.outcome for poll in world.polls]
    assert kinds[:4] == ["unchanged"] * 4
    assert set(kinds[4:]) == {"throttled"}


def test_the_last_reading_expires_while_reads_are_throttled() -> None:
    world = CountedReads(waiting=20, desired=2)
    read_times(world, TRUSTED_S + 205, {35: {"throttled": True}})
    assert world.polls[int(TRUSTED_S / 10) - 1].outcome == "unchanged"
    assert world.polls[-1].outcome == "throttled"


def test_a_reading_that_becomes_too_old_within_its_poll_permits_no_change() -> None:
    """The queue answers after 30 s. In that time an operator pauses the service."""
    world = CountedReads(waiting=50, slow_s=30.0)
    read_times(world, 100, {5: {"pause_tag": "all"}})
    assert world.writes == []
    assert len(world.reads) >= 2


def test_a_round_fits_the_rate_with_ten_services_of_a_cluster_and_group_per_call() -> None:
    read_budget = ReadBudget(lambda: 5.0, 10)
    services = [ServiceRef(f"s{number}", "prod", f"s{number}") for number in range(95)]
    for service in services:
        read_budget.join(service, 0)
    assert read_budget.every_s(services[0]) == pytest.approx(10 / (5.0 * USED_RATIO))
    for service in services[:15]:
        read_budget.leave(service, 0)
    assert read_budget.every_s(services[0]) == pytest.approx(8 / (5.0 * USED_RATIO))


def test_each_region_has_its_own_round_and_each_cluster_its_own_calls() -> None:
    read_budget = ReadBudget(lambda: 5.0, 10)
    here = [ServiceRef(f"s{number}", f"cluster {number}", "s") for number in range(20)]
    there = ServiceRef("far", "prod", "s", "us-east-1")
    for service in (*here, there):
        read_budget.join(service, 0)
    assert read_budget.every_s(here[0]) == pytest.approx(20 / (5.0 * USED_RATIO))
    assert read_budget.every_s(there) == pytest.approx(1 / (5.0 * USED_RATIO))
