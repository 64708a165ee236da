"""A task's scale-in protection, shared by all that work in it: on with the first, off after the last.

Law: once nobody holds it, protection that ECS might still have on is taken off, tried again until ECS has confirmed it.
An idle task that stays protected is one that no scale-in can choose.
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
"""The agent tries several times by itself; this is for an agent that is restarted just now."""

ASK_AGAIN_S = 30.0
"""After a refusal ECS is left alone for so long: 80 calls a second are all that an account has."""

RENEWED_AT = 0.5
"""Renewed after half of its time, so that there is another half to make a failed renewal good."""


class Unprotected(Exception):
    """`with protection:` could not be begun."""


class Protection:
    """`agent` None: outside ECS. All calls succeed, and nothing is asked of anybody."""

    def __init__(self, agent: Agent | None, *, expires_in_minutes: int = 60, time: Time | None = None) -> None:
        if not 1 <= expires_in_minutes <= 2880:
            raise ValueError(f"expires_in_minutes is {expires_in_minutes}: ECS takes 1 to 2,880")
        self._agent = agent
        self._minutes = expires_in_minutes
        self._time = time or Time()
        self._lock = Lock()
        self._holders = 0
        self._perhaps = False
        self._asked_in_vain: float | None = None
        self._dropped_in_vain: float | None = None
        self._renewed: float | None = None
        self.since: float | None = None
        """When the present unbroken protection began; None without one."""
        self.refusal: Refusal | None = None
        """What was said against protecting when it was asked last; None if it was granted."""

    @classmethod
    def from_environment(cls, *, expires_in_minutes: int = 60) -> Protection:
        """With the agent that ECS names in ECS_AGENT_URI."""
        uri = os.environ.get("ECS_AGENT_URI")
        if not uri:
            log.warning("ECS_AGENT_URI is not set: not on ECS, or its agent is older than 1.65.0; works unprotected")
        return cls(Agent(uri) if uri else None, expires_in_minutes=expires_in_minutes)

    @property
    def renewal_s(self) -> float:
        """It is to be asked at least so often while it is held."""
        return self._minutes * 60 * (1 - RENEWED_AT) / 4

    def __enter__(self) -> Protection:
        """For a loop of your own. Raises Unprotected where the task is not protected."""
        self.hold()
        if refusal := self.ask():
            self.drop()
            raise Unprotected(f"this task is not protected from scale-in: {refusal}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.drop()

    def hold(self) -> None:
        """One more needs it. Asks nothing: see `ask`."""
        with self._lock:
            self._holders += 1

    def ask(self, attempts: int = ATTEMPTS) -> Refusal | None:
        """None: the task is protected. Asks ECS if it is not, or not for long any more, and somebody holds it."""
        with self._lock:
            if self._agent is not None and self._holders and self._is_due():
                self._protect(self._agent, attempts)
            return self.refusal

    def drop(self) -> None:
        """One less needs it; after the last it is taken off."""
        with self._lock:
            self._holders -= 1
        self.rest()

    def rest(self) -> None:
        """Nobody holds it: it is off, or will be tried again at a later rest. Somebody does: nothing happens."""
        with self._lock:
            if self._agent is not None and self._perhaps and not self._holders and self._is_past(self._dropped_in_vain):
                self._unprotect(self._agent)

    def _is_due(self) -> bool:
        if self._asked_in_vain is not None:
            return self._is_past(self._asked_in_vain)
        return self._renewed is None or self._time.now() - self._renewed >= self._minutes * 60 * RENEWED_AT

    def _is_past(self, in_vain: float | None) -> bool:
        return in_vain is None or self._time.now() - in_vain >= ASK_AGAIN_S

    def _protect(self, agent: Agent, attempts: int) -> None:
        asked, before, last = self._time.now(), self._perhaps, self.refusal
        self._perhaps = True
        self.refusal = self._put(agent, True, attempts)
        if self.refusal is None:
            self._renewed = asked
            self._asked_in_vain = self._dropped_in_vain = None
            self.since = asked if self.since is None else self.since
            log.info("this task is protected from scale-in for %d min", self._minutes)
            return
        self._asked_in_vain = self._time.now()
        self._perhaps = before or self.refusal.passing
        if last is None or last.code != self.refusal.code:
            log.warning("ECS does not protect this task from scale-in: %s", self.refusal)

    def _unprotect(self, agent: Agent) -> None:
        self._renewed = self.since = None
        refusal = self._put(agent, False, ATTEMPTS)
        self._perhaps = refusal is not None
        self._dropped_in_vain = self._time.now() if refusal else None
        if refusal is None:
            log.info("this task is no longer protected from scale-in: it has nothing to do")
        else:
            log.warning(
                "this task is idle, and may stay protected from scale-in for %d min: %s; tried again in %.0f s",
                self._minutes,
                refusal,
                ASK_AGAIN_S,
            )

    def _put(self, agent: Agent, protect: bool, attempts: int) -> Refusal | None:
        refusal = agent.put(protect, self._minutes)
        for _ in range(attempts - 1):
            if refusal is None or not refusal.passing:
                break
            self._time.wait(Bell(), PAUSE_S)
            refusal = agent.put(protect, self._minutes)
        return refusal
