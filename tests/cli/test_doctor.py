"""`doctor` reports each problem with a remedy and changes nothing, whether or not AWS answers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import loaders
from botocore.configprovider import ConfiguredEndpointProvider
from click.testing import CliRunner

from autoscaler.aws.calls import CALLS, PRODUCTS
from autoscaler.aws.operator import OPERATOR_CALLS
from autoscaler.cli import main
from autoscaler.config import load
from autoscaler.operating.doctor.plan import ENDPOINTS, endpoints
from autoscaler.telemetry.starts import starts_of
from tests.aws.double import HANG, AwsDouble, AwsReply, fault, ok, refused
from tests.cli.spoken import Ended, autoscaler
from tests.cli.test_explain import poll
from tests.cli.test_status import listed
from tests.cli.worlds import WORLD, fake_daemon, free_port, world
from tests.operating.answers import DEFINITION, ROLE, caller, definition, healthy, minute, service, simulated
from tests.operating.settings import LEAST, USUAL_CALLS
from tests.telemetry.test_starts import report, staged

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab"
READS = {api.operation for api in (*CALLS, *OPERATOR_CALLS)} - {"UpdateService", "TagResource", "UntagResource"}
BARE: dict[str, Any] = {name: None for name in os.environ if name.startswith(("AWS_", "AUTOSCALER_"))}
BARE |= {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*"}
GOOD = WORLD | {"AUTOSCALER_MIN_TASKS": "1", "AUTOSCALER_QUEUE_MINUTES": "true"}


@pytest.fixture(autouse=True, scope="module")
def descriptions_read_once() -> Iterator[None]:
    """Share the SDK's service descriptions between all tests, because each session takes long to read them."""
    loader = loaders.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda *_: loader)
        yield


async def doctor(double: AwsDouble, *arguments: str, **settings: str) -> Ended:
    """Run the command in a thread of this process, which has already loaded the SDK, while the double answers."""
    environ = BARE | GOOD | {"AWS_ENDPOINT_URL": double.url, "AWS_SECRET_ACCESS_KEY": SECRET} | settings
    daemon = () if "--url" in arguments else ("--url", f"http://127.0.0.1:{free_port()}")
    result = await asyncio.to_thread(CliRunner().invoke, main, ["doctor", *daemon, *arguments], env=environ)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert SECRET not in result.output
    assert {request.operation for request in double.seen} <= READS, "doctor must not change anything"
    return Ended(result.exit_code, result.stdout_bytes, result.stderr)


async def findings_of(double: AwsDouble, *arguments: str, **settings: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit code and the findings by subject (the worst of each subject)."""
    ended = await doctor(double, "--json", *arguments, **settings)
    output = json.loads(ended.out)
    assert output["exit"] == ended.code
    order = ["good", "note", "unknown", "finding"]
    worst = sorted(output["findings"], key=lambda one: order.index(one["level"]))
    for one in worst:
        assert one["level"] == "good" or one["remedy"], f"no remedy: {one}"
    return ended.code, {one["what"]: one for one in worst}


async def test_a_healthy_service_is_reported_in_all_checks_and_exits_with_0() -> None:
    async with healthy() as double:
        ended = await doctor(double, "--all")
    assert (ended.code, ended.err) == (0, "")
    shown = ended.out.decode()
    assert "3 desired, 3 running, 0 pending" in shown
    assert "12 visible, 3 in flight, 0 delayed" in shown
    assert f"IAM allows ecs:UpdateService for {ROLE} (simulated; the calls were not made)" in shown
    assert "account 123456789012, arn:aws:sts::123456789012:assumed-role/autoscaler/task" in shown
    assert "per month" in shown
    assert "AWS_ENDPOINT_URL is set" in shown, "a custom endpoint is shown clearly"
    assert "\x1b" not in shown
    assert "ok: " in shown.splitlines()[-1]


async def test_findings_are_first_and_good_results_are_a_count_per_kind() -> None:
    queues = {"AUTOSCALER_QUEUES": "orders,refunds", "AUTOSCALER_MAX_TASKS": "6000"}
    async with healthy() as double:
        head, *shown = rows((await doctor(double, **queues)).out)
        _, *every = rows((await doctor(double, "--all", **queues)).out)
        output = json.loads((await doctor(double, "--json", **queues)).out)
    assert head == ["", "subject", "check", "result and remedy"]
    levels = [row[0] for row in every if len(row) > 1]
    assert levels == sorted(levels, key=["fix", "unknown", "note", "ok"].index)
    good = levels.count("ok")
    *findings, blank, [passed], counts = shown
    assert [*findings, blank, counts] == [row for row in every if row[0] != "ok"]
    assert passed.startswith(f"{good} checks passed (`--all` shows them): ")
    assert "2 x queue" in passed
    assert output["counts"]["good"] == good


def rows(out: bytes) -> list[list[str]]:
    return [re.split("  +", line) for line in out.decode().splitlines()]


async def test_quiet_omits_good_results() -> None:
    async with healthy() as double:
        _, findings = await findings_of(double, "--quiet")
    assert {one["level"] for one in findings.values()} == {"note"}


async def test_the_simulation_is_for_the_role_of_the_session_and_for_that_one_service() -> None:
    async with healthy() as double:
        await doctor(double)
        [requested] = double.requests("SimulatePrincipalPolicy")
    assert requested.body["PolicySourceArn"] == ROLE
    assert requested.body["ActionNames.member.1"] == "ecs:UpdateService"
    assert requested.body["ResourceArns.member.1"] == "arn:aws:ecs:eu-west-1:123456789012:service/prod/orders"
    assert requested.body["ContextEntries.member.1.ContextKeyName"] == "ecs:cluster"


async def test_every_permission_of_a_named_role_is_simulated() -> None:
    async with healthy() as double:
        price = {"AUTOSCALER_TASK_PRICE": "0.05"}
        code, _ = await findings_of(double, "--role", ROLE, AUTOSCALER_WORKERS="self_protecting", **price)
        requested = {request.body["ActionNames.member.1"] for request in double.requests("SimulatePrincipalPolicy")}
    assert code == 0
    assert requested == USUAL_CALLS


async def test_a_denied_permission_exits_with_3_and_a_refused_simulation_is_unknown() -> None:
    async with healthy() as double:
        double.on("SimulatePrincipalPolicy", simulated("implicitDeny"))
        code, findings = await findings_of(double)
        assert (code, findings["permissions"]["level"]) == (3, "finding")
        assert "iam-policy" in findings["permissions"]["remedy"]
        double.on("SimulatePrincipalPolicy", refused("AccessDenied"))
        code, findings = await findings_of(double)
        assert (code, findings["permissions"]["level"]) == (0, "unknown")
        assert "the permission for ecs:UpdateService was not checked" in findings["permissions"]["text"]
        double.on("GetCallerIdentity", caller("arn:aws:iam::123456789012:root"))
        assert (await findings_of(double))[1]["permissions"]["level"] == "unknown"


async def test_in_shadow_the_permission_to_set_the_count_is_not_checked() -> None:
    async with healthy() as double:
        double.on("SimulatePrincipalPolicy", simulated("explicitDeny"))
        code, findings = await findings_of(double, AUTOSCALER_MODE="shadow")
        assert (code, findings["permissions"]["level"]) == (0, "good")
        assert not double.requests("SimulatePrincipalPolicy")


CONFLICTING_SCALER = ok({"ScalableTargets": [{
    "ServiceNamespace": "ecs", "ResourceId": "service/prod/orders", "ScalableDimension": "ecs:service:DesiredCount",
    "MinCapacity": 1, "MaxCapacity": 9, "RoleARN": "x", "CreationTime": 1.0,
}]})  # fmt: skip
POLICY = ok({"ScalingPolicies": [{"PolicyName": "cpu", "ResourceId": "service/prod/orders"}]})


async def test_a_conflicting_scaler_is_a_finding_and_in_shadow_a_note() -> None:
    async with healthy() as double:
        double.on("DescribeScalableTargets", CONFLICTING_SCALER)
        double.on("DescribeScalingPolicies", POLICY)
        double.on("DescribeScheduledActions", ok({"ScheduledActions": []}))
        code, findings = await findings_of(double)
        assert (code, findings["conflicting scalers"]["level"]) == (1, "finding")
        assert "1 policy (cpu)" in findings["conflicting scalers"]["text"]
        code, findings = await findings_of(double, AUTOSCALER_MODE="shadow")
        assert (code, findings["conflicting scalers"]["level"]) == (0, "note")


@pytest.mark.parametrize(("mode", "is_reported"), [("shadow", True), ("scale_out_only", False), ("active", False)])
async def test_shadow_is_a_note_with_the_way_to_activate_the_service(mode: str, is_reported: bool) -> None:
    async with healthy() as double:
        code, findings = await findings_of(double, AUTOSCALER_MODE=mode)
    assert (code, "mode" in findings) == (0, is_reported)
    assert not is_reported or "set AUTOSCALER_MODE=active" in findings["mode"]["remedy"]


@pytest.mark.parametrize(
    ("operation", "reply", "what", "code", "message"),
    [
        ("DescribeServices", fault("AccessDeniedException"), "service", 3, "grant the task role ecs:DescribeServices"),
        ("DescribeServices", fault("ClusterNotFoundException"), "service", 1, "check AUTOSCALER_CLUSTER"),
        ("DescribeServices", service(status="DRAINING"), "service", 1, "create it again"),
        ("DescribeServices", fault("ThrottlingException"), "service", 4, "try again in a minute"),
        ("DescribeServices", ok({"services": [{}]}), "service", 1, "try again"),
        ("GetQueueUrl", fault("QueueDoesNotExist"), "queue orders", 1, "check the queue in AUTOSCALER_QUEUES"),
        ("GetQueueAttributes", fault("AccessDenied", status=403), "queue orders", 3, "sqs:GetQueueAttributes"),
        (
            "GetMetricData",
            fault("AccessDenied", status=403),
            "CloudWatch metrics of queue orders",
            1,
            "cloudwatch:GetMetricData",
        ),
        (
            "DescribeScalableTargets",
            fault("AccessDeniedException"),
            "conflicting scalers",
            1,
            "DescribeScalableTargets on *",
        ),
        ("ListTasks", fault("AccessDeniedException"), "task protection", 3, "ecs:ListTasks"),
    ],
)
async def test_a_failed_read_is_a_finding_with_its_remedy(
    operation: str, reply: Any, what: str, code: int, message: str
) -> None:
    async with healthy() as double:
        double.on(operation, reply)
        ended, findings = await findings_of(double, AUTOSCALER_WORKERS="self_protecting")
    assert (ended, findings[what]["level"]) == (code, "finding")
    assert message in findings[what]["remedy"]


async def test_a_remedy_names_the_file_and_the_key_of_a_setting_that_is_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        '[services.orders]\ncluster = "prod"\nservice = "orders"\nqueues = ["orders"]\nmax_tasks = 9\n'
    )
    here = dict.fromkeys((name for name in GOOD if name.startswith("AUTOSCALER_")), "")
    async with healthy() as double:
        double.on("DescribeServices", ok({"services": [], "failures": [{"reason": "MISSING"}]}))
        code, findings = await findings_of(double, "--config", str(tmp_path / "a.toml"), **here)
    assert code == 1
    assert "services.orders.cluster in a.toml, services.orders.service in a.toml" in findings["service"]["remedy"]


async def test_invalid_credentials_are_one_finding_and_no_other_call_is_made() -> None:
    async with healthy() as double:
        double.on("GetCallerIdentity", refused("InvalidClientTokenId", f"token {SECRET}"))
        code, findings = await findings_of(double)
        assert (code, findings["credentials"]["level"], findings["services"]["level"]) == (3, "finding", "unknown")
        assert {request.operation for request in double.seen} == {"GetCallerIdentity"}


async def test_an_unavailable_sts_does_not_affect_the_other_checks() -> None:
    async with healthy() as double:
        double.on("GetCallerIdentity", refused("ServiceUnavailable", status=503))
        code, findings = await findings_of(double)
    assert (code, findings["credentials"]["level"], findings["queue orders"]["level"]) == (0, "unknown", "good")


async def test_an_unreachable_aws_exits_with_4_and_a_hanging_call_times_out() -> None:
    async with healthy() as double:
        gone = await doctor(double, AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
        assert gone.code == 4
        assert "check the network" in gone.out.decode()
        for operation in ("DescribeServices", "GetQueueUrl", "GetMetricData", "DescribeScalableTargets"):
            double.on(operation, HANG)
        code, findings = await findings_of(double, "--timeout", "5s")
        assert code == 4
        assert {findings[what]["level"] for what in ("service", "queue orders", "conflicting scalers")} == {"finding"}


async def test_events_pause_deployment_and_count_of_the_service_are_reported() -> None:
    stuck = {"createdAt": time.time() - 60, "id": "1", "message": "(service orders) was unable to place a task."}
    tags = [{"key": "autoscaler:paused", "value": "in until 2999-01-01"}]
    rollout = {"status": "PRIMARY", "rolloutState": "IN_PROGRESS", "createdAt": time.time() - 60}
    async with healthy() as double:
        double.on(
            "DescribeServices", service(events=[stuck], tags=tags, deployments=[rollout], desiredCount=50)
        )  # fmt: skip
        code, findings = await findings_of(double)
        assert code == 1
        assert "unable to place" in findings["task starts"]["text"]
        assert "autoscaler resume orders" in findings["pause"]["remedy"]
        assert findings["deployment"]["level"] == findings["bounds"]["level"] == findings["pause"]["level"] == "note"
        double.on("DescribeServices", service(tags=[{"key": "autoscaler:paused", "value": "tomorrow"}]))
        assert (await findings_of(double))[1]["pause"]["level"] == "finding"


async def test_deployments_rebalancing_and_the_task_definition_are_reported() -> None:
    async with healthy() as double:
        _, findings = await findings_of(double)
        assert findings["task definition"]["level"] == "good"
        assert findings["task definition"]["text"] == "orders:7, the newest active revision of its family"
        assert not {"deployments", "zone rebalancing"} & findings.keys()
        rollouts = [
            {"status": "PRIMARY", "rolloutState": "IN_PROGRESS", "createdAt": time.time() - 60},
            *[{"status": "ACTIVE", "rolloutState": "COMPLETED", "createdAt": time.time() - 900}] * 2,
        ]
        double.on("DescribeServices", service(deployments=rollouts, availabilityZoneRebalancing="ENABLED"))
        double.on("DescribeTaskDefinition", sized(family="orders", revision=9))
        code, findings = await findings_of(double, AUTOSCALER_WORKERS="draining")
        kinds = ("deployments", "zone rebalancing", "task definition")
        assert (code, {findings[kind]["level"] for kind in kinds}) == (0, {"note"})
        assert "3 deployments are unfinished" in findings["deployments"]["text"]
        assert "--availability-zone-rebalancing DISABLED" in findings["zone rebalancing"]["remedy"]
        assert findings["task definition"]["text"] == (
            "orders:7, 2 revisions behind orders:9 (0.5 vCPU, 1 GB, Linux on X86_64)"
        )
        double.on("DescribeTaskDefinition", fault("AccessDeniedException"))
        code, findings = await findings_of(double)
        assert (code, findings["task definition"]["level"]) == (0, "note")
        assert "ecs:DescribeTaskDefinition" in findings["task definition"]["remedy"]


async def test_the_wait_of_the_first_message_is_assumed_until_a_daemon_reports_a_start_up_time() -> None:
    async with healthy() as double:
        code, findings = await findings_of(double, AUTOSCALER_MIN_TASKS="0")
        assert (code, findings["scale from zero"]["level"]) == (0, "note"), (
            "a note as in `check`: these are the defaults"
        )
        assert "about 70 s" in findings["scale from zero"]["text"]
        assert "60 s, assumed)" in findings["scale from zero"]["text"]
        body = listed(poll())
        body["services"][0]["start_up_s"] = 20.0
        async with fake_daemon(200, body) as (url, _):
            code, findings = await findings_of(double, "--url", url, AUTOSCALER_MIN_TASKS="0")
        assert (code, findings["scale from zero"]["level"]) == (0, "good")


def started(name: str, **changed: Any) -> dict[str, Any]:
    at = time.time() - 3600
    times = {"createdAt": at, "pullStartedAt": at + 9, "pullStoppedAt": at + 40, "startedAt": at + 48}
    arn = f"arn:aws:ecs:eu-west-1:123456789012:task/prod/{name}"
    return {"taskArn": arn, "taskDefinitionArn": DEFINITION, **times, **changed}


async def test_where_the_start_up_time_goes_is_read_once_if_no_daemon_knows_it() -> None:
    """It is a note if a start takes more than half of the latency target; else it is one of the checks that passed."""
    words = "median 48 s: 9 placing, 31 pulling, 8 booting; a smaller image would help most (2 starts of orders:7)"
    async with healthy() as double:
        double.on("ListTasks", ok({"taskArns": [started(name)["taskArn"] for name in "ab"]}))
        double.on("DescribeTasks", ok({"tasks": [started("a"), started("b")], "failures": []}))
        code, findings = await findings_of(double)
        found = findings["start-up time"]
        assert (code, found["level"], found["text"]) == (0, "note", words)
        assert "SOCI" in found["remedy"]
        code, findings = await findings_of(double, AUTOSCALER_ACCEPTABLE_LATENCY="10m")
        assert (code, findings["start-up time"]["level"], findings["start-up time"]["text"]) == (0, "good", words)
        body, calls = listed(poll()), len(double.requests("DescribeTasks"))
        body["services"][0]["starts"] = starts_of(report(*staged(3, 30.0, 5.0, 5.0)))
        async with fake_daemon(200, body) as (url, _):
            code, findings = await findings_of(double, "--url", url)
        assert findings["start-up time"]["text"].startswith("median 40 s: 30 placing, 5 pulling, 5 booting; capacity")
        assert len(double.requests("DescribeTasks")) == calls, "what the daemon has read is not read again"


@pytest.mark.parametrize("operation", ["ListTasks", "DescribeTasks"])
async def test_without_the_permission_the_start_up_time_is_a_note_with_the_permission(operation: str) -> None:
    async with healthy() as double:
        double.on("ListTasks", ok({"taskArns": [started("a")["taskArn"]]}))
        double.on("DescribeTasks", ok({"tasks": [started("a")], "failures": []}))
        double.on(operation, fault("AccessDeniedException"))
        code, findings = await findings_of(double)
    found = findings["start-up time"]
    assert (code, found["level"]) == (0, "note")
    assert found["text"].startswith("not known: ")
    assert f"ecs:{operation}" in found["remedy"]


async def test_a_queue_in_another_region_than_the_service_is_reported_with_its_region() -> None:
    address = "https://sqs.us-east-1.amazonaws.com/123456789012/orders"
    async with healthy() as double:
        _, findings = await findings_of(double, AUTOSCALER_QUEUES=address)
        assert "in us-east-1, the service in eu-west-1" in findings["queue orders"]["text"]
        assert {request.region for request in double.requests("GetQueueAttributes")} == {"us-east-1"}


async def test_the_assumption_about_workers_is_reported_with_the_stop_timeout() -> None:
    async with healthy() as double:
        double.on("DescribeTaskDefinition", definition(stopTimeout=90))
        _, findings = await findings_of(double)
        assert findings["workers"]["level"] == "good"
        assert "the stopTimeout of 90 s of container app" in findings["workers"]["text"]
        code, findings = await findings_of(double, AUTOSCALER_PROCESSING_TIME="91s")
        assert (code, findings["workers"]["level"]) == (0, "note")
        assert "treated as unsafe" in findings["workers"]["text"]
        assert "workers=self_protecting" in findings["workers"]["remedy"]
        before = len(double.requests("DescribeTaskDefinition"))
        set_too = {"AUTOSCALER_WORKERS": "unsafe", "AUTOSCALER_TASK_PRICE": "0.05"}
        _, findings = await findings_of(double, AUTOSCALER_PROCESSING_TIME="91s", **set_too)
        assert "workers" not in findings
        assert len(double.requests("DescribeTaskDefinition")) == before, "both are set, so it is not read"


async def test_draining_workers_with_less_time_than_messages_take_are_a_finding() -> None:
    async with healthy() as double:
        double.on("DescribeTaskDefinition", definition(stopTimeout=90))
        set_too = {"AUTOSCALER_WORKERS": "draining", "AUTOSCALER_TASK_PRICE": "0.05"}
        code, findings = await findings_of(double, AUTOSCALER_PROCESSING_TIME="91s", **set_too)
        assert (code, findings["stopTimeout"]["level"]) == (1, "finding")
        assert "longer (processing_time) than the stopTimeout of 90 s" in findings["stopTimeout"]["text"]
        assert "raise stopTimeout" in findings["stopTimeout"]["remedy"]
        code, findings = await findings_of(double, AUTOSCALER_PROCESSING_TIME="90s", **set_too)
        assert (code, "stopTimeout" in findings) == (0, False)
        double.on("DescribeTaskDefinition", fault("AccessDeniedException"))
        code, findings = await findings_of(double, AUTOSCALER_PROCESSING_TIME="91s", **set_too)
        assert (code, findings["stopTimeout"]["level"]) == (0, "note")


async def test_a_stop_timeout_without_the_permission_to_read_it_is_a_note() -> None:
    async with healthy() as double:
        double.on("DescribeTaskDefinition", fault("AccessDeniedException"))
        code, findings = await findings_of(double, AUTOSCALER_PROCESSING_TIME="31s")
        assert (code, findings["stopTimeout"]["level"], findings["workers"]["level"]) == (0, "note", "note")
        assert "30 s is assumed" in findings["stopTimeout"]["text"]
        assert "ecs:DescribeTaskDefinition" in findings["stopTimeout"]["remedy"]
        assert findings["service"]["level"] == "good"


IDLE = ok({"Attributes": {
    "ApproximateNumberOfMessages": "12", "ApproximateNumberOfMessagesNotVisible": "0",
    "ApproximateNumberOfMessagesDelayed": "0",
}})  # fmt: skip
RECEIVES = "receives from queue orders"


def days(received: float | None, empty: float | None) -> Any:
    """Return a reply with these daily sums of the queue's receives (None: no datapoint), and 5 for other metrics."""

    def answer(body: dict[str, Any]) -> Any:
        sums = {"received": received, "empty": empty}
        if {query["Id"] for query in body["MetricDataQueries"]} != set(sums):
            return minute(body)
        assert {query["MetricStat"]["Period"] for query in body["MetricDataQueries"]} == {86_400}
        assert body["EndTime"] - body["StartTime"] == 14 * 86_400
        results = [
            {
                "Id": name,
                "StatusCode": "Complete",
                "Timestamps": [] if value is None else [body["StartTime"]],
                "Values": [] if value is None else [value],
            }
            for name, value in sums.items()
        ]
        return ok({"MetricDataResults": results})

    return answer


@pytest.mark.parametrize(("received", "empty"), [(0.0, 0.0), (None, None), (0.0, None), (None, 0.0)])
async def test_running_tasks_with_a_queue_that_has_no_receives_are_a_finding(
    received: float | None, empty: float | None
) -> None:
    async with healthy() as double:
        double.on("GetQueueAttributes", IDLE)
        double.on("GetMetricData", days(received, empty))
        code, findings = await findings_of(double)
        assert (code, findings[RECEIVES]["level"]) == (1, "finding")
        text, remedy = findings[RECEIVES]["text"], findings[RECEIVES]["remedy"]
        for message in ("3 tasks are running", "queue orders in eu-west-1", "account 123456789012", "14 days"):
            assert message in text
        for message in ("NumberOfMessagesReceived", "NumberOfEmptyReceives", "in flight"):
            assert message in text
        for message in ("Region", "spelling", "ARN", "poll", "15 minutes"):
            assert message in remedy


@pytest.mark.parametrize(("received", "empty"), [(1.0, 0.0), (0.0, 1.0), (1.0, None), (None, 1.0)])
async def test_one_receive_even_an_empty_one_shows_that_the_queue_is_polled(
    received: float | None, empty: float | None
) -> None:
    async with healthy() as double:
        double.on("GetQueueAttributes", IDLE)
        double.on("GetMetricData", days(received, empty))
        code, findings = await findings_of(double)
        assert (code, findings[RECEIVES]["level"]) == (0, "good")


async def test_messages_in_flight_or_no_running_task_need_no_receives() -> None:
    async with healthy() as double:
        double.on("GetMetricData", days(0.0, 0.0))
        assert (await findings_of(double))[1][RECEIVES]["level"] == "good", "3 are in flight"
        double.on("GetQueueAttributes", IDLE)
        double.on("DescribeServices", service(runningCount=0))
        assert (await findings_of(double))[1][RECEIVES]["level"] == "good"
        double.on("DescribeServices", service(runningCount=1))
        code, findings = await findings_of(double)
        assert (code, findings[RECEIVES]["level"]) == (1, "finding")
        assert "1 task is running" in findings[RECEIVES]["text"]


@pytest.mark.parametrize("operation", ["GetMetricData", "DescribeServices", "GetQueueAttributes"])
async def test_after_a_failed_read_the_receives_are_reported_as_not_checked(operation: str) -> None:
    async with healthy() as double:
        double.on("GetQueueAttributes", IDLE)
        double.on(operation, fault("AccessDenied", status=403))
        _, findings = await findings_of(double)
        assert findings[RECEIVES]["level"] == "unknown"
        assert "could not be checked" in findings[RECEIVES]["text"]


async def test_the_receives_of_a_queue_in_another_account_are_unknown() -> None:
    async with healthy() as double:
        double.on("GetQueueAttributes", IDLE)
        double.on("GetMetricData", days(None, None))
        settings = {"AUTOSCALER_QUEUES": "arn:aws:sqs:eu-west-1:999999999999:orders"}
        code, findings = await findings_of(double, **settings)
        assert (code, findings[RECEIVES]["level"]) == (0, "unknown")
        assert "account 999999999999" in findings[RECEIVES]["text"]
        own = {"AUTOSCALER_QUEUES": "arn:aws:sqs:eu-west-1:123456789012:orders"}
        assert (await findings_of(double, **own))[1][RECEIVES]["level"] == "finding"


async def test_doctor_reads_every_answer_of_an_emulator() -> None:
    async with world() as observer:
        unused_url = f"http://127.0.0.1:{free_port()}"
        ended = await autoscaler(
            "doctor", "--all", "--url", unused_url,
            **(WORLD | {"AWS_ENDPOINT_URL": observer.url, "AUTOSCALER_MIN_TASKS": "1"}),
        )  # fmt: skip
        actions = {request.action for request in observer.requests}
    assert ended.code == 0, ended.out.decode()
    assert "40 visible" in ended.out.decode()
    assert "UpdateService" not in actions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--timeout", "1s"], "at least 5s"),
        (["--role", "autoscaler"], "is not the ARN of a role"),
        (["--url", "x"], "is not a URL"),
    ],
)
def test_invalid_options_exit_with_2(arguments: Any, message: str) -> None:
    result = CliRunner().invoke(main, ["doctor", *arguments], env=GOOD)
    assert result.exit_code == 2
    assert message in result.stderr


def test_invalid_settings_exit_with_2_also_with_json() -> None:
    result = CliRunner().invoke(main, ["doctor"], env={"AUTOSCALER_SERVICE": "orders"})
    assert result.exit_code == 2
    assert "AUTOSCALER_CLUSTER" in result.stderr
    result = CliRunner().invoke(main, ["doctor", "--json"], env={"AUTOSCALER_SERVICE": "orders"})
    assert result.exit_code == 2
    assert json.loads(result.stdout)["ok"] is False


async def notes_on_endpoints(**settings: str) -> list[str]:
    async with healthy() as double:
        ended = await doctor(double, "--json", **settings)
    found = json.loads(ended.out)["findings"]
    return [f"{one['text']}; {one['remedy']}" for one in found if one["what"] == "endpoint"]


async def test_a_queue_url_of_another_host_than_the_configured_endpoint_is_noted() -> None:
    vpc = "https://vpce-1-2.sqs.eu-west-1.vpce.amazonaws.com/123456789012/orders"
    found = await notes_on_endpoints(AUTOSCALER_QUEUES=vpc)
    assert any("also those with a URL of another host: vpce-1-2.sqs.eu-west-1.vpce" in one for one in found)
    assert not any("another host" in one for one in await notes_on_endpoints())


async def test_an_ignored_or_misspelled_endpoint_variable_is_noted() -> None:
    found = await notes_on_endpoints(AWS_ENDPOINT_URL_CLOUD_WATCH="http://127.0.0.1:9")
    assert (
        "AWS_ENDPOINT_URL_CLOUD_WATCH is set, and no call uses it; did you mean AWS_ENDPOINT_URL_CLOUDWATCH?" in found
    )


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://user:hidden@127.0.0.1:9", "http://127.0.0.1:9"),
        ("user:hidden@127.0.0.1:9", "127.0.0.1:9"),
        ("http://127.0.0.1:9/path?token=hidden", "http://127.0.0.1:9/path"),
        ("http://127.0.0.1:9#hidden", "http://127.0.0.1:9"),
        ("http://127.0.0.1:9?of=hidden@hidden", "a value that may be a secret (not shown)"),
        ("http://user:hid?hidden@127.0.0.1:9", "a value that may be a secret (not shown)"),
    ],
)
def test_the_address_of_an_endpoint_is_shown_without_secrets(address: str, shown: str) -> None:
    [found] = endpoints({"AWS_ENDPOINT_URL": address}, load(LEAST))
    assert found.text == f"AWS_ENDPOINT_URL is set: {shown}"


def test_an_endpoint_with_a_user_is_the_host_of_a_queues_url() -> None:
    config = load(LEAST | {"AUTOSCALER_QUEUES": "http://127.0.0.1:9/123456789012/orders"})
    assert len(list(endpoints({"AWS_ENDPOINT_URL": "http://user:hidden@127.0.0.1:9"}, config))) == 1


def test_the_endpoint_variables_are_those_of_the_sdk() -> None:
    environ = dict.fromkeys(ENDPOINTS, "http://127.0.0.1:9")
    assert not [one for one in endpoints(environ, load(LEAST)) if "no call uses it" in one.text]
    ignored = environ | {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
    assert all("is set and ignored" in one.text for one in endpoints(ignored, load(LEAST)))
    by_service = {name: name.lower() for name in ENDPOINTS[1:]}
    found = {ConfiguredEndpointProvider({}, {}, sdk_name, environ=by_service).provide() for sdk_name in PRODUCTS}
    assert found == set(by_service.values())


async def test_a_region_that_the_sdk_does_not_know_is_noted() -> None:
    async with healthy() as double:
        ended = await doctor(double, "--json", AWS_REGION="eu-wst-1")
    [region] = [one for one in json.loads(ended.out)["findings"] if one["what"] == "region"]
    assert region["level"] == "note"
    assert "did you mean eu-west-1?" in region["remedy"]


def tagged(name: str, **tags: str) -> dict[str, Any]:
    """Return a service of ECS with tags `autoscaler:...`."""
    found = json.loads(service(name).body)["services"][0]
    return {**found, "tags": [{"key": f"autoscaler:{key}", "value": value} for key, value in tags.items()]}


async def test_the_tags_and_the_services_of_a_cluster_are_checked() -> None:
    cluster = {
        "orders": tagged("orders", queues="orders", max_tasks="9"),
        "typo": tagged("typo", queues="ty!po", max_task="9", mode="on"),
        "profile": tagged("profile", queues="profile", profile="batch"),
        "unseen": tagged("unseen", queue="unseen"),
        "twice": tagged("twice", queues="orders", max_tasks="9"),
        "other": tagged("other"),
    }

    def described(body: dict[str, Any]) -> Any:
        return ok({"services": [cluster[name] for name in body["services"]], "failures": []})

    async with healthy() as double:
        double.on("ListServices", ok({"serviceArns": [f"service/prod/{name}" for name in cluster]}))
        double.on("DescribeServices", described)
        here = dict.fromkeys((name for name in GOOD if name.startswith("AUTOSCALER_")), "")
        ended = await doctor(double, "--json", **here | {"AUTOSCALER_DISCOVER_CLUSTERS": "prod"})
    findings = json.loads(ended.out)["findings"]
    about = [one for one in findings if one["what"] == "cluster prod"]
    assert "4 of 6 services have the tag autoscaler:queues; 1 can be scaled by tags" in about[0]["text"]
    wrong = " ".join(f"{one['text']}; {one['remedy']}" for one in about[1:] if one["level"] == "finding")
    for text in (
        "tags of typo in prod: autoscaler:max_task: unknown setting; did you mean max_tasks?",
        "tags of typo in prod: autoscaler:mode: 'on' is not one of",
        "tags of profile in prod: autoscaler:profile: 'batch' is not a profile of the settings file; profiles: none",
        "tags of unseen in prod: autoscaler:queue: the service is not discovered; did you mean autoscaler:queues?",
        "tags of twice in prod: autoscaler:queues: prod-orders has the same queue or key; use one queue",
    ):
        assert text in wrong
    [name] = [one for one in about if "'ty!po' is not a queue name" in one["text"]]
    assert name["remedy"] == "correct the tag", "not half of the sentence"
    own = {one["what"]: one["level"] for one in findings if one["subject"] == "prod-orders"}
    assert own["service"] == own["queue orders"] == own["permissions"] == "good"
    assert ended.code == 1


async def test_a_cluster_that_cannot_be_read_is_a_finding() -> None:
    async with healthy() as double:
        double.on("ListServices", fault("AccessDeniedException", status=400))
        _, found = await findings_of(double, AUTOSCALER_DISCOVER_CLUSTERS="prod", AUTOSCALER_CONFIG_FILE="")
    assert "ecs:ListServices" in found["cluster prod"]["text"] + found["cluster prod"]["remedy"]
    assert found["service"]["level"] == "good", "the other checks are made"


def sized(**fields: Any) -> AwsReply:
    containers = [{"name": "app", "essential": True}]
    return ok({"taskDefinition": {"containerDefinitions": containers, "cpu": "512", "memory": "1024", **fields}})


async def test_the_price_of_a_task_and_the_cost_of_a_month_are_stated() -> None:
    async with healthy() as double:
        double.on("DescribeServices", service(launchType="FARGATE", desiredCount=4, runningCount=4))
        double.on("DescribeTaskDefinition", sized())
        code, findings = await findings_of(double)
        assert (code, findings["cost"]["level"]) == (0, "good")
        assert findings["cost"]["text"].startswith(
            "$0.02469 per task and hour (0.5 vCPU, 1 GB, Fargate x86 in eu-west-1"
        )
        assert findings["cost"]["text"].endswith(": 4 tasks cost $71.09 a month")
        _, findings = await findings_of(double, AUTOSCALER_TASK_PRICE="0.1")
        assert findings["cost"]["text"] == "$0.1 per task and hour (the setting task_price): 4 tasks cost $288 a month"


async def test_without_a_price_there_is_a_note_and_no_finding() -> None:
    async with healthy() as double:
        double.on("DescribeServices", service(launchType="EC2"))
        double.on("DescribeTaskDefinition", fault("AccessDeniedException"))
        code, findings = await findings_of(double)
        assert (code, findings["cost"]["level"]) == (0, "note")
        assert "ecs:DescribeTaskDefinition" in findings["cost"]["text"]
        assert findings["cost"]["remedy"] == "set task_price to the dollars that one task costs per hour"


async def test_the_queue_of_events_is_checked_without_receiving_from_it() -> None:
    async with healthy() as double:
        _, findings = await findings_of(double, "--all", AUTOSCALER_EVENT_QUEUE="events")
        assert findings["event queue"]["level"] == "good"
        assert not double.requests("ReceiveMessage")
        assert not double.requests("DeleteMessageBatch")


@pytest.mark.parametrize(
    ("reply", "code"), [(fault("AccessDenied", status=403), 1), (fault("QueueDoesNotExist"), 1)], ids=["denied", "gone"]
)
async def test_a_queue_of_events_that_cannot_be_read_is_a_finding(reply: AwsReply, code: int) -> None:
    async with healthy() as double:
        orders = ok({"QueueUrl": f"{double.url}/123456789012/orders"})
        double.on("GetQueueUrl", lambda body: reply if body["QueueName"] == "events" else orders)
        exit_code, findings = await findings_of(double, AUTOSCALER_EVENT_QUEUE="events")
    assert (exit_code, findings["event queue"]["level"]) == (code, "finding")


async def test_events_that_no_daemon_deletes_are_a_note() -> None:
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events"
    counts = dict.fromkeys(("ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"), "0")
    async with healthy() as double:
        double.on("GetQueueAttributes", ok({"Attributes": counts | {"ApproximateNumberOfMessages": "1001"}}))
        _, findings = await findings_of(double, AUTOSCALER_EVENT_QUEUE=url)
    assert findings["event queue"]["level"] == "note"
    assert "autoscaler_event_queue_up" in findings["event queue"]["remedy"]


async def test_the_permissions_for_the_queue_of_events_are_simulated_for_a_named_role() -> None:
    async with healthy() as double:
        await findings_of(double, "--role", ROLE, AUTOSCALER_EVENT_QUEUE="events")
        requested = {
            (request.body["ActionNames.member.1"], request.body["ResourceArns.member.1"])
            for request in double.requests("SimulatePrincipalPolicy")
        }
    assert ("sqs:ReceiveMessage", "arn:aws:sqs:eu-west-1:123456789012:events") in requested
    assert ("sqs:DeleteMessage", "arn:aws:sqs:eu-west-1:123456789012:events") in requested
