"""The monitoring files by name: the output of `autoscaler dashboards`, and the content of `deploy/monitoring`."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import yaml

from autoscaler.config import Config
from autoscaler.monitoring.alarms import Stack, alarms, queue_alarm
from autoscaler.monitoring.daemon import DAEMON
from autoscaler.monitoring.fleet import FLEET
from autoscaler.monitoring.grafana import as_grafana
from autoscaler.monitoring.rules import groups
from autoscaler.monitoring.service import SERVICE

# YAML: mappings and lists as blocks, texts of several lines as literal blocks, all other texts on one line.

PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]*[A-Za-z0-9]")
"""A text that every version of YAML reads as a text without quotes, if PyYAML does."""


class _TextDumper(yaml.SafeDumper):
    """Quotes texts that are not plain words, so that their type is clear. Writes no anchors, and indents lists."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - passed by name
        super().increase_indent(flow, indentless=False)


def _text(dumper: _TextDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None if PLAIN.fullmatch(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_TextDumper.add_representer(str, _text)


def as_yaml(value: dict[str, Any]) -> str:
    """Return the document, with its keys in their order."""
    return yaml.dump(value, Dumper=_TextDumper, sort_keys=False, allow_unicode=True, width=math.inf)


def files(config: Config | None, runbook_url: str | None = None) -> dict[str, str]:
    """Return the content of each file. Without a configured queue, the alarm template has parameters for one queue.
    `runbook_url`: the address of the runbook, for links in alerts, alarms and dashboards (None: no links).
    """
    dashboards = {
        f"{dashboard.uid}.json": json.dumps(as_grafana(dashboard, runbook_url), indent=2, ensure_ascii=False) + "\n"
        for dashboard in (FLEET, SERVICE, DAEMON)
    }
    return dashboards | {"rules.yml": as_yaml(groups(runbook_url))} | _alarms(config, runbook_url)


def _alarms(config: Config | None, runbook_url: str | None) -> dict[str, str]:
    templates = {} if config is None else alarms(config, runbook_url)
    if not templates:
        return {"queue-alarm.yaml": as_yaml(queue_alarm(runbook_url))}
    return {_named(stack): as_yaml(template) for stack, template in templates.items()}


def _named(stack: Stack) -> str:
    part = str(stack.part) if stack.part > 1 else ""
    return "-".join(["queue-alarms", *filter(None, (stack.account, stack.region, part))]) + ".yaml"
