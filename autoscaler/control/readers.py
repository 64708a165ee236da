"""The counts of a service at a poll, its pause tag, and its conflicting scalers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import inf

from autoscaler.control.writes import DOUBT_S, Belief, LastWrite
from autoscaler.core.engine import limit_decision
from autoscaler.core.model import Decision, Fleet, Instant, Missing, Revision, Rule
from autoscaler.core.policy import ConflictingScalers, Pause, Policy
from autoscaler.errors import Throttled
from autoscaler.ports import FleetPort, Ports, ServiceRef, Urgency

# The counts of one service: read as often as the rate limits allow, and always again before a change.
#
# Between two readings, the last reading and the daemon's writes since then are used. A service that is changing (a
# write by the daemon, tasks that start or stop, a deployment, a problem) is read at every poll, but with a derived
# interval no more often than the read budget permits; any other service is read at the interval of the read budget.
# While reads are throttled, the last reading is used for a limited time, but no change is based on it.

SETTLING_S = 5.0
"""Seconds after a write in which ECS may still return the count from before it: AWS documents no limit."""

FRESH_S = 5.0
"""The maximum age of a reading for a change: a poll may take long, and an operator may set a pause in that time."""

MOVING_S = 60.0
"""Seconds after a write by the daemon during which the service counts as changing, regardless of the counts of ECS."""

TRUSTED_S = 600.0
"""The maximum age of a reading that is used while reads are throttled."""


class FleetWatch:
    """The readings and the last write of one service."""

    def __init__(self, service: ServiceRef, clock: Callable[[], Instant]) -> None:
        self._service = service
        self._clock = clock
        self._known: Fleet | None = None
        self.write: LastWrite | None = None
        self._belief = Belief(service, clock)
        self._is_expired = False
        self.is_cached = False
        """Whether the last read was throttled and returned the reading before it."""

    async def read(
        self, fleets: FleetPort, every_s: Callable[[], float], moving_every_s: float = 0.0
    ) -> Fleet | Missing:
        """Return the last reading, read again if one is due. `every_s`: seconds between reads while nothing changes;
        `moving_every_s`: while something does.
        """
        known, self.is_cached = self._known, False
        if known is not None and not self._is_due(known, every_s, moving_every_s):
            return known
        fleet = await self.read_now(fleets, Urgency.ROUTINE)
        if known is None or not isinstance(fleet, Missing) or fleet.kind != Throttled.kind:
            return fleet
        self.is_cached = self._clock() - known.at < TRUSTED_S
        return known if self.is_cached else fleet

    async def read_now(self, fleets: FleetPort, urgency: Urgency) -> Fleet | Missing:
        """Read from ECS now. An error other than throttling deletes the last reading."""
        fleet = self._belief.checked(await fleets.read(self._service, urgency))
        if not isinstance(fleet, Missing):
            self._known, self._is_expired = fleet, False
        elif fleet.kind != Throttled.kind:
            self._known = None
        return fleet

    def expire(self) -> None:
        """Read from ECS at the next poll: an event says that the service has changed."""
        self._is_expired = True

    def wrote(self, at: Instant, before: int, target: int, accepted: Revision | None) -> None:
        """Record a write. `accepted`: how new ECS's response is (None: it is not known whether ECS accepted it)."""
        self.write = LastWrite(at, before, target, accepted=accepted is not None)
        self._belief.sent(target)
        if accepted is not None:
            self._belief.wrote(target, accepted)

    def unless_doubted(self, decision: Decision) -> Decision:
        """Return the decision, or no change if the answer of ECS may be stale and the write would then move the real
        count in the wrong direction: the real count is 18, 8 is read, and a limit permits 10.
        """
        sign, possible = decision.target - decision.current, self._belief.possible
        if self.write is not None and not self.write.accepted and self._clock() - self.write.at < DOUBT_S:
            possible = (*possible, self.write.target)
        for real in possible:
            if (decision.target - real) * sign < 0:
                reason = f"ECS returned {decision.current}, and it is not confirmed that the count is not {real}"
                return limit_decision(decision, Rule.UNCONFIRMED, decision.current, reason)
        return decision

    def forget_write(self) -> None:
        """Delete the last write: it was to another service of the same name."""
        self.write = None

    @property
    def is_own(self) -> bool:
        """Whether the last reading can have an earlier count of the autoscaler: it then proves no other writer."""
        return self._belief.is_own

    @property
    def is_fresh(self) -> bool:
        """Whether the last reading is recent enough for a change."""
        return self._known is not None and self._clock() - self._known.at < FRESH_S

    def settled(self, fleet: Fleet, now: Instant) -> Fleet:
        """Return the reading; with the target of the daemon's last write if it still shows the count from before that
        write.
        """
        write = self.write
        if write is None or not write.accepted or fleet.desired != write.before:
            return fleet
        if fleet.at > write.at and now - write.at >= SETTLING_S:
            return fleet
        return replace(fleet, desired=write.target)

    def late_acceptance(self, desired: int) -> LastWrite | None:
        """Return the write whose result is unknown if `desired` shows that ECS accepted it, otherwise None. It is
        returned only once.
        """
        write = self.write
        if write is None or write.accepted or desired != write.target:
            return None
        self.write = replace(write, accepted=True)
        return self.write

    def _is_due(self, known: Fleet, every_s: Callable[[], float], moving_every_s: float) -> bool:
        now, write = self._clock(), self.write
        if self._is_expired or (write is not None and not write.accepted):
            return True
        changed = write is not None and now - write.at < MOVING_S
        return now - known.at >= (moving_every_s if changed or is_moving(known) else every_s())


def is_moving(fleet: Fleet) -> bool:
    """Whether tasks start or stop, a deployment is in progress, or ECS reports a problem."""
    counts_differ = fleet.running != fleet.desired or fleet.pending > 0
    return counts_differ or fleet.deployment is not None or fleet.trouble is not None


# Pauses by the ECS service's tag `autoscaler:paused`: `all`, `in`, `out` or a task count, with an optional end.
#
# The end is a UTC time: `in until 2026-11-23T18:00Z`. From that time on the tag has no effect.
#
# A tag replaces the setting `paused`, even if the setting is stricter: an operator who sets a tag knows the present
# situation. An invalid tag does not mean "not paused". The last valid pause stays in force until its own end; without
# one (also after a restart) everything is paused, because the tag's author intended a pause.

TAG = "autoscaler:paused"

MOST_TASKS = 2**31 - 1
"""The largest count that ECS accepts."""


@dataclass(frozen=True, slots=True)
class TagPause:
    """A paused direction or a fixed count, until a wall time (infinite: until the tag is removed)."""

    paused: Pause | int
    until: float = inf


def read_tag(text: str) -> TagPause | Missing:
    """Return the pause of the tag's text, or Missing with the valid syntax. Case and extra spaces are ignored."""
    words = text.lower().split()
    paused = _paused(words[0]) if words else None
    if paused is None:
        return _unreadable(text, "does not begin with `all`, `in`, `out` or a task count")
    if len(words) == 1:
        return TagPause(paused)
    until = _time(" ".join(words[2:])) if words[1] == "until" else None
    return _unreadable(text, "does not continue with `until` and a time") if until is None else TagPause(paused, until)


def _paused(word: str) -> Pause | int | None:
    if word.isascii() and word.isdigit():
        return int(word) if len(word) <= len(str(MOST_TASKS)) and int(word) <= MOST_TASKS else None
    return Pause(word) if word in set(Pause) else None


def _time(text: str) -> float | None:
    """Return the time in seconds since the epoch. A time without a zone is UTC."""
    try:
        time = datetime.fromisoformat(text.upper())
        return (time.replace(tzinfo=UTC) if time.tzinfo is None else time).timestamp()
    except (ValueError, OverflowError):
        return None


def _unreadable(text: str, wrong: str) -> Missing:
    return Missing(
        f"the tag {TAG} is {text[:80]!r}, which {wrong}: write `all`, `in`, `out` or a task count, and optionally "
        "` until 2026-11-23T18:00Z`"
    )


class TagWatch:
    """Reads one service's tag at each poll and stores its last valid pause."""

    def __init__(self) -> None:
        self._text: str | None = None
        self._read: TagPause | Missing | None = None
        self._last: TagPause | None = None

    def check(self, text: str | None, wall: float) -> tuple[Pause | int | None, Missing | None]:
        """Return what the tag pauses at `wall` (None: nothing), and what is wrong with it (None: nothing)."""
        if text != self._text:
            self._text, self._read = text, None if text is None else read_tag(text)
        if isinstance(self._read, Missing):
            last = _in_force(self._last, wall)
            return (Pause.ALL if last is None else last), self._read
        self._last = self._read
        return _in_force(self._last, wall), None


def _in_force(pause: TagPause | None, wall: float) -> Pause | int | None:
    return None if pause is None or wall >= pause.until else pause.paused


# Conflicting scalers of a service: read at the start and every few minutes, and reported. If the policy is
# `refuse`, the service is not scaled while one exists.
#
# If they cannot be read, the last result stays, with a notice. If they were never read, nothing is limited: the
# permission to read them is optional, and a service must be scaled without it.

CONFLICTS_S = 300.0
"""Seconds between two reads."""

RETRY_S = 60.0
"""Seconds until the next read after a failed one."""


class ConflictWatch:
    """The conflicting scalers of one service."""

    def __init__(self, service: ServiceRef) -> None:
        self._service = service
        self._due: Instant | None = None
        self._known: tuple[str, ...] = ()
        self._gap: Missing | None = None
        self._was_read = False

    async def check(self, policy: Policy, ports: Ports) -> None:
        """Start a read if one is due: in the background, except for the first read under a policy that refuses."""
        if self._due is not None and ports.clock() < self._due:
            return
        refuses = policy.conflicting_scalers is ConflictingScalers.REFUSE and self._due is None
        self._due = inf
        if refuses or ports.background is None:
            await self._read(ports)
        else:
            ports.background.begin(self._read(ports))

    async def _read(self, ports: Ports) -> None:
        answer = await ports.fleets.conflicting_scalers(self._service)
        self._was_read = True
        self._gap = answer if isinstance(answer, Missing) else None
        self._known = self._known if isinstance(answer, Missing) else answer
        self._due = ports.clock() + (RETRY_S if self._gap else CONFLICTS_S)

    @property
    def none_known(self) -> bool:
        """Whether no conflicting scaler is known after at least one read, even if the read failed."""
        return self._was_read and not self._known

    def notices(self) -> tuple[Missing, ...]:
        """Return a notice for each conflicting scaler, and one if the last read failed."""
        gaps = [] if self._gap is None else [self._gap]
        return (*(Missing(f"conflicting scaler: {scaler}", "refused") for scaler in self._known), *gaps)

    def limited(self, policy: Policy, decision: Decision) -> Decision:
        """Return the decision, or no change if there are conflicting scalers and the policy refuses them."""
        if policy.conflicting_scalers is not ConflictingScalers.REFUSE or not self._known:
            return decision
        return limit_decision(decision, Rule.CONFLICTING_SCALER, decision.current, "; ".join(self._known))
