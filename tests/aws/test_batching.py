"""Concurrent reads of services share one call per ten services; an error of one service affects no other."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from autoscaler.aws.connection import Aws
from autoscaler.core.model import Fleet, Missing
from autoscaler.ports import ServiceRef
from tests.aws.double import AwsDouble, AwsReply, fault, ok


def shop(number: int, cluster: str = "prod") -> ServiceRef:
    return ServiceRef(f"shop-{number}", cluster, f"orders-{number}")


def service(name: str) -> dict[str, Any]:
    """Describe a service. Its task count is the number in its name."""
    count = int(name.rpartition("-")[2])
    counts = {"desiredCount": count, "runningCount": count, "pendingCount": 0}
    return {"serviceName": name, "status": "ACTIVE", "deployments": [], "events": [], "tags": [], **counts}


def known(body: dict[str, Any]) -> AwsReply:
    """Every service except number 3 exists."""
    missing = [name for name in body["services"] if name == "orders-3"]
    return ok(
        {
            "services": [service(name) for name in body["services"] if name not in missing],
            "failures": [
                {"arn": f"arn:aws:ecs:eu-west-1:1:service/prod/{name}", "reason": "MISSING"} for name in missing
            ],
        }
    )


def unless_third(body: dict[str, Any]) -> AwsReply:
    """A call that includes number 3 is denied."""
    return fault("AccessDeniedException") if "orders-3" in body["services"] else known(body)


def sizes(double: AwsDouble) -> list[int]:
    return [len(seen.body["services"]) for seen in double.requests("DescribeServices")]


def desired(fleet: Fleet | Missing) -> int | str:
    return fleet.kind if isinstance(fleet, Missing) else fleet.desired


async def read(aws: Aws, *services: ServiceRef) -> list[int | str]:
    return [desired(fleet) for fleet in await asyncio.gather(*(aws.fleets.read(each) for each in services))]


async def test_a_call_reads_at_most_ten_services_and_each_caller_gets_its_own(aws: Aws, double: AwsDouble) -> None:
    double.on("DescribeServices", known)
    services = [shop(number) for number in range(4, 27)]
    assert await read(aws, *services) == list(range(4, 27))
    assert sorted(sizes(double)) == [3, 10, 10]


async def test_a_call_reads_one_cluster(aws: Aws, double: AwsDouble) -> None:
    double.on("DescribeServices", known)
    await read(aws, shop(1), shop(2), shop(1, "test"))
    assert sorted((seen.body["cluster"], len(seen.body["services"])) for seen in double.seen) == [
        ("prod", 2),
        ("test", 1),
    ]


async def test_a_missing_cluster_is_not_requested_again_for_each_service(aws: Aws, double: AwsDouble) -> None:
    double.on("DescribeServices", fault("ClusterNotFoundException"))
    for _ in range(2):
        assert await read(aws, *(shop(number) for number in range(10, 20))) == ["not_found"] * 10
    assert sizes(double) == [10, 10]


async def test_results_are_not_cached(aws: Aws, double: AwsDouble) -> None:
    double.on("DescribeServices", known)
    await read(aws, shop(1))
    await read(aws, shop(1))
    assert sizes(double) == [1, 1]


async def test_a_missing_service_does_not_affect_the_others(aws: Aws, double: AwsDouble) -> None:
    double.on("DescribeServices", known)
    assert await read(aws, shop(1), shop(2), shop(3)) == [1, 2, "not_found"]
    assert sizes(double) == [3]


async def test_a_service_that_fails_a_batch_is_requested_alone_until_it_succeeds(aws: Aws, double: AwsDouble) -> None:
    double.on("DescribeServices", unless_third)
    assert await read(aws, shop(1), shop(2), shop(3)) == [1, 2, "denied"]
    assert sizes(double) == [3, 1, 1, 1]
    assert await read(aws, shop(1), shop(2), shop(3)) == [1, 2, "denied"]
    assert sorted(sizes(double)[4:]) == [1, 2]
    double.on("DescribeServices", lambda body: ok({"services": [service(name) for name in body["services"]]}))
    assert await read(aws, shop(1), shop(2), shop(3)) == [1, 2, 3]
    assert await read(aws, shop(1), shop(2), shop(3)) == [1, 2, 3]
    assert sizes(double)[-1] == 3


@pytest.mark.parametrize("refusal", [fault("ThrottlingException"), fault("ServerException", status=500)])
async def test_a_shared_error_is_not_retried_for_each_service(aws: Aws, double: AwsDouble, refusal: AwsReply) -> None:
    double.on("DescribeServices", refusal)
    assert len(set(await read(aws, shop(1), shop(2), shop(3)))) == 1
    assert sizes(double) == [3]


async def test_a_cancelled_caller_does_not_cancel_the_batch(aws: Aws, double: AwsDouble) -> None:
    double.on("DescribeServices", known)
    cancelled, waiting = (asyncio.create_task(aws.fleets.read(shop(number))) for number in (1, 2))
    await asyncio.sleep(0)
    cancelled.cancel()
    assert desired(await waiting) == 2
    assert sizes(double) == [2]
