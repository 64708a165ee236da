"""Name settings where they are written: an error of AWS names variables, and the operator may use a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.groups import Path, leaves
from autoscaler.config.loading import LoadedSettings
from autoscaler.config.names import variable

_VARIABLE = re.compile(r"(?<![A-Z_])AUTOSCALER_[A-Z_]*[A-Z](?![\w=<])")


def _paths(group: type[GlobalFields | ServiceFields]) -> dict[str, Path]:
    return {variable(leaf.path): leaf.path for leaf in leaves(group)}


_OF_DAEMON, _OF_SERVICE = _paths(GlobalFields), _paths(ServiceFields)


def located(text: str, settings: LoadedSettings, key: str | None = None) -> str:
    """Return the text with each variable that it names replaced by the place where that setting is written:
    `services.orders.cluster in autoscaler.toml`, or another variable. `key`: the service that the text is about.
    """
    read = next((read for read in settings.services if read.key == key), None)
    # without a service, its settings are only unambiguous if there is one
    read = read or (settings.services[0] if key is None and len(settings.services) == 1 else None)

    def place(name: str) -> str:
        if name in _OF_DAEMON:
            sourced = settings.globals.sources.get(_OF_DAEMON[name])
            return name if sourced is None else _named(sourced.origin)
        return name if read is None or name not in _OF_SERVICE else _named(read.where(_OF_SERVICE[name]))

    return _VARIABLE.sub(lambda found: place(found[0]), text)


def located_in(value: Any, settings: LoadedSettings, key: str | None = None) -> Any:
    """Return the JSON value with all its texts `located`, except in a `situation`, which is recorded as it is."""
    if isinstance(value, str):
        return located(value, settings, key)
    if isinstance(value, Mapping):
        return {name: one if name == "situation" else located_in(one, settings, key) for name, one in value.items()}
    return [located_in(one, settings, key) for one in value] if isinstance(value, list | tuple) else value


def _named(origin: str) -> str:
    """Return the origin in a sentence: that of an entry of a file is `FILE: KEY`."""
    file, colon, entry = origin.rpartition(": ")
    return f"{entry} in {file}" if colon else origin
