"""From five answers to everything that a first start needs: settings, a policy, a task definition, and what comes next.

All of it in shadow: it reads and tells, and its role holds no right to change anything.
"""

from autoscaler.operating.starting.answers import Answers
from autoscaler.operating.starting.files import files, steps, written

__all__ = ["Answers", "files", "steps", "written"]
