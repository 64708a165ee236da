"""The daemon's diagnosis over the protocol: three calls of the lowest priority, few tasks, and what was not seen."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.aws.stopped_tasks import MOST_OF_DAEMON
from autoscaler.diagnosis.concluding import Diagnosis
from autoscaler.diagnosis.delivered import DeliveredEvidence
from autoscaler.diagnosis.reports import ServiceEvent
from autoscaler.diagnosis.stops import StoppedTask
from autoscaler.ports import ServiceRef, Urgency
from tests.aws.double import AwsDouble, AwsReply, fault, ok
from tests.aws.spies import Spies

NOTHING = DeliveredEvidence()
REF = ServiceRef("shop", "prod", "orders")
ARN = "arn:aws:ecs:eu-west-1:123456789012:task/prod/"
PULL = "CannotPullContainerError: failed to resolve ref docker.io/shop/worker:8: not found"


@pytest.fixture
def now(spies: Spies) -> float:
    return spies.wall_s


def scripted(double: AwsDouble, now: float, *names: str, more: str | None = None, **changed: Any) -> None:
    """Script a service whose tasks could not be started."""
    service = {
        "serviceName": "orders", "status": "ACTIVE", "desiredCount": 3, "runningCount": 0, "pendingCount": 3,
        "taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/worker:8", **changed,
    }  # fmt: skip
    double.on("DescribeServices", ok({"services": [service], "failures": []}))
    double.on("ListTasks", ok({"taskArns": [ARN + name for name in names], "nextToken": more}))
    double.on("DescribeTasks", described(now, *names))


def described(now: float, *names: str) -> AwsReply:
    times = {"createdAt": now - 20.0, "executionStoppedAt": now - 8.0, "stoppedAt": now - 8.0}
    definition = "arn:aws:ecs:eu-west-1:123456789012:task-definition/worker:8"
    stop = {"stopCode": "TaskFailedToStart", "stoppedReason": PULL, "taskDefinitionArn": definition, **times}
    return ok({"tasks": [{"taskArn": ARN + name, **stop} for name in names], "failures": []})


async def diagnosed(aws: Aws, delivered: DeliveredEvidence = NOTHING) -> Diagnosis:
    return await aws.diagnoses.diagnose(REF, delivered)


async def test_three_calls_of_the_lowest_priority_say_why_tasks_do_not_start(
    aws: Aws, double: AwsDouble, spies: Spies, now: float
) -> None:
    scripted(double, now, "a", "b")
    found = await diagnosed(aws)
    assert [(one.kind, one.name) for one in found.findings] == [("fix", "image_gone")]
    assert found.not_seen == ()
    assert sorted(seen.operation for seen in double.seen) == ["DescribeServices", "DescribeTasks", "ListTasks"]
    assert {urgency for _, urgency in spies.acquired} == {Urgency.BACKGROUND}


async def test_few_tasks_are_described_from_all_parts_of_the_list(aws: Aws, double: AwsDouble, now: float) -> None:
    names = [f"t{number:03}" for number in range(100)]
    scripted(double, now, *names, more="x")
    found = await diagnosed(aws)
    (request,) = double.requests("DescribeTasks")
    asked = [int(arn[-3:]) for arn in request.body["tasks"]]
    assert len(asked) <= MOST_OF_DAEMON
    assert asked[0] < 5
    assert asked[-1] >= 95
    assert [gap.what for gap in found.not_seen] == ["some stopped tasks"]
    assert len(double.requests("ListTasks")) == 1


@pytest.mark.parametrize("denied", ["ListTasks", "DescribeTasks", "DescribeServices"])
async def test_a_missing_right_is_named_with_its_holder(aws: Aws, double: AwsDouble, now: float, denied: str) -> None:
    scripted(double, now, "a")
    double.on(denied, fault("AccessDeniedException"))
    (gap,) = (await diagnosed(aws)).not_seen
    assert f"ecs:{denied}" in gap.rights
    assert gap.remedy.startswith("grant the task role ")
    assert gap.remedy.endswith("(`autoscaler iam-policy` prints the policy)")


async def test_delivered_stops_and_events_are_evidence_too(aws: Aws, double: AwsDouble, now: float) -> None:
    scripted(double, now)
    stop = StoppedTask(now - 5.0, None, 12.0, "TaskFailedToStart", PULL, "worker:8", (), "x")
    event = ServiceEvent(now - 3.0, "is unable to consistently start tasks successfully.")
    found = await diagnosed(aws, DeliveredEvidence((stop,), (event,)))
    assert [one.name for one in found.findings] == ["image_gone", "start_backoff"]
    assert not double.requests("DescribeTasks"), "ECS rejects an empty list"


async def test_nothing_is_concluded_from_nothing(aws: Aws, double: AwsDouble) -> None:
    for operation in ("DescribeServices", "ListTasks"):
        double.on(operation, fault("ServerException"))
    assert (await diagnosed(aws)).is_blank
