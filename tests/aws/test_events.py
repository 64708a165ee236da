"""Events of ECS about tasks that cannot start: a steady state ends the trouble; unreadable events are ignored."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from autoscaler.aws import ecs
from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.calls import DESCRIBE_SERVICES, Call
from autoscaler.aws.clients import Clocks
from autoscaler.aws.connection import Aws
from autoscaler.aws.ecs import newest_first, trouble_in
from autoscaler.core.model import Fleet, Trouble
from autoscaler.diagnosis import Failure, FailureClass, failures
from autoscaler.diagnosis.events import is_problem
from tests.about import about
from tests.aws.double import AwsDouble
from tests.aws.spies import REGION, Spies
from tests.aws.test_ecs import described, read

NO_VCPU = (
    "was unable to place a task. Reason: You’ve reached the limit on the number of vCPUs you can run concurrently."
)
STEADY = "has reached a steady state."
HOUR = 3600.0


def event(text: str, age_s: float = 60.0, service: str = "(service orders) ") -> dict[str, object]:
    return {"id": "1", "createdAt": Spies().wall_s - age_s, "message": service + text}


def trouble(events: object) -> Trouble | None:
    """Return the trouble in a response as the SDK parses it, with timestamps as datetimes."""
    spies = Spies()
    clocks = Clocks(lambda: spies.now_s, lambda: spies.wall_s)
    service = ResponsePart(Call(DESCRIBE_SERVICES, "shop", REGION), {"events": parsed(events)})
    return trouble_in(newest_first(service), spies.now_s, clocks.instant)


def parsed(events: object) -> object:
    if not isinstance(events, list):
        return events
    return [
        one | {"createdAt": datetime.fromtimestamp(one["createdAt"], UTC)}
        if isinstance(one, dict) and one.get("createdAt")
        else one
        for one in events
    ]


async def test_trouble_is_read_with_the_service(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    reading = await read(aws, double, described(events=[event(STEADY, 90), event(NO_VCPU, 60)]))
    assert isinstance(reading, Fleet)
    assert reading.trouble == Trouble(NO_VCPU, about(spies.now_s - 60))


@pytest.mark.parametrize("events", [None, [], [{}], [{"message": NO_VCPU}]])
async def test_a_service_without_readable_events_is_read(aws: Aws, double: AwsDouble, events: object) -> None:
    reading = await read(aws, double, described(events=events))
    assert isinstance(reading, Fleet)
    assert reading.trouble is None


@pytest.mark.parametrize(
    "text",
    [
        NO_VCPU,
        NO_VCPU.replace("’", "'"),
        "was unable to place a task because no container instance met all of its requirements. The closest matching"
        " container-instance 0a1b has insufficient CPU units available.",
        "was unable to place a task. Reason: Capacity is unavailable at this time. Please try again later.",
        "was unable to place a task. Reason: The requested MEMORY configuration is above your limit.",
        "was unable to place tasks in your cluster because the tasks provisioning capacity limit was exceeded.",
        "is unable to consistently start tasks successfully.",
        "operations are being throttled. Will try again later.",
        "deployment failed: tasks failed to start.",
        "could not launch 3 tasks for deployment ecs-svc/123.",
        "failed to launch a task with (error ECS was unable to assume the role).",
        "WAS UNABLE TO PLACE A TASK.",
        "has insufficient capacity.",
    ],
)
@pytest.mark.parametrize("service", ["(service orders) ", "service (orders) ", ""])
def test_an_event_about_tasks_that_cannot_start_is_trouble(spies: Spies, text: str, service: str) -> None:
    found = trouble([event("has started 1 tasks: (task 0a1b).", 10), event(text, 60, service)])
    assert found == Trouble(text, about(spies.now_s - 60))


@pytest.mark.parametrize(
    "text",
    [
        STEADY,
        "has started 2 tasks: (task 0a1b) (task 2c3d).",
        "has stopped 1 running tasks: (task 0a1b).",
        "registered 1 targets in (target-group arn:aws:elasticloadbalancing:x:1:targetgroup/capacity/1)",
        "was unable to stop or start tasks during a deployment because of the service deployment configuration.",
        "was unable to reach steady state because task set (1) was unable to scale in.",
        "(deployment ecs-svc/123) deployment completed.",
        "attached EBS volume vol-1 to (task 0a1b) within 12 s.",
        "detached the network interface of (task 0a1b) within 3 s.",
    ],
)
@pytest.mark.parametrize("service", ["(service unable to place capacity is unavailable) ", "(service orders) "])
def test_any_other_event_is_no_trouble(text: str, service: str) -> None:
    assert trouble([event(text, 60, service)]) is None


@pytest.mark.parametrize(
    "name", ["quota-watch", "vcpu-limit-reached", "task-throttler", "eni-late", "eni-within", "capacity-exceeded"]
)
@pytest.mark.parametrize(
    "text",
    [
        "registered 1 targets in (target-group arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/NAME/50dc)",
        "deregistered 1 targets in (target-group NAME).",
        "registered 2 instances in (elb NAME)",
        "has started 1 tasks: (task NAME/0a1b).",
        "(port 80) is unhealthy in (target-group arn:aws:elasticloadbalancing:x:1:targetgroup/NAME/5) due to (reason"
        " Request timed out)",
        "rolled back to arn:aws-cn:ecs:cn-north-1:1:task-definition/NAME:17.",
    ],
)
def test_a_name_in_an_ordinary_event_is_no_trouble(text: str, name: str) -> None:
    assert trouble([event(text.replace("NAME", name))]) is None


PREVENTS_STARTS = {FailureClass.CAPACITY, FailureClass.QUOTA, FailureClass.WAIT}


@pytest.mark.parametrize("row", [row for row in failures() if row.kind in PREVENTS_STARTS], ids=lambda row: row.name)
def test_each_known_cause_that_prevents_starts_is_trouble(row: Failure) -> None:
    assert trouble([event(row.example)]) is not None


@pytest.mark.parametrize(("steady_age_s", "is_over"), [(59, True), (60, True), (61, False)])
@pytest.mark.parametrize("steady", [STEADY, "(task set 1) has reached a steady state."])
def test_a_steady_state_ends_earlier_trouble(steady_age_s: float, is_over: bool, steady: str) -> None:
    events = [event(NO_VCPU, 60), event(steady, steady_age_s)]
    assert (trouble(events) is None) is is_over
    assert (trouble(events[::-1]) is None) is is_over


def test_the_newest_event_counts_in_any_order(spies: Spies) -> None:
    older, newer = event("is unable to consistently start tasks successfully.", 900), event(NO_VCPU, 30)
    for events in ([older, newer], [newer, older]):
        assert trouble(events) == Trouble(NO_VCPU, about(spies.now_s - 30))


@pytest.mark.parametrize(("age_s", "is_fresh"), [(6 * HOUR, True), (6 * HOUR + 599, True), (6 * HOUR + 600, False)])
def test_an_event_is_valid_until_ecs_would_have_repeated_it(age_s: float, is_fresh: bool) -> None:
    assert (trouble([event(NO_VCPU, age_s)]) is not None) is is_fresh


def test_an_event_with_a_future_time_happened_now(spies: Spies) -> None:
    assert trouble([event(NO_VCPU, -HOUR)]) == Trouble(NO_VCPU, spies.now_s)
    assert trouble([event(NO_VCPU, -20), event(STEADY, -10)]) == Trouble(NO_VCPU, spies.now_s)
    assert trouble([event(NO_VCPU, -10), event(STEADY, -20)]) is None


@pytest.mark.parametrize(
    "events",
    [
        None,
        [],
        [{}],
        [{"message": NO_VCPU}],
        [{"createdAt": 1}],
        [{"message": "", "createdAt": 1}],
        [{"message": NO_VCPU, "createdAt": None}],
        "x",
        ["x", None],
        [{"message": NO_VCPU, "createdAt": 0}],
    ],
)
def test_unreadable_events_are_ignored(events: object) -> None:
    assert trouble(events) is None


def test_an_unreadable_event_does_not_hide_a_readable_one() -> None:
    assert trouble([{"message": "x"}, event(NO_VCPU)]) is not None


def test_the_text_is_one_short_printable_line() -> None:
    found = trouble([event("was unable to place a task.\n\x1b[31m" + "and so on " * 100)])
    assert found is not None
    assert found.reason.startswith("was unable to place a task. ")
    assert found.reason.isprintable()
    assert len(found.reason) == 200


def test_only_the_newest_refusing_events_are_classified(monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll must not classify 100 texts: each takes 0.2 ms."""
    classified: list[str] = []
    real = is_problem

    def counted(text: str) -> bool:
        classified.append(text.strip())
        return real(text)

    monkeypatch.setattr(ecs, "is_problem", counted)
    other = [event(f"(task {number}) failed to register targets", number) for number in range(100)]
    started = [event(f"has started 1 tasks: (task {number}).", number) for number in range(100)]
    assert trouble([*other, *started]) is None
    assert len(classified) == ecs.MOST_CLASSIFIED
    classified.clear()
    assert trouble([*started, event(NO_VCPU, 500)]) is not None, "ordinary events do not hide an older problem"
    assert classified == [NO_VCPU]
