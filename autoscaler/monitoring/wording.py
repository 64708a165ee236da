"""Expressions and panels that several dashboards and rules share."""

from __future__ import annotations

from autoscaler.monitoring.grafana import BAD, CALM, GOOD, WARN, Mark, Panel, PanelQuery, Shape, Unit, Variable

CHOSEN = 'account=~"$account",region=~"$region",ecs_cluster=~"$cluster",ecs_service=~"$service"'
"""The label matchers of the selected services."""

RATE = "$__rate_interval"
RANGE = "$__range"

UP = "autoscaler_service_up"

ACCOUNT = Variable("account", "account", UP, "Account")
REGION = Variable("region", "region", f'{UP}{{account=~"$account"}}', "Region")
CLUSTER = Variable("cluster", "ecs_cluster", f'{UP}{{account=~"$account",region=~"$region"}}', "Cluster")
SERVICES = Variable(
    "service",
    "ecs_service",
    f'{UP}{{account=~"$account",region=~"$region",ecs_cluster=~"$cluster"}}',
    "Service",
)

EACH_SERVICE = "(job, account, region, ecs_cluster, ecs_service)"
"""The labels that identify a service. `account` is empty for the account of the daemon, so daemons in two accounts
differ by their job. `instance` is not among them: it can change when a daemon restarts.
"""

BY_SERVICE = f" by {EACH_SERVICE} "


def by_service_and(label: str) -> str:
    """Return the grouping by service and one more label."""
    return f" by {EACH_SERVICE[:-1]}, {label}) "


def highest(metric: str, label: str = "", at: str = "") -> str:
    """Return the highest value of a metric for each selected service, or for each value of one more label. `at`: a time
    other than that of the query.
    """
    return f"max{by_service_and(label) if label else BY_SERVICE}({metric}{{{CHOSEN}}}{at})"


IN_TIME_STEPS = ((None, BAD), (0.95, WARN), (0.999, GOOD))
"""At 95 % one message of twenty misses the latency target."""

STATUS = {"0": ("ok", GOOD), "1": ("at risk", WARN), "2": ("late", BAD), "3": ("not served", BAD)}
MODES = {"0": ("shadow", CALM), "1": ("scale_out_only", WARN), "2": ("active", GOOD)}
PAUSES = {"0": ("no", GOOD), "1": ("scale-in", WARN), "2": ("scale-out", BAD), "3": ("all", BAD)}
"""Texts of the columns that `status`, `mode` and `pause` compute."""

WARNING = {"0": ("no", GOOD), "1": ("yes", WARN)}


def late_ratio(window: str, by: str = "", chosen: str = f"{{{CHOSEN}}}") -> str:
    """Return the share of received messages that were late. No value if none were received."""
    late = f"sum{by}(increase(autoscaler_late_messages_total{chosen}[{window}]))"
    received = f"sum{by}(increase(autoscaler_messages_total{chosen}[{window}]))"
    return f"{late}\n/ ({received} > 0)"


def in_time_ratio(window: str, by: str = "") -> str:
    """Return the share of messages that met the latency target."""
    return f"1 - {late_ratio(window, by)}"


def status() -> str:
    """Return the status of each service: the number of its worst condition, see `STATUS`."""
    up = highest(UP)
    return (
        f"3 * ({up} == bool 0) > 0\n"
        f"or 2 * ({late_ratio('5m', BY_SERVICE)} > bool 0.05) > 0\n"
        f"or {highest('autoscaler_slo_at_risk')} > 0\nor 0 * {up}"
    )


def mode() -> str:
    """Return the mode of each service, see `MODES`."""
    active, scale_out_only = (
        f'max{BY_SERVICE}(autoscaler_mode{{mode="{name}",{CHOSEN}}})' for name in ("active", "scale_out_only")
    )
    return f"2 * {active} + {scale_out_only}"


def pause() -> str:
    """Return the paused directions of each service, see `PAUSES`."""
    out, into = (f'max{BY_SERVICE}(autoscaler_paused{{direction="{name}",{CHOSEN}}})' for name in ("out", "in"))
    return f"2 * {out} + {into}"


WORST = 10

SERVICE_LEGEND = "{{ecs_cluster}}/{{ecs_service}} {{region}}"


def worst(expr: str, ranking: str) -> str:
    """Return the series of the services with the highest rank. `ranking`: one value for each service, the same during
    the whole time range (with `@ end()`), so that the panel has `WORST` lines and not more.
    """
    return f"{expr}\nand on {EACH_SERVICE} topk({WORST}, {ranking})"


def in_time(by: str = "") -> Panel:
    """Return the panel with the messages in time, in total or for each service."""
    return Panel(
        "Messages in time",
        "Share of messages received within the latency target, over the time range, estimated from the queues' counts.",
        (PanelQuery(in_time_ratio(RANGE, by)),),
        Shape.STAT,
        Unit.RATIO,
        width=5,
        height=5,
        steps=IN_TIME_STEPS,
        decimals=2,
        empty="No message received",
    )


def cost(by: str = "") -> tuple[Panel, Panel]:
    """Return the panels about billed and wasted tasks, in total or for each service."""
    billed, wasted = (f"autoscaler_{kind}_seconds_total{{{CHOSEN}}}" for kind in ("task", "wasted_task"))
    hours = f"sum{by}(increase({billed}[{RANGE}]))"
    return (
        Panel(
            "Billed and wasted tasks",
            "Average number of billed tasks, and the part of them that processes no message: starting tasks and free"
            " slots.",
            (
                PanelQuery(f"sum{by}(rate({billed}[{RATE}]))", "billed"),
                PanelQuery(f"sum{by}(rate({wasted}[{RATE}]))", "wasted"),
            ),
            empty="No service has been polled twice",
        ),
        Panel(
            "Task-hours over the time range",
            "Billed task-hours, and the share of them in which no message was processed. Their cost is the task-hours"
            " multiplied by the price of a task-hour.",
            (
                PanelQuery(f"{hours} / 3600", "hours"),
                PanelQuery(f"sum{by}(increase({wasted}[{RANGE}])) / ({hours} > 0)", "wasted"),
            ),
            Shape.STAT,
            Unit.HOURS,
            width=6,
            steps=((None, CALM),),
            units={"wasted": Unit.RATIO},
            decimals=1,
            empty="No task ran",
        ),
    )


def tasks(kind: str) -> str:
    """Return the tasks of one kind, for each selected service."""
    return f'max{BY_SERVICE}(autoscaler_tasks{{kind="{kind}",{CHOSEN}}})'


def ever_bound(decisions: str, compared: str = "", by: str = " by (rule) ") -> str:
    """Return the decisions by rule, only of rules that limited a decision in the time range: there are many rules."""
    ever = f"sum{by}(increase(autoscaler_decisions_total{{{CHOSEN}}}[{RANGE}])) > 0"
    return f"sum{by}({decisions}){compared}\nand {ever}"


MARKED = "5m"
"""The window must contain at least two scrapes, also with one minute between scrapes (the Prometheus default) and one
missed. `RATE` is not used: it depends on the interval of the data source, by default a quarter of that minute.
"""

MARKS = (
    Mark(
        "Scaled",
        f"sum{by_service_and('direction')}(increase(autoscaler_scalings_total{{{CHOSEN}}}[{MARKED}])) > 0",
        "{{ecs_cluster}}/{{ecs_service}}: scaled {{direction}}",
        CALM,
    ),
    Mark(
        "Desired count changed outside the autoscaler",
        f"sum{BY_SERVICE}(increase(autoscaler_drifts_total{{{CHOSEN}}}[{MARKED}])) > 0",
        "{{ecs_cluster}}/{{ecs_service}}: drift",
        WARN,
    ),
)
"""The annotations of the selected services, in all panels."""
