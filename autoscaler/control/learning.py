"""Adds to each observation what was learned from a service's polls, and the forecast from its history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import floor
from typing import TYPE_CHECKING

from autoscaler.config import ServiceConfig
from autoscaler.core.estimate import Estimator
from autoscaler.core.estimate.foreseen import NOTHING_AHEAD, Ahead, foreseen
from autoscaler.core.estimate.starting import TimedStart
from autoscaler.core.model import Backlog, Instant, Missing, Observation, PastMinute
from autoscaler.core.policy import Policy
from autoscaler.errors import AutoscalerError, Denied, NoCredentials, NotFound, Throttled, Unavailable
from autoscaler.ports import BackgroundTasks, HistoryPort, PeriodSum, Ports, QueueMinute, QueueRef

if TYPE_CHECKING:
    from autoscaler.core.forecast import Forecaster, Outlook


PAST_TRIES = 3
"""How often the last hour is requested from CloudWatch. After three polls, what the daemon learns itself is as good."""


class Learning:
    """One service's estimators, and its look-ahead if its history can be read."""

    def __init__(self, service: ServiceConfig, ports: Ports, interval_s: float) -> None:
        self._service = service
        self._ports = ports
        self._interval_s = interval_s
        self._estimator: Estimator | None = None
        self._past: tuple[PastMinute, ...] = ()
        self._past_tries = PAST_TRIES
        self._ahead: ForecastHistory | None = None
        self._starts: Sequence[TimedStart] = ()
        self._knows_starts: Estimator | None = None
        """The estimator that has these starts: it is replaced when the past arrives late."""

    def following(self, service: ServiceConfig, ports: Ports, interval_s: float) -> Learning:
        """Return this object if the new settings leave the learned values valid, else a new one."""
        if _basis(service) == _basis(self._service):
            self._interval_s = interval_s
            if self._estimator is not None:
                self._estimator.interval_s = interval_s
            return self
        return Learning(service, ports, interval_s)

    @property
    def notices(self) -> list[Missing]:
        """The reasons for a missing look-ahead, if the daemon is not allowed to read the history."""
        return [] if self._ahead is None else self._ahead.notices

    async def recall(self) -> None:
        """Read CloudWatch's last hour before the first observation, so that the first plan is not made with assumed
        values. Without an answer it is read again at the next polls.
        """
        if not self._past_tries or not self._service.queue_minutes or not self._service.queues:
            return
        past = await self._ports.meters.past(self._service.ref, self._service.queues)
        if isinstance(past, Missing):
            self._past_tries = self._past_tries - 1 if past.kind in {Throttled.kind, Unavailable.kind} else 0
        else:
            self._past, self._past_tries = past, 0

    def started(self, starts: Sequence[TimedStart]) -> None:
        """Add starts of tasks with ECS's own times, each once, to the next observation."""
        if starts:
            self._starts, self._knows_starts = starts, None

    def see(self, policy: Policy, seen: Observation, minutes: Mapping[str, QueueMinute]) -> Observation:
        """Return the observation with the learned values. Call it once per observation."""
        if not policy.queues:
            return seen
        if self._estimator is None:
            self._start_forecast(policy)
        if self._estimator is None or self._past:
            self._estimator = Estimator(policy, seen, self._interval_s)
            self._estimator.recall(seen, self._past)
            self._past = ()
        if self._knows_starts is not self._estimator:
            self._estimator.started(self._starts)
            self._knows_starts = self._estimator
        if self._ahead is None:
            return replace(seen, knowledge=self._estimator.see(policy, seen))
        self._ahead.see(minutes)
        ahead = self._ahead.ahead() if self._estimator.must_foresee(policy) else NOTHING_AHEAD
        return replace(seen, knowledge=self._estimator.see(policy, seen, ahead))

    def _start_forecast(self, policy: Policy) -> None:
        ports, service = self._ports, self._service
        if ports.history is None or ports.background is None or not policy.look_ahead or not service.queue_minutes:
            return
        self._ahead = ForecastHistory(service.queues, ports.history, ports.background, ports.clock, ports.wall)
        ports.background.begin(self._ahead.begin())


def _basis(service: ServiceConfig) -> Hashable:
    """Return the settings that learned values depend on. The configured work estimates are their initial values."""
    policy = service.policy
    assumed = policy.processing_time_s, policy.task_concurrency, policy.longest_latency_s
    return service.queues, service.queue_minutes, policy.learn, policy.look_ahead, assumed


# Which queues of a service have had a receive: a scale-in requires one.
#
# A queue of the right name in the wrong Region or account exists, can be read, and is empty. Its depth does not
# describe the service. A receive proves that workers use the queue: one in the daemon's readings (a message in flight,
# a receive in CloudWatch's newest minute), or one that CloudWatch recorded in the last 14 days. Fewer visible messages
# prove it only if CloudWatch has no answer: messages also expire or are purged, and SQS's counts are approximate.

DAY_S = 86_400
HISTORY_DAYS = 14
"""CloudWatch stores metrics by the minute for 15 days."""

RECHECK_S = 300.0
"""Seconds between two reads of CloudWatch."""


class Receives:
    """The receives of one service's queues. `clock` is monotonic, `wall` the time of day, both in seconds."""

    def __init__(self, queues: Sequence[QueueRef], clock: Callable[[], Instant], wall: Callable[[], float]) -> None:
        self._unproven = {queue.name: queue for queue in queues}
        self._clock = clock
        self._wall = wall
        self._visible: dict[str, int] = {}
        self._fell: set[str] = set()
        self._unknown = set(self._unproven)
        """Queues without an answer of CloudWatch: fewer visible messages then count as a receive."""
        self._due: Instant | None = None

    @property
    def unproven(self) -> tuple[str, ...]:
        """The queues without a known receive, in the order of the settings."""
        return tuple(self._unproven)

    def see(self, seen: Observation, minutes: Mapping[str, QueueMinute]) -> None:
        """Add an observation and the newest minutes of the queues. Once proven, a queue stays proven."""
        if not self._unproven:
            return
        for name, counts in seen.queues:
            minute = minutes.get(name)
            counted = minute is not None and bool(minute.received or minute.deleted)
            if counted or (isinstance(counts, Backlog) and self._shows_receive(name, counts)):
                self._unproven.pop(name, None)

    def _shows_receive(self, name: str, counts: Backlog) -> bool:
        before, self._visible[name] = self._visible.get(name, 0), counts.visible
        if counts.visible < before:
            self._fell.add(name)
        return counts.in_flight > 0

    async def read_history(self, history: HistoryPort | None) -> bool:
        """Read the receives of the last 14 days from CloudWatch, if a read is due. Return whether a queue was proven.

        If CloudWatch cannot be read, only the daemon's readings count.
        """
        before = len(self._unproven)
        if history is not None and (self._due is None or self._clock() >= self._due):
            await self._read(history)
            self._due = self._clock() + RECHECK_S
        for name in self._fell & self._unknown & self._unproven.keys():
            del self._unproven[name]
        return len(self._unproven) < before

    async def _read(self, history: HistoryPort) -> None:
        """Record CloudWatch's answer for each queue. A queue without a datapoint is unknown, like one that could not be
        read: absent is not zero.
        """
        end = self._wall() // DAY_S * DAY_S + DAY_S
        for name, queue in list(self._unproven.items()):
            try:
                sums = await history.received(queue, [(end - HISTORY_DAYS * DAY_S, end, DAY_S)])
            except NotFound:
                self._unknown.add(name)
            except AutoscalerError:
                self._unknown |= self._unproven.keys()
                return
            else:
                self._unknown.discard(name)
                if any(received > 0 for *_, received in sums):
                    del self._unproven[name]


# The forecast of a queue's next minutes from its history: read from CloudWatch at the start, then updated.
#
# If the history cannot be read, there is no forecast, and the service is decided on its current readings. NumPy is
# loaded here, and only once a service uses look-ahead.

MINUTE_S = 60.0
HISTORY_S = 14 * 86_400.0
"""CloudWatch stores minutes for 15 days, and may round the start of a query down by some minutes."""

RETRY_S, TRIES = 60.0, 5
"""A history that could not be read is read again, because all services start at the same time."""

JUMP_MINUTES, NEAR_MINUTES = 1440, 10
"""A minute that is a day later than the newest one is used only after a second one near it: clocks can be set."""

AHEAD_MINUTES = 8
"""The newest known minute is up to five minutes old; two more are forecast, and one is in reserve."""


class ForecastHistory:
    """The forecasts of one service's queues. `clock` is the clock of all instants, `wall` the time of day."""

    def __init__(
        self,
        queues: Sequence[QueueRef],
        history: HistoryPort,
        background: BackgroundTasks,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._queues = queues
        self._history = history
        self._background = background
        self._clock = clock
        self._wall = wall
        self._forecasters: dict[str, Forecaster] = {}
        self._outlooks: dict[str, Outlook | None] = {}
        self._jumps: dict[str, int] = {}
        self.notices: list[Missing] = []

    async def begin(self) -> None:
        """Read the history of each queue. A denied read is reported as a notice and not tried again."""
        for queue in self._queues:
            first, counts = await self._counts(queue)
            forecaster, outlook = await self._background.compute(partial(_learned, first, counts))
            self._forecasters[queue.name], self._outlooks[queue.name] = forecaster, outlook

    async def _counts(self, queue: QueueRef) -> tuple[int, list[float | None]]:
        """Return the first minute's number and the count of each minute from there on; None: not known."""
        end = floor(self._wall() / MINUTE_S) * MINUTE_S
        begin = end - HISTORY_S
        counts: list[float | None] = [None] * int(HISTORY_S / MINUTE_S)
        for at, _, messages in await self._sent(queue, begin, end):
            if begin <= at < end:
                counts[int((at - begin) / MINUTE_S)] = messages
        return int(begin / MINUTE_S), counts

    async def _sent(self, queue: QueueRef, begin: float, end: float) -> tuple[PeriodSum, ...]:
        for tried in range(TRIES):
            try:
                return await self._history.sent(queue, [(begin, end, int(MINUTE_S))])
            except (Throttled, Unavailable):
                await asyncio.sleep(RETRY_S * (tried < TRIES - 1))
            except AutoscalerError as error:
                if isinstance(error, Denied | NoCredentials):
                    self.notices.append(Missing(f"no look-ahead: {error}", error.kind))
                break
        return ()

    def see(self, minutes: Mapping[str, QueueMinute]) -> None:
        """Add the newest minutes of CloudWatch. A minute that was added before changes nothing."""
        for name, minute in minutes.items():
            forecaster, outlook = self._forecasters.get(name), self._outlooks.get(name)
            if forecaster is None or minute.sent is None:
                continue
            ended = self._wall() - (self._clock() - minute.at)
            number = round(ended / MINUTE_S) - 1
            if outlook is None or (number > outlook.minute and self._is_plausible(name, number - outlook.minute)):
                forecaster.see(number, float(minute.sent))
                self._outlooks[name] = forecaster.outlook()

    def _is_plausible(self, name: str, later: int) -> bool:
        before, self._jumps[name] = self._jumps.get(name, 0), later
        return later <= JUMP_MINUTES or 0 < later - before <= NEAR_MINUTES

    def ahead(self) -> Ahead:
        """Return the expected arrivals of each queue with a useful forecast."""
        wall = self._wall()
        return {
            name: foreseen(outlook, wall)
            for name, outlook in self._outlooks.items()
            if outlook is not None and outlook.useful
        }


def _learned(first: int, counts: list[float | None]) -> tuple[Forecaster, Outlook | None]:
    from autoscaler.core.forecast import Forecaster  # noqa: PLC0415 - NumPy takes 70 MB and a tenth of a second

    forecaster = Forecaster(AHEAD_MINUTES, bounded=False)
    forecaster.see_all(first, counts)
    return forecaster, forecaster.outlook()
