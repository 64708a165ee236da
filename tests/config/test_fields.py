"""Each setting and the attribute that it fills have the same name, type, unit and default."""

from __future__ import annotations

import ast
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import pytest

import autoscaler
from autoscaler.config.fields import GlobalFields, ServiceFields
from autoscaler.config.groups import Group, LimitFields, QueueFields, kind_of, setting
from autoscaler.config.model import Config, Schedule, ServiceConfig
from autoscaler.config.policies import Attribute, PolicyFields, attributes, filled, settings_of
from autoscaler.config.rules import (
    ActivationFields,
    DeploymentFields,
    FallbackFields,
    ScaleInFields,
    ScaleOutFields,
    ScheduleFields,
)
from autoscaler.config.values import duration, optional
from autoscaler.core.policy import (
    Activation,
    DeploymentHold,
    Direction,
    Fallback,
    Policy,
    QueuePolicy,
    RateLimit,
    ScaleIn,
)

PLACE = {"cluster", "service", "region", "role_arn", "external_id"}
PAIRS: list[tuple[Any, type[Group], set[str], set[str]]] = [
    (Policy, PolicyFields, {"name"}, {*PLACE, "schedules", "queue_minutes", "task_price"}),
    (ServiceConfig, ServiceFields, {"ref", "policy", "chosen", "mode_setting"}, PLACE),
    (Direction, ScaleOutFields, set(), set()),
    (ScaleIn, ScaleInFields, set(), set()),
    (Activation, ActivationFields, set(), set()),
    (Fallback, FallbackFields, set(), set()),
    (DeploymentHold, DeploymentFields, set(), set()),
    (RateLimit, LimitFields, set(), set()),
    (QueuePolicy, QueueFields, set(), set()),
    (Schedule, ScheduleFields, {"name", "lasts_s"}, {"for_"}),
    (
        Config,
        GlobalFields,
        {"services", "discovery", "interval_is_derived", "empty_variables"},
        {"discover_clusters", "max_tasks_ceiling", "config_file"},
    ),
]
"""Each dataclass with its settings, the attributes without a setting, and the settings without an attribute."""

PLAIN = [
    pytest.param(item, group, each, id=f"{item.__name__}.{each.name}")
    for item, group, _, _ in PAIRS
    for each in attributes(item, group)
    if each.read is None and item is not QueuePolicy and each.name not in {"metrics", "schedules", "caps", "interval_s"}
]
"""The attributes that have the value of their setting."""


@pytest.mark.parametrize(("item", "group", "attributes_alone", "settings_alone"), PAIRS)
def test_each_attribute_has_exactly_one_setting(
    item: Any, group: type[Group], attributes_alone: set[str], settings_alone: set[str]
) -> None:
    found = attributes(item, group)
    assert sorted([each.name for each in found] + [*attributes_alone]) == sorted(_attributes_of(item))
    rest = attributes(Policy, ServiceFields) if item is ServiceConfig else ()
    assert {each.field for each in (*found, *rest)} | settings_alone == set(group.model_fields)


def _attributes_of(item: Any) -> list[str]:
    return [each.name for each in fields(item) if each.init]


@pytest.mark.parametrize(("item", "group", "attribute"), PLAIN)
def test_an_attribute_has_the_type_of_its_setting_and_the_suffix_of_seconds_if_it_is_a_duration(
    item: Any, group: type[Group], attribute: Attribute
) -> None:
    field = group.model_fields[attribute.field]
    assert get_type_hints(item)[attribute.name] == field.annotation
    assert attribute.name.endswith("_s") == kind_of(field).words.startswith("duration")


@pytest.mark.parametrize(("item", "group", "attribute"), PLAIN)
def test_an_attribute_with_a_default_has_that_of_its_setting(
    item: Any, group: type[Group], attribute: Attribute
) -> None:
    [field] = [each for each in fields(item) if each.name == attribute.name]
    assert field.default in {MISSING, group.model_fields[attribute.field].default}


@dataclass(frozen=True, slots=True)
class LaterDirection(Direction):
    ramp_s: float | None = None


@dataclass(frozen=True, slots=True)
class LaterPolicy(Policy):
    drain_s: float = 7.0
    scale_out: LaterDirection = LaterDirection()


class LaterScaleOutFields(ScaleOutFields):
    ramp: Annotated[float | None, optional(duration())] = setting(None, "Ramp.", "None.")


class LaterFields(ServiceFields):
    drain: Annotated[float, duration()] = setting(7.0, "Drain.", "None.")
    scale_out: LaterScaleOutFields = LaterScaleOutFields()


def test_a_new_setting_fills_its_attribute_without_further_code() -> None:
    given = LaterFields.model_validate(
        {"drain": "9s", "scale_out": {"ramp": "5m", "limits": [{"tasks": 1, "per": "1s"}]}}
    )
    made = filled(LaterPolicy, given, name="x", queues=(), metrics=())
    assert (made.drain_s, made.scale_out.ramp_s) == (9.0, 300.0)
    assert made.scale_out.limits == (RateLimit(1.0, tasks=1),)
    shown: Any = settings_of(made, LaterFields, queues=[], metrics={})
    assert (shown["drain"], shown["scale_out"]["ramp"]) == ("9s", "300s")
    assert shown["scale_out"]["limits"] == [{"tasks": 1, "per": "1s"}]


def read_in(folder: Path) -> set[str]:
    """Return the names of all attributes that the code reads, outside the settings and the policy that they fill."""
    files = [path for path in folder.rglob("*.py") if not path.is_relative_to(folder / "config")]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files if path != folder / "core" / "policy.py"]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {node.attr for node in nodes if isinstance(node.ctx, ast.Load)}


def test_each_attribute_is_read_outside_the_settings() -> None:
    read = read_in(Path(autoscaler.__path__[0]))
    filled_by_settings = [(item.__name__, each.name) for item, *_ in PAIRS for each in fields(item) if each.init]
    unread = [f"{item}.{name}" for item, name in filled_by_settings if name not in read]
    assert unread == [], "these settings have no effect: read them, for example in autoscaler/core/"
