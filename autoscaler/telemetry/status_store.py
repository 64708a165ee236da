"""The status of every service: its newest poll, its last logged decisions, and its history.

Bounded: one poll, at most `MOST_DECISIONS` decisions and 24 hours of numbers for each service, removed with the
service. With more than `MOST_SERVICES_WITH_HISTORY` services, only the newest poll of each is stored. Written on the
event loop only. All returned values are immutable or copies, so that another thread can render them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

from autoscaler.config import Chosen
from autoscaler.core import slo
from autoscaler.core.figures import seconds, several
from autoscaler.core.model import Instant
from autoscaler.core.policy import Mode, Policy
from autoscaler.core.slo import A_MESSAGE, expected_wait_s
from autoscaler.ports import Poll, QueueRef, ServiceRef
from autoscaler.telemetry.account import LogEvent, PollFault, faults_of, is_served, read_at, signals_of
from autoscaler.telemetry.cost import CostToday
from autoscaler.telemetry.past import StatusHistory, sample_of

MOST_DECISIONS = 50
"""Decisions that are stored per service. Half of the space is for events other than `HOLDING`, which is logged every
minute and would otherwise replace all earlier changes.
"""

MOST_SERVICES_WITH_HISTORY = 1_000
"""With more services, no history is stored. It takes 35 KB of numbers each, and decisions with all their inputs."""


class ServiceState(StrEnum):
    """The state of a service: served, not polled yet, or not served because of a fault."""

    OK = "ok"
    STARTING = "starting"
    FAILING = "failing"


class RecordedPoll(NamedTuple):
    """A logged poll, and the wall time at which it was recorded (seconds since the epoch)."""

    wall: float
    event: LogEvent
    poll: Poll
    faults: tuple[PollFault, ...]


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The status of one service. `at` and `wall`: when its newest poll was recorded; before the first one, its start.

    `settings`: the configured settings with their sources. `activate`: how to make the service active (None: unknown).
    `read_at`: the instant of the newest reading of each signal, also while new reads fail. `today`: the cost (None:
    there was no poll yet). `missed_at`: wall time of the newest poll that missed the latency target (None: none has).
    `queues`: the addresses of its queues, as far as the settings have them.
    """

    service: ServiceRef
    policy: Policy
    at: Instant
    wall: float
    poll: Poll | None = None
    faults: tuple[PollFault, ...] = ()
    settings: tuple[Chosen, ...] = ()
    silent_after_s: float | None = None
    activate: str | None = None
    read_at: Mapping[str, Instant] = field(default_factory=lambda: MappingProxyType({}))
    today: CostToday | None = None
    missed_at: float | None = None
    queues: tuple[QueueRef, ...] = ()

    @property
    def state(self) -> ServiceState:
        if self.poll is None:
            return ServiceState.STARTING
        return ServiceState.OK if is_served(self.poll, self.faults) else ServiceState.FAILING

    @property
    def activation(self) -> str | None:
        """How to make the service active, if it is in shadow (None: it is not, or unknown)."""
        return self.activate if self.policy.mode is Mode.SHADOW else None

    @property
    def slo(self) -> Slo:
        """Whether the latency target is met, by the newest poll."""
        return slo_of(self.poll, self.faults)

    @property
    def oldest_s(self) -> float | None:
        """Age of the oldest message of all queues in seconds (None: unknown)."""
        return None if self.poll is None else max(oldest_ages_s(self.poll).values(), default=None)

    def newest_unrecorded(self, recorded: Sequence[RecordedPoll]) -> Poll | None:
        """Return the newest poll if it is not the last of these (None: it is, or there is no poll yet)."""
        return None if recorded and recorded[-1].poll is self.poll else self.poll

    def after(self, poll: Poll, at: Instant, wall: float) -> ServiceStatus:
        """Return the status after this poll."""
        signals = signals_of(poll.policy)
        known = {name: instant for name, instant in self.read_at.items() if name in signals}
        return replace(
            self,
            service=poll.service,
            policy=poll.policy,
            at=at,
            wall=wall,
            poll=poll,
            faults=faults_of(poll),
            read_at=MappingProxyType(known | read_at(poll)),
            today=(self.today or CostToday(wall)).after(self.poll, at - self.at, wall),
            missed_at=wall if _late(poll) else self.missed_at,
        )


class StatusStore:
    """The status of all services. `clock`: monotonic seconds. `wall`: seconds since the epoch."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float]) -> None:
        self.clock = clock
        self.wall = wall
        self.is_aws = True
        """Whether the services are in AWS, and not in a server that stands in for it."""
        self.account_of: Callable[[QueueRef], str | None] = lambda queue: queue.account
        """Returns the account that owns a queue (None: unknown), for links."""
        self._statuses: dict[str, ServiceStatus] = {}
        self._recorded: defaultdict[str, list[RecordedPoll]] = defaultdict(list)
        self._histories: defaultdict[str, StatusHistory] = defaultdict(StatusHistory)

    @property
    def keeps_history(self) -> bool:
        """Whether decisions and the last hours are stored: up to `MOST_SERVICES_WITH_HISTORY` services."""
        return len(self._statuses) <= MOST_SERVICES_WITH_HISTORY

    def admit(
        self,
        service: ServiceRef,
        policy: Policy,
        settings: tuple[Chosen, ...] = (),
        silent_after_s: float | None = None,
        activate: str | None = None,
        *,
        queues: tuple[QueueRef, ...] = (),
    ) -> None:
        """Add the service, as starting. Of a known service only the settings change.

        `silent_after_s`: seconds without a poll after which it counts as stalled (None: the common limit). `activate`:
        how to make the service active. `queues`: their addresses, for links.
        """
        known = self._statuses.get(service.key)
        fresh = known or ServiceStatus(service, policy, self.clock(), self.wall())
        self._statuses[service.key] = replace(
            fresh,
            service=service,
            policy=policy,
            settings=settings,
            silent_after_s=silent_after_s,
            activate=activate,
            queues=queues,
        )
        if not self.keeps_history:
            self._recorded.clear()
            self._histories.clear()

    def dismiss(self, key: str) -> None:
        """Remove the service and all its data."""
        for known in (self._statuses, self._recorded, self._histories):
            known.pop(key, None)

    def note(self, poll: Poll) -> ServiceStatus:
        """Store the poll as the newest of its service, and return the status. An unknown service is added."""
        key = poll.service.key
        if key not in self._statuses:
            self.admit(poll.service, poll.policy)
        status = self._statuses[key].after(poll, self.clock(), self.wall())
        self._statuses[key] = status
        if self.keeps_history:
            interval_s = 0.0 if poll.pace is None else poll.pace.interval_s
            self._histories[key].note(status.wall, sample_of(poll, status.oldest_s), interval_s)
        return status

    def record(self, status: ServiceStatus, event: LogEvent) -> None:
        """Store the newest poll of the service among its decisions."""
        if status.poll is not None and self.keeps_history:
            recorded = RecordedPoll(status.wall, event, status.poll, status.faults)
            entries = self._recorded[status.service.key]
            entries.append(recorded)
            if len(entries) > MOST_DECISIONS:
                del entries[_to_evict(entries)]

    def find(self, key: str) -> ServiceStatus | None:
        return self._statuses.get(key)

    def statuses(self) -> tuple[ServiceStatus, ...]:
        """Return all services, in the order in which they were added."""
        return tuple(self._statuses.values())

    def recorded(self, key: str) -> tuple[RecordedPoll, ...]:
        """Return the logged decisions of the service, oldest first."""
        return tuple(self._recorded.get(key, ()))

    def past(self, key: str) -> StatusHistory | None:
        """Return a copy of the last hours of the service (None: there are none)."""
        known = self._histories.get(key)
        return None if known is None else known.copied()

    def present(self, key: str) -> StatusHistory | None:
        """Return the last hours of the service, which each poll changes: for use on the event loop only (None: there
        are none).
        """
        return self._histories.get(key)

    def silent(self, limit_s: float) -> dict[str, float]:
        """Return the stalled services, with the seconds since their last poll. `limit_s`: the limit of services without
        their own.
        """
        now, found = self.clock(), dict[str, float]()
        for key, status in self._statuses.items():
            age_s = now - status.at
            if age_s > (status.silent_after_s or limit_s):
                found[key] = age_s
        return found


def _to_evict(recorded: Sequence[RecordedPoll]) -> int:
    """Return the index of the entry to remove: the oldest one that only holds if more than half do, else the oldest."""
    held = [at for at, one in enumerate(recorded) if one.event is LogEvent.HOLDING]
    return held[0] if len(held) > MOST_DECISIONS // 2 else 0


# Whether a service meets its latency target now, and the reason.


class SloStatus(StrEnum):
    """missed: a message has waited longer than the latency target. at_risk: a message is expected to. met: neither.
    unknown: it cannot be determined. none: the service has no queue, so it has no latency target.
    """

    MISSED = "missed"
    AT_RISK = "at_risk"
    UNKNOWN = "unknown"
    MET = "met"
    NONE = "none"


class Slo(NamedTuple):
    """The status, and a sentence with the reason."""

    status: SloStatus
    reason: str


SILENT = Slo(SloStatus.UNKNOWN, "its loop has not completed a poll for too long")
"""The status of a service whose loop is stalled: its newest poll is out of date."""

UNPOLLED = Slo(SloStatus.UNKNOWN, "it has not been polled yet")
"""The status of a service before its first poll."""


def slo_of(poll: Poll | None, faults: tuple[PollFault, ...]) -> Slo:
    """Return the SLO status by the newest poll (None: there was none yet)."""
    if poll is None:
        return UNPOLLED
    if not poll.policy.queues:
        return Slo(SloStatus.NONE, "it follows no queue, so there is no latency target")
    if late := _late(poll):
        return Slo(SloStatus.MISSED, late)
    if not is_served(poll, faults):
        return Slo(SloStatus.UNKNOWN, faults[0].reason)
    if risk := _risk(poll):
        return Slo(SloStatus.AT_RISK, risk)
    return Slo(SloStatus.MET, _met(poll))


def oldest_ages_s(poll: Poll) -> dict[str, float]:
    """Return the age of the oldest waiting message of each queue in seconds, 0 if no message waits. It is the estimate;
    before there is one, it is the value of CloudWatch, which is a minute late. A queue without data is omitted.
    """
    return {} if poll.observation is None else slo.oldest_ages_s(poll.observation)


def _late(poll: Poll) -> str | None:
    policy, seen = poll.policy, poll.observation
    for name, waited_s in oldest_ages_s(poll).items():
        if waited_s > policy.latency_of(name):
            target = seconds(policy.latency_of(name))
            return f"{name}: the oldest message is {waited_s:,.0f} s old (latency target {target})"
    known = None if seen is None else seen.knowledge
    if known is None or known.late < A_MESSAGE:
        return None
    return (
        f"about {known.late:,.0f} of {several(round(known.received), 'message')} received since the last poll were late"
    )


def _risk(poll: Poll) -> str | None:
    risk = next((notice.reason for notice in poll.notices if notice.kind == "slo_at_risk"), None)
    if risk is not None or poll.observation is None:
        return risk
    wait_s = expected_wait_s(poll.observation)
    if wait_s is None or wait_s <= poll.policy.shortest_latency_s:
        return None
    return f"a message that arrives now will wait about {wait_s:,.0f} s (latency target {_target_s(poll.policy)})"


def _met(poll: Poll) -> str:
    oldest_s = max(oldest_ages_s(poll).values(), default=None)
    if oldest_s is None:
        return f"no sign of a message that waits longer than the latency target of {_target_s(poll.policy)}"
    if oldest_s == 0:
        return f"no message is waiting (latency target {_target_s(poll.policy)})"
    return f"the oldest message is {oldest_s:,.0f} s old (latency target {_target_s(poll.policy)})"


def _target_s(policy: Policy) -> str:
    return seconds(policy.shortest_latency_s)
