"""Which messages are expected within the next minute: those of the forecast, or as many as arrived recently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import floor
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from autoscaler.core.estimate.arrivals import MINUTE_S
from autoscaler.core.knowledge import TimedCount

if TYPE_CHECKING:
    from autoscaler.core.forecast import Outlook

EXPECTED_S = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
"""The spans ahead for which arrivals are expected, in seconds: up to the start-up time of most tasks."""

RARE_RATIO = 0.005
"""If the forecast of a minute is at most 0.5 % of a minute's usual messages, the minute counts as empty: no task waits
for them. If the forecast is right, all such minutes together have at most 0.5 % of the messages.
"""


class Foreseen(NamedTuple):
    """The arrivals of a queue by its forecast: those expected within each of `EXPECTED_S` from now on, and those that
    were expected within each of `EXPECTED_S` until now.
    """

    coming: tuple[float, ...]
    past: tuple[float, ...]


Ahead = Mapping[str, Foreseen]
"""The queues with a useful forecast."""
NOTHING_AHEAD: Ahead = MappingProxyType({})


def foreseen(outlook: Outlook, wall: float) -> Foreseen:
    """Return the forecast for the minute after and the minute before the time of day `wall`. The messages of a minute
    are spread evenly over it. 0 beyond the end of the forecast, in minutes that are known, and if hardly any messages
    are expected.
    """
    minute = floor(wall / MINUTE_S)
    past_s = wall - minute * MINUTE_S
    before, here, after = (_of_minute(outlook, minute + each) for each in (-1, 0, 1))
    if max(here, after) <= RARE_RATIO * outlook.usual:
        here = after = 0.0
    coming = tuple(_within(here, after, MINUTE_S - past_s, each_s) for each_s in EXPECTED_S)
    return Foreseen(coming, tuple(_within(here, before, past_s, each_s) for each_s in EXPECTED_S))


def _within(near: float, far: float, left_s: float, seconds: float) -> float:
    """Return the messages within a time of at most a minute that begins in the near minute and ends in the far one.
    `left_s`: the part of the near minute that it can cover.
    """
    return (near * min(seconds, left_s) + far * max(0.0, seconds - left_s)) / MINUTE_S


def _of_minute(outlook: Outlook, minute: int) -> float:
    ahead = minute - outlook.minute
    return outlook.expected[ahead - 1] if 1 <= ahead <= len(outlook.expected) else 0.0


def expected_arrivals(recent: Sequence[float], ahead: Foreseen | None) -> tuple[TimedCount, ...]:
    """Return the arrivals within each of `EXPECTED_S` from now on: as many as recently; or those of the forecast, and
    as many again as exceeded it recently. `recent`: those within each of `EXPECTED_S` until now.

    At the end of a burst of 60 messages in a minute that was expected, 60 are not expected again. If none was expected,
    they are.
    """
    if ahead is not None:
        again = [each + max(0.0, was - by) for each, was, by in zip(ahead.coming, recent, ahead.past, strict=True)]
        recent = list(accumulate(again, max))
    return tuple(map(TimedCount, EXPECTED_S, recent))
