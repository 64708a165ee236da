"""What there is to report: who met which load, and how to do it again."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.sim.model import Workload
from autoscaler.sim.score import DAY_S, Run

OURS = "ours"
LIMIT = "clairvoyant"
"""Knows what will come: what the others are held against, and no competitor."""


@dataclass(frozen=True, slots=True)
class Study:
    """Runs of several policies on one load.

    `workload` is what `seed` made of the trace; the pictures are of the runs with that seed, the table is of all. In
    `runs` every policy comes with its settings as text; their order is that of the table. `world` says in words what
    SQS, ECS and the workers were like, `command` does it again. `task_concurrency` and `least_billed_s` are the
    world's, and must be those that the scores were made with.
    """

    workload: Workload
    seed: int
    latency_s: float
    world: str
    command: str
    runs: tuple[Run, ...]
    task_concurrency: int = 1
    least_billed_s: float = 60.0

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({run.seed for run in self.runs}))

    @property
    def mean_tasks(self) -> float:
        """How many tasks the work alone keeps busy, on average."""
        return self.workload.work_s / self.workload.length_s / self.task_concurrency


def span(duration_s: float) -> str:
    """A duration in the unit that people would use."""
    for unit_s, name in ((DAY_S, "day"), (3600.0, "hour"), (60.0, "minute")):
        if duration_s >= unit_s:
            count = f"{duration_s / unit_s:.3g}"
            return f"{count} {name}" if count == "1" else f"{count} {name}s"
    return f"{duration_s:.3g} s"
