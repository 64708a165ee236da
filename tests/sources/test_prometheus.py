"""Prometheus over HTTP: the result of a query is one number, or the reason why there is no number and the remedy."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.model import Measurement, Missing
from autoscaler.ports import MetricPort, ServiceRef
from autoscaler.sources import prometheus
from autoscaler.sources.prometheus import (
    MOST_BYTES,
    PROMETHEUS,
    HttpAnswer,
    PrometheusQuery,
    PrometheusSample,
)
from autoscaler.sources.source import Connection
from tests.sources.double import (
    SAMPLE_S,
    PrometheusDouble,
    PrometheusReply,
    error,
    ok,
    raw_server,
    scalar,
    serving,
    vector,
)

NOW = 1000.0
WALL_S = 5000.0
QUERY = 'sum(lag{topic="orders & bills", zone=~"a+"}) % 7'
REF = ServiceRef("orders", "prod", "orders")
Queries: TypeAlias = MetricPort[PrometheusQuery]
KINDS = {"throttled", "unavailable", "denied", "not_found", "refused", "no_data"}


@pytest_asyncio.fixture
async def double() -> AsyncIterator[PrometheusDouble]:
    async with serving() as double:
        yield double


@pytest_asyncio.fixture
async def queries() -> AsyncIterator[Queries]:
    async with connected(5.0) as queries:
        yield queries


def connected(timeout_s: float) -> Any:
    unused: Any = None
    return PROMETHEUS.connect(Connection(unused, lambda: NOW, lambda: WALL_S, timeout_s))


async def measured(queries: Queries, double: PrometheusDouble, reply: PrometheusReply) -> Measurement | Missing:
    double.reply = reply
    return await queries.measure(REF, PrometheusQuery(double.url, QUERY))


async def missing_for(queries: Queries, double: PrometheusDouble, reply: PrometheusReply) -> Missing:
    """Return the Missing for the reply. Fails unless its reason is one printable line that names the server."""
    found = await measured(queries, double, reply)
    assert isinstance(found, Missing)
    assert found.reason.startswith(f"Prometheus at {double.url} ")
    assert found.reason.isprintable()
    assert len(found.reason) < 500
    assert found.kind in KINDS
    return found


# One number


@pytest.mark.parametrize("reply", [scalar("12.5"), vector("12.5"), ok("scalar", [SAMPLE_S, "12.5"], infos=["so so"])])
async def test_a_scalar_or_a_single_series_is_a_measurement(
    queries: Queries, double: PrometheusDouble, reply: PrometheusReply
) -> None:
    assert await measured(queries, double, reply) == Measurement(12.5, NOW - (WALL_S - SAMPLE_S), None)


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("1e308", 1e308), ("5e-324", 5e-324), ("-0", 0.0)])
async def test_every_finite_number_of_at_least_0_is_valid(
    queries: Queries, double: PrometheusDouble, text: str, value: float
) -> None:
    found = await measured(queries, double, scalar(text))
    assert isinstance(found, Measurement)
    assert found.value == value


@pytest.mark.parametrize("ahead_s", [0.0, 0.001, 5.0, 1e6])
async def test_the_time_of_a_reading_is_never_in_the_future(
    queries: Queries, double: PrometheusDouble, ahead_s: float
) -> None:
    found = await measured(queries, double, scalar("1", WALL_S + ahead_s))
    assert isinstance(found, Measurement)
    assert found.at == NOW


async def test_the_query_is_sent_unchanged_and_without_credentials(queries: Queries, double: PrometheusDouble) -> None:
    await measured(queries, double, scalar("1"))
    (request,) = double.requests
    assert (request.method, request.path, request.query) == ("GET", "/api/v1/query", {"query": QUERY})
    assert {"Authorization", "Cookie", "Proxy-Authorization"}.isdisjoint(request.headers)
    assert request.headers["Accept-Encoding"] == "identity"


async def test_the_path_of_the_base_url_is_used(queries: Queries, double: PrometheusDouble) -> None:
    for path in ("/tenant/one", "/tenant/one/"):
        await queries.measure(REF, PrometheusQuery(double.url + path, QUERY))
    assert [request.path for request in double.requests] == ["/tenant/one/api/v1/query"] * 2


async def test_consecutive_queries_share_one_connection(queries: Queries, double: PrometheusDouble) -> None:
    for _ in range(3):
        await measured(queries, double, scalar("1"))
    assert len(double.requests) == 3
    assert len(double.transports) == 1


async def test_no_cookie_is_stored(queries: Queries, double: PrometheusDouble) -> None:
    double.reply = PrometheusReply(scalar("1").body, headers={"Set-Cookie": "who=me"})
    named = double.url.replace("127.0.0.1", "localhost")  # no client stores cookies of a server without a name
    for _ in range(2):
        assert isinstance(await queries.measure(REF, PrometheusQuery(named, QUERY)), Measurement)
    assert "Cookie" not in double.requests[-1].headers


# No number


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf", "-1", "-1e-9", "1e999"])
async def test_a_negative_or_infinite_number_or_nan_is_no_data(
    queries: Queries, double: PrometheusDouble, text: str
) -> None:
    missing = await missing_for(queries, double, vector(text))
    assert missing.kind == "no_data"
    assert f"returned {text}; only finite numbers of at least 0 are valid" in missing.reason


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (vector(), "returned no series, which is not zero; check the query's names and labels"),
        (vector("1", "2"), "returned 2 series; aggregate the query with sum()"),
        (vector("1", "2", "3"), "returned 3 series; aggregate the query with sum()"),
        (ok("vector", [{"histogram": [1, {}]}]), "returned a histogram; reduce it to one number"),
        (
            ok("matrix", [{"values": [[1, "2"]]}]),
            "returned a matrix, not a number; use an instant query without a range",
        ),
        (ok("string", [SAMPLE_S, "12"]), "returned a string, not a number; use an instant query without a range"),
        (
            PrometheusReply(b"[" * (MOST_BYTES + 1)),
            "returned more than 1,000,000 bytes; aggregate the query with sum()",
        ),
    ],
)
async def test_an_answer_that_is_not_one_number_is_no_data(
    queries: Queries, double: PrometheusDouble, reply: PrometheusReply, sentence: str
) -> None:
    missing = await missing_for(queries, double, reply)
    assert sentence in missing.reason
    assert missing.kind == "no_data"


async def test_an_answer_at_the_size_limit_is_read_and_one_above_it_is_missing(
    queries: Queries, double: PrometheusDouble
) -> None:
    body = scalar("1").body
    assert isinstance(await measured(queries, double, PrometheusReply(body.ljust(MOST_BYTES))), Measurement)
    assert isinstance(await measured(queries, double, PrometheusReply(body.ljust(MOST_BYTES + 1))), Missing)


async def test_an_answer_with_a_warning_is_missing(queries: Queries, double: PrometheusDouble) -> None:
    missing = await missing_for(queries, double, ok("scalar", [SAMPLE_S, "1"], warnings=["store 3 is\n away"]))
    assert "returned a warning (store 3 is away); fix its cause" in missing.reason
    assert missing.kind == "unavailable"
    assert isinstance(await measured(queries, double, ok("scalar", [SAMPLE_S, "1"], warnings=[])), Measurement)


@pytest.mark.parametrize(
    ("reply", "kind", "sentence"),
    [
        (error("bad_data", "1:3: parse\x1b error", 400), "refused", "(bad_data: 1:3: parse error); correct the query"),
        (error("execution", "many-to-many", 422), "refused", "(execution: many-to-many); correct the query"),
        (error("timeout", "too slow", 503), "unavailable", "(timeout: too slow); it is tried again at the next poll"),
        (error("internal", "oh", 500), "unavailable", "(internal: oh); it is tried again at the next poll"),
        (error("bad_data", "oh", 200), "refused", "(bad_data: oh); correct the query"),
        (error("execution", "oh", 200), "refused", "(execution: oh); correct the query"),
        (error("canceled", "oh", 200), "unavailable", "(canceled: oh); it is tried again at the next poll"),
        (error("bad_data", "x" * 300, 400), "refused", f"({'bad_data: ' + 'x' * 199}…); correct the query"),
        (PrometheusReply(b"who are you?", 401), "denied", "(HTTP 401); allow the daemon to read without credentials"),
        (PrometheusReply(b"", 403), "denied", "(HTTP 403); allow the daemon to read without credentials"),
        (
            PrometheusReply(b"no", 404),
            "not_found",
            "check the address: it must be the base URL of the server, without /api/v1/query",
        ),
        (
            PrometheusReply(b"no", 418),
            "unavailable",
            "(HTTP 418); check the address: the server there is not Prometheus",
        ),
        (
            PrometheusReply(b"", 204),
            "unavailable",
            "(HTTP 204); check the address: the server there is not Prometheus",
        ),
        (PrometheusReply(scalar("1").body, 203), "unavailable", "(HTTP 203)"),
        (
            PrometheusReply(b"slowly", 429),
            "throttled",
            "(HTTP 429); it is tried again; query less often, or raise the server's limit",
        ),
        (PrometheusReply(b"<html>", 500), "unavailable", "(HTTP 500); it is tried again at the next poll"),
        (PrometheusReply(b"<html>", 502), "unavailable", "(HTTP 502); it is tried again at the next poll"),
        (PrometheusReply(scalar("1").body, 500), "unavailable", "(HTTP 500); it is tried again at the next poll"),
    ],
)
async def test_an_error_is_reported_with_its_kind_and_remedy(
    queries: Queries, double: PrometheusDouble, reply: PrometheusReply, kind: str, sentence: str
) -> None:
    missing = await missing_for(queries, double, reply)
    assert sentence in missing.reason
    assert missing.kind == kind


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_reported_and_not_followed(queries: Queries, double: PrometheusDouble, status: int) -> None:
    missing = await missing_for(queries, double, PrometheusReply(b"", status, {"Location": f"{double.url}/elsewhere"}))
    assert f"redirects (HTTP {status}); redirects are not followed: configure the final address" in missing.reason
    assert missing.kind == "refused"
    assert [request.path for request in double.requests] == ["/api/v1/query"]


NOT_FROM_PROMETHEUS = [
    b"",
    b"<html>hello</html>",
    b"null",
    b"12",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"status": "success"}',
    b'{"status": "success", "data": {}}',
    b'{"status": "error"}',
    ok("scalar", []).body,
    ok("scalar", [SAMPLE_S]).body,
    ok("scalar", [SAMPLE_S, 12.5]).body,
    ok("scalar", [SAMPLE_S, None]).body,
    ok("scalar", [SAMPLE_S, "twelve"]).body,
    ok("scalar", ["now", "1"]).body,
    ok("scalar", [None, "1"]).body,
    ok("scalar", [-1, "1"]).body,
    ok("scalar", [10**400, "1"]).body,
    ok("scalar", [float("nan"), "1"]).body,
    ok("scalar", "12").body,
    ok("vector", {"value": [SAMPLE_S, "1"]}).body,
    ok("vector", ["1"]).body,
    ok("vector", [{"value": "1"}]).body,
    ok("graph", []).body,
]


@pytest.mark.parametrize("body", NOT_FROM_PROMETHEUS)
async def test_a_response_that_is_not_from_prometheus_is_reported(
    queries: Queries, double: PrometheusDouble, body: bytes
) -> None:
    missing = await missing_for(queries, double, PrometheusReply(body))
    assert missing.reason.endswith("returned a response that is not from Prometheus; check the address")
    assert missing.kind == "unavailable"


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=4) | st.sampled_from(["1", "NaN"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "result", "resultType", "metric", "histogram"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(json_values, st.sampled_from(["scalar", "vector", "matrix", "x"]), st.sampled_from([200, 200, 200, 400, 503]))
def test_any_json_result_is_a_valid_number_or_missing(result: object, kind: str, status: int) -> None:
    body = json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()
    found = prometheus._sample(HttpAnswer(status, body))
    assert isinstance(found, Missing) or (isinstance(found, PrometheusSample) and 0 <= found.value < float("inf"))


# Connections


@pytest.mark.parametrize("reply", [PrometheusReply(hangs=True), PrometheusReply(b'{"status":', late=True)])
async def test_a_query_ends_at_its_timeout(double: PrometheusDouble, reply: PrometheusReply) -> None:
    async with connected(0.05) as queries, asyncio.timeout(5):
        missing = await missing_for(queries, double, reply)
    assert "did not answer within 0.05 s; check the address" in missing.reason
    assert missing.kind == "unavailable"


async def test_a_server_that_hangs_does_not_delay_the_queries_to_another(double: PrometheusDouble) -> None:
    async with serving() as hanging, connected(30.0) as queries, asyncio.TaskGroup() as group:
        hanging.reply = PrometheusReply(hangs=True)
        stuck = [group.create_task(queries.measure(REF, PrometheusQuery(hanging.url, "1"))) for _ in range(150)]
        async with asyncio.timeout(10):
            await hanging.until_requested(prometheus.MOST_CONNECTIONS)
            assert isinstance(await measured(queries, double, scalar("1")), Measurement)
        assert len(hanging.transports) == prometheus.MOST_CONNECTIONS
        for task in stuck:
            task.cancel()


async def test_a_refused_connection_is_reported(queries: Queries) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        missing = await queries.measure(REF, PrometheusQuery(url, QUERY))
    assert isinstance(missing, Missing)
    assert "could not be reached (" in missing.reason
    assert "check the address, the network path, and whether the server runs" in missing.reason
    assert missing.kind == "unavailable"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\x01\x02",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
    ],
)
async def test_a_response_that_is_not_valid_http_is_reported(queries: Queries, raw: bytes) -> None:
    async with raw_server(raw) as url:
        missing = await queries.measure(REF, PrometheusQuery(url, QUERY))
    assert isinstance(missing, Missing)
    assert missing.kind == "unavailable"
    assert missing.reason.isprintable()
    assert re.search(r"could not be reached \(.+\); check", missing.reason)


@pytest.mark.parametrize("url", ["http://[", "ftp://127.0.0.1", "nothing", "http://127.0.0.1:99999"])
async def test_an_invalid_url_is_refused(queries: Queries, url: str) -> None:
    missing = await queries.measure(REF, PrometheusQuery(url, QUERY))
    assert isinstance(missing, Missing)
    assert missing.kind == "refused"
    assert "cannot be queried" in missing.reason


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "169.254.170.2", "0xA9FEA9FE", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[fe80::1%25lo]"],
)
async def test_an_instance_metadata_address_is_never_queried(host: str) -> None:
    async with connected(1.0) as queries:
        missing = await queries.measure(REF, PrometheusQuery(f"http://{host}:9", QUERY))
    assert isinstance(missing, Missing)
    assert "is an instance metadata address" in missing.reason


async def test_no_proxy_and_no_netrc_file_of_the_environment_is_used(
    double: PrometheusDouble, queries: Queries, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with serving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        await measured(queries, double, scalar("1"))
        assert (len(double.requests), len(proxy.requests)) == (1, 0)
    assert "Authorization" not in double.requests[0].headers


# The session


async def test_no_session_is_opened_before_the_first_query(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(aiohttp, "ClientSession", lambda **_: opened.append(1))
    async with connected(1.0):
        pass
    assert opened == []


async def test_the_session_is_closed_also_after_an_error(double: PrometheusDouble) -> None:
    sessions = []

    async def fail() -> None:
        async with connected(5.0) as queries:
            await measured(queries, double, scalar("1"))
            sessions.append(queries._opened)
            raise RuntimeError("the end")

    with pytest.raises(RuntimeError, match="the end"):
        await fail()
    assert [session.closed for session in sessions] == [True]


async def test_a_cancelled_query_does_not_affect_the_next_one(double: PrometheusDouble, queries: Queries) -> None:
    double.reply = PrometheusReply(hangs=True)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await queries.measure(REF, PrometheusQuery(double.url, QUERY))
    assert isinstance(await measured(queries, double, scalar("1")), Measurement)
