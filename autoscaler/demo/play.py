"""One performance: who takes part, how far it is, and when it is over."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic

from autoscaler.demo import settings
from autoscaler.demo.cast import DemoFailed, Ending
from autoscaler.demo.children import Daemon
from autoscaler.demo.fleet import Fleet
from autoscaler.demo.ledger import Ledger
from autoscaler.demo.load import Load
from autoscaler.demo.screen import WIDTH, Scene, Screen
from autoscaler.demo.sender import send
from autoscaler.demo.summary import Fleets, Summary, summarize
from autoscaler.demo.workers import CONCURRENCY, Queue

DRAIN_WITHIN_S = 168.0
"""How long after the load the demo may take to be back at zero: a message's latency, the minute for which what came is
remembered, a quiet minute, a drain.
"""

FRAME_S = 0.5


@dataclass
class Play:
    """One performance. `ends` is when it is over at the latest."""

    load: Load
    ledger: Ledger
    fleet: Fleet
    daemon: Daemon
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

    async def send(self, queue: Queue) -> None:
        await send(self.load, queue, self.ledger)
        self.sending = False

    async def watch(self) -> None:
        """Shows what happens, until everything was processed and no task is left, or time is up."""
        while not self._done() and self.left_s > 0:
            self._plot()
            self.screen.show(self._scene())
            await asyncio.sleep(FRAME_S)
        self.ending.finish()

    def _plot(self) -> None:
        """A point per share of the longest possible run, so that the whole of it has room on the screen."""
        place = int(WIDTH * self.elapsed_s / (self.elapsed_s + self.left_s))
        for points, now in ((self.backlogs, self.ledger.waiting), (self.tasks, self.fleet.running)):
            points.extend([now] * (place + 1 - len(points)))
            points[-1] = max(points[-1], now)

    def _done(self) -> bool:
        return not self.sending and self.ledger.lost == 0 and self.fleet.at_rest

    async def mind_daemon(self) -> None:
        """Raises `DemoFailed` when the daemon ends, since it should not."""
        code = await self.daemon.listen()
        raise DemoFailed(daemon_ended(self.daemon, code))

    def _scene(self) -> Scene:
        now = monotonic()
        return Scene(
            elapsed_s=self.elapsed_s,
            duration_s=self.load.duration_s,
            left_s=self.left_s,
            waiting=self.ledger.waiting,
            in_flight=self.ledger.in_flight,
            processed=self.ledger.processed,
            oldest_wait_s=self.ledger.oldest_wait_s(now),
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
            Fleets(fleet.task_seconds, fleet.peak, fleet.scale_outs, fleet.scale_ins, left),
            acceptable_latency_s=settings.ACCEPTABLE_LATENCY_S,
            task_concurrency=CONCURRENCY,
            elapsed_s=self.elapsed_s,
            thinned_by=self.load.thinned_by,
            work_divided_by=self.load.work_divided_by,
        )


def daemon_ended(child: Daemon, code: int) -> str:
    tail = "\n  ".join(child.tail) or "(nothing)"
    return f"the daemon ended by itself, with exit code {code}. Its last lines:\n  {tail}"
