"""No redirect is followed, by any client: whoever is named by one hears nothing, and the error says what to do.

Two servers on loopback: the first answers every request with a redirect to the second, which records every byte.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from autoscaler.aws import apis
from autoscaler.aws.caller import Caller
from autoscaler.aws.clocks import Clocks
from autoscaler.aws.operator import apis as operator_apis
from autoscaler.core.model import Missing
from autoscaler.errors import AutoscalerError
from autoscaler.inspection.asking import Silent, ask, ask_all
from autoscaler.ports import Place, PrometheusQuery, Role
from autoscaler.prometheus import connect_prometheus
from tests.aws.spies import REGION, Spies

STATUSES = (300, 301, 302, 303, 304, 305, 307, 308)
NAMES = {"cluster": "c"}
SCALED = {"ServiceNamespace": "ecs", "ResourceIds": ["service/c/s"]}
ARN = "arn:aws:ecs:eu-west-1:123456789012:service/c/s"
PARAMETERS: dict[str, dict[str, Any]] = {
    "GetQueueUrl": {"QueueName": "orders"},
    "GetQueueAttributes": {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"},
    "GetMetricData": {"MetricDataQueries": [], "StartTime": 0, "EndTime": 60},
    "DescribeServices": {**NAMES, "services": ["s"]},
    "DescribeTaskDefinition": {"taskDefinition": "worker:1"},
    "ListServices": NAMES,
    "UpdateService": {**NAMES, "service": "s", "desiredCount": 1},
    "ListTasks": NAMES,
    "GetTaskProtection": NAMES,
    "DescribeScalableTargets": SCALED,
    "DescribeScalingPolicies": {"ServiceNamespace": "ecs"},
    "DescribeScheduledActions": {"ServiceNamespace": "ecs"},
    "AssumeRole": {"RoleArn": "arn:aws:iam::123456789012:role/r", "RoleSessionName": "us"},
    "GetCallerIdentity": {},
    "SimulatePrincipalPolicy": {"PolicySourceArn": ARN, "ActionNames": ["ecs:UpdateService"]},
    "TagResource": {"resourceArn": ARN, "tags": []},
    "UntagResource": {"resourceArn": ARN, "tagKeys": ["a"]},
}
EVERY = [one for room in (apis, operator_apis) for one in vars(room).values() if isinstance(one, apis.Api)]
BODY = b'{"Attributes": {}, "__type": "ThrottlingException", "AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c"}'


class Pair:
    """`url` answers with a redirect of `status` to `target`. `requests` came to the first, `stolen` to the second."""

    status = 307
    url = target = ""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.stolen: list[bytes] = []

    async def redirect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        head = f"HTTP/1.1 {self.status} Elsewhere\r\nLocation: {self.target}/taken\r\nConnection: close\r\n"
        body = b"" if self.status == 304 else BODY
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async def record(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.stolen.append(b"connected: " + await reader.read(65_536))
        writer.close()


@asynccontextmanager
async def pair() -> AsyncIterator[Pair]:
    both = Pair()
    async with (
        await asyncio.start_server(both.redirect, "127.0.0.1", 0) as first,
        await asyncio.start_server(both.record, "127.0.0.1", 0) as second,
    ):
        both.url, both.target = (f"http://127.0.0.1:{s.sockets[0].getsockname()[1]}" for s in (first, second))
        yield both


@pytest_asyncio.fixture
async def two(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    async with pair() as both:
        monkeypatch.setenv("AWS_ENDPOINT_URL", both.url)
        monkeypatch.setenv("AWS_SESSION_TOKEN", "the-session-token")
        yield both


@asynccontextmanager
async def caller(lean: bool = True) -> AsyncIterator[Caller]:
    spies = Spies()
    async with AsyncExitStack() as stack:
        clocks = Clocks(lambda: spies.now_s, lambda: spies.wall_s)
        yield Caller(stack, spies, spies, clocks, 20.0, lean=lean, once=False)


def is_plain(said: str, endpoint: str, status: int) -> None:
    """The text names who redirected, that it was a redirect, and the remedy, and holds no credential."""
    assert endpoint in said
    assert f"HTTP {status}" in said
    assert "redirect" in said
    assert "AWS_ENDPOINT_URL" in said
    assert "the-session-token" not in said


def test_every_call_of_ours_is_tried_below() -> None:
    assert {api.name.partition(":")[2] for api in EVERY} == PARAMETERS.keys()


@pytest.mark.parametrize("lean", [True, False], ids=["lean", "sdk"])
@pytest.mark.parametrize("api", EVERY, ids=lambda api: api.name)
async def test_no_call_to_aws_follows_a_redirect(two: Pair, api: apis.Api, lean: bool) -> None:
    async with caller(lean) as ours:
        for two.status in STATUSES:
            with pytest.raises(AutoscalerError) as error:
                await ours.ask(api, "it", Place(REGION), **PARAMETERS[api.name.partition(":")[2]])
            is_plain(str(error.value), two.url, two.status)
    assert len(two.requests) == len(STATUSES)
    assert two.stolen == []


async def test_a_role_is_not_assumed_by_way_of_a_redirect(two: Pair) -> None:
    async with caller() as ours:
        place = Place(REGION, Role("arn:aws:iam::123456789012:role/r"))
        with pytest.raises(AutoscalerError) as error:
            await ours.ask(apis.LIST_TASKS, "it", place, cluster="c")
    is_plain(str(error.value), two.url, two.status)
    assert two.stolen == []


async def found(two: Pair, reason: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """What is said where the credentials are looked for as these variables say."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in reason.items():
        monkeypatch.setenv(name, value)
    async with caller() as ours:
        with pytest.raises(AutoscalerError) as error:
            await ours.ask(apis.LIST_TASKS, "it", Place(REGION), cluster="c")
    assert two.requests, "it was not asked at all"
    assert two.stolen == []
    return str(error.value)


@pytest.mark.parametrize("status", STATUSES)
async def test_container_credentials_are_not_fetched_elsewhere(
    two: Pair, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.status = status
    told = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{two.url}/keys", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a-secret"}
    is_plain(await found(two, told, monkeypatch), f"{two.url}/keys", status)
    assert b"a-secret" in two.requests[0]


async def test_instance_metadata_is_not_fetched_elsewhere(two: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": two.url}
    is_plain(await found(two, told, monkeypatch), two.url, two.status)


async def test_credential_providers_that_ask_sts_are_not_led_elsewhere(
    two: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token, profile = tmp_path / "token", tmp_path / "config"
    token.write_text("a-web-identity")
    web = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r"}
    is_plain(await found(two, web, monkeypatch), two.url, two.status)
    monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE")
    source = "[profile base]\naws_access_key_id=a\naws_secret_access_key=b\n"
    profile.write_text(f"{source}[profile r]\nrole_arn={web['AWS_ROLE_ARN']}\nsource_profile=base\n")
    told = {"AWS_CONFIG_FILE": str(profile), "AWS_PROFILE": "r"}
    is_plain(await found(two, told, monkeypatch), two.url, two.status)


async def test_nor_by_way_of_a_proxy(two: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", two.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://aws.invalid")
    for lean in (True, False):
        async with caller(lean) as ours:
            with pytest.raises(AutoscalerError) as error:
                await ours.ask(apis.GET_QUEUE_ATTRIBUTES, "it", Place(REGION), QueueUrl="http://aws.invalid/1/q")
        is_plain(str(error.value), "http://aws.invalid/", two.status)
    assert two.requests
    assert two.stolen == []


@pytest.mark.parametrize("status", STATUSES)
async def test_neither_prometheus_nor_a_daemon_leads_elsewhere(
    two: Pair, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.status = status
    async with connect_prometheus(lambda: 0.0, lambda: 0.0, 20.0) as gauges:
        told = await gauges.measure(PrometheusQuery(two.url, "up"))
    heard = [await ask(two.url, "orders"), await ask_all(two.url)]
    assert isinstance(told, Missing)
    assert all(isinstance(one, Silent) for one in heard)
    for said in (told.reason, *(one.reason for one in heard if isinstance(one, Silent))):
        assert two.url in said
        assert f"HTTP {status}" in said
        assert "address" in said
    assert len(two.requests) == 3
    assert two.stolen == []
