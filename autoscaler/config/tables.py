"""Tables whose keys the operator chooses: `[services.orders.metrics.lag]` in the file, a JSON object in a variable.

A table is one setting: like a list, it replaces that of the layer or of the defaults beneath it as a whole. An item
that is `none` is not there: on a reload, an item that is only missing may stay (`config/lasting.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from autoscaler.config.group import Group, schema_of, shown
from autoscaler.config.kinds import NONE, ItemsKind, Kind, decoded
from autoscaler.config.quoting import WrongValue, quote


def table(what: str, example: str, key: Kind, group: type[Group]) -> ItemsKind:
    """A table of `what`: under each key, itself of the kind `key`, the settings of the group. `example` is JSON."""

    def read(value: object) -> object:
        items = decoded(value)
        if not isinstance(items, Mapping):
            raise WrongValue(f"{quote(value)} is not a table of {what}: write JSON such as {example}")
        return {name: item for name, item in items.items() if not _is_none(item)}

    return ItemsKind(
        f"table of {what}",
        read,
        {
            "type": "object",
            "propertyNames": key.schema,
            "additionalProperties": {"anyOf": [schema_of(group), {"const": NONE}]},
        },
        lambda items: {name: shown(item) for name, item in items.items()},
    )


def _is_none(item: object) -> bool:
    return isinstance(item, str) and item.strip().lower() == NONE
