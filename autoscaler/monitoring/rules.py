"""Prometheus recording rules and alerting rules: one alert for each cause.

Names of recorded series are `level:metric:operations`. Every alert has a section in `docs/runbook.md` with its name.
An alert about an effect (late messages) is silent while an alert about its cause fires, or will fire if the cause
lasts, and for a quarter of an hour after that.
"""

from __future__ import annotations

from typing import NamedTuple

from autoscaler.monitoring.conditions import (
    AT_MAX,
    AT_RISK,
    BELOW,
    CONDITIONS,
    CONTESTED,
    DAEMONS,
    DEMAND,
    DEPLOYMENTS,
    DRIFT,
    DRIFTS,
    EACH_REGION,
    EVERYWHERE,
    HINDERED,
    LATE_SHORT,
    LINGER,
    MANY_DEPLOYMENTS,
    MISSED_HELD,
    MOST,
    NO_PROGRESS,
    PAUSED,
    RECORDINGS,
    RUNNING,
    SEVERAL,
    SHADOW,
    SLOW_CONDITIONS,
    STALE_HELD,
    STEADY,
    THROTTLED,
    THROTTLES,
    UNEXPLAINED,
    UNREADABLE_COUNT,
    UNREADABLE_HELD,
    Recording,
    fired,
    held,
    newest,
    unless_service,
)
from autoscaler.monitoring.grafana import Json

RUNBOOK = "docs/runbook.md"

EACH = "{{ $labels.ecs_cluster }}/{{ $labels.ecs_service }}{{ with $labels.region }} in {{ . }}{{ end }}"
REGION = "{{ with $labels.region }}{{ . }}{{ else }}the Region of the daemon{{ end }}"
ACCOUNT = "{{ with $labels.account }}, account {{ . }}{{ end }}"

WARNING, CRITICAL = "warning", "critical"


class Alert(NamedTuple):
    """One alert. `keep`: how long it fires after its expression has lost its value. `lasting`: how long the expression
    must have a value, in addition to the windows in it. Both are Prometheus durations.
    """

    name: str
    expr: str
    severity: str
    summary: str
    description: str
    keep: str = ""
    lasting: str = ""


ABSENT = "AutoscalerDaemonAbsent"
OUTAGE, SEVERAL_UNREADABLE, MISSING_SIGNAL = (
    "AutoscalerOutage",
    "AutoscalerSeveralUnreadable",
    "AutoscalerMissingSignal",
)
CONTEST, STALLED, STUCK = "AutoscalerContested", "AutoscalerStalledStart", "AutoscalerNoProgress"
IN_SHADOW, FULL, RISK, LATE = (
    "AutoscalerShadowMissesLatency",
    "AutoscalerAtMax",
    "AutoscalerSloAtRisk",
    "AutoscalerSloMissed",
)

MISSED = f"max_over_time({MISSED_HELD}[10m]) == 1"
"""The latency target is missed, or was missed within the last ten minutes."""

SURE = "2m"
"""How long most services are unreadable before their alerts wait for that of the Region. In the first poll after a
start, no service has been read.
"""

NOT_ALL = f"unless on (job) ({held(EVERYWHERE, SURE)})\nunless on (job) " + fired(OUTAGE, where=',region=""')
"""The end of an expression without daemons that can read most services of no Region: their alert has no Region."""


def known(*alerts: str) -> str:
    """Return the end of an expression that excludes services with another cause: a condition that has held for 3 to 20
    minutes (its alert fires if it lasts), or an alert about a cause that fired recently, also one of `alerts`.
    """
    soon = f"{held(HINDERED, '3m')}\nunless ({held(HINDERED, '20m')})"
    unreadable = f"max_over_time({UNREADABLE_HELD}[{LINGER}]) or max_over_time({STALE_HELD}[{LINGER}])"
    return unless_service(soon, unreadable, fired(CONTEST, STALLED, STUCK, *alerts)) + f"\nunless on () {fired(ABSENT)}"


UNREAD = "A required read or write has failed, or a signal has been missing or stale, for five minutes."

OF_READINGS = (
    Alert(
        OUTAGE,
        f"{newest(UNREADABLE_COUNT)} >= 2\nand {held(MOST, '5m')}\n"
        f"{NOT_ALL}\n"
        f"or sum by (job) ({newest(UNREADABLE_COUNT)})\nand {held(EVERYWHERE, '5m')}",
        CRITICAL,
        "{{ with $labels.region }}{{ . }}{{ else }}{{ $labels.job }}{{ end }}: most services cannot be read",
        "Services that cannot be read: {{ $value }}, at least half of "
        f"{{{{ with $labels.region }}}}those in {{{{ . }}}}{{{{ else }}}}all{{{{ end }}}}{ACCOUNT}. {UNREAD} They "
        "are not scaled in. The usual causes are an outage of AWS, credentials, and the network.",
        keep="5m",
    ),
    Alert(
        SEVERAL_UNREADABLE,
        f"{newest(UNREADABLE_COUNT)}\nand {held(SEVERAL, '5m')}\nunless ({held(MOST, SURE)})\n"
        f"unless on {EACH_REGION} {fired(OUTAGE)}\n{NOT_ALL}",
        CRITICAL,
        f"{REGION}{ACCOUNT}: several services cannot be read",
        f"Services that cannot be read: {{{{ $value }}}}, fewer than half of those in {REGION}{ACCOUNT}. {UNREAD} They "
        "are not scaled in. The usual causes are a missing permission and a role.",
        keep="5m",
    ),
    Alert(
        MISSING_SIGNAL,
        f"{UNREADABLE_HELD}\nunless on {EACH_REGION} ({held(SEVERAL, SURE)})\n"
        f"unless on {EACH_REGION} {fired(OUTAGE, SEVERAL_UNREADABLE)}\n{NOT_ALL}",
        CRITICAL,
        f"{EACH}: cannot be read or scaled",
        f"{UNREAD} The service is not scaled in. /readyz and autoscaler status show what failed, with a remedy.",
        keep="5m",
    ),
)

OF_CAUSES = (
    Alert(
        CONTEST,
        # A restart resets the daemon's record of reversed changes, and four of them take up to 20 minutes.
        f"max_over_time({CONTESTED}[20m]) == 1",
        CRITICAL,
        f"{EACH}: two writers reverse each other's changes of the desired count",
        "Another writer has reversed the changes of the autoscaler several times within minutes. The autoscaler pauses "
        "its writes for up to 10 minutes at a time. The log event notice of kind contested has the number of changes.",
    ),
    Alert(
        STALLED,
        # In a crash loop the count rises and falls, 3, 4, 3: its maximum does not grow.
        f"{newest(RUNNING)}\nand {held(BELOW, '10m')}\nand (\n"
        f"  delta({RUNNING}[10m]) <= 0\n"
        f"  or resets({RUNNING}[10m]) > 0\n"
        f"  and max_over_time({RUNNING}[10m]) <= max_over_time({RUNNING}[10m] offset 10m)\n)"
        f"{unless_service(fired(CONTEST))}",
        CRITICAL,
        f"{EACH}: requested tasks do not start",
        "Running tasks: {{ $value }}, fewer than desired. No additional task has stayed running in the last ten "
        "minutes.",
        keep="10m",
    ),
    Alert(
        STUCK,
        # Two minutes more than the window of the condition: one decision is not enough.
        f"{held(NO_PROGRESS, '12m')}{unless_service(fired(CONTEST, STALLED), UNREADABLE_HELD)}",
        CRITICAL,
        f"{EACH}: messages are received and not completed",
        "For more than ten minutes, more tasks have not completed more messages (rule no_progress). The workers fail, "
        "or a system that they use limits them.",
        keep="10m",
    ),
)


def _by_effect(alert: Alert, condition: str, lasting: str) -> tuple[Alert, Alert]:
    """Return the alert twice: critical as soon as the latency target is missed, and as a warning if only the condition
    lasts. The two never fire together.
    """
    now = f"{alert.expr}\nand {condition} == 1\nand {MISSED}"
    soon = f"{alert.expr}\nand {held(condition, lasting)}"
    before = unless_service(MISSED, fired(alert.name, where=f',severity="{CRITICAL}"'))
    cause = known() + ("" if condition == SHADOW else f"\nunless {SHADOW} == 1")
    return (
        alert._replace(expr=now + cause, severity=CRITICAL),
        alert._replace(expr=soon + before + cause, severity=WARNING),
    )


OF_LATENCY = (
    *_by_effect(
        Alert(
            IN_SHADOW,
            f"{newest(SHADOW)}",
            WARNING,
            f"{EACH}: latency target missed in shadow mode, and no other scaler is active",
            "The mode is shadow, so the autoscaler does not change the desired count. No conflicting scaler is known, "
            "and the count has not been changed in the last hour. The log event notice of kind shadow_misses_latency "
            "describes how to activate the service.",
        ),
        SHADOW,
        "10m",
    ),
    *_by_effect(
        Alert(
            FULL,
            newest(DEMAND),
            WARNING,
            f"{EACH}: at max_tasks, and the demand is higher",
            "Required tasks (demand): {{ $value }}, more than max_tasks. The alert is critical while the latency "
            "target is missed.",
        ),
        AT_MAX,
        "10m",
    ),
    Alert(
        RISK,
        f"{held(AT_RISK, '10m')}\nunless {AT_MAX} == 1\nunless {SHADOW} == 1\nunless {MISSED}"
        f"{known(FULL, IN_SHADOW, LATE)}",
        WARNING,
        f"{EACH}: the latency target cannot be met",
        "For ten minutes, it has not been possible to meet the latency target. The log event notice of kind "
        "slo_at_risk gives the reason and the task counts.",
        keep="10m",
    ),
    Alert(
        LATE,
        # Ten minutes, because by then a cause with its own alert is known.
        f"{newest(LATE_SHORT, '15m')}\nand max_over_time({UNEXPLAINED}[10m]) == 1\nunless {AT_MAX} == 1\n"
        f"unless {SHADOW} == 1{known(FULL, IN_SHADOW)}",
        CRITICAL,
        f"{EACH}: latency target missed",
        "{{ $value | humanizePercentage }} of the messages received in five minutes waited longer than the latency "
        "target, and no other alert explains it.",
        keep="10m",
    ),
)

OF_OTHERS = (
    Alert(
        "AutoscalerDrift",
        f"{newest(DRIFTS)}\nand {held(DRIFT, '5m')}{unless_service(f'{CONTESTED} == 1', fired(CONTEST))}",
        WARNING,
        f"{EACH}: the desired count was changed, and not by the autoscaler",
        "Changes of the desired count in the last 30 minutes that were not made by the autoscaler: about "
        '{{ $value | printf "%.0f" }}.',
    ),
    Alert(
        "AutoscalerManyDeployments",
        f"{newest(DEPLOYMENTS)}\nand {held(MANY_DEPLOYMENTS, '10m')}",
        WARNING,
        f"{EACH}: many deployments are unfinished",
        "Unfinished deployments: {{ $value }}. ECS refuses the next one while five are unfinished. Tasks that are "
        "protected from scale-in keep old deployments active until they are idle.",
        keep="10m",
    ),
    Alert(
        "AutoscalerThrottled",
        f"{newest(THROTTLES)}\nand {held(THROTTLED, '10m')}\nunless on (job) {fired(OUTAGE, SEVERAL_UNREADABLE)}",
        WARNING,
        "AWS throttles {{ $labels.category }}",
        'AWS throttled about {{ $value | printf "%.0f" }} requests in the last ten minutes. Calls of this category are '
        "delayed.",
        keep="10m",
    ),
)

OF_DAEMONS = (
    Alert(
        "AutoscalerDaemonStale",
        f"sum by (job) ({STALE_HELD})",
        CRITICAL,
        "{{ $labels.job }}: no completed poll within the limit (autoscaler_silent_after_seconds)",
        "The daemon responds, but has not completed a poll for too long. Affected services: {{ $value }}; /healthz "
        "lists them.",
        keep="5m",
    ),
    Alert(
        "AutoscalerDaemonGone",
        f"{STEADY} - (max_over_time({DAEMONS}[3m]) or 0 * {STEADY}) > 0\n"
        "unless on () absent_over_time(autoscaler_build_info[3m])",
        CRITICAL,
        "{{ $labels.job }}: fewer autoscaler daemons than earlier in the last hour",
        "Missing daemons that ran earlier in the last hour: {{ $value }}. Their services are not scaled.",
        lasting="2m",
    ),
    Alert(
        ABSENT,
        "absent_over_time(autoscaler_build_info[3m])",
        CRITICAL,
        "No autoscaler daemon found",
        "For five minutes, Prometheus has received no metrics from any daemon. No service is scaled; services at 0 "
        "tasks stay at 0.",
        lasting="2m",
    ),
)

SLOW = (
    Alert(
        "AutoscalerPausedTooLong",
        f"min_over_time({PAUSED}[1d]) == 1\nand {newest(PAUSED, '30m')} == 1\n"
        f"and last_over_time({PAUSED}[30m] offset 1d) == 1{unless_service(f'max_over_time({MISSED_HELD}[30m])')}",
        WARNING,
        f"{EACH}: paused for a day",
        "Scaling has been paused for 24 hours. If this is not intended, run autoscaler resume KEY, or set paused to "
        "none in the settings.",
        keep="20m",
    ),
)

ALERTS = (*OF_READINGS, *OF_CAUSES, *OF_LATENCY, *OF_OTHERS, *OF_DAEMONS, *SLOW)


def _recorded(recording: Recording) -> Json:
    return {"record": recording.record, "expr": recording.expr}


def _alerting(alert: Alert, runbook_url: str | None) -> Json:
    times = {"for": alert.lasting, "keep_firing_for": alert.keep}
    url = {} if runbook_url is None else {"runbook_url": section(runbook_url, alert.name)}
    return {
        "alert": alert.name,
        "expr": alert.expr,
        **{name: time for name, time in times.items() if time},
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.description,
            "runbook": f"{RUNBOOK}, section {alert.name}",
            **url,
        },
    }


def section(runbook_url: str, title: str) -> str:
    """Return the address of a section of the runbook. GitHub and MkDocs build the same anchors."""
    return f"{runbook_url}#{title.lower().replace(' ', '-')}"


def groups(runbook_url: str | None = None) -> Json:
    """Return the rules. `runbook_url`: the address of the runbook (None: no alert has a `runbook_url`).

    The rules of a group are evaluated in their order, so an alert knows the conditions, and the alerts before it.
    """
    alerts = [_alerting(alert, runbook_url) for alert in ALERTS if alert not in SLOW]
    slow = [_alerting(alert, runbook_url) for alert in SLOW]
    return {
        "groups": [
            {"name": "autoscaler-recordings", "rules": list(map(_recorded, RECORDINGS))},
            {"name": "autoscaler-alerts", "rules": [*map(_recorded, CONDITIONS), *alerts]},
            {"name": "autoscaler-slow", "interval": "10m", "rules": [*map(_recorded, SLOW_CONDITIONS), *slow]},
        ]
    }
