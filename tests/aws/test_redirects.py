"""No client follows a redirect: its target receives nothing, and the error names the remedy.

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
from botocore.session import Session

from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import CALLS, GET_QUEUE_ATTRIBUTES, LIST_TASKS, Api
from autoscaler.aws.clients import Clocks
from autoscaler.aws.operator import OPERATOR_CALLS
from autoscaler.core.model import Missing
from autoscaler.errors import AutoscalerError
from autoscaler.inspection.asking import NoDaemon, fetch_decisions, fetch_services
from autoscaler.ports import Place, Role, ServiceRef
from autoscaler.sources.prometheus import PROMETHEUS, PrometheusQuery
from autoscaler.sources.source import Connection
from tests.aws.spies import REGION, Spies

STATUSES = (300, 301, 302, 303, 304, 305, 307, 308)
EVERY = (*CALLS, *OPERATOR_CALLS)
SAMPLES: dict[str, Any] = {
    "string": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
    "timestamp": 0,
    "list": [],
}
"""A value of each type of parameter. The text is long enough for an ARN, and it is the URL of a queue."""
BODY = b'{"Attributes": {}, "__type": "ThrottlingException", "AccessKeyId": "a", "SecretAccessKey": "b", "Token": "c"}'


class Pair:
    """`url` responds with a redirect of `status` to `target`. `requests` reached `url`, `leaked` reached `target`."""

    status = 307
    url = target = ""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.leaked: list[bytes] = []

    async def redirect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append(await reader.readuntil(b"\r\n\r\n"))
        head = f"HTTP/1.1 {self.status} Elsewhere\r\nLocation: {self.target}/taken\r\nConnection: close\r\n"
        body = b"" if self.status == 304 else BODY
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async def record(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.leaked.append(b"connected: " + await reader.read(65_536))
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
async def servers(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    async with pair() as both:
        monkeypatch.setenv("AWS_ENDPOINT_URL", both.url)
        monkeypatch.setenv("AWS_SESSION_TOKEN", "the-session-token")
        yield both


@asynccontextmanager
async def caller(fast_sqs: bool = True) -> AsyncIterator[Caller]:
    spies = Spies()
    async with AsyncExitStack() as stack:
        clocks = Clocks(lambda: spies.now_s, lambda: spies.wall_s)
        yield Caller(stack, spies, spies, clocks, 20.0, fast_sqs=fast_sqs, once=False)


def is_plain(text: str, endpoint: str, status: int) -> None:
    """The text names the endpoint, the redirect and the remedy, and contains no credential."""
    assert endpoint in text
    assert f"HTTP {status}" in text
    assert "redirect" in text
    assert "AWS_ENDPOINT_URL" in text
    assert "the-session-token" not in text


def parameters(api: Api) -> dict[str, Any]:
    """Return the required parameters of the call, with sample values."""
    shape = Session().get_service_model(api.sdk_service).operation_model(api.sent_as).input_shape
    assert shape is not None
    return {name: SAMPLES[shape.members[name].type_name] for name in shape.required_members}


@pytest.mark.parametrize("fast_sqs", [True, False], ids=["fast", "sdk"])
@pytest.mark.parametrize("api", EVERY, ids=lambda api: api.name)
async def test_no_call_to_aws_follows_a_redirect(servers: Pair, api: Api, fast_sqs: bool) -> None:
    values = parameters(api)
    async with caller(fast_sqs) as ours:
        for servers.status in STATUSES:
            with pytest.raises(AutoscalerError) as error:
                await ours.ask(api, "it", Place(REGION), **values)
            is_plain(str(error.value), servers.url, servers.status)
    assert len(servers.requests) == len(STATUSES)
    assert servers.leaked == []


async def test_assuming_a_role_follows_no_redirect(servers: Pair) -> None:
    async with caller() as ours:
        place = Place(REGION, Role("arn:aws:iam::123456789012:role/r"))
        with pytest.raises(AutoscalerError) as error:
            await ours.ask(LIST_TASKS, "it", place, cluster="c")
    is_plain(str(error.value), servers.url, servers.status)
    assert servers.leaked == []


async def error_with(servers: Pair, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the error of a call whose credentials come from the source that these variables configure."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with caller() as ours:
        with pytest.raises(AutoscalerError) as error:
            await ours.ask(LIST_TASKS, "it", Place(REGION), cluster="c")
    assert servers.requests, "no request was sent"
    assert servers.leaked == []
    return str(error.value)


@pytest.mark.parametrize("status", STATUSES)
async def test_fetching_container_credentials_follows_no_redirect(
    servers: Pair, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers.status = status
    variables = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{servers.url}/keys",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a-secret",
    }
    is_plain(await error_with(servers, variables, monkeypatch), f"{servers.url}/keys", status)
    assert b"a-secret" in servers.requests[0]


async def test_fetching_instance_metadata_follows_no_redirect(servers: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": servers.url}
    is_plain(await error_with(servers, variables, monkeypatch), servers.url, servers.status)


async def test_credential_providers_that_call_sts_follow_no_redirect(
    servers: Pair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token, profile = tmp_path / "token", tmp_path / "config"
    token.write_text("a-web-identity")
    web = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token), "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r"}
    is_plain(await error_with(servers, web, monkeypatch), servers.url, servers.status)
    monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE")
    source = "[profile base]\naws_access_key_id=a\naws_secret_access_key=b\n"
    profile.write_text(f"{source}[profile r]\nrole_arn={web['AWS_ROLE_ARN']}\nsource_profile=base\n")
    variables = {"AWS_CONFIG_FILE": str(profile), "AWS_PROFILE": "r"}
    is_plain(await error_with(servers, variables, monkeypatch), servers.url, servers.status)


async def test_a_redirect_by_a_proxy_is_not_followed(servers: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("HTTP_PROXY", servers.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://aws.invalid")
    for fast_sqs in (True, False):
        async with caller(fast_sqs) as ours:
            with pytest.raises(AutoscalerError) as error:
                await ours.ask(GET_QUEUE_ATTRIBUTES, "it", Place(REGION), QueueUrl="http://aws.invalid/1/q")
        is_plain(str(error.value), "http://aws.invalid/", servers.status)
    assert servers.requests
    assert servers.leaked == []


@pytest.mark.parametrize("status", STATUSES)
async def test_clients_of_prometheus_and_the_daemon_follow_no_redirect(
    servers: Pair, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers.status = status
    unused: Any = None
    async with PROMETHEUS.connect(Connection(unused, lambda: 0.0, lambda: 0.0, 20.0)) as queries:
        reading = await queries.measure(ServiceRef("orders", "prod", "orders"), PrometheusQuery(servers.url, "up"))
    answers = [await fetch_decisions(servers.url, "orders"), await fetch_services(servers.url)]
    assert isinstance(reading, Missing)
    assert all(isinstance(one, NoDaemon) for one in answers)
    for text in (reading.reason, *(one.reason for one in answers if isinstance(one, NoDaemon))):
        assert servers.url in text
        assert f"HTTP {status}" in text
        assert "address" in text
    assert len(servers.requests) == 3
    assert servers.leaked == []
