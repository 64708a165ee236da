"""The looks at one service, told to those who watch it: each is put into words once, however many they are."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import NamedTuple

from autoscaler.telemetry.board import Board, Standing, Told
from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.page.detail import step
from autoscaler.telemetry.page.live import MOST_LISTENERS
from autoscaler.telemetry.page.rows import News
from autoscaler.telemetry.past import Past


class _Made(NamedTuple):
    standing: Standing
    text: str


class Looks:
    """What has changed of each service that is watched. At most as much is kept as there may be listeners."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._made: OrderedDict[tuple[str, str], _Made] = OrderedDict()

    async def news(self, key: str, since: str) -> News | None:
        """What a look later than `since` (s since the epoch, as the page or the last news had it) has changed. None:
        there was none, or the service is gone.
        """
        standing = self._board.find(key)
        if standing is None or standing.tick is None or standing.wall == _seconds(since):
            return None
        known = self._made.get((key, since))
        if known is None or known.standing is not standing:
            told, past = self._board.told(key), self._board.past(key)
            known = _Made(standing, await asyncio.to_thread(_text, standing, told, past, _seconds(since)))
            self._made[key, since] = known
            if len(self._made) > MOST_LISTENERS:
                self._made.popitem(last=False)
        return News(f"{standing.wall}", known.text)


def _text(standing: Standing, told: tuple[Told, ...], past: Past | None, since: float) -> str:
    return as_json(step(standing, told, past, since))


def _seconds(text: str) -> float:
    """Anything else than a number is before everything."""
    try:
        return float(text)
    except ValueError:
        return 0.0
