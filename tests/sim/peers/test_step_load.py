"""Each peer with a step load: no messages, then four per second (twenty tasks) for an hour, then no messages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from autoscaler.sim.peers import PEERS, parse
from tests.sim.peers.fakes import SmallWorld, setup, step, workload

BEGINS, ENDS, LAST = 600.0, 4200.0, 9000.0


@dataclass(frozen=True)
class StepResponse:
    first_out_s: float
    first_in_s: float
    tasks_at_end: int
    tasks_left: int
    messages_left: int


@cache
def response(spec: str) -> StepResponse:
    """Return the response. `first_out_s`: from the begin of the load to more than one task; `first_in_s`: from its
    end to fewer tasks than at its end.
    """
    known = replace(setup(), workload=workload(np.arange(BEGINS, ENDS, 0.25)))
    world = SmallWorld(step(4.0, BEGINS, ENDS))
    world.run(parse(spec, known), LAST)
    outs = [at - BEGINS for at, tasks in world.changes if BEGINS <= at < ENDS and tasks > 1]
    at_end = next((tasks for at, tasks in reversed(world.changes) if at < ENDS), 1)
    ins = [at - ENDS for at, tasks in world.changes if at >= ENDS and tasks < at_end]
    left = world.changes[-1][1]
    return StepResponse(min(outs, default=np.inf), min(ins, default=np.inf), at_end, left, sum(world.counts()))


@pytest.mark.parametrize(
    ("spec", "least_s", "most_s"),
    [
        ("target-tracking", 180, 300),  # three minutes, and one minute until the third one can be read
        ("target-tracking-cpu", 180, 300),
        ("predictive", 180, 300),  # without history it behaves like target tracking
        ("target-tracking-20s", 60, 80),  # three datapoints of 20 s, the third readable at once
        ("target-tracking-cpu-20s", 80, 100),  # AWS announced 86 s
        ("step-scaling-10s", 10, 30),  # two polls: more than twelve messages are visible in the fourth second
        ("step-scaling", 60, 180),  # one minute of five above 100, with a delay of one minute
        ("keda", 15, 45),  # its poll activates one task, the next sync of the HPA the rest
        ("knative", 0, 6),  # a panic window
        ("wpa", 0, 20),
        ("react", 0, 30),
        ("nomad", 0, 10),
    ],
)
def test_the_delay_to_the_first_scale_out_is_as_documented(spec: str, least_s: float, most_s: float) -> None:
    assert least_s <= response(spec).first_out_s <= most_s


@pytest.mark.parametrize(
    ("spec", "least_s", "most_s"),
    [
        ("keda:1", 300, 330),  # the stabilization window and one sync interval
        ("keda:1/60", 60, 90),
        ("knative", 0, 10),  # at once, half of the tasks per poll
        ("knative:70/300", 300, 310),
        ("wpa", 300, 620),  # the minimum from the messages sent 5 to 10 minutes ago
        ("react", 0, 30),
        ("nomad:1", 10, 300),
        ("target-tracking-cpu:70/60", 900, 1020),  # fifteen minutes below, with a delay of one minute
        ("target-tracking-cpu-20s:70/60", 900, 960),  # the same fifteen minutes, with a delay of 20 s
        ("static", np.inf, np.inf),
    ],
)
def test_the_delay_to_the_first_scale_in_is_as_documented(spec: str, least_s: float, most_s: float) -> None:
    assert least_s <= response(spec).first_in_s <= most_s


@pytest.mark.parametrize(("spec", "left"), [("keda", 0), ("knative", 0), ("wpa", 0), ("nomad", 0), ("react", 2)])
def test_the_final_count_is_the_lowest_count_of_the_peer(spec: str, left: int) -> None:
    assert response(spec).tasks_left == left


@pytest.mark.parametrize(
    "spec",
    [
        "target-tracking:latency/60/100",
        "target-tracking-20s:latency/60/100",
        "target-tracking-cpu:70/60/100",
        "target-tracking-cpu-20s:70/60/100",
        "step-scaling-10s:latency/60/50",
    ],
)
def test_policies_of_application_auto_scaling_keep_one_task(spec: str) -> None:
    assert response(spec).tasks_left == 1


@pytest.mark.parametrize("spec", PEERS)
def test_every_peer_completes_the_load(spec: str) -> None:
    assert response(spec).messages_left == 0
    assert response(spec).tasks_at_end >= 20
