"""The stopTimeout of task definitions: the shortest of the essential containers, read once, or an error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.aws import tasks
from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.calls import DESCRIBE_SERVICES, Call
from autoscaler.aws.connection import Aws
from autoscaler.aws.ecs import task_definitions_in
from autoscaler.core.model import Fleet, Missing, StopTimeout
from autoscaler.errors import Denied
from autoscaler.ports import Category, Role, ServiceRef, Urgency
from tests.aws.double import HANG, AwsDouble, AwsReply, fault, ok
from tests.aws.spies import Spies, connected

REF = ServiceRef("shop", "prod", "orders")
OTHER = ServiceRef("mail", "prod", "mails")
ARN = "arn:aws:ecs:eu-west-1:123456789012:task-definition/orders:"


def definition(*containers: dict[str, Any]) -> AwsReply:
    return ok({"taskDefinition": {"taskDefinitionArn": ARN + "1", "containerDefinitions": list(containers)}})


def app(**fields: Any) -> dict[str, Any]:
    return {"name": "app", "essential": True, **fields}


async def read(aws: Aws, double: AwsDouble, *replies: AwsReply, arn: str = ARN + "1") -> StopTimeout | Missing:
    double.on("DescribeTaskDefinition", *replies)
    return await aws.fleets.stop_timeout(REF, arn)


async def test_a_task_definition_is_read_by_arn_in_its_own_category_with_the_lowest_urgency(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    assert await read(aws, double, definition(app(stopTimeout=120))) == StopTimeout(120.0, "app")
    [seen] = double.seen
    assert seen.body == {"taskDefinition": ARN + "1"}
    assert spies.calls == [("ecs:DescribeTaskDefinition", Category.TASK_DEFINITION_READ, "ok")]
    assert spies.acquired == [("shop (prod/orders)", Urgency.BACKGROUND)]


@pytest.mark.parametrize(
    ("containers", "stop"),
    [
        ([app()], StopTimeout(30.0, "app")),
        ([app(stopTimeout=None)], StopTimeout(30.0, "app")),
        ([app(stopTimeout=0)], StopTimeout(0.0, "app")),
        ([app(stopTimeout=120), app(name="proxy")], StopTimeout(30.0, "proxy")),
        ([app(stopTimeout=29), app(name="proxy")], StopTimeout(29.0, "app")),
        ([app(stopTimeout=60), app(name="side", essential=False, stopTimeout=2)], StopTimeout(60.0, "app")),
        ([{"name": "app", "stopTimeout": 5}], StopTimeout(5.0, "app")),
        ([app(essential=False, stopTimeout=7)], StopTimeout(7.0, "app")),
        ([app(stopTimeout=9), app(name="same", stopTimeout=9)], StopTimeout(9.0, "app")),
    ],
)
async def test_the_shortest_of_the_essential_containers_counts(
    aws: Aws, double: AwsDouble, containers: list[dict[str, Any]], stop: StopTimeout
) -> None:
    """By default a container is essential, and its stopTimeout is 30 s."""
    assert await read(aws, double, definition(*containers)) == stop


async def test_each_task_definition_is_read_once(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    first = await read(aws, double, definition(app(stopTimeout=60)))
    spies.pass_s(1e6)
    assert await read(aws, double, HANG) == first
    assert len(double.seen) == 1
    assert await read(aws, double, definition(app(stopTimeout=9)), arn=ARN + "2") == StopTimeout(9.0, "app")


async def test_the_reading_of_one_role_is_not_returned_to_another(aws: Aws, double: AwsDouble) -> None:
    """A role of another account may have no permission, and the ARN may belong to any account."""
    await read(aws, double, definition(app(stopTimeout=60)))
    double.on("AssumeRole", fault("AccessDenied"))
    elsewhere = replace(REF, role=Role("arn:aws:iam::999999999999:role/scaler"))
    assert isinstance(await aws.fleets.stop_timeout(elsewhere, ARN + "1"), Missing)


async def test_the_least_recently_used_reading_is_removed_first(
    aws: Aws, double: AwsDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "MOST_CACHED", 2)
    for number in ("1", "2", "1", "3", "1", "2"):
        await read(aws, double, definition(app()), arn=ARN + number)
    assert [seen.body["taskDefinition"][-1] for seen in double.seen] == ["1", "2", "3", "2"]


async def test_a_denial_applies_to_all_services_and_is_retried_after_minutes(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    first = await read(aws, double, fault("AccessDeniedException"))
    assert isinstance(first, Missing)
    assert first.kind == Denied.kind
    assert "grant the task role ecs:DescribeTaskDefinition on *" in first.reason
    spies.pass_s(tasks.DENIED_S - 1)
    double.on("DescribeTaskDefinition", definition(app()))
    second = await aws.fleets.stop_timeout(OTHER, ARN + "2")
    assert isinstance(second, Missing)
    assert second.kind == Denied.kind
    assert "mail (prod/mails)" in second.reason
    assert "grant the task role ecs:DescribeTaskDefinition on *" in second.reason
    assert "shop" not in second.reason
    assert len(double.seen) == 1
    spies.pass_s(1)
    assert await aws.fleets.stop_timeout(OTHER, ARN + "2") == StopTimeout(30.0, "app")


async def test_a_denial_does_not_apply_to_another_place(aws: Aws, double: AwsDouble) -> None:
    await read(aws, double, fault("AccessDeniedException"))
    double.on("DescribeTaskDefinition", definition(app()))
    elsewhere = replace(REF, region="us-east-1")
    assert await aws.fleets.stop_timeout(elsewhere, ARN + "1") == StopTimeout(30.0, "app")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (fault("ThrottlingException"), "throttled"),
        (fault("ClientException", "Unable to describe task definition."), "refused"),
        (fault("ServerException", status=500), "unavailable"),
        (ok({}), "unreadable"),
        (ok({"taskDefinition": {}}), "unreadable"),
        (definition(), "unreadable"),
        (definition(app(stopTimeout="30")), "unreadable"),
        (definition(app(stopTimeout=-1)), "unreadable"),
        (definition(app(stopTimeout=True)), "unreadable"),
        (definition({"essential": True}), "unreadable"),
        (definition(app(essential="yes")), "unreadable"),
    ],
)
async def test_every_other_error_is_retried_at_once(aws: Aws, double: AwsDouble, reply: AwsReply, kind: str) -> None:
    gap = await read(aws, double, reply)
    assert isinstance(gap, Missing)
    assert gap.kind == kind
    assert "shop (prod/orders)" in gap.reason
    assert await read(aws, double, definition(app())) == StopTimeout(30.0, "app")


async def test_a_hanging_call_times_out(double: AwsDouble, spies: Spies) -> None:
    async with connected(spies, call_timeout_s=0.2) as aws:
        assert isinstance(await read(aws, double, HANG), Missing)


async def test_the_name_of_a_container_is_one_line(aws: Aws, double: AwsDouble) -> None:
    stop = await read(aws, double, definition(app(name="a\nb\x1b[2J")))
    assert isinstance(stop, StopTimeout)
    assert stop.container.isprintable()


DEPLOYED = {"status": "PRIMARY", "taskDefinition": ARN + "2", "createdAt": 1.0}


@pytest.mark.parametrize(
    ("fields", "revisions"),
    [
        ({}, []),
        ({"taskDefinition": ARN + "1"}, ["1"]),
        ({"taskDefinition": ARN + "2", "deployments": [DEPLOYED]}, ["2"]),
        (
            {"taskDefinition": ARN + "2", "deployments": [DEPLOYED, DEPLOYED | {"taskDefinition": ARN + "1"}]},
            ["2", "1"],
        ),
        ({"taskSets": [{"taskDefinition": ARN + "4"}]}, ["4"]),
        ({"taskDefinition": 7}, []),
        ({"taskDefinition": ""}, []),
        ({"deployments": [DEPLOYED | {"taskDefinition": ARN + str(number)} for number in range(9)]}, list("01234")),
    ],
)
async def test_the_task_definitions_of_a_service_include_those_of_its_deployments(
    aws: Aws, double: AwsDouble, fields: dict[str, Any], revisions: list[str]
) -> None:
    """The service's counts are read even if its task definitions are unreadable."""
    counts = {"desiredCount": 3, "runningCount": 3, "pendingCount": 0, "deployments": [], "status": "ACTIVE"}
    double.on("DescribeServices", ok({"services": [{"serviceName": "orders"} | counts | fields]}))
    fleet = await aws.fleets.read(REF)
    assert isinstance(fleet, Fleet), fleet
    assert [arn.removeprefix(ARN) for arn in fleet.task_definitions] == revisions


@pytest.mark.parametrize("sets", ["x", {}, [1, {"taskDefinition": None}, {"taskDefinition": ["a"]}]])
def test_malformed_task_sets_are_ignored(sets: object) -> None:
    found = ResponsePart(Call(DESCRIBE_SERVICES, "shop", "eu-west-1"), {"taskDefinition": ARN + "1", "taskSets": sets})
    assert task_definitions_in(found) == (ARN + "1",)
