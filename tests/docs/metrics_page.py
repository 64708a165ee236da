"""Write the table of all metrics: `python -m tests.docs.metrics_page > docs/metrics.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from autoscaler.telemetry.families import FAMILIES, Family
from autoscaler.telemetry.own import OWN

HEAD = """# Metrics

The daemon serves these metrics at `/metrics`, in the Prometheus text format and in OpenMetrics. This page is generated
from the code.

*Stable* names, labels and meanings change only with a major version. *Beta* ones may change with a minor version, and
the changelog lists the change. A value that was not read has no sample: a missing sample never means zero. The counters
of a service start at 0 when it is added. A restart of the daemon resets all counters to 0. When a service is removed,
its series end.

`autoscaler dashboards --out DIR` writes three Grafana dashboards for these metrics, with recording rules and alerts
([runbook](runbook.md)).
"""

OF_A_SERVICE = """
## Metrics of a service

Each metric also has the labels `account`, `region`, `ecs_cluster` and `ecs_service`. `account` is empty for
services in the account of the daemon, which have no role. `ecs_cluster` is the name of the cluster only. Keep all four
in sums, and `job`: `sum by (job, account, region, ecs_cluster, ecs_service) (...)`. If your scrape configuration adds
a label `region` or `account` to the target, set `honor_labels: true` for this job; otherwise Prometheus renames the
daemon's labels to `exported_region` and `exported_account`.

"""

OF_THE_DAEMON = """
## Metrics of the daemon

In addition, the daemon serves `process_*`: CPU, memory and open files of the process.

"""

ESTIMATED = """
## Accuracy of the estimates

`autoscaler_messages_total` and `autoscaler_late_messages_total` are estimated at each poll from the queues' counts and
the ages of the waiting messages; the workers are not queried. A late message that arrives and is received between two
polls is not counted. A message that is received again counts again. [evidence.md](evidence.md) gives the error of these
estimates, measured with a simulated SQS that records every message.

At each poll, `autoscaler_task_seconds_total` increases by the mean task count of the last two polls, multiplied by the
time between them. AWS bills each task from the pull of its image to its stop, for at least one minute.
"""


def markdown() -> str:
    """Return the page."""
    return HEAD + OF_A_SERVICE + _table(FAMILIES) + OF_THE_DAEMON + _table(OWN) + ESTIMATED


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
