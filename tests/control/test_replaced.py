"""A service that was deleted and created again is a new service: no learned value of the old one applies to it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import Fleet, Missing
from autoscaler.core.policy import Direction, ScaleIn
from autoscaler.ports import ServiceRef, Urgency
from tests.control.fakes import FakePorts, loop_over, now
from tests.virtual import run_virtually


@dataclass
class Replaceable(FakePorts):
    identity: str | None = "service/prod/orders 1"

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        fleet = await super().read(service, urgency)
        return fleet if isinstance(fleet, Missing) else replace(fleet, identity=self.identity)


async def polls(world: Replaceable, loop: ServiceLoop, count: int) -> None:
    for _ in range(count):
        world.record(await loop.poll())
        await asyncio.sleep(10.0)


def replaced(world: Replaceable, *, between: Missing | None, identity: str | None, polls_between: int = 3) -> None:
    """A service with 4 tasks and `min_tasks` 2 is deleted and created again with 0 tasks."""

    async def main() -> None:
        loop = loop_over(world, min_tasks=2)
        world.desired = 4
        await polls(world, loop, 10)
        world.service_missing, world.desired = between, 0
        await polls(world, loop, polls_between if between else 0)
        world.service_missing, world.identity = None, identity
        await polls(world, loop, 1)

    run_virtually(main())


MISSING = Missing("no such service", "not_found")
INACTIVE = Missing("the service is INACTIVE", "refused")


@pytest.mark.parametrize("between", [MISSING, INACTIVE, None], ids=["missing", "inactive", "between two polls"])
def test_a_replaced_service_gets_its_minimum_at_once(between: Missing | None) -> None:
    world = Replaceable(waiting=40)
    replaced(world, between=between, identity="service/prod/orders 2")
    assert world.desired == 4, "min_tasks is 2, and 40 messages require 4"
    empty = Replaceable(waiting=0, in_flight=1)
    replaced(empty, between=between, identity="service/prod/orders 2")
    assert empty.desired == 2


@pytest.mark.parametrize("between", [MISSING, INACTIVE])
def test_without_a_creation_time_a_service_that_was_absent_counts_as_replaced(between: Missing) -> None:
    world = Replaceable(waiting=40, identity=None)
    replaced(world, between=between, identity=None)
    assert world.desired == 4


@pytest.mark.parametrize("kind", ["unavailable", "throttled", "denied", "unreadable", "refused"])
def test_the_same_service_set_to_zero_tasks_stays_at_zero_after_failed_reads(kind: str) -> None:
    world = Replaceable(waiting=40)
    replaced(world, between=Missing("it could not be read", kind), identity=world.identity)
    assert world.desired == 0


def test_another_identity_starts_a_warm_up_and_deletes_changes_and_demands() -> None:
    world = Replaceable(waiting=195, in_flight=5)

    async def main() -> None:
        loop = loop_over(world, scale_in=ScaleIn(stabilization_s=60.0), scale_out=Direction(cooldown_s=3600.0))
        await polls(world, loop, 12)
        assert world.desired == 20
        world.identity, world.desired, world.waiting, world.in_flight = "service/prod/orders 2", 1, 95, 0
        await polls(world, loop, 2)
        assert world.desired == 10, "the cooldown belongs to the old service"
        memory = world.polls[-1].memory
        assert [change.tasks for change in memory.changes] == [9]
        assert memory.since is not None
        assert now() - memory.since <= 30.0
        assert len(memory.demands) == 1

    run_virtually(main())


def test_a_service_that_is_replaced_between_a_decision_and_its_write_is_decided_again() -> None:
    """The reading before the write shows another service: the scale-in of the old one is dropped."""

    @dataclass
    class Swapped(Replaceable):
        swap_at: float = float("inf")

        async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
            if now() >= self.swap_at:
                self.identity = "service/prod/orders 2"
            return await super().read(service, urgency)

    world = Swapped(waiting=200, in_flight=1, desired=20, slow_s=6.0)

    async def main() -> None:
        loop = loop_over(world, scale_in=ScaleIn(stabilization_s=30.0))
        await polls(world, loop, 10)
        world.waiting = 50
        world.swap_at = now() + 16.0 + 3.0  # in the second poll, after the read of ECS and before that of the queue
        await polls(world, loop, 2)

    run_virtually(main())
    assert world.desired == 20
