"""What the demo tells the daemon: the settings of one service, with windows short enough to watch."""

from __future__ import annotations

from autoscaler.demo.load import Load
from autoscaler.demo.workers import CONCURRENCY

CLUSTER = "demo"
SERVICE = "worker"
QUEUE = "jobs"
MAX_TASKS = 25
ACCEPTABLE_LATENCY_S = 15.0
OVERHEAD_S = 0.25
"""What a message holds a slot for beside the work: until a worker asks for more, and until it is deleted."""


def settings_of(load: Load, port: int) -> dict[str, str]:
    """The daemon's environment. `processing_time` is what a message of this load really takes."""
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
