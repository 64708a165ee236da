"""Generates the files of a first deployment from five answers: settings, policy, task definition and next steps.

The daemon starts in shadow: it only reads and reports, and its role has no write permission.
"""

from autoscaler.operating.starting.answers import InitAnswers
from autoscaler.operating.starting.files import Step, files, folded, steps, written

__all__ = ["InitAnswers", "Step", "files", "folded", "steps", "written"]
