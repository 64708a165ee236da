"""`doctor` finds what is wrong, each with what to do, and changes nothing: whatever AWS says, or if it says nothing."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import loaders
from click.testing import CliRunner

from autoscaler.cli import main
from tests.aws.double import HANG, Double, fault, ok, refused
from tests.cli.spoken import Ended, autoscaler
from tests.cli.test_explain import tick
from tests.cli.test_status import listed
from tests.cli.worlds import WORLD, fake_daemon, free_port, world
from tests.operating.answers import ROLE, caller, definition, healthy, minute, service, simulated

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab"
READS = {
    "GetCallerIdentity", "SimulatePrincipalPolicy", "DescribeServices", "GetQueueUrl", "GetQueueAttributes",
    "GetMetricData", "DescribeScalableTargets", "DescribeScalingPolicies", "DescribeScheduledActions", "ListTasks",
    "GetTaskProtection", "DescribeTaskDefinition",
}  # fmt: skip
BARE: dict[str, Any] = {name: None for name in os.environ if name.startswith(("AWS_", "AUTOSCALER_"))}
BARE |= {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "*"}
GOOD = WORLD | {"AUTOSCALER_MIN_TASKS": "1", "AUTOSCALER_QUEUE_MINUTES": "true"}


@pytest.fixture(autouse=True, scope="module")
def descriptions_read_once() -> Iterator[None]:
    """The SDK's service descriptions, which take it long to read for each session, are shared by all tests."""
    loader = loaders.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda *_: loader)
        yield


async def doctor(double: Double, *arguments: str, **settings: str) -> Ended:
    """The command in this process, which has the SDK already, in a thread beside the double."""
    told = BARE | GOOD | {"AWS_ENDPOINT_URL": double.url, "AWS_SECRET_ACCESS_KEY": SECRET} | settings
    nobody = () if "--url" in arguments else ("--url", f"http://127.0.0.1:{free_port()}")
    result = await asyncio.to_thread(CliRunner().invoke, main, ["doctor", *nobody, *arguments], env=told)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert SECRET not in result.output
    assert {request.operation for request in double.seen} <= READS, "nothing is changed by looking"
    return Ended(result.exit_code, result.stdout_bytes, result.stderr)


async def found(double: Double, *arguments: str, **settings: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the findings by what was looked at (the worst of each)."""
    ended = await doctor(double, "--json", *arguments, **settings)
    told = json.loads(ended.out)
    assert told["exit"] == ended.code
    order = ["good", "note", "unknown", "finding"]
    worst = sorted(told["findings"], key=lambda one: order.index(one["level"]))
    for one in worst:
        assert one["level"] == "good" or one["remedy"], f"no remedy: {one}"
    return ended.code, {one["what"]: one for one in worst}


async def test_where_all_is_well_it_says_so_of_everything_and_ends_with_0() -> None:
    async with healthy() as double:
        ended = await doctor(double)
    assert (ended.code, ended.err) == (0, "")
    shown = ended.out.decode()
    assert "3 desired, 3 running, 0 pending" in shown
    assert "12 visible, 3 in flight, 0 delayed" in shown
    assert f"IAM allows {ROLE} ecs:UpdateService (simulated, not tried)" in shown
    assert "account 123456789012, as arn:aws:sts::123456789012:assumed-role/autoscaler/task" in shown
    assert "a month for calls" in shown
    assert "AWS_ENDPOINT_URL is set" in shown, "an endpoint of one's own is shown loudly"
    assert "\x1b" not in shown
    assert shown.splitlines()[-1].endswith("good")


async def test_quiet_leaves_out_what_is_good() -> None:
    async with healthy() as double:
        _, whats = await found(double, "--quiet")
    assert {one["level"] for one in whats.values()} == {"note"}


async def test_the_simulation_asks_of_the_role_behind_the_session_and_of_that_one_service() -> None:
    async with healthy() as double:
        await doctor(double)
        [asked] = double.asked("SimulatePrincipalPolicy")
    assert asked.body["PolicySourceArn"] == ROLE
    assert asked.body["ActionNames.member.1"] == "ecs:UpdateService"
    assert asked.body["ResourceArns.member.1"] == "arn:aws:ecs:eu-west-1:123456789012:service/prod/orders"
    assert asked.body["ContextEntries.member.1.ContextKeyName"] == "ecs:cluster"


async def test_of_a_role_that_is_named_every_right_is_asked_for() -> None:
    async with healthy() as double:
        code, _ = await found(double, "--role", ROLE, AUTOSCALER_WORKERS="self_protecting")
        asked = {request.body["ActionNames.member.1"] for request in double.asked("SimulatePrincipalPolicy")}
    assert code == 0
    assert len(asked) == 10, asked


async def test_what_iam_denies_is_3_and_what_iam_may_not_be_asked_is_unknown_and_no_finding() -> None:
    async with healthy() as double:
        double.on("SimulatePrincipalPolicy", simulated("implicitDeny"))
        code, whats = await found(double)
        assert (code, whats["rights"]["level"]) == (3, "finding")
        assert "iam-policy" in whats["rights"]["remedy"]
        double.on("SimulatePrincipalPolicy", refused("AccessDenied"))
        code, whats = await found(double)
        assert (code, whats["rights"]["level"]) == (0, "unknown")
        assert "cannot be known without setting one" in whats["rights"]["text"]
        double.on("GetCallerIdentity", caller("arn:aws:iam::123456789012:root"))
        assert (await found(double))[1]["rights"]["level"] == "unknown"


async def test_in_shadow_no_right_to_set_a_count_is_looked_for() -> None:
    async with healthy() as double:
        double.on("SimulatePrincipalPolicy", simulated("explicitDeny"))
        code, whats = await found(double, AUTOSCALER_MODE="shadow")
        assert (code, whats["rights"]["level"]) == (0, "good")
        assert not double.asked("SimulatePrincipalPolicy")


CONFLICTING_SCALER = ok({"ScalableTargets": [{
    "ServiceNamespace": "ecs", "ResourceId": "service/prod/orders", "ScalableDimension": "ecs:service:DesiredCount",
    "MinCapacity": 1, "MaxCapacity": 9, "RoleARN": "x", "CreationTime": 1.0,
}]})  # fmt: skip
POLICY = ok({"ScalingPolicies": [{"PolicyName": "cpu", "ResourceId": "service/prod/orders"}]})


async def test_a_rival_is_a_finding_and_in_shadow_worth_knowing_only() -> None:
    async with healthy() as double:
        double.on("DescribeScalableTargets", CONFLICTING_SCALER)
        double.on("DescribeScalingPolicies", POLICY)
        double.on("DescribeScheduledActions", ok({"ScheduledActions": []}))
        code, whats = await found(double)
        assert (code, whats["conflicting scalers"]["level"]) == (1, "finding")
        assert "1 policy (cpu)" in whats["conflicting scalers"]["text"]
        code, whats = await found(double, AUTOSCALER_MODE="shadow")
        assert (code, whats["conflicting scalers"]["level"]) == (0, "note")


@pytest.mark.parametrize(("mode", "is_told"), [("shadow", True), ("scale_out_only", False), ("active", False)])
async def test_shadow_is_worth_knowing_with_how_to_activate_it(mode: str, is_told: bool) -> None:
    async with healthy() as double:
        code, whats = await found(double, AUTOSCALER_MODE=mode)
    assert (code, "mode" in whats) == (0, is_told)
    assert not is_told or "set AUTOSCALER_MODE=active" in whats["mode"]["remedy"]


@pytest.mark.parametrize(
    ("operation", "reply", "what", "code", "said"),
    [
        ("DescribeServices", fault("AccessDeniedException"), "service", 3, "give the task role ecs:DescribeServices"),
        ("DescribeServices", fault("ClusterNotFoundException"), "service", 1, "check AUTOSCALER_CLUSTER"),
        ("DescribeServices", service(status="DRAINING"), "service", 1, "create it anew"),
        ("DescribeServices", fault("ThrottlingException"), "service", 4, "try again in a minute"),
        ("DescribeServices", ok({"services": [{}]}), "service", 1, "look again"),
        ("GetQueueUrl", fault("QueueDoesNotExist"), "queue orders", 1, "check the queue in AUTOSCALER_QUEUES"),
        ("GetQueueAttributes", fault("AccessDenied", status=403), "queue orders", 3, "sqs:GetQueueAttributes"),
        ("GetMetricData", fault("AccessDenied", status=403), "minutes of orders", 1, "cloudwatch:GetMetricData"),
        (
            "DescribeScalableTargets",
            fault("AccessDeniedException"),
            "conflicting scalers",
            1,
            "DescribeScalableTargets on *",
        ),
        ("ListTasks", fault("AccessDeniedException"), "protection", 3, "ecs:ListTasks"),
    ],
)
async def test_what_aws_will_not_tell_is_a_finding_with_its_remedy(
    operation: str, reply: Any, what: str, code: int, said: str
) -> None:
    async with healthy() as double:
        double.on(operation, reply)
        ended, whats = await found(double, AUTOSCALER_WORKERS="self_protecting")
    assert (ended, whats[what]["level"]) == (code, "finding")
    assert said in whats[what]["remedy"]


async def test_bad_credentials_are_one_finding_and_nothing_more_is_asked() -> None:
    async with healthy() as double:
        double.on("GetCallerIdentity", refused("InvalidClientTokenId", f"token {SECRET}"))
        code, whats = await found(double)
        assert (code, whats["credentials"]["level"], whats["services"]["level"]) == (3, "finding", "unknown")
        assert {request.operation for request in double.seen} == {"GetCallerIdentity"}


async def test_without_sts_the_daemon_does_well() -> None:
    async with healthy() as double:
        double.on("GetCallerIdentity", refused("ServiceUnavailable", status=503))
        code, whats = await found(double)
    assert (code, whats["credentials"]["level"], whats["queue orders"]["level"]) == (0, "unknown", "good")


async def test_aws_unreachable_is_4_and_hanging_is_bounded() -> None:
    async with healthy() as double:
        gone = await doctor(double, AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
        assert gone.code == 4
        assert "check the network" in gone.out.decode()
        for operation in ("DescribeServices", "GetQueueUrl", "GetMetricData", "DescribeScalableTargets"):
            double.on(operation, HANG)
        code, whats = await found(double, "--timeout", "5s")
        assert code == 4
        assert {whats[what]["level"] for what in ("service", "queue orders", "conflicting scalers")} == {"finding"}


async def test_what_ecs_tells_of_the_service_is_told_on() -> None:
    stuck = {"createdAt": time.time() - 60, "id": "1", "message": "(service orders) was unable to place a task."}
    tags = [{"key": "autoscaler:paused", "value": "in until 2999-01-01"}]
    rollout = {"status": "PRIMARY", "rolloutState": "IN_PROGRESS", "createdAt": time.time() - 60}
    async with healthy() as double:
        double.on(
            "DescribeServices", service(events=[stuck], tags=tags, deployments=[rollout], desiredCount=50)
        )  # fmt: skip
        code, whats = await found(double)
        assert code == 1
        assert "unable to place" in whats["starts"]["text"]
        assert "autoscaler resume orders" in whats["pause"]["remedy"]
        assert whats["deployment"]["level"] == whats["bounds"]["level"] == whats["pause"]["level"] == "note"
        double.on("DescribeServices", service(tags=[{"key": "autoscaler:paused", "value": "tomorrow"}]))
        assert (await found(double))[1]["pause"]["level"] == "finding"


async def test_what_the_first_message_waits_is_assumed_until_a_daemon_has_learned_it() -> None:
    async with healthy() as double:
        code, whats = await found(double, AUTOSCALER_MIN_TASKS="0")
        assert (code, whats["from zero"]["level"]) == (0, "note"), "as `check` calls it: these are the defaults"
        assert "about 70s" in whats["from zero"]["text"]
        assert "(assumed)" in whats["from zero"]["text"]
        body = listed(tick())
        body["services"][0]["start_up_s"] = 20.0
        async with fake_daemon(200, body) as (url, _):
            code, whats = await found(double, "--url", url, AUTOSCALER_MIN_TASKS="0")
        assert (code, whats["from zero"]["level"]) == (0, "good")


async def test_a_queue_of_another_region_than_its_url_says_is_named_with_it() -> None:
    address = "https://sqs.us-east-1.amazonaws.com/123456789012/orders"
    async with healthy() as double:
        _, whats = await found(double, AUTOSCALER_QUEUES=address)
        assert "in us-east-1, the service in eu-west-1" in whats["queue orders"]["text"]
        assert {request.region for request in double.asked("GetQueueAttributes")} == {"us-east-1"}


async def test_what_is_assumed_of_workers_is_told_with_the_stop_timeout_that_it_rests_on() -> None:
    async with healthy() as double:
        double.on("DescribeTaskDefinition", definition(stopTimeout=90))
        _, whats = await found(double)
        assert whats["workers"]["level"] == "good"
        assert "the stopTimeout of 90 s of container app" in whats["workers"]["text"]
        code, whats = await found(double, AUTOSCALER_PROCESSING_TIME="91s")
        assert (code, whats["workers"]["level"]) == (0, "note")
        assert "treated as unsafe" in whats["workers"]["text"]
        assert "workers=self_protecting" in whats["workers"]["remedy"]
        before = len(double.asked("DescribeTaskDefinition"))
        _, whats = await found(double, AUTOSCALER_WORKERS="draining", AUTOSCALER_PROCESSING_TIME="91s")
        assert "workers" not in whats
        assert len(double.asked("DescribeTaskDefinition")) == before, "it is not read where it does not count"


async def test_a_stop_timeout_that_may_not_be_read_is_worth_knowing_and_no_finding() -> None:
    async with healthy() as double:
        double.on("DescribeTaskDefinition", fault("AccessDeniedException"))
        code, whats = await found(double, AUTOSCALER_PROCESSING_TIME="31s")
        assert (code, whats["stopTimeout"]["level"], whats["workers"]["level"]) == (0, "note", "note")
        assert "30 s is assumed" in whats["stopTimeout"]["text"]
        assert "ecs:DescribeTaskDefinition" in whats["stopTimeout"]["remedy"]
        assert whats["service"]["level"] == "good"


IDLE = ok({"Attributes": {
    "ApproximateNumberOfMessages": "12", "ApproximateNumberOfMessagesNotVisible": "0",
    "ApproximateNumberOfMessagesDelayed": "0",
}})  # fmt: skip
RECEIVES = "receives from orders"


def days(received: float | None, empty: float | None) -> Any:
    """CloudWatch has these sums of a day for the queue's receives (None: no datapoint), and a 5 for all else."""

    def answer(body: dict[str, Any]) -> Any:
        told = {"received": received, "empty": empty}
        if {query["Id"] for query in body["MetricDataQueries"]} != set(told):
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
            for name, value in told.items()
        ]
        return ok({"MetricDataResults": results})

    return answer


@pytest.mark.parametrize(("received", "empty"), [(0.0, 0.0), (None, None), (0.0, None), (None, 0.0)])
async def test_running_tasks_beside_a_queue_that_nothing_receives_from_are_a_finding(
    received: float | None, empty: float | None
) -> None:
    async with healthy() as double:
        double.on("GetQueueAttributes", IDLE)
        double.on("GetMetricData", days(received, empty))
        code, whats = await found(double)
        assert (code, whats[RECEIVES]["level"]) == (1, "finding")
        text, remedy = whats[RECEIVES]["text"], whats[RECEIVES]["remedy"]
        for said in ("3 tasks are running", "queue orders in eu-west-1", "account 123456789012", "14 days"):
            assert said in text
        for said in ("NumberOfMessagesReceived", "NumberOfEmptyReceives", "in flight"):
            assert said in text
        for said in ("Region", "spelling", "ARN", "poll", "15 minutes"):
            assert said in remedy


@pytest.mark.parametrize(("received", "empty"), [(1.0, 0.0), (0.0, 1.0), (1.0, None), (None, 1.0)])
async def test_one_receive_be_it_empty_shows_that_the_queue_is_polled(
    received: float | None, empty: float | None
) -> None:
    async with healthy() as double:
        double.on("GetQueueAttributes", IDLE)
        double.on("GetMetricData", days(received, empty))
        code, whats = await found(double)
        assert (code, whats[RECEIVES]["level"]) == (0, "good")


async def test_messages_in_flight_or_no_running_task_need_no_receives() -> None:
    async with healthy() as double:
        double.on("GetMetricData", days(0.0, 0.0))
        assert (await found(double))[1][RECEIVES]["level"] == "good", "3 are in flight"
        double.on("GetQueueAttributes", IDLE)
        double.on("DescribeServices", service(runningCount=0))
        assert (await found(double))[1][RECEIVES]["level"] == "good"
        double.on("DescribeServices", service(runningCount=1))
        code, whats = await found(double)
        assert (code, whats[RECEIVES]["level"]) == (1, "finding")
        assert "1 task is running" in whats[RECEIVES]["text"]


@pytest.mark.parametrize("operation", ["GetMetricData", "DescribeServices", "GetQueueAttributes"])
async def test_what_cannot_be_read_leaves_it_unchecked_and_says_so(operation: str) -> None:
    async with healthy() as double:
        double.on("GetQueueAttributes", IDLE)
        double.on(operation, fault("AccessDenied", status=403))
        _, whats = await found(double)
        assert whats[RECEIVES]["level"] == "unknown"
        assert "could not be checked" in whats[RECEIVES]["text"]


async def test_a_queue_of_another_account_has_its_metrics_there() -> None:
    async with healthy() as double:
        double.on("GetQueueAttributes", IDLE)
        double.on("GetMetricData", days(None, None))
        settings = {"AUTOSCALER_QUEUES": "arn:aws:sqs:eu-west-1:999999999999:orders"}
        code, whats = await found(double, **settings)
        assert (code, whats[RECEIVES]["level"]) == (0, "unknown")
        assert "account 999999999999" in whats[RECEIVES]["text"]
        own = {"AUTOSCALER_QUEUES": "arn:aws:sqs:eu-west-1:123456789012:orders"}
        assert (await found(double, **own))[1][RECEIVES]["level"] == "finding"


async def test_a_real_emulator_has_nothing_that_is_not_understood() -> None:
    async with world() as observer:
        nobody = f"http://127.0.0.1:{free_port()}"
        ended = await autoscaler(
            "doctor", "--url", nobody, **(WORLD | {"AWS_ENDPOINT_URL": observer.url, "AUTOSCALER_MIN_TASKS": "1"})
        )
        actions = {request.action for request in observer.requests}
    assert ended.code == 0, ended.out.decode()
    assert "40 visible" in ended.out.decode()
    assert "UpdateService" not in actions


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--timeout", "1s"], "at least 5s"),
        (["--role", "autoscaler"], "is not a role's ARN"),
        (["--url", "x"], "is not a URL"),
    ],
)
def test_wrong_input_is_2(arguments: Any, said: str) -> None:
    result = CliRunner().invoke(main, ["doctor", *arguments], env=GOOD)
    assert result.exit_code == 2
    assert said in result.stderr


def test_wrong_settings_are_2_and_as_json_too() -> None:
    result = CliRunner().invoke(main, ["doctor"], env={"AUTOSCALER_SERVICE": "orders"})
    assert result.exit_code == 2
    assert "AUTOSCALER_CLUSTER" in result.stderr
    result = CliRunner().invoke(main, ["doctor", "--json"], env={"AUTOSCALER_SERVICE": "orders"})
    assert result.exit_code == 2
    assert json.loads(result.stdout)["ok"] is False
