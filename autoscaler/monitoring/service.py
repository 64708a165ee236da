"""The dashboard of one service: demand, tasks, and the reasons."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.monitoring.grafana import BAD, CALM, GOOD, WARN, Dashboard, Panel, PanelQuery, Section, Shape, Unit
from autoscaler.monitoring.wording import (
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
    ever_bound,
    tasks,
)

HEADLINE = Section(
    "Latency target",
    (
        IN_TIME,
        Panel(
            "Expected wait",
            "Expected time until a message that arrives now is received, and the latency target. No value if no task"
            " runs.",
            (
                PanelQuery(f"max(autoscaler_expected_wait_seconds{{{CHOSEN}}})", "expected"),
                PanelQuery(f"min(autoscaler_acceptable_latency_seconds{{{CHOSEN}}})", "latency target"),
            ),
            Shape.STAT,
            Unit.SECONDS,
            width=6,
            height=5,
            steps=((None, CALM),),
            decimals=1,
        ),
        Panel(
            "At risk",
            "Whether the latency target cannot be met. The log event notice of kind slo_at_risk gives the reason.",
            (PanelQuery(f"max(autoscaler_slo_at_risk{{{CHOSEN}}})"),),
            Shape.STAT,
            width=3,
            height=5,
            steps=((None, GOOD), (1, WARN)),
            names=WARNING,
        ),
        Panel(
            "Desired tasks",
            "Desired count of ECS, and max_tasks.",
            (PanelQuery(f"sum({tasks('desired')})", "desired"), PanelQuery(f"sum({tasks('max')})", "max")),
            Shape.STAT,
            width=4,
            height=5,
            steps=((None, CALM),),
        ),
        Panel(
            "Mode",
            "active; scale_out_only, which never scales in; or shadow, which only logs its decisions.",
            (PanelQuery(f"max by (mode) (autoscaler_mode{{{CHOSEN}}}) == 1", "{{mode}}"),),
            Shape.STAT,
            width=3,
            height=5,
            steps=((None, CALM),),
            names={"1": ("on", CALM)},
        ),
        Panel(
            "Paused",
            "Whether scale-out or scale-in is paused, by setting or by the tag autoscaler:paused of the service.",
            (PanelQuery(f"max by (direction) (autoscaler_paused{{{CHOSEN}}})", "{{direction}}"),),
            Shape.STAT,
            width=3,
            height=5,
            steps=((None, GOOD), (1, WARN)),
            names=WARNING,
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
        ),
        Panel(
            "Messages",
            "Approximate number of messages in each queue: visible, in flight, delayed.",
            (PanelQuery(f"autoscaler_queue_messages{{{CHOSEN}}}", "{{queue}} {{state}}"),),
            height=9,
        ),
        Panel(
            "Waits",
            "Expected time until a message that arrives now is received, and the oldest message age from CloudWatch,"
            " which includes messages in flight. Dashed: the latency target.",
            (
                PanelQuery(f"autoscaler_expected_wait_seconds{{{CHOSEN}}}", "expected wait"),
                PanelQuery(f"autoscaler_queue_oldest_age_seconds{{{CHOSEN}}}", "oldest of {{queue}}"),
                PanelQuery(f"autoscaler_acceptable_latency_seconds{{{CHOSEN}}}", "latency target"),
            ),
            unit=Unit.SECONDS,
            dashed=("latency target",),
        ),
        Panel(
            "Messages received",
            "Messages received by workers per second, and the late ones among them.",
            (
                PanelQuery(f"sum(rate(autoscaler_messages_total{{{CHOSEN}}}[{RATE}]))", "received"),
                PanelQuery(f"sum(rate(autoscaler_late_messages_total{{{CHOSEN}}}[{RATE}]))", "late"),
            ),
            unit=Unit.PER_SECOND,
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
                    ever_bound(f'increase(autoscaler_decisions_total{{rule!="none",{CHOSEN}}}[{RATE}])', " > bool 0"),
                    "{{rule}}",
                ),
            ),
            Shape.STATES,
            height=9,
            steps=((None, "transparent"), (1, CALM)),
            names={"0": ("free", "transparent"), "1": ("bound", CALM)},
        ),
        Panel(
            "Usable signals",
            "Green: the signal can be used for decisions. Red: it is required, and missing or stale; scale-in is"
            " blocked.",
            (PanelQuery(f"autoscaler_signal_usable{{{CHOSEN}}}", "{{signal}}"),),
            Shape.STATES,
            height=9,
            steps=((None, BAD), (1, GOOD)),
            names={"0": ("missing", BAD), "1": ("usable", GOOD)},
        ),
        Panel(
            "Changes of the desired count",
            "Changes that ECS accepted, by direction, and changes that were not made by the autoscaler.",
            (
                PanelQuery(
                    f"sum by (direction) (increase(autoscaler_scalings_total{{{CHOSEN}}}[{RATE}]))", "{{direction}}"
                ),
                PanelQuery(f"sum(increase(autoscaler_drifts_total{{{CHOSEN}}}[{RATE}]))", "outside the autoscaler"),
            ),
            width=8,
        ),
        Panel(
            "Remaining cooldown",
            "Remaining cooldown of each direction after the last change. Always 0 if no cooldown is set.",
            (PanelQuery(f"autoscaler_cooldown_remaining_seconds{{{CHOSEN}}}", "{{direction}}"),),
            unit=Unit.SECONDS,
            width=8,
        ),
        Panel(
            "Age of signals",
            "Age of the newest reading of each signal. Readings from CloudWatch are always minutes old.",
            (PanelQuery(f"autoscaler_signal_age_seconds{{{CHOSEN}}}", "{{signal}}"),),
            unit=Unit.SECONDS,
            width=8,
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
                PanelQuery(f'autoscaler_estimate{{estimate="processing_seconds",{CHOSEN}}}', "processing"),
                PanelQuery(f'autoscaler_estimate{{estimate="start_up_seconds",{CHOSEN}}}', "start-up"),
            ),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            "Arrivals",
            "Messages per second: arriving now, and expected in the next minute, including look-ahead.",
            (
                PanelQuery(f'autoscaler_estimate{{estimate="arrivals_per_second",{CHOSEN}}}', "now"),
                PanelQuery(f"sum(autoscaler_expected_messages{{{CHOSEN}}}) / 60", "expected"),
            ),
            unit=Unit.PER_SECOND,
            width=6,
            dashed=("expected",),
        ),
        Panel(
            "Concurrency",
            "Messages that a task processes at the same time, measured while there is a backlog.",
            (PanelQuery(f'autoscaler_estimate{{estimate="concurrency",{CHOSEN}}}', "concurrency"),),
            width=6,
        ),
        Panel(
            "Confidence",
            "From 0 (assumed) to 1 (learned from many observations, or fixed). Below 0.5, decisions are cautious.",
            (PanelQuery(f"autoscaler_estimate_confidence_ratio{{{CHOSEN}}}", "{{estimate}}"),),
            unit=Unit.RATIO,
            width=6,
            most=1.0,
        ),
    ),
)

COST = Section(
    "Cost and failures",
    (
        PAID_AND_WASTED,
        Panel(
            "Task-hours over the time range",
            "Billed task-hours, and the share of them in which no message was processed.",
            (
                PanelQuery(f"sum(increase(autoscaler_task_seconds_total{{{CHOSEN}}}[{RANGE}])) / 3600", "hours"),
                PanelQuery(
                    f"sum(increase(autoscaler_wasted_task_seconds_total{{{CHOSEN}}}[{RANGE}]))"
                    f" / (sum(increase(autoscaler_task_seconds_total{{{CHOSEN}}}[{RANGE}])) > 0)",
                    "wasted",
                ),
            ),
            Shape.STAT,
            Unit.HOURS,
            width=6,
            steps=((None, CALM),),
            units={"wasted": Unit.RATIO},
            decimals=1,
        ),
        Panel(
            "Failed polls",
            "Polls with a failed read or write, by kind. The log has each failure with its remedy.",
            (PanelQuery(f"sum by (kind) (increase(autoscaler_failures_total{{{CHOSEN}}}[{RATE}]))", "{{kind}}"),),
            width=6,
        ),
    ),
)

SERVICE = Dashboard(
    "autoscaler-service",
    "Autoscaler / Service",
    "One service: demand, tasks, and the reason of each decision.",
    (REGION, CLUSTER, replace(SERVICES, several=False)),
    (HEADLINE, COURSE, WHY, LEARNED, COST),
    MARKS,
)
