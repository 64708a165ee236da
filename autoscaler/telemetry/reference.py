"""Write the table of all metrics: `python -m autoscaler.telemetry.reference > docs/metrics.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from autoscaler.telemetry.families import FAMILIES, Family
from autoscaler.telemetry.own import OWN

HEAD = """# Metrics

The metrics at `/metrics`, in the text format of Prometheus and in OpenMetrics. This page is generated from the code.

*Stable* names, labels and meanings change only with a major version. *Beta* ones may change with a minor version, and
the changelog lists the change. A value that was not read has no sample: a missing sample never means zero. Counters
start at 0 with the service and decrease only when the daemon restarts. When a service is removed, its series end.

`autoscaler dashboards --out DIR` writes three Grafana dashboards for these metrics, with recording rules and alerts
([runbook](runbook.md)).
"""

ESTIMATED = """
## Accuracy of the estimates

`autoscaler_messages_total` and `autoscaler_late_messages_total` are estimated at each poll from the queues' counts and
the ages of the waiting messages; the workers are not queried. A late message that arrives and is received between two
polls is not counted. A message that is received again counts again. [evidence.md](evidence.md) has the error, measured
with a simulated SQS that records every message.

`autoscaler_task_seconds_total` is the mean task count of two polls, multiplied by the time between them. AWS bills each
task from the pull of its image to its stop, at least one minute.
"""


def markdown() -> str:
    """Return the page."""
    services = "\n## Metrics of a service\n\nEach has the labels `ecs_cluster` and `ecs_service`, too.\n\n"
    own = "\n## Metrics of the daemon\n\nIn addition, `process_*`: CPU, memory and open files of the process.\n\n"
    return HEAD + services + _table(FAMILIES) + own + _table(OWN) + ESTIMATED


def _table(families: Iterable[Family[Any]]) -> str:
    return "".join(f"{row}\n" for row in _rows(families))


def _rows(families: Iterable[Family[Any]]) -> Iterator[str]:
    yield "| name | kind | unit | labels | stability | meaning |"
    yield "|---|---|---|---|---|---|"
    for family in families:
        labels = ", ".join(f"`{label}`" for label in family.labels) or "-"
        yield f"| `{family.name}` | {family.kind} | {family.unit} | {labels} | {family.stability} | {family.help} |"


if __name__ == "__main__":
    sys.stdout.write(markdown())
