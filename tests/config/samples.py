"""Sample values of each setting, made from its declaration. Most new settings are tested without a change here."""

from __future__ import annotations

import json
from typing import Any

from autoscaler.config.groups import Leaf, Path

OTHERS: dict[Path, tuple[Any, Any]] = {
    ("cluster",): ("c2", "c3"),
    ("service",): ("s2", "s3"),
    ("queues",): (["q2", "q3"], ["q3"]),
    ("region",): ("eu-central-1", "eu-west-3"),
    ("role_arn",): ("arn:aws:iam::123456789012:role/one", "arn:aws:iam::123456789012:role/two"),
    ("external_id",): ("first-word", "second-word"),
    ("paused",): ("in", "none"),
    ("workers",): ("unsafe", "draining"),
    ("formula",): ("visible / 50", "none"),
    ("metrics",): (
        {"lag": {"prometheus": "http://p:9090", "query": "lag", "target_value": 5}},
        {"lag": {"prometheus": "http://p:9090", "query": "lag", "target_value": 6}},
    ),
    ("schedules",): (
        {"day": {"cron": "0 8 * * *", "for": "10h", "min_tasks": 3}},
        {"day": {"cron": "0 8 * * *", "for": "10h", "min_tasks": 4}},
    ),
    ("caps",): ({"db": {"most": 90, "per_task": {"s": 1}}}, {"db": {"most": 80, "per_task": {"s": 1}}}),
    ("discover_clusters",): (["prod", "test"], ["prod"]),
    ("event_queue",): ("events", "events-2"),
    ("http_host",): ("0.0.0.0", "::1"),
    ("web_config_file",): ("web.yml", "none"),
}
LIMITS = [{"tasks": 4, "per": "60s"}], [{"tasks": 5, "per": "60s"}]
WITH: dict[Path, dict[str, Any]] = {
    ("fallback", "behavior"): {"fallback": {"tasks": 2}},
    ("external_id",): {"role_arn": "arn:aws:iam::123456789012:role/one"},
}
"""Other settings that a setting requires to be valid or to have an effect."""


def two_of(leaf: Leaf) -> tuple[Any, Any]:
    """Return a value that is not the default and a second value that differs from it, as TOML values."""
    schema = next((each for each in leaf.kind.schema.get("anyOf", ()) if "enum" not in each), leaf.kind.schema)
    if leaf.path in OTHERS:
        return OTHERS[leaf.path]
    if leaf.path[-1] == "limits":
        return LIMITS
    if "enum" in schema:
        [first, *more] = [word for word in schema["enum"] if word != str(leaf.default)]
        return first, [*more, str(leaf.default)][0]
    if schema.get("type") == "boolean":
        return not leaf.default, leaf.default
    if "exclusiveMaximum" in schema:
        return 0.3, 0.4
    if schema.get("type") in {"integer", "number"}:
        return [value for value in (7, 6, 5) if value != leaf.default][0:2]  # type: ignore[return-value]
    assert leaf.kind.words.startswith("duration"), f"{leaf.path}: give two values in OTHERS"
    return "77s", "99s"


def toml(value: Any) -> str:
    """Return the value as TOML on one line."""
    match value:
        case dict():
            return "{" + ", ".join(f"{name} = {toml(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case _:
            return json.dumps(value)


def lines(table: str, values: dict[str, Any]) -> str:
    """Return the table with one setting per line. The settings of a group have dotted keys."""
    text = f"[{table}]\n"
    for name, value in values.items():
        is_group = isinstance(value, dict) and name in {
            "scale_in",
            "scale_out",
            "activation",
            "fallback",
            "deployments",
        }
        inner = {f"{name}.{key}": item for key, item in value.items()} if is_group else {name: value}
        text += "".join(f"{key} = {toml(item)}\n" for key, item in inner.items())
    return text


def put(values: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return the values with this value at the path. The other values are unchanged."""
    if len(path) == 1:
        return {**values, path[0]: value}
    return {**values, path[0]: {**values.get(path[0], {}), path[1]: value}}
