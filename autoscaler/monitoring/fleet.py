"""The dashboard of all services: latency targets, tasks and cost."""

from __future__ import annotations

from autoscaler.monitoring.grafana import BAD, CALM, GOOD, WARN, Dashboard, Panel, PanelQuery, Section, Shape, Unit
from autoscaler.monitoring.wording import (
    BY_SERVICE,
    CHOSEN,
    CLUSTER,
    IN_TIME,
    MARKS,
    PAID_AND_WASTED,
    RANGE,
    RATE,
    REGION,
    SERVICES,
    WARNING,
    YES_NO,
    ever_bound,
    in_time_ratio,
    late_ratio,
    tasks,
)

HEADLINE = Section(
    "Latency target",
    (
        IN_TIME,
        Panel(
            "At risk",
            "Services whose latency target cannot be met. The log event notice of kind slo_at_risk gives the reason.",
            (PanelQuery(f"sum(autoscaler_slo_at_risk{{{CHOSEN}}})"),),
            Shape.STAT,
            width=4,
            height=5,
            steps=((None, GOOD), (1, WARN)),
        ),
        Panel(
            "Not served",
            "Services that cannot be scaled, because a required read or write fails, or before their first poll.",
            (PanelQuery(f"count(autoscaler_service_up{{{CHOSEN}}}) - sum(autoscaler_service_up{{{CHOSEN}}})"),),
            Shape.STAT,
            width=4,
            height=5,
            steps=((None, GOOD), (1, BAD)),
        ),
        Panel(
            "At their maximum",
            "Services at max_tasks. If a service misses its latency target, raise max_tasks.",
            (PanelQuery(f"sum({tasks('desired')} >= bool ignoring(kind) {tasks('max')})"),),
            Shape.STAT,
            width=4,
            height=5,
            steps=((None, GOOD), (1, WARN)),
        ),
        Panel(
            "Paused",
            "Services in which scaling is paused in at least one direction, by setting or by tag.",
            (PanelQuery(f"sum(max{BY_SERVICE}(autoscaler_paused{{{CHOSEN}}}))"),),
            Shape.STAT,
            width=3,
            height=5,
            steps=((None, GOOD), (1, WARN)),
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
        ),
    ),
)

SERVICES_NOW = Section(
    "Services now",
    (
        Panel(
            "Services",
            "One row per service; click its name to open it. Expected wait: until a message that arrives now is"
            " received. In time: share of messages over the time range.",
            (
                PanelQuery(f"sum{BY_SERVICE}(autoscaler_service_up{{{CHOSEN}}})", column="served"),
                PanelQuery(in_time_ratio(RANGE, BY_SERVICE), column="in time"),
                PanelQuery(f"sum{BY_SERVICE}(autoscaler_slo_at_risk{{{CHOSEN}}})", column="at risk"),
                PanelQuery(f"sum{BY_SERVICE}({tasks('desired')})", column="tasks"),
                PanelQuery(f"sum{BY_SERVICE}({tasks('demand')})", column="demand"),
                PanelQuery(f"sum{BY_SERVICE}({tasks('max')})", column="max"),
                PanelQuery(
                    f'sum{BY_SERVICE}(autoscaler_queue_messages{{state="visible",{CHOSEN}}})',
                    column="backlog",
                ),
                PanelQuery(f"sum{BY_SERVICE}(autoscaler_expected_wait_seconds{{{CHOSEN}}})", column="expected wait"),
                PanelQuery(
                    f"sum{BY_SERVICE}(autoscaler_acceptable_latency_seconds{{{CHOSEN}}})", column="latency target"
                ),
            ),
            Shape.TABLE,
            width=24,
            height=6,
            units={"in time": Unit.RATIO, "expected wait": Unit.SECONDS, "latency target": Unit.SECONDS},
            columns={"served": YES_NO, "at risk": WARNING},
        ),
    ),
)

COURSE = Section(
    "Over time",
    (
        Panel(
            "Messages late, by service",
            "Share of received messages that waited longer than the latency target. No value if none were received.",
            (PanelQuery(late_ratio(RATE, BY_SERVICE), "{{ecs_service}}"),),
            unit=Unit.RATIO,
        ),
        Panel(
            "Expected wait, relative to the latency target",
            "Expected time until a message that arrives now is received. Above 100 %, it will be late.",
            (
                PanelQuery(
                    f"autoscaler_expected_wait_seconds{{{CHOSEN}}} / autoscaler_acceptable_latency_seconds{{{CHOSEN}}}",
                    "{{ecs_service}}",
                ),
            ),
            unit=Unit.RATIO,
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
        ),
        Panel(
            "Backlog, by service",
            "Approximate number of visible messages, without messages in flight or delayed.",
            (
                PanelQuery(
                    f'sum by (ecs_service) (autoscaler_queue_messages{{state="visible",{CHOSEN}}})', "{{ecs_service}}"
                ),
            ),
            stacked=True,
        ),
    ),
)

COST = Section(
    "Cost",
    (
        PAID_AND_WASTED,
        Panel(
            "Task-hours over the time range",
            "Task-hours by service. Their cost is this number multiplied by the price of a task-hour.",
            (
                PanelQuery(
                    f"sum by (ecs_service) (increase(autoscaler_task_seconds_total{{{CHOSEN}}}[{RANGE}])) / 3600",
                    "{{ecs_service}}",
                ),
            ),
            Shape.STAT,
            Unit.HOURS,
            width=6,
            steps=((None, CALM),),
            decimals=1,
        ),
        Panel(
            "Decisions, by binding rule",
            "Rules that limited the target, over all services. none: the target was the demand.",
            (PanelQuery(ever_bound(f"rate(autoscaler_decisions_total{{{CHOSEN}}}[{RATE}])"), "{{rule}}"),),
            unit=Unit.PER_SECOND,
            width=6,
            stacked=True,
        ),
    ),
)

FLEET = Dashboard(
    "autoscaler-fleet",
    "Autoscaler / Fleet",
    "All services: latency targets, tasks, cost.",
    (REGION, CLUSTER, SERVICES),
    (HEADLINE, SERVICES_NOW, COURSE, COST),
    MARKS,
)
