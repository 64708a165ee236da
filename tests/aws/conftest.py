"""Fixtures: AWS only on loopback, a scripted double per test, and one moto server per session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from botocore import loaders

from autoscaler.aws.connection import Aws
from tests.aws.double import AwsDouble, serving
from tests.aws.spies import REGION, Spies, connected


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Isolate the tests from the credentials, Region, profile and proxy settings of the machine."""
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
    """Share the SDK's service descriptions between all tests: reading them takes 200 ms per SDK session."""
    loader = loaders.create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda *_: loader)
        yield


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """URL of a moto server that all tests share: each test uses names that no other test uses."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest_asyncio.fixture
async def double(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AwsDouble]:
    """A scripted AWS. The SDK finds it by AWS_ENDPOINT_URL."""
    async with serving() as double:
        monkeypatch.setenv("AWS_ENDPOINT_URL", double.url)
        yield double


@pytest.fixture
def fast_sqs() -> bool:
    """Whether GetQueueAttributes may use the faster implementation. Modules that test both override this fixture."""
    return True


@pytest.fixture
def spies(fast_sqs: bool) -> Spies:
    return Spies(fast_sqs=fast_sqs)


@pytest_asyncio.fixture
async def aws(double: AwsDouble, spies: Spies) -> AsyncIterator[Aws]:
    """The AWS layer under test, connected to the double."""
    async with connected(spies) as aws:
        yield aws
