"""Environments for the tests of settings, and helpers that return the loaded policy or the errors."""

from collections.abc import Callable
from typing import Any

import pytest

from autoscaler.config import Config, load
from autoscaler.config.quoting import WrongValue
from autoscaler.errors import ConfigError

FLAT = {
    "AUTOSCALER_CLUSTER": "production",
    "AUTOSCALER_SERVICE": "orders",
    "AUTOSCALER_QUEUES": "orders-queue",
    "AUTOSCALER_MAX_TASKS": "10",
}


def flat(**values: str) -> dict[str, str]:
    """Return the variables of one valid service. These settings are added or replace its own."""
    return FLAT | {f"AUTOSCALER_{name}": value for name, value in values.items()}


def many(*keys: str, **values: str) -> dict[str, str]:
    """Return the variables of one valid service per key. These variables are added or replace them."""
    services = {
        f"AUTOSCALER_SERVICES__{key}__{field}": value
        for key in keys
        for field, value in {"CLUSTER": "c", "SERVICE": f"s-{key}", "QUEUES": f"q-{key}", "MAX_TASKS": "10"}.items()
    }
    return services | {f"AUTOSCALER_{name}": value for name, value in values.items()}


def problems(environ: dict[str, str]) -> dict[str, str]:
    """Return the problems by their place. Fails if the settings are valid."""
    with pytest.raises(ConfigError) as caught:
        load(environ)
    found: dict[str, str] = {}
    for problem in caught.value.problems:
        found[problem.where] = "; ".join(filter(None, [found.get(problem.where), problem.what]))
    return found


def policy(environ: dict[str, str]) -> Any:
    return only(load(environ)).policy


def only(config: Config) -> Any:
    [service] = config.services
    return service


def refusal(call: Callable[[], object]) -> str | None:
    """Return the error for the operator, or None if there is none. Any other exception is a bug and is raised."""
    try:
        call()
    except (WrongValue, ConfigError) as refused:
        return str(refused)
    return None
