"""Tables whose keys the operator chooses: `[services.orders.metrics.lag]` in the file, a JSON object in a variable.

A table is one setting: like a list, it replaces the table of a lower layer or of the defaults as a whole. The value
`none` removes an item; an item that is only missing may stay on a reload (`config/lasting.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from autoscaler.config.group import Group, schema_of, shown
from autoscaler.config.kinds import NONE, ItemsKind, ValueKind, decoded
from autoscaler.config.quoting import WrongValue, quote


def table(what: str, example: str, key: ValueKind, group: type[Group]) -> ItemsKind:
    """Return the kind of a table of `what`, from keys of the kind `key` to settings of the group. `example` is JSON."""

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
