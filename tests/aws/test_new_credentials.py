"""Rejected credentials are read again from their source: the ECS endpoint, a shared file, or STS for a role."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import web

from autoscaler.aws import own_credentials
from autoscaler.aws.clients import Clocks, new_session
from autoscaler.aws.connection import Aws
from autoscaler.aws.own_credentials import REFRESH_AGAIN_S, REREAD_S, OwnCredentials
from autoscaler.core.model import Backlog, Missing
from autoscaler.errors import Denied
from autoscaler.ports import QueueRef, Role, ServiceRef, Urgency
from tests.aws.double import AwsDouble, AwsReply, assumed, fault, ok
from tests.aws.spies import Spies, connected

ORDERS = QueueRef("orders", url="http://sqs.example/1/orders")
SHOP = ServiceRef("shop", "prod", "orders")
ROLE = Role("arn:aws:iam::123456789012:role/scaler")
COUNTS = {
    "Attributes": {
        "ApproximateNumberOfMessages": "3",
        "ApproximateNumberOfMessagesNotVisible": "0",
        "ApproximateNumberOfMessagesDelayed": "0",
    }
}
CODES = (
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidSignatureException",  # a file that was read half-written: the new key with the old secret
    "SignatureDoesNotMatch",
)


@dataclass
class Endpoint:
    """The credentials endpoint of ECS. `down`: it answers 500. `hangs`: it does not answer."""

    url: str = ""
    key: str = "first"
    lasts_s: float = 6 * 3600.0
    down: bool = False
    hangs: bool = False
    reads: int = 0
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, _: web.Request) -> web.Response:
        self.reads += 1
        if self.hangs:
            await self.ending.wait()
        if self.down:
            return web.Response(status=500)
        until = datetime.now(UTC) + timedelta(seconds=self.lasts_s)
        ends = f"{until:%Y-%m-%dT%H:%M:%SZ}"
        keys = {"AccessKeyId": self.key, "SecretAccessKey": "s", "Token": "t", "Expiration": ends}
        return web.Response(body=json.dumps(keys).encode(), content_type="application/json")


@asynccontextmanager
async def serving() -> AsyncIterator[Endpoint]:
    endpoint, app = Endpoint(), web.Application()
    app.router.add_get("/keys", endpoint.answer)
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        endpoint.url = f"http://{host}:{port}/keys"
        yield endpoint
    finally:
        endpoint.ending.set()
        await runner.cleanup()


@dataclass
class Iam:
    """The keys that AWS accepts; others are rejected with `code`."""

    double: AwsDouble
    accepted: set[str]
    code: str = "ExpiredToken"
    answers: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for operation, body in (("GetQueueAttributes", COUNTS), ("UpdateService", {"service": {"desiredCount": 7}})):
            self.double.on(operation, self._answering(body))

    def _answering(self, body: dict[str, Any]) -> Any:
        def answer(_: dict[str, Any]) -> AwsReply:
            key = self.double.seen[-1].key
            self.answers.append(key)
            return ok(body) if key in self.accepted else fault(self.code, "rejected", 403)

        return answer


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


def write_keys(bare: pytest.MonkeyPatch, tmp_path: Path, key: str) -> None:
    path = tmp_path / "shared"
    path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = s\naws_session_token = t\n")
    bare.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))


async def depth(aws: Aws) -> int | str:
    reading = await aws.queues.backlog(ORDERS)
    return reading.visible if isinstance(reading, Backlog) else f"{reading.kind}: {reading.reason}"


@pytest.mark.parametrize("code", CODES)
async def test_new_credentials_of_the_ecs_endpoint_are_used_in_the_same_call(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, code: str
) -> None:
    async with serving() as endpoint, connected(spies) as aws:
        bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
        iam = Iam(double, {"first"}, code)
        assert await depth(aws) == 3
        iam.accepted, endpoint.key = {"second"}, "second"
        assert await depth(aws) == 3
        assert iam.answers == ["first", "first", "second"]
        assert endpoint.reads == 2
        assert aws.renewals() == 1


@pytest.mark.parametrize("code", CODES)
async def test_new_credentials_of_the_shared_file_are_used_in_the_same_call(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, tmp_path: Path, code: str
) -> None:
    write_keys(bare, tmp_path, "first")
    async with connected(spies) as aws:
        iam = Iam(double, {"first"}, code)
        assert await depth(aws) == 3
        write_keys(bare, tmp_path, "second")
        iam.accepted = {"second"}
        assert await aws.fleets.scale_to(SHOP, 7, Urgency.SCALE_OUT), "a write was certainly not applied, so it is sent"
        assert iam.answers == ["first", "first", "second"]


async def test_the_source_is_read_at_most_once_a_minute(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    async with serving() as endpoint, connected(spies) as aws:
        bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
        iam = Iam(double, set())
        for _ in range(12):
            assert str(await depth(aws)).startswith("denied: ")
            spies.pass_s(10.0)
        assert endpoint.reads == 1 + 2
        assert len(iam.answers) == 12, "without new credentials, the call is not sent again"
        endpoint.key, iam.accepted = "second", {"second"}
        spies.pass_s(REREAD_S)
        assert await depth(aws) == 3


async def test_sighup_reads_the_source_again_at_once(bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies) -> None:
    async with serving() as endpoint, connected(spies) as aws:
        bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
        iam = Iam(double, {"first", "second"})
        assert await depth(aws) == 3
        endpoint.key = "second"
        assert await depth(aws) == 3
        aws.renew()
        assert await depth(aws) == 3
        assert iam.answers == ["first", "first", "second"]
        assert aws.renewals() == 1
        endpoint.down = True
        aws.renew()
        assert await depth(aws) == 3, "the credentials are still valid"


@pytest.mark.parametrize("lasts_s", [840.0, 300.0, 60.0])
async def test_an_endpoint_that_is_down_does_not_end_credentials_that_are_still_valid(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, lasts_s: float
) -> None:
    """The SDK renews credentials 15 minutes before they expire, and from 10 minutes on it reports an error."""
    async with serving() as endpoint, connected(spies, call_timeout_s=3.0) as aws:
        bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
        Iam(double, {"first", "second"})
        endpoint.lasts_s = lasts_s
        assert await depth(aws) == 3
        endpoint.down, reads = True, endpoint.reads
        for _ in range(5):
            assert await depth(aws) == 3
        assert endpoint.reads - reads <= 3, "one attempt in 15 s does not delay each call"
        endpoint.down, endpoint.key = False, "second"
        spies.pass_s(15.0)
        assert await depth(aws) == 3
        assert double.seen[-1].key == "second"


async def test_rejected_credentials_with_an_endpoint_that_is_down_name_the_endpoint(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    async with connected(spies, call_timeout_s=20.0) as aws:
        async with serving() as endpoint:
            bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
            iam = Iam(double, {"first"})
            assert await depth(aws) == 3
        iam.accepted = set()
        text = str(await depth(aws))
    assert text.startswith("denied: ")
    assert "ExpiredToken" in text
    assert "credentials endpoint of ECS (AWS_CONTAINER_CREDENTIALS_*)" in text
    assert "AWS_ENDPOINT_URL" not in text


async def test_expired_credentials_with_an_endpoint_that_is_down_name_the_endpoint(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    async with connected(spies, call_timeout_s=20.0) as aws:
        async with serving() as endpoint:
            bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
            Iam(double, {"first"})
            endpoint.lasts_s = 20.0
            assert await depth(aws) == 3
        text = str(await depth(aws))
    assert text.startswith("unavailable: ")
    assert "credentials endpoint of ECS (AWS_CONTAINER_CREDENTIALS_*)" in text
    assert "AWS_ENDPOINT_URL" not in text


async def test_a_role_is_assumed_again_when_its_credentials_are_rejected(double: AwsDouble, spies: Spies) -> None:
    iam, queue = Iam(double, {"first"}), QueueRef("orders", url=ORDERS.url, role=ROLE)
    double.on("AssumeRole", assumed("first", spies.wall_s + 3600), assumed("second", spies.wall_s + 3600))
    async with connected(spies) as aws:
        assert isinstance(await aws.queues.backlog(queue), Backlog)
        iam.accepted = {"second"}
        assert isinstance(await aws.queues.backlog(queue), Backlog)
        assert len(double.requests("AssumeRole")) == 2
        iam.accepted = set()
        for _ in range(12):
            assert isinstance(await aws.queues.backlog(queue), Missing)
            spies.pass_s(5.0)
        assert len(double.requests("AssumeRole")) <= 3, "at most once a minute"


async def test_a_call_that_waited_is_sent_again_with_the_credentials_that_replaced_its_own(
    monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    """It has the old credentials while it waits for the rate limiter, and another call replaces them."""
    iam, queue = Iam(double, {"first"}), QueueRef("orders", url=ORDERS.url, role=ROLE)
    double.on("AssumeRole", assumed("first", spies.wall_s + 3600), assumed("second", spies.wall_s + 3600))
    waits, goes_on, acquire = asyncio.Event(), asyncio.Event(), spies.acquire

    async def wait(*given: Any) -> float:
        monkeypatch.setattr(spies, "acquire", acquire)
        waits.set()
        await goes_on.wait()
        return await acquire(*given)

    async with connected(spies) as aws, asyncio.TaskGroup() as group:
        assert isinstance(await aws.queues.backlog(queue), Backlog)
        monkeypatch.setattr(spies, "acquire", wait)
        waited = group.create_task(aws.queues.backlog(queue))
        await waits.wait()
        iam.accepted = {"second"}
        assert isinstance(await aws.queues.backlog(queue), Backlog)
        goes_on.set()
        assert isinstance(await waited, Backlog)
    assert iam.answers == ["first", "first", "second", "first", "second"]
    assert len(double.requests("AssumeRole")) == 2


async def test_a_role_keeps_valid_credentials_while_sts_is_down(double: AwsDouble, spies: Spies) -> None:
    iam, queue = Iam(double, {"first"}), QueueRef("orders", url=ORDERS.url, role=ROLE)
    double.on("AssumeRole", assumed("first", spies.wall_s + 3600), fault("ServiceUnavailable", "down", 503))
    async with connected(spies) as aws:
        assert isinstance(await aws.queues.backlog(queue), Backlog)
        spies.pass_s(400.0)
        iam.code, iam.accepted = "AccessDenied", set()
        assert isinstance(await aws.queues.backlog(queue), Missing)
        iam.accepted = {"first"}
        assert isinstance(await aws.queues.backlog(queue), Backlog), "one denied call does not end the credentials"
        aws.renew()
        assert isinstance(await aws.queues.backlog(queue), Backlog), "neither does SIGHUP"


async def test_own_credentials_are_replaced_for_assuming_a_role(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, tmp_path: Path
) -> None:
    write_keys(bare, tmp_path, "old")
    Iam(double, {"role-key"})
    double.on(
        "AssumeRole",
        lambda _: (
            assumed("role-key", spies.wall_s + 3600)
            if double.seen[-1].key == "new"
            else AwsReply(b"<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>", 403)
        ),
    )
    queue = QueueRef("orders", url=ORDERS.url, role=ROLE)
    async with connected(spies) as aws:
        write_keys(bare, tmp_path, "old")
        assert isinstance(await aws.queues.backlog(queue), Missing)
        write_keys(bare, tmp_path, "new")
        spies.pass_s(REREAD_S)
        assert isinstance(await aws.queues.backlog(queue), Backlog)


async def test_a_missing_permission_reads_nothing_again(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    async with serving() as endpoint, connected(spies) as aws:
        bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
        iam = Iam(double, set(), "AccessDeniedException")
        with pytest.raises(Denied):
            await aws.fleets.scale_to(SHOP, 7, Urgency.SCALE_OUT)
        assert (endpoint.reads, len(iam.answers)) == (1, 1)


@pytest.mark.parametrize("asked", [False, True])
async def test_an_endpoint_that_hangs_does_not_end_credentials_that_are_still_valid(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, asked: bool
) -> None:
    """A call ends before the SDK gives up on the endpoint, so the read that SIGHUP requested would never have ended."""
    async with serving() as endpoint, connected(spies, call_timeout_s=3.0) as aws:
        bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
        Iam(double, {"first", "second"})
        endpoint.lasts_s = 3600.0 if asked else 300.0
        assert await depth(aws) == 3
        endpoint.hangs = True
        if asked:
            aws.renew()
        for _ in range(3):
            assert await depth(aws) == 3
        endpoint.hangs, endpoint.key = False, "second"
        spies.pass_s(REFRESH_AGAIN_S)
        assert await depth(aws) == 3
        assert double.seen[-1].key == "second", "what SIGHUP requested is done as soon as the endpoint answers"


async def test_rejected_credentials_with_an_endpoint_that_hangs_are_reported_in_time(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    async with serving() as endpoint, connected(spies, call_timeout_s=2.0) as aws:
        bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", endpoint.url)
        iam = Iam(double, {"first"})
        assert await depth(aws) == 3
        endpoint.hangs, iam.accepted = True, set()
        async with asyncio.timeout(7.0):  # the SDK alone gives up after 8 s
            text = str(await depth(aws))
    assert text.startswith("denied: ")
    assert "credentials endpoint of ECS (AWS_CONTAINER_CREDENTIALS_*)" in text


@dataclass
class Program:
    """A program for credentials that hangs when `hang` was called, itself or a child of it."""

    folder: Path
    is_in_child: bool

    def __post_init__(self) -> None:
        sleeps = f"sleep 600 & echo $! >> {self.folder}/children; wait" if self.is_in_child else "exec sleep 600"
        keys = json.dumps({"Version": 1, "AccessKeyId": "first", "SecretAccessKey": "s"})
        lines = f"echo $$ >> {self.folder}/ids", f"if [ -e {self.folder}/hangs ]; then {sleeps}; fi", f"echo '{keys}'"
        (self.folder / "program").write_text("\n".join(("#!/bin/sh", *lines)))
        (self.folder / "program").chmod(0o755)
        (self.folder / "config").write_text(f"[default]\ncredential_process = {self.folder}/program\n")

    def hang(self) -> None:
        (self.folder / "hangs").touch()

    def is_left(self) -> bool:
        """Whether one still runs, or has ended and the event loop has not waited for it."""
        return any(Path(f"/proc/{number}").exists() for number in self.ids("ids"))

    def ids(self, file: str) -> list[int]:
        path = self.folder / file
        return [int(line) for line in path.read_text().split()] if path.exists() else []


async def _reads_of(program: Program) -> None:
    """Read once, and three times while the program hangs; then no process and no file must be left."""
    own = OwnCredentials(new_session, Clocks(time.monotonic, time.time))
    await own.keys()
    program.hang()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        own.ask()
        assert (await own.keys()).access_key == "first", "the credentials are still valid"
    async with asyncio.timeout(60.0):
        while program.is_left() or len(os.listdir("/proc/self/fd")) > before:  # noqa: ASYNC110 # there is no event for it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("is_in_child", [False, True], ids=["itself", "its child"])
def test_a_program_for_credentials_that_hangs_is_ended(
    bare: pytest.MonkeyPatch, tmp_path: Path, loop: Callable[[], asyncio.AbstractEventLoop], is_in_child: bool
) -> None:
    """Otherwise each read would leave one more process and its pipes."""
    bare.setattr(own_credentials, "REFRESH_S", 0.3)
    program = Program(tmp_path, is_in_child)
    bare.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    try:
        with asyncio.Runner(loop_factory=loop) as runner:
            runner.run(_reads_of(program))
    finally:
        for child in program.ids("children"):
            os.kill(child, signal.SIGKILL)
