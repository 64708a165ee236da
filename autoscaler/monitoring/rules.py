"""Prometheus recording rules and alerting rules.

Names of recorded series are `level:metric:operations`. Every alert has a section in `docs/runbook.md` with its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from autoscaler.monitoring.grafana import Json
from autoscaler.monitoring.wording import BY_SERVICE, EACH_SERVICE, late_ratio

RUNBOOK = "docs/runbook.md"

EACH = "{{ $labels.ecs_cluster }}/{{ $labels.ecs_service }}"

STEADY = "job:autoscaler_daemons:steady1h"

LATE_SHORT, LATE_LONG = "ecs_service:autoscaler_late_messages:ratio5m", "ecs_service:autoscaler_late_messages:ratio1h"

LEAST_LATE = 10
"""Late messages within an hour that raise no alert. A message that fails is late at each receive, and most dead-letter
queues take it after three to five receives: two such messages are no missed target. The alarm on the oldest message
covers rarer ones.
"""

RUNNING = 'autoscaler_tasks{kind="running"}'


class Recording(NamedTuple):
    """A recorded series."""

    record: str
    expr: str


class Alert(NamedTuple):
    """One alert. `lasting`: how long the expression must have a value, as a Prometheus duration."""

    name: str
    expr: str
    lasting: str
    severity: str
    summary: str
    description: str


RECORDINGS = (
    Recording(LATE_SHORT, late_ratio("5m", BY_SERVICE, "")),
    Recording(LATE_LONG, late_ratio("1h", BY_SERVICE, "")),
    Recording("ecs_service:autoscaler_messages:rate5m", f"sum{BY_SERVICE}(rate(autoscaler_messages_total[5m]))"),
    Recording(
        "ecs_service:autoscaler_task_hours:increase1h",
        f"sum{BY_SERVICE}(increase(autoscaler_task_seconds_total[1h])) / 3600",
    ),
    Recording(
        "ecs_service:autoscaler_wasted_tasks:ratio1h",
        f"sum{BY_SERVICE}(increase(autoscaler_wasted_task_seconds_total[1h]))\n"
        f"/ (sum{BY_SERVICE}(increase(autoscaler_task_seconds_total[1h])) > 0)",
    ),
    # The number of daemons that ran for at least ten minutes: a deployment that runs old and new daemons together for a
    # shorter time does not count twice.
    Recording(STEADY, "max_over_time(min_over_time(count by (job) (autoscaler_build_info)[10m:1m])[1h:1m])"),
)

ALERTS = (
    Alert(
        "AutoscalerSloMissed",
        f"{LATE_SHORT} > 0.05\nand {LATE_LONG} > 0.01\n"
        f"and sum{BY_SERVICE}(increase(autoscaler_late_messages_total[1h])) > {LEAST_LATE}",
        "2m",
        "critical",
        f"{EACH}: latency target missed",
        "{{ $value | humanizePercentage }} of the messages received in the last five minutes waited longer than the "
        "latency target.",
    ),
    Alert(
        "AutoscalerSloAtRisk",
        "autoscaler_slo_at_risk == 1",
        "10m",
        "warning",
        f"{EACH}: the latency target cannot be met",
        "For ten minutes, it has not been possible to meet the latency target. The log event notice of kind "
        "slo_at_risk gives the reason and the task counts.",
    ),
    Alert(
        "AutoscalerShadowMissesLatency",
        # A restart resets the daemon's record of changes by others. The counter in Prometheus remains.
        f"autoscaler_shadow_misses_latency == 1\n"
        f"unless on {EACH_SERVICE} sum{BY_SERVICE}(increase(autoscaler_drifts_total[1h])) > 0",
        "5m",
        "warning",
        f"{EACH}: latency target missed in shadow mode, and no other scaler is active",
        "The mode is shadow, so the autoscaler does not change the desired count. No conflicting scaler is known, and "
        "the count has not been changed in the last hour. The log event notice of kind shadow_misses_latency describes "
        "how to activate the service.",
    ),
    Alert(
        "AutoscalerAtMax",
        'autoscaler_tasks{kind="demand"} > ignoring(kind) autoscaler_tasks{kind="max"}\n'
        'and ignoring(kind) autoscaler_tasks{kind="desired"} >= ignoring(kind) autoscaler_tasks{kind="max"}',
        "10m",
        "warning",
        f"{EACH}: at max_tasks, and the demand is higher",
        "Required tasks (demand): {{ $value }}. The demand has been above max_tasks for ten minutes.",
    ),
    Alert(
        "AutoscalerMissingSignal",
        "autoscaler_signal_usable == 0",
        "5m",
        "critical",
        f"{EACH}: {{{{ $labels.signal }}}} cannot be read",
        "A signal that is required for decisions has been missing or stale for five minutes. Scale-in is blocked.",
    ),
    Alert(
        "AutoscalerStalledStart",
        # In a crash loop the count rises and falls, 3, 4, 3: its maximum does not grow.
        f'{RUNNING} < ignoring(kind) autoscaler_tasks{{kind="desired"}}\n'
        f"and ignoring(kind) (\n"
        f"  delta({RUNNING}[10m]) <= 0\n"
        f"  or resets({RUNNING}[10m]) > 0\n"
        f"  and max_over_time({RUNNING}[10m]) <= max_over_time({RUNNING}[10m] offset 10m)\n"
        f")",
        "10m",
        "critical",
        f"{EACH}: requested tasks do not start",
        "Running tasks: {{ $value }}, fewer than desired. No additional task has stayed running in the last ten "
        "minutes.",
    ),
    Alert(
        "AutoscalerDrift",
        "increase(autoscaler_drifts_total[30m]) > 2.5",
        "0m",
        "warning",
        f"{EACH}: the desired count was changed, and not by the autoscaler",
        "Changes of the desired count in the last 30 minutes that were not made by the autoscaler: about "
        '{{ $value | printf "%.0f" }}.',
    ),
    Alert(
        "AutoscalerContested",
        "autoscaler_contested == 1",
        "0m",
        "critical",
        f"{EACH}: two writers reverse each other's changes of the desired count",
        "Another writer has reversed the changes of the autoscaler several times within minutes. The autoscaler pauses "
        "its writes for up to 10 minutes at a time. The log event notice of kind contested has the number of changes.",
    ),
    Alert(
        "AutoscalerThrottled",
        "sum by (job, instance, category) (increase(autoscaler_aws_throttles_total[10m])) > 5",
        "10m",
        "warning",
        "AWS throttles {{ $labels.category }}",
        'AWS throttled about {{ $value | printf "%.0f" }} requests in the last ten minutes. Calls of this category are '
        "delayed.",
    ),
    Alert(
        "AutoscalerPausedTooLong",
        f"max{BY_SERVICE}(autoscaler_paused) == 1",
        "24h",
        "warning",
        f"{EACH}: paused for a day",
        "Scaling has been paused for 24 hours. If this is not intended, run autoscaler resume KEY, or set paused to "
        "none in the settings.",
    ),
    Alert(
        "AutoscalerDaemonStale",
        # The age at the scrape. With a minute between scrapes, time() would add that minute to the age.
        "timestamp(autoscaler_last_tick_timestamp_seconds) - autoscaler_last_tick_timestamp_seconds\n"
        "> autoscaler_silent_after_seconds",
        "3m",
        "critical",
        f"{EACH}: no completed poll within the limit (autoscaler_silent_after_seconds)",
        "The daemon responds, but has not completed a poll of this service for {{ $value | humanizeDuration }}.",
    ),
    Alert(
        "AutoscalerDaemonGone",
        f"{STEADY} - (count by (job) (autoscaler_build_info) or 0 * {STEADY}) > 0\n"
        "unless on () absent(autoscaler_build_info)",
        "5m",
        "critical",
        "{{ $labels.job }}: fewer autoscaler daemons than earlier in the last hour",
        "Missing daemons that ran earlier in the last hour: {{ $value }}. Their services are not scaled.",
    ),
    Alert(
        "AutoscalerDaemonAbsent",
        "absent(autoscaler_build_info)",
        "5m",
        "critical",
        "No autoscaler daemon found",
        "For five minutes, Prometheus has received no metrics from any daemon. No service is scaled; services at 0 "
        "tasks stay at 0.",
    ),
)


def _recorded(recording: Recording) -> Json:
    return {"record": recording.record, "expr": recording.expr}


def _alerting(alert: Alert) -> Json:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.lasting,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook_url": f"{RUNBOOK}#{alert.name.lower()}",
        },
    }


def _groups() -> Iterator[Json]:
    yield {"name": "autoscaler-recordings", "rules": list(map(_recorded, RECORDINGS))}
    yield {"name": "autoscaler-alerts", "rules": list(map(_alerting, ALERTS))}


GROUPS: Json = {"groups": list(_groups())}
