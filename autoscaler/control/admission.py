"""Admission: the limits that span services. Each decision is checked here just before its write, and may be limited.

Fleet cap: at most a percentage of the tasks of all services is removed within `WINDOW_S`. If many queues read zero at
once, a fault is more likely than the end of all work. Shared caps: the tasks of several services together use no more
of one resource (for example database connections) than its capacity. A shared cap limits a scale-out and never forces a
scale-in. Both are first come, first served.

Invariant: nothing is awaited between a check and its reservation. A reservation is released only if ECS certainly did
not accept the change. If that is not known, it stays until ECS shows the count or the service is decided again. Until
then, the fleet cap counts the tasks of an unknown removal as removed, and not as present.

What was removed before the start is not known: AWS keeps no history of the desired counts. The autoscaler itself may
have removed all that the cap permits just before it was restarted. So the cap permits nothing in the first window. A
single service has no cap by default, and then waits only for its own warm-up.
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
"""The fleet cap counts removals that are younger than this."""

SHARE_PERCENT = 50
"""The default fleet cap with several services: at most half of the tasks are removed within the window."""

WRITE_S = 5.0
"""Assumed seconds from the admission of a scale-in to its effect: longer than the daemon's timeout of an AWS call (3
s). A wait for a rate-limit token is not included.
"""

FIRST_WINDOW_S = WINDOW_S + WRITE_S
"""Seconds after the start in which nothing is removed under a fleet cap: a removal that was requested just before the
start takes effect up to `WRITE_S` later.
"""

EVERYTHING_PERCENT = 100
"""A fleet cap that limits nothing after a start: all present tasks may be removed."""


@dataclass(slots=True, eq=False)
class _Removal:
    """Tasks that were removed at `at`, or will be. `of`: the number of tasks of all services at `since`, before it. A
    removal whose result is known late has a late `at`: its tasks count for longer, but `of` does not.
    """

    at: Instant
    tasks: int
    of: int
    since: Instant


@dataclass(slots=True)
class _Open:
    """An admitted change that is not confirmed. `before`: the count that it starts from."""

    before: int
    target: int
    removal: _Removal | None


@dataclass(frozen=True, slots=True)
class _Share:
    """One service's part in a shared cap. `per_task`: the units that one task of each member uses."""

    cap: SharedCap
    per_task: Mapping[str, int]
    own: int


@dataclass(slots=True)
class Admission:
    """One instance for all services of a daemon. `fleet_cap_percent` None: `SHARE_PERCENT` with several services, no
    cap with a single one.

    The counts are those that ECS last showed or accepted; for a scale-out in progress the larger one. A change by
    another program counts from the next reading of that service. A service that does not exist has 0 tasks. A service
    that was not yet read is unknown, which is not zero.
    """

    services: Iterable[str]
    """The keys of the services at the start."""
    clock: Callable[[], Instant]
    fleet_cap_percent: int | None = None
    caps: Iterable[SharedCap] = ()
    _counts: dict[str, int] = field(default_factory=dict)
    _watched: int = 0
    _open: dict[str, _Open] = field(default_factory=dict)
    _removals: list[_Removal] = field(default_factory=list)
    _shares: dict[str, list[_Share]] = field(default_factory=dict)
    _members: set[str] = field(default_factory=set)
    _began: Instant = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()
        self._members |= set(self.services)
        for cap in self.caps:
            per_task = dict(cap.per_task)
            for key, own in cap.per_task:
                self._shares.setdefault(key, []).append(_Share(cap, per_task, own))

    def join(self, key: str) -> None:
        """Add a service."""
        self._members.add(key)

    def leave(self, key: str) -> None:
        """Remove a service, and its tasks from the counts. Its removals stay counted."""
        self._members.discard(key)
        self._open.pop(key, None)
        self._watched -= self._counts.pop(key, 0)
        if key in self._shares:
            self._counts[key] = 0

    def observe(self, key: str, desired: int) -> None:
        """Record the count that ECS shows. It confirms an open change. A removal is confirmed only if the count is at
        or below its target.
        """
        change = self._open.get(key)
        if change is not None and (change.removal is None or desired <= change.target):
            self._close(key)
        self._set(key, desired)

    def absent(self, key: str) -> None:
        """Record that the service does not exist: it has 0 tasks."""
        self._set(key, 0)

    def admit(self, key: str, decision: Decision) -> Decision:
        """Return the decision within the caps. Its tasks are reserved until `confirm` or `release`."""
        if decision.verdict is Verdict.SCALE_OUT:
            decision = self._within_shares(key, decision)
        elif decision.verdict is Verdict.SCALE_IN:
            self._forget(key)
            decision = self._within_fleet_cap(decision)
        if decision.verdict is not Verdict.HOLD:
            self._reserve(key, decision)
        return decision

    def confirm(self, key: str) -> None:
        """Record that ECS accepted the last admitted change. Its time is now, because the call takes time."""
        change = self._open.get(key)
        if change is not None:
            self._close(key)
            self._set(key, change.target)

    def release(self, key: str) -> None:
        """Record that the last admitted change was certainly not made."""
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
        """Until ECS responds, a scale-out counts as accepted. For a scale-in, the tasks still count, and so does their
        removal.
        """
        removal, tasks, now = None, decision.current - decision.target, self.clock()
        if tasks > 0 and self._cap_percent is not None:
            removal = _Removal(now + WRITE_S, tasks, self._confirmed, now)
            self._removals.append(removal)
        self._open[key] = _Open(decision.current, decision.target, removal)
        self._set(key, max(decision.current, decision.target))

    @property
    def _confirmed(self) -> int:
        """The tasks that all services have at least: of a change that is not confirmed, the lower count. The fleet cap
        is a share of this number.

        Example: a removal of 10 of 20 tasks has no answer, but was made, and another service grows from 20 to 30. There
        are 40 tasks, as before, and not 50.
        """
        return self._watched - sum(
            max(0, self._counts.get(key, 0) - min(change.before, change.target)) for key, change in self._open.items()
        )

    @property
    def _cap_percent(self) -> int | None:
        if self.fleet_cap_percent is None and len(self._members) > 1:
            return SHARE_PERCENT
        return self.fleet_cap_percent

    def _set(self, key: str, tasks: int) -> None:
        self._watched += tasks - self._counts.get(key, 0)
        self._counts[key] = tasks

    def _within_fleet_cap(self, decision: Decision) -> Decision:
        """Limit the removals within the window to a percentage of a task count, rounded up. That count is the largest
        of the present one and those before each removal in the window.
        """
        percent, now = self._cap_percent, self.clock()
        if percent is None:
            return decision
        if percent < EVERYTHING_PERCENT and now - self._began < FIRST_WINDOW_S:
            return limit_decision(
                decision,
                Rule.FLEET_CAP,
                decision.current,
                f"removals before the start are not known; scale-in is possible {FIRST_WINDOW_S:g} s after the start",
            )
        self._expire(now)
        fleet = max([self._confirmed, *(each.of for each in self._removals if now - each.since < WINDOW_S)])
        most, gone = -(-fleet * percent // 100), sum(removal.tasks for removal in self._removals)
        return limit_decision(
            decision,
            Rule.FLEET_CAP,
            decision.current - max(0, most - gone),
            f"at most {several(most, 'task')} ({percent} % of {fleet}) may be removed within {WINDOW_S:g} s; "
            f"already removed: {gone}",
        )

    def _expire(self, now: Instant) -> None:
        """Forget the removals that are older than the window. If ECS has not shown the target of one by then, its count
        is the one that ECS shows.
        """
        old = [removal for removal in self._removals if now - removal.at >= WINDOW_S]
        if old:
            self._removals = [removal for removal in self._removals if now - removal.at < WINDOW_S]
            self._open = {key: one for key, one in self._open.items() if one.removal is None or one.removal not in old}

    def _within_shares(self, key: str, decision: Decision) -> Decision:
        for share in self._shares.get(key, ()):
            most, reason = self._left(key, share)
            decision = (
                decision if decision.target <= most else limit_decision(decision, Rule.SHARED_CAP, int(most), reason)
            )
        return decision

    def _left(self, key: str, share: _Share) -> tuple[float, str]:
        """Return the maximum number of tasks that the cap permits with the other services' present counts, and the
        reason.
        """
        others = {other: each for other, each in share.per_task.items() if other != key}
        unread = sorted(other for other in others if other not in self._counts)
        if unread:
            return 0, f"shared cap {share.cap.name}: the task count of {' and '.join(unread)} is not yet known"
        taken = sum(self._counts[other] * each for other, each in others.items())
        left = max(0, share.cap.most - taken)
        reason = f"shared cap {share.cap.name}: {left} of {share.cap.most} left, {share.own} per task"
        return (left // share.own if share.own else inf), reason
