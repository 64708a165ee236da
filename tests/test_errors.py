"""Errors: what they carry survives the way from one process to another."""

from __future__ import annotations

import pickle

from autoscaler.errors import ConfigError, Problem


def test_the_operators_mistakes_survive_the_way_to_another_process() -> None:
    error = ConfigError([Problem("tolerance", "'lots' is not a number"), Problem("paused", "never heard of")])
    told = pickle.loads(pickle.dumps(error))
    assert type(told) is ConfigError
    assert told.problems == error.problems
    assert str(told) == str(error) == "tolerance: 'lots' is not a number\npaused: never heard of"
