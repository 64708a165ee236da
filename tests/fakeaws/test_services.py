"""The scheduler of the fake ECS: start-up times, deployments with both revisions, protection, events."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakeaws import FakeAws, StillClock
from tests.fakeaws.asking import ask, code, decoded

pauses = st.floats(0, 200) | st.sampled_from([0.0, 29.9, 30.0, 90.0])
moves = st.lists(st.tuples(pauses, st.integers(0, 12)), max_size=20)


def world_of(desired: Any = 0, **more: Any) -> Any:
    aws = FakeAws(StillClock())
    return aws, aws.world().put_service("prod", "worker", desired, **more)


def described(aws: Any, name: Any = "worker") -> Any:
    answer = decoded(ask(aws, "ecs", "DescribeServices", cluster="prod", services=[name], include=["TAGS"]))
    return answer["services"][0]


def counts(aws: Any) -> Any:
    found = described(aws)
    return found["desiredCount"], found["runningCount"], found["pendingCount"]


@given(moves)
def test_no_task_runs_before_its_start_up_time(moves: Any) -> None:
    aws, service = world_of()
    targets = [(aws.clock.now(), 0)]
    for pause_s, desired in moves:
        aws.clock.pass_s(pause_s)
        now = aws.clock.now()
        # a task that runs now has been desired for the last 30 s
        earlier = [tasks for at, tasks in targets if at <= now - 30] or [0]
        since = [tasks for at, tasks in targets if at > now - 30]
        assert service.running(now) <= min(earlier[-1], *since, 12)
        service.scale(desired, now)
        targets.append((now, desired))


@given(moves)
def test_every_desired_task_is_running_or_pending_and_runs_90_s_later(moves: Any) -> None:
    aws, service = world_of(3)
    for pause_s, desired in moves:
        aws.clock.pass_s(pause_s)
        service.scale(desired, aws.clock.now())
        assert service.running(aws.clock.now()) + service.pending(aws.clock.now()) == desired
    aws.clock.pass_s(90.0)
    assert (service.running(aws.clock.now()), service.pending(aws.clock.now())) == (service.desired, 0)


def test_the_same_seed_draws_the_same_start_up_times() -> None:
    def running_after(seconds: Any, seed: Any) -> Any:
        aws = FakeAws(StillClock(), seed=seed)
        service = aws.world().put_service("prod", "worker")
        service.scale(1000, aws.clock.now())
        return service.running(aws.clock.now() + seconds)

    assert running_after(47, seed=1) == running_after(47, seed=1) != running_after(47, seed=2)


def test_a_scale_in_stops_pending_tasks_first() -> None:
    aws, service = world_of(2)
    service.scale(6, aws.clock.now())
    service.scale(3, aws.clock.now())
    assert counts(aws) == (3, 2, 1)
    service.scale(1, aws.clock.now())
    assert counts(aws) == (1, 1, 0)


def test_protected_tasks_run_until_their_protection_ends() -> None:
    aws, service = world_of(4)
    aws.world().protect("prod", "worker", 3, lasts_s=600)
    service.scale(1, aws.clock.now())
    assert counts(aws) == (1, 3, 0)
    aws.clock.pass_s(600)
    assert counts(aws) == (1, 1, 0)


def test_a_deployment_runs_both_revisions_until_it_ends() -> None:
    aws, _ = world_of(3)
    aws.world().deploy("prod", "worker", takes_s=300)
    assert counts(aws) == (3, 3, 3)
    aws.clock.pass_s(90)
    assert counts(aws) == (3, 6, 0)
    assert [(one["status"], one.get("rolloutState")) for one in described(aws)["deployments"]] == [
        ("PRIMARY", "IN_PROGRESS"),
        ("ACTIVE", None),
    ]
    aws.clock.pass_s(209.9)
    assert counts(aws) == (3, 6, 0)
    aws.clock.pass_s(0.1)
    assert counts(aws) == (3, 3, 0)
    assert [one["rolloutState"] for one in described(aws)["deployments"]] == ["COMPLETED"]


def test_a_deployment_whose_tasks_never_start_never_ends() -> None:
    aws, _ = world_of(1, stalls=True)
    aws.world().deploy("prod", "worker", takes_s=300)
    aws.clock.pass_s(86_400)
    assert counts(aws) == (1, 1, 1)


def test_a_steady_state_is_one_event_at_the_time_it_was_reached() -> None:
    aws, service = world_of(1)
    began = aws.clock.now()
    service.scale(3, began)
    assert described(aws)["events"] == []
    aws.clock.pass_s(3600)
    [event] = described(aws)["events"]
    assert "has reached a steady state" in event["message"]
    assert 30 <= event["createdAt"] - began <= 90


@pytest.mark.parametrize(
    ("more", "refusal"),
    [
        ({"status": "DRAINING"}, "ServiceNotActiveException"),
        ({"strategy": "DAEMON"}, "InvalidParameterException"),
    ],
)
def test_a_draining_or_daemon_service_cannot_be_scaled(more: Any, refusal: str) -> None:
    aws, service = world_of(1, **more)
    assert code(ask(aws, "ecs", "UpdateService", cluster="prod", service="worker", desiredCount=2)) == refusal
    assert service.desired == 1


def test_a_missing_service_is_a_failure_but_an_error_in_an_update() -> None:
    aws, _ = world_of(1)
    answer = decoded(ask(aws, "ecs", "DescribeServices", cluster="prod", services=["worker", "missing"]))
    assert [one["serviceName"] for one in answer["services"]] == ["worker"]
    assert [failure["reason"] for failure in answer["failures"]] == ["MISSING"]
    update = ask(aws, "ecs", "UpdateService", cluster="prod", service="missing", desiredCount=2)
    assert code(update) == "ServiceNotFoundException"
    nowhere = ask(aws, "ecs", "DescribeServices", cluster="nowhere", services=["worker"])
    assert code(nowhere) == "ClusterNotFoundException"


@pytest.mark.parametrize("count", [20, 23])
def test_a_paged_list_contains_each_service_once(count: int) -> None:
    aws = FakeAws(StillClock())
    for number in range(count):
        aws.world().put_service("prod", f"worker-{number}", 1)
    found, pages, more = [], 0, dict[str, Any]()
    while True:
        pages += 1
        answer = decoded(ask(aws, "ecs", "ListServices", cluster="prod", maxResults=10, **more))
        found += answer["serviceArns"]
        if "nextToken" not in answer:
            break
        more = {"nextToken": answer["nextToken"]}
    assert len(found) == len(set(found)) == count
    assert pages == -(-count // 10)


def test_protection_is_reported_until_it_expires() -> None:
    aws, _ = world_of(2)
    aws.world().protect("prod", "worker", 1, lasts_s=600)
    tasks = decoded(ask(aws, "ecs", "ListTasks", cluster="prod", serviceName="worker"))["taskArns"]
    until = aws.clock.now() + 600
    for pause_s, protected in ((0.0, [until]), (599.0, [until]), (1.0, [])):
        aws.clock.pass_s(pause_s)
        reported = decoded(ask(aws, "ecs", "GetTaskProtection", cluster="prod", tasks=tasks))["protectedTasks"]
        assert [one["expirationDate"] for one in reported if one["protectionEnabled"]] == protected


def test_the_protection_of_a_stopped_task_is_a_failure() -> None:
    aws, service = world_of(2)
    tasks = decoded(ask(aws, "ecs", "ListTasks", cluster="prod", serviceName="worker"))["taskArns"]
    service.scale(1, aws.clock.now())
    answer = decoded(ask(aws, "ecs", "GetTaskProtection", cluster="prod", tasks=tasks))
    assert len(answer["protectedTasks"]) == 1
    assert [failure["reason"] for failure in answer["failures"]] == ["TASK_NOT_VALID"]
