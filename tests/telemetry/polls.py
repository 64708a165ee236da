"""Polls with decisions of the real `decide`, a clock that the test sets, and a logger that stores its lines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Fleet, Missing, Observation, QueueReading, Utilization
from autoscaler.core.policy import Mode, Policy, QueuePolicy
from autoscaler.ports import Category, Poll, ServiceRef
from autoscaler.telemetry import LoggedJournal, Metrics, StatusStore
from autoscaler.telemetry.journal import StructuredLogger

NOON = 1_800_000_000.0
"""A wall time in seconds since the epoch. At this time the monotonic clock is at 1,000 s."""


@dataclass
class FixedClock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now

    def wall(self) -> float:
        return NOON + self.now - 1_000.0


@dataclass
class Lines:
    """A logger that stores each line as (level, event, fields)."""

    entries: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event: str, **fields: Any) -> None:
        self.entries.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.entries.append(("warning", event, fields))

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.entries]


@dataclass
class JournalDesk:
    """A journal with its clock, its log, its status store and its metrics."""

    clock: FixedClock = field(default_factory=FixedClock)
    lines: Lines = field(default_factory=Lines)
    log: StructuredLogger | None = None
    log_interval_s: float = 60.0

    def __post_init__(self) -> None:
        self.store = StatusStore(self.clock, self.clock.wall)
        self.metrics = Metrics(self.store, self.clock, lambda: {Category.SERVICE_MODIFY: 12.0})
        self.journal = LoggedJournal(self.store, self.metrics, self.log or self.lines, self.log_interval_s)

    def record(self, poll: Poll, after_s: float = 0.0) -> None:
        self.clock.now += after_s
        self.journal.record(poll)


SERVICE = ServiceRef("orders", "prod", "orders-worker")


def policy_of(name: str = "orders", **fields: Any) -> Policy:
    usual: dict[str, Any] = {
        "queues": (QueuePolicy("orders-queue", 60.0),),
        "max_tasks": 20,
        "min_tasks": 0,
        "tolerance": 0.0,
        "mode": Mode.ACTIVE,
    }
    return Policy(name, **(usual | fields))


def seen(
    now: float = 1_000.0,
    tasks: int = 2,
    backlog: Backlog | Missing | tuple[int, int, int] = (0, 10, 0),
    queue: str = "orders-queue",
    cpu: Utilization | Missing | None = None,
) -> Observation:
    """Return the observation of a poll: `tasks` desired and running, one queue with (visible, in flight, delayed)."""
    counts = Backlog(*backlog, at=now) if isinstance(backlog, tuple) else backlog
    return Observation(now, Fleet(tasks, tasks, 0, now), (QueueReading(queue, counts),), cpu)


def decided(
    observation: Observation,
    outcome: str = "",
    failure: str | None = None,
    service: ServiceRef = SERVICE,
    policy: Policy | None = None,
    memory: Memory | None = None,
) -> Poll:
    """Return a poll with the decision of `decide`. `outcome` empty: ECS accepted the change, if there is one."""
    policy, memory = policy or policy_of(service.key), memory or Memory()
    decision = decide(policy, memory, observation)
    outcome = outcome or ("unchanged" if decision.target == decision.current else "accepted")
    return Poll(service, policy, observation, memory, decision, outcome, failure, took_s=0.02, lag_s=0.001)


def unread(reason: str = "prod/orders-worker does not exist", kind: str = "not_found", **of: Any) -> Poll:
    """Return a poll in which ECS could not be read."""
    service = of.get("service", SERVICE)
    return Poll(service, of.get("policy") or policy_of(service.key), None, Memory(), None, kind, reason, took_s=0.02)


def holding() -> Poll:
    return decided(seen())


def scaling_out() -> Poll:
    return decided(seen(backlog=(100, 0, 0)))


def missing_signal(
    kind: str = "denied", reason: str = "not allowed; give the task role sqs:GetQueueAttributes"
) -> Poll:
    return decided(seen(backlog=Missing(reason, kind)))


def refused(kind: str = "throttled", reason: str = "AWS throttled the call") -> Poll:
    return decided(seen(backlog=(100, 0, 0)), kind, reason)


def shadowed(messages: int = 100) -> Poll:
    return decided(seen(backlog=(messages, 0, 0)), "shadow")
