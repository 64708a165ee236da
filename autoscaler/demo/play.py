"""One run of the demo: its parts, its progress, and its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic

from autoscaler.demo import settings
from autoscaler.demo.cast import DemoFailed, Ending
from autoscaler.demo.children import DemoDaemon
from autoscaler.demo.fleet import DemoFleet
from autoscaler.demo.ledger import Ledger
from autoscaler.demo.load import DemoLoad
from autoscaler.demo.screen import WIDTH, DemoState, Screen
from autoscaler.demo.sender import send
from autoscaler.demo.summary import FleetTotals, Summary, summarize
from autoscaler.demo.workers import CONCURRENCY, DemoQueue

DRAIN_WITHIN_S = 168.0
"""Time limit from the end of the load until zero tasks: the latency of a message, the minute for which arrivals are
stored, a quiet minute, and a drain.
"""

FRAME_S = 0.5


@dataclass
class Play:
    """One run of the demo."""

    load: DemoLoad
    ledger: Ledger
    fleet: DemoFleet
    daemon: DemoDaemon
    ending: Ending
    screen: Screen
    starts: float = field(default_factory=monotonic)
    sending: bool = True
    backlogs: list[int] = field(default_factory=list)
    tasks: list[int] = field(default_factory=list)

    @property
    def elapsed_s(self) -> float:
        return monotonic() - self.starts

    @property
    def left_s(self) -> float:
        return max(0.0, self.load.duration_s + DRAIN_WITHIN_S - self.elapsed_s)

    async def send(self, queue: DemoQueue) -> None:
        await send(self.load, queue, self.ledger)
        self.sending = False

    async def watch(self) -> None:
        """Show the state until all messages are processed and no task is left, or the time is over."""
        while not self._done() and self.left_s > 0:
            self._plot()
            self.screen.show(self._state())
            await asyncio.sleep(FRAME_S)
        self.ending.finish()

    def _plot(self) -> None:
        """Add a point per share of the longest possible run, so that the whole run fits on the screen."""
        point = int(WIDTH * self.elapsed_s / (self.elapsed_s + self.left_s))
        for points, now in ((self.backlogs, self.ledger.waiting), (self.tasks, self.fleet.running)):
            points.extend([now] * (point + 1 - len(points)))
            points[-1] = max(points[-1], now)

    def _done(self) -> bool:
        return not self.sending and self.ledger.lost == 0 and self.fleet.at_rest

    async def watch_daemon(self) -> None:
        """Raise `DemoFailed` when the daemon ends, which it must not do."""
        code = await self.daemon.listen()
        raise DemoFailed(daemon_ended(self.daemon, code))

    def _state(self) -> DemoState:
        now = monotonic()
        return DemoState(
            elapsed_s=self.elapsed_s,
            duration_s=self.load.duration_s,
            left_s=self.left_s,
            waiting=self.ledger.waiting,
            in_flight=self.ledger.in_flight,
            processed=self.ledger.processed,
            oldest_message_age_s=self.ledger.oldest_message_age_s(now),
            acceptable_latency_s=settings.ACCEPTABLE_LATENCY_S,
            desired=self.fleet.desired,
            running=self.fleet.running,
            starting=self.fleet.starting,
            draining=self.fleet.draining,
            sentence=self.daemon.sentence,
            decided_ago_s=now - self.daemon.decided,
            backlogs=tuple(self.backlogs),
            tasks=tuple(self.tasks),
        )

    def summary(self) -> Summary:
        fleet = self.fleet
        left = max(fleet.desired, len(fleet.tasks))
        return summarize(
            self.ledger,
            FleetTotals(fleet.task_seconds, fleet.peak, fleet.scale_outs, fleet.scale_ins, left),
            acceptable_latency_s=settings.ACCEPTABLE_LATENCY_S,
            task_concurrency=CONCURRENCY,
            elapsed_s=self.elapsed_s,
            thinned_by=self.load.thinned_by,
            work_divided_by=self.load.work_divided_by,
        )


def daemon_ended(child: DemoDaemon, code: int) -> str:
    tail = "\n  ".join(child.tail) or "(nothing)"
    return f"the daemon ended unexpectedly with exit code {code}. Its last log lines:\n  {tail}"
