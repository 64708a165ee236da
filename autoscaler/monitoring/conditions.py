"""The conditions of the alerts, recorded as 1 or 0 for each service, and how to test them over time.

An alert that uses `for` loses it when a series has no sample, or when Prometheus restarts. These conditions are tested
over a window of recorded samples instead. So a restart of the daemon (a gap of about a minute, counters from 0, another
`instance`), one failed scrape, or a restart of Prometheus neither delays, nor ends, nor repeats an alert.
"""

from __future__ import annotations

from typing import NamedTuple

from autoscaler.core.deploying import MOST_UNFINISHED
from autoscaler.monitoring.wording import BY_SERVICE, EACH_SERVICE, late_ratio

GAP = "5m"
"""The longest gap in the samples that changes no alert. After five minutes, the daemon itself is missing."""

BRIDGED = "3m"
"""A condition that the daemon sees again some polls after a restart is not ended by a 0 for less than this time."""

LINGER = "15m"
"""How long the effects of a cause last after its end: late messages are still counted while the backlog clears."""

EACH_REGION = "(job, account, region)"

LATE_SHORT, LATE_LONG = "ecs_service:autoscaler_late_messages:ratio5m", "ecs_service:autoscaler_late_messages:ratio1h"

LEAST_LATE = 10
"""Late messages within an hour that raise no alert. A message that fails is late at each receive, and most dead-letter
queues take it after three to five receives: two such messages are no missed target. The alarm on the oldest message
covers rarer ones.
"""

LEAST_UNREADABLE = 3
"""Unreadable services of one Region that raise one alert together, instead of an alert each. Two are enough if they are
half of the Region's services.
"""

DEPLOYMENTS_BEFORE_REFUSAL = MOST_UNFINISHED - 1
"""Unfinished deployments: with one more, ECS refuses the next deployment."""

RUNNING, DESIRED, DEMAND = (f"ecs_service:autoscaler_tasks:{kind}" for kind in ("running", "desired", "demand"))

UNREADABLE, UNREADABLE_HELD = "ecs_service:autoscaler_unreadable:bool", "ecs_service:autoscaler_unreadable:held5m"
STALE, STALE_HELD = "ecs_service:autoscaler_stale:bool", "ecs_service:autoscaler_stale:held3m"
CONTESTED = "ecs_service:autoscaler_contested:bool"
DRIFTS, DRIFT = "ecs_service:autoscaler_drifts:increase30m", "ecs_service:autoscaler_drift:bool"
BELOW = "ecs_service:autoscaler_below_desired:bool"
NO_PROGRESS = "ecs_service:autoscaler_no_progress:bool"
HINDERED = "ecs_service:autoscaler_hindered:bool"
AT_MAX_NOW, AT_MAX = "ecs_service:autoscaler_at_max_now:bool", "ecs_service:autoscaler_at_max:bool"
SHADOW = "ecs_service:autoscaler_shadow_misses_latency:bool"
DEPLOYMENTS, MANY_DEPLOYMENTS = (
    "ecs_service:autoscaler_unfinished_deployments:max",
    "ecs_service:autoscaler_many_deployments:bool",
)
AT_RISK = "ecs_service:autoscaler_slo_at_risk:bool"
MISSED, MISSED_HELD, UNEXPLAINED = (
    f"ecs_service:autoscaler_slo_missed:{part}" for part in ("bool", "held5m", "held10m")
)
PAUSED = "ecs_service:autoscaler_paused:bool"

UNREADABLE_COUNT, UNREADABLE_RATIO = "region:autoscaler_unreadable:count", "region:autoscaler_unreadable:ratio"
SEVERAL, MOST = "region:autoscaler_several_unreadable:bool", "region:autoscaler_most_unreadable:bool"
EVERYWHERE = "job:autoscaler_most_unreadable:bool"

THROTTLES, THROTTLED = "category:autoscaler_aws_throttles:increase10m", "category:autoscaler_aws_throttled:bool"

DAEMONS, STEADY = "job:autoscaler_daemons:count", "job:autoscaler_daemons:steady1h"


class Recording(NamedTuple):
    """A recorded series."""

    record: str
    expr: str


def newest(series: str, within: str = GAP) -> str:
    """Return the newest sample of the series."""
    return f"last_over_time({series}[{within}])"


def held(condition: str, window: str) -> str:
    """Return an expression with a value if the condition has been 1 for the window, at all its samples. It was 1 at the
    window's start too, and has a sample of the last `GAP`.
    """
    began = f"last_over_time({condition}[{GAP}] offset {window}) == 1"
    return f"min_over_time({condition}[{window}]) == 1\nand {began}\nand {newest(condition)} == 1"


def fired(*names: str, where: str = "") -> str:
    """Return an expression with a value if one of the alerts fired recently. Prometheus records the alerts itself."""
    return f'max_over_time(ALERTS{{alertname=~"{"|".join(names)}",alertstate="firing"{where}}}[{LINGER}])'


def unless_service(*expressions: str) -> str:
    """Return the end of an expression that excludes the services of the other expressions."""
    return "".join(f"\nunless on {EACH_SERVICE} ({expr})" for expr in expressions)


def _bool(expr: str, among: str) -> str:
    """Return 1 for the services for which the expression has a value, and 0 for all others among `among`."""
    return f"group{BY_SERVICE}({expr})\nor 0 * {among}"


def _tasks(kind: str) -> str:
    return f'max{BY_SERVICE}(autoscaler_tasks{{kind="{kind}"}})'


# Readings, and the daemon.

_READ = (
    Recording(UNREADABLE, f"max{BY_SERVICE}(autoscaler_service_up == bool 0 or autoscaler_signal_usable == bool 0)"),
    Recording(UNREADABLE_HELD, held(UNREADABLE, "5m")),
    Recording(UNREADABLE_COUNT, f"sum by {EACH_REGION} ({UNREADABLE})"),
    Recording(UNREADABLE_RATIO, f"avg by {EACH_REGION} ({UNREADABLE})"),
    Recording(MOST, f"{UNREADABLE_RATIO} >= bool 0.5"),
    Recording(
        SEVERAL,
        f"({UNREADABLE_COUNT} >= bool {LEAST_UNREADABLE}) > 0\nor ({UNREADABLE_COUNT} >= bool 2) * {MOST}",
    ),
    Recording(
        EVERYWHERE,
        f"(sum by (job) ({MOST}) > bool 1) * (avg by (job) ({UNREADABLE}) >= bool 0.5)",
    ),
    # The age at the scrape. With a minute between scrapes, time() would add that minute to the age.
    Recording(
        STALE,
        f"max{BY_SERVICE}(\n"
        "  timestamp(autoscaler_last_tick_timestamp_seconds) - autoscaler_last_tick_timestamp_seconds\n"
        "  > bool autoscaler_silent_after_seconds\n)",
    ),
    Recording(STALE_HELD, held(STALE, "3m")),
    Recording(THROTTLES, "sum by (job, category) (increase(autoscaler_aws_throttles_total[10m]))"),
    Recording(THROTTLED, f"{THROTTLES} > bool 5"),
    Recording(DAEMONS, "count by (job) (autoscaler_build_info)"),
    # The number of daemons that ran for at least ten minutes: a deployment that runs old and new daemons together for a
    # shorter time does not count twice.
    Recording(STEADY, f"max_over_time(min_over_time({DAEMONS}[10m])[1h:1m])"),
)

# Causes of a missed latency target.

_CAUSES = (
    *(Recording(name, _tasks(kind)) for name, kind in ((RUNNING, "running"), (DESIRED, "desired"), (DEMAND, "demand"))),
    Recording(BELOW, f"{RUNNING} < bool {DESIRED}"),
    Recording(CONTESTED, f"max{BY_SERVICE}(autoscaler_contested)"),
    Recording(DRIFTS, f"sum{BY_SERVICE}(increase(autoscaler_drifts_total[30m]))"),
    Recording(DRIFT, f"{DRIFTS} > bool 2.5"),
    Recording(DEPLOYMENTS, f"max{BY_SERVICE}(autoscaler_unfinished_deployments)"),
    Recording(MANY_DEPLOYMENTS, f"{DEPLOYMENTS} >= bool {DEPLOYMENTS_BEFORE_REFUSAL}"),
    # A new daemon sees it again after five minutes. Not a share of all decisions: with 1,000 services, their 90,000
    # series took 1.6 s per evaluation.
    Recording(
        NO_PROGRESS,
        f'sum{BY_SERVICE}(increase(autoscaler_decisions_total{{rule="no_progress"}}[10m])) > bool 0',
    ),
    Recording(
        HINDERED,
        _bool(
            f"\n  {UNREADABLE} == 1\n  or {STALE} == 1\n  or {CONTESTED} == 1\n  or {NO_PROGRESS} == 1\n"
            f"  or {BELOW} == 1\n",
            UNREADABLE,
        ),
    ),
    # With tasks that have not started for three minutes, the maximum is not the cause. One that is replaced is ignored.
    Recording(
        AT_MAX_NOW,
        f"({DEMAND} > bool {_tasks('max')}) * ({DESIRED} >= bool {_tasks('max')})\n* (1 - min_over_time({BELOW}[3m]))",
    ),
    Recording(AT_MAX, f"max_over_time({AT_MAX_NOW}[{BRIDGED}])"),
    # A restart resets the daemon's record of changes by others. The counter in Prometheus remains. A new daemon sees a
    # missed target again after some minutes.
    Recording(
        SHADOW,
        _bool(
            f"\n  max_over_time(autoscaler_shadow_misses_latency[{GAP}]) == 1\n"
            f"  unless on {EACH_SERVICE} sum{BY_SERVICE}(increase(autoscaler_drifts_total[1h])) > 0\n",
            UNREADABLE,
        ),
    ),
    Recording(AT_RISK, f"max{BY_SERVICE}(max_over_time(autoscaler_slo_at_risk[{BRIDGED}]))"),
)

# The latency target.

_MISSED = (
    Recording(LATE_SHORT, late_ratio("5m", BY_SERVICE, "")),
    Recording(LATE_LONG, late_ratio("1h", BY_SERVICE, "")),
    Recording(
        MISSED,
        f"({LATE_SHORT} > bool 0.05) * ({LATE_LONG} > bool 0.01)\n"
        f"* (sum{BY_SERVICE}(increase(autoscaler_late_messages_total[1h])) > bool {LEAST_LATE})",
    ),
    Recording(MISSED_HELD, held(MISSED, "5m")),
    Recording(UNEXPLAINED, held(MISSED, "10m")),
)

RECORDINGS = (
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
)
"""Series for dashboards and own queries."""

CONDITIONS = (*_READ, *_CAUSES, *_MISSED)
"""Evaluated in this order, before the alerts and in the same group."""

SLOW_CONDITIONS = (Recording(PAUSED, f"max{BY_SERVICE}(max_over_time(autoscaler_paused[10m]))"),)
"""Evaluated every ten minutes, for a window of a day."""
