"""The dashboard of the daemon itself: does it keep its time, what does it ask of AWS, and what does that cost?"""

from __future__ import annotations

from autoscaler.monitoring.panels import BAD, CALM, GOOD, WARN, Dashboard, Panel, Query, Section, Shape, Unit, Variable
from autoscaler.monitoring.wording import RANGE, RATE

OURS = 'instance=~"$instance"'

INSTANCE = Variable("instance", "instance", "autoscaler_build_info", "Daemon")


def slowest(name: str) -> tuple[Query, Query]:
    """The durations that half of a histogram, and 99 of 100, stay below."""
    rates = f"sum by (le) (rate({name}_bucket{{{OURS}}}[{RATE}]))"
    return Query(f"histogram_quantile(0.5, {rates})", "p50"), Query(f"histogram_quantile(0.99, {rates})", "p99")


HEADLINE = Section(
    "The daemon",
    (
        Panel(
            "Longest time since a poll",
            "Time since the last poll, of the service with the longest. It grows when the daemon hangs.",
            (Query(f"max(time() - autoscaler_last_tick_timestamp_seconds{{{OURS}}})"),),
            Shape.STAT,
            Unit.SECONDS,
            width=5,
            height=5,
            steps=((None, GOOD), (60, WARN), (300, BAD)),
            decimals=0,
        ),
        Panel(
            "Services",
            "Services that can be scaled, and all configured services.",
            (
                Query(f"sum(autoscaler_service_up{{{OURS}}})", "served"),
                Query(f"count(autoscaler_service_up{{{OURS}}})", "all"),
            ),
            Shape.STAT,
            width=5,
            height=5,
            steps=((None, CALM),),
        ),
        Panel(
            "Throttled",
            "Requests that AWS throttled, over the time range. Each one slows the calls of its kind.",
            (Query(f"sum(increase(autoscaler_aws_throttles_total{{{OURS}}}[{RANGE}]))"),),
            Shape.STAT,
            width=4,
            height=5,
            steps=((None, GOOD), (1, WARN)),
            decimals=0,
        ),
        Panel(
            "AWS calls, a month",
            "What its calls cost, at the pace of the last ten minutes, by list prices without the free tier.",
            (Query(f"sum(autoscaler_aws_cost_dollars_per_month{{{OURS}}})"),),
            Shape.STAT,
            Unit.DOLLARS,
            width=5,
            height=5,
            steps=((None, CALM),),
            decimals=2,
        ),
        Panel(
            "Version",
            "What runs. Two versions at once are two daemons: never let two scale one service.",
            (Query(f"count by (version) (autoscaler_build_info{{{OURS}}})", "{{version}}"),),
            Shape.STAT,
            width=5,
            height=5,
            steps=((None, GOOD), (2, BAD)),
        ),
    ),
)

TIME = Section(
    "Its time",
    (
        Panel(
            "How long a tick takes",
            "From the first reading to the last write of one service. Most of it is waiting for AWS.",
            slowest("autoscaler_tick_seconds"),
            unit=Unit.SECONDS,
        ),
        Panel(
            "How late ticks begin",
            "How long after its time a tick begins. Above a second, there are more services than its processor bears.",
            slowest("autoscaler_tick_lag_seconds"),
            unit=Unit.SECONDS,
        ),
        Panel(
            "Processor",
            "Of one core.",
            (Query(f"rate(process_cpu_seconds_total{{{OURS}}}[{RATE}])", "{{instance}}"),),
            unit=Unit.RATIO,
            width=8,
        ),
        Panel(
            "Memory",
            "Resident memory of the process.",
            (Query(f"process_resident_memory_bytes{{{OURS}}}", "{{instance}}"),),
            unit=Unit.BYTES,
            width=8,
        ),
        Panel(
            "Ticks",
            "Polls of services per second.",
            (Query(f"sum(rate(autoscaler_tick_seconds_count{{{OURS}}}[{RATE}]))", "ticks"),),
            unit=Unit.PER_SECOND,
            width=8,
        ),
    ),
)

CALLS = Section(
    "What it asks of AWS",
    (
        Panel(
            "Requests, by API",
            "Requests to AWS, a second, whatever came of them.",
            (Query(f"sum by (api) (rate(autoscaler_aws_requests_total{{{OURS}}}[{RATE}]))", "{{api}}"),),
            unit=Unit.PER_SECOND,
            stacked=True,
        ),
        Panel(
            "Requests that failed, by outcome",
            "Requests that did not end well, a second. denied: AWS rejected the credentials or a right is missing."
            " no_credentials: there were none to sign with. unavailable: no answer. throttled: too many calls.",
            (
                Query(
                    f'sum by (outcome) (rate(autoscaler_aws_requests_total{{outcome!="ok",{OURS}}}[{RATE}]))',
                    "{{outcome}}",
                ),
            ),
            unit=Unit.PER_SECOND,
        ),
        Panel(
            "Calls that could be made at once",
            "What is left of our share of AWS's rates, by throttle category. At 0, calls wait for their turn.",
            (Query(f"min by (category) (autoscaler_rate_limiter_tokens{{{OURS}}})", "{{category}}"),),
            width=8,
        ),
        Panel(
            "Waiting for a turn",
            "How long requests wait until our share of AWS's rate lets them go.",
            slowest("autoscaler_rate_limiter_wait_seconds"),
            unit=Unit.SECONDS,
            width=8,
        ),
        Panel(
            "Throttled, by category",
            "Requests that AWS throttled, a second. The account's other callers drain the same rates.",
            (Query(f"sum by (category) (rate(autoscaler_aws_throttles_total{{{OURS}}}[{RATE}]))", "{{category}}"),),
            unit=Unit.PER_SECOND,
            width=8,
        ),
        Panel(
            "Dollars, over the time shown",
            "What its calls cost so far, by API: SQS is paid by the request, GetMetricData by the metric.",
            (Query(f"sum by (api) (increase(autoscaler_aws_cost_dollars_total{{{OURS}}}[{RANGE}])) > 0", "{{api}}"),),
            Shape.STAT,
            Unit.DOLLARS,
            width=24,
            height=4,
            steps=((None, CALM),),
            decimals=4,
        ),
    ),
)

DAEMON = Dashboard(
    "autoscaler-daemon",
    "Autoscaler / Daemon",
    "The daemon itself: its time, its calls, and what they cost.",
    (INSTANCE,),
    (HEADLINE, TIME, CALLS),
)
