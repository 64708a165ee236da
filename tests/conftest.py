"""Hypothesis, the same at every run: a commit is judged by its code. No deadline: a shared machine pauses at will.

Children of tests, by `tests/processes.py`: default signals, and none left after a test.
"""

from hypothesis import HealthCheck, settings

from tests.processes import no_process_left, pytest_configure

__all__ = ["no_process_left", "pytest_configure"]

settings.register_profile(
    "commit", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("commit")
