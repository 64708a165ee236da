"""The last write of a service: what it changed, and, if AWS rejected it permanently, when it is sent again.

A missing permission, an invalid parameter or an inactive service does not change by itself. So a rejected write is sent
again after 20, 40, 80, 160, 300, 300, ... s, and at once when something has changed that may have been the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import NamedTuple

from autoscaler.core.figures import several
from autoscaler.core.model import Instant
from autoscaler.errors import AutoscalerError, Denied


@dataclass(frozen=True, slots=True)
class LastWrite:
    """The last write. `accepted` False: it is not known whether ECS accepted it."""

    at: Instant
    before: int
    target: int
    accepted: bool


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
