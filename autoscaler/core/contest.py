"""Two writers on one service: detect that they undo each other's changes, and how long the autoscaler stops writing.

A change by another writer *reverses* if its direction is opposite to that of the change before it, by any writer: 40,
17, 40, 17. It also does if the autoscaler has just reversed the other writer: 40, 45, 40, 35. One reversal is normal,
as when a pipeline resets a count that was scaled out. `LEAST_REVERSALS` within `WINDOW_S` are a contest. The autoscaler
then writes nothing for a while, because a count that changes all the time starts and stops tasks for no reason. It
tries again once after each pause, and each time that its own change is reversed, the next pause is twice as long.

A pause must not cost more than the changes do. A pipeline that resets 40 to 17 every 5 minutes leaves 40 tasks for
nearly all of the time; with pauses of 10 minutes it would leave 17 for two thirds of it, and the backlog would grow. So
a scale-out that stood for `STOOD_S` is repeated at once, and the contest is only reported.

A value, as the memory: `Contest` has the changes of the count, and is replaced at each change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import NamedTuple

from autoscaler.core.figures import several
from autoscaler.core.model import Instant

WINDOW_S = 1200.0
"""A change by another writer is forgotten after 20 minutes. So a writer that runs every 15 minutes, or once an hour, is
no contest, and four reversals are found at any interval up to 5 minutes.
"""

LEAST_REVERSALS = 4
"""A person or a pipeline that corrects a count reverses up to three changes: 8, 2 (a deployment), 8, 2, 8, 2."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 60.0, 600.0
"""The pauses are 60, 120, 240, 480, 600, 600, ... s."""

STOOD_S = 120.0
"""After two minutes the tasks of a scale-out have started and worked: twice the usual start-up time. So with a slow
writer there is at most one scale-out in two minutes.
"""

MOST_STORED = 64
"""Stored changes: at one a second, the newest minute."""

S_A_MINUTE = 60.0


class Drift(NamedTuple):
    """Another writer set the count to `tasks`, seen at `at`. `reverses`: it continues a change back and forth."""

    at: Instant
    tasks: int
    reverses: bool


class Move(NamedTuple):
    """The latest change of the count, at `at`: tasks added, or removed if negative. `own`: by the autoscaler.
    `reverses`: it is its own, and was opposite to a change by another writer.
    """

    at: Instant
    tasks: int
    own: bool
    reverses: bool = False


@dataclass(frozen=True, slots=True)
class Contest:
    """The changes of the count by other writers, oldest first, and the pauses. `last`: the newest change by any writer.

    `pauses`: how many pauses the present contest has had, the one that began at `paused_at` included. 0: no contest.
    """

    drifts: tuple[Drift, ...] = ()
    last: Move | None = None
    pauses: int = 0
    paused_at: Instant = 0.0

    def wrote(self, tasks: int, now: Instant) -> Contest:
        """Return the state after a write that ECS accepted, which added `tasks`."""
        last = self._recent(now)
        reverses = last is not None and not last.own and last.tasks * tasks < 0
        return replace(self, last=Move(now, tasks, own=True, reverses=reverses))

    def drifted(self, tasks: int, count: int, now: Instant) -> Contest:
        """Return the state after another writer added `tasks`, so that the count is now `count`. Begins a pause if that
        makes a contest, or if the autoscaler's own change after a pause was reversed; not if that was a scale-out that
        stood.
        """
        last = self._recent(now)
        reverses = last is not None and (last.tasks * tasks < 0 or last.reverses)
        recent = [drift for drift in self.drifts if now - drift.at < WINDOW_S]
        drifts = (*recent, Drift(now, count, reverses))[-MOST_STORED:]
        pauses = self.pauses if self._has_paused(now) else 0
        after = Contest(drifts, Move(now, tasks, own=False), pauses, self.paused_at)
        if last is None or not reverses or after.is_paused(now) or self._stood(last, now):
            return after
        begins = last.own if pauses else sum(drift.reverses for drift in drifts) >= LEAST_REVERSALS
        return replace(after, pauses=pauses + 1, paused_at=now) if begins else after

    def _recent(self, now: Instant) -> Move | None:
        return self.last if self.last is not None and now - self.last.at < WINDOW_S else None

    def _stood(self, last: Move, now: Instant) -> bool:
        """Whether `last`, the newest change, is a scale-out by the autoscaler, which was free to scale out for
        `STOOD_S`: since the newest change by another writer, and since the newest pause.
        """
        if not last.own or last.tasks < 0:
            return False
        reversed_at = self.drifts[-1].at if self.drifts else -inf
        resumed_at = self.paused_at + self.pause_s if self.pauses else -inf
        return now - max(reversed_at, resumed_at) >= STOOD_S

    @property
    def pause_s(self) -> float:
        """The length of the newest pause in seconds."""
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self.pauses - 1, 10))

    def is_paused(self, now: Instant) -> bool:
        """Whether the autoscaler must not write now. Half-open: at its end, the pause is over."""
        return self.pauses > 0 and now - self.paused_at < self.pause_s

    def _has_paused(self, now: Instant) -> bool:
        """Whether the next pause is longer: until `WINDOW_S` after the end of the newest pause, or the newest reversal.

        Two daemons that both pause reverse each other only every ten minutes, and are still in a contest.
        """
        reversed_at = max((drift.at for drift in self.drifts if drift.reverses), default=-inf)
        return self.pauses > 0 and now - max(reversed_at, self.paused_at + self.pause_s) < WINDOW_S

    def is_on(self, now: Instant) -> bool:
        """Whether there is a contest: while there are `LEAST_REVERSALS` within `WINDOW_S`, and after a pause until
        `WINDOW_S` without a pause or a reversal.
        """
        young = [drift.reverses for drift in self.drifts if now - drift.at < WINDOW_S]
        return self._has_paused(now) or sum(young) >= LEAST_REVERSALS

    @property
    def account(self) -> str:
        """What happened, in one clause. It changes only with the next change by another writer."""
        first, last = self.drifts[0], self.drifts[-1]
        lasted_s = last.at - first.at
        minutes = several(round(lasted_s / S_A_MINUTE), "minute")
        lasted = minutes if lasted_s >= S_A_MINUTE else several(round(lasted_s), "second")
        times = several(len(self.drifts), "time")
        return f"desiredCount was changed by someone else {times} in {lasted}, last to {last.tasks}"

    def notice(self, now: Instant) -> str | None:
        """Return what happened and what to do (None: no contest)."""
        if not (self.is_on(now) and self.drifts):
            return None
        does = (
            f"pauses its writes for {self.pause_s:.0f} s at a time"
            if self._has_paused(now)
            else f"repeats its scale-outs, because they last for {STOOD_S:.0f} s or more"
        )
        return (
            f"{self.account}: another writer and the autoscaler undo each other's changes. The autoscaler {does}. Find "
            "the writer in CloudTrail (UpdateService), and let only one writer set the count"
        )
