"""The dashboard of the daemon itself: poll times, calls to AWS, and their cost."""

from __future__ import annotations

from autoscaler.monitoring.grafana import (
    BAD,
    CALM,
    GOOD,
    WARN,
    Dashboard,
    Panel,
    PanelQuery,
    Section,
    Shape,
    Unit,
    Variable,
)
from autoscaler.monitoring.wording import RANGE, RATE

OURS = 'instance=~"$instance"'

INSTANCE = Variable("instance", "instance", "autoscaler_build_info", "Daemon")


def slowest(name: str) -> tuple[PanelQuery, PanelQuery]:
    """Return the queries for p50 and p99 of a histogram."""
    rates = f"sum by (le) (rate({name}_bucket{{{OURS}}}[{RATE}]))"
    return PanelQuery(f"histogram_quantile(0.5, {rates})", "p50"), PanelQuery(
        f"histogram_quantile(0.99, {rates})", "p99"
    )


HEADLINE = Section(
    "The daemon",
    (
        Panel(
            "Longest time since a poll",
            "Longest time since the last completed poll of a service. It grows while the daemon hangs.",
            (PanelQuery(f"max(time() - autoscaler_last_tick_timestamp_seconds{{{OURS}}})"),),
            Shape.STAT,
            Unit.SECONDS,
            width=5,
            height=5,
            steps=((None, GOOD), (60, WARN), (300, BAD)),
            decimals=0,
            empty="No poll yet",
        ),
        Panel(
            "Services",
            "Services that can be scaled, and all configured services.",
            (
                PanelQuery(f"sum(autoscaler_service_up{{{OURS}}})", "served"),
                PanelQuery(f"count(autoscaler_service_up{{{OURS}}})", "all"),
            ),
            Shape.STAT,
            width=5,
            height=5,
            steps=((None, CALM),),
            empty="No service",
        ),
        Panel(
            "Throttled",
            "Requests that AWS throttled, over the time range. Each one slows down the calls of its throttle category.",
            (PanelQuery(f"sum(increase(autoscaler_aws_throttles_total{{{OURS}}}[{RANGE}]))"),),
            Shape.STAT,
            width=4,
            height=5,
            steps=((None, GOOD), (1, WARN)),
            decimals=0,
            empty="No daemon",
        ),
        Panel(
            "AWS calls per month",
            "Cost of the calls at the rate of the last ten minutes, at list prices, without the free tier.",
            (PanelQuery(f"sum(autoscaler_aws_cost_dollars_per_month{{{OURS}}})"),),
            Shape.STAT,
            Unit.DOLLARS,
            width=5,
            height=5,
            steps=((None, CALM),),
            decimals=2,
            empty="No daemon",
        ),
        Panel(
            "Version",
            "Version of each daemon. Two versions mean two daemons: two daemons must never scale the same service.",
            (PanelQuery(f"count by (version) (autoscaler_build_info{{{OURS}}})", "{{version}}"),),
            Shape.STAT,
            width=5,
            height=5,
            steps=((None, GOOD), (2, BAD)),
            empty="No daemon",
        ),
    ),
)

TIME = Section(
    "Poll times",
    (
        Panel(
            "Poll duration",
            "From the first read to the last write for one service. Most of it is time that AWS takes to respond.",
            slowest("autoscaler_tick_seconds"),
            unit=Unit.SECONDS,
            empty="No poll yet",
        ),
        Panel(
            "Poll delay",
            "Delay between the scheduled and the actual start of a poll. Above 1 s, the CPU is overloaded.",
            slowest("autoscaler_tick_lag_seconds"),
            unit=Unit.SECONDS,
            empty="No poll yet",
        ),
        Panel(
            "CPU",
            "CPU time, relative to one core.",
            (PanelQuery(f"rate(process_cpu_seconds_total{{{OURS}}}[{RATE}])", "{{instance}}"),),
            unit=Unit.RATIO,
            width=8,
            empty="No daemon",
        ),
        Panel(
            "Memory",
            "Resident memory of the process.",
            (PanelQuery(f"process_resident_memory_bytes{{{OURS}}}", "{{instance}}"),),
            unit=Unit.BYTES,
            width=8,
            empty="No daemon",
        ),
        Panel(
            "Polls",
            "Polls of services per second.",
            (PanelQuery(f"sum(rate(autoscaler_tick_seconds_count{{{OURS}}}[{RATE}]))", "polls"),),
            unit=Unit.PER_SECOND,
            width=8,
            empty="No poll yet",
        ),
    ),
)

CALLS = Section(
    "Calls to AWS",
    (
        Panel(
            "Requests, by API",
            "Requests to AWS per second, successful and failed.",
            (PanelQuery(f"sum by (api) (rate(autoscaler_aws_requests_total{{{OURS}}}[{RATE}]))", "{{api}}"),),
            unit=Unit.PER_SECOND,
            stacked=True,
            empty="No request yet",
        ),
        Panel(
            "Requests that failed, by outcome",
            "Failed requests per second. denied: AWS rejected the credentials or a permission is missing."
            " no_credentials: no credentials found. unavailable: no response. throttled: too many calls.",
            (
                PanelQuery(
                    f'sum by (outcome) (rate(autoscaler_aws_requests_total{{outcome!="ok",{OURS}}}[{RATE}]))',
                    "{{outcome}}",
                ),
            ),
            unit=Unit.PER_SECOND,
            empty="No request yet",
        ),
        Panel(
            "Rate-limit tokens left",
            "Unused part of the daemon's share of the AWS quotas, by throttle category. At 0, calls wait.",
            (PanelQuery(f"min by (category) (autoscaler_rate_limiter_tokens{{{OURS}}})", "{{category}}"),),
            width=8,
            empty="No daemon",
        ),
        Panel(
            "Wait for the rate limiter",
            "Time that requests wait for a rate-limit token.",
            slowest("autoscaler_rate_limiter_wait_seconds"),
            unit=Unit.SECONDS,
            width=8,
            empty="No request waited",
        ),
        Panel(
            "Throttled, by category",
            "Requests that AWS throttled, per second. Other callers in the account use the same quotas.",
            (
                PanelQuery(
                    f"sum by (category) (rate(autoscaler_aws_throttles_total{{{OURS}}}[{RATE}]))", "{{category}}"
                ),
            ),
            unit=Unit.PER_SECOND,
            width=8,
            empty="No daemon",
        ),
        Panel(
            "Cost over the time range",
            "Cost of the calls, by API: SQS is charged per request, GetMetricData per metric.",
            (
                PanelQuery(
                    f"sum by (api) (increase(autoscaler_aws_cost_dollars_total{{{OURS}}}[{RANGE}])) > 0", "{{api}}"
                ),
            ),
            Shape.STAT,
            Unit.DOLLARS,
            width=24,
            height=4,
            steps=((None, CALM),),
            decimals=4,
            empty="No request with a price",
        ),
    ),
)

TROUBLE = Section(
    "Problems of the daemon",
    (
        Panel(
            "Problems in the settings",
            "Problems at the last read of the settings file and of the tags. The previous values stay in force.",
            (PanelQuery(f"max by (source) (autoscaler_settings_problems{{{OURS}}})", "{{source}}"),),
            Shape.STAT,
            width=8,
            height=5,
            steps=((None, GOOD), (1, BAD)),
            empty="No daemon",
        ),
        Panel(
            "Lost log lines",
            "Log lines that were not written, over the time range: standard output was not read, or the disk is full.",
            (PanelQuery(f"sum(increase(autoscaler_log_lines_lost_total{{{OURS}}}[{RANGE}]))"),),
            Shape.STAT,
            width=8,
            height=5,
            steps=((None, GOOD), (1, BAD)),
            decimals=0,
            empty="No daemon",
        ),
        Panel(
            "Refused HTTP connections, by reason",
            "Connections that were closed without serving a request, per second.",
            (PanelQuery(f"sum by (reason) (rate(autoscaler_http_refusals_total{{{OURS}}}[{RATE}]))", "{{reason}}"),),
            unit=Unit.PER_SECOND,
            width=8,
            height=5,
            empty="No daemon",
        ),
    ),
)

DAEMON = Dashboard(
    "autoscaler-daemon",
    "Autoscaler / Daemon",
    "The daemon itself: poll times, calls to AWS, and their cost.",
    (INSTANCE,),
    (HEADLINE, TIME, CALLS, TROUBLE),
)
