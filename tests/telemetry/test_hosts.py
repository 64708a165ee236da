"""By which names the page answers: on loopback to its own alone, or a stranger's name could be made to lead there."""

from __future__ import annotations

import pytest

from autoscaler.telemetry import serve
from autoscaler.telemetry.hosts import Hosts
from tests.telemetry.test_guard import connected, status
from tests.telemetry.test_web import HUNG_AFTER_S, desk_with
from tests.telemetry.ticks import holding

OWN = ("localhost", "LOCALHOST:9108", "localhost.:9108", "127.0.0.1", "127.0.0.1:9108", "[::1]:9108", "10.0.0.7")
STRANGE = ("evil.example", "evil.example:9108", "127.0.0.1.evil.example", "localhost.evil.example", "", ":9108", "[x]")
LOOPBACK = ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "localhost", "LocalHost")


@pytest.mark.parametrize("listening", LOOPBACK)
def test_whoever_listens_on_loopback_alone_answers_to_addresses_localhost_and_his_own_name_only(listening: str) -> None:
    hosts = Hosts(listening)
    assert [header for header in OWN if not hosts.answer_to(header)] == []
    assert [header for header in STRANGE if hosts.answer_to(header)] == []
    assert hosts.answer_to(None), "no browser leaves it out"


@pytest.mark.parametrize("listening", ["0.0.0.0", "::", "", "10.0.0.7", "scaler.internal"])
def test_whoever_listens_on_more_than_loopback_answers_to_every_name(listening: str) -> None:
    assert all(Hosts(listening).answer_to(header) for header in (*OWN, *STRANGE))


@pytest.mark.parametrize(("host", "code"), [(b"localhost", b"200"), (b"evil.example", b"421")])
@pytest.mark.parametrize("path", [b"/", b"/healthz", b"/api/v1/services", b"/static/list.js"])
async def test_no_page_is_read_by_a_strange_name(path: bytes, host: bytes, code: bytes) -> None:
    desk = desk_with(holding())
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port:
        reader, writer = await connected(port)
        writer.write(b"GET %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (path, host))
        assert await status(reader) == code
        writer.close()
