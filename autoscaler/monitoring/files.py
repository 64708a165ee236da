"""The monitoring files by name: the output of `autoscaler dashboards`, and the content of `deploy/monitoring`."""

from __future__ import annotations

import json

from autoscaler.config import Config
from autoscaler.monitoring.alarms import Stack, alarms, queue_alarm
from autoscaler.monitoring.daemon import DAEMON
from autoscaler.monitoring.fleet import FLEET
from autoscaler.monitoring.grafana import as_grafana
from autoscaler.monitoring.rules import GROUPS
from autoscaler.monitoring.service import SERVICE
from autoscaler.monitoring.yaml import as_yaml


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
