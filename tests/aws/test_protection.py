"""Protected tasks: the state of each task is read, or there is no count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from autoscaler.aws import tasks
from autoscaler.aws.connection import Aws
from autoscaler.core.model import Missing
from autoscaler.ports import Category, ServiceRef
from tests.aws.double import HANG, AwsDouble, AwsReply, fault, ok
from tests.aws.spies import Spies, connected

REF = ServiceRef("shop", "prod", "arn:aws:ecs:eu-west-1:123456789012:service/prod/orders")
ARN = "arn:aws:ecs:eu-west-1:123456789012:task/prod/"
LATER = Spies().wall_s + 60


def listed(*names: object, more: str | None = None) -> AwsReply:
    return ok({"taskArns": [ARN + name if isinstance(name, str) else name for name in names], "nextToken": more})


def states(*tasks: dict[str, object], failures: Sequence[Mapping[str, object]] | None = None) -> AwsReply:
    return ok({"protectedTasks": list(tasks), "failures": failures or []})


def task(name: str, **fields: object) -> dict[str, object]:
    return {"taskArn": ARN + name, "protectionEnabled": True, "expirationDate": LATER, **fields}


def free(name: str) -> dict[str, object]:
    return {"taskArn": ARN + name, "protectionEnabled": False}


async def kind(aws: Aws) -> str:
    reading = await aws.fleets.protected(REF)
    assert isinstance(reading, Missing), reading
    assert "shop (prod/orders)" in reading.reason
    return reading.kind


async def test_protected_tasks_are_counted(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("ListTasks", listed("a", "b", "c"))
    double.on("GetTaskProtection", states(task("a"), free("b"), task("c")))
    assert await aws.fleets.protected(REF) == 2
    list_request, states_request = (seen.body for seen in double.seen)
    assert list_request == {"cluster": "prod", "serviceName": "orders", "desiredStatus": "RUNNING", "maxResults": 100}
    assert states_request == {"cluster": "prod", "tasks": [ARN + "a", ARN + "b", ARN + "c"]}
    assert [(api, category) for api, category, _ in spies.calls] == [
        ("ecs:ListTasks", Category.TASK_READ),
        ("ecs:GetTaskProtection", Category.TASK_PROTECTION),
    ]


async def test_a_service_without_tasks_needs_one_call(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", listed())
    assert await aws.fleets.protected(REF) == 0
    assert len(double.seen) == 1


@pytest.mark.parametrize(
    ("fields", "protected"),
    [
        ({"expirationDate": Spies().wall_s + 1}, 1),
        ({"expirationDate": Spies().wall_s}, 0),
        ({"expirationDate": Spies().wall_s - 1}, 0),
        ({"expirationDate": None}, 1),
        ({"protectionEnabled": False}, 0),
    ],
)
async def test_protection_lasts_until_it_expires(
    aws: Aws, double: AwsDouble, fields: dict[str, object], protected: int
) -> None:
    double.on("ListTasks", listed("a"))
    double.on("GetTaskProtection", states(task("a", **fields)))
    assert await aws.fleets.protected(REF) == protected


async def test_readings_are_not_cached(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", listed("a"))
    double.on("GetTaskProtection", states(free("a")), states(task("a")))
    assert [await aws.fleets.protected(REF), await aws.fleets.protected(REF)] == [0, 1]


@pytest.mark.parametrize(("tasks", "batches"), [(1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
async def test_all_pages_and_the_state_of_all_tasks_are_read(
    aws: Aws, double: AwsDouble, tasks: int, batches: list[int]
) -> None:
    names = [f"t{number}" for number in range(tasks)]
    pages = [
        names[start : start + 70] for start in range(0, tasks, 70)
    ]  # a page may contain fewer tasks than its limit
    tokens = [str(number) for number in range(1, len(pages))] + [None]
    double.on("ListTasks", *(listed(*page, more=token) for page, token in zip(pages, tokens, strict=True)))
    double.on("GetTaskProtection", all_protected)
    assert await aws.fleets.protected(REF) == tasks
    assert [seen.body.get("nextToken") for seen in double.requests("ListTasks")] == [None, *tokens[:-1]]
    assert [len(seen.body["tasks"]) for seen in double.requests("GetTaskProtection")] == batches


def all_protected(body: dict[str, Any]) -> AwsReply:
    return states(*(task(arn.removeprefix(ARN)) for arn in body["tasks"]))


async def test_a_task_that_is_listed_twice_counts_once(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", listed("a", more="x"), listed("a"))
    double.on("GetTaskProtection", all_protected)
    assert await aws.fleets.protected(REF) == 1


async def test_an_endless_list_is_stopped(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", listed("a", more="x"))
    assert await kind(aws) == "unavailable"
    assert len(double.seen) == tasks.MOST_PAGES


async def test_a_task_that_has_stopped_is_not_protected(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", listed("a", "b"))
    stopped = [{"arn": ARN + "b", "reason": "TASK_NOT_VALID"}]
    double.on("GetTaskProtection", states(task("a"), failures=stopped))
    assert await aws.fleets.protected(REF) == 1


@pytest.mark.parametrize(
    "reply",
    [
        states(task("a"), failures=[{"arn": ARN + "b", "reason": "ODD", "detail": "very"}]),
        states(task("a"), failures=[{"arn": ARN + "b"}]),
        states(task("a"), failures=[{"reason": "TASK_NOT_VALID"}]),
        states(task("a")),
        states(),
        states(task("a"), task("c")),
        states(task("a"), {"taskArn": ARN + "b"}),
        states(task("a"), task("b", protectionEnabled="true")),
        states(task("a"), task("b", expirationDate="soon")),
        states(task("a"), {"protectionEnabled": True}),
        ok({}),
        ok({"protectedTasks": 5}),
        AwsReply(b"garbage"),
        fault("ThrottlingException"),
        fault("AccessDeniedException"),
        fault("ServerException", status=500),
        fault("UnsupportedFeatureException"),
    ],
)
async def test_a_task_of_unknown_state_prevents_the_count(aws: Aws, double: AwsDouble, reply: AwsReply) -> None:
    double.on("ListTasks", listed("a", "b"))
    double.on("GetTaskProtection", reply)
    await kind(aws)


async def test_a_failure_names_the_task_and_the_reason(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", listed("a"))
    double.on("GetTaskProtection", states(failures=[{"arn": ARN + "a", "reason": "ODD", "detail": "very"}]))
    reading = await aws.fleets.protected(REF)
    assert isinstance(reading, Missing)
    assert "the protection of a (ODD: very)" in reading.reason


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (fault("AccessDeniedException"), "denied"),
        (fault("ThrottlingException"), "throttled"),
        (fault("ClusterNotFoundException"), "not_found"),
        (fault("ServiceNotFoundException"), "not_found"),
        (ok({}), "unreadable"),
        (listed("a", 5), "unreadable"),
        (ok({"taskArns": [], "nextToken": ""}), "unreadable"),
    ],
)
async def test_a_failed_list_prevents_the_count(aws: Aws, double: AwsDouble, reply: AwsReply, expected: str) -> None:
    double.on("ListTasks", reply)
    assert await kind(aws) == expected
    assert len(double.seen) == 1


async def test_a_missing_permission_is_named(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", listed("a"))
    double.on("GetTaskProtection", fault("AccessDeniedException"))
    reading = await aws.fleets.protected(REF)
    assert isinstance(reading, Missing)
    assert reading.reason.endswith("grant the task role ecs:GetTaskProtection on the cluster's tasks")


async def test_one_timeout_limits_all_calls(monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies) -> None:
    monkeypatch.setattr(tasks, "WHOLE_S", 0.3)
    double.on("ListTasks", HANG)
    async with connected(spies) as aws:
        assert await kind(aws) == "unavailable"
    assert spies.outcomes == [("ecs:ListTasks", "unavailable")]
