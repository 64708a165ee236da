"""The last six hours of one service for its row of the table: shares of messages in time, and two sparklines.

A sparkline has one character per six minutes, so that it is short and rarely changes: `0` is zero, `z` is the highest
value, `.` is unknown. A trend is computed when a part of six minutes ends, at another moment for each service, and
every 30 s while the latency target is missed. So a quiet service costs a comparison per refresh, and `Rows` limits the
number of trends per refresh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from zlib import crc32

from autoscaler.core.slo import A_MESSAGE
from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.past import StatusHistory
from autoscaler.telemetry.status_store import SloStatus

HOUR_S, HOURS_S = 3600, 21_600
POINTS = 60
PART_S = HOURS_S // POINTS

LEVELS = "0123456789abcdefghijklmnopqrstuvwxyz"
UNKNOWN = "."

MISSED_PACE_S = 30.0
"""Seconds between two computations while the latency target is missed, and after a change of its status."""


class Trend(NamedTuple):
    """`text`: JSON. `part`: the number of the six minutes, `at` (seconds since the epoch) and `slo`: of its time."""

    text: str
    part: int
    at: float
    slo: str


def renewed(
    known: Trend | None, past: StatusHistory | None, row: Mapping[str, Any], wall: float, *, can_wait: bool = False
) -> Trend | None:
    """Return the trend at `wall`, the time of the newest poll; the known one if a new one is not due. None: there is no
    history. `can_wait`: a trend that is due, but not outdated, is computed at a later refresh.
    """
    if past is None or past.first_at is None:
        return None
    part = int(wall + crc32(row["key"].encode()) % PART_S) // PART_S
    slo = row["slo"]
    if known is not None:
        age_s = abs(wall - known.at)
        changing = slo != known.slo or slo == SloStatus.MISSED
        is_due = part != known.part or (changing and age_s >= MISSED_PACE_S)
        if not is_due or (can_wait and age_s < 2 * PART_S):
            return known
    return Trend(trend_text(past, row["latency_s"], wall), part, wall, slo)


def trend_text(past: StatusHistory, latency_s: float | None, wall: float) -> str:
    """Return the trend as JSON. `first`: the first sample, in seconds since the epoch; 0 if it is older than six hours.
    `hour`, `hours`: messages received in one hour and in six, and late ones among them. `age`, `tasks`: the value of
    the highest level, and the levels; the target is a level of `age`.
    """
    first_at = past.first_at or 0.0
    trend = {
        "first": int(first_at) if wall - first_at < HOURS_S else 0,
        "hour": _received(past, HOUR_S),
        "hours": _received(past, HOURS_S),
        "age": levels(past.outline("oldest_s", HOURS_S, POINTS), latency_s or 0.0),
        "tasks": levels(past.outline("desired", HOURS_S, POINTS), 1.0),
    }
    return as_json(trend, (",", ":"))


def _received(past: StatusHistory, seconds: int) -> tuple[int, int]:
    """Return whole messages: the estimate of a part of a message is none, and no message is late if none was."""
    received, late = past.in_time(seconds)
    return int(received + A_MESSAGE), min(int(late + A_MESSAGE), int(received + A_MESSAGE))


def levels(values: Sequence[float | None], least_top: float) -> tuple[float, str]:
    """Return the value of the highest level, at least `least_top`, and a level for each value. A value above zero is at
    least the first level.
    """
    top = max([least_top, *(value for value in values if value is not None)])
    most = len(LEVELS) - 1
    scale = most / top if top > 0 else 0.0
    text = [UNKNOWN if value is None else LEVELS[int(value * scale + 0.5) or 1 if value > 0 else 0] for value in values]
    return round(top, 1), "".join(text)
