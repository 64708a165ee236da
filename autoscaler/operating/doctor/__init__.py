"""Checks an installation for present and future problems: settings, credentials, permissions, resources, quotas, costs.

Invariant: a check changes nothing. A fact that cannot be checked without a change is reported as unknown.
"""

from autoscaler.findings import Finding, Level, code_of
from autoscaler.operating.doctor.examination import examine

__all__ = ["Finding", "Level", "code_of", "examine"]
