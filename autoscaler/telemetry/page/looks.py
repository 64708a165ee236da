"""The looks at one service, told to those who watch it: each is put into words once, however many they are."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import NamedTuple

from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.page.detail import step
from autoscaler.telemetry.page.live import MOST_LISTENERS
from autoscaler.telemetry.page.rows import News
from autoscaler.telemetry.past import Past
from autoscaler.telemetry.status_store import RecordedTick, ServiceStatus, StatusStore


class _Made(NamedTuple):
    status: ServiceStatus
    text: str


class Looks:
    """What has changed of each service that is watched. At most as much is kept as there may be listeners."""

    def __init__(self, store: StatusStore) -> None:
        self._store = store
        self._made: OrderedDict[tuple[str, str], _Made] = OrderedDict()

    async def news(self, key: str, since: str) -> News | None:
        """What a look later than `since` (s since the epoch, as the page or the last news had it) has changed. None:
        there was none, or the service is gone.
        """
        status = self._store.find(key)
        if status is None or status.tick is None or status.wall == _seconds(since):
            return None
        known = self._made.get((key, since))
        if known is None or known.status is not status:
            told, past = self._store.told(key), self._store.past(key)
            known = _Made(status, await asyncio.to_thread(_text, status, told, past, _seconds(since)))
            self._made[key, since] = known
            if len(self._made) > MOST_LISTENERS:
                self._made.popitem(last=False)
        return News(f"{status.wall}", known.text)


def _text(status: ServiceStatus, told: tuple[RecordedTick, ...], past: Past | None, since: float) -> str:
    return as_json(step(status, told, past, since))


def _seconds(text: str) -> float:
    """Anything else than a number is before everything."""
    try:
        return float(text)
    except ValueError:
        return 0.0
