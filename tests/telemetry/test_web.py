"""The HTTP interface, tested over HTTP: its responses, its refusals, and rendering outside the event loop."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text
from yarl import URL

from autoscaler.config import Chosen
from autoscaler.core.engine import decide
from autoscaler.core.model import Missing
from autoscaler.errors import ConfigError
from autoscaler.ports import QueueRef, ServiceRef
from autoscaler.situation import decode
from autoscaler.telemetry import serve, web
from autoscaler.telemetry.access import Access
from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.metrics import Form, Snapshot, render
from autoscaler.telemetry.page import assets, whole
from autoscaler.telemetry.page.rows import row_of
from autoscaler.telemetry.pages import FRESH_S
from autoscaler.telemetry.status_store import MOST_SERVICES_WITH_HISTORY
from tests.telemetry.polls import (
    SERVICE,
    JournalDesk,
    decided,
    holding,
    missing_signal,
    policy_of,
    scaling_out,
    seen,
    unread,
)

HUNG_AFTER_S = 30.0

PATHS = (
    *("/", "/services/orders", "/static/list.js", "/metrics", "/healthz", "/readyz"),
    *("/api/v1/services", "/api/v1/services/orders", "/api/v1/services/orders/decisions"),
)


@asynccontextmanager
async def site(desk: JournalDesk) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port,
        aiohttp.ClientSession(
            f"http://127.0.0.1:{port}", timeout=aiohttp.ClientTimeout(10), auto_decompress=False
        ) as session,
    ):
        yield session


async def answer(session: aiohttp.ClientSession, path: str) -> tuple[int, Any]:
    async with session.get(path) as response:
        return response.status, await response.json()


def desk_with(*polls: Any) -> JournalDesk:
    desk = JournalDesk()
    for poll in polls:
        desk.record(poll)
    return desk


@pytest.mark.parametrize("path", PATHS)
async def test_every_path_answers_get_and_head(path: str) -> None:
    async with site(desk_with(scaling_out())) as session:
        async with session.get(path) as response:
            assert response.status == 200
            body = await response.read()
        async with session.head(path) as response:
            assert response.status == 200
            assert await response.read() == b""
    assert body


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
async def test_every_method_except_get_and_head_is_refused(path: str, method: str) -> None:
    async with site(desk_with(scaling_out())) as session, session.request(method, path, data=b"x") as response:
        assert response.status == 405
        assert set(response.headers["Allow"].split(",")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/services/unknown/decisions", "/metrics/", "/../etc/passwd"])
async def test_an_unknown_path_is_404(path: str) -> None:
    async with site(desk_with(holding())) as session, session.get(path) as response:
        assert response.status == 404


@pytest.mark.parametrize("path", [*PATHS, "/nothing"])
async def test_every_response_has_the_security_headers(path: str) -> None:
    async with site(desk_with(holding())) as session, session.get(path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none';")
        assert "frame-ancestors 'none'" in policy
        assert not re.search(r"unsafe|https?:|\*|data:|blob:", policy)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Server"] == "autoscaler"
        assert "Set-Cookie" not in response.headers


REFUSED = {
    "no request line": b"not http at all\r\n\r\n",
    "another version": b"GET / HTTP/3.0\r\n\r\n",
    "long line": b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    "many fields": b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 500 + b"\r\n",
    "long body": b"GET / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n",  # refused by the parser of aiohttp
    "no path": b"GET nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a method of its own": b"FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "another host": b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "an address in the path": b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", REFUSED.values(), ids=REFUSED.keys())
async def test_every_refusal_has_the_security_headers_and_the_configured_ones(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    desk, access = desk_with(holding()), Access(headers={"Strict-Transport-Security": "max-age=60"})
    async with (
        serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S, access=access) as port,
        asyncio.timeout(20),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_bytes)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        writer.close()
    assert re.match(r"HTTP/1\.[01] [45]\d\d ", lines[0])
    expected = {**web.HEADERS, "Strict-Transport-Security": "max-age=60"}
    sent = dict(line.split(": ", 1) for line in lines[1:-2])
    assert {name: sent.get(name) for name in expected} == expected
    assert not caplog.records


async def test_the_response_to_an_error_of_a_handler_has_the_security_headers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("autoscaler.telemetry.views.health", fail)
    async with site(desk_with(holding())) as session, session.get("/healthz") as response:
        assert response.status == 500
        assert {name: response.headers.get(name) for name in web.HEADERS} == web.HEADERS
        assert "a bug" not in await response.text()
    assert [record.exc_text is not None for record in caplog.records] == [True]


async def test_the_health_check_fails_while_a_loop_is_stalled() -> None:
    desk = desk_with(holding(), decided(seen(), service=ServiceRef("bills", "prod", "bills")))
    async with site(desk) as session:
        desk.clock.now += HUNG_AFTER_S
        assert (await answer(session, "/healthz"))[0] == 200
        desk.record(holding(), 0.5)
        status, body = await answer(session, "/healthz")
        assert (status, body["hung"]) == (503, [{"service": "bills", "silent_for_s": HUNG_AFTER_S + 0.5}])
        desk.record(decided(seen(), service=ServiceRef("bills", "prod", "bills")))
        assert await answer(session, "/healthz") == (200, {"status": "ok", "hung": []})


async def test_a_loop_without_a_first_poll_becomes_stalled() -> None:
    desk = JournalDesk()
    desk.store.admit(SERVICE, policy_of())
    async with site(desk) as session:
        assert (await answer(session, "/healthz"))[0] == 200
        desk.clock.now += HUNG_AFTER_S + 0.5
        assert (await answer(session, "/healthz"))[0] == 503


async def test_the_health_check_does_not_fail_for_a_failing_service() -> None:
    async with site(desk_with(missing_signal(), unread())) as session:
        assert (await answer(session, "/healthz"))[0] == 200


async def test_the_daemon_is_ready_only_after_the_first_poll() -> None:
    desk = JournalDesk()
    desk.store.admit(SERVICE, policy_of())
    async with site(desk) as session:
        status, body = await answer(session, "/readyz")
        assert (status, body["services"]["orders"]["state"]) == (503, "starting")
        desk.record(holding(), 1.0)
        desk.clock.now += 2.5
        status, body = await answer(session, "/readyz")
    expected: dict[str, Any] = {"state": "ok", "mode": "active", "activate": None, "error": None, "since_tick_s": 2.5}
    expected |= {"faults": [], "notices": []}
    assert (status, body) == (200, {"status": "ready", "services": {"orders": expected}})


async def test_the_daemon_is_not_ready_while_every_service_fails_and_the_body_has_the_errors() -> None:
    desk = desk_with(unread("prod/orders-worker does not exist: check AUTOSCALER_SERVICE"))
    async with site(desk) as session:
        status, body = await answer(session, "/readyz")
        assert (status, body["services"]["orders"]["state"]) == (503, "failing")
        error = {"kind": "not_found", "text": "prod/orders-worker does not exist: check AUTOSCALER_SERVICE"}
        assert body["services"]["orders"]["error"] == error
        desk.record(decided(seen(), service=ServiceRef("bills", "prod", "bills")))
        desk.clock.now += FRESH_S
        status, body = await answer(session, "/readyz")
    assert status == 200
    assert {key: service["state"] for key, service in body["services"].items()} == {"orders": "failing", "bills": "ok"}


async def test_a_datapoint_that_does_not_exist_yet_is_a_fault_but_no_error() -> None:
    policy = policy_of(cpu_target_percent=60.0)
    desk = desk_with(decided(seen(cpu=Missing("no datapoint yet", "no_data")), policy=policy))
    async with site(desk) as session:
        status, body = await answer(session, "/readyz")
    service = body["services"]["orders"]
    assert (status, service["state"], service["error"]) == (200, "ok", None)
    assert service["faults"] == [{"signal": "cpu", "kind": "no_data", "reason": "no datapoint yet"}]


async def test_the_daemon_is_not_ready_without_services() -> None:
    async with site(JournalDesk()) as session:
        assert (await answer(session, "/readyz"))[0] == 503


async def test_the_api_lists_the_services_with_their_newest_decision() -> None:
    async with site(desk_with(scaling_out())) as session:
        status, body = await answer(session, "/api/v1/services")
    (service,) = body["services"]
    assert (status, service["key"], service["ecs_service"], service["state"]) == (200, "orders", "orders-worker", "ok")
    assert service["tasks"] == {"desired": 2, "running": 2, "pending": 0}
    assert service["decision"]["target"] == 20
    assert service["decision"]["sentence"].startswith("orders: 2 -> 20 tasks")


async def test_the_situation_of_each_decision_gives_the_same_target() -> None:
    desk = desk_with(scaling_out(), scaling_out(), holding(), holding())
    async with site(desk) as session:
        _, body = await answer(session, "/api/v1/services/orders/decisions")
    assert [entry["event"] for entry in body["decisions"]] == ["scaled", "scaled", None]
    for entry in body["decisions"]:
        assert decide(*decode(entry["situation"])).target == entry["target"]


async def test_a_newest_decision_that_was_logged_is_listed_once() -> None:
    async with site(desk_with(scaling_out())) as session:
        _, body = await answer(session, "/api/v1/services/orders/decisions")
    assert len(body["decisions"]) == 1


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize(
    ("accept", "kind", "read"),
    [
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", read_text),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            "application/openmetrics-text",
            read_openmetrics,
        ),
    ],
)
async def test_a_scrape_gets_the_format_that_it_accepts(accept: str, kind: str, read: Any, encoding: str) -> None:
    async with (
        site(desk_with(holding())) as session,
        session.get("/metrics", headers={"Accept": accept, "Accept-Encoding": encoding}) as response,
    ):
        body = await response.read()
        assert response.headers["Content-Type"].startswith(kind)
        assert response.headers.get("Content-Encoding", "identity") == encoding
    page = gzip.decompress(body) if encoding == "gzip" else body
    assert "autoscaler_tasks" in {family.name for family in read(page.decode())}


async def test_scrapes_are_rendered_in_another_thread_and_at_most_once_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads: list[threading.Thread] = []

    def watched(snapshot: Snapshot, form: Form, *, by_gzip: bool) -> bytes:
        threads.append(threading.current_thread())
        return render(snapshot, form, by_gzip=by_gzip)

    monkeypatch.setattr("autoscaler.telemetry.web.render", watched)
    desk = desk_with(holding())
    async with site(desk) as session:
        await asyncio.gather(*(_read(session) for _ in range(5)))
        assert len(threads) == 1
        desk.clock.now += FRESH_S
        await _read(session)
    assert len(threads) == 2
    assert threading.main_thread() not in threads


async def _read(session: aiohttp.ClientSession) -> bytes:
    async with session.get("/metrics") as response:
        return await response.read()


async def test_a_port_in_use_is_reported_with_its_variable() -> None:
    desk = JournalDesk()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as refused:
            async with serve(desk.store, desk.metrics, "127.0.0.1", port, HUNG_AFTER_S):
                pytest.fail("the server started")
    (problem,) = refused.value.problems
    assert problem.where == "AUTOSCALER_HTTP_PORT"
    assert f"port {port} on 127.0.0.1 is already in use" in problem.what


async def test_an_address_of_another_host_is_reported_with_its_variable() -> None:
    desk = JournalDesk()
    with pytest.raises(ConfigError) as refused:
        async with serve(desk.store, desk.metrics, "192.0.2.1", 0, HUNG_AFTER_S):
            pytest.fail("the server started")
    (problem,) = refused.value.problems
    assert problem.where == "AUTOSCALER_HTTP_HOST"
    assert "192.0.2.1" in problem.what


async def test_the_port_is_free_after_the_server_stops() -> None:
    desk = JournalDesk()
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port:
        pass
    async with serve(desk.store, desk.metrics, "127.0.0.1", port, HUNG_AFTER_S) as again:
        assert again == port


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"not http at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-Many: 1\r\n" * 500 + b"\r\n",
    ],
)
async def test_an_invalid_request_is_refused_and_not_logged(
    request_bytes: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    desk = desk_with(holding())
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port, asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request_bytes)
        head = await reader.readline()
        writer.close()
    assert head.startswith((b"HTTP/1.0 4", b"HTTP/1.1 4"))
    assert not caplog.records


HOSTILE = st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=y>', "&lt;", "'", "a/b?c#d", "\x1b", "\u2028", "\ud800"]
)


@settings(deadline=None)
@given(key=HOSTILE, reason=st.one_of(HOSTILE, st.text(alphabet="<>&\"'ab\n", min_size=1)))
def test_any_name_is_escaped_within_its_line_of_json(key: str, reason: str) -> None:
    """The HTML files contain no names. Their scripts get the names as JSON in ASCII, and insert them as text."""
    desk = desk_with(unread(reason, service=ServiceRef(key, "prod", "x"), policy=policy_of(key)))
    (status,) = desk.store.statuses()
    for document in (row_of(status), whole(status, desk.store.recorded(key), desk.store.past(key), keeps_history=True)):
        line = as_json(document)
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line) == json.loads(json.dumps(document))


async def test_only_the_files_of_the_page_are_served_and_a_cached_one_is_304() -> None:
    async with site(desk_with(holding())) as session:
        for name, asset in assets().items():
            async with session.get(f"/static/{name}", headers={"Accept-Encoding": "gzip"}) as response:
                assert gzip.decompress(await response.read()) == asset.plain
            known = {"If-None-Match": response.headers["ETag"]}
            async with session.get(f"/static/{name}", headers=known) as response:
                assert (response.status, await response.read()) == (304, b"")
        for name in ("..%2Fweb.py", "%2e%2e/web.py", "nothing.js", "static"):
            async with session.get(URL(f"/static/{name}", encoded=True)) as response:
                assert response.status == 404


def test_the_page_has_no_inline_script_or_style_and_loads_nothing_from_other_servers() -> None:
    for name, asset in assets().items():
        text = asset.plain.decode()
        if name.endswith(".html"):
            assert "style=" not in text
            assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=", text)
        if not name.startswith("uPlot") and name != "LICENSE":
            assert not re.search(
                r"https?://(?!www\.w3\.org/2000/svg)|innerHTML|insertAdjacentHTML|document\.write", text
            )


def test_every_file_that_a_script_or_a_document_names_is_served() -> None:
    for name, asset in assets().items():
        named = re.findall(r"""from '\./([^']+)'|(?:src|href)="/static/([^"]+)\"""", asset.plain.decode())
        assert {one or other for one, other in named} <= set(assets()), name


async def test_a_service_has_a_page_and_its_state_as_json() -> None:
    desk = desk_with(scaling_out(), holding())
    desk.store.admit(SERVICE, policy_of(), (Chosen("max_tasks", "20", "AUTOSCALER_MAX_TASKS"),))
    async with site(desk) as session:
        async with session.get("/services/orders") as response:
            assert (response.status, response.content_type) == (200, "text/html")
        async with session.get("/services/unknown") as response:
            assert (response.status, response.content_type) == (404, "text/html")
        status, body = await answer(session, "/api/v1/services/orders")
    assert status == 200
    assert [entry["event"] for entry in body["decisions"]] == [None, "scaled"]
    assert body["decisions"][1]["steps"] == []
    assert body["history"]["waiting"] == [100.0]
    assert body["settings"] == [{"name": "max_tasks", "value": "20", "origin": "AUTOSCALER_MAX_TASKS"}]
    assert "max_tasks" not in [one["name"] for one in body["defaults"]]
    assert {"name": "tolerance", "value": "0.1", "origin": "default"} in body["defaults"]


async def test_a_service_in_aws_has_links_to_the_console_of_its_region() -> None:
    desk = desk_with(holding())
    desk.store.admit(SERVICE, policy_of(), queues=(QueueRef("orders-queue"),))
    desk.store.account_of = {QueueRef("orders-queue"): "123456789012"}.get
    desk.metrics.region = "eu-west-1"
    async with site(desk) as session:
        _, body = await answer(session, "/api/v1/services/orders")
        assert body["console"]["service"].startswith("https://eu-west-1.console.aws.amazon.com/ecs/")
        assert "123456789012%2Forders-queue" in body["console"]["queues"]["orders-queue"]["queue"]
    desk.store.is_aws = False
    async with site(desk) as session:
        _, body = await answer(session, "/api/v1/services/orders")
        assert body["console"] is None


async def test_with_more_services_than_the_limit_no_history_is_stored_and_the_api_states_it() -> None:
    desk = desk_with(scaling_out())
    for number in range(MOST_SERVICES_WITH_HISTORY):
        desk.store.admit(ServiceRef(f"service-{number}", "prod", "x"), policy_of())
    desk.record(scaling_out())
    assert (desk.store.recorded("orders"), desk.store.past("orders")) == ((), None)
    async with site(desk) as session:
        _, body = await answer(session, "/api/v1/services/orders")
        assert "With more than 1,000 services" in body["not_kept"]
        assert (body["history"], len(body["decisions"])) == (None, 1)
    desk.store.dismiss("service-0")
    desk.record(scaling_out())
    assert (len(desk.store.recorded("orders")), desk.store.past("orders") is None) == (1, False)
