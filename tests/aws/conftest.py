"""An environment in which only loopback is AWS: a scripted double per test, one moto server per session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from botocore import loaders

from autoscaler.aws import Aws
from tests.aws.double import Double, serving
from tests.aws.spies import REGION, Spies, connected


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials, Region, profile or proxy of whoever runs the tests."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", REGION)


@pytest.fixture(autouse=True, scope="session")
def descriptions_read_once() -> Iterator[None]:
    """The SDK's service descriptions, which take it 200 ms to read for each session, are shared by all tests."""
    loader = loaders.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda *_: loader)
        yield


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The address of an embedded AWS, shared by the session: tests use names of their own."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest_asyncio.fixture
async def double(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Double]:
    """A scripted AWS, which the SDK finds by AWS_ENDPOINT_URL."""
    async with serving() as double:
        monkeypatch.setenv("AWS_ENDPOINT_URL", double.url)
        yield double


@pytest.fixture
def lean() -> bool:
    """Whether the hot call goes the shorter way. Modules to which it matters have both."""
    return True


@pytest.fixture
def spies(lean: bool) -> Spies:
    return Spies(lean=lean)


@pytest_asyncio.fixture
async def aws(double: Double, spies: Spies) -> AsyncIterator[Aws]:
    """The floor under test, over the double."""
    async with connected(spies) as aws:
        yield aws
