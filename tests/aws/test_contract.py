"""What every AWS behind the ports must do, asked of moto and of the scripted double alike."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from autoscaler.aws import Aws
from autoscaler.core.model import Backlog, Fleet, Missing, Utilization
from autoscaler.errors import NotFound
from autoscaler.ports import QueueRef, ServiceRef
from tests.aws.double import Double
from tests.aws.spies import Spies, connected
from tests.aws.worlds import Moto, Scripted, World


@pytest_asyncio.fixture(params=["moto", "double"])
async def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, double: Double) -> World:
    if request.param == "double":
        return Scripted(double)
    moto = Moto(request.getfixturevalue("moto_url"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
    return moto


@pytest_asyncio.fixture
async def here(world: World) -> AsyncIterator[Aws]:
    """The floor over that world, at the time that it really is: moto has no other."""
    async with connected(Spies(now_s=1000.0, wall_s=time.time())) as aws:
        yield aws


@pytest.fixture
def name() -> str:
    """Nobody else's name in the shared moto."""
    return f"orders-{uuid4().hex[:8]}"


async def test_a_queue_s_backlog_is_read(world: World, here: Aws, name: str) -> None:
    await world.put_queue(name, messages=3)
    assert await here.queues.backlog(QueueRef(name)) == Backlog(visible=3, in_flight=0, delayed=0, at=1000.0)


async def test_an_unknown_queue_is_missing_until_it_is_there(world: World, here: Aws, name: str) -> None:
    reading = await here.queues.backlog(QueueRef(name))
    assert isinstance(reading, Missing)
    assert reading.kind == "not_found"
    await world.put_queue(name, messages=0)
    assert isinstance(await here.queues.backlog(QueueRef(name)), Backlog)


async def test_a_service_is_read_and_scaled_out_and_in_to_none(world: World, here: Aws, name: str) -> None:
    await world.put_service("prod", name, desired=0)
    service = ServiceRef("shop", "prod", name)
    assert await here.fleets.read(service) == Fleet(desired=0, running=0, pending=0, at=1000.0)
    for tasks in (4, 1, 0):
        assert await here.fleets.scale_to(service, tasks) is True
        fleet = await here.fleets.read(service)
        assert isinstance(fleet, Fleet)
        assert fleet.desired == tasks


async def test_an_unknown_service_is_missing_and_cannot_be_scaled(world: World, here: Aws, name: str) -> None:
    await world.put_service("prod", name, desired=1)
    nobody = ServiceRef("shop", "prod", name + "-not")
    reading = await here.fleets.read(nobody)
    assert isinstance(reading, Missing)
    assert reading.kind == "not_found"
    with pytest.raises(NotFound, match="shop"):
        await here.fleets.scale_to(nobody, 1)


async def test_a_deleted_service_is_refused(world: World, here: Aws, name: str) -> None:
    await world.put_service("prod", name, desired=1)
    await world.delete_service("prod", name)
    reading = await here.fleets.read(ServiceRef("shop", "prod", name))
    assert isinstance(reading, Missing)
    assert reading.kind == "refused"
    assert "INACTIVE" in reading.because


async def test_cpu_and_memory_are_read_apart(world: World, here: Aws, name: str) -> None:
    wall_s = time.time()
    began_s = wall_s // 60 * 60 - 120
    await world.put_metric("prod", name, "CPUUtilization", 62.5, began_s)
    await world.put_metric("prod", name, "MemoryUtilization", 31.0, began_s)
    service = ServiceRef("shop", "prod", name)
    cpu, memory = await here.meters.cpu(service), await here.meters.memory(service)
    assert isinstance(cpu, Utilization)
    assert isinstance(memory, Utilization)
    assert (cpu.percent, memory.percent) == (62.5, 31.0)
    assert 60 <= 1000.0 - cpu.at < 240


async def test_a_metric_that_nobody_published_is_missing(world: World, here: Aws, name: str) -> None:
    reading = await here.meters.cpu(ServiceRef("shop", "prod", name))
    assert isinstance(reading, Missing)
    assert reading.kind == "no_data"
