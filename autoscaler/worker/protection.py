"""The scale-in protection of a task, shared by its threads: set for the first holder, removed after the last.

Invariant: without a holder, protection that may still be set in ECS is removed, and the removal is retried until ECS
confirms it. An idle task that stays protected cannot be stopped by a scale-in.
"""

from __future__ import annotations

import logging
import os
from threading import Lock
from types import TracebackType

from .agent import Agent, Refusal
from .waiting import Bell, Time

log = logging.getLogger(__name__)

ATTEMPTS = 2
PAUSE_S = 1.0
"""The agent itself retries several times; this attempt covers a restart of the agent."""

RETRY_S = 30.0
"""Seconds without a call after a refusal: the limit of an account is 80 calls a second."""

RENEWAL_RATIO = 0.5
"""The share of the time after which the protection is renewed: the rest is left to retry a failed renewal."""


class Unprotected(Exception):
    """Raised by `with protection:` if the task is not protected."""


class Protection:
    """The protection of this task. `agent` None: outside ECS. All methods then succeed, and no call is made."""

    def __init__(self, agent: Agent | None, *, expires_in_minutes: int = 60, time: Time | None = None) -> None:
        if not 1 <= expires_in_minutes <= 2880:
            raise ValueError(f"expires_in_minutes is {expires_in_minutes}: ECS takes 1 to 2,880")
        self._agent = agent
        self._minutes = expires_in_minutes
        self._time = time or Time()
        self._lock = Lock()
        self._holders = 0
        self._maybe_set = False
        self._refused_at: float | None = None
        self._removal_failed_at: float | None = None
        self._renewed: float | None = None
        self.since: float | None = None
        """When the present continuous protection began; None without one."""
        self.refusal: Refusal | None = None
        """The refusal of the latest request for protection; None if it was granted."""

    @classmethod
    def from_environment(cls, *, expires_in_minutes: int = 60) -> Protection:
        """Use the agent at ECS_AGENT_URI, which ECS sets."""
        uri = os.environ.get("ECS_AGENT_URI")
        if not uri:
            log.warning(
                "ECS_AGENT_URI is not set: not on ECS, or its agent is older than 1.65.0; the worker runs unprotected"
            )
        return cls(Agent(uri) if uri else None, expires_in_minutes=expires_in_minutes)

    @property
    def renewal_s(self) -> float:
        """The longest time between two calls of `ask` while the protection is held."""
        return self._minutes * 60 * (1 - RENEWAL_RATIO) / 4

    def __enter__(self) -> Protection:
        """For a custom loop. Raises Unprotected if the task is not protected."""
        self.hold()
        if refusal := self.ask():
            self.drop()
            raise Unprotected(f"this task is not protected from scale-in: {refusal}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.drop()

    def hold(self) -> None:
        """Add a holder. Makes no call: see `ask`."""
        with self._lock:
            self._holders += 1

    def ask(self, attempts: int = ATTEMPTS) -> Refusal | None:
        """Request the protection from ECS if it has a holder and is not set or due for renewal. None: the task is
        protected.
        """
        with self._lock:
            if self._agent is not None and self._holders and self._is_due():
                self._protect(self._agent, attempts)
            return self.refusal

    def drop(self) -> None:
        """Remove a holder; after the last one, remove the protection."""
        with self._lock:
            self._holders -= 1
        self.rest()

    def rest(self) -> None:
        """Without a holder: remove the protection, or retry at a later `rest`. With a holder: do nothing."""
        with self._lock:
            if (
                self._agent is not None
                and self._maybe_set
                and not self._holders
                and self._may_retry(self._removal_failed_at)
            ):
                self._unprotect(self._agent)

    def _is_due(self) -> bool:
        if self._refused_at is not None:
            return self._may_retry(self._refused_at)
        return self._renewed is None or self._time.now() - self._renewed >= self._minutes * 60 * RENEWAL_RATIO

    def _may_retry(self, failed_at: float | None) -> bool:
        return failed_at is None or self._time.now() - failed_at >= RETRY_S

    def _protect(self, agent: Agent, attempts: int) -> None:
        requested_at, before, last = self._time.now(), self._maybe_set, self.refusal
        self._maybe_set = True
        self.refusal = self._put(agent, True, attempts)
        if self.refusal is None:
            self._renewed = requested_at
            self._refused_at = self._removal_failed_at = None
            self.since = requested_at if self.since is None else self.since
            log.info("this task is protected from scale-in for %d min", self._minutes)
            return
        self._refused_at = self._time.now()
        self._maybe_set = before or self.refusal.passing
        if last is None or last.code != self.refusal.code:
            log.warning("ECS does not protect this task from scale-in: %s", self.refusal)

    def _unprotect(self, agent: Agent) -> None:
        self._renewed = self.since = None
        refusal = self._put(agent, False, ATTEMPTS)
        self._maybe_set = refusal is not None
        self._removal_failed_at = self._time.now() if refusal else None
        if refusal is None:
            log.info("this task is no longer protected from scale-in: it is idle")
        else:
            log.warning(
                "this task is idle, but may stay protected from scale-in for %d min: %s; next attempt in %.0f s",
                self._minutes,
                refusal,
                RETRY_S,
            )

    def _put(self, agent: Agent, protect: bool, attempts: int) -> Refusal | None:
        refusal = agent.put(protect, self._minutes)
        for _ in range(attempts - 1):
            if refusal is None or not refusal.passing:
                break
            self._time.wait(Bell(), PAUSE_S)
            refusal = agent.put(protect, self._minutes)
        return refusal
