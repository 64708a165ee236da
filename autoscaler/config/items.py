"""The items of the two lists, queues and limits: split and read one by one, so that each wrong item is reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import model_validator

from autoscaler.config.group import Group, schema_of, shown
from autoscaler.config.kinds import MOST_TASKS, ItemsKind, ValueKind, decoded, duration, optional, whole
from autoscaler.config.queues import address, queue
from autoscaler.config.quoting import WrongValue, quote
from autoscaler.ports import QueueRef

_QUEUE = ValueKind("queue", queue, {"type": "string", "minLength": 1}, address)
TASKS = whole(0, MOST_TASKS)


class QueueFields(Group):
    """A queue of the service. `acceptable_latency` None: the service's value applies."""

    name: Annotated[QueueRef, _QUEUE]
    acceptable_latency: Annotated[float | None, optional(duration(1.0))] = None


class LimitFields(Group):
    """Rate limit: the largest change within `per`, in tasks or in percent of the count at the period's start."""

    tasks: Annotated[int | None, optional(TASKS)] = None
    percent: Annotated[int | None, optional(whole(1, 1_000_000))] = None
    per: Annotated[float, duration(0.001)]

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.tasks is None) == (self.percent is None):
            raise WrongValue("set exactly one of tasks and percent")
        return self


def _queue_item(item: object) -> object:
    """Return `name` or `name=5m` as the equivalent table."""
    if not isinstance(item, str):
        return item
    name, marked, latency = item.strip().rpartition("=")
    return {"name": name, "acceptable_latency": latency} if marked else {"name": latency}


def _queue_items(value: object) -> object:
    items = decoded(value)
    if isinstance(items, str):
        items = items.split(",")
    if isinstance(items, Mapping):
        items = [items]
    if not isinstance(items, list | tuple):
        raise WrongValue(f"{quote(value)} is not a list of queues")
    return [_queue_item(item) for item in items]


def _limit_items(value: object) -> object:
    items = decoded(value)
    if isinstance(items, Mapping):
        items = [items]
    if not isinstance(items, list | tuple):
        raise WrongValue(f'{quote(value)} is not a list of limits: write JSON such as [{{"tasks": 4, "per": "60s"}}]')
    return list(items)


def _queue_shown(item: QueueFields) -> object:
    return address(item.name) if item.acceptable_latency is None else shown(item)


QUEUES = ItemsKind(
    "list of queues",
    _queue_items,
    {"type": "array", "items": {"anyOf": [{"type": "string"}, schema_of(QueueFields)]}},
    lambda items: [_queue_shown(item) for item in items],
)
LIMITS = ItemsKind(
    "list of limits",
    _limit_items,
    {"anyOf": [schema_of(LimitFields), {"type": "array", "items": schema_of(LimitFields)}]},
    lambda items: [shown(item) for item in items],
)
