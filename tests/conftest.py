"""Hypothesis settings: deterministic, so that a result depends only on the code; no deadline, because a shared machine
can pause; 40 examples, because CI has ten minutes (`make laws` draws ten million decisions, `make mutants` its own).

`tests/processes.py`: child processes have default signals, and none remains after a test.
"""

from hypothesis import HealthCheck, settings

from tests.processes import no_process_left, pytest_configure

__all__ = ["no_process_left", "pytest_configure"]

settings.register_profile(
    "commit",
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("commit")
