"""The layer of the variables. No variable that bears our name, or nearly, is passed over in silence."""

from __future__ import annotations

from collections.abc import Mapping

from autoscaler.config.layer import Layer, Naming, Sourced
from autoscaler.config.names import JOINT, PREFIX, Part, Place, place
from autoscaler.config.spelling import misspelt_prefix, unknown_variable

EMPTY = "is empty: unset it, or give it a value"
TWO_STYLES = (
    "names one service flat, and there are others: put every service under AUTOSCALER_SERVICES__<KEY>__, or in the file"
)


def environment(environ: Mapping[str, str]) -> Layer:
    """What the variables say. Those that begin like nothing of ours are somebody else's."""
    layer = Layer()
    for name, value in sorted(environ.items()):
        found = place(name) if name.startswith(PREFIX) else None
        if found:
            _put(layer, found, Sourced(value.strip(), name))
        elif name.startswith(PREFIX):
            layer.complain(name, unknown_variable(name))
        elif meant := misspelt_prefix(name):
            layer.complain(name, f"is not a setting; did you mean {meant}?")
    return layer


def _put(layer: Layer, found: Place, sourced: Sourced) -> None:
    at = _base(layer, found, sourced.origin)
    if not sourced.value:
        layer.complain(sourced.origin, EMPTY)
    elif at is not None:
        layer.put((*at, *found.path), sourced)


def _base(layer: Layer, found: Place, name: str) -> tuple[str, ...] | None:
    """Where in the tree the variable's part begins; its service is entered. None: there is no place for it."""
    if found.key is None:
        return (found.part.value,)
    key = layer.enter(Naming(found.key, many(found.key), dotted=False), name)
    return None if key is None else (Part.SERVICES.value, key)


def many(key: str) -> str:
    """What a variable of one service of many begins with."""
    return f"{PREFIX}SERVICES{JOINT}{key}{JOINT}"
