"""Work is conserved: with every policy, each message occupies a slot for its service time.

With K slots per task, B billed task-seconds contain at most K x B slot-seconds of work.
"""

from __future__ import annotations

from autoscaler.sim.model import Workload, WorldSettings


def least_possible_billed_s(workload: Workload, settings: WorldSettings) -> float:
    """Return the least billed task-seconds of any run of this workload, even if its messages are late.

    It is the larger of two values: the work divided by the slots of a task, and the least that the tasks of the start
    are billed. It includes no start-up, because a task of the start can do all the work. Faults only add work.
    """
    at_start_s = settings.tasks_at_start * settings.least_billed_s
    return max(workload.work_s / settings.task_concurrency, at_start_s)
