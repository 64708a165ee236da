"""The messages of a simulation: from a file of counts or jobs, from CloudWatch, or from a generator.

A file or a generator gives a trace. A choice of days and a mean load turn a trace into a source. A source draws the
workload of a seed. Every error in the operator's load is a `TraceError`, raised before messages are drawn.
"""

from autoscaler.sim.workload.choosing import Choice, LoadSize
from autoscaler.sim.workload.cloudwatch import Sum, counts_from_minutes, metric_ranges
from autoscaler.sim.workload.drawing import Counted, RecordedJobs, by_count, by_job, read_counts, read_jobs
from autoscaler.sim.workload.generators import DEFAULT, GENERATORS, generated
from autoscaler.sim.workload.lines import write_counts
from autoscaler.sim.workload.protocol import SCORECARD
from autoscaler.sim.workload.trace import CountTrace, JobTrace, TraceError

__all__ = [
    "DEFAULT",
    "GENERATORS",
    "SCORECARD",
    "Choice",
    "CountTrace",
    "Counted",
    "JobTrace",
    "LoadSize",
    "RecordedJobs",
    "Sum",
    "TraceError",
    "by_count",
    "by_job",
    "counts_from_minutes",
    "generated",
    "metric_ranges",
    "read_counts",
    "read_jobs",
    "write_counts",
]
