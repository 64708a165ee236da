"""The newest revision of a task definition's family: read by the family's name, rarely, and optional."""

from __future__ import annotations

import pytest

from autoscaler.aws import tasks
from autoscaler.aws.connection import Aws
from autoscaler.core.model import Missing
from autoscaler.ports import Category
from tests.aws.double import AwsDouble, AwsReply, fault, ok
from tests.aws.spies import Spies
from tests.aws.test_stopping import OTHER, REF

ARN = "arn:aws:ecs:eu-west-1:1:task-definition/web:{}"


def revision(number: object, **fields: object) -> AwsReply:
    return ok({"taskDefinition": {"family": "web", "revision": number, "status": "ACTIVE", **fields}})


async def test_the_family_is_read_in_its_own_category(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("DescribeTaskDefinition", revision(9))
    assert await aws.fleets.newest_revision(REF, ARN.format(7)) == "web:9"
    [request] = double.requests("DescribeTaskDefinition")
    assert request.body == {"taskDefinition": "web"}
    assert spies.calls == [("ecs:DescribeTaskDefinition", Category.TASK_DEFINITION_READ, "ok")]


async def test_a_family_is_read_once_in_five_minutes_for_all_its_services(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    double.on("DescribeTaskDefinition", revision(9), revision(10))
    assert await aws.fleets.newest_revision(REF, ARN.format(7)) == "web:9"
    spies.pass_s(tasks.FAMILY_S - 1)
    assert await aws.fleets.newest_revision(OTHER, ARN.format(8)) == "web:9"
    spies.pass_s(1)
    assert await aws.fleets.newest_revision(OTHER, ARN.format(8)) == "web:10"
    assert len(double.requests("DescribeTaskDefinition")) == 2


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (fault("AccessDeniedException"), "denied"),
        (fault("ThrottlingException"), "throttled"),
        (revision("nine"), "unreadable"),
        (revision(9, family=None), "unreadable"),
        (ok({}), "unreadable"),
    ],
)
async def test_an_error_is_missing_and_not_cached(aws: Aws, double: AwsDouble, reply: AwsReply, kind: str) -> None:
    double.on("DescribeTaskDefinition", reply)
    found = await aws.fleets.newest_revision(REF, ARN.format(7))
    assert isinstance(found, Missing)
    assert found.kind == kind
    assert len(double.requests("DescribeTaskDefinition")) == 1


async def test_a_denial_is_shared_with_the_other_reads_of_task_definitions(aws: Aws, double: AwsDouble) -> None:
    double.on("DescribeTaskDefinition", fault("AccessDeniedException"))
    await aws.fleets.newest_revision(REF, ARN.format(7))
    assert isinstance(await aws.fleets.stop_timeout(REF, ARN.format(7)), Missing)
    assert len(double.requests("DescribeTaskDefinition")) == 1
