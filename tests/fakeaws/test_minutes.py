"""The fake CloudWatch: datapoints are published late and in pages; a missing datapoint is absent, not zero."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakeaws import FakeAws, StillClock
from tests.fakeaws.asking import ask, decoded
from tests.fakeaws.world.minutes import metric

MINUTE = 1_800_000_000.0
OWN = metric("Shop", "Carts", {"Stage": "prod"})


def query(own: Any, statistic: Any = "Average", period_s: Any = 60, key: Any = "a") -> dict[Any, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in own.dimensions]
    named = {"Namespace": own.namespace, "MetricName": own.name, "Dimensions": dimensions}
    return {"Id": key, "MetricStat": {"Metric": named, "Period": period_s, "Stat": statistic}}


def page(aws: Any, *queries: Any, back_s: Any = 600, **more: Any) -> Any:
    asked = {"MetricDataQueries": queries, "StartTime": aws.clock.now() - back_s, "EndTime": aws.clock.now()}
    return decoded(ask(aws, "cloudwatch", "GetMetricData", **asked, **more))


def values(aws: Any, own: Any, **more: Any) -> Any:
    [result] = page(aws, query(own, **more), ScanBy="TimestampAscending")["MetricDataResults"]
    assert result["StatusCode"] == "Complete"
    return dict(zip(result["Timestamps"], result["Values"], strict=True))


def with_minutes(count: Any, delay_s: Any = 60.0) -> Any:
    aws = FakeAws(StillClock(MINUTE))
    aws.world().minutes.delay_s = delay_s
    for number in range(count):
        aws.world().minutes.put(OWN, MINUTE - 60 * number, float(number))
    return aws


@pytest.mark.parametrize(("later_s", "is_there"), [(119.5, False), (120.0, True)])
def test_a_minute_is_published_delay_s_after_its_end(later_s: float, is_there: bool) -> None:
    aws = with_minutes(1)
    aws.clock.pass_s(later_s)
    assert (MINUTE in values(aws, OWN)) is is_there


def test_a_period_aggregates_its_minutes() -> None:
    aws = with_minutes(10, delay_s=0.0)
    aws.clock.pass_s(60)
    spans = {name: values(aws, OWN, statistic=name, period_s=300) for name in ("Sum", "Average", "Maximum", "Minimum")}
    at = MINUTE - MINUTE % 300
    inside = [number for number in range(10) if at - 300 <= MINUTE - 60 * number < at]
    assert spans["Sum"][at - 300] == sum(inside)
    assert spans["Average"][at - 300] == sum(inside) / len(inside)
    assert (spans["Maximum"][at - 300], spans["Minimum"][at - 300]) == (max(inside), min(inside))


def test_a_metric_without_datapoints_is_complete_and_empty() -> None:
    assert values(with_minutes(0), OWN) == {}


def test_cpu_has_no_datapoint_for_a_minute_without_tasks() -> None:
    aws = FakeAws(StillClock(MINUTE))
    service = aws.world().put_service("prod", "worker", 1, cpu=50.0)
    cpu = metric("AWS/ECS", "CPUUtilization", {"ClusterName": "prod", "ServiceName": "worker"})
    service.scale(0, aws.clock.now())
    aws.clock.pass_s(300)
    assert set(values(aws, cpu)) == {MINUTE - 60 * number for number in range(1, 6)}


def test_pages_contain_each_point_once_and_only_the_last_page_is_complete() -> None:
    aws = with_minutes(8, delay_s=0.0)
    aws.clock.pass_s(60)
    aws.world().minutes.page = 4
    points, statuses, more = dict[str, list[Any]](a=[], b=[]), dict[str, Any](), dict[str, Any]()
    while True:
        answer = page(aws, query(OWN), query(OWN, key="b"), **more)
        for result in answer["MetricDataResults"]:
            assert statuses.get(result["Id"]) != "Complete"
            statuses[result["Id"]] = result["StatusCode"]
            points[result["Id"]] += result["Values"]
        if "NextToken" not in answer:
            break
        more = {"NextToken": answer["NextToken"]}
    assert points == {"a": [float(number) for number in range(8)], "b": [float(number) for number in range(8)]}
    assert statuses == {"a": "Complete", "b": "Complete"}


def test_an_internal_error_of_one_metric_does_not_affect_others() -> None:
    aws = with_minutes(3, delay_s=0.0)
    aws.world().minutes.statuses["orders"] = "InternalError"
    theirs = metric("AWS/SQS", "NumberOfMessagesSent", {"QueueName": "orders"})
    broken, fine = page(aws, query(theirs), query(OWN, key="b"))["MetricDataResults"]
    assert (broken["StatusCode"], broken["Values"]) == ("InternalError", [])
    assert (fine["StatusCode"], len(fine["Values"])) == ("Complete", 2)


def test_the_live_task_count_and_the_cpu_sample_count_are_the_tasks_of_the_minute() -> None:
    aws = FakeAws(StillClock(MINUTE))
    service = aws.world().put_service("prod", "worker", 4, cpu=50.0, starts_s=(30.0, 30.0))
    service.scale(6, aws.clock.now())
    aws.clock.pass_s(180)
    own = {"ClusterName": "prod", "ServiceName": "worker"}
    live = values(aws, metric("AWS/ECS", "LiveTaskCount", own))
    samples = values(aws, metric("AWS/ECS", "CPUUtilization", own), statistic="SampleCount")
    shown = (MINUTE - 60, MINUTE, MINUTE + 60)
    assert [live[minute] for minute in shown] == [4.0, 5.0, 6.0]
    assert [samples[minute] for minute in shown] == [4.0, 5.0, 6.0]
    aws.world().counts_live_tasks = False
    assert values(aws, metric("AWS/ECS", "LiveTaskCount", own)) == {}
