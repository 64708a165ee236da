"""The dashboard of one service: what it was asked for, what it did, and why."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.monitoring.panels import BAD, CALM, GOOD, WARN, Dashboard, Panel, Query, Section, Shape, Unit
from autoscaler.monitoring.wording import (
    CHOSEN,
    CLUSTER,
    IN_TIME,
    MARKS,
    PAID_AND_WASTED,
    RANGE,
    RATE,
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
            "What a message that comes now will probably wait; nothing while there is no task. Beside it, what is"
            " acceptable.",
            (
                Query(f"max(autoscaler_expected_wait_seconds{{{CHOSEN}}})", "expected"),
                Query(f"min(autoscaler_acceptable_latency_seconds{{{CHOSEN}}})", "acceptable"),
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
            "Whether the latency target requires more tasks than can run now. The log has the number.",
            (Query(f"max(autoscaler_slo_at_risk{{{CHOSEN}}})"),),
            Shape.STAT,
            width=3,
            height=5,
            steps=((None, GOOD), (1, WARN)),
            names=WARNING,
        ),
        Panel(
            "Tasks wanted",
            "What was wanted of ECS last, and the most there may be.",
            (Query(f"sum({tasks('desired')})", "desired"), Query(f"sum({tasks('max')})", "max")),
            Shape.STAT,
            width=4,
            height=5,
            steps=((None, CALM),),
        ),
        Panel(
            "Mode",
            "Active; scale_out_only, which never takes a task away; or shadow, which only says what it would do.",
            (Query(f"max by (mode) (autoscaler_mode{{{CHOSEN}}}) == 1", "{{mode}}"),),
            Shape.STAT,
            width=3,
            height=5,
            steps=((None, CALM),),
            names={"1": ("on", CALM)},
        ),
        Panel(
            "Paused",
            "Whether scaling out or in is paused, by setting or by the service's tag autoscaler:paused.",
            (Query(f"max by (direction) (autoscaler_paused{{{CHOSEN}}})", "{{direction}}"),),
            Shape.STAT,
            width=3,
            height=5,
            steps=((None, GOOD), (1, WARN)),
            names=WARNING,
        ),
    ),
)

COURSE = Section(
    "Work and tasks",
    (
        Panel(
            "Tasks",
            "What the work asks for, what was decided and wanted of ECS, and what runs; dashed, the bounds.",
            tuple([Query(tasks(kind), kind) for kind in ("demand", "desired", "running", "pending", "min", "max")]),
            dashed=("min", "max", "demand"),
            height=9,
        ),
        Panel(
            "Messages",
            "Each queue by SQS's approximate counts: what waits, what workers hold, and what is delayed.",
            (Query(f"autoscaler_queue_messages{{{CHOSEN}}}", "{{queue}} {{state}}"),),
            height=9,
        ),
        Panel(
            "Waits",
            "What a message that comes now will probably wait, and the age of the oldest one as CloudWatch had it; that"
            " age counts work in hand, too. Dashed, what is acceptable.",
            (
                Query(f"autoscaler_expected_wait_seconds{{{CHOSEN}}}", "expected wait"),
                Query(f"autoscaler_queue_oldest_age_seconds{{{CHOSEN}}}", "oldest of {{queue}}"),
                Query(f"autoscaler_acceptable_latency_seconds{{{CHOSEN}}}", "acceptable"),
            ),
            unit=Unit.SECONDS,
            dashed=("acceptable",),
        ),
        Panel(
            "Messages received",
            "Messages that workers took, and of these the late ones, a second.",
            (
                Query(f"sum(rate(autoscaler_messages_total{{{CHOSEN}}}[{RATE}]))", "received"),
                Query(f"sum(rate(autoscaler_late_messages_total{{{CHOSEN}}}[{RATE}]))", "of these late"),
            ),
            unit=Unit.PER_SECOND,
        ),
    ),
)

WHY = Section(
    "Why it has the tasks that it has",
    (
        Panel(
            "The rule that bound",
            "Filled while a rule kept the count away from the demand. docs/rules.md says what each of them is for.",
            (
                Query(
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
            "Signals that can be decided on",
            "Green while the signal was read and is fresh, red while it is needed and missing: then nothing goes.",
            (Query(f"autoscaler_signal_usable{{{CHOSEN}}}", "{{signal}}"),),
            Shape.STATES,
            height=9,
            steps=((None, BAD), (1, GOOD)),
            names={"0": ("missing", BAD), "1": ("usable", GOOD)},
        ),
        Panel(
            "Changes of the desired count",
            "Changes that ECS accepted, by direction, and those that somebody else made.",
            (
                Query(f"sum by (direction) (increase(autoscaler_scalings_total{{{CHOSEN}}}[{RATE}]))", "{{direction}}"),
                Query(f"sum(increase(autoscaler_drifts_total{{{CHOSEN}}}[{RATE}]))", "by somebody else"),
            ),
            width=8,
        ),
        Panel(
            "Cooldown left",
            "How long a direction is still cooling down after the last change. Always 0 where no cooldown is set.",
            (Query(f"autoscaler_cooldown_remaining_seconds{{{CHOSEN}}}", "{{direction}}"),),
            unit=Unit.SECONDS,
            width=8,
        ),
        Panel(
            "Age of signals",
            "How old the newest reading of each signal is. CloudWatch's are minutes old by nature.",
            (Query(f"autoscaler_signal_age_seconds{{{CHOSEN}}}", "{{signal}}"),),
            unit=Unit.SECONDS,
            width=8,
        ),
    ),
)

LEARNED = Section(
    "What was learned of the work",
    (
        Panel(
            "Processing and start-up",
            "For how long a message occupies a worker's slot, and how long a task takes to come up.",
            (
                Query(f'autoscaler_estimate{{estimate="processing_seconds",{CHOSEN}}}', "processing"),
                Query(f'autoscaler_estimate{{estimate="start_up_seconds",{CHOSEN}}}', "start-up"),
            ),
            unit=Unit.SECONDS,
            width=6,
        ),
        Panel(
            "Arrivals",
            "Messages that come, and those that are expected within the next minute, look-ahead included, a second.",
            (
                Query(f'autoscaler_estimate{{estimate="arrivals_per_second",{CHOSEN}}}', "now"),
                Query(f"sum(autoscaler_expected_messages{{{CHOSEN}}}) / 60", "expected"),
            ),
            unit=Unit.PER_SECOND,
            width=6,
            dashed=("expected",),
        ),
        Panel(
            "Messages that a task holds at once",
            "How many a task works on at once, as seen while messages wait.",
            (Query(f'autoscaler_estimate{{estimate="concurrency",{CHOSEN}}}', "concurrency"),),
            width=6,
        ),
        Panel(
            "How well it is known",
            "From a guess to seen very often, or said to be fixed. Below a half, plans are careful.",
            (Query(f"autoscaler_estimate_confidence_ratio{{{CHOSEN}}}", "{{estimate}}"),),
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
            "Task-hours, over the time shown",
            "Task-hours that were paid for, and the share of them in which no message was held.",
            (
                Query(f"sum(increase(autoscaler_task_seconds_total{{{CHOSEN}}}[{RANGE}])) / 3600", "hours"),
                Query(
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
            "Ticks with a failure",
            "Looks in which something needed could not be read or written, by kind. The log has each with its remedy.",
            (Query(f"sum by (kind) (increase(autoscaler_failures_total{{{CHOSEN}}}[{RATE}]))", "{{kind}}"),),
            width=6,
        ),
    ),
)

SERVICE = Dashboard(
    "autoscaler-service",
    "Autoscaler / Service",
    "One service: demand, tasks, and the reason of each decision.",
    (CLUSTER, replace(SERVICES, several=False)),
    (HEADLINE, COURSE, WHY, LEARNED, COST),
    MARKS,
)
