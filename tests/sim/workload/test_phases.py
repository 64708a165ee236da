"""Loads in phases: the expected number of messages, their instants, and that a seed determines them."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.sim.chance import durations
from autoscaler.sim.workload.phases import Phase, Phased

FIVE = durations("constant:5")

PHASES = {
    "steady": Phase(100.0, 1900.0, 3.0, FIVE),
    "waves": Phase(0.0, 7200.0, 2.0, FIVE, swing=0.8, period_s=3600.0),
    "batches": Phase(300.0, 3000.0, 0.5, FIVE, every_s=600.0),
    "bursts": Phase(0.0, 3600.0, 2.0, FIVE, every_s=600.0, burst_s=60.0),
}


def load(*phases: Phase) -> Phased:
    return Phased("phased", max(phase.end_s for phase in phases), phases)


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)
def test_the_expected_number_is_the_mean_of_the_drawn_numbers(phase: Phase) -> None:
    drawn = [load(phase).draw(seed) for seed in range(40)]
    sizes = np.array([each.arrivals_s.size for each in drawn])
    assert sizes.mean() == pytest.approx(phase.messages, rel=0.02)
    by_minute = np.mean([np.histogram(each.arrivals_s, np.arange(each.counts.size + 1) * 60.0)[0] for each in drawn], 0)
    assert by_minute == pytest.approx(drawn[0].counts, abs=0.15 * max(by_minute))
    assert drawn[0].counts.sum() == pytest.approx(phase.messages)


@pytest.mark.parametrize("phase", PHASES.values(), ids=PHASES)
def test_arrivals_ascend_within_the_phase(phase: Phase) -> None:
    arrivals = load(phase).draw(3).arrivals_s
    assert (np.diff(arrivals) >= 0).all()
    assert phase.start_s <= arrivals[0] <= arrivals[-1] < phase.end_s


def test_a_batch_arrives_at_once_and_its_size_is_not_random() -> None:
    for seed in range(3):
        at, sizes = np.unique(load(PHASES["batches"]).draw(seed).arrivals_s, return_counts=True)
        assert at.tolist() == [300.0, 900.0, 1500.0, 2100.0, 2700.0]
        assert sizes.tolist() == [300] * 5


def test_messages_of_bursts_arrive_only_in_the_bursts() -> None:
    assert (load(PHASES["bursts"]).draw(1).arrivals_s % 600 <= 60).all()


def test_waves_follow_their_sine() -> None:
    counts, _ = np.histogram(load(PHASES["waves"]).draw(1).arrivals_s, [0, 1800, 3600, 5400, 7200])
    assert counts == pytest.approx([1800 * 2 * (1 + sign * 0.8 * 2 / np.pi) for sign in (1, -1, 1, -1)], rel=0.1)


def test_a_change_of_one_phase_does_not_change_the_others() -> None:
    steady, batch = Phase(0.0, 600.0, 1.0, durations("lognormal:5:1")), Phase(0.0, 600.0, 1.0, FIVE, every_s=600.0)
    alone, both = load(steady).draw(7), load(steady, batch).draw(7)
    rest = both.arrivals_s > 0
    assert both.arrivals_s[rest].tolist() == alone.arrivals_s.tolist()
    assert both.service_s[rest].tolist() == alone.service_s.tolist()


def test_the_mean_processing_time_is_weighted_by_the_messages() -> None:
    mixed = load(Phase(0.0, 100.0, 3.0, durations("constant:1")), Phase(0.0, 100.0, 1.0, durations("constant:9")))
    assert mixed.mean_service_s == pytest.approx(3.0)
