"""The directory of a cluster: all pages, ten services per call; an incomplete response is an error."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.errors import Denied, Throttled, Unavailable
from autoscaler.ports import Place, Urgency
from tests.aws.double import AwsDouble, AwsReply, fault, ok
from tests.aws.spies import Spies

NAMES = [f"orders-{number}" for number in range(123)]


def arn(name: str) -> str:
    return f"arn:aws:ecs:eu-west-1:1:service/prod/{name}"


def listed(body: dict[str, Any]) -> AwsReply:
    start = int(body.get("nextToken", 0))
    more = {"nextToken": str(start + 100)} if start + 100 < len(NAMES) else {}
    return ok({"serviceArns": [arn(name) for name in NAMES[start : start + 100]], **more})


def described(body: dict[str, Any]) -> AwsReply:
    def service(name: str) -> dict[str, Any]:
        number = int(name.rpartition("-")[2])
        status = "DRAINING" if number == 7 else "ACTIVE"
        tags = [{"key": "autoscaler:queues", "value": name}, {"key": "empty"}] if number % 2 else []
        return {"serviceName": name, "status": status, "tags": tags}

    gone = [name for name in body["services"] if name == "orders-8"]
    return ok(
        {
            "services": [service(name) for name in body["services"] if name not in gone],
            "failures": [{"arn": arn(name), "reason": "MISSING"} for name in gone],
        }
    )


async def test_every_active_service_is_returned_with_its_tags(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("ListServices", listed)
    double.on("DescribeServices", described)
    found = await aws.directory.tags("prod", Place())
    assert found.keys() == set(NAMES) - {"orders-7", "orders-8"}
    assert found["orders-1"] == {"autoscaler:queues": "orders-1", "empty": ""}
    assert found["orders-2"] == {}
    assert [len(seen.body["services"]) for seen in double.requests("DescribeServices")] == [10] * 12 + [3]
    assert {urgency for _, urgency in spies.acquired} == {Urgency.BACKGROUND}


async def test_an_empty_cluster_needs_no_describe_call(aws: Aws, double: AwsDouble) -> None:
    double.on("ListServices", ok({"serviceArns": []}))
    assert await aws.directory.tags("prod", Place()) == {}


@pytest.mark.parametrize(
    ("operation", "reply", "error"),
    [
        ("ListServices", fault("AccessDeniedException"), Denied),
        ("DescribeServices", fault("ServerException", status=500), Unavailable),
        (
            "DescribeServices",
            ok({"services": [], "failures": [{"arn": arn("orders-1"), "reason": "OTHER"}]}),
            Unavailable,
        ),
        ("ListServices", ok({"serviceArns": [arn("orders-1")], "nextToken": "on and on"}), Unavailable),
    ],
)
async def test_an_incomplete_directory_is_an_error(
    aws: Aws, double: AwsDouble, operation: str, reply: AwsReply, error: type[Exception]
) -> None:
    double.on("ListServices", listed)
    double.on("DescribeServices", described)
    double.on(operation, reply)
    with pytest.raises(error):
        await aws.directory.tags("prod", Place())


async def test_a_throttled_call_is_retried_up_to_the_limit(
    aws: Aws, double: AwsDouble, spies: Spies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoscaler.aws.directory.AGAIN_S", 0.0)
    double.on("ListServices", fault("ThrottlingException", "Rate exceeded"), listed)
    double.on("DescribeServices", described)
    assert len(await aws.directory.tags("prod", Place())) == len(NAMES) - 2
    monkeypatch.setattr("autoscaler.aws.directory.TRIES", 2)
    double.on("ListServices", fault("ThrottlingException", "Rate exceeded"))
    with pytest.raises(Throttled):
        await aws.directory.tags("prod", Place())
