"""Services of a cluster that are looked at together are one question, ten at most; one's error is its own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from autoscaler.aws import Aws
from autoscaler.core.model import Fleet, Missing
from autoscaler.ports import ServiceRef
from tests.aws.double import Double, Reply, fault, ok


def shop(number: int, cluster: str = "prod") -> ServiceRef:
    return ServiceRef(f"shop-{number}", cluster, f"orders-{number}")


def service(name: str) -> dict[str, Any]:
    """As many tasks as its number."""
    count = int(name.rpartition("-")[2])
    counts = {"desiredCount": count, "runningCount": count, "pendingCount": 0}
    return {"serviceName": name, "status": "ACTIVE", "deployments": [], "events": [], "tags": [], **counts}


def known(body: dict[str, Any]) -> Reply:
    """Every service but number 3 exists."""
    missing = [name for name in body["services"] if name == "orders-3"]
    return ok(
        {
            "services": [service(name) for name in body["services"] if name not in missing],
            "failures": [
                {"arn": f"arn:aws:ecs:eu-west-1:1:service/prod/{name}", "reason": "MISSING"} for name in missing
            ],
        }
    )


def unless_third(body: dict[str, Any]) -> Reply:
    """Who asks about number 3, too, may not ask."""
    return fault("AccessDeniedException") if "orders-3" in body["services"] else known(body)


def sizes(double: Double) -> list[int]:
    return [len(seen.body["services"]) for seen in double.asked("DescribeServices")]


def desired(fleet: Fleet | Missing) -> int | str:
    return fleet.kind if isinstance(fleet, Missing) else fleet.desired


async def read(aws: Aws, *services: ServiceRef) -> list[int | str]:
    return [desired(fleet) for fleet in await asyncio.gather(*(aws.fleets.read(each) for each in services))]


async def test_a_cluster_is_asked_about_ten_at_a_time_and_each_hears_its_own(aws: Aws, double: Double) -> None:
    double.on("DescribeServices", known)
    services = [shop(number) for number in range(4, 27)]
    assert await read(aws, *services) == list(range(4, 27))
    assert sorted(sizes(double)) == [3, 10, 10]


async def test_clusters_are_not_mixed(aws: Aws, double: Double) -> None:
    double.on("DescribeServices", known)
    await read(aws, shop(1), shop(2), shop(1, "test"))
    assert sorted((seen.body["cluster"], len(seen.body["services"])) for seen in double.seen) == [
        ("prod", 2),
        ("test", 1),
    ]


async def test_a_cluster_that_is_not_there_is_asked_about_once_and_not_for_each_of_its_services(
    aws: Aws, double: Double
) -> None:
    double.on("DescribeServices", fault("ClusterNotFoundException"))
    for _ in range(2):
        assert await read(aws, *(shop(number) for number in range(10, 20))) == ["not_found"] * 10
    assert sizes(double) == [10, 10]


async def test_later_questions_are_new_ones(aws: Aws, double: Double) -> None:
    double.on("DescribeServices", known)
    await read(aws, shop(1))
    await read(aws, shop(1))
    assert sizes(double) == [1, 1]


async def test_a_service_that_is_not_there_is_missing_alone(aws: Aws, double: Double) -> None:
    double.on("DescribeServices", known)
    assert await read(aws, shop(1), shop(2), shop(3)) == [1, 2, "not_found"]
    assert sizes(double) == [3]


async def test_who_spoils_a_question_is_asked_about_alone_until_it_goes_well(aws: Aws, double: Double) -> None:
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
async def test_what_everybody_meets_is_not_asked_again(aws: Aws, double: Double, refusal: Reply) -> None:
    double.on("DescribeServices", refusal)
    assert len(set(await read(aws, shop(1), shop(2), shop(3)))) == 1
    assert sizes(double) == [3]


async def test_who_gives_up_waiting_does_not_end_the_question(aws: Aws, double: Double) -> None:
    double.on("DescribeServices", known)
    impatient, patient = (asyncio.create_task(aws.fleets.read(shop(number))) for number in (1, 2))
    await asyncio.sleep(0)
    impatient.cancel()
    assert desired(await patient) == 2
    assert sizes(double) == [2]
