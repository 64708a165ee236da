"""A request that does not match AWS's own model is refused and recorded; so is an update of more than the count."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakeaws import FakeAws, StillClock
from tests.fakeaws.asking import ask, code, decoded

MINUTES = {"StartTime": 0, "EndTime": 60}
STAT = {"Metric": {"Namespace": "a", "MetricName": "b"}, "Period": 60, "Stat": "Sum"}

WRONG: dict[str, tuple[str, str, Any]] = {
    "unknown parameter": ("sqs", "GetQueueUrl", {"QueueName": "a", "Colour": "red"}),
    "required parameter missing": ("sqs", "GetQueueUrl", {}),
    "wrong type": ("ecs", "DescribeServices", {"cluster": "prod", "services": "worker"}),
    "eleven services": ("ecs", "DescribeServices", {"cluster": "prod", "services": [str(n) for n in range(11)]}),
    "unknown text": ("ecs", "DescribeServices", {"cluster": "prod", "services": ["a"], "include": ["COLOURS"]}),
    "unknown parameter inside": (
        "cloudwatch",
        "GetMetricData",
        MINUTES | {"MetricDataQueries": [{"Id": "a", "MetricStat": STAT | {"Colour": "red"}}]},
    ),
    "501 queries": (
        "cloudwatch",
        "GetMetricData",
        MINUTES | {"MetricDataQueries": [{"Id": f"a{n}", "MetricStat": STAT} for n in range(501)]},
    ),
    "too large a page": ("ecs", "ListTasks", {"cluster": "prod", "maxResults": 101}),
    "more than the count": (
        "ecs",
        "UpdateService",
        {"cluster": "prod", "service": "worker", "desiredCount": 1, "forceNewDeployment": True},
    ),
    "less than the count": ("ecs", "UpdateService", {"cluster": "prod", "service": "worker"}),
    "unknown namespace": ("application-autoscaling", "DescribeScalableTargets", {"ServiceNamespace": "sqs"}),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_invalid_request_is_refused_and_recorded(what: str) -> None:
    service, operation, body = WRONG[what]
    aws = FakeAws(StillClock())
    aws.world().put_service("prod", "worker", 0)
    assert code(ask(aws, service, operation, **dict[str, Any](body))) == "ValidationException"
    assert aws.record.complaints
    assert aws.world().service("prod", "worker").desired == 0


@pytest.mark.parametrize("what", ["unknown parameter", "more than the count", "unknown text"])
def test_without_validation_an_invalid_request_is_accepted(what: str) -> None:
    service, operation, body = WRONG[what]
    aws = FakeAws(StillClock(), validates=False)
    for name in ("a", "worker"):
        aws.world().put_service("prod", name, 0)
    aws.world().put_queue("a")
    decoded(ask(aws, service, operation, **dict[str, Any](body)))
    assert not aws.record.complaints


def test_an_unknown_operation_is_refused_and_recorded() -> None:
    aws = FakeAws(StillClock())
    assert code(ask(aws, "ecs", "DeleteService", cluster="prod", service="worker")) == "UnknownOperationException"
    assert aws.record.complaints
