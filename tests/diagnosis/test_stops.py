"""The cause of a stopped task, and the container to blame."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.diagnosis.stops import StoppedContainer, StoppedTask, cause_of

ESSENTIAL = ("EssentialContainerExited", "Essential container in task exited")
MEMORY = "OutOfMemoryError: Container killed due to memory usage"
PULL = "CannotPullContainerError: failed to resolve ref worker:v7: not found"


def stopped(code: str, reason: str, *containers: tuple[Any, ...]) -> StoppedTask:
    return StoppedTask(0.0, 4.0, 15.0, code, reason, "worker:8", tuple(StoppedContainer(*one) for one in containers))


@pytest.mark.parametrize(
    ("code", "reason", "containers", "name", "blamed"),
    [
        # an error of its own is the cause; the others got a signal, or ended well
        (*ESSENTIAL, [("app", 1, ""), ("log", 0, "")], "exited", "app"),
        (*ESSENTIAL, [("app", 143, ""), ("log", 1, "")], "exited", "log"),
        (*ESSENTIAL, [("app", 137, ""), ("log", 1, "")], "exited", "log"),
        (*ESSENTIAL, [("app", 0, ""), ("log", 137, "")], "killed", "log"),
        (*ESSENTIAL, [("log", 0, ""), ("app", 143, "")], "essential_container_exited", "log"),
        (*ESSENTIAL, [("app", 139, ""), ("log", 137, "")], "crash", "app"),
        (*ESSENTIAL, [("app", 127, "")], "command", "app"),
        (*ESSENTIAL, [("log", 1, ""), ("app", 137, MEMORY)], "out_of_memory", "app"),
        ("EssentialContainerExited", MEMORY, [("app", 137, MEMORY)], "out_of_memory", "app"),
        (*ESSENTIAL, [("app", 143, "")], "essential_container_exited", ""),
        (*ESSENTIAL, [("app", 0, "")], "essential_container_exited", "app"),
        (*ESSENTIAL, [("app", None, ""), ("log", 2, "")], "exited", "log"),
        (*ESSENTIAL, [], "essential_container_exited", ""),
        # equal causes
        (*ESSENTIAL, [("app", 1, ""), ("web", 2, ""), ("log", 0, "")], "exited", "app, web"),
        # exit codes of Windows, whose first digits are other codes
        (*ESSENTIAL, [("app", 1370, "")], "exited", "app"),
        (*ESSENTIAL, [("app", 1271, "")], "exited", "app"),
        (*ESSENTIAL, [("app", 3221225786, "")], "exited", "app"),
        (*ESSENTIAL, [("app", -1, "")], "exited", "app"),
        # never started
        ("TaskFailedToStart", PULL, [("app", None, PULL)], "image_gone", "app"),
        ("TaskFailedToStart", "", [("app", None, PULL), ("log", None, "TaskStoppedBeforePullBeginError: Task stopped")],
         "image_gone", "app"),
        ("TaskFailedToStart", "ResourceInitializationError: failed to invoke EFS utils commands", [("app", None, "")],
         "efs", ""),
        ("TaskFailedToStart", "Task failed to start", [("init", 0, ""), ("app", None, "")], "failed_to_start", ""),
        ("TaskFailedToStart", "zork", [("app", None, "blarg")], "failed_to_start", ""),
        # a stop by others is the cause, whatever the containers and the words of a user say
        ("SpotInterruption", "Your Spot Task was interrupted.", [("app", 137, MEMORY)], "spot_interruption", ""),
        ("TerminationNotice", "", [("app", 1, "")], "spot_interruption", ""),
        ("", "Your Spot Task was interrupted.", [("app", 1, "")], "spot_interruption", ""),
        ("UserInitiated", MEMORY, [("app", 1, "")], "by_a_user", ""),
        ("InfrastructureHealth", "zork", [("app", 137, "")], "host_unhealthy", ""),
        ("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment ecs-svc/1)", [("app", 1, "")],
         "scaling", ""),
        ("ServiceSchedulerInitiated", "zork", [("app", 137, "")], "unknown", ""),
        # the scheduler stops a task that fails a health check
        ("ServiceSchedulerInitiated", "Task failed container health checks",
         [("app", 137, "", True), ("log", 0, "", False)], "health_check", "app"),
        ("ServiceSchedulerInitiated", "Task failed ELB health checks in (target-group x)", [("app", 137, "")],
         "health_check", ""),
        ("", "", [], "unknown", ""),
        ("NewCode", "zork", [("app", None, "")], "unknown", ""),
        ("NewCode", "zork", [("app", 1, "")], "exited", "app"),
    ],
)  # fmt: skip
def test_the_cause_and_the_container_to_blame(code: str, reason: str, containers: Any, name: str, blamed: str) -> None:
    found = cause_of(stopped(code, reason, *containers))
    assert (found.row.name, found.container) == (name, blamed)


def test_the_text_has_every_reason_once_and_otherwise_the_code() -> None:
    assert cause_of(stopped("TaskFailedToStart", PULL, ("app", None, PULL), ("log", None, "zork"))).text == (
        f"{PULL} / zork"
    )
    assert cause_of(stopped("InfrastructureHealth", "")).text == "InfrastructureHealth"


CONTAINERS = st.lists(
    st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 255), st.sampled_from(["", "zork", MEMORY, PULL])),
    max_size=4,
)


@given(
    code=st.sampled_from(["", "zork", "TaskFailedToStart", "EssentialContainerExited"]),
    reason=st.sampled_from(["", "zork", ESSENTIAL[1], PULL]),
    containers=CONTAINERS,
)
def test_the_blamed_container_is_one_of_the_task_and_the_order_of_containers_changes_no_cause(
    code: str, reason: str, containers: Any
) -> None:
    found, other = (cause_of(stopped(code, reason, *each)) for each in (containers, reversed(containers)))
    assert set(filter(None, found.container.split(", "))) <= {name for name, _, _ in containers}
    assert set(found.container.split(", ")) == set(other.container.split(", "))
    assert (found.row.kind, found.row.name) == (other.row.kind, other.row.name)
