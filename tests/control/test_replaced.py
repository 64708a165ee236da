"""A service that was deleted and created again is a new one: nothing that was known of the old one is true of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import Fleet, Missing
from autoscaler.core.policy import Direction
from autoscaler.ports import ServiceRef, Urgency
from tests.control.fakes import World, loop_over, now
from tests.virtual import run_virtually


@dataclass
class Replaceable(World):
    identity: str | None = "service/prod/orders 1"

    async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
        fleet = await super().read(service, urgency)
        return fleet if isinstance(fleet, Missing) else replace(fleet, identity=self.identity)


async def polls(world: Replaceable, loop: ServiceLoop, count: int) -> None:
    for _ in range(count):
        world.record(await loop.tick())
        await asyncio.sleep(10.0)


def replaced(world: Replaceable, *, between: Missing | None, identity: str | None, polls_between: int = 3) -> None:
    """Four tasks of two at least; the service is deleted, and is there again with none."""

    async def main() -> None:
        loop = loop_over(world, min_tasks=2)
        world.desired = 4
        await polls(world, loop, 10)
        world.gone, world.desired = between, 0
        await polls(world, loop, polls_between if between else 0)
        world.gone, world.identity = None, identity
        await polls(world, loop, 1)

    run_virtually(main())


MISSING = Missing("no such service", "not_found")
INACTIVE = Missing("the service is INACTIVE", "refused")


@pytest.mark.parametrize("between", [MISSING, INACTIVE, None], ids=["missing", "inactive", "between two polls"])
def test_the_minimum_is_there_at_once(between: Missing | None) -> None:
    world = Replaceable(waiting=40)
    replaced(world, between=between, identity="service/prod/orders 2")
    assert world.desired == 4, "2 at least, and 4 for 40 messages"
    empty = Replaceable(waiting=0, in_flight=1)
    replaced(empty, between=between, identity="service/prod/orders 2")
    assert empty.desired == 2


@pytest.mark.parametrize("between", [MISSING, INACTIVE])
def test_without_a_creation_time_its_absence_tells(between: Missing) -> None:
    world = Replaceable(waiting=40, identity=None)
    replaced(world, between=between, identity=None)
    assert world.desired == 4


@pytest.mark.parametrize("kind", ["unavailable", "throttled", "denied", "unreadable", "refused"])
def test_the_same_service_switched_off_by_hand_stays_off_whatever_could_not_be_read(kind: str) -> None:
    world = Replaceable(waiting=40)
    replaced(world, between=Missing("it could not be read", kind), identity=world.identity)
    assert world.desired == 0


def test_another_identity_brings_a_warm_up_and_forgets_changes_and_demands() -> None:
    world = Replaceable(waiting=195, in_flight=5)

    async def main() -> None:
        loop = loop_over(world, scale_in=Direction(stabilization_s=60.0), scale_out=Direction(cooldown_s=3600.0))
        await polls(world, loop, 12)
        assert world.desired == 20
        world.identity, world.desired, world.waiting, world.in_flight = "service/prod/orders 2", 1, 95, 0
        await polls(world, loop, 2)
        assert world.desired == 10, "the cooldown was of the old service"
        memory = world.ticks[-1].memory
        assert [change.tasks for change in memory.changes] == [9]
        assert memory.since is not None
        assert now() - memory.since <= 30.0
        assert len(memory.demands) == 1

    run_virtually(main())


def test_a_service_that_is_replaced_between_a_decision_and_its_write_is_decided_anew() -> None:
    """The fresh reading before a write shows another service: a scale-in that was agreed for the old one is dropped."""

    @dataclass
    class Swapped(Replaceable):
        swap_at: float = float("inf")

        async def read(self, service: ServiceRef, urgency: Urgency = Urgency.ROUTINE) -> Fleet | Missing:
            if now() >= self.swap_at:
                self.identity = "service/prod/orders 2"
            return await super().read(service, urgency)

    world = Swapped(waiting=200, in_flight=1, desired=20, slow_s=6.0)

    async def main() -> None:
        loop = loop_over(world, scale_in=Direction(stabilization_s=30.0))
        await polls(world, loop, 10)
        world.waiting = 50
        world.swap_at = now() + 16.0 + 3.0  # in the second poll: ECS was read, and the queue was not yet
        await polls(world, loop, 2)

    run_virtually(main())
    assert world.desired == 20
