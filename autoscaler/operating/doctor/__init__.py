"""What is wrong with an installation, or will be: settings, credentials, rights, what exists, quotas, dollars.

Law: nothing is changed by looking. What cannot be known without a change is said to be so, and is not tried.
"""

from autoscaler.operating.doctor.examination import examine
from autoscaler.operating.doctor.findings import Finding, Level, code_of

__all__ = ["Finding", "Level", "code_of", "examine"]
