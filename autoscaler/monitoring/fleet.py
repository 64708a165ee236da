"""The dashboard of all services: latency targets, tasks and cost."""

from __future__ import annotations

from autoscaler.monitoring.grafana import BAD, CALM, GOOD, WARN, Dashboard, Panel, PanelQuery, Section, Shape, Unit
from autoscaler.monitoring.wording import (
    ACCOUNT,
    BY_SERVICE,
    CHOSEN,
    CLUSTER,
    IN_TIME_STEPS,
    MARKS,
    MODES,
    PAUSES,
    RANGE,
    RATE,
    REGION,
    SERVICE_LEGEND,
    SERVICES,
    STATUS,
    WORST,
    cost,
    ever_bound,
    highest,
    in_time,
    in_time_ratio,
    late_ratio,
    mode,
    pause,
    status,
    tasks,
    worst,
)

HEADLINE = Section(
    "Latency target",
    (
        in_time(),
        Panel(
            "At risk",
            "Services whose latency target cannot be met. The log event notice of kind slo_at_risk gives the reason.",
            (PanelQuery(f"sum(autoscaler_slo_at_risk{{{CHOSEN}}})"),),
            Shape.STAT,
            width=4,
            height=5,
            steps=((None, GOOD), (1, WARN)),
            empty="No decision yet",
        ),
        Panel(
            "Not served",
            "Services that cannot be scaled, because a required read or write fails, or before their first poll.",
            (PanelQuery(f"count(autoscaler_service_up{{{CHOSEN}}}) - sum(autoscaler_service_up{{{CHOSEN}}})"),),
            Shape.STAT,
            width=4,
            height=5,
            steps=((None, GOOD), (1, BAD)),
            empty="No service",
        ),
        Panel(
            "At their maximum",
            "Services at max_tasks. If a service misses its latency target, raise max_tasks.",
            (PanelQuery(f"sum({tasks('desired')} >= bool {tasks('max')})"),),
            Shape.STAT,
            width=4,
            height=5,
            steps=((None, GOOD), (1, WARN)),
            empty="ECS cannot be read",
        ),
        Panel(
            "Paused",
            "Services in which scaling is paused in at least one direction, by setting or by tag.",
            (PanelQuery(f"sum({highest('autoscaler_paused')})"),),
            Shape.STAT,
            width=3,
            height=5,
            steps=((None, GOOD), (1, WARN)),
            empty="No service",
        ),
        Panel(
            "AWS calls per month",
            "Cost of the daemon's calls at the rate of the last ten minutes, at list prices, without the free tier.",
            (PanelQuery("sum(autoscaler_aws_cost_dollars_per_month)"),),
            Shape.STAT,
            Unit.DOLLARS,
            width=4,
            height=5,
            steps=((None, CALM),),
            decimals=2,
            empty="No daemon",
        ),
    ),
)


def _of_queues(metric: str, aggregation: str, state: str = "") -> tuple[str, str]:
    """Return a metric of the queues for each service, and its maximum in the time range as the rank of the service."""
    series = f"{metric}{{{state}{CHOSEN}}}"
    return (
        f"{aggregation}{BY_SERVICE}({series})",
        f"{aggregation}{BY_SERVICE}(max_over_time({series}[{RANGE}] @ end()))",
    )


OLDEST, OLDEST_RANK = _of_queues("autoscaler_queue_oldest_age_seconds", "max")
BACKLOG, BACKLOG_RANK = _of_queues("autoscaler_queue_messages", "sum", 'state="visible",')


def _increase(metric: str, at: str = "") -> str:
    return f"sum{BY_SERVICE}(increase({metric}{{{CHOSEN}}}[{RANGE}]{at}))"


WAIT, TARGET = highest("autoscaler_expected_wait_seconds"), highest("autoscaler_acceptable_latency_seconds")
BILLED, WASTED = "autoscaler_task_seconds_total", "autoscaler_wasted_task_seconds_total"

SERVICES_NOW = Section(
    "Services now",
    (
        Panel(
            "Services, worst first",
            "One row per service; click its name to open it. Status: not served (a read or write fails), late (more"
            " than 5 % of the messages of five minutes), at risk, or ok. Oldest: the age of the oldest message, from"
            " CloudWatch. In time, task-hours and wasted: over the time range. Clear in: the time to clear the backlog."
            " The cost of a service is its task-hours multiplied by the price of a task-hour.",
            (
                PanelQuery(status(), column="status"),
                PanelQuery(in_time_ratio(RANGE, BY_SERVICE), column="in time"),
                PanelQuery(OLDEST, column="oldest"),
                PanelQuery(TARGET, column="latency target"),
                PanelQuery(WAIT, column="expected wait"),
                PanelQuery(BACKLOG, column="backlog"),
                PanelQuery(highest("autoscaler_time_to_clear_seconds"), column="clear in"),
                PanelQuery(tasks("desired"), column="tasks"),
                PanelQuery(tasks("demand"), column="demand"),
                PanelQuery(tasks("max"), column="max"),
                PanelQuery(mode(), column="mode"),
                PanelQuery(pause(), column="paused"),
                PanelQuery(f"{_increase(BILLED)} / 3600", column="task-hours"),
                PanelQuery(f"{_increase(WASTED)} / ({_increase(BILLED)} > 0)", column="wasted"),
            ),
            Shape.TABLE,
            width=24,
            height=12,
            units={
                "in time": Unit.RATIO,
                "oldest": Unit.SECONDS,
                "latency target": Unit.SECONDS,
                "expected wait": Unit.SECONDS,
                "clear in": Unit.SECONDS,
                "task-hours": Unit.HOURS,
                "wasted": Unit.RATIO,
            },
            columns={"status": STATUS, "mode": MODES, "paused": PAUSES},
            column_steps={
                "in time": IN_TIME_STEPS,
                "wasted": ((None, GOOD), (0.5, WARN)),
                "clear in": ((None, GOOD), (900, WARN), (3600, BAD)),
            },
            sort=("status", "oldest"),
            empty="-",
        ),
    ),
)

COURSE = Section(
    "Over time",
    (
        Panel(
            f"Messages late: the {WORST} services with the most late messages",
            "Share of received messages that waited longer than the latency target. No value if none were received.",
            (
                PanelQuery(
                    worst(late_ratio(RATE, BY_SERVICE), _increase("autoscaler_late_messages_total", " @ end()")),
                    SERVICE_LEGEND,
                ),
            ),
            unit=Unit.RATIO,
            empty="No message received",
        ),
        Panel(
            f"Oldest message: the {WORST} services with the oldest messages",
            "Age of the oldest message of each service, from CloudWatch, with messages in flight.",
            (PanelQuery(worst(OLDEST, OLDEST_RANK), SERVICE_LEGEND),),
            unit=Unit.SECONDS,
            empty="CloudWatch has no age: no queue has messages, or cloudwatch:GetMetricData is not permitted",
        ),
        Panel(
            f"Expected wait, relative to the latency target: the {WORST} services with the longest wait",
            "Expected time until a message that arrives now is received. Above 100 %, it will be late.",
            (
                PanelQuery(
                    worst(
                        f"{WAIT} / {TARGET}",
                        f"max{BY_SERVICE}(max_over_time(autoscaler_expected_wait_seconds{{{CHOSEN}}}[{RANGE}] @ end()))"
                        f" / {highest('autoscaler_acceptable_latency_seconds', at=' @ end()')}",
                    ),
                    SERVICE_LEGEND,
                ),
            ),
            unit=Unit.RATIO,
            empty="No task runs",
        ),
        Panel(
            f"Backlog: the {WORST} services with the largest backlog",
            "Approximate number of visible messages, without messages in flight or delayed.",
            (PanelQuery(worst(BACKLOG, BACKLOG_RANK), SERVICE_LEGEND),),
            empty="No queue can be read",
        ),
        Panel(
            "Tasks",
            "All services together: demand, desired and running tasks.",
            (
                PanelQuery(f"sum({tasks('demand')})", "demand"),
                PanelQuery(f"sum({tasks('desired')})", "desired"),
                PanelQuery(f"sum({tasks('running')})", "running"),
            ),
            dashed=("demand",),
            empty="No service has been polled",
        ),
        Panel(
            f"Wasted tasks: the {WORST} services that waste most",
            "Average number of billed tasks that process no message: starting tasks and free slots.",
            (
                PanelQuery(
                    worst(f"sum{BY_SERVICE}(rate({WASTED}{{{CHOSEN}}}[{RATE}]))", _increase(WASTED, " @ end()")),
                    SERVICE_LEGEND,
                ),
            ),
            empty="No task ran",
        ),
    ),
)

COST = Section(
    "Cost",
    (
        *cost(),
        Panel(
            "Decisions, by binding rule",
            "Rules that limited the target, over all services. none: the target was the demand.",
            (PanelQuery(ever_bound(f"rate(autoscaler_decisions_total{{{CHOSEN}}}[{RATE}])"), "{{rule}}"),),
            unit=Unit.PER_SECOND,
            width=6,
            stacked=True,
            empty="No decision in this time range",
        ),
    ),
)

FLEET = Dashboard(
    "autoscaler-fleet",
    "Autoscaler / Fleet",
    "All services: latency targets, tasks, cost.",
    (ACCOUNT, REGION, CLUSTER, SERVICES),
    (HEADLINE, SERVICES_NOW, COURSE, COST),
    MARKS,
)
