"""The diagnosis of a service from what was read: events, and the parts of a group."""

from __future__ import annotations

import pytest

from autoscaler.diagnosis.concluding import Diagnosis, concluded
from autoscaler.diagnosis.events import class_of_event, newest_problem
from autoscaler.diagnosis.reports import ServiceEvent, ServiceReport, StoppedTasks
from autoscaler.diagnosis.stops import StoppedContainer, StoppedTask

NOW = 1_000_000.0
STATE = ServiceReport("ACTIVE", 3, 3, 0, "worker:8")


def stopped(
    reason: str = "", code: int | None = None, ran_s: float | None = 4.0, waited_s: float = 31.0
) -> StoppedTask:
    return StoppedTask(NOW - 60, ran_s, waited_s, "", reason, "worker:8", (StoppedContainer("app", code, ""),))


def result(*tasks: StoppedTask) -> Diagnosis:
    return concluded(STATE, StoppedTasks(tasks), (), NOW)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("has started 2 tasks: (task abc).", "normal"),
        ("has stopped 1 running tasks: (task abc).", "normal"),
        ("registered 1 targets in (target-group x)", "normal"),
        ("deregistered 1 targets in (target-group quota-exceeded)", "normal"),
        ("has begun draining connections on 1 tasks.", "normal"),
        ("has reached a steady state.", "normal"),
        ("(deployment ecs-svc/1) deployment completed.", "normal"),
        ("attached EBS volume vol-1 to (task 0a1b) within 12 s.", "normal"),
        ("has stopped 1 running tasks because they failed health checks", "application"),
        ("was unable to place a task. Reason: Capacity is unavailable at this time.", "capacity"),
        ("(deployment ecs-svc/1) deployment failed: tasks failed to start.", "fix"),
        ("is unable to consistently start tasks successfully.", "fix"),
        ("zork", "unknown"),
    ],
)
def test_an_event_has_the_class_that_the_daemon_gives_it(text: str, kind: str) -> None:
    assert class_of_event(text) == kind
    is_problem = kind not in {"normal", "unknown"}
    assert (newest_problem([ServiceEvent(NOW, text)], NOW) is not None) is is_problem


def test_an_event_that_only_the_pattern_of_the_daemon_knows_is_a_finding_with_its_text() -> None:
    events = (ServiceEvent(NOW - 5, "could not launch zork. Will try again later."),)
    found = concluded(STATE._replace(events=events), StoppedTasks(), (), NOW)
    assert [one.name for one in found.findings] == ["unknown"]
    assert 'ECS gives a reason that is not known: "could not launch zork' in found.paragraph


@pytest.mark.parametrize(("before_s", "is_found"), [(1.0, False), (0.0, False), (-1.0, True)])
def test_a_problem_at_the_time_of_a_steady_state_or_before_it_is_over(before_s: float, *, is_found: bool) -> None:
    problem = ServiceEvent(NOW - 60 - before_s, "was unable to place a task.")
    steady = ServiceEvent(NOW - 60, "has reached a steady state.")
    events = sorted([problem, steady], reverse=True)
    assert (newest_problem(events, NOW) is not None) is is_found


def test_ids_do_not_split_a_group_of_unknown_texts_and_other_texts_do() -> None:
    texts = ("zork of 5d6c5f4d2a7b4c0e 12", "zork of 0a1b2c3d4e5f6a7b 7", "blarg")
    found = result(*map(stopped, texts))
    assert [len(one.tasks) for one in found.groups] == [2, 1]
    assert 'ECS gives a reason that is not known: "zork of 5d6c5f4d2a7b4c0e 12"' in found.paragraph


def test_an_exit_code_is_named_only_if_all_tasks_of_the_group_have_it() -> None:
    assert "(container app, exit code 1)" in result(stopped(code=1), stopped(code=1)).paragraph
    several = result(stopped(code=1), stopped(code=2))
    assert "(container app)" in several.paragraph
    assert several.groups[0].exit_codes == {"app": {1: 1, 2: 1}}


def test_times_are_medians_and_a_group_that_mostly_never_started_says_so() -> None:
    assert "stopped 6 s after start" in result(*(stopped(code=1, ran_s=ran_s) for ran_s in (4, 6, 900))).paragraph
    rare = [stopped(code=1, ran_s=None, waited_s=waited_s) for waited_s in (20, 31)]
    assert "never started, 31 s after the request" in result(*rare, stopped(code=1, ran_s=4.0)).paragraph


def test_every_task_of_the_last_hour_is_in_one_group() -> None:
    tasks = [stopped(code=code) for code in (0, 1, 137, 143, None)]
    old = stopped(code=1)._replace(at=NOW - 3_601)
    found = result(*tasks, old)
    assert sum(len(one.tasks) for one in found.groups) == len(tasks) == found.groups[0].of
    assert len({id(one) for group in found.groups for one in group.tasks}) == len(tasks)


def test_general_causes_are_not_repeated_after_the_main_one() -> None:
    events = (ServiceEvent(NOW - 5, "(deployment ecs-svc/1) deployment failed: tasks failed to start."),)
    found = concluded(STATE._replace(events=events), StoppedTasks((stopped(code=1),)), (), NOW)
    assert [one.name for one in found.findings] == ["exited", "failed_to_start"]
    assert "Also" not in found.paragraph
