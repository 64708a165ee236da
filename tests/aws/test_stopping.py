"""The stopTimeout of task definitions: each read once, the shortest of the essential containers, or said why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.aws import Aws, stopping
from autoscaler.aws.answers import Answer
from autoscaler.aws.apis import DESCRIBE_SERVICES, Call
from autoscaler.aws.ecs import task_definitions_in
from autoscaler.core.model import Fleet, Missing, StopTimeout
from autoscaler.errors import Denied
from autoscaler.ports import Category, Role, ServiceRef, Urgency
from tests.aws.double import HANG, Double, Reply, fault, ok
from tests.aws.spies import Spies, connected

REF = ServiceRef("shop", "prod", "orders")
OTHER = ServiceRef("mail", "prod", "mails")
ARN = "arn:aws:ecs:eu-west-1:123456789012:task-definition/orders:"


def told(*containers: dict[str, Any]) -> Reply:
    return ok({"taskDefinition": {"taskDefinitionArn": ARN + "1", "containerDefinitions": list(containers)}})


def app(**fields: Any) -> dict[str, Any]:
    return {"name": "app", "essential": True, **fields}


async def read(aws: Aws, double: Double, *replies: Reply, arn: str = ARN + "1") -> StopTimeout | Missing:
    double.on("DescribeTaskDefinition", *replies)
    return await aws.fleets.stop_timeout(REF, arn)


async def test_it_is_asked_for_by_arn_in_its_own_category_behind_all_others(
    aws: Aws, double: Double, spies: Spies
) -> None:
    assert await read(aws, double, told(app(stopTimeout=120))) == StopTimeout(120.0, "app")
    [seen] = double.seen
    assert seen.body == {"taskDefinition": ARN + "1"}
    assert spies.calls == [("ecs:DescribeTaskDefinition", Category.TASK_DEFINITION_READ, "ok")]
    assert spies.turns == [("shop (prod/orders)", Urgency.BACKGROUND)]


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
    aws: Aws, double: Double, containers: list[dict[str, Any]], stop: StopTimeout
) -> None:
    """A container is essential unless the definition says that it is not, and has 30 s unless it says otherwise."""
    assert await read(aws, double, told(*containers)) == stop


async def test_each_task_definition_is_asked_for_once(aws: Aws, double: Double, spies: Spies) -> None:
    first = await read(aws, double, told(app(stopTimeout=60)))
    spies.pass_s(1e6)
    assert await read(aws, double, HANG) == first
    assert len(double.seen) == 1
    assert await read(aws, double, told(app(stopTimeout=9)), arn=ARN + "2") == StopTimeout(9.0, "app")


async def test_what_one_role_may_read_is_not_told_to_another(aws: Aws, double: Double) -> None:
    """As a role of another account: there the right may be lacking, and the ARN may be anybody's."""
    await read(aws, double, told(app(stopTimeout=60)))
    double.on("AssumeRole", fault("AccessDenied"))
    elsewhere = replace(REF, role=Role("arn:aws:iam::999999999999:role/scaler"))
    assert isinstance(await aws.fleets.stop_timeout(elsewhere, ARN + "1"), Missing)


async def test_what_was_not_used_for_longest_is_forgotten_first(
    aws: Aws, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stopping, "MOST_KEPT", 2)
    for number in ("1", "2", "1", "3", "1", "2"):
        await read(aws, double, told(app()), arn=ARN + number)
    assert [seen.body["taskDefinition"][-1] for seen in double.seen] == ["1", "2", "3", "2"]


async def test_a_right_that_is_missing_is_missing_for_all_and_asked_about_again_after_minutes(
    aws: Aws, double: Double, spies: Spies
) -> None:
    first = await read(aws, double, fault("AccessDeniedException"))
    assert isinstance(first, Missing)
    assert first.kind == Denied.kind
    assert "give the task role ecs:DescribeTaskDefinition on *" in first.reason
    spies.pass_s(stopping.DENIED_S - 1)
    double.on("DescribeTaskDefinition", told(app()))
    second = await aws.fleets.stop_timeout(OTHER, ARN + "2")
    assert isinstance(second, Missing)
    assert second.kind == Denied.kind
    assert "mail (prod/mails)" in second.reason
    assert "give the task role ecs:DescribeTaskDefinition on *" in second.reason
    assert "shop" not in second.reason
    assert len(double.seen) == 1
    spies.pass_s(1)
    assert await aws.fleets.stop_timeout(OTHER, ARN + "2") == StopTimeout(30.0, "app")


async def test_a_place_where_it_is_denied_is_not_another_place(aws: Aws, double: Double) -> None:
    await read(aws, double, fault("AccessDeniedException"))
    double.on("DescribeTaskDefinition", told(app()))
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
        (told(), "unreadable"),
        (told(app(stopTimeout="30")), "unreadable"),
        (told(app(stopTimeout=-1)), "unreadable"),
        (told(app(stopTimeout=True)), "unreadable"),
        (told({"essential": True}), "unreadable"),
        (told(app(essential="yes")), "unreadable"),
    ],
)
async def test_every_other_failure_is_tried_again_at_once(aws: Aws, double: Double, reply: Reply, kind: str) -> None:
    gap = await read(aws, double, reply)
    assert isinstance(gap, Missing)
    assert gap.kind == kind
    assert "shop (prod/orders)" in gap.reason
    assert await read(aws, double, told(app())) == StopTimeout(30.0, "app")


async def test_an_answer_that_never_comes_is_given_up(double: Double, spies: Spies) -> None:
    async with connected(spies, call_timeout_s=0.2) as aws:
        assert isinstance(await read(aws, double, HANG), Missing)


async def test_a_containers_name_is_on_one_line(aws: Aws, double: Double) -> None:
    stop = await read(aws, double, told(app(name="a\nb\x1b[2J")))
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
async def test_the_task_definitions_of_a_service_are_those_of_its_deployments_too(
    aws: Aws, double: Double, fields: dict[str, Any], revisions: list[str]
) -> None:
    """What cannot be read of them never keeps the service's counts from being read."""
    counts = {"desiredCount": 3, "runningCount": 3, "pendingCount": 0, "deployments": [], "status": "ACTIVE"}
    double.on("DescribeServices", ok({"services": [{"serviceName": "orders"} | counts | fields]}))
    fleet = await aws.fleets.read(REF)
    assert isinstance(fleet, Fleet), fleet
    assert [arn.removeprefix(ARN) for arn in fleet.task_definitions] == revisions


@pytest.mark.parametrize("sets", ["x", {}, [1, {"taskDefinition": None}, {"taskDefinition": ["a"]}]])
def test_task_sets_of_another_shape_are_none(sets: object) -> None:
    found = Answer(Call(DESCRIBE_SERVICES, "shop", "eu-west-1"), {"taskDefinition": ARN + "1", "taskSets": sets})
    assert task_definitions_in(found) == (ARN + "1",)
