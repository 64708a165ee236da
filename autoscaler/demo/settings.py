"""Settings of the daemon in the demo: one service, with windows that are short enough to watch."""

from __future__ import annotations

from autoscaler.demo.load import DemoLoad
from autoscaler.demo.workers import CONCURRENCY

CLUSTER = "demo"
SERVICE = "worker"
QUEUE = "jobs"
MAX_TASKS = 25
ACCEPTABLE_LATENCY_S = 15.0
OVERHEAD_S = 0.25
"""Time for which a message occupies a slot in addition to its processing: until the next receive and its deletion."""


def settings_of(load: DemoLoad, port: int) -> dict[str, str]:
    """Return the daemon's environment. `processing_time` is the real one of this load."""
    return {
        "AUTOSCALER_CLUSTER": CLUSTER,
        "AUTOSCALER_SERVICE": SERVICE,
        "AUTOSCALER_QUEUES": QUEUE,
        "AUTOSCALER_MIN_TASKS": "0",
        "AUTOSCALER_MAX_TASKS": str(MAX_TASKS),
        "AUTOSCALER_MODE": "active",
        "AUTOSCALER_ACCEPTABLE_LATENCY": f"{ACCEPTABLE_LATENCY_S:g}s",
        "AUTOSCALER_PROCESSING_TIME": f"{load.mean_work_s + OVERHEAD_S:.1f}s",
        "AUTOSCALER_TASK_CONCURRENCY": str(CONCURRENCY),
        "AUTOSCALER_INTERVAL": "1s",
        "AUTOSCALER_SCALE_IN__STABILIZATION": "6s",
        "AUTOSCALER_HTTP_HOST": "127.0.0.1",
        "AUTOSCALER_HTTP_PORT": str(port),
        "AUTOSCALER_LOG_FORMAT": "json",
    }
