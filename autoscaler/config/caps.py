"""Shared caps: a resource that several services share, such as database connections, and the amount per task."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import Field

from autoscaler.config.group import Group
from autoscaler.config.kinds import MOST_TASKS, ItemsKind, text, whole
from autoscaler.config.quoting import WrongValue, quote
from autoscaler.config.tables import table

_NAME = text(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII), "a valid name of a cap (letters, digits, - and _)"
)
_AMOUNT = whole(1, MOST_TASKS)
_SUCH_AS = ', such as {"orders": 2, "refunds": 1}'


def _per_task(value: object) -> object:
    if not isinstance(value, Mapping):
        raise WrongValue(f"{quote(value)} is not a table of services{_SUCH_AS}")
    if not value:
        raise WrongValue(f"the table is empty. List the services that share the resource{_SUCH_AS}")
    return value


_PER_TASK = ItemsKind(
    "table of whole numbers",
    _per_task,
    {"type": "object", "minProperties": 1, "additionalProperties": _AMOUNT.schema},
)


class CapFields(Group):
    """A limit on a resource that several services share."""

    most: Annotated[int, _AMOUNT] = Field(description="Total amount.")
    per_task: Annotated[dict[str, Annotated[int, _AMOUNT]], _PER_TASK] = Field(
        description="Amount that one task uses, by service key."
    )


Caps: TypeAlias = dict[Annotated[str, _NAME], CapFields]

CAPS = table("caps", '{"database": {"most": 200, "per_task": {"orders": 2, "refunds": 1}}}', _NAME, CapFields)
