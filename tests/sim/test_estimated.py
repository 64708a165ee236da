"""The counted messages, late messages and task time in the metrics, compared with the simulator's exact values."""

from __future__ import annotations

import numpy as np
import pytest

from autoscaler.ports import Poll
from autoscaler.sim.chance import stream
from autoscaler.sim.model import MINUTE_S, Workload, WorldSettings
from autoscaler.sim.ours import Ours, SimulatedSettings
from autoscaler.sim.play import play
from autoscaler.sim.score import billed_s
from autoscaler.telemetry.account import faults_of
from autoscaler.telemetry.tally import ServiceTally

HOUR_S, MESSAGES, WORK_S, LATENCY_S = 3_600.0, 7_200, 5.0, 60.0
"""Work for ten tasks, spread evenly over an hour."""


def load() -> Workload:
    arrivals = np.sort(stream(1, "estimated").uniform(0.0, HOUR_S, MESSAGES))
    counts = np.full(60, MESSAGES / 60.0)
    return Workload("hour", arrivals, np.full(MESSAGES, WORK_S), HOUR_S, MINUTE_S, counts, np.zeros(0))


@pytest.mark.parametrize(("max_tasks", "late_share"), [(100, (0.0, 0.1)), (9, (0.5, 1.0))])
def test_the_estimates_are_close_to_the_exact_values(max_tasks: int, late_share: tuple[float, float]) -> None:
    counted, hour = ServiceTally(), load()

    def count(poll: Poll) -> None:
        nonlocal counted
        counted = counted.after(poll, faults_of(poll))

    policy = SimulatedSettings(LATENCY_S, max_tasks=max_tasks).policy()
    outcome = play(hour, WorldSettings(), 1, Ours(policy, on_poll=count))
    late = (outcome.received_s - hour.arrivals_s > LATENCY_S).mean()
    assert late_share[0] <= late <= late_share[1]
    assert counted.received == pytest.approx(MESSAGES, rel=0.03)
    assert counted.late / MESSAGES == pytest.approx(late, abs=0.03)
    assert counted.usage.task_s == pytest.approx(billed_s(outcome), rel=0.02)
    assert 0.0 < counted.usage.wasted_s == pytest.approx(billed_s(outcome) - MESSAGES * WORK_S, rel=0.2)
