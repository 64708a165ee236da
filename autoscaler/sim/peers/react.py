"""React: the tasks for the load plus two spare tasks. Comparisons of autoscalers use it as the reactive baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autoscaler.sim.model import Surface
from autoscaler.sim.peers.peer import PeerNumber, Setup, counts, peer, scaled, tasks


@dataclass(frozen=True, slots=True)
class ReactSettings:
    """Chieu et al., "Dynamic scaling of web applications in a virtualized cloud computing environment" (ICEBE 2009),
    as in the autoscaler comparison of Ilyushkin et al. (ICPE 2017): `spare_tasks` 2 above the load, in both
    directions, evaluated every `interval_s` 30.
    """

    task_concurrency: int
    min_tasks: int
    max_tasks: int
    spare_tasks: int = 2
    interval_s: float = 30.0

    def __str__(self) -> str:
        return f"load + {self.spare_tasks} tasks, every {self.interval_s:g} s"


class React:
    """The simulated React policy. It scales out if the load fills the capacity, and scales in if more than the spare
    tasks are idle. The spare tasks remain without load, so it never scales to zero.
    """

    def __init__(self, settings: ReactSettings) -> None:
        self._settings = settings

    @property
    def interval_s(self) -> float:
        return self._settings.interval_s

    def poll(self, world: Surface) -> None:
        seen, queue = tasks(world), counts(world)
        if seen is None or queue is None:
            return
        settings = self._settings
        load = math.ceil((queue.visible + queue.in_flight) / settings.task_concurrency)
        enough = load + settings.spare_tasks
        if load < seen.desired <= enough:
            return
        count = min(max(enough, settings.min_tasks), settings.max_tasks)
        if count != seen.desired:
            scaled(world, count, f"load {load} + {settings.spare_tasks} spare tasks")

    def restart(self) -> None:
        """Nothing is lost: it has no state."""


def _settings(setup: Setup, numbers: tuple[float, ...]) -> ReactSettings:
    interval_s, spare = numbers
    return ReactSettings(setup.task_concurrency, setup.min_tasks, setup.max_tasks, int(spare), interval_s)


PEER = peer(
    "react",
    "React: the load plus two tasks",
    parts=(PeerNumber("INTERVAL_S", 30.0, least=1.0), PeerNumber("SPARE_TASKS", 2.0, whole=True)),
    settings=_settings,
    scaler=React,
    grid=("60", "10", "30/5"),
)
