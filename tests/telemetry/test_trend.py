"""The trend of a row: shares in time and two sparklines, computed rarely."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.telemetry.page.trend import (
    HOURS_S,
    LEVELS,
    MISSED_PACE_S,
    PART_S,
    POINTS,
    UNKNOWN,
    Trend,
    levels,
    renewed,
    trend_text,
)
from autoscaler.telemetry.past import PastSample, StatusHistory
from tests.telemetry.polls import NOON

VALUES = st.lists(st.none() | st.floats(0, 1e7) | st.sampled_from([0.0, 0.1, 60.0]), max_size=POINTS)
TOP = len(LEVELS) - 1


def row(slo: str = "met", key: str = "orders") -> dict[str, Any]:
    return {"key": key, "slo": slo, "latency_s": 60.0}


def past(*samples: tuple[float, PastSample]) -> StatusHistory:
    history = StatusHistory()
    for after_s, sample in samples:
        history.note(NOON + after_s, sample, 10.0)
    return history


@given(VALUES, st.sampled_from([0.0, 1.0, 60.0]))
def test_a_level_is_the_share_of_the_top_and_zero_only_for_zero(values: list[float | None], least: float) -> None:
    top, text = levels(values, least)
    assert len(text) == len(values)
    assert top >= least
    for value, level in zip(values, text, strict=True):
        if value is None:
            assert level == UNKNOWN
            continue
        at = LEVELS.index(level)
        assert (at == 0) == (value <= 0)
        assert value <= 0 or abs(at - value / max(least, *(one for one in values if one is not None)) * TOP) <= 1


def test_a_trend_has_the_shares_of_one_hour_and_of_six_and_one_level_per_point() -> None:
    early, late = (
        PastSample(desired=2, oldest_s=0.0, received=90.0, late=0.0),
        PastSample(desired=4, oldest_s=120.0, received=10.0, late=5.2),
    )
    trend = json.loads(trend_text(past((0, early), (2 * 3600, late)), 60.0, NOON + 2 * 3600))
    assert (trend["first"], trend["hour"], trend["hours"]) == (NOON, [10, 5], [100, 5])
    assert trend["age"][0] == 120.0
    assert len(trend["age"][1]) == len(trend["tasks"][1]) == POINTS
    assert (trend["age"][1][-1], trend["tasks"]) == (LEVELS[TOP], [4.0, trend["tasks"][1]])
    assert trend["age"][1][:10] == UNKNOWN * 10, "before the first poll nothing is known"


@pytest.mark.parametrize(("age_s", "is_known"), [(0, True), (HOURS_S - 1, True), (HOURS_S, False)])
def test_the_first_sample_is_stated_while_the_history_is_younger_than_six_hours(age_s: float, is_known: bool) -> None:
    trend = json.loads(trend_text(past((0, PastSample())), None, NOON + age_s))
    assert trend["first"] == (NOON if is_known else 0)


def test_a_part_of_a_message_is_no_message_and_none_is_late_if_none_was_received() -> None:
    trend = json.loads(trend_text(past((0, PastSample(received=0.4, late=0.6))), None, NOON))
    assert (trend["hour"], trend["age"][0]) == ([0, 0], 0)


def computed(history: StatusHistory, slo: str, *, seconds: int, every_s: int, key: str = "orders") -> int:
    """Return how many trends are computed in that time."""
    found: list[Trend | None] = [None]
    for after_s in range(0, seconds, every_s):
        trend = renewed(found[-1], history, row(slo, key), NOON + after_s)
        if trend is not found[-1]:
            found.append(trend)
    return len(found) - 1


def test_a_trend_is_computed_once_per_part_and_more_often_while_the_target_is_missed() -> None:
    history = past((0, PastSample(desired=1, oldest_s=0.0)))
    parts = HOURS_S // PART_S
    assert computed(history, "met", seconds=HOURS_S, every_s=5) in {parts, parts + 1}
    assert computed(history, "unknown", seconds=HOURS_S, every_s=5) in {parts, parts + 1}
    assert HOURS_S / MISSED_PACE_S <= computed(history, "missed", seconds=HOURS_S, every_s=5) <= HOURS_S / 20


def test_services_compute_their_trends_at_different_moments() -> None:
    history = past((0, PastSample(desired=1)))
    names = [f"service-{number}" for number in range(100)]
    known = {key: renewed(None, history, row(key=key), NOON) for key in names}
    most = 0
    for after_s in range(1, PART_S + 1):
        due = [key for key in names if renewed(known[key], history, row(key=key), NOON + after_s) is not known[key]]
        most = max(most, len(due))
        known |= {key: renewed(known[key], history, row(key=key), NOON + after_s) for key in due}
    assert 1 <= most <= 6


@pytest.mark.parametrize(("age_s", "is_new"), [(PART_S, False), (2 * PART_S - 1, False), (2 * PART_S, True)])
def test_a_trend_that_can_wait_is_computed_if_it_is_outdated(age_s: float, is_new: bool) -> None:
    history = past((0, PastSample(desired=1)))
    known = renewed(None, history, row(), NOON)
    assert (renewed(known, history, row(), NOON + age_s, can_wait=True) is not known) is is_new
    assert renewed(known, history, row(), NOON + age_s) is not known


def test_without_a_history_there_is_no_trend() -> None:
    assert renewed(None, None, row(), NOON) is None
    assert renewed(Trend("{}", 0, NOON, "met"), None, row(), NOON) is None
    assert renewed(None, StatusHistory(), row(), NOON) is None
