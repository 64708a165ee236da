"""The estimates as values: what is assumed if nothing is given, and the derived numbers."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, Regime, p95_ratio
from tests.core.test_latency import known


def test_what_is_not_given_is_unknown_or_none() -> None:
    one = Estimate(5.0)
    plain = Knowledge(one, 5.0, 1.0, one, one, 75.0, one, 0.0, 0.0, 10.0)
    assert (one.weight, one.age_s, QueueKnowledge("q", ()).coming) == (0.0, None, ())
    assert (plain.received, plain.late, plain.queues, plain.starting) == (0.0, 0.0, (), ())
    assert (plain.arriving, plain.regime, plain.holding_s, plain.bottleneck) == (True, Regime.IDLE, 0.0, None)


@pytest.mark.parametrize(
    ("bottleneck", "groups", "useful"),
    [(None, None, None), (14.5, None, 14.5), (None, 3.0, 3.0), (14.5, 3.0, 3.0), (2.0, 3.0, 2.0)],
)
def test_more_tasks_are_useful_up_to_the_lower_limit(
    bottleneck: float | None, groups: float | None, useful: float | None
) -> None:
    assert replace(known(), bottleneck=bottleneck, groups=groups).useful == useful


@pytest.mark.parametrize(("weight", "confidence"), [(0.0, 0.0), (10.0, 0.5), (90.0, 0.9), (30.0, 0.75)])
def test_ten_observations_give_a_confidence_of_a_half(weight: float, confidence: float) -> None:
    assert Estimate(5.0, weight).confidence == pytest.approx(confidence)


@pytest.mark.parametrize(("weight", "is_learning"), [(9.9, True), (10.0, False)])
def test_a_processing_time_is_known_from_ten_observations_on(weight: float, is_learning: bool) -> None:
    learned = replace(known(spread=1.0), processing_s=Estimate(5.0, weight))
    assert learned.is_learning is is_learning
    assert learned.processing_p95_s == (None if is_learning else pytest.approx(5.0 * 2.78, rel=1e-3))


def test_a_configured_processing_time_has_no_learned_percentile() -> None:
    assert replace(known(), processing_s=Estimate(5.0, inf)).processing_p95_s is None


@pytest.mark.parametrize(
    ("spread", "ratio"), [(0.0, 1.0), (0.25, 1.944), (1.0, 2.781), (4.0, 3.603), (14.0, 3.866), (1e6, 1.0)]
)
def test_the_95th_percentile_of_lognormal_times(spread: float, ratio: float) -> None:
    assert p95_ratio(spread) == pytest.approx(ratio, rel=1e-3)
