"""`diagnose KEY`: one story per kind of trouble, with what the command prints, and its exit code."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.calls import Api, Call
from autoscaler.aws.evidence import EVIDENCE_CALLS
from autoscaler.aws.operator import TaskReader
from autoscaler.cli import main
from autoscaler.ports import ServiceRef
from tests.aws.double import HANG, AwsDouble, fault, ok, serving
from tests.cli.spoken import Ended
from tests.cli.test_explain import poll
from tests.cli.test_status import listed
from tests.cli.worlds import WORLD, fake_daemon, free_port
from tests.operating.settings import LEAST
from tests.operating.stops import NOW, container, event, rollout, staged, task

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab"
PULL = "CannotPullContainerError: failed to resolve ref 123.dkr.ecr.eu-west-1.amazonaws.com/worker:v7: not found"
EXITED = ("EssentialContainerExited", "Essential container in task exited")
READS = {"DescribeServices", "ListTasks", "DescribeTasks", *(api.operation for api in EVIDENCE_CALLS)}
READS |= {"DescribeTaskDefinition"}
SCALED_IN = ("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/1)")
NO_FARGATE = "was unable to place a task. Reason: Capacity is unavailable at this time."


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoscaler.operating.diagnosing.time", SimpleNamespace(time=lambda: NOW))


async def diagnose(double: AwsDouble, *arguments: str, **settings: str) -> Ended:
    nowhere = f"http://127.0.0.1:{free_port()}"
    environ = WORLD | {"AWS_ENDPOINT_URL": double.url, "AWS_SECRET_ACCESS_KEY": SECRET} | settings
    command = ["diagnose", "orders", "--url", nowhere, *arguments]
    result = await asyncio.to_thread(CliRunner().invoke, main, command, env=environ)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert SECRET not in result.output
    assert {one.operation for one in double.seen} <= READS
    return Ended(result.exit_code, result.stdout_bytes, result.stderr)


async def document(double: AwsDouble) -> dict[str, Any]:
    ended = await diagnose(double, "--json")
    found: dict[str, Any] = json.loads(ended.out)
    assert ended.code == (1 if found["class"] else 0)
    assert found["paragraph"] in (await diagnose(double)).out.decode()
    return found


async def test_an_image_that_is_gone_means_that_tasks_never_start() -> None:
    failing = [task("TaskFailedToStart", PULL, container("app"), ran=None, ago=60.0 + 30 * n) for n in range(12)]
    async with serving() as double:
        staged(double, failing, running=0)
        found = await document(double)
    assert found["paragraph"].startswith(
        "All of the last 12 tasks never started, 31 s after the request: the tag or digest of the image does not exist."
    )
    assert "the newest stop was 59 s ago" in found["paragraph"]
    assert "0 of 3 tasks run." in found["paragraph"]
    assert "What to do: deploy again with an existing image" in found["paragraph"]
    assert (found["class"], found["name"]) == ("fix", "image_gone")
    [group] = found["stopped"]
    assert (group["count"], group["of"], group["after_start_s"], group["after_request_s"]) == (12, 12, None, 31.0)
    assert group["text"] == PULL


async def test_a_container_that_exits_at_once_is_named_with_its_exit_code() -> None:
    failing = [task(*EXITED, container("app", 1), container("log", 0), ago=60.0 + n) for n in range(11)]
    async with serving() as double:
        staged(double, [*failing, task(*SCALED_IN, container("app", 143), ago=20.0)], running=1)
        found = await document(double)
        text = (await diagnose(double)).out.decode()
    assert found["paragraph"].startswith(
        "11 of the last 12 tasks stopped 4 s after start: "
        "the container's program ended with an error (the essential container app, exit code 1). It began at "
    )
    assert (found["class"], found["stopped"][0]["container"]) == ("application", "app")
    assert found["stopped"][0]["exit_codes"] == {"app": {"1": 11}, "log": {"0": 11}}
    assert [one["class"] for one in found["stopped"]] == ["application", "normal"]
    assert "exit codes: app 1 x 11, log 0 x 11; of worker:8" in text
    assert found["since_s"] == 69.0


async def test_out_of_memory_is_recognized_before_the_exit_code() -> None:
    memory = "OutOfMemoryError: Container killed due to memory usage"
    async with serving() as double:
        staged(double, [task(*EXITED, container("log", 1), container("app", 137, memory), ran=900.0)])
        found = await document(double)
    what = "the container reached its memory limit (the essential container app, exit code 137)"
    assert f"The last task stopped 15 min after start: {what}" in found["paragraph"]
    assert "3 of 3 tasks run." in found["paragraph"]
    assert found["remedy"] == "raise the memory, or process fewer messages at a time"


async def test_an_event_about_capacity_is_the_cause_if_no_task_stopped() -> None:
    async with serving() as double:
        events = [event("has started 1 tasks: (task abc).", 5.0), event(NO_FARGATE), event("is unable to place", 90)]
        staged(double, running=1, pendingCount=2, events=events)
        found = await document(double)
        assert found["paragraph"].startswith(
            "Fargate has no capacity for such a task in these zones now. ECS reported it 30 s ago. 1 of 3 tasks run."
        )
        assert (found["class"], found["stopped"]) == ("capacity", [])
        assert [one["class"] for one in found["events"]][:2] == ["normal", "capacity"]
        staged(double, events=[event("has reached a steady state.", 5.0), event(NO_FARGATE)])
        assert (await document(double))["class"] is None, "a steady state ends what was before it"
        staged(double, running=1, events=[event(NO_FARGATE, 6 * 3600 + 700)])
        assert (await document(double))["class"] is None, "ECS repeats an event that still applies after six hours"


@pytest.mark.parametrize(
    ("code", "reason", "meaning"),
    [
        (*SCALED_IN, "the scheduler stopped the task because of a scale-in or a deployment"),
        ("SpotInterruption", "Your Spot Task was interrupted.", "AWS took back the Spot capacity of the task"),
        ("TerminationNotice", "", "AWS took back the Spot capacity of the task"),
        ("UserInitiated", "out of memory, image not found", "a user stopped the task"),
    ],
)
async def test_expected_stops_are_no_findings(code: str, reason: str, meaning: str) -> None:
    stops = [task(code, reason, container("app", 137), container("log", 1), ran=900.0) for _ in range(4)]
    async with serving() as double:
        staged(double, stops)
        found = await document(double)
    expected = f"ECS reports no problem: 3 of 3 tasks run. 4 tasks stopped as expected in the last hour: {meaning}"
    assert found["paragraph"].startswith(expected)
    assert (found["class"], found["stopped"][0]["class"]) == (None, "normal")


async def test_nothing_wrong_and_no_stopped_task() -> None:
    async with serving() as double:
        staged(double, events=[event("deregistered 1 targets in (target-group x)")])
        found = await document(double)
        assert not double.requests("DescribeTasks"), "ECS rejects an empty list"
    assert found["paragraph"] == "ECS reports no problem: 3 of 3 tasks run."
    assert (found["stopped"], found["not_seen"]) == ([], [])


async def test_a_failed_deployment_has_its_reason() -> None:
    failed = rollout(
        "FAILED", 600.0, failedTasks=10, status="ACTIVE", rolloutStateReason="ECS deployment circuit breaker: zork.",
        taskDefinition="arn:aws:ecs:eu-west-1:123456789012:task-definition/worker:9",
    )  # fmt: skip
    async with serving() as double:
        staged(double, deployments=[rollout(), failed], taskDefinition="task-definition/worker:9")
        found = await document(double)
        text = (await diagnose(double)).out.decode()
    assert found["paragraph"].startswith(
        'The deployment of worker:9 failed, 10 tasks failed: "ECS deployment circuit breaker: zork". It began 10'
    )
    assert "What to do: fix what stops its tasks, then deploy again." in found["paragraph"]
    assert "The service has the task definition worker:9, its primary deployment worker:8." in text
    assert found["deployments"][1]["failed_tasks"] == 10


@pytest.mark.parametrize(("age_s", "failed", "is_found"), [(60, 0, False), (1_900, 0, True), (60, 1, True)])
async def test_a_deployment_that_takes_long_or_has_failed_tasks_is_a_finding(
    age_s: float, failed: int, *, is_found: bool
) -> None:
    async with serving() as double:
        staged(double, running=1, deployments=[rollout("IN_PROGRESS", age_s, failedTasks=failed)])
        assert ((await document(double))["name"] == "deployment") is is_found


async def test_tasks_that_failed_before_the_present_deployment_are_over_if_all_tasks_run() -> None:
    failing = [task(*EXITED, container("app", 1), ago=1_000.0)]
    async with serving() as double:
        staged(double, failing, deployments=[rollout(ago=600.0)])
        found = await document(double)
        assert found["class"] is None
        assert "Before the present deployment (begun 10 min ago), 1 task failed: the container's" in found["paragraph"]
        staged(double, failing, running=2, deployments=[rollout(ago=600.0)])
        assert (await document(double))["name"] == "exited"


async def test_a_recent_cause_is_before_a_larger_older_one_and_both_are_shown() -> None:
    older = [task(*EXITED, container("app", 1), ago=1_800.0) for _ in range(5)]
    newer = [task("TaskFailedToStart", PULL, container("app"), ran=None) for _ in range(2)]
    async with serving() as double:
        staged(double, [*older, *newer], running=0, events=[event(NO_FARGATE)])
        found = await document(double)
    assert found["paragraph"].startswith("2 of the last 7 tasks never started")
    also = "Also: 5 of the last 7 tasks stopped 4 s after start: the container's program ended with an error"
    assert also in found["paragraph"]
    assert [one["class"] for one in found["also"]] == ["application", "capacity"]


async def test_a_text_that_is_not_known_is_shown_and_masked() -> None:
    stranger = f"Zork {SECRET} https://ann:secret@example.com\x1b[2J"
    async with serving() as double:
        staged(double, [task("TaskFailedToStart", "", container("app", None, stranger), ran=None)], running=0)
        ended = await diagnose(double)
        found = await document(double)
    assert "secret@" not in ended.out.decode()
    assert b"\x1b" not in ended.out
    assert found["stopped"][0]["text"] == "Zork *** https://***@example.com [2J"
    assert (found["class"], ended.code) == ("fix", 1)


async def test_older_tasks_are_left_out_and_at_most_300_are_read() -> None:
    async with serving() as double:
        staged(double, [task(*EXITED, container("app", 1), ago=3_700.0)])
        assert (await document(double))["stopped"] == []
        staged(double, [task(*EXITED, container("app", 1)) for _ in range(301)])
        found = await document(double)
        assert found["stopped"][0]["count"] == 300
        assert [one["what"] for one in found["not_seen"]] == ["some stopped tasks"]
        assert [len(one.body["tasks"]) for one in double.requests("DescribeTasks")[-3:]] == [100, 100, 100]
        assert double.requests("ListTasks")[-1].body["desiredStatus"] == "STOPPED"


async def test_what_was_read_before_a_failure_is_used() -> None:
    first = ok(
        {"taskArns": [f"arn:aws:ecs:eu-west-1:123456789012:task/prod/{n}" for n in range(100)], "nextToken": "x"}
    )
    async with serving() as double:
        staged(double, [task(*EXITED, container("app", 1)) for _ in range(150)])
        double.on("ListTasks", first, fault("ThrottlingException"))
        found = json.loads((await diagnose(double, "--json")).out)
    assert found["stopped"][0]["count"] == 100
    assert found["not_seen"][0]["what"] == "some stopped tasks"


class SilentCaller:
    """Answers ListTasks and DescribeTasks twice, both times with the same task, and then never."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ask(self, api: Api, subject: str, *_: object, **__: object) -> ResponsePart:
        self.asked.append(api.operation)
        if len(self.asked) > 4:
            await asyncio.Event().wait()
        tasks = [{"taskArn": "a", **dated(task(*EXITED, container("app", 1)))}]
        bodies: dict[str, dict[str, Any]] = {
            "ListTasks": {"taskArns": ["a"], "nextToken": "x"},
            "DescribeTasks": {"tasks": tasks},
        }
        return ResponsePart(Call(api, subject, "eu-west-1"), bodies[api.operation])


def dated(found: dict[str, Any]) -> dict[str, Any]:
    return found | {key: datetime.fromtimestamp(at, UTC) for key, at in found.items() if key.endswith("At")}


async def test_what_was_read_before_the_time_limit_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoscaler.aws.stopped_tasks.WHOLE_S", 0.05)
    caller: Any = SilentCaller()
    found = await TaskReader(caller).stopped(ServiceRef("orders", "prod", "orders"))
    assert caller.asked == ["ListTasks", "DescribeTasks"] * 2 + ["ListTasks"]
    assert [one.ran_s for one in found.tasks] == [4.0], "a task is counted once"
    assert "reading its tasks took longer than 0.05 s" in str(found.fault)


async def test_a_malformed_task_is_counted_and_the_others_are_shown() -> None:
    async with serving() as double:
        staged(double, [task(*EXITED, container("app", 1)), task(*EXITED, {"exitCode": "one", "name": "app"})])
        found = await document(double)
    assert found["stopped"][0]["count"] == 1
    assert [one["what"] for one in found["not_seen"]] == ["1 task of the stopped ones"]


@pytest.mark.parametrize("operation", ["ListTasks", "DescribeTasks"])
async def test_without_the_right_on_tasks_the_rest_is_shown(operation: str) -> None:
    async with serving() as double:
        staged(double, [task(*EXITED, container("app", 1))], running=1, events=[event(NO_FARGATE)])
        double.on(operation, fault("AccessDeniedException", "no"))
        ended = await diagnose(double)
        found = await document(double)
    assert (ended.code, found["class"]) == (1, "capacity")
    [gap] = found["not_seen"]
    assert gap["rights"] == ["ecs:ListTasks", "ecs:DescribeTasks"]
    assert "grant the user or role that runs this command ecs:ListTasks, ecs:DescribeTasks" in ended.out.decode()


async def test_without_the_right_on_services_the_stopped_tasks_are_shown() -> None:
    async with serving() as double:
        staged(double, [task(*EXITED, container("app", 1))])
        double.on("DescribeServices", fault("AccessDeniedException", "no"))
        found = await document(double)
        assert found["name"] == "exited"
        assert [one["rights"] for one in found["not_seen"]] == [["ecs:DescribeServices"]]
        staged(double)
        double.on("DescribeServices", fault("AccessDeniedException", "no"))
        assert (await document(double))["paragraph"] == "No problem was found in what could be read."


async def test_the_exit_code_says_why_nothing_could_be_read() -> None:
    async with serving() as double:
        for operation in ("DescribeServices", "ListTasks"):
            double.on(operation, fault("AccessDeniedException", f"no {SECRET}"))
        denied = await diagnose(double)
        assert (denied.code, "Nothing could be read." in denied.out.decode()) == (3, True)
        assert len(json.loads((await diagnose(double, "--json")).out)["not_seen"]) == 2
        for operation in ("DescribeServices", "ListTasks"):
            double.on(operation, HANG)
        assert (await diagnose(double)).code == 4
        gone = await diagnose(double, AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
        assert gone.code == 4


async def test_a_service_that_does_not_exist_or_is_deleted_is_a_finding() -> None:
    async with serving() as double:
        staged(double, status="INACTIVE", desiredCount=0, running=0)
        assert (await document(double))["name"] == "service_not_active"
        double.on("DescribeServices", ok({"services": [], "failures": [{"reason": "MISSING"}]}))
        double.on("ListTasks", fault("ServiceNotFoundException"))
        found = await document(double)
    assert found["name"] == "no_service"
    assert "check AUTOSCALER_CLUSTER, AUTOSCALER_SERVICE and the Region" in found["paragraph"]
    assert found["not_seen"] == []


async def test_a_discovered_service_is_found_by_the_daemon_s_key() -> None:
    found = listed(poll())
    found["services"][0] |= {"key": "prod-orders", "ecs_service": "orders", "cluster": "prod", "region": "eu-north-1"}
    async with serving() as double, fake_daemon(200, found) as (url, _):
        staged(double)
        environ = WORLD | {"AWS_ENDPOINT_URL": double.url}
        command = ["diagnose", "prod-orders", "--url", url]
        result = await asyncio.to_thread(CliRunner().invoke, main, command, env=environ)
        assert (result.exit_code, double.requests("ListTasks")[0].region) == (0, "eu-north-1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "pass a service's KEY, or --reason"),
        (["orders", "--reason", "RESOURCE:ENI"], "exclude each other"),
        (["ordrs", "--url", "http://127.0.0.1:9"], "Did you mean orders?"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: Any, message: str) -> None:
    result = CliRunner().invoke(main, ["diagnose", *arguments], env=LEAST)
    assert result.exit_code == 2
    assert message in result.stderr
