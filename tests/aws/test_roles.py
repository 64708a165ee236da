"""Acting as a role: asked of STS in time, by nobody twice, and whatever goes wrong with one is nobody else's."""

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

from autoscaler.aws import Aws
from autoscaler.aws.apis import ASSUME_ROLE, Call
from autoscaler.aws.clients import Clients
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.roles import AGAIN_S, DOUBTED_S, LEAST_S
from autoscaler.core.model import Backlog, Fleet, Missing, StopTimeout, Utilization
from autoscaler.errors import Denied
from autoscaler.ports import Category, QueueRef, Role, ServiceRef, Urgency
from tests.aws.double import HANG, Double, Reply, Script, assumed, fault, ok, refused
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


def services(asked: dict[str, Any]) -> Reply:
    counts = {"desiredCount": 1, "runningCount": 1, "pendingCount": 0}
    return ok(
        {
            "services": [
                {"serviceName": name, "status": "ACTIVE", "deployments": [], **counts} for name in asked["services"]
            ]
        }
    )


def seven_percent(asked: dict[str, Any]) -> Reply:
    one = {"StatusCode": "Complete", "Timestamps": [MINUTE - 60], "Values": [7]}
    return ok({"MetricDataResults": [{"Id": query["Id"], **one} for query in asked["MetricDataQueries"]]})


@pytest.fixture(autouse=True)
def scripted(double: Double, spies: Spies) -> None:
    """A good AWS, whose STS names the keys after the role, and gives them for an hour."""
    double.on("AssumeRole", lambda asked: assumed(key_of(asked["RoleArn"]), spies.wall_s + HOUR_S))
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


async def test_the_role_is_asked_for_by_name_with_its_external_id_and_who_we_are(aws: Aws, double: Double) -> None:
    await read(aws)
    [asked] = double.asked("AssumeRole")
    wanted = {"RoleArn": ROLE.arn, "ExternalId": "shop-4711", "RoleSessionName": "ecs-queue-autoscaler"}
    assert asked.body == {**wanted, "DurationSeconds": "3600", "Version": "2011-06-15"}
    assert (asked.key, asked.region) == ("testing", REGION)


async def test_without_an_external_id_none_is_told(aws: Aws, double: Double) -> None:
    await read(aws, QueueRef("orders", url=URL, role=OTHER))
    assert "ExternalId" not in double.asked("AssumeRole")[0].body


async def test_everything_of_a_service_is_asked_as_its_role_and_no_more_than_that(aws: Aws, double: Double) -> None:
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
    assert len(double.asked("AssumeRole")) == 1


async def test_each_role_and_the_daemon_itself_sign_their_own_calls_at_the_same_time(aws: Aws, double: Double) -> None:
    roles = [None, ROLE, SECOND, OTHER] * 5
    async with asyncio.TaskGroup() as group:
        for number, role in enumerate(roles):
            group.create_task(aws.queues.backlog(QueueRef(f"{number}", url=f"{URL}-{number}", role=role)))
    signed = {int(seen.body["QueueUrl"].rpartition("-")[2]): seen.key for seen in double.asked("GetQueueAttributes")}
    assert signed == {number: key_of(role.arn) if role else "testing" for number, role in enumerate(roles)}
    assert len(double.asked("AssumeRole")) == 3


async def test_services_of_one_cluster_name_in_two_accounts_share_no_question(aws: Aws, double: Double) -> None:
    refs = [shop(role, name) for role in (None, ROLE, OTHER) for name in ("a", "b")]
    await asyncio.gather(*map(aws.fleets.read, refs), *map(aws.meters.cpu, refs))
    for operation in ("DescribeServices", "GetMetricData"):
        assert {seen.key for seen in double.asked(operation)} == {"testing", key_of(ROLE.arn), key_of(OTHER.arn)}
        assert len(double.asked(operation)) == 3


async def test_roles_of_one_account_share_a_lane_and_other_accounts_have_their_own(
    aws: Aws, double: Double, spies: Spies
) -> None:
    for role in (ROLE, SECOND, OTHER, None):
        await read(aws, QueueRef("orders", url=URL, role=role))
    admitted = [area for word, category, area in spies.paced if (word, category) == ("admitted", Category.QUEUE_READ)]
    theirs = f"{REGION} of 123456789012"
    assert admitted == [theirs, theirs, f"{REGION} of 210987654321", REGION]
    assert {area for _, category, area in spies.paced if category is Category.ROLE} == {REGION}


async def test_credentials_are_renewed_before_they_expire_and_not_sooner(
    aws: Aws, double: Double, spies: Spies
) -> None:
    asked = []
    for _ in range(60):
        await read(aws)
        asked.append(len(double.asked("AssumeRole")))
        spies.pass_s(60)
    assert asked == [1] * 46 + [2] * 14  # when less than a quarter of an hour is left


async def test_credentials_that_are_near_their_end_are_renewed_at_the_next_call(
    aws: Aws, double: Double, spies: Spies
) -> None:
    double.on("AssumeRole", assumed("OLD", spies.wall_s + LEAST_S), assumed("NEW", spies.wall_s + HOUR_S))
    await read(aws)
    spies.pass_s(1)
    await read(aws)
    assert [seen.key for seen in double.asked("GetQueueAttributes")] == ["OLD", "NEW"]


@pytest.mark.parametrize("failing", [refused("AccessDenied"), refused("InternalFailure", status=500), HANG])
async def test_while_they_hold_old_credentials_are_used_where_new_ones_are_not_to_be_had(
    double: Double, spies: Spies, failing: Reply
) -> None:
    double.on("AssumeRole", assumed("OLD", spies.wall_s + HOUR_S), failing)
    async with connected(spies, call_timeout_s=2.0) as aws:
        await read(aws)
        spies.pass_s(HOUR_S - 600)
        await asyncio.gather(*(read(aws) for _ in range(10)))
        assert len(double.asked("AssumeRole")) == 2
        spies.pass_s(600 - 29)  # half a minute must be left for a call to arrive
        assert (await missed(aws)).kind in {"denied", "unavailable"}
    assert {seen.key for seen in double.asked("GetQueueAttributes")} == {"OLD"}


async def test_while_they_hold_nobody_waits_for_a_hanging_sts_but_who_asks_it(double: Double, spies: Spies) -> None:
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


async def test_sts_is_asked_in_the_daemon_s_own_region(aws: Aws, double: Double) -> None:
    await read(aws, QueueRef("orders", "us-east-1", "http://sqs.example/1/orders", role=ROLE))
    assert [seen.region for seen in double.seen] == [REGION, "us-east-1"]


async def test_a_role_that_is_denied_names_the_service_the_role_and_the_remedy(aws: Aws, double: Double) -> None:
    said = "User: arn:aws:sts::1:assumed-role/x/y is not authorized to perform: sts:AssumeRole"
    double.on("AssumeRole", refused("AccessDenied", said))
    fleet = await aws.fleets.read(shop(ROLE))
    assert isinstance(fleet, Missing)
    assert fleet.kind == "denied"
    for word in ("shop-orders (prod/orders)", ROLE.arn, "not authorized", "task role", "trust policy", "external_id"):
        assert word in fleet.reason
    assert "shop-4711" not in fleet.reason
    with pytest.raises(Denied, match="shop-orders"):
        await aws.fleets.scale_to(shop(ROLE), 1, Urgency.SCALE_OUT)


async def test_a_failing_role_disturbs_only_those_who_act_as_it(aws: Aws, double: Double, spies: Spies) -> None:
    def one_denied(asked: dict[str, Any]) -> Reply:
        return refused("AccessDenied") if asked["RoleArn"] == ROLE.arn else assumed("KEY", spies.wall_s + HOUR_S)

    double.on("AssumeRole", one_denied)
    readings = await asyncio.gather(
        *(aws.queues.backlog(QueueRef("q", url=URL, role=role)) for role in (None, ROLE, SECOND, OTHER))
    )
    assert [type(reading) for reading in readings] == [Backlog, Missing, Backlog, Backlog]


async def test_each_of_many_services_hears_of_its_role_by_its_own_name(aws: Aws, double: Double) -> None:
    double.on("AssumeRole", refused("AccessDenied"))
    readings = await asyncio.gather(*(aws.fleets.read(shop(ROLE, name)) for name in ("a", "b", "c")))
    assert [isinstance(each, Missing) and each.reason.split()[0] for each in readings] == [
        "shop-a",
        "shop-b",
        "shop-c",
    ]
    assert len(double.asked("AssumeRole")) == 1


async def test_a_failing_sts_is_asked_every_few_seconds_for_all_who_wait(
    aws: Aws, double: Double, spies: Spies
) -> None:
    double.on("AssumeRole", refused("InternalFailure", status=500))
    for _ in range(3):
        readings = await asyncio.gather(*(aws.queues.backlog(THEIRS) for _ in range(20)))
        assert {isinstance(each, Missing) and each.kind for each in readings} == {"unavailable"}
        spies.pass_s(AGAIN_S)
    assert len(double.asked("AssumeRole")) == 3
    assert double.asked("GetQueueAttributes") == []
    assert spies.outcomes == [("sts:AssumeRole", "unavailable")] * 3


async def test_a_hanging_sts_keeps_nobody_else_waiting_and_its_own_for_one_call(double: Double, spies: Spies) -> None:
    def mine_hangs(asked: dict[str, Any]) -> Reply:
        return HANG if asked["RoleArn"] == ROLE.arn else assumed("KEY", spies.wall_s + HOUR_S)

    double.on("AssumeRole", mine_hangs)
    async with connected(spies, call_timeout_s=1.5) as aws:
        await read(aws, QueueRef("orders", url=URL, role=SECOND))
        waiting = [asyncio.create_task(aws.queues.backlog(THEIRS)) for _ in range(20)]
        await read(aws, MINE)
        assert not any(task.done() for task in waiting)
        readings = await asyncio.gather(*waiting)
        assert (await missed(aws)).kind == "unavailable"
    assert {isinstance(each, Missing) and each.kind for each in readings} == {"unavailable"}
    assert [seen.body["RoleArn"] for seen in double.asked("AssumeRole")] == [SECOND.arn, ROLE.arn]


async def test_who_gives_up_waiting_leaves_the_question_to_the_next(double: Double, spies: Spies) -> None:
    other = QueueRef("orders", url=URL, role=SECOND)
    double.on("AssumeRole", assumed("KEY", spies.wall_s + HOUR_S), HANG, assumed("KEY", spies.wall_s + HOUR_S))
    async with connected(spies) as aws:
        await read(aws, other)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await aws.queues.backlog(THEIRS)
        await read(aws)


async def test_a_role_that_works_again_is_found_out(aws: Aws, double: Double, spies: Spies) -> None:
    double.on("AssumeRole", refused("AccessDenied"), assumed("KEY", spies.wall_s + HOUR_S))
    assert (await missed(aws)).kind == "denied"
    spies.pass_s(AGAIN_S)
    await read(aws)


async def test_a_role_that_was_made_anew_is_asked_for_anew(aws: Aws, double: Double, spies: Spies) -> None:
    await read(aws)
    double.on(
        "GetQueueAttributes", fault("InvalidClientTokenId"), fault("InvalidClientTokenId"), ok({"Attributes": COUNTS})
    )
    spies.pass_s(DOUBTED_S - 1)
    await missed(aws)
    spies.pass_s(1)
    await missed(aws)
    await read(aws)
    assert len(double.asked("AssumeRole")) == 2


@pytest.mark.parametrize(
    "reply",
    [
        lambda now_s: assumed("KEY", now_s + LEAST_S - 1),
        lambda now_s: assumed("KEY", now_s + HOUR_S, SecretAccessKey=""),
        lambda now_s: assumed("KEY", now_s + HOUR_S, Expiration="soon-to-be-told"),
        lambda _: Reply(b"<html>", 200),
        lambda _: Reply(b"", 200),
        lambda _: Reply(b"{}", 200),
        lambda _: refused("ThrottlingException", status=400),
        lambda _: refused("RegionDisabledException"),
        lambda _: refused("PackedPolicyTooLarge", status=400),
    ],
)
async def test_whatever_sts_says_is_credentials_or_missing(aws: Aws, double: Double, spies: Spies, reply: Any) -> None:
    script: Script = reply(spies.wall_s)
    double.on("AssumeRole", script)
    reading = await missed(aws)
    assert ROLE.arn in reading.reason
    assert "KEY" not in reading.reason
    assert double.asked("GetQueueAttributes") == []


async def test_a_daemon_without_credentials_or_region_of_its_own_says_so_by_the_service_s_name(
    monkeypatch: pytest.MonkeyPatch, double: Double, spies: Spies
) -> None:
    monkeypatch.delenv("AWS_REGION")
    placed = QueueRef("orders", region="eu-north-1", url="http://sqs.example/1/orders", role=ROLE)
    async with connected(spies) as aws:
        await read(aws, placed)
        assert double.asked("AssumeRole")[0].region == "eu-north-1"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    async with connected(spies) as aws:
        reading = await missed(aws, placed)
    assert reading.kind == "no_credentials"
    assert reading.reason.startswith("queue orders cannot act as")
    assert "credentials" in reading.reason


async def test_sts_is_asked_at_the_endpoint_of_its_region(monkeypatch: pytest.MonkeyPatch, spies: Spies) -> None:
    """The environment's `legacy` would send everybody to one endpoint on another continent."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    async with AsyncExitStack() as stack:
        clients = Clients(stack, Clocks(lambda: 0.0, lambda: 0.0), 5.0)
        client = await clients.of(Call(ASSUME_ROLE, "the role", "eu-west-1"))
        assert client.meta.endpoint_url == "https://sts.eu-west-1.amazonaws.com"


async def test_a_region_more_or_a_role_more_opens_no_client_more_than_its_categories(aws: Aws, double: Double) -> None:
    for number in range(20):
        role = Role(f"arn:aws:iam::{number:012}:role/autoscaler")
        await read(aws, QueueRef("orders", url=URL, role=role))
    assert len(double.connections) == 2


async def test_what_another_account_has_is_seen_as_its_role_only(
    monkeypatch: pytest.MonkeyPatch, moto_url: str, double: Double
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_url)
    name, role = f"orders-{uuid4().hex[:8]}", Role("arn:aws:iam::210987654321:role/autoscaler", "shop-4711")
    async with AioSession().create_client("sts", endpoint_url=moto_url, region_name=REGION) as sts:
        answer = await sts.assume_role(RoleArn=role.arn, RoleSessionName="somebody")
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
    """The clock of the double is the floor's own."""

    spies: Spies

    def now(self) -> float:
        return self.spies.wall_s

    def pass_s(self, seconds: float) -> None:
        self.spies.pass_s(seconds)


async def test_a_service_of_another_account_is_scaled_for_hours_on_end(
    monkeypatch: pytest.MonkeyPatch, spies: Spies
) -> None:
    """A double that knows of external ids, keeps accounts apart and takes no expired credentials."""
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
