"""The survey of a cluster: pages, batches, bounded calls, retries, and errors of a whole and of a single answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.aws.operator import Survey, connect_operator, survey
from autoscaler.aws.operator.survey import POINTS_A_CALL, QUERIES_A_CALL, SeriesRequest, Span, packed
from autoscaler.errors import Denied, Throttled, Unavailable, Unreadable
from autoscaler.ports import CloudWatchMetric, Place
from tests.aws.double import AwsDouble, AwsReply, fault, ok
from tests.aws.spies import REGION, Spies

SPAN = Span(0.0, 600.0)
TASKS, SENT = (
    SeriesRequest(CloudWatchMetric("AWS/ECS", name, (("ServiceName", "orders"),)), 300) for name in ("Live", "CPU")
)


@pytest_asyncio.fixture
async def made(double: AwsDouble, spies: Spies) -> AsyncIterator[Survey]:
    async with connect_operator(spies, spies, lambda: spies.now_s, lambda: spies.wall_s) as operator:
        yield operator.survey(Place(REGION))


def listed(*names: str, more: str | None = None) -> AwsReply:
    arns = [f"arn:aws:ecs:eu-west-1:123456789012:service/prod/{name}" for name in names]
    return ok({"serviceArns": arns} | ({} if more is None else {"nextToken": more}))


def described(body: dict[str, Any]) -> AwsReply:
    """Return the requested services; those named `old...` are inactive."""
    return ok(
        {
            "services": [
                {
                    "serviceName": name,
                    "status": "INACTIVE" if name.startswith("old") else "ACTIVE",
                    "desiredCount": 1,
                    "runningCount": 1,
                    "taskDefinition": f"arn:aws:ecs:eu-west-1:123456789012:task-definition/{name}:1",
                    "launchType": "FARGATE",
                    "tags": [{"key": "team", "value": "a"}],
                }
                for name in body["services"]
            ]
        }
    )


def result(name: str, *points: tuple[float, float], status: str = "Complete") -> dict[str, Any]:
    times, values = [at for at, _ in points], [value for _, value in points]
    return {"Id": name, "StatusCode": status, "Timestamps": times, "Values": values}


async def test_all_pages_are_listed_and_described_by_ten(made: Survey, double: AwsDouble) -> None:
    names = [f"s{number:02}" for number in range(23)]
    double.on("ListServices", listed(*names[:20], more="next"), listed(*names[20:], "old"))
    double.on("DescribeServices", described)
    found = await made.services("prod")
    assert [one.name for one in found] == names
    assert found[0].tags == {"team": "a"}
    assert dict(found[0].providers) == {"FARGATE": 1.0}
    assert [len(each.body["services"]) for each in double.requests("DescribeServices")] == [10, 10, 4]


async def test_a_very_large_cluster_is_refused(
    made: Survey, double: AwsDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "MOST_SERVICES", 3)
    double.on("ListServices", listed("a", "b", "c", "d", more="next"))
    with pytest.raises(Unavailable, match="more than 3 services"):
        await made.services("prod")


async def test_a_service_that_is_not_described_is_an_error_unless_it_was_deleted(
    made: Survey, double: AwsDouble
) -> None:
    def without_the_last(failure: dict[str, str] | None) -> Callable[[dict[str, Any]], AwsReply]:
        def answer(body: dict[str, Any]) -> AwsReply:
            shown = dict(json.loads(described(body | {"services": body["services"][:-1]}).body))
            return ok(shown | ({} if failure is None else {"failures": [failure]}))

        return answer

    double.on("ListServices", listed("a", "b"))
    double.on("DescribeServices", without_the_last({"arn": "b", "reason": "MISSING"}))
    assert [one.name for one in await made.services("prod")] == ["a"]
    double.on("DescribeServices", without_the_last({"arn": "b", "reason": "ACCESS_DENIED"}))
    with pytest.raises(Unavailable, match="ECS returned a failure"):
        await made.services("prod")
    double.on("DescribeServices", without_the_last(None))
    with pytest.raises(Unavailable, match="ECS returned only some of them"):
        await made.services("prod")


async def test_a_definition_has_its_size_and_the_environment_of_all_containers(made: Survey, double: AwsDouble) -> None:
    containers = [
        {"name": "app", "environment": [{"name": "QUEUE", "value": "orders"}]},
        {"name": "side", "environment": [{"name": "EMPTY"}], "secrets": [{"name": "KEY", "valueFrom": "arn"}]},
    ]
    own = {"containerDefinitions": containers, "cpu": "256", "memory": "512"}
    double.on("DescribeTaskDefinition", ok({"taskDefinition": own}), ok({"taskDefinition": own | {"cpu": None}}))
    found = await made.definition("arn:orders:1")
    assert found.size is not None
    assert (found.size.region, found.size.vcpu, found.size.memory_gb) == (REGION, 0.25, 0.5)
    assert found.environment == (("QUEUE", "orders"), ("EMPTY", ""))
    assert "orders" not in repr(found)  # a value may be a secret
    unsized = await made.definition("arn:orders:2")
    assert (unsized.size, unsized.gap) == (None, "the task definition has no CPU and memory of the task")


async def test_all_pages_of_the_metrics_are_joined(made: Survey, double: AwsDouble) -> None:
    first = ok({"MetricDataResults": [result("m0", (0.0, 4.0), status="PartialData")], "NextToken": "more"})
    double.on("GetMetricData", first, ok({"MetricDataResults": [result("m0", (300.0, 2.0)), result("m1")]}))
    found = await made.series("prod", [TASKS, SENT], SPAN)
    assert dict(found[TASKS]) == {0.0: 4.0, 300.0: 2.0}
    assert dict(found[SENT]) == {}


async def test_a_part_of_a_metric_is_an_error_and_not_a_time_without_messages(made: Survey, double: AwsDouble) -> None:
    part = result("m0", (0.0, 4.0), status="PartialData")
    double.on("GetMetricData", ok({"MetricDataResults": [part, result("m1")]}))
    with pytest.raises(Unavailable, match="returned only a part of Live"):
        await made.series("prod", [TASKS, SENT], SPAN)
    double.on("GetMetricData", ok({"MetricDataResults": [result("m0")]}))
    with pytest.raises(Unavailable, match="returned only a part of CPU"):
        await made.series("prod", [TASKS, SENT], SPAN)


async def test_impossible_values_are_left_out(made: Survey, double: AwsDouble) -> None:
    points = (0.0, -1.0), (60.0, 1e16), (120.0, 3.0)
    double.on("GetMetricData", ok({"MetricDataResults": [result("m0", *points), result("other", (0.0, 1.0))]}))
    assert dict((await made.series("prod", [TASKS], SPAN))[TASKS]) == {120.0: 3.0}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (result("m0", status="Forbidden"), Denied),
        (result("m0", status="InternalError"), Unavailable),
        ({"Id": "m0", "StatusCode": "Complete", "Timestamps": [0], "Values": []}, Unreadable),
        ({"Id": "m0", "StatusCode": "Complete", "Timestamps": [0], "Values": ["x"]}, Unavailable),
    ],
)
async def test_a_metric_that_cannot_be_read_is_an_error(
    made: Survey, double: AwsDouble, answer: dict[str, Any], error: type[Exception]
) -> None:
    double.on("GetMetricData", ok({"MetricDataResults": [answer]}))
    with pytest.raises((error, Unreadable)):
        await made.series("prod", [TASKS], SPAN)


async def test_endless_pages_are_an_error(made: Survey, double: AwsDouble) -> None:
    double.on("GetMetricData", ok({"MetricDataResults": [result("m0")], "NextToken": "more"}))
    with pytest.raises(Unavailable, match="more than 10 pages"):
        await made.series("prod", [TASKS], SPAN)
    assert len(double.requests("GetMetricData")) == 10


async def test_a_throttled_call_is_repeated_a_few_times(
    made: Survey, double: AwsDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey, "AGAIN_S", 0.0)
    throttled = fault("ThrottlingException")
    double.on("ListServices", throttled, throttled, listed())
    assert await made.services("prod") == ()
    double.on("ListServices", throttled)
    with pytest.raises(Throttled):
        await made.services("prod")


@given(
    periods=st.lists(st.sampled_from([60, 300]), min_size=1, max_size=700),
    days=st.integers(1, 14),
)
def test_every_request_is_in_one_call_and_every_call_fits_one_page(periods: list[int], days: int) -> None:
    requests = [
        SeriesRequest(CloudWatchMetric("AWS/SQS", f"m{number}"), period) for number, period in enumerate(periods)
    ]
    span = Span(0.0, days * 86_400.0)
    calls = list(packed(requests, span))
    assert [one for call in calls for one in call] == requests
    for call in calls:
        assert len(call) <= QUERIES_A_CALL
        assert sum(span.end / one.period_s for one in call) <= POINTS_A_CALL
    for call, following in pairwise(calls):  # no call is split without need
        points = sum(span.end / one.period_s for one in [*call, following[0]])
        assert len(call) == QUERIES_A_CALL or points > POINTS_A_CALL


def test_the_same_metric_of_two_services_is_read_once() -> None:
    assert list(packed([TASKS, SENT, TASKS], SPAN)) == [[TASKS, SENT]]
