"""Hypothesis, the same at every run: a commit is judged by its code. No deadline: a shared machine pauses at will."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "commit", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("commit")
