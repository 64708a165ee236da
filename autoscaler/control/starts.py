"""The start-up times of one service's tasks: read in the background after tasks have started, optional.

Nothing waits for the reading. The estimate of the start-up time learns from it, and people see where the time goes.
Without the permission everything works as before, with the start-up time as the counts of ECS show it.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from math import inf
from zlib import crc32

from autoscaler.core.estimate.starting import TimedStart
from autoscaler.core.model import Fleet, Instant, Missing
from autoscaler.core.start_phases import RevisionStarts, StartedTask, start_times, with_started
from autoscaler.errors import Denied
from autoscaler.ports import Ports, ServiceRef, StartReading, StartReport

SETTLE_S = 15.0
"""Seconds after tasks were seen to start until they are read: the others of a scale-out start meanwhile."""

EVERY_S = 180.0
"""The minimum seconds between two reads of a service, before the spread: 1,000 services whose tasks start all the time
make 2,000 calls in 225 s on average, 9 a second. That is above the default share of ECS's rate (a quarter of 20 a
second): the rate limiter then refuses the reads that have to wait too long, and they back off.
"""

SPREAD_RATIO = 0.5
"""Each service waits for up to this share longer, by its key: services that start together are not read together."""

FIRST_SPREAD_S = 240.0
"""Seconds over which the first reads of all services are spread."""

DENIED_S = 3600.0
"""Seconds until a denied read is repeated: the permission is optional."""

RETRY_S, MOST_RETRY_S = 60.0, 3600.0
"""Seconds until another failed read is repeated, doubled each time, and their maximum."""


FUTURE_S = 60.0
"""A start that is this much in the future is no time at all. A smaller difference is that of two clocks."""


class StartWatch:
    """The starts of one service. They are read after more tasks run than before, and once for those found at the start.

    `dropped`: the tasks that were left out before, of a service that was created again.
    """

    def __init__(self, service: ServiceRef, dropped: int = 0) -> None:
        self._service = service
        self._share = crc32(service.key.encode()) / 2**32
        self._running = 0
        self._pending = self._is_reading = False
        self._due: Instant = -inf
        self._retry_s = RETRY_S
        self._seen = array("I")
        """The numbers of the tasks that were read and run, also of those whose times cannot be used."""
        self._until = -inf
        """The newest start that was read, in seconds since the epoch: an earlier one counts no more."""
        self._starts: tuple[RevisionStarts, ...] = ()
        self._new: list[StartedTask] = []
        self._dropped = dropped
        self._read_at: tuple[Instant, float] = -inf, -inf
        """The time of the last read, by the loop's clock and by the time of day."""
        self.report: StartReport | None = StartReport(dropped=dropped) if dropped else None

    async def check(self, fleet: Fleet, ports: Ports) -> None:
        """Start a read if one is requested and due; in the background if `ports.background` is given."""
        rose, self._running = fleet.running > self._running, fleet.running
        if ports.starts is None:
            return
        now = ports.clock()
        if rose and not self._pending:
            self._pending = True
            if ports.background is not None:
                first = self._due == -inf
                self._due = max(self._due, now + SETTLE_S + (FIRST_SPREAD_S * self._share if first else 0.0))
        if not self._pending or self._is_reading or now < self._due:
            return
        self._pending, self._is_reading = False, True
        if ports.background is None:
            await self._read(ports)
        else:
            ports.background.begin(self._read(ports))

    async def _read(self, ports: Ports) -> None:
        port = ports.starts
        answer = Missing("not read") if port is None else await port.started(self._service, frozenset(self._seen))
        self._is_reading, now = False, ports.clock()
        if isinstance(answer, Missing):
            self._pending = True
            self._failed(answer, now)
            return
        self._retry_s, self._due = RETRY_S, now + EVERY_S * (1 + SPREAD_RATIO * self._share)
        self._read_at = now, ports.wall()
        self._add(answer)

    def _failed(self, gap: Missing, now: Instant) -> None:
        denied = gap.kind == Denied.kind
        self._due = now + (DENIED_S if denied else self._retry_s) * (1 + SPREAD_RATIO * self._share)
        self._retry_s = min(MOST_RETRY_S, 2 * self._retry_s)
        self.report = StartReport(() if self.report is None else self.report.times, gap, self._dropped)

    def _add(self, answer: StartReading) -> None:
        """Store the starts after the newest known one. So each counts once, even if a long list of tasks is read in
        parts; an earlier one that was not in the sample is left out.
        """
        wall, known = self._read_at[1], frozenset(self._seen)
        tasks = [task for task in answer.tasks if task.started <= wall + FUTURE_S]
        self._dropped += answer.dropped + len(answer.tasks) - len(tasks)
        new = [
            task._replace(read_after_s=max(0.0, wall - task.started))
            for task in tasks
            if task.started > self._until and task.task not in known
        ]
        seen = known | answer.unusable | {task.task for task in answer.tasks}
        self._seen = array("I", sorted(seen & answer.running))
        self._until = max((task.started for task in new), default=self._until)
        self._starts, self._new = with_started(self._starts, new), new
        times = tuple(start_times(revision) for revision in reversed(self._starts))
        self.report = StartReport(times, dropped=self._dropped)

    @property
    def dropped(self) -> int:
        return self._dropped

    def take(self) -> Sequence[TimedStart]:
        """Return the starts of the last read for the estimate. They are returned once."""
        new, self._new = self._new, []
        return self._timed(new)

    def again(self) -> None:
        """Return the stored starts at the next `take`, for an estimate that begins again."""
        self._new = [task for revision in self._starts for task in revision.tasks]

    def _timed(self, tasks: Sequence[StartedTask]) -> list[TimedStart]:
        clock, wall = self._read_at
        each = ((task, task.typical_s) for task in tasks)
        return [TimedStart(took_s, clock - (wall - task.started)) for task, took_s in each if took_s is not None]
