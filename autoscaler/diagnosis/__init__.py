"""Why ECS tasks do not start, or stop: known causes as data, and the classification of a text. Pure.

`failures.toml` has one table per cause; `classify` finds the cause of a text, `stops.py` the
cause of a stopped task.
"""

from autoscaler.diagnosis.classifying import classify, without_names
from autoscaler.diagnosis.table import UNKNOWN, Failure, FailureClass, failures

__all__ = ["UNKNOWN", "Failure", "FailureClass", "classify", "failures", "without_names"]
