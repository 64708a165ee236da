"""Two clocks that run: one and the same wall time is one and the same instant."""

from __future__ import annotations

import random

from autoscaler.aws.clocks import STEP_S, Clocks


class Running:
    """A monotonic clock, and a wall clock that is `apart_s` from it; both move by microseconds as they are read."""

    def __init__(self) -> None:
        self.at, self.apart_s, self.chance = 5000.0, 1.7e9, random.Random(1)

    def now(self) -> float:
        self.at += self.chance.random() * 1e-5
        return self.at

    def wall(self) -> float:
        return self.now() + self.apart_s


def test_a_minute_that_is_told_again_is_the_same_instant() -> None:
    running = Running()
    clocks = Clocks(running.now, running.wall)
    instants = set()
    for _ in range(100):
        running.at += 10
        instants.add(clocks.instant(1.7e9 + 4000))
    assert len(instants) == 1


def test_a_clock_that_was_set_is_followed() -> None:
    running = Running()
    clocks = Clocks(running.now, running.wall)
    before = clocks.instant(1.7e9 + 4000)
    running.apart_s += 3600
    assert abs(clocks.instant(1.7e9 + 4000 + 3600) - before) < 0.01
    running.apart_s += STEP_S / 2
    assert abs(clocks.instant(1.7e9 + 4000 + 3600) - before) < 0.01, "by so little it is not"


def test_nothing_is_of_the_future() -> None:
    running = Running()
    assert Clocks(running.now, running.wall).instant(9e9) <= running.at
