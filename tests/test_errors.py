"""Errors can be pickled, to pass them from one process to another."""

from __future__ import annotations

import pickle

from autoscaler.errors import ConfigError, Problem


def test_a_configuration_error_can_be_pickled() -> None:
    error = ConfigError([Problem("tolerance", "'lots' is not a number"), Problem("paused", "unknown")])
    copied = pickle.loads(pickle.dumps(error))
    assert type(copied) is ConfigError
    assert copied.problems == error.problems
    assert str(copied) == str(error) == "tolerance: 'lots' is not a number\npaused: unknown"
