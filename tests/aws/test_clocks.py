"""With running clocks, the same wall-clock time is always the same instant."""

from __future__ import annotations

import random

from autoscaler.aws.clients import STEP_S, Clocks


class RunningClocks:
    """A monotonic clock, and a wall clock that is `apart_s` ahead of it. Each reading advances both by microseconds."""

    def __init__(self) -> None:
        self.at, self.apart_s, self.rng = 5000.0, 1.7e9, random.Random(1)

    def now(self) -> float:
        self.at += self.rng.random() * 1e-5
        return self.at

    def wall(self) -> float:
        return self.now() + self.apart_s


def test_the_same_wall_time_is_always_the_same_instant() -> None:
    running = RunningClocks()
    clocks = Clocks(running.now, running.wall)
    instants = set()
    for _ in range(100):
        running.at += 10
        instants.add(clocks.instant(1.7e9 + 4000))
    assert len(instants) == 1


def test_a_step_of_the_wall_clock_is_followed() -> None:
    running = RunningClocks()
    clocks = Clocks(running.now, running.wall)
    before = clocks.instant(1.7e9 + 4000)
    running.apart_s += 3600
    assert abs(clocks.instant(1.7e9 + 4000 + 3600) - before) < 0.01
    running.apart_s += STEP_S / 2
    assert abs(clocks.instant(1.7e9 + 4000 + 3600) - before) < 0.01, "a small step is not followed"


def test_no_instant_is_in_the_future() -> None:
    running = RunningClocks()
    assert Clocks(running.now, running.wall).instant(9e9) <= running.at
