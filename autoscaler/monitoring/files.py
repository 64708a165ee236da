"""The monitoring files by name: the output of `autoscaler dashboards`, and the content of `deploy/monitoring`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from autoscaler.config import Config
from autoscaler.monitoring.alarms import Stack, alarms, queue_alarm
from autoscaler.monitoring.daemon import DAEMON
from autoscaler.monitoring.fleet import FLEET
from autoscaler.monitoring.grafana import as_grafana
from autoscaler.monitoring.rules import GROUPS
from autoscaler.monitoring.service import SERVICE

# Write JSON values as readable YAML: mappings and lists as blocks, long texts as literal blocks.
#
# Scalars that are not plain words are written as JSON, which is valid YAML, so that their type is unambiguous.

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]*[A-Za-z0-9]")
WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null"})
"""Words that YAML does not read as text."""


def as_yaml(value: dict[str, Any]) -> str:
    """Return the document. Empty lists and mappings are written as JSON."""
    return "\n".join(_mapping(value)) + "\n"


def _mapping(value: dict[str, Any]) -> Iterator[str]:
    for key, inner in value.items():
        yield from _entry(f"{_scalar(key)}:", inner)


def _entry(head: str, value: Any) -> Iterator[str]:
    if isinstance(value, str) and "\n" in value:
        yield f"{head} |-"
        yield from (f"  {line}" for line in value.split("\n"))
    elif isinstance(value, dict | list) and value:
        yield head
        yield from (f"  {line}" for line in (_mapping(value) if isinstance(value, dict) else _list(value)))
    else:
        yield f"{head} {_scalar(value)}"


def _list(value: list[Any]) -> Iterator[str]:
    for item in value:
        if isinstance(item, dict) and item:
            first, *rest = _mapping(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
        elif isinstance(item, list) and item:
            yield f"- {json.dumps(item, ensure_ascii=False)}"
        else:
            yield f"- {_scalar(item)}"


def _scalar(value: Any) -> str:
    plain = isinstance(value, str) and PLAIN.fullmatch(value) and value.lower() not in WORDS and ": " not in value
    return value if plain else json.dumps(value, ensure_ascii=False)


def files(config: Config | None) -> dict[str, str]:
    """Return the content of each file. Without a configured queue, the alarm template has parameters for one queue."""
    dashboards = {
        f"{dashboard.uid}.json": json.dumps(as_grafana(dashboard), indent=2, ensure_ascii=False) + "\n"
        for dashboard in (FLEET, SERVICE, DAEMON)
    }
    return dashboards | {"rules.yml": as_yaml(GROUPS)} | _alarms(config)


def _alarms(config: Config | None) -> dict[str, str]:
    templates = {} if config is None else alarms(config)
    if not templates:
        return {"queue-alarm.yaml": as_yaml(queue_alarm())}
    return {_named(stack): as_yaml(template) for stack, template in templates.items()}


def _named(stack: Stack) -> str:
    part = str(stack.part) if stack.part > 1 else ""
    return "-".join(["queue-alarms", *filter(None, (stack.account, stack.region, part))]) + ".yaml"
