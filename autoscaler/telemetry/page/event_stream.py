"""The server-sent events of one service. Each event is rendered once for all its listeners."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import NamedTuple

from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.page.detail import update
from autoscaler.telemetry.page.live import MOST_LISTENERS
from autoscaler.telemetry.page.rows import News
from autoscaler.telemetry.past import StatusHistory
from autoscaler.telemetry.status_store import RecordedPoll, ServiceStatus, StatusStore


class _Made(NamedTuple):
    status: ServiceStatus
    text: str


class EventStream:
    """Renders the changes of the watched services. At most `MOST_LISTENERS` rendered events are cached."""

    def __init__(self, store: StatusStore) -> None:
        self._store = store
        self._made: OrderedDict[tuple[str, str], _Made] = OrderedDict()

    async def news(self, key: str, since: str) -> News | None:
        """Return the changes after `since` (seconds since the epoch, from the page or the last event). None: there is
        no newer poll, or the service was removed.
        """
        status = self._store.find(key)
        if status is None or status.poll is None or status.wall == _seconds(since):
            return None
        known = self._made.get((key, since))
        if known is None or known.status is not status:
            recorded, past = self._store.recorded(key), self._store.past(key)
            known = _Made(status, await asyncio.to_thread(_text, status, recorded, past, _seconds(since)))
            self._made[key, since] = known
            if len(self._made) > MOST_LISTENERS:
                self._made.popitem(last=False)
        return News(f"{status.wall}", known.text)


def _text(status: ServiceStatus, recorded: tuple[RecordedPoll, ...], past: StatusHistory | None, since: float) -> str:
    return as_json(update(status, recorded, past, since))


def _seconds(text: str) -> float:
    """Return the number. Any other text is 0: before everything."""
    try:
        return float(text)
    except ValueError:
        return 0.0
