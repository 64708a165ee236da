"""Acting as a role: STS is called in time, once for all callers, and an error of one role affects no other."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from aiobotocore.session import AioSession

from autoscaler.aws.calls import ASSUME_ROLE, Call
from autoscaler.aws.clients import Clients, Clocks
from autoscaler.aws.connection import Aws
from autoscaler.aws.roles import DENIED_RENEWAL_S, LEAST_S, RETRY_S
from autoscaler.core.model import Backlog, Fleet, Missing, StopTimeout, Utilization
from autoscaler.errors import Denied
from autoscaler.ports import Category, QueueRef, Role, ServiceRef, Urgency
from tests.aws.double import HANG, AwsDouble, AwsReply, Script, assumed, fault, ok, refused
from tests.aws.spies import MINUTE, REGION, Spies, connected
from tests.fakeaws import FakeAws
from tests.fakeaws import serving as serving_fake

ROLE = Role("arn:aws:iam::123456789012:role/autoscaler", "shop-4711")
SECOND = Role("arn:aws:iam::123456789012:role/second")
OTHER = Role("arn:aws:iam::210987654321:role/autoscaler")
URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
MINE, THEIRS = QueueRef("orders", url=URL), QueueRef("orders", url=URL, role=ROLE)
HOUR_S = 3600.0
COUNTS = {"ApproximateNumberOfMessages": "7", "ApproximateNumberOfMessagesNotVisible": "2"}
COUNTS |= {"ApproximateNumberOfMessagesDelayed": "1"}


def services(request: dict[str, Any]) -> AwsReply:
    counts = {"desiredCount": 1, "runningCount": 1, "pendingCount": 0}
    return ok(
        {
            "services": [
                {"serviceName": name, "status": "ACTIVE", "deployments": [], **counts} for name in request["services"]
            ]
        }
    )


def seven_percent(request: dict[str, Any]) -> AwsReply:
    one = {"StatusCode": "Complete", "Timestamps": [MINUTE - 60], "Values": [7]}
    return ok({"MetricDataResults": [{"Id": query["Id"], **one} for query in request["MetricDataQueries"]]})


@pytest.fixture(autouse=True)
def scripted(double: AwsDouble, spies: Spies) -> None:
    """A working AWS. Its STS names the access key after the role; the credentials are valid for an hour."""
    double.on("AssumeRole", lambda request: assumed(key_of(request["RoleArn"]), spies.wall_s + HOUR_S))
    double.on("GetQueueAttributes", ok({"Attributes": COUNTS}))
    double.on("DescribeServices", services)
    double.on("GetMetricData", seven_percent)
    double.on("UpdateService", ok({"service": {"desiredCount": 1}}))


def key_of(arn: str) -> str:
    return arn.split(":")[4] + arn.rpartition("/")[2]


def shop(role: Role | None, name: str = "orders") -> ServiceRef:
    return ServiceRef(f"shop-{name}", "prod", name, role=role)


async def missed(aws: Aws, queue: QueueRef = THEIRS) -> Missing:
    reading = await aws.queues.backlog(queue)
    assert isinstance(reading, Missing), reading
    return reading


async def read(aws: Aws, queue: QueueRef = THEIRS) -> Backlog:
    reading = await aws.queues.backlog(queue)
    assert isinstance(reading, Backlog), reading
    return reading


async def test_assume_role_sends_the_arn_the_external_id_and_the_session_name(aws: Aws, double: AwsDouble) -> None:
    await read(aws)
    [request] = double.requests("AssumeRole")
    expected = {"RoleArn": ROLE.arn, "ExternalId": "shop-4711", "RoleSessionName": "ecs-queue-autoscaler"}
    assert request.body == {**expected, "DurationSeconds": "3600", "Version": "2011-06-15"}
    assert (request.key, request.region) == ("testing", REGION)


async def test_assume_role_sends_no_external_id_if_there_is_none(aws: Aws, double: AwsDouble) -> None:
    await read(aws, QueueRef("orders", url=URL, role=OTHER))
    assert "ExternalId" not in double.requests("AssumeRole")[0].body


async def test_every_call_for_a_service_is_signed_as_its_role(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueUrl", ok({"QueueUrl": URL}))
    double.on("ListTasks", ok({"taskArns": ["arn:aws:ecs:x:1:task/prod/1"]}))
    double.on("GetTaskProtection", ok({"protectedTasks": [{"taskArn": "task/prod/1", "protectionEnabled": False}]}))
    double.on("DescribeScalableTargets", ok({"ScalableTargets": []}))
    containers = [{"name": "app", "stopTimeout": 120}]
    double.on("DescribeTaskDefinition", ok({"taskDefinition": {"containerDefinitions": containers}}))
    service = shop(ROLE)
    await read(aws, QueueRef("orders", account="999999999999", role=ROLE))
    assert isinstance(await aws.fleets.read(service), Fleet)
    assert isinstance(await aws.meters.cpu(service), Utilization)
    await aws.meters.minute(THEIRS)
    assert await aws.fleets.protected(service) == 0
    assert await aws.fleets.conflicting_scalers(service) == ()
    assert await aws.fleets.stop_timeout(service, "task-definition/orders:1") == StopTimeout(120.0, "app")
    await aws.fleets.scale_to(service, 1, Urgency.SCALE_OUT)
    assert {seen.operation: seen.key for seen in double.seen if seen.operation != "AssumeRole"}.keys() == {
        *("GetQueueUrl", "GetQueueAttributes", "DescribeServices", "GetMetricData", "ListTasks", "GetTaskProtection"),
        *("DescribeScalableTargets", "DescribeTaskDefinition", "UpdateService"),
    }
    assert {seen.key for seen in double.seen if seen.operation != "AssumeRole"} == {key_of(ROLE.arn)}
    assert {seen.headers["X-Amz-Security-Token"] for seen in double.seen[1:]} == {f"{key_of(ROLE.arn)}-token"}
    assert len(double.requests("AssumeRole")) == 1


async def test_concurrent_calls_are_signed_by_their_own_role_or_the_daemon(aws: Aws, double: AwsDouble) -> None:
    roles = [None, ROLE, SECOND, OTHER] * 5
    async with asyncio.TaskGroup() as group:
        for number, role in enumerate(roles):
            group.create_task(aws.queues.backlog(QueueRef(f"{number}", url=f"{URL}-{number}", role=role)))
    signed = {int(seen.body["QueueUrl"].rpartition("-")[2]): seen.key for seen in double.requests("GetQueueAttributes")}
    assert signed == {number: key_of(role.arn) if role else "testing" for number, role in enumerate(roles)}
    assert len(double.requests("AssumeRole")) == 3


async def test_clusters_of_one_name_in_two_accounts_share_no_request(aws: Aws, double: AwsDouble) -> None:
    refs = [shop(role, name) for role in (None, ROLE, OTHER) for name in ("a", "b")]
    await asyncio.gather(*map(aws.fleets.read, refs), *map(aws.meters.cpu, refs))
    for operation in ("DescribeServices", "GetMetricData"):
        assert {seen.key for seen in double.requests(operation)} == {"testing", key_of(ROLE.arn), key_of(OTHER.arn)}
        assert len(double.requests(operation)) == 3


async def test_roles_of_one_account_share_rate_limits_and_accounts_do_not(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    for role in (ROLE, SECOND, OTHER, None):
        await read(aws, QueueRef("orders", url=URL, role=role))
    admitted = [
        area for word, category, area in spies.limiter_calls if (word, category) == ("admitted", Category.QUEUE_READ)
    ]
    theirs = f"{REGION} of 123456789012"
    assert admitted == [theirs, theirs, f"{REGION} of 210987654321", REGION]
    assert {area for _, category, area in spies.limiter_calls if category is Category.ROLE} == {REGION}


async def test_credentials_are_renewed_in_the_last_quarter_of_their_lifetime(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    calls = []
    for _ in range(60):
        await read(aws)
        calls.append(len(double.requests("AssumeRole")))
        spies.pass_s(60)
    assert calls == [1] * 46 + [2] * 14  # renewed when less than a quarter of an hour is left


async def test_credentials_near_their_expiry_are_renewed_at_the_next_call(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    double.on("AssumeRole", assumed("OLD", spies.wall_s + LEAST_S), assumed("NEW", spies.wall_s + HOUR_S))
    await read(aws)
    spies.pass_s(1)
    await read(aws)
    assert [seen.key for seen in double.requests("GetQueueAttributes")] == ["OLD", "NEW"]


@pytest.mark.parametrize("failing", [refused("AccessDenied"), refused("InternalFailure", status=500), HANG])
async def test_old_credentials_are_used_while_valid_if_the_renewal_fails(
    double: AwsDouble, spies: Spies, failing: AwsReply
) -> None:
    double.on("AssumeRole", assumed("OLD", spies.wall_s + HOUR_S), failing)
    async with connected(spies, call_timeout_s=2.0) as aws:
        await read(aws)
        spies.pass_s(HOUR_S - 600)
        await asyncio.gather(*(read(aws) for _ in range(10)))
        assert len(double.requests("AssumeRole")) == 2
        spies.pass_s(600 - 29)  # a call needs a remaining lifetime of 30 s
        assert (await missed(aws)).kind in {"denied", "unavailable"}
    assert {seen.key for seen in double.requests("GetQueueAttributes")} == {"OLD"}


async def test_only_one_caller_waits_for_a_hanging_renewal_of_valid_credentials(
    double: AwsDouble, spies: Spies
) -> None:
    double.on("AssumeRole", assumed("OLD", spies.wall_s + HOUR_S), HANG)
    async with connected(spies) as aws:
        await read(aws)
        spies.pass_s(HOUR_S - 600)
        reads = [asyncio.create_task(read(aws)) for _ in range(10)]
        for done in itertools.islice(asyncio.as_completed(reads), 9):
            await done
        assert ("sts:AssumeRole", "unavailable") not in spies.outcomes
        [late] = [task for task in reads if not task.done()]
        late.cancel()


async def test_sts_is_called_in_the_daemon_s_own_region(aws: Aws, double: AwsDouble) -> None:
    await read(aws, QueueRef("orders", "us-east-1", "http://sqs.example/1/orders", role=ROLE))
    assert [seen.region for seen in double.seen] == [REGION, "us-east-1"]


async def test_a_denied_role_is_reported_with_the_service_the_role_and_the_remedy(aws: Aws, double: AwsDouble) -> None:
    text = "User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: sts:AssumeRole"
    double.on("AssumeRole", refused("AccessDenied", text))
    fleet = await aws.fleets.read(shop(ROLE))
    assert isinstance(fleet, Missing)
    assert fleet.kind == "denied"
    for word in ("shop-orders (prod/orders)", ROLE.arn, "not authorized", "task role", "trust policy", "external_id"):
        assert word in fleet.reason
    assert "shop-4711" not in fleet.reason
    with pytest.raises(Denied, match="shop-orders"):
        await aws.fleets.scale_to(shop(ROLE), 1, Urgency.SCALE_OUT)


async def test_a_failing_role_affects_no_other_role(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    def one_denied(request: dict[str, Any]) -> AwsReply:
        return refused("AccessDenied") if request["RoleArn"] == ROLE.arn else assumed("KEY", spies.wall_s + HOUR_S)

    double.on("AssumeRole", one_denied)
    readings = await asyncio.gather(
        *(aws.queues.backlog(QueueRef("q", url=URL, role=role)) for role in (None, ROLE, SECOND, OTHER))
    )
    assert [type(reading) for reading in readings] == [Backlog, Missing, Backlog, Backlog]


async def test_the_error_of_a_role_names_each_service_that_uses_it(aws: Aws, double: AwsDouble) -> None:
    double.on("AssumeRole", refused("AccessDenied"))
    readings = await asyncio.gather(*(aws.fleets.read(shop(ROLE, name)) for name in ("a", "b", "c")))
    assert [isinstance(each, Missing) and each.reason.split()[0] for each in readings] == [
        "shop-a",
        "shop-b",
        "shop-c",
    ]
    assert len(double.requests("AssumeRole")) == 1


async def test_a_failing_sts_is_called_once_per_retry_period_for_all_callers(
    aws: Aws, double: AwsDouble, spies: Spies
) -> None:
    double.on("AssumeRole", refused("InternalFailure", status=500))
    for _ in range(3):
        readings = await asyncio.gather(*(aws.queues.backlog(THEIRS) for _ in range(20)))
        assert {isinstance(each, Missing) and each.kind for each in readings} == {"unavailable"}
        spies.pass_s(RETRY_S)
    assert len(double.requests("AssumeRole")) == 3
    assert double.requests("GetQueueAttributes") == []
    assert spies.outcomes == [("sts:AssumeRole", "unavailable")] * 3


async def test_a_hanging_sts_delays_only_its_own_role_for_one_call_timeout(double: AwsDouble, spies: Spies) -> None:
    def mine_hangs(request: dict[str, Any]) -> AwsReply:
        return HANG if request["RoleArn"] == ROLE.arn else assumed("KEY", spies.wall_s + HOUR_S)

    double.on("AssumeRole", mine_hangs)
    async with connected(spies, call_timeout_s=1.5) as aws:
        await read(aws, QueueRef("orders", url=URL, role=SECOND))
        waiting = [asyncio.create_task(aws.queues.backlog(THEIRS)) for _ in range(20)]
        await read(aws, MINE)
        assert not any(task.done() for task in waiting)
        readings = await asyncio.gather(*waiting)
        assert (await missed(aws)).kind == "unavailable"
    assert {isinstance(each, Missing) and each.kind for each in readings} == {"unavailable"}
    assert [seen.body["RoleArn"] for seen in double.requests("AssumeRole")] == [SECOND.arn, ROLE.arn]


async def test_the_next_caller_calls_sts_after_a_cancelled_one(double: AwsDouble, spies: Spies) -> None:
    other = QueueRef("orders", url=URL, role=SECOND)
    double.on("AssumeRole", assumed("KEY", spies.wall_s + HOUR_S), HANG, assumed("KEY", spies.wall_s + HOUR_S))
    async with connected(spies) as aws:
        await read(aws, other)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await aws.queues.backlog(THEIRS)
        await read(aws)


async def test_a_role_is_assumed_again_after_an_error(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    double.on("AssumeRole", refused("AccessDenied"), assumed("KEY", spies.wall_s + HOUR_S))
    assert (await missed(aws)).kind == "denied"
    spies.pass_s(RETRY_S)
    await read(aws)


async def test_a_role_that_was_recreated_is_assumed_again(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    """AWS denies the permission of old credentials. `test_new_credentials.py` has credentials that it does not know."""
    await read(aws)
    double.on("GetQueueAttributes", fault("AccessDenied"), fault("AccessDenied"), ok({"Attributes": COUNTS}))
    spies.pass_s(DENIED_RENEWAL_S - 1)
    await missed(aws)
    spies.pass_s(1)
    await missed(aws)
    await read(aws)
    assert len(double.requests("AssumeRole")) == 2


@pytest.mark.parametrize(
    "reply",
    [
        lambda now_s: assumed("KEY", now_s + LEAST_S - 1),
        lambda now_s: assumed("KEY", now_s + HOUR_S, SecretAccessKey=""),
        lambda now_s: assumed("KEY", now_s + HOUR_S, Expiration="soon"),
        lambda _: AwsReply(b"<html>", 200),
        lambda _: AwsReply(b"", 200),
        lambda _: AwsReply(b"{}", 200),
        lambda _: refused("ThrottlingException", status=400),
        lambda _: refused("RegionDisabledException"),
        lambda _: refused("PackedPolicyTooLarge", status=400),
    ],
)
async def test_an_invalid_response_of_sts_makes_the_reading_missing(
    aws: Aws, double: AwsDouble, spies: Spies, reply: Any
) -> None:
    script: Script = reply(spies.wall_s)
    double.on("AssumeRole", script)
    reading = await missed(aws)
    assert ROLE.arn in reading.reason
    assert "KEY" not in reading.reason
    assert double.requests("GetQueueAttributes") == []


async def test_without_a_daemon_region_sts_uses_the_queue_s_and_missing_credentials_name_the_queue(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    monkeypatch.delenv("AWS_REGION")
    placed = QueueRef("orders", region="eu-north-1", url="http://sqs.example/1/orders", role=ROLE)
    async with connected(spies) as aws:
        await read(aws, placed)
        assert double.requests("AssumeRole")[0].region == "eu-north-1"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    async with connected(spies) as aws:
        reading = await missed(aws, placed)
    assert reading.kind == "no_credentials"
    assert reading.reason.startswith("queue orders cannot act as")
    assert "credentials" in reading.reason


async def test_sts_is_called_at_its_regional_endpoint(monkeypatch: pytest.MonkeyPatch, spies: Spies) -> None:
    """The setting `legacy` of the environment would send all calls to one endpoint on another continent."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    async with AsyncExitStack() as stack:
        clients = Clients(stack, Clocks(lambda: 0.0, lambda: 0.0), 5.0)
        client = await clients.of(Call(ASSUME_ROLE, "the role", "eu-west-1"))
        assert client.meta.endpoint_url == "https://sts.eu-west-1.amazonaws.com"


async def test_more_roles_open_no_more_clients(aws: Aws, double: AwsDouble) -> None:
    for number in range(20):
        role = Role(f"arn:aws:iam::{number:012}:role/autoscaler")
        await read(aws, QueueRef("orders", url=URL, role=role))
    assert len(double.connections) == 2


async def test_a_queue_of_another_account_is_visible_only_as_its_role(
    monkeypatch: pytest.MonkeyPatch, moto_url: str, double: AwsDouble
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    name, role = f"orders-{uuid4().hex[:8]}", Role("arn:aws:iam::210987654321:role/autoscaler", "shop-4711")
    async with AioSession().create_client("sts", endpoint_url=moto_url, region_name=REGION) as sts:
        answer = await sts.assume_role(RoleArn=role.arn, RoleSessionName="test")
    keys = answer["Credentials"]
    given = {"aws_access_key_id": keys["AccessKeyId"], "aws_secret_access_key": keys["SecretAccessKey"]}
    given |= {"aws_session_token": keys["SessionToken"], "endpoint_url": moto_url, "region_name": REGION}
    async with AioSession().create_client("sqs", **given) as sqs:
        await sqs.create_queue(QueueName=name)
    async with connected(Spies(wall_s=time.time())) as aws:
        assert (await missed(aws, QueueRef(name))).kind == "not_found"
        assert (await read(aws, QueueRef(name, role=role))).visible == 0


@dataclass
class Watch:
    """A clock of the double that shows the same time as the AWS layer's."""

    spies: Spies

    def now(self) -> float:
        return self.spies.wall_s

    def pass_s(self, seconds: float) -> None:
        self.spies.pass_s(seconds)


async def test_a_service_of_another_account_is_scaled_for_hours(monkeypatch: pytest.MonkeyPatch, spies: Spies) -> None:
    """The double checks external IDs, separates accounts, and rejects expired credentials."""
    async with serving_fake(FakeAws(clock=Watch(spies))) as fake:
        monkeypatch.setenv("AWS_ENDPOINT_URL", fake.url)
        fake.roles.external_ids[ROLE.arn] = "shop-4711"
        theirs = fake.world(ROLE.account)
        theirs.put_queue("orders", 5)
        theirs.put_service("prod", "orders", 1)
        async with connected(spies) as aws:
            for tasks in range(2, 20):
                assert (await read(aws, QueueRef("orders", role=ROLE))).visible == 5
                assert await aws.fleets.scale_to(shop(ROLE), tasks, Urgency.SCALE_OUT)
                spies.pass_s(777)
            assert theirs.service("prod", "orders").desired == 19
            unknown = await missed(aws, QueueRef("orders", role=Role(ROLE.arn, "guessed")))
        assert unknown.kind == "denied"
        assert not fake.record.complaints
        assert 5 <= len(fake.roles.assumed) <= 7
