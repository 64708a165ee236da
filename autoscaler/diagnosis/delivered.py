"""Events of ECS that EventBridge delivers, and the evidence that is kept of them. Pure.

EventBridge delivers an event at least once, and in any order. So the evidence depends on the set of events, and not on
their order or number: the highest version of a task wins, and a service event counts once.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from enum import StrEnum
from functools import lru_cache
from math import inf
from typing import Generic, NamedTuple, TypeVar

from autoscaler.diagnosis.events import is_problem
from autoscaler.diagnosis.reports import ServiceEvent, StoppedTasks
from autoscaler.diagnosis.stops import StoppedTask, cause_of
from autoscaler.diagnosis.table import FailureClass

KEPT_S = 24 * 3600.0
"""Seconds for which evidence is returned: ECS itself forgets a stopped task after about an hour."""

MOST_KEPT = 30
"""Stopped tasks of a service that are kept, and service events: the newest ones. A cause repeats within ten tasks."""

MOST_SERVICES = 500
"""Maximum number of services with evidence: those with the newest events. A task takes about 1 kB, so this is 15 MB."""


class EventType(StrEnum):
    """The type of an event, as in the metrics. `OTHER`: a detail type that the daemon does not use, or unreadable."""

    TASK = "task_state_change"
    SERVICE = "service_action"
    DEPLOYMENT = "deployment_state_change"
    OTHER = "other"


class EventOutcome(StrEnum):
    """What became of an event. `OLD`: a newer version of the task is known, or the event is older than the evidence
    that is kept. `IGNORED`: it reports nothing that is evidence, such as the start of a task. `UNKNOWN_SERVICE`: of a
    service that the daemon does not scale, or of a task of no service. `MALFORMED`: an event of ECS that cannot be
    read. `FOREIGN`: a message that is no event of ECS; it stays in the queue.
    """

    USED = "used"
    DUPLICATE = "duplicate"
    OLD = "old"
    IGNORED = "ignored"
    UNKNOWN_SERVICE = "unknown_service"
    MALFORMED = "malformed"
    FOREIGN = "foreign"


class EcsEvent(NamedTuple):
    """One event. `at`: when ECS emitted it, in seconds since the epoch. `cluster` and `service` are names; `service`
    is empty for a task of no service. `key`: the ARN of the task, or the ID of the event. `version`: of the task, else
    0.

    `stopped` or `said` is the evidence (both None: the event is none). `is_urgent`: polling earlier can help.
    """

    type: EventType
    at: float
    account: str
    region: str
    cluster: str
    service: str
    key: str
    version: int = 0
    stopped: StoppedTask | None = None
    said: ServiceEvent | None = None
    is_urgent: bool = False


class DeliveredEvidence(NamedTuple):
    """The evidence about one service, newest first."""

    stopped: tuple[StoppedTask, ...] = ()
    said: tuple[ServiceEvent, ...] = ()

    def added_to(self, read: StoppedTasks) -> StoppedTasks:
        """Return the stopped tasks that were read and those that were delivered, each once, newest first.

        While a task stops, its times and texts change, so its ID says that it is the same one. The later description
        counts; of equally late ones, the one that was read. A task without an ID counts as another one.
        """
        named = {task.name: task for task in read.tasks if task.name}
        for task in (one for one in self.stopped if one.name):
            known = named.get(task.name)
            if known is None or task.at > known.at:
                named[task.name] = task
        nameless = [task for task in (*read.tasks, *self.stopped) if not task.name]
        return read._replace(tasks=tuple(sorted((*nameless, *named.values()), key=lambda one: -one.at)))

    def with_events(self, read: Sequence[ServiceEvent]) -> tuple[ServiceEvent, ...]:
        """Return the events that were read and those that were delivered, newest first."""
        return tuple(sorted((*read, *self.said), reverse=True))

    @property
    def newest_problem_at(self) -> float:
        """When the newest task stopped that should not, or ECS reported a problem: seconds since the epoch (-infinity:
        never).
        """
        stops = (one.at for one in self.stopped if not _is_expected(one))
        events = (one.at for one in self.said if is_problem(one.text))
        return max(next(stops, -inf), next(events, -inf))


@lru_cache(maxsize=2_000)  # each poll of a service asks again
def _is_expected(task: StoppedTask) -> bool:
    return cause_of(task).row.kind is FailureClass.NORMAL


SENTENCES = {
    "SERVICE_STEADY_STATE": "has reached a steady state",
    "SERVICE_TASK_PLACEMENT_FAILURE": "was unable to place a task",
    "SERVICE_TASK_CONFIGURATION_FAILURE": "was unable to start tasks because of their configuration",
    "SERVICE_TASK_START_IMPAIRED": "is unable to consistently start tasks successfully",
    "ECS_OPERATION_THROTTLED": "operations are being throttled",
}
"""What DescribeServices writes for the name of a service action, as far as the diagnosis needs its words."""

QUIET_ACTIONS = frozenset({"SERVICE_STEADY_STATE", "TASKSET_STEADY_STATE", "CAPACITY_PROVIDER_STEADY_STATE"})
"""Service actions that report no problem."""


def sentence_of(service: str, name: str, reason: str) -> str:
    """Return a service event as DescribeServices writes it. `reason` may be empty. The name stays in the text."""
    said = f"(service {service}) {SENTENCES[name]}: {name}" if name in SENTENCES else f"(service {service}) {name}"
    return f"{said}. Reason: {reason}" if reason else said


Value = TypeVar("Value")


class _Entry(NamedTuple, Generic[Value]):
    at: float
    version: int
    value: Value


class _NewestValues(Generic[Value]):
    """The newest `MOST_KEPT` values, each with a key and a version."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry[Value]] = {}

    def add(self, key: str, entry: _Entry[Value]) -> EventOutcome:
        known = self._entries.get(key)
        if known is not None and entry.version <= known.version:
            return EventOutcome.DUPLICATE if entry.version == known.version else EventOutcome.OLD
        self._entries[key] = entry
        if len(self._entries) > MOST_KEPT:
            oldest = min(self._entries, key=lambda each: (self._entries[each].at, each))
            del self._entries[oldest]
            return EventOutcome.OLD if oldest == key else EventOutcome.USED
        return EventOutcome.USED

    def since(self, at: float) -> tuple[Value, ...]:
        """Return the values that are not older than `at`, newest first."""
        found = sorted(self._entries.items(), key=lambda item: (item[1].at, item[0]), reverse=True)
        return tuple(entry.value for _, entry in found if entry.at >= at)

    @property
    def newest_at(self) -> float:
        return max((entry.at for entry in self._entries.values()), default=float("-inf"))


class _OfService:
    def __init__(self) -> None:
        self.stopped: _NewestValues[StoppedTask] = _NewestValues()
        self.said: _NewestValues[ServiceEvent] = _NewestValues()

    @property
    def newest_at(self) -> float:
        return max(self.stopped.newest_at, self.said.newest_at)


class DeliveredEvents:
    """The evidence of all services, bounded in memory. A service is any value that identifies it."""

    def __init__(self) -> None:
        self._services: dict[Hashable, _OfService] = {}

    def add(self, service: Hashable, event: EcsEvent) -> EventOutcome:
        """Keep the evidence of the event, and return what became of it."""
        if event.stopped is None and event.said is None:
            return EventOutcome.IGNORED
        found = self._services.setdefault(service, _OfService())
        outcome = EventOutcome.IGNORED
        if event.stopped is not None:
            outcome = found.stopped.add(event.key, _Entry(event.at, event.version, event.stopped))
        elif event.said is not None:
            outcome = found.said.add(event.key, _Entry(event.at, event.version, event.said))
        if len(self._services) > MOST_SERVICES:
            del self._services[min(self._services, key=lambda each: self._services[each].newest_at)]
        return outcome

    def of(self, service: Hashable, since: float) -> DeliveredEvidence:
        """Return the evidence that is not older than `since`, in seconds since the epoch."""
        found = self._services.get(service)
        if found is None:
            return DeliveredEvidence()
        return DeliveredEvidence(found.stopped.since(since), found.said.since(since))
