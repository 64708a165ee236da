"""Started tasks: two calls with the lowest priority, each start once, and nothing invented."""

from __future__ import annotations

import pytest

from autoscaler.aws import started_tasks
from autoscaler.aws.connection import Aws
from autoscaler.core.model import Missing
from autoscaler.core.start_phases import StartPhase, task_number
from autoscaler.ports import Category, ServiceRef, StartReading, Urgency
from tests.aws.double import AwsDouble, AwsReply, fault, ok
from tests.aws.spies import Spies

REF = ServiceRef("shop", "prod", "arn:aws:ecs:eu-west-1:123456789012:service/prod/orders")
ARN = "arn:aws:ecs:eu-west-1:123456789012:task/prod/"
NOON = 1_795_000_000.0
NONE_KNOWN = frozenset[int]()


def listed(*names: str, more: str | None = None) -> AwsReply:
    return ok({"taskArns": [ARN + name for name in names], "nextToken": more})


def one(name: str, **fields: object) -> dict[str, object]:
    times = {"createdAt": NOON, "pullStartedAt": NOON + 9, "pullStoppedAt": NOON + 40, "startedAt": NOON + 48}
    definition = "arn:aws:ecs:eu-west-1:123456789012:task-definition/orders:7"
    return {"taskArn": ARN + name, "taskDefinitionArn": definition, **times, **fields}


def described(*tasks: object) -> AwsReply:
    return ok({"tasks": list(tasks), "failures": []})


def numbers(*names: str) -> frozenset[int]:
    return frozenset(map(task_number, names))


async def read(aws: Aws, known: frozenset[int] = NONE_KNOWN) -> StartReading:
    answer = await aws.starts.started(REF, known)
    assert isinstance(answer, StartReading), answer
    return answer


async def test_the_phases_of_new_tasks_are_read_with_two_calls_of_the_lowest_priority(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    double.on("ListTasks", listed("a", "b"))
    double.on("DescribeTasks", described(one("a", healthStatus="HEALTHY"), one("b")))
    answer = await read(aws)
    assert [(task.task, task.revision, task.healthy) for task in answer.tasks] == [
        (task_number("a"), "orders:7", True),
        (task_number("b"), "orders:7", None),
    ]
    assert [answer.tasks[0].took_s(phase) for phase in StartPhase] == [9.0, 31.0, 8.0]
    assert answer.running == numbers("a", "b")
    list_request, tasks_request = (seen.body for seen in double.seen)
    assert list_request == {"cluster": "prod", "serviceName": "orders", "desiredStatus": "RUNNING", "maxResults": 100}
    assert tasks_request == {"cluster": "prod", "tasks": [ARN + "a", ARN + "b"]}
    assert {urgency for _, urgency in spies.acquired} == {Urgency.BACKGROUND}
    assert [category for _, category, _ in spies.calls] == [Category.TASK_READ] * 2


async def test_known_tasks_are_not_described_again(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", listed("a", "b"))
    double.on("DescribeTasks", described(one("b")))
    assert [task.task for task in (await read(aws, numbers("a"))).tasks] == [task_number("b")]
    assert double.seen[-1].body["tasks"] == [ARN + "b"]


async def test_if_all_tasks_are_known_one_call_is_made(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", listed("a"))
    answer = await read(aws, numbers("a", "gone"))
    assert answer == StartReading((), numbers("a"))
    assert len(double.seen) == 1


async def test_a_task_that_does_not_run_yet_is_left_out(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", listed("a", "b"))
    double.on("DescribeTasks", described(one("a", startedAt=None, pullStoppedAt=None), one("b")))
    answer = await read(aws)
    assert [task.task for task in answer.tasks] == [task_number("b")]
    assert answer.running == numbers("a", "b")
    assert answer.dropped == 0


@pytest.mark.parametrize(
    "times",
    [
        {"createdAt": None},
        {"createdAt": NOON + 49},
        {"pullStartedAt": NOON - 1},
        {"pullStartedAt": NOON + 41},
        {"pullStoppedAt": NOON + 8},
        {"pullStoppedAt": NOON + 49},
        {"pullStartedAt": None, "pullStoppedAt": NOON - 1},
        {"startedAt": NOON + 39},
    ],
)
async def test_a_task_whose_times_contradict_each_other_is_dropped_and_counted(
    aws: Aws, double: AwsDouble, times: dict[str, float | None]
) -> None:
    double.on("ListTasks", listed("a", "b"))
    double.on("DescribeTasks", described(one("a", **times), one("b")))
    answer = await read(aws)
    assert [task.task for task in answer.tasks] == [task_number("b")]
    assert (answer.dropped, answer.unusable) == (1, numbers("a"))


@pytest.mark.parametrize(
    ("absent", "took_s"), [("pullStartedAt", [None, None, 8.0]), ("pullStoppedAt", [9.0, None, None])]
)
async def test_a_time_that_ecs_did_not_record_is_unknown(
    aws: Aws, double: AwsDouble, absent: str, took_s: list[float | None]
) -> None:
    double.on("ListTasks", listed("a"))
    double.on("DescribeTasks", described(one("a", **{absent: None})))
    (task,) = (await read(aws)).tasks
    assert [task.took_s(phase) for phase in StartPhase] == took_s
    assert task.whole_s == 48.0


async def test_a_malformed_task_is_dropped_and_counted(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", listed("a", "b", "c"))
    double.on("DescribeTasks", described(one("a", taskDefinitionArn=None), one("b"), one("c", taskArn=None)))
    answer = await read(aws)
    assert [task.task for task in answer.tasks] == [task_number("b")]
    assert (answer.dropped, answer.unusable) == (2, numbers("a"))


async def test_further_pages_are_read_only_until_enough_tasks_are_new(aws: Aws, double: AwsDouble) -> None:
    many = [f"old{each}" for each in range(100)]
    new = [f"new{each}" for each in range(started_tasks.ENOUGH)]
    double.on("ListTasks", listed(*many, more="2"), listed(*new, more="3"), listed("never"))
    double.on("DescribeTasks", described(*map(one, new)))
    answer = await read(aws, numbers(*many))
    assert len(answer.tasks) == started_tasks.ENOUGH
    assert [seen.operation for seen in double.seen] == ["ListTasks", "ListTasks", "DescribeTasks"]


async def test_pages_and_tasks_are_bounded(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", *(listed("a", more=str(page)) for page in range(9)))
    double.on("DescribeTasks", described(one("a")))
    await read(aws)
    assert [seen.operation for seen in double.seen].count("ListTasks") == started_tasks.MOST_PAGES


async def test_at_most_one_hundred_tasks_are_described(aws: Aws, double: AwsDouble) -> None:
    double.on("ListTasks", listed(*(f"a{each}" for each in range(140))))
    double.on("DescribeTasks", described())
    assert len((await read(aws)).running) == 140
    assert len(double.seen[-1].body["tasks"]) == 100


@pytest.mark.parametrize("operation", ["ListTasks", "DescribeTasks"])
async def test_a_denial_is_a_missing_reading_with_the_permission(aws: Aws, double: AwsDouble, operation: str) -> None:
    double.on("ListTasks", listed("a"))
    double.on("DescribeTasks", described(one("a")))
    double.on(operation, fault("AccessDeniedException"))
    answer = await aws.starts.started(REF, NONE_KNOWN)
    assert isinstance(answer, Missing)
    assert answer.kind == "denied"
    assert f"ecs:{operation}" in answer.reason


async def test_a_call_that_would_have_to_wait_too_long_is_not_made(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    spies.exhausted.add(Category.TASK_READ)
    answer = await aws.starts.started(REF, NONE_KNOWN)
    assert isinstance(answer, Missing)
    assert answer.kind == "throttled"
    assert not double.seen
