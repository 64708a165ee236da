"""The `Host` names that the page accepts. A loopback listener refuses foreign names: protection from DNS rebinding."""

from __future__ import annotations

import pytest

from autoscaler.telemetry import serve
from autoscaler.telemetry.web import Hosts
from tests.telemetry.polls import holding
from tests.telemetry.test_guard import connected, status
from tests.telemetry.test_web import HUNG_AFTER_S, desk_with

OWN = ("localhost", "LOCALHOST:9108", "localhost.:9108", "127.0.0.1", "127.0.0.1:9108", "[::1]:9108", "10.0.0.7")
FOREIGN = ("evil.example", "evil.example:9108", "127.0.0.1.evil.example", "localhost.evil.example", "", ":9108", "[x]")
LOOPBACK = ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost", "LocalHost")


@pytest.mark.parametrize("listening", LOOPBACK)
def test_a_loopback_listener_accepts_only_addresses_and_localhost(listening: str) -> None:
    hosts = Hosts(listening)
    assert [header for header in OWN if not hosts.allows(header)] == []
    assert [header for header in FOREIGN if hosts.allows(header)] == []
    assert hosts.allows(None), "a browser always sends the header"


@pytest.mark.parametrize("listening", ["0.0.0.0", "::", "", "10.0.0.7", "scaler.internal"])
def test_a_listener_on_another_address_accepts_every_host_name(listening: str) -> None:
    assert all(Hosts(listening).allows(header) for header in (*OWN, *FOREIGN))


@pytest.mark.parametrize(("host", "code"), [(b"localhost", b"200"), (b"evil.example", b"421")])
@pytest.mark.parametrize("path", [b"/", b"/healthz", b"/api/v1/services", b"/static/list.js"])
async def test_every_path_refuses_a_foreign_host_name_with_421(path: bytes, host: bytes, code: bytes) -> None:
    desk = desk_with(holding())
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port:
        reader, writer = await connected(port)
        writer.write(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path, host))
        assert await status(reader) == code
        writer.close()
