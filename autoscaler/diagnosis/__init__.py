"""Why ECS tasks do not start, or stop: known causes as data, and the diagnosis of a service. Pure.

`failures.toml` has one table per cause; `classify` finds the cause of a text, `events.py` finds the service events that
report a problem, `stops.py` finds the cause of a stopped task. `reports.py` has what ECS says, `groups.py` the stopped
tasks by their cause, and `concluding.py` the diagnosis.
"""

from autoscaler.diagnosis.classifying import classify, without_names
from autoscaler.diagnosis.table import UNKNOWN, Failure, FailureClass, failures

__all__ = ["UNKNOWN", "Failure", "FailureClass", "classify", "failures", "without_names"]
