"""The size of a task for its price: read with the stopTimeout in one call, and never a reason for another failure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.core.model import Fleet, Missing, StopTimeout
from autoscaler.pricing import Architecture, TaskSize
from tests.aws.double import AwsDouble, AwsReply, fault, ok
from tests.aws.test_stopping import ARN, OTHER, REF, app

SIZE = TaskSize("eu-west-1", 0.5, 1.0)


def definition(**fields: Any) -> AwsReply:
    own = {"cpu": "512", "memory": "1024", "containerDefinitions": [app(stopTimeout=60)]} | fields
    return ok({"taskDefinition": {"taskDefinitionArn": ARN + "1", **own}})


async def read(aws: Aws, double: AwsDouble, *replies: AwsReply) -> TaskSize | Missing:
    double.on("DescribeTaskDefinition", *replies)
    return await aws.fleets.task_size(REF, ARN + "1")


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({}, SIZE),
        ({"cpu": "4096", "memory": "8192"}, replace(SIZE, vcpu=4.0, memory_gb=8.0)),
        ({"runtimePlatform": {"cpuArchitecture": "ARM64"}}, replace(SIZE, architecture=Architecture.ARM)),
        ({"runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"}}, SIZE),
        ({"runtimePlatform": {"operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}}, replace(SIZE, windows=True)),
        ({"ephemeralStorage": {"sizeInGiB": 50}}, replace(SIZE, storage_gb=50.0)),
    ],
)
async def test_the_size_is_that_of_the_task(
    aws: Aws, double: AwsDouble, fields: dict[str, Any], size: TaskSize
) -> None:
    assert await read(aws, double, definition(**fields)) == size


@pytest.mark.parametrize("fields", [{"cpu": None}, {"memory": None}, {"cpu": "0"}, {"cpu": "much"}, {"memory": "-1"}])
async def test_without_a_size_of_the_task_it_is_missing_and_the_stop_timeout_is_not(
    aws: Aws, double: AwsDouble, fields: dict[str, Any]
) -> None:
    found = await read(aws, double, definition(**fields))
    assert isinstance(found, Missing)
    assert await aws.fleets.stop_timeout(REF, ARN + "1") == StopTimeout(60.0, "app")


async def test_size_and_stop_timeout_are_one_call_also_at_the_same_time(aws: Aws, double: AwsDouble) -> None:
    double.on("DescribeTaskDefinition", definition())
    size, stop = await asyncio.gather(aws.fleets.task_size(REF, ARN + "1"), aws.fleets.stop_timeout(REF, ARN + "1"))
    assert (size, stop) == (SIZE, StopTimeout(60.0, "app"))
    assert await aws.fleets.task_size(OTHER, ARN + "1") == SIZE
    assert len(double.requests("DescribeTaskDefinition")) == 1


async def test_a_denied_call_is_missing(aws: Aws, double: AwsDouble) -> None:
    found = await read(aws, double, fault("AccessDeniedException"))
    assert isinstance(found, Missing)
    assert found.kind == "denied"
    assert "grant the task role ecs:DescribeTaskDefinition" in found.reason


@pytest.mark.parametrize(
    ("fields", "providers"),
    [
        ({"launchType": "FARGATE"}, (("FARGATE", 1.0),)),
        (
            {"capacityProviderStrategy": [
                {"capacityProvider": "FARGATE", "weight": 1, "base": 2},
                {"capacityProvider": "FARGATE_SPOT", "weight": 3},
            ]},
            (("FARGATE", 1.0), ("FARGATE_SPOT", 3.0)),
        ),
        ({"capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]}, (("FARGATE", 0.0),)),
        ({}, ()),
        ({"capacityProviderStrategy": [{"weight": 1}]}, ()),
    ],
)  # fmt: skip
async def test_a_service_has_its_capacity_providers_or_its_launch_type_and_no_reading_fails_by_them(
    aws: Aws, double: AwsDouble, fields: dict[str, Any], providers: tuple[tuple[str, float], ...]
) -> None:
    counts = {"desiredCount": 1, "runningCount": 1, "pendingCount": 0, "deployments": []}
    described = {
        "serviceName": "orders",
        "status": "ACTIVE",
        "schedulingStrategy": "REPLICA",
        **counts,
        "deployments": [],
        **fields,
    }
    double.on("DescribeServices", ok({"services": [described], "failures": []}))
    fleet = await aws.fleets.read(REF)
    assert isinstance(fleet, Fleet)
    assert fleet.providers == providers
