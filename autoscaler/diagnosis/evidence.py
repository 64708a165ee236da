"""The evidence behind a diagnosis: task definitions, the last log lines, deployments, subnets, quotas. Pure.

What is read depends on the causes that were found: `..._to_read` decides it, and bounds it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from autoscaler.diagnosis.classifying import classify
from autoscaler.diagnosis.definitions import LogPlace, TaskDefinition
from autoscaler.diagnosis.events import newest_problem
from autoscaler.diagnosis.groups import StopGroup, present, recent_groups
from autoscaler.diagnosis.reports import NotSeen, ServiceReport, StoppedTasks, primary_of
from autoscaler.diagnosis.stops import StoppedContainer

MOST_DEFINITIONS, MOST_STREAMS = 3, 3
"""Task definitions and log streams that are read for one diagnosis: those of the groups that are shown first."""

MOST_LINES, MOST_LINE = 20, 400
"""Log lines of a stream that are shown, and the characters of one."""

NO_ADDRESS = frozenset({"no_address", "no_network_interface"})
"""Causes for which the free addresses of the service's subnets are read."""

VCPU_QUOTAS = frozenset({"vcpu_quota", "task_above_limit"})
"""Causes for which the account's quota of Fargate vCPUs is read."""


class LogLine(NamedTuple):
    """`at`: seconds since the epoch. `text`: one printable line, with secrets masked."""

    at: float
    text: str


class LogRequest(NamedTuple):
    """The log of a container of one stopped task. `stream`: empty if it cannot be known. `note`: why nothing can be
    read (empty: it can).
    """

    container: str
    task: str
    place: LogPlace
    stream: str = ""
    note: str = ""


class LogTail(NamedTuple):
    """The last lines of a log, oldest first. `note`: why there are none, or what can be missing."""

    request: LogRequest
    region: str
    lines: tuple[LogLine, ...]
    note: str = ""


class Hook(NamedTuple):
    """A life-cycle hook of a deployment. `kind`: PAUSE or AWS_LAMBDA. `since`: seconds since the epoch at which it
    began to wait, or the last change of the deployment. `expires`: when ECS does `action` by itself (None: not known).
    """

    kind: str
    status: str
    since: float | None
    expires: float | None
    action: str


class ServiceDeployment(NamedTuple):
    """A deployment as the service's history shows it. Times in seconds since the epoch (None: not given). `breaker`:
    the status of the circuit breaker, with its `failures` and `threshold`. `rollback`: the reason of a rollback.
    """

    name: str
    status: str
    reason: str
    stage: str
    began: float | None
    ended: float | None
    breaker: str = ""
    failures: int = 0
    threshold: int = 0
    rollback: str = ""
    rolled_back_at: float | None = None
    alarms: tuple[str, ...] = ()
    hooks: tuple[Hook, ...] = ()


class Subnet(NamedTuple):
    name: str
    zone: str
    free_addresses: int


class Quota(NamedTuple):
    name: str
    value: float


class ReadEvidence(NamedTuple):
    """What was read. `definitions`: by family and revision."""

    definitions: Mapping[str, TaskDefinition] = MappingProxyType({})
    logs: tuple[LogTail, ...] = ()
    deployments: tuple[ServiceDeployment, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    quotas: tuple[Quota, ...] = ()
    not_seen: tuple[NotSeen, ...] = ()


NO_EVIDENCE = ReadEvidence()


def failing_groups(
    state: ServiceReport | None, stopped: StoppedTasks, definitions: Mapping[str, TaskDefinition], now: float
) -> list[StopGroup]:
    """Return the groups of stopped tasks that are a problem now, the most important first."""
    return present(recent_groups(stopped.tasks, now, definitions), state)


def definitions_to_read(groups: Sequence[StopGroup]) -> list[str]:
    """Return the task definitions of the failing tasks, newest tasks first, at most `MOST_DEFINITIONS`."""
    names = dict.fromkeys(task.definition for group in groups for task in group.tasks if task.definition)
    return list(names)[:MOST_DEFINITIONS]


def logs_to_read(groups: Sequence[StopGroup], definitions: Mapping[str, TaskDefinition]) -> Iterator[LogRequest]:
    """Yield the log of the container to blame, of the newest task of each group."""
    found = dict.fromkeys(request for group in groups if (request := _log_of(group, definitions)) is not None)
    yield from list(found)[:MOST_STREAMS]


def _log_of(group: StopGroup, definitions: Mapping[str, TaskDefinition]) -> LogRequest | None:
    task = group.tasks[0]
    definition = definitions.get(task.definition)
    name = group.cause.container.partition(", ")[0] or (definition.program if definition else "")
    container = next((one for one in task.containers if one.name == name), None)
    if definition is None or container is None:
        return None
    defined = definition.of(name)
    place = LogPlace("") if defined is None or defined.log is None else defined.log
    if container.exit_code is None and task.ran_s is None:
        return LogRequest(name, task.name, place, note="the container never started, so it has no log")
    return _request(name, task.name, place, container)


def _request(name: str, task: str, place: LogPlace, container: StoppedContainer) -> LogRequest:
    if not place.driver:
        return LogRequest(name, task, place, note="the task definition has no logConfiguration for this container")
    if place.driver == "awsfirelens":
        return LogRequest(name, task, place, note="the log driver is awsfirelens: read the log at its destination")
    if place.driver != "awslogs":
        return LogRequest(name, task, place, note=f"the log driver is {place.driver}: read its log there")
    stream = f"{place.prefix}/{name}/{task}" if place.prefix else container.runtime_id
    note = ""
    if not place.group:
        note = "the logConfiguration has no awslogs-group"
    elif not stream:
        note = "without awslogs-stream-prefix the name of its log stream is not known"
    return LogRequest(name, task, place, stream, note)


def wants_deployments(state: ServiceReport | None, groups: Sequence[StopGroup]) -> bool:
    """Whether a deployment is in progress or has failed, or tasks of another revision fail: it was rolled back."""
    if state is None:
        return False
    primary = primary_of(state)
    others = [one for group in groups for one in group.definitions if primary and one != primary.definition]
    return bool(others) or len(state.rollouts) > 1 or any(one.state != "COMPLETED" for one in state.rollouts)


def causes_of(state: ServiceReport | None, groups: Sequence[StopGroup], now: float) -> frozenset[str]:
    """Return the names of the causes of stopped tasks and of the newest event about a problem."""
    event = newest_problem(state.events, now) if state else None
    return frozenset([*(one.cause.row.name for one in groups), *([classify(event.text).name] if event else [])])
