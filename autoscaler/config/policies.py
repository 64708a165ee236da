"""Conversion between a policy and its settings, without loss in both directions.

Invariant: `policy_of(p.name, fields_of(p)) == p` for every valid policy p.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from autoscaler.config.checks import Clash, contradictions, no_tasks, out_of_bounds
from autoscaler.config.fields import PolicyFields, ServiceFields
from autoscaler.config.groups import Group, LimitFields, Path, QueueFields, leaves, names_in, value_at
from autoscaler.config.layers import Layer, Sourced, Tree, sources
from autoscaler.config.metrics import MetricFields, metric_policy
from autoscaler.config.model import Chosen
from autoscaler.config.names import SettingsPart, unknown_key
from autoscaler.config.quoting import printable
from autoscaler.config.rules import CapFields, ScaleOutFields, ScheduleFields
from autoscaler.config.values import shown
from autoscaler.core.policy import (
    Activation,
    DeploymentHold,
    Direction,
    Fallback,
    MetricPolicy,
    Mode,
    Policy,
    QueuePolicy,
    RateLimit,
)
from autoscaler.errors import ConfigError, Problem

# Validate trees with the models, and convert pydantic's errors to problems with the operator's names.
#
# Invalid values are removed and the rest is validated again, so that contradictions are also found in settings that
# contain invalid values.

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
    return replace(policy(name, valid.value), schedule=valid.value.schedule)


def _clashes(fields: PolicyFields, broken: Set[Path]) -> list[Clash]:
    """Return the contradictions. With a schedule's bounds, a pause or a fallback may be out of bounds."""
    own = [] if fields.schedule else [*no_tasks(fields, broken), *out_of_bounds(fields, broken)]
    return [*contradictions(fields, broken), *own]


def policy(name: str, fields: ServiceFields) -> Policy:
    """Return the policy of a service with valid settings."""
    return Policy(
        name=name,
        min_tasks=fields.min_tasks,
        max_tasks=fields.max_tasks,
        queues=_queues(fields),
        acceptable_latency_s=fields.acceptable_latency,
        processing_time_s=fields.processing_time,
        task_concurrency=fields.task_concurrency,
        learn=fields.learn,
        look_ahead=fields.look_ahead,
        workers=fields.workers,
        count_in_flight=fields.count_in_flight,
        count_delayed=fields.count_delayed,
        backlog_per_task=fields.backlog_per_task,
        cpu_target_percent=fields.cpu_target_percent,
        memory_target_percent=fields.memory_target_percent,
        metrics=tuple(metric_policy(name, item) for name, item in fields.metrics.items()),
        formula=fields.formula,
        scale_out=_direction(fields.scale_out),
        scale_in=_direction(fields.scale_in),
        tolerance=fields.tolerance,
        small_step_stabilization_s=fields.scale_in.small_step_stabilization,
        activation=Activation(messages=fields.activation.messages, reads=fields.activation.reads),
        fallback=Fallback(behavior=fields.fallback.behavior, tasks=fields.fallback.tasks, after=fields.fallback.after),
        deployments=DeploymentHold(
            hold_scale_in=fields.deployments.hold_scale_in, at_most_s=fields.deployments.at_most
        ),
        busy_floor=fields.busy_floor,
        launch_per_minute=fields.launch_per_minute,
        stalled_after_s=fields.stalled_after,
        conflicting_scalers=fields.conflicting_scalers,
        mode=fields.mode,
        paused=fields.paused,
    )


def _queues(fields: ServiceFields) -> tuple[QueuePolicy, ...]:
    """Return the queues with their acceptable latencies; the default is the service's."""
    own = ((item.name.name, item.acceptable_latency) for item in fields.queues)
    return tuple(QueuePolicy(name, fields.acceptable_latency if latency is None else latency) for name, latency in own)


def _direction(fields: ScaleOutFields) -> Direction:
    return Direction(
        cooldown_s=fields.cooldown,
        stabilization_s=fields.stabilization,
        limits=tuple(RateLimit(per_s=limit.per, tasks=limit.tasks, percent=limit.percent) for limit in fields.limits),
        select=fields.select,
        tolerance=fields.tolerance,
    )


def fields_of(policy: Policy) -> dict[str, object]:
    """Return the fields of the policy: plain values for JSON, durations as `90s`. Values that are None are left out."""
    fields: dict[str, object | None] = {
        "min_tasks": policy.min_tasks,
        "max_tasks": policy.max_tasks,
        "queues": [_queue_fields(queue) for queue in policy.queues],
        "acceptable_latency": shown(policy.acceptable_latency_s),
        "processing_time": None if policy.processing_time_s is None else shown(policy.processing_time_s),
        "task_concurrency": policy.task_concurrency,
        "learn": policy.learn,
        "look_ahead": policy.look_ahead,
        "workers": None if policy.workers is None else policy.workers.value,
        "count_in_flight": policy.count_in_flight,
        "count_delayed": policy.count_delayed,
        "backlog_per_task": policy.backlog_per_task,
        "cpu_target_percent": policy.cpu_target_percent,
        "memory_target_percent": policy.memory_target_percent,
        "metrics": {metric.name: _metric_fields(metric) for metric in policy.metrics},
        "formula": policy.formula,
        "scale_out": _direction_fields(policy.scale_out),
        "scale_in": _direction_fields(policy.scale_in)
        | {"small_step_stabilization": shown(policy.small_step_stabilization_s)},
        "tolerance": policy.tolerance,
        "activation": asdict(policy.activation),
        "fallback": _fallback_fields(policy.fallback),
        "deployments": _deployment_fields(policy.deployments),
        "busy_floor": policy.busy_floor,
        "launch_per_minute": policy.launch_per_minute,
        "stalled_after": shown(policy.stalled_after_s),
        "conflicting_scalers": policy.conflicting_scalers.value,
        "mode": policy.mode.value,
        "paused": policy.paused if policy.paused is None or isinstance(policy.paused, int) else policy.paused.value,
        "schedule": policy.schedule,
    }
    return _present(fields)


def _queue_fields(queue: QueuePolicy) -> dict[str, object]:
    return {"name": queue.name, "acceptable_latency": shown(queue.acceptable_latency_s)}


def _metric_fields(metric: MetricPolicy) -> dict[str, object]:
    return _present({"target_per_task": metric.target_per_task, "target_value": metric.target_value})


def _direction_fields(direction: Direction) -> dict[str, object]:
    return _present(
        {
            "cooldown": shown(direction.cooldown_s),
            "stabilization": shown(direction.stabilization_s),
            "limits": [_limit_fields(limit) for limit in direction.limits],
            "select": direction.select.value,
            "tolerance": direction.tolerance,
        }
    )


def _limit_fields(limit: RateLimit) -> dict[str, object]:
    return _present({"tasks": limit.tasks, "percent": limit.percent, "per": shown(limit.per_s)})


def _fallback_fields(fallback: Fallback) -> dict[str, object]:
    return _present({"behavior": fallback.behavior.value, "tasks": fallback.tasks, "after": fallback.after})


def _deployment_fields(hold: DeploymentHold) -> dict[str, object]:
    return {"hold_scale_in": hold.hold_scale_in, "at_most": shown(hold.at_most_s)}


def _present(fields: Mapping[str, object | None]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}


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
