"""What a diagnosis means for scale-out: which failures hold it, until when, and which are over."""

from __future__ import annotations

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory, RunningCount
from autoscaler.core.model import Fleet, StartHold
from autoscaler.diagnosis.concluding import Diagnosis, concluded
from autoscaler.diagnosis.groups import RECENT_S
from autoscaler.diagnosis.holding import (
    LONGEST_STAY_S,
    MOST_TEXT,
    SHORTEST_STAY_S,
    StartTrouble,
    summary_of,
    trouble_of,
)
from autoscaler.diagnosis.reports import Rollout, ServiceEvent, ServiceReport, StoppedTasks
from autoscaler.diagnosis.stops import StoppedContainer, StoppedTask
from autoscaler.diagnosis.table import UNKNOWN, Failure, failures
from tests.core import calm

NOW = 1_000_000.0
DEPLOYED = NOW - 7200.0
PULL = "CannotPullContainerError: pull image manifest has been retried 1 time(s): not found"
NO_ROOM = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
IMPAIRED = "is unable to consistently start tasks successfully."


def stop(
    reason: str, age_s: float = 20.0, ran_s: float | None = None, code: int | None = None, definition: str = "web:8"
) -> StoppedTask:
    return StoppedTask(NOW - age_s, ran_s, 12.0, "", reason, definition, (StoppedContainer("app", code, ""),))


def crash(age_s: float = 20.0, ran_s: float = 4.0) -> StoppedTask:
    return stop("Essential container in task exited", age_s, ran_s, 1)


def service(
    desired: int = 4, running: int = 0, *events: ServiceEvent, deployed: float = DEPLOYED, definition: str = "web:8"
) -> ServiceReport:
    primary = Rollout("PRIMARY", "COMPLETED", "", definition, deployed, desired, running, 0)
    return ServiceReport("ACTIVE", desired, running, desired - running, definition, events, (primary,))


def examined(state: ServiceReport, *tasks: StoppedTask) -> Diagnosis:
    return concluded(state, StoppedTasks(tasks), (), NOW)


def found(state: ServiceReport, *tasks: StoppedTask, since: float = 0.0) -> StartTrouble | None:
    return trouble_of(examined(state, *tasks), since, lambda at: at - NOW, state.running)


@pytest.mark.parametrize(
    ("reason", "kind", "hold"),
    [
        (PULL, "fix", StartHold.UNTIL_CHANGED),
        (NO_ROOM, "capacity", StartHold.WHILE_MISSING),
        ("You've reached the limit on the number of vCPUs you can run concurrently", "quota", StartHold.WHILE_MISSING),
        ("zork", "unknown", StartHold.NOTHING),
    ],
)
def test_the_class_of_a_cause_decides_what_it_holds(reason: str, kind: str, hold: StartHold) -> None:
    trouble = found(service(), stop(reason))
    assert trouble is not None
    assert (trouble.failure.kind, trouble.failure.hold, trouble.failure.at) == (kind, hold, -20.0)
    assert trouble.failure.reason.startswith("The last task never started, 12 s after the request: ")


@pytest.mark.parametrize(
    ("running", "ran_s", "tasks", "hold"),
    [
        (0, 4.0, 3, StartHold.UNTIL_CHANGED),
        (1, 4.0, 1, StartHold.UNTIL_CHANGED),
        (2, 4.0, 3, StartHold.NOTHING),  # half of the tasks run: a message may end the others
        (0, 61.0, 3, StartHold.NOTHING),  # they did work before
    ],
)
def test_a_program_that_ends_holds_only_if_most_tasks_end_soon(
    running: int, ran_s: float, tasks: int, hold: StartHold
) -> None:
    trouble = found(service(4, running), *(crash(20.0 + each, ran_s) for each in range(tasks)))
    assert trouble is not None
    assert (trouble.failure.kind, trouble.failure.hold) == ("application", hold)


@pytest.mark.parametrize(
    ("ran_s", "hold"), [(None, StartHold.UNTIL_CHANGED), (5.0, StartHold.UNTIL_CHANGED), (7200.0, StartHold.NOTHING)]
)
def test_a_task_that_worked_before_its_end_does_not_hold_the_others(ran_s: float | None, hold: StartHold) -> None:
    """A program may end with 127 itself; its command was found hours ago."""
    trouble = found(service(100, 99), stop("Essential container in task exited", 20.0, ran_s, 127))
    assert trouble is not None
    assert (trouble.failure.cause, trouble.failure.hold) == ("command", hold)


def test_other_stops_in_the_majority_do_not_hold_for_a_program_that_ends() -> None:
    trouble = found(service(), crash(), *(stop(NO_ROOM, 30.0 + each) for each in range(3)))
    assert trouble is not None
    assert trouble.failure.hold is StartHold.WHILE_MISSING


def test_a_failure_is_over_when_a_task_stayed_up_since_or_a_deployment_began() -> None:
    assert found(service(), stop(PULL, 20.0), since=NOW - 21.0) is not None
    assert found(service(), stop(PULL, 20.0), since=NOW - 20.0) is None
    assert found(service(deployed=NOW - 21.0), stop(PULL, 20.0)) is not None
    assert found(service(deployed=NOW - 20.0), stop(PULL, 20.0)) is None
    assert found(service(definition="web:9"), stop(PULL)) is None, "the tasks of another revision fail"
    assert found(service(), stop(PULL, RECENT_S - 1.0)) is not None
    assert found(service(), stop(PULL, RECENT_S)) is None


def test_expected_stops_and_a_steady_service_are_no_failure() -> None:
    assert found(service()) is None
    assert found(service(4, 4), stop("Scaling activity initiated by (deployment ecs-svc/1)")) is None


def test_the_waiting_time_of_ecs_between_attempts_holds_until_something_is_changed() -> None:
    state = service(4, 0, ServiceEvent(NOW - 60.0, IMPAIRED))
    trouble = found(state)
    assert trouble is not None
    assert trouble.failure.hold is StartHold.UNTIL_CHANGED
    assert "a new deployment" in trouble.failure.remedy
    assert found(state, since=NOW - 60.0) is None
    both = found(state, stop(NO_ROOM))
    assert both is not None
    assert (both.failure.kind, both.failure.hold) == ("capacity", StartHold.UNTIL_CHANGED), "the stop says why"
    assert both.failure.remedy == trouble.failure.remedy, "more room alone does not end the waiting"


@pytest.mark.parametrize(
    ("ran_s", "stays_s"), [(None, 0.0), (0.0, SHORTEST_STAY_S), (4.0, 30.0), (20.0, 60.0), (3000.0, LONGEST_STAY_S)]
)
def test_a_task_stays_up_if_it_runs_clearly_longer_than_the_failed_ones(ran_s: float | None, stays_s: float) -> None:
    trouble = found(service(), stop("Essential container in task exited", 20.0, ran_s, 1))
    assert trouble is not None
    assert trouble.stays_s == stays_s


def test_a_summary_has_a_limited_size() -> None:
    tasks = [stop(f"{chr(97 + each % 26) * 3000}", each, definition=f"web:{each}") for each in range(50)]
    summary = summary_of(examined(service(), *tasks))
    assert summary.findings
    assert summary.stops
    assert len(repr(summary)) < 20 * MOST_TEXT


REQUESTED = {
    "fix": 4, "wait": 4, "capacity": 4, "quota": 4,
    "application": 4,  # no task stays up
    "infrastructure": 30, "normal": 30, "unknown": 30,
}  # fmt: skip
"""The target of a service with 4 desired tasks that do not run and work for 30, by the class of the cause."""


@pytest.mark.parametrize("row", [*failures(), UNKNOWN], ids=lambda row: row.name)
def test_what_is_requested_after_each_cause(row: Failure) -> None:
    """A stop with the example of the row, its diagnosis, and the decision on it."""
    text = row.example or "zork"
    task = StoppedTask(NOW - 20.0, None, 12.0, "", text, "web:8", ())
    trouble = trouble_of(examined(service(), task), 0.0, lambda at: at - NOW + calm.NOW, 0)
    failure = None if trouble is None else trouble.failure
    assert failure is None or failure.kind == row.kind
    fleet = Fleet(4, 0, 4, calm.NOW, failure=failure)
    memory = Memory(starting=RunningCount(calm.NOW - 30.0, 0))
    assert decide(calm.policy(), memory, calm.seen(300, fleet=fleet)).target == REQUESTED[row.kind]


@pytest.mark.parametrize(
    ("age_s", "running", "is_over"),
    [(RECENT_S, 90, True), (RECENT_S, 89, False), (RECENT_S - 1.0, 100, False)],
)
def test_an_old_event_is_over_if_nearly_all_tasks_stay_up(age_s: float, running: int, *, is_over: bool) -> None:
    event = ServiceEvent(NOW - age_s, IMPAIRED)
    assert (found(service(100, running, event)) is None) is is_over


def test_tasks_that_did_useful_work_do_not_prolong_the_hold_of_an_event() -> None:
    """A crash of one worker after 15 minutes is not why others do not start."""
    trouble = found(service(100, 50, ServiceEvent(NOW - 60.0, IMPAIRED)), crash(ran_s=900.0))
    assert trouble is not None
    assert (trouble.failure.cause, trouble.stays_s) == ("start_backoff", SHORTEST_STAY_S)
    assert trouble.failure.at == -60.0
