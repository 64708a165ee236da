"""Expressions and panels that several dashboards and rules share, so that one thing is asked for in one way."""

from __future__ import annotations

from autoscaler.monitoring.panels import BAD, CALM, GOOD, WARN, Mark, Panel, Query, Shape, Unit, Variable

CHOSEN = 'ecs_cluster=~"$cluster",ecs_service=~"$service"'
"""The services that the reader chose."""

RATE = "$__rate_interval"
RANGE = "$__range"

CLUSTER = Variable("cluster", "ecs_cluster", "autoscaler_service_up", "Cluster")
SERVICES = Variable("service", "ecs_service", 'autoscaler_service_up{ecs_cluster=~"$cluster"}', "Service")

IN_TIME_STEPS = ((None, BAD), (0.95, WARN), (0.999, GOOD))
"""At 95 % one message of twenty misses the latency target."""

YES_NO = {"1": ("yes", GOOD), "0": ("no", BAD)}
WARNING = {"0": ("no", GOOD), "1": ("yes", WARN)}


def late_ratio(window: str, by: str = "", chosen: str = f"{{{CHOSEN}}}") -> str:
    """The share of messages that had waited too long, of those that were received. No value where there were none."""
    late = f"sum{by}(increase(autoscaler_late_messages_total{chosen}[{window}]))"
    received = f"sum{by}(increase(autoscaler_messages_total{chosen}[{window}]))"
    return f"{late}\n/ ({received} > 0)"


def in_time_ratio(window: str, by: str = "") -> str:
    """The share of messages that met the latency target."""
    return f"1 - {late_ratio(window, by)}"


IN_TIME = Panel(
    "Messages in time",
    "Share of messages received within the latency target, over the time range, estimated from the queues' counts.",
    (Query(in_time_ratio(RANGE)),),
    Shape.STAT,
    Unit.RATIO,
    width=5,
    height=5,
    steps=IN_TIME_STEPS,
    decimals=2,
)

PAID_AND_WASTED = Panel(
    "Tasks paid for, and wasted",
    "Average number of billed tasks, and how many of them held no message: starting tasks and free slots.",
    (
        Query(f"sum(rate(autoscaler_task_seconds_total{{{CHOSEN}}}[{RATE}]))", "paid for"),
        Query(f"sum(rate(autoscaler_wasted_task_seconds_total{{{CHOSEN}}}[{RATE}]))", "of these wasted"),
    ),
)


def tasks(kind: str) -> str:
    """The chosen services' tasks of one kind."""
    return f'autoscaler_tasks{{kind="{kind}",{CHOSEN}}}'


def ever_bound(decisions: str, compared: str = "") -> str:
    """The decisions by rule, of those rules only that bound at all within the time shown: there are many."""
    ever = f"sum by (rule) (increase(autoscaler_decisions_total{{{CHOSEN}}}[{RANGE}])) > 0"
    return f"sum by (rule) ({decisions}){compared}\nand {ever}"


MARKED = "5m"
"""Two scrapes at least must lie within, also at Prometheus' own minute between them and with one missed. Not
`RATE`: it knows only the interval that the data source has configured, by default a quarter of that minute.
"""

BY_SERVICE = " by (ecs_cluster, ecs_service) "

MARKS = (
    Mark(
        "Scaled",
        f"sum by (ecs_service, direction) (increase(autoscaler_scalings_total{{{CHOSEN}}}[{MARKED}])) > 0",
        "{{ecs_service}}: scaled {{direction}}",
        CALM,
    ),
    Mark(
        "Somebody else changed the count",
        f"sum by (ecs_service) (increase(autoscaler_drifts_total{{{CHOSEN}}}[{MARKED}])) > 0",
        "{{ecs_service}}: drift",
        WARN,
    ),
)
"""What is decided stands across all panels; a fleet's marks are those of the services that were chosen."""
