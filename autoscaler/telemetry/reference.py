"""The table of all metrics for `docs/metrics.md`: `python -m autoscaler.telemetry.reference > docs/metrics.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from autoscaler.telemetry.families import FAMILIES, Family
from autoscaler.telemetry.own import OWN

HEAD = """# Metrics

What `/metrics` serves, in Prometheus' text format and in OpenMetrics. This page is generated from the code.

*Stable* names, labels and meanings stand until a major version; *beta* ones may change with a minor one, and
the changelog says so. What was not read has no sample: absent is never zero. Counters begin at 0 with the service
and fall only when the daemon starts anew; the series of a service go with it.

`autoscaler dashboards --out DIR` writes three Grafana dashboards over these, with recording rules and alerts
([runbook](runbook.md)).
"""

ESTIMATED = """
## How good the estimates are

`autoscaler_messages_total` and `autoscaler_late_messages_total` are estimated at each look from the queues' counts and
the ages of what waits; nothing asks the workers. Late messages that came and went between two looks are not seen, and a
message that is received again counts again. How far off they are, against a simulated SQS that knows each message,
stands in [evidence.md](evidence.md).

`autoscaler_task_seconds_total` is the mean of two looks' counts times the time between them. A bill counts each task
from the pull of its image to its stop, and a minute at least.
"""


def markdown() -> str:
    """The whole page."""
    services = "\n## Of a service\n\nEach carries the labels `ecs_cluster` and `ecs_service` as well.\n\n"
    own = "\n## Of the daemon\n\nBeside these, `process_*`: CPU, memory and open files of the process.\n\n"
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
