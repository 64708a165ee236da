"""Every AWS call is rate-limited, bounded in time, counted and sent once; a broken environment is reported."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import AsyncExitStack
from typing import Any

import pytest

from autoscaler.aws.calls import DESCRIBE_SERVICES, GET_QUEUE_URL, Call
from autoscaler.aws.clients import Clients, Clocks
from autoscaler.aws.connection import Aws
from autoscaler.aws.own_credentials import SEARCH_S
from autoscaler.core.model import Backlog, Fleet, Missing
from autoscaler.errors import Refused
from autoscaler.ports import Category, QueueRef, ServiceRef, Urgency
from tests.aws.double import HANG, AwsDouble, fault, ok
from tests.aws.spies import REGION, Spies, connected

URL = "http://sqs.example/123456789012/orders"
ORDERS = QueueRef("orders", url=URL)
SHOP = ServiceRef("shop", "prod", "orders")
COUNTS = ok(
    {
        "Attributes": {
            "ApproximateNumberOfMessages": "7",
            "ApproximateNumberOfMessagesNotVisible": "2",
            "ApproximateNumberOfMessagesDelayed": "1",
        }
    }
)


@pytest.fixture(params=[True, False], ids=["fast", "sdk"])
def fast_sqs(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def kind_of(aws: Aws, queue: QueueRef = ORDERS) -> str:
    reading = await aws.queues.backlog(queue)
    assert isinstance(reading, Missing), reading
    return reading.kind


async def test_a_successful_call_is_admitted_counted_and_reported(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("GetQueueAttributes", COUNTS)
    await aws.queues.backlog(ORDERS)
    assert spies.limiter_calls == [
        ("admitted", Category.QUEUE_READ, REGION),
        ("succeeded", Category.QUEUE_READ, REGION),
    ]
    assert spies.calls == [("sqs:GetQueueAttributes", Category.QUEUE_READ, "ok")]


async def test_a_call_of_an_exhausted_category_is_not_sent_and_not_counted(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    spies.exhausted = {Category.QUEUE_READ}
    assert await kind_of(aws) == "throttled"
    assert double.seen == []
    assert spies.calls == []


@pytest.mark.parametrize(
    "reply", [fault("ThrottlingException", status=400), fault("InternalFailure", status=500), HANG, fault("Odd")]
)
async def test_each_call_is_sent_once(double: AwsDouble, spies: Spies, reply: Any) -> None:
    double.on("GetQueueAttributes", reply)
    async with connected(spies, call_timeout_s=0.5) as aws:
        await kind_of(aws)
    assert len(double.seen) == len(spies.calls) == 1


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
async def test_the_environment_cannot_enable_retries(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, mode: str
) -> None:
    monkeypatch.setenv("AWS_RETRY_MODE", mode)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "4")
    double.on("GetQueueAttributes", fault("InternalFailure", status=500))
    async with connected(spies) as aws:
        await kind_of(aws)
    assert len(double.seen) == 1


@pytest.mark.parametrize(("once", "remedy"), [(True, "; try again"), (False, "; it is tried again at the next poll")])
async def test_a_hanging_call_times_out(double: AwsDouble, spies: Spies, once: bool, remedy: str) -> None:
    double.on("GetQueueAttributes", HANG)
    async with connected(spies, call_timeout_s=0.3, once=once) as aws:
        reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert reading.kind == "unavailable"
    assert "queue orders" in reading.reason
    assert reading.reason.endswith(remedy)
    assert spies.calls == [("sqs:GetQueueAttributes", Category.QUEUE_READ, "unavailable")]
    assert spies.limiter_events == ["admitted"]


async def test_hanging_calls_do_not_block_calls_that_wait_for_a_connection(double: AwsDouble, spies: Spies) -> None:
    double.on("GetQueueAttributes", HANG)
    async with connected(spies, call_timeout_s=0.5) as aws, asyncio.TaskGroup() as group:
        readings = [group.create_task(aws.queues.backlog(ORDERS)) for _ in range(120)]
    assert all(isinstance(reading.result(), Missing) for reading in readings)


async def test_connections_are_assigned_in_order(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    for module in ("clients", "sqs_fast"):
        monkeypatch.setattr(f"autoscaler.aws.{module}.CONNECTIONS", 2)
    double.on("GetQueueAttributes", COUNTS)
    answered: list[str] = []

    async def ask(aws: Aws, name: str, times: int) -> None:
        for _ in range(times):
            await aws.queues.backlog(QueueRef(name, url=URL))
            answered.append(name)

    async with connected(spies) as aws, asyncio.TaskGroup() as group:
        for name, times in (("a", 50), ("b", 50), ("c", 50), ("late", 1)):
            group.create_task(ask(aws, name, times))
    assert answered.index("late") < 10


async def test_a_cancelled_call_is_counted_as_unavailable(double: AwsDouble, spies: Spies) -> None:
    double.on("GetQueueAttributes", COUNTS, HANG)
    async with connected(spies) as aws:
        await aws.queues.backlog(ORDERS)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await aws.queues.backlog(ORDERS)
    assert [outcome for _, outcome in spies.outcomes] == ["ok", "unavailable"]


async def test_a_refused_connection_is_unavailable(monkeypatch: pytest.MonkeyPatch, spies: Spies) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*taken.getsockname()))
        async with connected(spies) as aws:
            reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert reading.kind == "unavailable"
    assert "AWS_ENDPOINT_URL" in reading.reason


async def test_a_call_succeeds_after_earlier_errors(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueAttributes", fault("AccessDenied"), fault("Odd", status=500), COUNTS)
    readings = [await aws.queues.backlog(ORDERS) for _ in range(3)]
    assert [type(reading) for reading in readings] == [Missing, Missing, Backlog]


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
async def test_the_region_is_read_from_the_usual_variables(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, name: str
) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.setenv(name, "ap-south-1")
    double.on("GetQueueAttributes", COUNTS)
    async with connected(spies) as aws:
        assert aws.region() == "ap-south-1"
        await aws.queues.backlog(ORDERS)
    assert double.seen[0].region == "ap-south-1"


async def test_aws_region_has_priority_over_aws_default_region(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    async with connected(spies) as aws:
        assert aws.region() == REGION


async def test_a_missing_region_names_the_variable_and_a_queue_s_region_is_enough(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    monkeypatch.delenv("AWS_REGION")
    double.on("GetQueueAttributes", COUNTS)
    async with connected(spies) as aws:
        with pytest.raises(Refused, match="AWS_REGION"):
            aws.region()
        reading = await aws.queues.backlog(ORDERS)
        assert isinstance(await aws.queues.backlog(QueueRef("orders", region="eu-west-1", url=URL)), Backlog)
    assert isinstance(reading, Missing)
    assert reading.kind == "refused"
    assert "AWS_REGION" in reading.reason


@pytest.mark.parametrize(
    ("variables", "word", "kind"),
    [
        ({"AWS_REGION": "not a region"}, "Region", "refused"),
        ({"AWS_ENDPOINT_URL": "not an address"}, "AWS_ENDPOINT_URL", "refused"),
        ({"AWS_PROFILE": "absent"}, "AWS_PROFILE", "no_credentials"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "credentials", "no_credentials"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "credentials", "no_credentials"),
    ],
)
async def test_a_broken_environment_is_reported_with_its_cause(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, variables: dict[str, str], word: str, kind: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with connected(spies) as aws:
        reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert (reading.kind, word in reading.reason) == (kind, True), reading.reason
    assert double.seen == []


async def test_credentials_that_appear_later_are_found(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    double.on("GetQueueAttributes", COUNTS)
    async with connected(spies) as aws:
        assert await kind_of(aws) == "no_credentials"
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        assert await kind_of(aws) == "no_credentials"  # the search is not repeated at once
        spies.pass_s(SEARCH_S)
        assert isinstance(await aws.queues.backlog(ORDERS), Backlog)


async def test_a_hanging_credentials_endpoint_times_out_and_is_named(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # accepts no connection
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        address = "http://{}:{}/credentials".format(*silent.getsockname())
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
        async with connected(spies, call_timeout_s=0.5) as aws:
            reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert reading.kind == "unavailable"
    assert "credentials" in reading.reason


async def test_one_client_serves_all_calls_of_its_category(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueAttributes", COUNTS)
    for _ in range(5):
        await aws.queues.backlog(ORDERS)
    assert len(double.connections) == 1


async def test_service_reads_and_writes_use_separate_clients(aws: Aws, double: AwsDouble) -> None:
    described: dict[str, Any] = {"serviceName": "orders", "status": "ACTIVE", "deployments": []}
    described |= {"desiredCount": 1, "runningCount": 1, "pendingCount": 0}
    double.on("DescribeServices", ok({"services": [described]}))
    double.on("UpdateService", ok({"service": described}))
    assert isinstance(await aws.fleets.read(SHOP), Fleet)
    await aws.fleets.scale_to(SHOP, 1, Urgency.SCALE_OUT)
    assert len(double.connections) == 2


async def test_concurrent_callers_open_one_client(aws: Aws, double: AwsDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    create_client = "aiobotocore.session.AioSession.create_client"
    from aiobotocore.session import AioSession

    original = AioSession.create_client

    def opening(*args: Any, **more: Any) -> Any:
        opened.append(args[1])
        return original(*args, **more)

    monkeypatch.setattr(create_client, opening)
    double.on("GetQueueAttributes", COUNTS)
    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(aws.queues.backlog(ORDERS))
    assert opened == ["sqs"]


async def test_certificate_authorities_are_read_once_for_all_clients(double: AwsDouble) -> None:
    async with AsyncExitStack() as stack:
        clients = Clients(stack, Clocks(lambda: 0.0, lambda: 0.0), 5.0)
        opened: list[Any] = [
            await clients.of(Call(api, "x", "eu-west-1")) for api in (GET_QUEUE_URL, DESCRIBE_SERVICES)
        ]
        sessions = [await client._endpoint.http_session._get_session(None) for client in opened]
        one, other = (session.connector._ssl for session in sessions)
    assert one is other
    assert (one.verify_mode, one.check_hostname) == (ssl.CERT_REQUIRED, True)


async def test_no_connection_is_opened_before_the_first_call(double: AwsDouble, spies: Spies) -> None:
    async with connected(spies):
        pass
    assert double.seen == []
    assert spies.calls == []
