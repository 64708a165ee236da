"""The forecast of a queue's next minutes from its history: read from CloudWatch at the start, then updated.

It can only raise the required tasks. If the history cannot be read, there is no forecast, and the service is decided on
its current readings. NumPy is loaded here, and only once a service uses look-ahead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import floor
from typing import TYPE_CHECKING

from autoscaler.control.background import BackgroundTasks
from autoscaler.core.estimate.estimator import EXPECTED_S, Ahead
from autoscaler.core.knowledge import TimedCount
from autoscaler.core.model import Missing
from autoscaler.errors import AutoscalerError, Denied, NoCredentials, Throttled, Unavailable
from autoscaler.ports import HistoryPort, PeriodSum, QueueMinute, QueueRef

if TYPE_CHECKING:
    from autoscaler.core.forecast import Forecaster, Outlook

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
                self._outlooks[name] = forecaster.outlook(bounded=False)

    def _is_plausible(self, name: str, later: int) -> bool:
        before, self._jumps[name] = self._jumps.get(name, 0), later
        return later <= JUMP_MINUTES or 0 < later - before <= NEAR_MINUTES

    def ahead(self) -> Ahead:
        """Return the expected messages of each queue with a useful forecast, within each of `EXPECTED_S` from now."""
        wall = self._wall()
        useful = {name: outlook for name, outlook in self._outlooks.items() if outlook is not None and outlook.useful}
        return {name: _expected(outlook, wall) for name, outlook in useful.items()}


def _learned(first: int, counts: list[float | None]) -> tuple[Forecaster, Outlook | None]:
    from autoscaler.core.forecast import Forecaster  # noqa: PLC0415 - NumPy takes 70 MB and a tenth of a second

    forecaster = Forecaster(AHEAD_MINUTES)
    forecaster.see_all(first, counts)
    return forecaster, forecaster.outlook(bounded=False)


def _expected(outlook: Outlook, wall: float) -> tuple[TimedCount, ...]:
    """Return the messages from now on, each minute's spread evenly over it. 0 beyond the end of the forecast."""
    minute = floor(wall / MINUTE_S)
    left_s = (minute + 1) * MINUTE_S - wall
    here, next_one = (_of_minute(outlook, each) / MINUTE_S for each in (minute, minute + 1))
    return tuple(
        [
            TimedCount(within_s, here * min(within_s, left_s) + next_one * max(0.0, within_s - left_s))
            for within_s in EXPECTED_S
        ]
    )


def _of_minute(outlook: Outlook, minute: int) -> float:
    ahead = minute - outlook.minute
    return outlook.expected[ahead - 1] if 1 <= ahead <= len(outlook.expected) else 0.0
