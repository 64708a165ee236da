"""Job files: `t_seconds,service_seconds`, one line per job, in the order of arrival."""

from __future__ import annotations

from array import array
from pathlib import Path

import numpy as np

from autoscaler.sim.workload.lines import JOBS, place, rows
from autoscaler.sim.workload.trace import LONGEST_S, JobTrace, Progress, TraceError, silent


def read_jobs(path: Path, on_progress: Progress = silent) -> JobTrace:
    """Return the trace of a job file. Jobs can arrive at the same instant, and can have a service time of 0.

    Raise `TraceError`, with the line, for: every error of `rows`; a time that goes back; a job of more than ten years.
    """
    times, services = array("d"), array("d")
    last = 0.0
    for line, at, service in rows(path, JOBS, on_progress):
        if at < last:
            raise TraceError(
                place(path, line), f"t_seconds is {at:.15g} after {last:.15g}. Sort the lines by t_seconds"
            )
        if service > LONGEST_S:
            raise TraceError(place(path, line), f"service_seconds is {service:g}, more than ten years. Correct it")
        last = at
        times.append(at)
        services.append(service)
    return JobTrace(path.name, np.frombuffer(times), np.frombuffer(services))
