"""Admission: what spans services. A decision passes here just before its write, and may come back restrained.

Fleet cap: of the tasks of all services that are watched, at most a share is removed within `WINDOW_S`; when many
queues read zero at once, that is more likely a fault than the end of all work. Shared caps: the tasks of several
services together take no more of one thing (connections of a database, say) than there is; a cap holds back a
scale-out, and never forces a scale-in. Both: first come, first served.

Law: nothing is awaited between a check and its reservation. A reservation is given back only where ECS certainly did
not take the change; where nobody knows, it stands until ECS shows the count, or the service asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

from autoscaler.config.model import SharedCap
from autoscaler.core.engine import limit_decision
from autoscaler.core.figures import several
from autoscaler.core.model import Decision, Instant, Rule, Verdict

WINDOW_S = 300.0
"""The fleet cap counts removals whose age is less than this."""

SHARE_PERCENT = 50
"""Of the tasks of several services, at most half go within the window unless the settings say otherwise."""

WRITE_S = 5.0
"""A change may take effect so long after it was admitted: longer than any call to AWS is waited for."""


@dataclass(slots=True)
class _Removal:
    """Tasks that were removed at `at`, or are about to be. `of`: so many were watched before it."""

    at: Instant
    tasks: int
    of: int


@dataclass(slots=True)
class _Open:
    """A change that was admitted, and is not known to be made. `before`: the count that it starts from."""

    before: int
    target: int
    removal: _Removal | None


@dataclass(frozen=True, slots=True)
class _Share:
    """One service's part in a shared cap: what one task of each member takes."""

    cap: SharedCap
    per_task: Mapping[str, int]
    own: int


@dataclass(slots=True)
class Admission:
    """One for all services of a daemon, which join and leave. `fleet_cap_percent` None: `SHARE_PERCENT` with several
    services, no cap with a single one.

    The counts are those that ECS last showed or accepted, and for a scale-out under way the larger one: what
    somebody else does to a service is known from its own next reading on. A service
    that does not exist has no tasks; one that could not be read yet is unknown, which is not zero.
    """

    services: Iterable[str]
    """Those that are there from the beginning."""
    clock: Callable[[], Instant]
    fleet_cap_percent: int | None = None
    caps: Iterable[SharedCap] = ()
    _counts: dict[str, int] = field(default_factory=dict)
    _watched: int = 0
    _open: dict[str, _Open] = field(default_factory=dict)
    _removals: list[_Removal] = field(default_factory=list)
    _shares: dict[str, list[_Share]] = field(default_factory=dict)
    _members: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._members |= set(self.services)
        for cap in self.caps:
            per_task = dict(cap.per_task)
            for key, own in cap.per_task:
                self._shares.setdefault(key, []).append(_Share(cap, per_task, own))

    def join(self, key: str) -> None:
        """The service is one of them from now on."""
        self._members.add(key)

    def leave(self, key: str) -> None:
        """The service is looked after no more: none of its tasks is counted. What it removed stays removed."""
        self._members.discard(key)
        self._open.pop(key, None)
        self._watched -= self._counts.pop(key, 0)
        if key in self._shares:
            self._counts[key] = 0

    def saw(self, key: str, desired: int) -> None:
        """ECS shows this count. A change whose answer was lost is made, if it shows at least that."""
        change = self._open.get(key)
        if change is not None and change.removal is not None and desired <= change.target:
            self._close(key)
        self._set(key, desired)

    def absent(self, key: str) -> None:
        """There is no such service, and so it has no tasks."""
        self._set(key, 0)

    def admit(self, key: str, decision: Decision) -> Decision:
        """The decision as far as it may be carried out, with what it takes reserved until `made` or `given_back`."""
        if decision.verdict is Verdict.SCALE_OUT:
            decision = self._within_shares(key, decision)
        elif decision.verdict is Verdict.SCALE_IN:
            self._forget(key)
            decision = self._within_fleet_cap(decision)
        if decision.verdict is not Verdict.HOLD:
            self._reserve(key, decision)
        return decision

    def made(self, key: str) -> None:
        """ECS accepted the change that was admitted last. Its time is now: it may have taken a while."""
        change = self._open.get(key)
        if change is not None:
            self._close(key)
            self._set(key, change.target)

    def given_back(self, key: str) -> None:
        """The change that was admitted last was certainly not made."""
        change = self._open.get(key)
        if change is not None:
            self._forget(key)
            self._set(key, change.before)

    def _forget(self, key: str) -> None:
        change = self._open.pop(key, None)
        if change is not None and change.removal is not None:
            self._removals = [removal for removal in self._removals if removal is not change.removal]

    def _close(self, key: str) -> None:
        change = self._open.pop(key)
        if change.removal is not None:
            change.removal.at = self.clock()

    def _reserve(self, key: str, decision: Decision) -> None:
        """Until ECS has spoken, a scale-out counts as made, and of a scale-in both the tasks and their removal."""
        removal, tasks = None, decision.current - decision.target
        if tasks > 0 and self._cap_percent is not None:
            removal = _Removal(self.clock() + WRITE_S, tasks, self._watched)
            self._removals.append(removal)
        self._open[key] = _Open(decision.current, decision.target, removal)
        self._set(key, max(decision.current, decision.target))

    @property
    def _cap_percent(self) -> int | None:
        if self.fleet_cap_percent is None and len(self._members) > 1:
            return SHARE_PERCENT
        return self.fleet_cap_percent

    def _set(self, key: str, tasks: int) -> None:
        self._watched += tasks - self._counts.get(key, 0)
        self._counts[key] = tasks

    def _within_fleet_cap(self, decision: Decision) -> Decision:
        """Of the most that were watched before any removal of the window, the share goes, rounded up."""
        percent = self._cap_percent
        if percent is None:
            return decision
        now = self.clock()
        self._removals = [removal for removal in self._removals if now - removal.at < WINDOW_S]
        fleet = max([self._watched, *(removal.of for removal in self._removals)])
        most, gone = -(-fleet * percent // 100), sum(removal.tasks for removal in self._removals)
        return limit_decision(
            decision,
            Rule.FLEET_CAP,
            decision.current - max(0, most - gone),
            f"at most {percent} % of {several(fleet, 'task')} go within {WINDOW_S:g} s; {gone} of {most} went",
        )

    def _within_shares(self, key: str, decision: Decision) -> Decision:
        for share in self._shares.get(key, ()):
            most, reason = self._left(key, share)
            decision = (
                decision if decision.target <= most else limit_decision(decision, Rule.SHARED_CAP, int(most), reason)
            )
        return decision

    def _left(self, key: str, share: _Share) -> tuple[float, str]:
        """The most tasks that the service may have beside the others' present ones, and why."""
        others = {other: each for other, each in share.per_task.items() if other != key}
        unread = sorted(other for other in others if other not in self._counts)
        if unread:
            return 0, f"how many tasks {' and '.join(unread)} have is not known yet, and they share {share.cap.name}"
        taken = sum(self._counts[other] * each for other, each in others.items())
        left = max(0, share.cap.most - taken)
        reason = f"{left} of {share.cap.most} {share.cap.name} are left, and a task takes {share.own}"
        return (left // share.own if share.own else inf), reason
