"""The input of a report: the load, the runs, and the command that repeats them."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.sim.model import Workload
from autoscaler.sim.score import DAY_S, ScoredRun

OURS = "ours"
LIMIT = "clairvoyant"
"""The oracle that knows all arrivals: a reference for the other policies, not a competitor."""


@dataclass(frozen=True, slots=True)
class Study:
    """Runs of several policies on one load.

    `workload` is the load with `seed`. The charts show the runs with that seed; the table shows all runs, in the order
    of `runs`. `world` describes SQS, ECS and the workers; `command` repeats the simulation. `task_concurrency` and
    `least_billed_s` are the settings of the world, and must be those of the scores.
    """

    workload: Workload
    seed: int
    latency_s: float
    world: str
    command: str
    runs: tuple[ScoredRun, ...]
    task_concurrency: int = 1
    least_billed_s: float = 60.0

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({run.seed for run in self.runs}))

    @property
    def mean_tasks(self) -> float:
        """Mean number of tasks that the work alone occupies."""
        return self.workload.work_s / self.workload.length_s / self.task_concurrency


def span(duration_s: float) -> str:
    """Format a duration in days, hours, minutes or seconds."""
    for unit_s, name in ((DAY_S, "day"), (3600.0, "hour"), (60.0, "minute")):
        if duration_s >= unit_s:
            count = f"{duration_s / unit_s:.3g}"
            return f"{count} {name}" if count == "1" else f"{count} {name}s"
    return f"{duration_s:.3g} s"
