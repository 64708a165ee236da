"""Groups of settings, and the walk over the tree of groups that produces every list of settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from autoscaler.config.by_tag import NEVER, ByTag
from autoscaler.config.kinds import ValueKind

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


def setting(default: Any, meaning: str, why: str, *, stays: str = "", by_tag: ByTag = NEVER) -> Any:
    """Declare a setting: its default, its meaning, and the reason for the default.

    `stays`: the clause after "the last value stays, because", for a setting whose line or tag is missing on a reload;
    empty: the next layer's value or the default applies. Modes, roles, bounds and protections give a reason here.
    `by_tag`: what a tag may do to it.
    """
    extra: dict[str, Any] = {"why": why, "stays": stays, "by_tag": by_tag}
    return Field(default=default, description=meaning, json_schema_extra=extra)


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
    kind = next(mark for mark in field.metadata if isinstance(mark, ValueKind))
    return Leaf(path, kind, field.get_default(), field.description or "", **extra)


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
    return {**leaf.kind.schema, **described, **default}
