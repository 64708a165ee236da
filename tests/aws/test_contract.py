"""The contract of AWS behind the ports. moto and our own double must both fulfil it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

import pytest
import pytest_asyncio

from autoscaler.aws.connection import Aws
from autoscaler.aws.names import queue_metrics, service_metric
from autoscaler.core.model import Backlog, Fleet, Measurement, Missing, StopTimeout, Utilization
from autoscaler.errors import NotFound
from autoscaler.ports import CloudWatchMetric, LiveTasks, Place, QueueMinute, QueueRef, ServiceRef, Urgency
from tests.aws.spies import Spies, connected
from tests.aws.worlds import AwsWorld, Fake, MotoWorld
from tests.fakeaws import FakeAws, serving


@pytest_asyncio.fixture(params=["moto", "fake"])
async def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AwsWorld]:
    """moto, or our own double, which validates each request against the SDK's service models."""
    if request.param == "moto":
        moto = MotoWorld(request.getfixturevalue("moto_url"))
        monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
        yield moto
        return
    async with serving(FakeAws()) as aws:
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.url)
        yield Fake(aws)
        assert not aws.record.complaints


@pytest.fixture(params=[True, False], ids=["fast", "sdk"])
def fast_sqs(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest_asyncio.fixture
async def layer(world: AwsWorld, fast_sqs: bool) -> AsyncIterator[Aws]:
    """The AWS layer, connected to that world, at the real time: moto supports no other."""
    async with connected(Spies(now_s=1000.0, wall_s=time.time(), fast_sqs=fast_sqs)) as aws:
        yield aws


@pytest.fixture
def name() -> str:
    """A name that no other test uses in the shared moto."""
    return f"orders-{uuid4().hex[:8]}"


async def test_a_queue_s_backlog_is_read(world: AwsWorld, layer: Aws, name: str) -> None:
    await world.put_queue(name, messages=3)
    assert await layer.queues.backlog(QueueRef(name)) == Backlog(visible=3, in_flight=0, delayed=0, at=1000.0)


async def test_an_unknown_queue_is_missing_until_it_exists(world: AwsWorld, layer: Aws, name: str) -> None:
    reading = await layer.queues.backlog(QueueRef(name))
    assert isinstance(reading, Missing)
    assert reading.kind == "not_found"
    await world.put_queue(name, messages=0)
    assert isinstance(await layer.queues.backlog(QueueRef(name)), Backlog)


async def test_a_service_is_read_and_scaled_out_and_in_to_zero(world: AwsWorld, layer: Aws, name: str) -> None:
    await world.put_service("prod", name, desired=0)
    service = ServiceRef("shop", "prod", name)
    first = await layer.fleets.read(service)
    assert isinstance(first, Fleet)
    assert replace(first, identity=None) == Fleet(desired=0, running=0, pending=0, at=1000.0)
    for tasks in (4, 1, 0):
        assert await layer.fleets.scale_to(service, tasks, Urgency.SCALE_OUT) is not None
        fleet = await layer.fleets.read(service)
        assert isinstance(fleet, Fleet)
        assert fleet.desired == tasks


async def test_the_shortest_stop_timeout_of_the_essential_containers_is_read(
    world: AwsWorld, layer: Aws, name: str
) -> None:
    containers = [
        {"name": "sidecar", "essential": False, "stopTimeout": 2},
        {"name": "app", "essential": True, "stopTimeout": 120},
        {"name": "proxy", "essential": True, "stopTimeout": 90},
    ]
    await world.put_service("prod", name, desired=0, containers=containers)
    service = ServiceRef("shop", "prod", name)
    fleet = await layer.fleets.read(service)
    assert isinstance(fleet, Fleet)
    [arn] = fleet.task_definitions
    assert name in arn
    assert await layer.fleets.stop_timeout(service, arn) == StopTimeout(90.0, "proxy")
    gone = await layer.fleets.stop_timeout(service, arn.replace(name, f"{name}-not"))
    assert isinstance(gone, Missing)


async def test_a_container_without_a_stop_timeout_has_the_default_of_ecs(
    world: AwsWorld, layer: Aws, name: str
) -> None:
    await world.put_service("prod", name, desired=0)
    service = ServiceRef("shop", "prod", name)
    fleet = await layer.fleets.read(service)
    assert isinstance(fleet, Fleet)
    assert await layer.fleets.stop_timeout(service, fleet.task_definitions[0]) == StopTimeout(30.0, "worker")


async def test_an_unknown_service_is_missing_and_cannot_be_scaled(world: AwsWorld, layer: Aws, name: str) -> None:
    await world.put_service("prod", name, desired=1)
    unknown = ServiceRef("shop", "prod", name + "-not")
    reading = await layer.fleets.read(unknown)
    assert isinstance(reading, Missing)
    assert reading.kind == "not_found"
    with pytest.raises(NotFound, match="shop"):
        await layer.fleets.scale_to(unknown, 1, Urgency.SCALE_OUT)


async def test_a_deleted_service_is_refused(world: AwsWorld, layer: Aws, name: str) -> None:
    await world.put_service("prod", name, desired=1)
    await world.delete_service("prod", name)
    reading = await layer.fleets.read(ServiceRef("shop", "prod", name))
    assert isinstance(reading, Missing)
    assert reading.kind == "refused"
    assert "INACTIVE" in reading.reason


def minute_before_last() -> float:
    return time.time() // 60 * 60 - 120


async def test_cpu_and_memory_are_read_separately(world: AwsWorld, layer: Aws, name: str) -> None:
    service, began_s = ServiceRef("shop", "prod", name), minute_before_last()
    await world.put_metric(service_metric(service, "CPUUtilization"), 62.5, began_s)
    await world.put_metric(service_metric(service, "MemoryUtilization"), 31.0, began_s)
    cpu, memory = await layer.meters.cpu(service), await layer.meters.memory(service)
    assert isinstance(cpu, Utilization)
    assert isinstance(memory, Utilization)
    assert (cpu.percent, memory.percent) == (62.5, 31.0)
    assert 60 <= 1000.0 - cpu.at < 240


async def test_live_tasks_are_the_range_of_the_nearest_minutes(world: AwsWorld, layer: Aws, name: str) -> None:
    service, began_s = ServiceRef("shop", "prod", name), minute_before_last()
    for minutes_before, tasks in enumerate((4.0, 6.0, 9.0)):
        await world.put_metric(service_metric(service, "LiveTaskCount"), tasks, began_s - 60 * minutes_before)
    await world.put_metric(service_metric(service, "CPUUtilization"), 62.5, began_s)
    cpu = await layer.meters.cpu(service)
    assert isinstance(cpu, Utilization)
    assert await layer.meters.live_tasks(service, cpu.at) == LiveTasks(4.0, 6.0)


async def test_a_single_cpu_sample_is_no_task_count(world: AwsWorld, layer: Aws, name: str) -> None:
    service, began_s = ServiceRef("shop", "prod", name), minute_before_last()
    await world.put_metric(service_metric(service, "CPUUtilization"), 62.5, began_s)
    cpu = await layer.meters.cpu(service)
    assert isinstance(cpu, Utilization)
    assert await layer.meters.live_tasks(service, cpu.at) is None
    assert await layer.meters.live_tasks(replace(service, service=name + "-not"), cpu.at) is None


async def test_a_queue_s_minute_contains_only_the_published_metrics(world: AwsWorld, layer: Aws, name: str) -> None:
    queue, began_s = f"{name}.fifo", minute_before_last()
    metrics = queue_metrics(queue)
    await world.put_metric(metrics["received"], 120, began_s)
    await world.put_metric(metrics["groups_in_flight"], 3, began_s)
    minute = await layer.meters.minute(QueueRef(queue))
    assert isinstance(minute, QueueMinute)
    assert minute == QueueMinute(minute.at, received=120, groups_in_flight=3)
    assert 60 <= 1000.0 - minute.at < 240


async def test_any_metric_can_be_measured(world: AwsWorld, layer: Aws, name: str) -> None:
    metric = CloudWatchMetric("Shop", "Carts", (("Stage", name), ("Country", "at")), "Maximum")
    service = ServiceRef("shop", "prod", name)
    await world.put_metric(metric, 12.5, minute_before_last())
    reading = await layer.meters.measure(service, metric)
    assert isinstance(reading, Measurement)
    assert (reading.value, reading.tasks) == (12.5, None)


async def test_a_metric_with_other_dimensions_is_another_metric(world: AwsWorld, layer: Aws, name: str) -> None:
    metric = CloudWatchMetric("Shop", "Carts", (("Stage", name),))
    await world.put_metric(replace(metric, dimensions=(("Stage", "other"),)), 12.5, minute_before_last())
    reading = await layer.meters.measure(ServiceRef("shop", "prod", name), metric)
    assert isinstance(reading, Missing)
    assert reading.kind == "no_data"


async def test_the_pause_tag_is_read_with_the_service(world: AwsWorld, layer: Aws, name: str) -> None:
    await world.put_service("prod", name, 1, {"team": "shop", "autoscaler:paused": "in"})
    fleet = await layer.fleets.read(ServiceRef("shop", "prod", name))
    assert isinstance(fleet, Fleet)
    assert fleet.pause_tag == "in"


async def test_a_service_without_tasks_has_no_protected_tasks(world: AwsWorld, layer: Aws, name: str) -> None:
    await world.put_service(name, name, desired=0)
    assert await layer.fleets.protected(ServiceRef("shop", name, name)) == 0


async def test_a_service_without_a_target_has_no_conflicting_scaler(world: AwsWorld, layer: Aws, name: str) -> None:
    await world.put_service("prod", name, desired=1)
    assert await layer.fleets.conflicting_scalers(ServiceRef("shop", "prod", name)) == ()


async def test_a_target_without_policies_is_no_conflict(world: AwsWorld, layer: Aws, name: str) -> None:
    await world.put_service("prod", name, desired=1)
    await world.put_scalable_target("prod", name, 1, 10)
    assert await layer.fleets.conflicting_scalers(ServiceRef("shop", "prod", name)) == ()


async def test_a_target_with_policies_and_actions_is_a_conflict(world: AwsWorld, layer: Aws, name: str) -> None:
    await world.put_service("prod", name, desired=1)
    await world.put_scalable_target("prod", name, 1, 10)
    for policy in ("b", "a"):
        await world.put_scaling_policy("prod", name, policy)
    await world.put_scheduled_action("prod", name, "morning")
    found = await layer.fleets.conflicting_scalers(ServiceRef("shop", "prod", name))
    assert not isinstance(found, Missing)
    [sentence] = found
    expected = "Application Auto Scaling may set 1 to 10 tasks: 2 policies (a, b), 1 scheduled action (morning)"
    assert sentence == expected


async def test_a_suspended_target_is_no_conflict(world: AwsWorld, layer: Aws, name: str) -> None:
    await world.put_service("prod", name, desired=1)
    await world.put_scalable_target("prod", name, 1, 10)
    await world.put_scaling_policy("prod", name, "a")
    await world.put_scheduled_action("prod", name, "morning")
    await world.suspend("prod", name)
    assert await layer.fleets.conflicting_scalers(ServiceRef("shop", "prod", name)) == ()


async def test_an_unpublished_metric_is_missing(world: AwsWorld, layer: Aws, name: str) -> None:
    reading = await layer.meters.cpu(ServiceRef("shop", "prod", name))
    assert isinstance(reading, Missing)
    assert reading.kind == "no_data"


async def test_the_directory_lists_active_services_with_their_tags(world: AwsWorld, layer: Aws, name: str) -> None:
    for number in range(12):
        await world.put_service(name, f"{name}-{number}", 0, {"autoscaler:queues": f"orders-{number}"})
    await world.put_service(name, f"{name}-bare", 0)
    await world.delete_service(name, f"{name}-3")
    expected = {f"{name}-{number}": {"autoscaler:queues": f"orders-{number}"} for number in range(12) if number != 3}
    assert await layer.directory.tags(name, Place()) == expected | {f"{name}-bare": {}}


async def test_the_directory_of_an_unknown_cluster_is_not_found(world: AwsWorld, layer: Aws, name: str) -> None:
    with pytest.raises(NotFound, match=name):
        await layer.directory.tags(name, Place())
