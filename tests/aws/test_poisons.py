"""Broken responses about one service make its readings missing; the readings of other services are not affected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from autoscaler.aws.connection import Aws
from autoscaler.core.model import Backlog, Fleet, Missing, Utilization
from autoscaler.errors import AutoscalerError
from autoscaler.ports import QueueMinute, QueueRef, ServiceRef, Urgency
from tests.aws.spies import REGION, Spies, connected
from tests.fakeaws import FakeAws, StillClock, serving
from tests.fakeaws.poisons import POISONS, poison

CALL_S = 2.0
"""The time limit of each call, in seconds."""

HARMLESS = {"service_event_10_mb", "service_bad_tags"}
"""Only a text is too long: it is truncated, and the readings are valid."""

SHARED = {"targets_hang", "targets_endless"}
"""A call for several services: if it does not end, it fails for all. No poll waits for it; only a notice uses it."""


class PoisonedAws(NamedTuple):
    """The AWS layer under test, and the double that it is connected to."""

    aws: Aws
    fake: FakeAws


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def layer() -> AsyncIterator[PoisonedAws]:
    """Shared by all tests, each with its own services: opening the clients takes longer than the calls."""
    async with serving(FakeAws(StillClock())) as fake:
        with pytest.MonkeyPatch.context() as environment:
            for name, value in keys(fake.url).items():
                environment.setenv(name, value)
            fake.buckets.limited = False
            async with connected(Spies(wall_s=fake.clock.now()), CALL_S) as aws:
                await opened(PoisonedAws(aws, fake))
                yield PoisonedAws(aws, fake)
        assert not fake.record.complaints


def keys(url: str) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
    }


async def opened(layer: PoisonedAws) -> None:
    """Open each client, with up to 20 attempts."""
    put(layer.fake, "first")
    for _ in range(20):
        await layer.aws.queues.backlog(QueueRef("orders-first"))
        found = await readings(layer.aws, "first")
        if not any(isinstance(one, Missing | AutoscalerError) for one in found.values()):
            return
    raise AssertionError(found)


def put(fake: FakeAws, name: str) -> None:
    fake.world().put_queue(f"orders-{name}", visible=3)
    fake.world().put_service("prod", f"worker-{name}", 2, cpu=50.0)


async def readings(aws: Aws, name: str) -> dict[str, Any]:
    """Return all readings of a service, and the result of scaling it."""
    service, queue = ServiceRef(name, "prod", f"worker-{name}"), QueueRef(f"orders-{name}")
    read = {
        "backlog": aws.queues.backlog(queue),
        "fleet": aws.fleets.read(service),
        "cpu": aws.meters.cpu(service),
        "minute": aws.meters.minute(queue),
        "conflicting": aws.fleets.conflicting_scalers(service),
        "protected": aws.fleets.protected(service),
        "scaled": scaled(aws, service),
    }
    return dict(zip(read, await asyncio.gather(*read.values()), strict=True))


async def scaled(aws: Aws, service: ServiceRef) -> bool | AutoscalerError:
    try:
        return await aws.fleets.scale_to(service, 2, Urgency.ROUTINE) is not None
    except AutoscalerError as fault:
        return fault


def require_good(found: dict[str, Any], name: str) -> None:
    backlog, fleet, cpu, minute = (found[name] for name in ("backlog", "fleet", "cpu", "minute"))
    assert isinstance(backlog, Backlog), backlog
    assert isinstance(fleet, Fleet), fleet
    assert isinstance(cpu, Utilization), cpu
    assert isinstance(minute, QueueMinute), minute
    assert (backlog.visible, fleet.desired, fleet.running, fleet.pending) == (3, 2, 2, 0)
    assert (cpu.percent, minute.sent, minute.received) == (50.0, 0, 0)
    assert (found["protected"], found["scaled"]) == (0, True)
    assert found["conflicting"] == () or name in SHARED


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", POISONS)
async def test_a_poisoned_service_has_missing_readings_and_the_others_are_good(layer: PoisonedAws, name: str) -> None:
    ours, theirs = name, f"{name}-not"
    put(layer.fake, ours)
    put(layer.fake, theirs)
    poison(layer.fake.faults, name, f"worker-{ours}", f"orders-{ours}")
    poisoned, healthy = await asyncio.gather(readings(layer.aws, ours), readings(layer.aws, theirs))
    require_good(healthy, name)
    errors = [str(reading) for reading in poisoned.values() if isinstance(reading, Missing | AutoscalerError)]
    assert errors or name in HARMLESS
    assert all(len(text) < 1000 for text in errors)
