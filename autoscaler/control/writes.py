"""The last write of a service: what it changed, whether ECS confirms it, and when a rejected one is sent again.

ECS can return the state of some minutes ago. An answer is certainly stale, and is treated as missing, if its event or
its update is older than that of an earlier answer or of ECS's response to the last write. Equal times prove nothing: a
new desired count may or may not change the time of the deployment's update. If the times prove nothing, a count that
differs from the known one is in doubt for some minutes: it is used for a change only if the change has the same
direction from both counts. A count that the autoscaler itself set or saw some minutes ago is no change by another
writer, unless a newer time proves it.

A missing permission, an invalid parameter or an inactive service does not change by itself. So a rejected write is sent
again after 20, 40, 80, 160, 300, 300, ... s, and at once when something has changed that may have been the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from autoscaler.core.figures import several
from autoscaler.core.model import Fleet, Instant, Missing, Revision
from autoscaler.errors import AutoscalerError, Denied
from autoscaler.ports import ServiceRef


@dataclass(frozen=True, slots=True)
class LastWrite:
    """The last write. `accepted` False: it is not known whether ECS accepted it."""

    at: Instant
    before: int
    target: int
    accepted: bool


STALE_S = 900.0
"""After 15 minutes of answers that are older than an earlier one, they are used: a single wrong time of AWS must not
stop a service for ever.
"""

DOUBT_S = 180.0
"""Seconds in which a different count is in doubt if the answer does not prove that it is newer. AWS publishes no limit
for the age of an answer; the times of real answers nearly always prove it.
"""

MOST_SEEN = 64
"""Stored counts of a service, with the time of the answer that had them."""


class Belief:
    """The count that one service is known to have."""

    def __init__(self, service: ServiceRef, clock: Callable[[], Instant]) -> None:
        self._service = service
        self._clock = clock
        self.is_own = False
        """Whether the newest count can be an earlier one of the autoscaler, so that it proves no other writer."""
        self._begin(None)

    def _begin(self, identity: str | None) -> None:
        """Know nothing about the service with this identity."""
        self._identity = identity
        self._newest = Revision()
        self._written: tuple[int, Revision] = 0, Revision()
        self._older_since: Instant | None = None
        self._count: int | None = None
        self._confirmed: Revision | None = None
        self._doubted_since: Instant | None = None
        self._sent: dict[int, Instant] = {}
        self._seen: dict[int, Revision] = {}
        self._unproven_since: Instant | None = None

    def checked(self, fleet: Fleet | Missing) -> Fleet | Missing:
        """Return the reading, or Missing if ECS has already returned a newer one."""
        if isinstance(fleet, Missing):
            return fleet
        if fleet.identity != self._identity:
            self._begin(fleet.identity)
        now = self._clock()
        if self._newest.is_newer_than(fleet.revision) or self._is_before_the_write(fleet):
            self._older_since = now if self._older_since is None else self._older_since
            if now - self._older_since < STALE_S:
                return Missing(
                    f"ECS returned an older state of service {self._service.service} than in an earlier answer; it is "
                    "read again at the next poll",
                    "stale",
                )
            self._written = 0, Revision()
        self.is_own = self._is_earlier(fleet, now)
        self._older_since, self._newest = None, fleet.revision
        self._seen[fleet.desired] = fleet.revision
        if len(self._seen) > MOST_SEEN:
            del self._seen[next(iter(self._seen))]
        self._consider(fleet, now)
        return fleet

    def _is_before_the_write(self, fleet: Fleet) -> bool:
        """Whether the answer is older than ECS's response to the last write. An answer with the written count is used
        in any case, also if the response had a time that no answer has.
        """
        target, revision = self._written
        return fleet.desired != target and revision.is_newer_than(fleet.revision)

    def _is_earlier(self, fleet: Fleet, now: Instant) -> bool:
        """Whether the count was sent some minutes ago, or the answer is no newer than an earlier one with this count.

        Example: answers are 12 s late, and the autoscaler writes 8 to 18. The next answer has 8, with the times of the
        answer before the write. Without any time, a stale answer cannot be distinguished from another writer, and it
        counts as one.
        """
        if fleet.revision.is_newer_than(self._newest):
            self._unproven_since = None
        if now - self._sent.get(fleet.desired, -inf) < DOUBT_S:
            return True
        seen = self._seen.get(fleet.desired)
        if fleet.revision == Revision() or seen is None or fleet.revision.is_newer_than(seen):
            return False
        if fleet.desired == self._count:
            return True
        self._unproven_since = now if self._unproven_since is None else self._unproven_since
        return now - self._unproven_since < DOUBT_S

    def _consider(self, fleet: Fleet, now: Instant) -> None:
        """Believe the count, or doubt it: it differs from the known one, and the answer need not be newer."""
        is_newer = self._confirmed is not None and fleet.revision.is_newer_than(self._confirmed)
        if self._count not in (None, fleet.desired) and not is_newer:
            self._doubted_since = now if self._doubted_since is None else self._doubted_since
            if now - self._doubted_since < DOUBT_S:
                return
        self._count, self._confirmed, self._doubted_since = fleet.desired, fleet.revision, None

    def wrote(self, target: int, revision: Revision) -> None:
        """Record that ECS accepted `target`. `revision`: how new its response is. If the response has no times, no
        answer can prove that it is newer.
        """
        self._count, self._confirmed, self._doubted_since = target, revision, None
        self._written = target, revision

    def sent(self, target: int) -> None:
        """Record that `target` was sent to ECS, whether or not it was accepted."""
        now = self._clock()
        self._sent = {count: at for count, at in self._sent.items() if now - at < DOUBT_S} | {target: now}

    @property
    def possible(self) -> tuple[int, ...]:
        """The counts that can be the real one although the newest answer has another one."""
        return () if self._doubted_since is None or self._count is None else (self._count,)


FIRST_RETRY_S, LONGEST_RETRY_S = 20.0, 300.0
"""A grant that has just been made takes seconds to apply everywhere: the second attempt is two polls later."""

MOST_TARGETS = 4
"""Counts that are tried, each once, although another one was rejected: the count itself may have been the cause. If the
required count changes at every poll, there is no call at every poll.
"""


class Rejection(NamedTuple):
    """Why a write is not sent: the kind and the text of the error, and how to go on."""

    kind: str
    text: str


class RejectedWrites:
    """The writes of one service that AWS rejected, since the last accepted one."""

    def __init__(self, clock: Callable[[], Instant]) -> None:
        self._clock = clock
        self._error: AutoscalerError | None = None
        self._causes: Hashable = None
        self._times = 0
        self._retry_at: Instant = 0.0
        self._targets: set[int] = set()

    def blocking(self, target: int, causes: Hashable) -> Rejection | None:
        """Return why a write of this count must wait (None: send it). `causes`: everything that may have been the cause
        of the rejection; if it differs from that of the last attempt, the write is sent.
        """
        if self._error is None or causes != self._causes:
            self.accepted()
            return None
        untried = target not in self._targets and len(self._targets) < MOST_TARGETS
        if self._clock() >= self._retry_at or (untried and not isinstance(self._error, Denied)):
            return None
        return Rejection(self._error.kind, self._text(self._error))

    def rejected(self, error: AutoscalerError, target: int, causes: Hashable) -> Rejection:
        """Record that AWS rejected a write of this count, and return the text with the time of the next attempt."""
        if not error.permanent:
            return Rejection(error.kind, str(error))
        self._times += 1
        self._error, self._causes = error, causes
        self._targets.add(target)
        self._retry_at = self._clock() + self._wait_s
        return Rejection(error.kind, self._text(error))

    def accepted(self) -> None:
        """Forget all rejections: a write was accepted, or a possible cause has changed."""
        self._error, self._causes, self._times = None, None, 0
        self._targets.clear()

    @property
    def _wait_s(self) -> float:
        return min(LONGEST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(self._times - 1, 10))

    def _text(self, error: AutoscalerError) -> str:
        times = several(self._times, "time")
        return f"{error} (rejected {times}; sent again after {self._wait_s:.0f} s, or after a change or SIGHUP)"
