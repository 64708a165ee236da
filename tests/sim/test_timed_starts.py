"""The start-up time with ECS's own times in the simulator: half of the tasks start in 8 s, half in 90 s.

`python -m tests.sim.test_timed_starts` prints the table of docs/deciding.md (2 minutes).
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from statistics import fmean

import click

from autoscaler.core.model import Missing
from autoscaler.core.start_phases import StartedTask
from autoscaler.ports import ServiceRef, StartReading
from autoscaler.sim.model import StartUp, Surface
from autoscaler.sim.ours import WALL_S, Ours, SimulatedSettings
from autoscaler.sim.play import play
from autoscaler.sim.scenarios import SCENARIOS
from autoscaler.sim.score import score
from autoscaler.sim.world import World

HALF_AND_HALF = StartUp(8.0, 9.0, other=StartUp(90.0, 100.0), other_share=0.5)


@dataclass
class SimulatedStarts:
    """A `StartPort` over the simulated world: only tasks that run now can be read."""

    world: World | None = None

    async def started(self, service: ServiceRef, known: AbstractSet[int]) -> StartReading | Missing:
        assert self.world is not None
        lives = enumerate(self.world._service.lives(self.world.now))
        live = [(number, life) for number, life in lives if life.stopped_s >= self.world.now]
        return StartReading(
            tuple(
                StartedTask(number, "worker:1", WALL_S + life.launched_s, WALL_S + life.up_s)
                for number, life in live
                if life.up_s <= self.world.now and number not in known
            ),
            frozenset(number for number, _ in live),
        )


class TimedOurs(Ours):
    """This autoscaler with the permission to describe tasks."""

    def __init__(self, settings: SimulatedSettings) -> None:
        self._port = SimulatedStarts()
        super().__init__(settings.policy(), starts=self._port)

    def poll(self, world: Surface) -> None:
        assert isinstance(world, World)
        self._port.world = world
        super().poll(world)


def late_and_cost(scenario: str, latency_s: float, seed: int, *, timed: bool) -> tuple[float, float]:
    """Return the share of late messages, and task-seconds per second of work."""
    named = SCENARIOS[scenario]
    world, workload = replace(named.world, start_up=HALF_AND_HALF), named.load.draw(seed)
    settings = SimulatedSettings(latency_s)
    outcome = play(workload, world, seed, TimedOurs(settings) if timed else Ours(settings.policy()))
    found = score(workload, outcome, latency_s, 1.0, least_billed_s=world.least_billed_s, task_concurrency=1)
    return found.late_fraction, found.cost_per_work


def test_with_ecs_times_fewer_messages_of_bursts_are_late() -> None:
    """Also if most slow tasks stop before they are read."""
    (counts, _), (times, cost) = (late_and_cost("bursts", 60.0, 1, timed=timed) for timed in (False, True))
    assert times < counts
    assert cost < 3.0


def _table() -> None:
    click.echo("| load | target | counts: late, cost | ECS's times: late, cost |\n|---|---|---|---|")
    for scenario in ("bursts", "surge", "well-behaved"):
        for latency_s in (30.0, 60.0, 90.0):
            cells = []
            for timed in (False, True):
                found = [late_and_cost(scenario, latency_s, seed, timed=timed) for seed in (1, 2, 3)]
                late, cost = (fmean(each) for each in zip(*found, strict=True))
                cells.append(f"{100 * late:.1f} %, {cost:.2f}")
            click.echo(f"| {scenario} | {latency_s:.0f} s | {cells[0]} | {cells[1]} |")


if __name__ == "__main__":
    _table()
