"""The messages expected within the next minute: by the forecast, and beyond it."""

from __future__ import annotations

import pytest

from autoscaler.core.estimate import Estimator
from autoscaler.core.estimate.foreseen import EXPECTED_S, Foreseen, foreseen
from autoscaler.core.forecast import Outlook
from autoscaler.core.model import Backlog, Fleet, Observation, QueueReading
from autoscaler.core.policy import Policy, QueuePolicy

NEWEST = 1000
"""The newest known minute."""


def outlook(*expected: float, usual: float = 60.0) -> Outlook:
    return Outlook(NEWEST, expected, "profile", useful=True, usual=usual)


@pytest.mark.parametrize(
    ("after_s", "coming", "past"),
    [
        (0.0, (10.0, 20.0, 30.0, 40.0, 50.0, 60.0), (0.0,) * 6),
        (15.0, (10.0, 20.0, 30.0, 40.0, 55.0, 75.0), (10.0, 15.0, 15.0, 15.0, 15.0, 15.0)),
        (60.0, (20.0, 40.0, 60.0, 80.0, 100.0, 120.0), (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)),
        (90.0, (20.0, 40.0, 60.0, 90.0, 120.0, 150.0), (20.0, 40.0, 60.0, 70.0, 80.0, 90.0)),
        (150.0, (30.0, 60.0, 90.0, 90.0, 90.0, 90.0), (30.0, 60.0, 90.0, 110.0, 130.0, 150.0)),
        (240.0, (0.0,) * 6, (0.0,) * 6),
    ],
)
def test_each_minute_is_spread_evenly(after_s: float, coming: tuple[float, ...], past: tuple[float, ...]) -> None:
    """60, 120 and 180 messages are forecast for the three minutes after the newest one, which ended `after_s` ago."""
    found = foreseen(outlook(60.0, 120.0, 180.0), (NEWEST + 1) * 60.0 + after_s)
    assert found.coming == pytest.approx(coming)
    assert found.past == pytest.approx(past)


@pytest.mark.parametrize(("usual", "messages", "expected"), [(100.0, 0.5, 0.0), (100.0, 0.51, 0.51), (0.0, 0.01, 0.01)])
def test_hardly_any_messages_count_as_none(usual: float, messages: float, expected: float) -> None:
    now = (NEWEST + 1) * 60.0
    assert foreseen(outlook(*[messages] * 3, usual=usual), now).coming[-1] == pytest.approx(expected)
    assert foreseen(outlook(messages, 9.0, usual=usual), now).coming[-1] == pytest.approx(messages)
    assert foreseen(outlook(9.0, messages, usual=usual), now).coming[-1] == pytest.approx(9.0)


@pytest.mark.parametrize(
    ("coming", "past", "expected"),
    [(0.0, 0.0, 100.0), (1e4, 0.0, 10_100.0), (0.0, 100.0, 0.0), (50.0, 80.0, 70.0), (0.0, 500.0, 0.0)],
)
def test_what_exceeded_the_forecast_is_expected_again(coming: float, past: float, expected: float) -> None:
    """100 messages a minute arrive at the queue."""
    policy = Policy("orders", 0, 100, queues=(QueuePolicy("orders", 60.0),))
    sights = [
        Observation(
            1000.0 + 10 * poll,
            Fleet(5, 5, 0, 1000.0 + 10 * poll),
            (QueueReading("orders", Backlog(round(poll * 100 / 6), 0, 0, 1000.0 + 10 * poll)),),
        )
        for poll in range(8)
    ]
    estimator = Estimator(policy, sights[0], 10.0)
    shares = [within_s / 60 for within_s in EXPECTED_S]
    ahead = Foreseen(tuple(coming * share for share in shares), tuple(past * share for share in shares))
    for seen in sights:
        knowledge = estimator.see(policy, seen, {"orders": ahead})
    messages = [each.messages for each in knowledge.queues[0].coming]
    assert messages[-1] == pytest.approx(expected, abs=1)
    assert messages == sorted(messages)
    assert knowledge.foreseen == coming
