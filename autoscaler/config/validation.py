"""Validate trees with the models, and convert pydantic's errors to problems with the operator's names.

Invalid values are removed and the rest is validated again, so that contradictions are also found in settings that
contain invalid values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from autoscaler.config.caps import CapFields
from autoscaler.config.group import Group, Path, names_in
from autoscaler.config.items import LimitFields, QueueFields
from autoscaler.config.layer import Sourced, Tree
from autoscaler.config.merging import sources
from autoscaler.config.metrics import MetricFields
from autoscaler.config.quoting import printable
from autoscaler.config.schedules import ScheduleFields
from autoscaler.config.spelling import unknown_key
from autoscaler.errors import Problem

G = TypeVar("G", bound=Group)
_ITEMS: Mapping[str, type[Group]] = {
    "queues": QueueFields,
    "limits": LimitFields,
    "metrics": MetricFields,
    "schedules": ScheduleFields,
    "caps": CapFields,
}
_OF_A_KEY = "[key]"
"""Pydantic's suffix for an invalid key of a table."""


@dataclass(frozen=True, slots=True)
class Valid(Generic[G]):
    """The validated group. The settings at `broken` are invalid and have their defaults in `value`."""

    value: G
    sources: Mapping[Path, Sourced]
    broken: frozenset[Path]
    problems: tuple[Problem, ...]


def validated(group: type[G], tree: Tree) -> Valid[G]:
    """Return the tree's settings, with a problem for each invalid one."""
    given = sources(tree)
    try:
        return Valid(group.model_validate(_plain(given)), given, frozenset(), ())
    except ValidationError as error:
        return _without_broken(group, given, error.errors(include_url=False))


def _without_broken(group: type[G], given: Mapping[Path, Sourced], errors: Sequence[ErrorDetails]) -> Valid[G]:
    paths = [_leaf_of(error["loc"], given) for error in errors]
    problems = tuple(Problem(given[path].origin, _text(error, path)) for error, path in zip(errors, paths, strict=True))
    rest = {path: sourced for path, sourced in given.items() if path not in paths}
    return Valid(group.model_validate(_plain(rest)), given, frozenset(paths), problems)


def _plain(given: Mapping[Path, Sourced]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for path, sourced in given.items():
        group = plain
        for name in path[:-1]:
            group = group.setdefault(name, {})
        group[path[-1]] = sourced.value
    return plain


def _leaf_of(location: Sequence[int | str], given: Mapping[Path, Sourced]) -> Path:
    """Return the path of the setting with the error. Items of a list are below it."""
    path = tuple(map(str, location))
    return next(path[:length] for length in range(len(path), 0, -1) if path[:length] in given)


def _text(error: ErrorDetails, path: Path) -> str:
    below = [step for step in error["loc"][len(path) :] if step != _OF_A_KEY]
    spot = ", ".join(f"item {step + 1}" if isinstance(step, int) else printable(step) for step in below)
    return f"{spot}: {_sentence(error, path)}" if spot else _sentence(error, path)


def _sentence(error: ErrorDetails, path: Path) -> str:
    items = _ITEMS.get(path[-1])
    match error["type"]:
        case "value_error":
            return str(error["ctx"]["error"])
        case "missing":
            return "the value is missing"
        case "extra_forbidden" if items:
            return unknown_key(str(error["loc"][-1]), items)
        case _ if items:
            return f"the value must be a table with {', '.join(names_in(items))}"
        case _:
            return error["msg"]
