"""Expressions and panels that several dashboards and rules share."""

from __future__ import annotations

from autoscaler.monitoring.grafana import BAD, CALM, GOOD, WARN, Mark, Panel, PanelQuery, Shape, Unit, Variable

CHOSEN = 'aws_region=~"$region",ecs_cluster=~"$cluster",ecs_service=~"$service"'
"""The label matchers of the selected services."""

RATE = "$__rate_interval"
RANGE = "$__range"

REGION = Variable("region", "aws_region", "autoscaler_service_up", "Region")
CLUSTER = Variable("cluster", "ecs_cluster", 'autoscaler_service_up{aws_region=~"$region"}', "Cluster")
SERVICES = Variable(
    "service", "ecs_service", 'autoscaler_service_up{aws_region=~"$region",ecs_cluster=~"$cluster"}', "Service"
)

IN_TIME_STEPS = ((None, BAD), (0.95, WARN), (0.999, GOOD))
"""At 95 % one message of twenty misses the latency target."""

YES_NO = {"1": ("yes", GOOD), "0": ("no", BAD)}
WARNING = {"0": ("no", GOOD), "1": ("yes", WARN)}


def late_ratio(window: str, by: str = "", chosen: str = f"{{{CHOSEN}}}") -> str:
    """Return the share of received messages that were late. No value if none were received."""
    late = f"sum{by}(increase(autoscaler_late_messages_total{chosen}[{window}]))"
    received = f"sum{by}(increase(autoscaler_messages_total{chosen}[{window}]))"
    return f"{late}\n/ ({received} > 0)"


def in_time_ratio(window: str, by: str = "") -> str:
    """Return the share of messages that met the latency target."""
    return f"1 - {late_ratio(window, by)}"


IN_TIME = Panel(
    "Messages in time",
    "Share of messages received within the latency target, over the time range, estimated from the queues' counts.",
    (PanelQuery(in_time_ratio(RANGE)),),
    Shape.STAT,
    Unit.RATIO,
    width=5,
    height=5,
    steps=IN_TIME_STEPS,
    decimals=2,
)

PAID_AND_WASTED = Panel(
    "Billed and wasted tasks",
    "Average number of billed tasks, and the part of them that processes no message: starting tasks and free slots.",
    (
        PanelQuery(f"sum(rate(autoscaler_task_seconds_total{{{CHOSEN}}}[{RATE}]))", "billed"),
        PanelQuery(f"sum(rate(autoscaler_wasted_task_seconds_total{{{CHOSEN}}}[{RATE}]))", "wasted"),
    ),
)


def tasks(kind: str) -> str:
    """Return the tasks of one kind, of the selected services."""
    return f'autoscaler_tasks{{kind="{kind}",{CHOSEN}}}'


def ever_bound(decisions: str, compared: str = "") -> str:
    """Return the decisions by rule, only of rules that limited a decision in the time range: there are many rules."""
    ever = f"sum by (rule) (increase(autoscaler_decisions_total{{{CHOSEN}}}[{RANGE}])) > 0"
    return f"sum by (rule) ({decisions}){compared}\nand {ever}"


MARKED = "5m"
"""The window must contain at least two scrapes, also with one minute between scrapes (the Prometheus default) and one
missed. `RATE` is not used: it depends on the interval of the data source, by default a quarter of that minute.
"""

EACH_SERVICE = "(aws_account, aws_region, ecs_cluster, ecs_service)"
BY_SERVICE = f" by {EACH_SERVICE} "

MARKS = (
    Mark(
        "Scaled",
        f"sum by (ecs_service, direction) (increase(autoscaler_scalings_total{{{CHOSEN}}}[{MARKED}])) > 0",
        "{{ecs_service}}: scaled {{direction}}",
        CALM,
    ),
    Mark(
        "Desired count changed outside the autoscaler",
        f"sum by (ecs_service) (increase(autoscaler_drifts_total{{{CHOSEN}}}[{MARKED}])) > 0",
        "{{ecs_service}}: drift",
        WARN,
    ),
)
"""The annotations of the selected services, in all panels."""
