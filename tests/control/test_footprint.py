"""What one service takes: memory per service, and NumPy only with a forecast."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.learning import kib_per_service

POLLS_A_SERVICE = """
import sys
from tests.control.fakes import FakePorts, play

world = FakePorts(waiting=40, in_flight=20, desired=20)
play(world, 300.0, backlog_per_task=None, look_ahead={look_ahead})
assert len(world.polls) > 20 and world.polls[-1].observation.knowledge is not None
sys.exit("numpy" in sys.modules)
"""


@pytest.mark.parametrize("look_ahead", [True, False])
def test_a_service_without_a_history_is_polled_without_numpy(look_ahead: bool) -> None:
    """The ports of the fakes have no history, as without the permission to read CloudWatch."""
    program = [sys.executable, "-c", POLLS_A_SERVICE.format(look_ahead=look_ahead)]
    run = subprocess.run(
        program, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")


WITH_FORECAST = """
import sys
from bench.learning import _Learner
_Learner(look_ahead=True)
sys.exit("numpy" not in sys.modules)
"""


def test_a_service_with_a_history_loads_numpy() -> None:
    program = [sys.executable, "-c", WITH_FORECAST]
    run = subprocess.run(
        program, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize(("look_ahead", "services", "most_kib"), [(False, 6, 24.0), (True, 12, 41.0)])
def test_the_memory_of_a_service_is_bounded(look_ahead: bool, services: int, most_kib: float) -> None:
    """Half an hour with everything enabled, stored readings included. A week of minutes takes 10 KiB of it.

    The first services with a forecast also fill caches that all share: with twelve, these do not move the median.
    """
    assert kib_per_service(look_ahead=look_ahead, services=services) < most_kib
