"""Conversion between a policy and its settings, without loss in both directions.

Invariant: `policy_of(p.name, fields_of(p)) == p` for every valid policy p.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, is_dataclass
from dataclasses import fields as dataclass_fields
from functools import cache, partial
from typing import Annotated, Any, Generic, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from autoscaler.config.checks import Clash, contradictions, no_tasks, out_of_bounds
from autoscaler.config.fields import ServiceFields
from autoscaler.config.groups import (
    DEFAULT,
    TASKS,
    Group,
    LimitFields,
    Path,
    QueueFields,
    kind_of,
    leaves,
    names_in,
    setting,
    value_at,
)
from autoscaler.config.layers import Layer, Sourced, Tree, sources
from autoscaler.config.metrics import metric_fields, metric_policy
from autoscaler.config.model import Chosen, Schedule
from autoscaler.config.names import SettingsPart, unknown_key
from autoscaler.config.quoting import printable
from autoscaler.config.rules import IN_FORCE, CapFields, ScheduleFields
from autoscaler.core.policy import MetricPolicy, Mode, Policy, QueuePolicy
from autoscaler.errors import ConfigError, Problem

# Validate trees with the models, and convert pydantic's errors to problems with the operator's names.
#
# Invalid values are removed and the rest is validated again, so that contradictions are also found in settings that
# contain invalid values.

G = TypeVar("G", bound=Group)
_ITEMS: Mapping[str, type[Group]] = {
    "queues": QueueFields,
    "limits": LimitFields,
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
    items = metric_fields() if path[-1] == "metrics" else _ITEMS.get(path[-1])
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


class PolicyFields(ServiceFields):
    """The policy at one moment. Its bounds may come from a schedule; `max_tasks` may then be 0."""

    max_tasks: Annotated[int, TASKS] = setting(DEFAULT.max_tasks, "Maximum number of tasks.", "The limit of ECS.")
    schedule: Annotated[str | None, IN_FORCE] = setting(
        DEFAULT.schedule,
        "The schedule that sets the bounds.",
        "Without an active schedule the service's own bounds apply.",
    )


def policy_of(name: str, fields: Mapping[str, object]) -> Policy:
    """Return the policy of the fields, which have the names and meanings of the settings.

    No field is required: a missing field has its default, `max_tasks` the maximum of ECS. A metric needs no source.
    `schedule` may name the schedule that sets the bounds; `schedules` are validated, but none is in force.
    Raises ConfigError with all problems, each at its field's path.
    """
    layer = Layer()
    layer.read_table(fields, PolicyFields, (SettingsPart.DEFAULTS.value,), ".".join)
    valid = validated(PolicyFields, layer.tree[SettingsPart.DEFAULTS])
    clashes = (Problem(".".join(clash.at), clash.what) for clash in _clashes(valid.value, valid.broken))
    problems = [*layer.problems, *valid.problems, *clashes]
    if problems:
        raise ConfigError(problems)
    return policy(name, valid.value)


def _clashes(fields: PolicyFields, broken: Set[Path]) -> list[Clash]:
    """Return the contradictions. With a schedule's bounds, a pause or a fallback may be out of bounds."""
    own = [] if fields.schedule else [*no_tasks(fields, broken), *out_of_bounds(fields, broken)]
    return [*contradictions(fields, broken), *own]


# Settings become attributes of dataclasses by name: the attribute of a duration has the suffix `_s`, any other has the
# name of the setting. An inner group becomes an inner dataclass, and a list of items a tuple of dataclasses.

T = TypeVar("T")


class Attribute(NamedTuple):
    """An attribute of a dataclass and its setting: the field of the model, and the `key` as it is written.

    `read` converts the setting's value (None: it is the attribute's value); `show` returns the value as it is written.
    """

    name: str
    field: str
    key: str
    read: Callable[[Any], object] | None
    show: Callable[[Any], object]


@cache
def attributes(item: Any, group: type[Group]) -> tuple[Attribute, ...]:
    """Return the attributes of the dataclass that have a setting in the group, in the order of the settings."""
    hints, known = get_type_hints(item), {each.name for each in dataclass_fields(item) if each.init}
    named = ((next((own for own in (name, f"{name}_s") if own in known), None), name) for name in group.model_fields)
    return tuple(_attribute(own, hints[own], name, group.model_fields[name]) for own, name in named if own is not None)


def _attribute(name: str, hint: object, field: str, info: FieldInfo) -> Attribute:
    key, item, of = info.alias or field, _class_in(hint), _class_in(info.annotation)
    is_table = isinstance(of, type) and issubclass(of, Group)
    is_plain = not is_dataclass(item) or not is_table  # the kind of a `QueueRef` reads the whole value
    if is_plain:
        return Attribute(name, field, key, None, kind_of(info).show)
    read, show = partial(filled, item), partial(settings_of, group=of)
    if get_origin(hint) is tuple:
        return Attribute(name, field, key, lambda items: tuple(map(read, items)), lambda items: [*map(show, items)])
    return Attribute(name, field, key, read, show)


def _class_in(annotation: Any) -> Any:
    """Return the class of the items of a list, else the annotation itself."""
    return next(iter(get_args(annotation)), annotation)


def filled(item: Callable[..., T], group: Group, **computed: object) -> T:
    """Return the dataclass with the values of the settings. `computed`: attributes that are not a setting's value."""
    values = {
        name: getattr(group, field) if read is None else read(getattr(group, field))
        for name, field, _, read, _ in attributes(item, type(group))
        if name not in computed
    }
    return item(**values, **computed)


def settings_of(item: Any, group: type[Group], **computed: object) -> dict[str, object]:
    """Return the settings of the dataclass as they are written: plain values for JSON, durations as `90s`. Values that
    are None are left out. `computed`: the settings of attributes that are not a setting's value.
    """
    kind: Any = type(item)
    written = dict[str, object]()
    for name, _, key, _, show in attributes(kind, group):
        if (value := getattr(item, name)) is not None:
            written[key] = computed[name] if name in computed else show(value)
    return written


def policy(name: str, fields: ServiceFields) -> Policy:
    """Return the policy of a service with valid settings."""
    metrics = tuple(metric_policy(metric, item) for metric, item in fields.metrics.items())
    return filled(Policy, fields, name=name, queues=_queues(fields), metrics=metrics)


def _queues(fields: ServiceFields) -> tuple[QueuePolicy, ...]:
    """Return the queues with their acceptable latencies; the default is the service's."""
    own = ((item.name.name, item.acceptable_latency) for item in fields.queues)
    return tuple(QueuePolicy(name, fields.acceptable_latency if latency is None else latency) for name, latency in own)


def fields_of(policy: Policy) -> dict[str, object]:
    """Return the fields of the policy, with the bounds first (`settings_of`)."""
    queues = [settings_of(queue, QueueFields, name=queue.name) for queue in policy.queues]
    metrics = {metric.name: _metric_fields(metric) for metric in policy.metrics}
    bounds: dict[str, object] = {"min_tasks": policy.min_tasks, "max_tasks": policy.max_tasks}
    return bounds | settings_of(policy, PolicyFields, queues=queues, metrics=metrics)


def _metric_fields(metric: MetricPolicy) -> dict[str, object]:
    targets = {"target_per_task": metric.target_per_task, "target_value": metric.target_value}
    return {name: value for name, value in targets.items() if value is not None}


def schedule_of(name: str, item: ScheduleFields) -> Schedule:
    return filled(Schedule, item, name=name, lasts_s=item.for_)


# The configured settings of a service as text, with their origins. Other settings have their defaults.


def chosen_in(valid: Valid[ServiceFields]) -> Iterator[Chosen]:
    """Yield the configured settings, in the order of the reference."""
    for leaf in leaves(ServiceFields):
        sourced = valid.sources.get(leaf.path)
        if sourced is not None:
            value = value_at(valid.value, leaf.path)
            shown = None if value is None else leaf.kind.show(value)
            yield Chosen(".".join(leaf.path), in_words(shown), sourced.origin)


def activating(mode_at: str) -> str:
    """Return how to make a service active. `mode_at`: where its mode is or would be set, as in `Chosen.origin`: a
    variable, a file and key, or a tag. A tag may not allow more than the profile, so for a tag it is the profile.
    """
    if mode_at.endswith("MODE"):
        return f"set {mode_at}={Mode.ACTIVE}"
    if mode_at.endswith(".mode"):
        return f'set mode = "{Mode.ACTIVE}" ({mode_at})'
    return (
        f'set mode = "{Mode.ACTIVE}" in the profile of the settings file that its tag autoscaler:profile names '
        "(its tag autoscaler:mode, if there is one, must not be shadow)"
    )


def in_words(value: object) -> str:
    """Return a value in the notation of a variable."""
    match value:
        case None:
            return "none"
        case str():
            return value
        case [_, *_] as items if all(isinstance(item, str) for item in items):
            return ",".join(map(str, items))
        case _:
            return json.dumps(value)
