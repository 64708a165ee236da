"""The dashboard of one service: demand, tasks, and the reasons."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.monitoring.grafana import BAD, CALM, GOOD, WARN, Dashboard, Panel, PanelQuery, Section, Shape, Unit
from autoscaler.monitoring.wording import (
    ACCOUNT,
    BY_SERVICE,
    CHOSEN,
    CLUSTER,
    MARKS,
    RATE,
    REGION,
    SERVICES,
    WARNING,
    by_service_and,
    cost,
    ever_bound,
    highest,
    in_time,
    tasks,
)

HEADLINE = Section(
    "Latency target",
    (
        in_time(BY_SERVICE),
        Panel(
            "Expected wait",
            "Expected time until a message that arrives now is received, and the latency target. No value if no task"
            " runs.",
            (
                PanelQuery(highest("autoscaler_expected_wait_seconds"), "expected"),
                PanelQuery(f"min{BY_SERVICE}(autoscaler_acceptable_latency_seconds{{{CHOSEN}}})", "latency target"),
            ),
            Shape.STAT,
            Unit.SECONDS,
            width=6,
            height=5,
            steps=((None, CALM),),
            decimals=1,
            empty="No task runs",
        ),
        Panel(
            "At risk",
            "Whether the latency target cannot be met. The log event notice of kind slo_at_risk gives the reason.",
            (PanelQuery(highest("autoscaler_slo_at_risk")),),
            Shape.STAT,
            width=3,
            height=5,
            steps=((None, GOOD), (1, WARN)),
            names=WARNING,
            empty="No decision yet",
        ),
        Panel(
            "Desired tasks",
            "Desired count of ECS, and max_tasks.",
            (PanelQuery(tasks("desired"), "desired"), PanelQuery(tasks("max"), "max")),
            Shape.STAT,
            width=4,
            height=5,
            steps=((None, CALM),),
            empty="ECS cannot be read",
        ),
        Panel(
            "Mode",
            "active; scale_out_only, which never scales in; or shadow, which only logs its decisions.",
            (PanelQuery(f"max{by_service_and('mode')}(autoscaler_mode{{{CHOSEN}}}) == 1", "{{mode}}"),),
            Shape.STAT,
            width=3,
            height=5,
            steps=((None, CALM),),
            names={"1": ("on", CALM)},
            empty="No service selected",
        ),
        Panel(
            "Paused",
            "Whether scale-out or scale-in is paused, by setting or by the tag autoscaler:paused of the service.",
            (PanelQuery(highest("autoscaler_paused", "direction"), "{{direction}}"),),
            Shape.STAT,
            width=3,
            height=5,
            steps=((None, GOOD), (1, WARN)),
            names=WARNING,
            empty="No service selected",
        ),
    ),
)

COURSE = Section(
    "Load and tasks",
    (
        Panel(
            "Tasks",
            "Demand, desired, running and pending tasks. Dashed: demand and the bounds.",
            tuple(
                [PanelQuery(tasks(kind), kind) for kind in ("demand", "desired", "running", "pending", "min", "max")]
            ),
            dashed=("min", "max", "demand"),
            height=9,
            empty="ECS cannot be read",
        ),
        Panel(
            "Messages",
            "Approximate number of messages in each queue: visible, in flight, delayed.",
            (PanelQuery(highest("autoscaler_queue_messages", "queue, state"), "{{queue}} {{state}}"),),
            height=9,
            empty="No queue can be read",
        ),
        Panel(
            "Waits",
            "Expected time until a message that arrives now is received, and the oldest message age from CloudWatch,"
            " which includes messages in flight. Dashed: the latency target.",
            (
                PanelQuery(highest("autoscaler_expected_wait_seconds"), "expected wait"),
                PanelQuery(highest("autoscaler_queue_oldest_age_seconds", "queue"), "oldest of {{queue}}"),
                PanelQuery(highest("autoscaler_acceptable_latency_seconds"), "latency target"),
            ),
            unit=Unit.SECONDS,
            dashed=("latency target",),
            width=8,
            empty="No task runs, and CloudWatch has no age",
        ),
        Panel(
            "Time to clear the backlog",
            "Time until the present backlog is received with the target task count, while messages go on arriving.",
            (PanelQuery(highest("autoscaler_time_to_clear_seconds"), "clear in"),),
            unit=Unit.SECONDS,
            width=8,
            empty="No task is to run, or nothing is learned yet",
        ),
        Panel(
            "Messages received",
            "Messages received by workers per second, and the late ones among them.",
            (
                PanelQuery(f"sum{BY_SERVICE}(rate(autoscaler_messages_total{{{CHOSEN}}}[{RATE}]))", "received"),
                PanelQuery(f"sum{BY_SERVICE}(rate(autoscaler_late_messages_total{{{CHOSEN}}}[{RATE}]))", "late"),
            ),
            unit=Unit.PER_SECOND,
            width=8,
            empty="No queue can be read",
        ),
    ),
)

WHY = Section(
    "Reasons of the task count",
    (
        Panel(
            "Binding rules",
            "Filled while the rule changed the target from the demand. docs/rules.md describes each rule.",
            (
                PanelQuery(
                    ever_bound(
                        f'increase(autoscaler_decisions_total{{rule!="none",{CHOSEN}}}[{RATE}])',
                        " > bool 0",
                        by_service_and("rule"),
                    ),
                    "{{rule}}",
                ),
            ),
            Shape.STATES,
            height=9,
            steps=((None, "transparent"), (1, CALM)),
            names={"0": ("free", "transparent"), "1": ("bound", CALM)},
            empty="No rule changed a decision in this time range",
        ),
        Panel(
            "Usable signals",
            "Green: the signal can be used for decisions. Red: it is required, and missing or stale; scale-in is"
            " blocked.",
            (PanelQuery(highest("autoscaler_signal_usable", "signal"), "{{signal}}"),),
            Shape.STATES,
            height=9,
            steps=((None, BAD), (1, GOOD)),
            names={"0": ("missing", BAD), "1": ("usable", GOOD)},
            empty="No poll yet",
        ),
        Panel(
            "Changes of the desired count",
            "Changes that ECS accepted, by direction, and changes that were not made by the autoscaler.",
            (
                PanelQuery(
                    f"sum{by_service_and('direction')}(increase(autoscaler_scalings_total{{{CHOSEN}}}[{RATE}]))",
                    "{{direction}}",
                ),
                PanelQuery(
                    f"sum{BY_SERVICE}(increase(autoscaler_drifts_total{{{CHOSEN}}}[{RATE}]))", "outside the autoscaler"
                ),
            ),
            width=8,
            empty="No poll yet",
        ),
        Panel(
            "Remaining cooldown",
            "Remaining cooldown of each direction after the last change. Always 0 if no cooldown is set.",
            (PanelQuery(highest("autoscaler_cooldown_remaining_seconds", "direction"), "{{direction}}"),),
            unit=Unit.SECONDS,
            width=8,
            empty="No poll yet",
        ),
        Panel(
            "Age of signals",
            "Age of the newest reading of each signal. Readings from CloudWatch are always minutes old.",
            (PanelQuery(highest("autoscaler_signal_age_seconds", "signal"), "{{signal}}"),),
            unit=Unit.SECONDS,
            width=8,
            empty="Nothing has been read",
        ),
    ),
)

LEARNED = Section(
    "Estimates",
    (
        Panel(
            "Processing and start-up",
            "Processing time of a message, and start-up time of a task.",
            (
                PanelQuery(
                    f'max{BY_SERVICE}(autoscaler_estimate{{estimate="processing_seconds",{CHOSEN}}})', "processing"
                ),
                PanelQuery(f'max{BY_SERVICE}(autoscaler_estimate{{estimate="start_up_seconds",{CHOSEN}}})', "start-up"),
            ),
            unit=Unit.SECONDS,
            width=6,
            empty="Nothing learned: ECS cannot be read",
        ),
        Panel(
            "Arrivals",
            "Messages per second: arriving now, and expected in the next minute, including look-ahead.",
            (
                PanelQuery(f'max{BY_SERVICE}(autoscaler_estimate{{estimate="arrivals_per_second",{CHOSEN}}})', "now"),
                PanelQuery(f"sum{BY_SERVICE}(autoscaler_expected_messages{{{CHOSEN}}}) / 60", "expected"),
            ),
            unit=Unit.PER_SECOND,
            width=6,
            dashed=("expected",),
            empty="Nothing learned: ECS cannot be read",
        ),
        Panel(
            "Concurrency",
            "Messages that a task processes at the same time, measured while there is a backlog.",
            (PanelQuery(f'max{BY_SERVICE}(autoscaler_estimate{{estimate="concurrency",{CHOSEN}}})', "concurrency"),),
            width=6,
            empty="Nothing learned: ECS cannot be read",
        ),
        Panel(
            "Confidence",
            "From 0 (assumed) to 1 (learned from many observations, or fixed). Below 0.5, decisions are cautious.",
            (PanelQuery(highest("autoscaler_estimate_confidence_ratio", "estimate"), "{{estimate}}"),),
            unit=Unit.RATIO,
            width=6,
            most=1.0,
            empty="Nothing learned: ECS cannot be read",
        ),
    ),
)

COST = Section(
    "Cost and failures",
    (
        *cost(BY_SERVICE),
        Panel(
            "Failed polls",
            "Polls with a failed read or write, by kind. The log has each failure with its remedy.",
            (
                PanelQuery(
                    f"sum{by_service_and('kind')}(increase(autoscaler_failures_total{{{CHOSEN}}}[{RATE}]))", "{{kind}}"
                ),
            ),
            width=6,
            empty="No poll yet",
        ),
    ),
)

SERVICE = Dashboard(
    "autoscaler-service",
    "Autoscaler / Service",
    "One service: demand, tasks, and the reason of each decision.",
    (ACCOUNT, *(replace(variable, several=False) for variable in (REGION, CLUSTER, SERVICES))),
    (HEADLINE, COURSE, WHY, LEARNED, COST),
    MARKS,
)
