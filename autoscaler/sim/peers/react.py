"""React: as much capacity as there is load, and two more. The reactive baseline of the autoscaler comparisons."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autoscaler.sim.model import Surface
from autoscaler.sim.peers.looking import counts, scaled, tasks
from autoscaler.sim.peers.peer import Part, Setup, peer


@dataclass(frozen=True, slots=True)
class ReactSettings:
    """Chieu et al., "Dynamic scaling of web applications in a virtualized cloud computing environment" (ICEBE 2009),
    as the autoscaler comparison of Ilyushkin et al. (ICPE 2017) runs it: `spare_tasks` 2 above the load, both ways,
    evaluated every `interval_s` 30.
    """

    task_concurrency: int
    min_tasks: int
    max_tasks: int
    spare_tasks: int = 2
    interval_s: float = 30.0

    def __str__(self) -> str:
        return f"load + {self.spare_tasks} tasks, every {self.interval_s:g} s"


class React:
    """Scales out where the load fills the capacity, and in where more than the spare tasks are idle. It keeps the
    spare ones at no load, so it never goes to zero.
    """

    def __init__(self, settings: ReactSettings) -> None:
        self._settings = settings

    @property
    def interval_s(self) -> float:
        return self._settings.interval_s

    def tick(self, world: Surface) -> None:
        seen, waiting = tasks(world), counts(world)
        if seen is None or waiting is None:
            return
        settings = self._settings
        load = math.ceil((waiting.visible + waiting.in_flight) / settings.task_concurrency)
        enough = load + settings.spare_tasks
        if load < seen.desired <= enough:
            return
        wanted = min(max(enough, settings.min_tasks), settings.max_tasks)
        if wanted != seen.desired:
            scaled(world, wanted, f"load {load} + {settings.spare_tasks}")

    def restart(self) -> None:
        """It remembers nothing."""


def _settings(setup: Setup, numbers: tuple[float, ...]) -> ReactSettings:
    interval_s, spare = numbers
    return ReactSettings(setup.task_concurrency, setup.min_tasks, setup.max_tasks, int(spare), interval_s)


PEER = peer(
    "react",
    "React: the load and two tasks more",
    parts=(Part("INTERVAL_S", 30.0, least=1.0), Part("SPARE_TASKS", 2.0, whole=True)),
    settings=_settings,
    scaler=React,
    grid=("60", "10", "30/5"),
)
