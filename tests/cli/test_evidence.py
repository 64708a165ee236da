"""`diagnose KEY`: the evidence that it reads, and what it says if a part cannot be read."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from autoscaler.aws.operator import connect_operator
from autoscaler.diagnosis import Failure, FailureClass, failures
from autoscaler.diagnosis.evidence import MOST_LINE, MOST_LINES
from autoscaler.diagnosis.stops import GENERAL
from autoscaler.operating.diagnosing import examined
from autoscaler.operating.status import Uncounted
from autoscaler.ports import ServiceRef
from tests.aws.double import AwsDouble, AwsReply, fault, ok, refused, serving
from tests.aws.spies import Spies
from tests.cli.test_diagnose import EXITED, NO_FARGATE, PULL, READS, SCALED_IN, diagnose, document
from tests.cli.worlds import WORLD
from tests.operating.stops import NOW, container, defined, event, logged, rollout, staged, task

PASSWORD = "hunter2-Tr0ub4dor"
ADDRESSES = "Create Network Interface failed: insufficient free addresses in subnet subnet-1"
VCPUS = "was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently."
VPC: dict[str, Any] = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1", "subnet-2"]}}}
QUOTA = ok({"Quota": {"QuotaName": "Fargate On-Demand vCPU resource count", "Value": 6.0}})
ORDERS = ServiceRef("orders", "prod", "orders")
ARN = "arn:aws:ecs:eu-west-1:123456789012:service-deployment/prod/orders/abc"


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoscaler.operating.diagnosing.time", SimpleNamespace(time=lambda: NOW))


def lines(*texts: str) -> AwsReply:
    events = [{"timestamp": int((NOW - 60) * 1000), "message": text} for text in texts]
    return ok({"events": events, "nextForwardToken": "f/1", "nextBackwardToken": "b/1"})


def subnets(**free: int) -> AwsReply:
    items = "".join(
        f"<item><subnetId>{name.replace('_', '-')}</subnetId><availabilityZone>eu-west-1a</availabilityZone>"
        f"<availableIpAddressCount>{count}</availableIpAddressCount></item>"
        for name, count in free.items()
    )
    body = f"<DescribeSubnetsResponse><subnetSet>{items}</subnetSet></DescribeSubnetsResponse>"
    return AwsReply(body.encode(), headers={"Content-Type": "text/xml"})


def failing(double: AwsDouble, *containers: dict[str, Any], **changed: Any) -> None:
    """Script a task whose only container `app` ended with exit code 1."""
    staged(double, [task(*EXITED, container("app", 1, runtimeId="0a1b-1"), **changed)], running=0)
    double.on("DescribeTaskDefinition", defined(*(containers or (logged("app"),))))


async def test_the_log_of_the_container_ends_the_paragraph_and_is_shown_below(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving() as double:
        failing(double)
        double.on("GetLogEvents", lines("starting", "\x1b[31mKeyError: 'QUEUE_URL'\x1b[0m"))
        found = await document(double)
        monkeypatch.setattr("autoscaler.cli.output.is_terminal", lambda: True)
        text = (await diagnose(double, COLUMNS="80")).out.decode()
        asked = double.requests("GetLogEvents")[0]
    assert "The log of app ends with \"KeyError: 'QUEUE_URL'\"" in found["paragraph"]
    assert "Log of container app, task 0 (log group /ecs/worker, eu-west-1)." in text
    assert [one["text"] for one in found["logs"][0]["lines"]] == ["starting", "KeyError: 'QUEUE_URL'"]
    assert (asked.body["logStreamName"], asked.body["limit"], asked.region) == ("ecs/app/0", MOST_LINES, "eu-west-1")
    assert [line for line in text.splitlines() if len(line) > 80] == []


async def test_a_log_group_cannot_control_the_terminal() -> None:
    async with serving() as double:
        failing(double, logged("app", options={"awslogs-group": "/ecs/\x1b[31m\u202eworker"}))
        double.on("GetLogEvents", lines("boom"))
        text = (await diagnose(double)).out.decode()
        assert double.requests("GetLogEvents")[0].body["logGroupName"] == "/ecs/\x1b[31m\u202eworker"
    assert "(log group '/ecs/\\x1b[31m\\u202eworker', eu-west-1)" in text


async def test_a_log_group_in_another_region_is_read_there() -> None:
    async with serving() as double:
        failing(double, logged("app", options={"awslogs-region": "us-east-2"}))
        double.on("GetLogEvents", lines("boom"))
        found = await document(double)
        assert double.requests("GetLogEvents")[0].region == "us-east-2"
    assert (found["logs"][0]["region"], found["logs"][0]["lines"][0]["text"]) == ("us-east-2", "boom")


@pytest.mark.parametrize(
    ("definition", "reply", "note"),
    [
        (logged("app", logConfiguration={"logDriver": "splunk"}), None, "the log driver is splunk: read its log there"),
        (logged("app", logConfiguration={"logDriver": "awsfirelens"}), None, "the log driver is awsfirelens"),
        ({"name": "app", "image": "app:v1"}, None, "the task definition has no logConfiguration for this container"),
        (logged("app"), fault("ResourceNotFoundException", "The specified log stream does not exist."),
         "there is no such log stream: the container wrote nothing, or never started"),
        (logged("app"), fault("ResourceNotFoundException", "The specified log group does not exist."),
         "there is no such log group"),
        (logged("app"), ok({"events": []}), "the log stream is empty"),
        (logged("app", options={"mode": "non-blocking"}), lines("x"), "the newest lines can be missing"),
    ],
)  # fmt: skip
async def test_why_there_is_no_log_is_said(definition: dict[str, Any], reply: AwsReply | None, note: str) -> None:
    async with serving() as double:
        failing(double, definition)
        if reply is not None:
            double.on("GetLogEvents", reply)
        found = await document(double)
        assert bool(double.requests("GetLogEvents")) is (reply is not None)
    assert note in found["logs"][0]["note"]
    assert (found["name"], found["not_seen"]) == ("exited", [])


async def test_without_a_prefix_the_stream_is_the_id_of_the_container_runtime() -> None:
    async with serving() as double:
        failing(double, logged("app", options={"awslogs-stream-prefix": ""}))
        double.on("GetLogEvents", lines("boom"))
        await document(double)
        assert double.requests("GetLogEvents")[0].body["logStreamName"] == "0a1b-1"


async def test_lines_of_a_megabyte_are_cut_and_secrets_are_masked() -> None:
    async with serving() as double:
        failing(double)
        secrets = f"password={PASSWORD}", f"connecting to postgres://ann:{PASSWORD}@db/x"
        double.on("GetLogEvents", lines("word " * 2**18, *secrets))
        ended = await diagnose(double)
        found = await document(double)
    assert PASSWORD not in ended.out.decode() + str(found)
    assert len(found["logs"][0]["lines"][0]["text"]) == MOST_LINE
    assert len(ended.out) < 5_000


async def test_an_answer_that_is_too_large_is_requested_again_with_fewer_lines() -> None:
    def reply(body: dict[str, Any]) -> AwsReply:
        return lines(*["x" * 2**20] * 9) if body["limit"] > 2 else lines("boom")

    async with serving() as double:
        failing(double)
        double.on("GetLogEvents", reply)
        found = await document(double)
    assert [one["text"] for one in found["logs"][0]["lines"]] == ["boom"]


async def test_a_sidecar_that_is_not_essential_did_not_stop_the_task() -> None:
    async with serving() as double:
        staged(double, [task(*EXITED, container("app", 0), container("log-router", 1))], running=0)
        double.on("DescribeTaskDefinition", defined(logged("app"), logged("log-router", essential=False)))
        double.on("GetLogEvents", lines("done"))
        found = await document(double)
    assert found["stopped"][0]["container"] == "app"
    assert "the essential container app, exit code 0" in found["paragraph"]


async def test_an_essential_sidecar_that_ends_first_is_named_as_such() -> None:
    async with serving() as double:
        staged(double, [task(*EXITED, container("app", 143), container("envoy", 1))], running=0)
        double.on("DescribeTaskDefinition", defined(logged("app"), logged("envoy")))
        double.on("GetLogEvents", lines("bad listener"))
        found = await document(double)
    assert found["stopped"][0]["container"] == "envoy"
    assert "the essential container envoy, not the container with your program" in found["paragraph"]
    assert found["logs"][0]["stream"] == "ecs/envoy/0"


@pytest.mark.parametrize(
    ("stopping_s", "name"), [(1.0, "out_of_memory_likely"), (27.9, "out_of_memory_likely"), (30.0, "killed")]
)
async def test_exit_code_137_is_out_of_memory_unless_the_stop_timeout_was_over(stopping_s: float, name: str) -> None:
    async with serving() as double:
        staged(double, [task(*EXITED, container("app", 137), stoppingAt=NOW - 60.0 - stopping_s)], running=0)
        double.on("DescribeTaskDefinition", defined(logged("app", memory=512)))
        double.on("GetLogEvents", lines("x"))
        found = await document(double)
    assert found["name"] == name
    assert ("memory limit 512 MiB" in found["paragraph"]) is (name != "killed")


async def test_free_addresses_are_read_only_if_addresses_are_the_cause() -> None:
    async with serving() as double:
        staged(double, [task("TaskFailedToStart", ADDRESSES, container("app"), ran=None)], running=0, **VPC)
        double.on("DescribeSubnets", subnets(subnet_1=0, subnet_2=7))
        found = await document(double)
    assert "Free addresses: 0 in subnet-1 (eu-west-1a), 7 in subnet-2 (eu-west-1a)" in found["paragraph"]
    assert [one["free_addresses"] for one in found["subnets"]] == [0, 7]


async def test_the_quota_is_read_only_if_it_is_the_cause() -> None:
    async with serving() as double:
        staged(double, running=1, events=[event(VCPUS)], **VPC)
        double.on("GetServiceQuota", QUOTA)
        found = await document(double)
        assert "The quota Fargate On-Demand vCPU resource count is 6." in found["paragraph"]
        assert not double.requests("DescribeSubnets")
        double.seen.clear()
        staged(double, running=1, events=[event(NO_FARGATE)], **VPC)
        await document(double)
        assert {one.operation for one in double.seen} == {"DescribeServices", "ListTasks"}


def deploying(double: AwsDouble, **changed: Any) -> None:
    staged(double, running=1, deployments=[rollout("IN_PROGRESS", 7_200.0)])
    double.on("ListServiceDeployments", ok({"serviceDeployments": [{"serviceDeploymentArn": ARN, "createdAt": NOW}]}))
    found = {"serviceDeploymentArn": ARN, "status": "IN_PROGRESS", "startedAt": NOW - 7_200} | changed
    double.on("DescribeServiceDeployments", ok({"serviceDeployments": [found], "failures": []}))


async def test_a_deployment_that_waits_at_a_hook_is_no_slow_deployment() -> None:
    hook = {"targetType": "PAUSE", "status": "AWAITING_ACTION", "expiresAt": NOW + 3_600, "timeoutAction": "ROLLBACK"}
    async with serving() as double:
        deploying(double, lifecycleStage="POST_TEST_TRAFFIC_SHIFT", lifecycleHookDetails=[hook], updatedAt=NOW - 600)
        found = await document(double)
    assert (found["name"], found["class"], found["since_s"]) == ("deployment_hook", "wait", 600.0)
    assert found["paragraph"].startswith("The deployment waits at a pause hook since ")
    assert "UTC (stage POST_TEST_TRAFFIC_SHIFT); ECS rolls it back in 60 min" in found["paragraph"]
    assert found["also"] == []


async def test_a_rollback_by_the_circuit_breaker_is_a_finding_with_its_reason() -> None:
    async with serving() as double:
        deploying(
            double,
            status="ROLLBACK_IN_PROGRESS",
            deploymentCircuitBreaker={"status": "TRIGGERED", "failureCount": 10, "threshold": 10},
            rollback={"reason": "tasks failed to start", "startedAt": NOW - 60},
        )
        found = await document(double)
    texts = [found["cause"], *(one["cause"] for one in found["also"])]
    assert any("is being rolled back (circuit breaker: 10 of 10 failed tasks)" in text for text in texts)


RIGHTS = {
    "DescribeTaskDefinition": "ecs:DescribeTaskDefinition",
    "GetLogEvents": "logs:GetLogEvents",
    "ListServiceDeployments": "ecs:ListServiceDeployments",
    "DescribeServiceDeployments": "ecs:DescribeServiceDeployments",
    "DescribeSubnets": "ec2:DescribeSubnets",
    "GetServiceQuota": "servicequotas:GetServiceQuota",
}


@pytest.mark.parametrize("denied", RIGHTS)
async def test_without_one_right_the_rest_is_shown_and_the_right_is_named(denied: str) -> None:
    async with serving() as double:
        deploying(double)
        stops = [task(*EXITED, container("app", 1)), task("TaskFailedToStart", ADDRESSES, container("app"), ran=None)]
        staged_deployments = [rollout("IN_PROGRESS", 60.0)]
        listed = double._script["ListServiceDeployments"]
        staged(double, stops, running=0, deployments=staged_deployments, events=[event(VCPUS)], **VPC)
        double._script["ListServiceDeployments"] = listed
        double.on("DescribeTaskDefinition", defined(logged("app")))
        double.on("GetLogEvents", lines("boom"))
        double.on("DescribeSubnets", subnets(subnet_1=0))
        double.on("GetServiceQuota", QUOTA)
        assert (await document(double))["not_seen"] == []
        assert {one.operation for one in double.seen} == READS, "every call was made"
        assert len(double.seen) <= 2 * (3 + 13)
        no = refused("UnauthorizedOperation") if denied == "DescribeSubnets" else fault("AccessDeniedException")
        double.on(denied, no)
        ended = await diagnose(double)
        found = await document(double)
    assert ended.code == 1
    [gap] = found["not_seen"]
    assert RIGHTS[denied] in gap["rights"]
    assert RIGHTS[denied] in gap["remedy"]
    assert "exited" in {one["name"] for one in found["stopped"]}


# Every row of the table, staged where ECS shows it.

ON_TASKS = [one for one in failures() if one.kind is not FailureClass.NORMAL]


def stage(double: AwsDouble, row: Failure, where: str) -> None:
    match where:
        case "stopped task":
            staged(double, [task("TaskFailedToStart", row.example, container("app"), ran=None)], running=0)
        case "container":
            staged(double, [task("TaskFailedToStart", "", container("app", None, row.example), ran=None)], running=0)
        case _:
            failed = rollout("FAILED", 60.0, failedTasks=3, rolloutStateReason=row.example)
            staged(double, running=0, deployments=[failed])


@pytest.mark.parametrize("where", ["stopped task", "container", "deployment"])
async def test_every_cause_is_named_with_its_class_and_remedy_wherever_ecs_shows_it(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = list[str]()
    async with serving() as double:
        for name, value in (WORLD | {"AWS_ENDPOINT_URL": double.url}).items():
            monkeypatch.setenv(name, value)
        clock = asyncio.get_running_loop().time
        async with connect_operator(Spies(), Uncounted(), clock, clock) as aws:  # its calls need not wait
            for row in ON_TASKS:
                if where == "deployment" and row.name in GENERAL:
                    continue  # what stopped the tasks is not in the text
                stage(double, row, where)
                found = (await examined(ORDERS, aws)).diagnosis
                main = found.findings[0]
                meaning = found.paragraph.partition("What to do")[0].lower().find(row.meaning.lower()) >= 0
                if not ((meaning or where == "deployment") and (main.kind, main.remedy) == (row.kind, row.remedy)):
                    wrong.append(f"{row.name}: {main.name}: {main.text}")
    assert wrong == []


async def test_an_expected_stop_leads_to_no_reading_of_logs() -> None:
    async with serving() as double:
        staged(double, [task(*SCALED_IN, container("app", 143))])
        await document(double)
        assert {one.operation for one in double.seen} == {"DescribeServices", "ListTasks", "DescribeTasks"}


async def test_a_container_that_never_started_has_no_log() -> None:
    async with serving() as double:
        staged(double, [task("TaskFailedToStart", PULL, container("app", None, PULL), ran=None)], running=0)
        double.on("DescribeTaskDefinition", defined(logged("app")))
        found = await document(double)
        assert not double.requests("GetLogEvents")
    assert found["logs"][0]["note"] == "the container never started, so it has no log"
