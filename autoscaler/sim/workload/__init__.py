"""The messages that will come: from a file of counts or of jobs, from CloudWatch, or made.

A file or a generator gives a trace; a choice of days and a weight make it a source; a source draws the workload of a
seed. Whatever is wrong with the operator's load is a `TraceError`, before anything is drawn.
"""

from autoscaler.sim.workload.choosing import Choice, Load
from autoscaler.sim.workload.cloudwatch import Sum, counts_from_minutes, questions
from autoscaler.sim.workload.counting import read_counts
from autoscaler.sim.workload.drawing import Counted, Recorded, by_count, by_job
from autoscaler.sim.workload.generators import DEFAULT, GENERATORS, generated
from autoscaler.sim.workload.jobs import read_jobs
from autoscaler.sim.workload.protocol import SCORECARD
from autoscaler.sim.workload.trace import CountTrace, JobTrace, TraceError
from autoscaler.sim.workload.writing import write_counts

__all__ = [
    "DEFAULT",
    "GENERATORS",
    "SCORECARD",
    "Choice",
    "CountTrace",
    "Counted",
    "JobTrace",
    "Load",
    "Recorded",
    "Sum",
    "TraceError",
    "by_count",
    "by_job",
    "counts_from_minutes",
    "generated",
    "questions",
    "read_counts",
    "read_jobs",
    "write_counts",
]
