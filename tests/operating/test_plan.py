"""Checks of the settings alone: the wait of the first message, ECS quotas, call rates, and the cost in dollars."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autoscaler.findings import Level, bad, code_of, note
from autoscaler.operating.doctor.plan import load_by_region, planned
from autoscaler.ports import Category
from tests.operating.settings import config, several


def level(what: str, of: Any, **starts_s: float) -> Level:
    return max(one.level for one in planned(of, starts_s) if one.what == what)


@pytest.mark.parametrize(
    ("fields", "starts_s", "expected"),
    [
        ({"acceptable_latency": "60s"}, {}, Level.NOTE),
        ({"acceptable_latency": "70s"}, {}, Level.GOOD),  # a poll of 10 s and a start of 60 s, to the second
        ({"acceptable_latency": "69s"}, {}, Level.NOTE),
        ({"acceptable_latency": "60s", "min_tasks": "1"}, {}, Level.GOOD),
        ({"acceptable_latency": "60s"}, {"orders": 50.0}, Level.GOOD),
        ({"acceptable_latency": "60s"}, {"orders": 50.5}, Level.NOTE),
        ({"acceptable_latency": "60s"}, {"others": 5.0}, Level.NOTE),
    ],
)
def test_the_wait_of_the_first_message_from_zero_is_compared_with_its_target(
    fields: Any, starts_s: Any, expected: Any
) -> None:
    assert level("scale from zero", config(**fields), **starts_s) is expected


@pytest.mark.parametrize(
    ("most", "expected"), [(1_000, None), (1_001, Level.NOTE), (5_000, Level.NOTE), (5_001, Level.FINDING)]
)
def test_max_tasks_is_compared_with_the_ecs_quota_of_tasks_per_service(most: int, expected: Any) -> None:
    found = [one for one in planned(config(max_tasks=str(most)), {}) if one.what == "max_tasks"]
    assert [one.level for one in found] == ([expected] if expected else [])


def test_tasks_that_take_longer_to_launch_than_the_latency_target_are_noted() -> None:
    slow = config(max_tasks="600", acceptable_latency="60s", launch_per_minute="500")
    assert level("launches", slow) is Level.NOTE
    quick = config(max_tasks="500", acceptable_latency="60s", launch_per_minute="500")
    assert "launches" not in {one.what for one in planned(quick, {})}


def test_calls_are_counted_by_region_and_those_of_a_cluster_are_shared() -> None:
    of = several(*({"region": "eu-west-1"} for _ in range(200)), {"region": "eu-north-1", "queues": "a,b,c"})
    west, north = load_by_region(of)["eu-west-1"], load_by_region(of)["eu-north-1"]
    assert west.rates[Category.QUEUE_READ] == 20.0
    assert west.rates[Category.SERVICE_READ] == 2.0, "ten services in each call, every ten seconds"
    assert west.rates[Category.SCALING_READ] == 200 / 300
    assert (west.metrics, north.metrics) == (800, 12)
    assert west.rates[Category.METRIC_READ] == 2 / 60, "500 metrics in each call"
    assert north.rates[Category.QUEUE_READ] == 0.3


def test_ecs_calls_above_the_rate_share_are_a_note_because_ecs_is_then_read_less_often() -> None:
    of = several(*({"region": "eu-west-1", "cluster": f"c{number}"} for number in range(300)))
    [ecs] = [one for one in planned(of, {}) if one.what == "calls to ECS"]
    assert ecs.level is Level.NOTE
    assert "30 calls per second in eu-west-1, limit 5 (25 % of the AWS quota)" in ecs.text
    assert "every 60s" in ecs.text
    assert "use several AWS accounts" in ecs.remedy
    assert level("calls to SQS", of) is Level.GOOD


def test_sqs_calls_above_the_rate_share_are_a_finding_with_the_required_interval() -> None:
    of = several({"queues": ",".join(f"q{number}" for number in range(60)), "acceptable_latency": "1500ms"})
    tight = replace(of, rate_share_percent=2)  # 60 queues twice a second; 2 % of 4,000 are 80
    [queues] = [one for one in planned(tight, {}) if one.what == "calls to SQS"]
    assert (queues.level, "120 calls per second, limit 80" in queues.text) == (Level.FINDING, True)
    assert "AUTOSCALER_INTERVAL to 1s or longer, or raise AUTOSCALER_RATE_SHARE_PERCENT to 3" in queues.remedy


def test_the_cost_of_the_calls_is_in_dollars_a_month() -> None:
    [dollars] = [one for one in planned(config(), {}) if one.what == "cost of AWS calls"]
    # one queue every 10 s: 259,200 requests; four metrics a minute: 172,800
    assert "$1.83 per month" in dollars.text
    assert "259,200 calls to SQS ($0.10), 172,800 metrics from CloudWatch ($1.73)" in dollars.text


def test_the_worst_finding_decides_the_exit_code() -> None:
    assert code_of([]) == code_of([note("a", "b", "c", "d")]) == 0
    assert code_of([bad("a", "b", "c", "d")]) == code_of([bad("a", "b", "c", "d", "not_found")]) == 1
    assert code_of([bad("a", "b", "c", "d", "denied"), bad("a", "b", "c", "d")]) == 3
    assert code_of([bad("a", "b", "c", "d", "denied"), bad("a", "b", "c", "d", "unavailable")]) == 4
