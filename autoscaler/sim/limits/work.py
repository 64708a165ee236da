"""Work is conserved: whatever the policy and however late, each message occupies a slot for its service time.

With K slots per task, B billed task-seconds hold at most K x B slot-seconds of work.
"""

from __future__ import annotations

from autoscaler.sim.model import Workload, WorldSettings


def least_possible_billed_s(workload: Workload, settings: WorldSettings) -> float:
    """Billed task-seconds below which no run of this workload can be, however late its messages are.

    The work by the slots of a task, or what the tasks of the start are billed at least. One task that is there from
    the start can do it all, so that no start-up is unavoidable; faults that make work take longer only add to it.
    """
    at_start_s = settings.tasks_at_start * settings.least_billed_s
    return max(workload.work_s / settings.task_concurrency, at_start_s)
