"""The generated page of the metrics is up to date, and the number of series per service is limited."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, TimedCount
from autoscaler.core.model import Backlog, Observation, Rule, Utilization, Verdict
from autoscaler.core.policy import Mode
from autoscaler.telemetry.families import FAMILIES, Family
from autoscaler.telemetry.own import OWN
from tests.docs.metrics_page import markdown
from tests.telemetry.polls import SERVICE, decided, policy_of, seen
from tests.telemetry.scraping import after, scraped
from tests.telemetry.test_starts import report, staged

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
ALL_FAMILIES: tuple[Family[Any], ...] = (*FAMILIES, *OWN)

CLOSED_LABELS = {"kind", "state", "estimate", "verdict", "rule", "direction", "mode", "phase", "quantile", "class"}
"""Labels with a fixed set of values in the code. The values of the other labels are names that the operator chose."""


def known() -> Observation:
    """Return an observation with every reading and estimate of a service with one queue and a CPU target."""
    observation = seen(backlog=Backlog(5, 3, 1, 1_000.0, oldest_age_s=4.0), cpu=Utilization(50.0, 990.0))
    knowledge = Knowledge(
        processing_s=Estimate(2.0, 5.0),
        slow_s=2.0,
        spread=1.0,
        concurrency=Estimate(1.0, 5.0),
        start_s=Estimate(30.0, 5.0),
        start_late_s=40.0,
        rate_per_s=Estimate(1.5, 90.0),
        load=3.0,
        lasting_load=3.0,
        interval_s=10.0,
        queues=(
            QueueKnowledge("orders-queue", (TimedCount(4.0, 5.0),), (TimedCount(10.0, 15.0), TimedCount(60.0, 90.0))),
        ),
    )
    fleet = replace(observation.fleet, protected=1)
    return replace(observation, fleet=fleet, knowledge=knowledge)


def test_the_metrics_page_is_up_to_date() -> None:
    assert PAGE.read_text() == markdown(), "python -m tests.docs.metrics_page > docs/metrics.md"


def test_no_metric_name_is_used_twice() -> None:
    names = Counter(family.name for family in ALL_FAMILIES)
    assert max(names.values()) == 1


def test_only_the_names_of_counters_end_in_total() -> None:
    for family in ALL_FAMILIES:
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name


def names_of(family: Family[Any]) -> list[str]:
    """Return the names of its series: a histogram has three."""
    parts = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
    return [f"{family.name}{part}" for part in parts]


def test_a_service_has_at_most_25_series_in_addition_to_the_closed_sets() -> None:
    policy = policy_of(cpu_target_percent=60.0, mode=Mode.SHADOW)
    desk = after(replace(decided(known(), policy=policy), starts=report(*staged(3))))
    desk.store.admit(SERVICE, policy, silent_after_s=76.0)
    series = scraped(desk)
    ours = [(name, set(dict(labels))) for name, labels in series if "ecs_service" in dict(labels)]
    named_by_operator = [name for name, labels in ours if not labels & CLOSED_LABELS]
    histograms = {name for family in FAMILIES if family.kind == "histogram" for name in names_of(family)}
    named_by_operator = [name for name in named_by_operator if name not in histograms]
    decisions = len(Verdict) * (len(Rule) + 1)
    assert {name for name, _ in ours} == {name for family in FAMILIES for name in names_of(family)}
    assert len(named_by_operator) <= 25, named_by_operator
    assert len(ours) - len(named_by_operator) - decisions <= 80


def test_the_expected_messages_are_those_of_the_next_minute() -> None:
    series = scraped(after(decided(known())))
    [(_, expected)] = [
        (labels, value) for (name, labels), value in series.items() if name == "autoscaler_expected_messages"
    ]
    assert expected == 90.0
