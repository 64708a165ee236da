"""Groups of settings, and tables and lists of items inside a service."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

from autoscaler.config.addresses import address, queue
from autoscaler.config.quoting import WrongValue, quote
from autoscaler.config.values import (
    MOST_TASKS,
    NONE,
    ItemsKind,
    ValueKind,
    decoded,
    duration,
    optional,
    whole,
)
from autoscaler.core.model import FIFO_ENDING
from autoscaler.core.policy import Policy
from autoscaler.ports import QueueRef

# How a tag may change a setting. Each setting declares one of these rules next to its default; without a declaration,
# a tag may not set it. People who are not responsible for a service may have the permission to tag it.
#
# A tag's value is compared with the value that the service has without the tag: from its profile, else from the
# defaults, else the built-in default.

Weaker: TypeAlias = Callable[[Any, Any], bool]
"""Whether the tag's value (first) is weaker than the value without the tag (second)."""


@dataclass(frozen=True, slots=True, eq=False)
class ByTag:
    """Rule for a tag's value. `words` complete the sentence "a tag ...". `weaker` None: no value is accepted.
    `comparison` describes a refused value, as in "2 is less than 5".
    """

    words: str
    weaker: Weaker | None
    comparison: str = ""


NEVER = ByTag("may not set it", None)
AT_RUNTIME = ByTag("of the same name is read at every poll and overrides the setting", None)
ANY = ByTag("may set it", lambda _given, _without: False)
RAISE = ByTag("may only raise it", lambda given, without: given < without, "less than")
LOWER = ByTag("may only lower it", lambda given, without: given > without, "more than")
RAISE_GIVEN = ByTag(
    "may only raise it, or set it if it is not set",
    lambda given, without: without is not None and (given is None or given < without),
    "weaker than",
)
LOWER_GIVEN = ByTag(
    "may only lower it, or set it if it is not set",
    lambda given, without: without is not None and (given is None or given > without),
    "weaker than",
)
ENABLE = ByTag("may only turn it on", lambda given, without: without and not given, "weaker than")


def stricter(*order: Any, comparison: str = "weaker than") -> ByTag:
    """Return a rule that refuses values weaker than the value without the tag. `order` begins with the weakest."""
    names = ", ".join(map(str, order))
    return ByTag(
        f"may only make it stricter ({names}: the last is the strictest)",
        lambda given, without: order.index(given) < order.index(without),
        comparison,
    )


def only(strictest: Any) -> ByTag:
    """Return a rule that accepts the strictest value and the value without the tag. The other values have no order."""
    return ByTag(
        f"may only set {strictest}",
        lambda given, without: given not in {strictest, without},
        f"neither {strictest} nor",
    )


# Groups of settings, and the walk over the tree of groups that produces every list of settings.

Path: TypeAlias = tuple[str, ...]
"""The names from the outermost group to a setting: `("scale_out", "cooldown")`."""


class Group(BaseModel):
    """A group of settings. A name that is not one of its fields is an error.

    Pydantic builds the validator at the first use (`defer_build`), which many commands never reach.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One setting with its texts for the reference. `stays` and `by_tag` are as in `setting`."""

    path: Path
    kind: ValueKind
    default: object
    meaning: str
    why: str = ""
    stays: str = ""
    by_tag: ByTag = NEVER


DEFAULT = Policy("", min_tasks=0, max_tasks=MOST_TASKS)
"""The policy of a service that sets nothing. A setting of the policy takes its default from here."""


def setting(default: Any, meaning: str, why: str, *, stays: str = "", by_tag: ByTag = NEVER) -> Any:
    """Declare a setting: its default, its meaning, and the reason for the default.

    `stays`: the clause after "the last value stays, because", for a setting whose line or tag is missing on a reload;
    empty: the next layer's value or the default applies. Modes, roles, bounds and protections give a reason here.
    `by_tag`: what a tag may do to it.
    """
    extra: dict[str, Any] = {"why": why, "stays": stays, "by_tag": by_tag}
    return Field(default=default, description=meaning, json_schema_extra=extra)


def required(meaning: str) -> Any:
    """Declare a setting inside an item of a list or table that the item must have."""
    return Field(description=meaning)


def meant(default: Any, meaning: str) -> Any:
    """Declare a setting inside an item of a list or table: its default and its meaning."""
    return Field(default=default, description=meaning)


def names_in(group: type[Group]) -> tuple[str, ...]:
    """Return the names of the group's settings as they are written: the alias if the name is a Python keyword."""
    return tuple(field.alias or name for name, field in group.model_fields.items())


def within(group: type[Group], name: str) -> type[Group] | None:
    """Return the inner group of that name (None: no such name, or a single setting)."""
    field = group.model_fields.get(name)
    inner = field.annotation if field else None
    return inner if isinstance(inner, type) and issubclass(inner, Group) else None


@cache
def leaves(group: type[Group]) -> tuple[Leaf, ...]:
    """Return all settings of the group and of its inner groups, in the order of the code."""
    return tuple(_leaves(group, ()))


def _leaves(group: type[Group], at: Path) -> Iterator[Leaf]:
    for name, field in group.model_fields.items():
        inner = within(group, name)
        if inner:
            yield from _leaves(inner, (*at, name))
        else:
            yield _leaf((*at, field.alias or name), field)


def _leaf(path: Path, field: FieldInfo) -> Leaf:
    extra: Any = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return Leaf(path, kind_of(field), field.get_default(), field.description or "", **extra)


def kind_of(field: FieldInfo) -> ValueKind:
    """Return the kind of the values of a single setting."""
    return next(mark for mark in field.metadata if isinstance(mark, ValueKind))


def value_at(group: Group, path: Path) -> Any:
    """Return the value of the setting at the path."""
    value: Any = group
    for name in path:
        value = getattr(value, name)
    return value


def shown(group: Group) -> dict[str, object]:
    """Return the values of a group without inner groups, in the notation of the file; None is left out."""
    given = zip(leaves(type(group)), (value for _, value in group), strict=True)
    return {leaf.path[-1]: leaf.kind.show(value) for leaf, value in given if value is not None}


def schema_of(group: type[Group]) -> dict[str, object]:
    """Return the JSON Schema of a table with the group's settings."""
    required = [field.alias or name for name, field in group.model_fields.items() if field.is_required()]
    must: Mapping[str, object] = {"required": required} if required else {}
    return {"type": "object", "properties": properties_of(group), "additionalProperties": False, **must}


def properties_of(group: type[Group]) -> dict[str, object]:
    """Return the JSON Schemas of the group's settings, by name."""
    return {field.alias or name: _property(group, name, field) for name, field in group.model_fields.items()}


def _property(group: type[Group], name: str, field: FieldInfo) -> dict[str, object]:
    inner = within(group, name)
    if inner:
        return schema_of(inner)
    leaf = _leaf((name,), field)
    default = {} if field.is_required() or leaf.default is None else {"default": leaf.kind.show(leaf.default)}
    described = {"description": leaf.meaning} if leaf.meaning else {}
    return {**leaf.kind.described(), **described, **default}


# Tables whose keys the operator chooses: `[services.orders.metrics.lag]` in the file, a JSON object in a variable.
#
# A table is one setting: like a list, it replaces the table of a lower layer or of the defaults as a whole. The value
# `none` removes an item; an item that is only missing may stay on a reload (`config/lasting.py`).


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


# The items of the two lists, queues and limits: split and read one by one, so that each wrong item is reported.

_QUEUE = ValueKind("queue", queue, {"type": "string", "minLength": 1}, address)
TASKS = whole(0, MOST_TASKS)


def _event_queue(value: object) -> QueueRef:
    found = queue(value)
    if found.name.endswith(FIFO_ENDING):
        raise WrongValue(f"{found.name} is a FIFO queue. Use a standard queue")
    return found


EVENT_QUEUE = ValueKind("queue", _event_queue, {"type": "string", "minLength": 1}, address)


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
