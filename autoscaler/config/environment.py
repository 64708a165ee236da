"""The layer of the environment variables. A variable with the prefix `AUTOSCALER_`, or a similar prefix, is used or
reported.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoscaler.config.layer import Layer, Naming, Sourced
from autoscaler.config.names import JOINT, PREFIX, SettingPlace, SettingsPart, place
from autoscaler.config.spelling import misspelt_prefix, unknown_variable

EMPTY = "the variable is empty. Unset it, or set a value"
TWO_STYLES = (
    "this variable configures a single service, but other services are configured as well. "
    "Give every service a key (AUTOSCALER_SERVICES__<KEY>__...), or configure all services in the file"
)


def environment(environ: Mapping[str, str]) -> Layer:
    """Return the settings in the variables. Variables with another prefix that is not similar to `AUTOSCALER_` are
    ignored.
    """
    layer = Layer()
    for name, value in sorted(environ.items()):
        found = place(name) if name.startswith(PREFIX) else None
        if found:
            _put(layer, found, Sourced(value.strip(), name))
        elif name.startswith(PREFIX):
            layer.complain(name, unknown_variable(name))
        elif meant := misspelt_prefix(name):
            layer.complain(name, f"unknown setting; did you mean {meant}?")
    return layer


def _put(layer: Layer, found: SettingPlace, sourced: Sourced) -> None:
    at = _base(layer, found, sourced.origin)
    if not sourced.value:
        layer.complain(sourced.origin, EMPTY)
    elif at is not None:
        layer.put((*at, *found.path), sourced)


def _base(layer: Layer, found: SettingPlace, name: str) -> tuple[str, ...] | None:
    """Return the path of the variable's part in the tree, and add its service (None: the service's key is invalid)."""
    if found.key is None:
        return (found.part.value,)
    key = layer.enter(Naming(found.key, many(found.key), dotted=False), name)
    return None if key is None else (SettingsPart.SERVICES.value, key)


def many(key: str) -> str:
    """Return the prefix of the variables of a service with this key."""
    return f"{PREFIX}SERVICES{JOINT}{key}{JOINT}"
