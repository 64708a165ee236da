"""Instant queries to Prometheus, or to whatever speaks its API: one number per query, or the reason why not.

It only reads. No credentials are sent, no redirect is followed, no proxy of the environment is used: who may ask is for
the network to say. Law: what is absent, partial, or not one finite number is Missing, never zero.

The instant of a reading is when the server evaluated the query. For the newest sample it looks back five minutes by
default, unless its target is known to be gone: a query that must not do so says so itself, by `timestamp()`.
"""

from __future__ import annotations

import asyncio
import errno
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

import aiohttp

from autoscaler.core.model import Instant, Measurement, Missing
from autoscaler.errors import Denied, NotFound, Refused, Throttled, Unavailable
from autoscaler.ports import Gauges, PrometheusQuery

PATH = "/api/v1/query"
MOST_BYTES = 1_000_000
MOST_CONNECTIONS = 20
"""To one server, which by default works on no more queries at once. Servers do not wait for each other."""

MOST_SECONDS = 1e12
LARGEST = 1.7976931348623157e308
QUOTED = 200
"""How many characters of the server's own text are passed on."""

NO_DATA = "no_data"
AWS_METADATA = IPv6Network("fd00:ec2::/32")
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "autoscaler"}


@asynccontextmanager
async def connect_prometheus(
    clock: Callable[[], Instant], wall: Callable[[], float], timeout_s: float = 3.0
) -> AsyncIterator[Gauges]:
    """The port, until the block ends: then every connection is closed. Nothing is opened before the first query.

    `clock` is the clock of all instants, `wall` gives seconds since the epoch. No query takes longer than `timeout_s`.
    """
    gauges = PrometheusGauges(clock, wall, timeout_s)
    try:
        yield gauges
    finally:
        await gauges.close()


class Answer(NamedTuple):
    """What came over the wire. A body that is too large ends one byte after what is allowed."""

    status: int
    body: bytes


class Sample(NamedTuple):
    """A finite number that is not negative, and the server's wall time of it."""

    value: float
    time_s: float


class PrometheusGauges:
    """The `Gauges` port over HTTP."""

    def __init__(self, clock: Callable[[], Instant], wall: Callable[[], float], timeout_s: float) -> None:
        self._clock = clock
        self._wall = wall
        self._timeout_s = timeout_s
        self._opened: aiohttp.ClientSession | None = None

    async def measure(self, query: PrometheusQuery) -> Measurement | Missing:
        """The query's one value now, at the server's time of it. Its `tasks` is None. Raises nothing of the world's."""
        match await self._ask(query):
            case Answer() as answer:
                found = _sample(answer)
            case missing:
                found = missing
        if isinstance(found, Missing):
            return Missing(f"Prometheus at {query.url} {found.reason}", found.kind)
        return Measurement(found.value, self._instant(found.time_s))

    async def close(self) -> None:
        """No connection is open any more."""
        if self._opened is not None:
            await self._opened.close()

    async def _ask(self, query: PrometheusQuery) -> Answer | Missing:
        url, parameters = query.url.rstrip("/") + PATH, {"query": query.query}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session().get(url, params=parameters, allow_redirects=False) as response,
            ):
                return Answer(response.status, await _body(response))
        except TimeoutError:
            return Missing(f"gave no answer within {self._timeout_s:g} s; check {_WAY}", Unavailable.kind)
        except (ValueError, aiohttp.NonHttpUrlClientError) as error:
            return Missing(f"cannot be asked ({_quoted(str(error))}); correct the address or the query", Refused.kind)
        except (aiohttp.ClientError, OSError) as error:
            said = _quoted(str(error)) or type(error).__name__
            return Missing(f"could not be reached ({said}); check {_WAY}", Unavailable.kind)

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=MOST_CONNECTIONS, socket_factory=_socket),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=HEADERS,
                auto_decompress=False,
                trust_env=False,
            )
        return self._opened

    def _instant(self, wall_s: float) -> Instant:
        """When that wall time was, on our clock. Never in the future, however far the server's clock is ahead."""
        now = self._clock()
        return min(now, now - (self._wall() - wall_s))


_WAY = "the address, the network between, and whether the server runs"


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket to connect to the address with. Raises PermissionError where it is the machine's own metadata: a name in
    the settings may lead anywhere, and that is where credentials are handed out.
    """
    family, kind, protocol, _, target = address
    host = ip_address(str(target[0]).partition("%")[0])
    if isinstance(host, IPv6Address) and host.ipv4_mapped:
        host = host.ipv4_mapped
    if host.is_link_local or host in AWS_METADATA:
        raise PermissionError(errno.EACCES, f"{host} is an address of the machine's own metadata")
    return socket.socket(family, kind, protocol)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk[: MOST_BYTES + 1 - len(body)]
        if len(body) > MOST_BYTES:
            break
    return bytes(body)


def _sample(answer: Answer) -> Sample | Missing:
    if len(answer.body) > MOST_BYTES:
        return Missing(f"gives more than {MOST_BYTES:,} bytes; aggregate the query with sum()", NO_DATA)
    match _read(answer.body):
        case {"status": "error", "errorType": str(kind), "error": str(text)}:
            status = answer.status if answer.status != 200 else _STATUS_OF.get(kind, 500)
            return _refusal(status, f"{_quoted(kind)}: {_quoted(text)}")
        case {"status": "success", "data": {"resultType": str(kind), "result": list(result)}, **rest} if (
            answer.status == 200
        ):
            return _partial(rest) or _one(kind, result)
    if answer.status != 200:
        return _refusal(answer.status, f"HTTP {answer.status}")
    return _stranger()


def _read(body: bytes) -> object:
    """The body's JSON. None: it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


_STATUS_OF: Mapping[str, int] = {"bad_data": 400, "execution": 422}
_CORRECT = (Refused.kind, "correct the query")
_ALLOW = (Denied.kind, "let the daemon read it without credentials, by the rules of the network")
_REMEDIES: Mapping[int, tuple[str, str]] = {
    400: _CORRECT,
    401: _ALLOW,
    403: _ALLOW,
    404: (NotFound.kind, f"check the address: it is the server's own, without {PATH}"),
    422: _CORRECT,
    429: (Throttled.kind, "it is tried again; ask less often, or allow more"),
}


def _refusal(status: int, said: str) -> Missing:
    if 300 <= status < 400:
        return Missing(f"leads elsewhere ({said}); give the address where it ends: none is followed", Refused.kind)
    again = (Unavailable.kind, "it is tried again at the next tick")
    strange = (Unavailable.kind, "check the address: what answers there is not Prometheus")
    kind, remedy = _REMEDIES.get(status, again if status >= 500 else strange)
    return Missing(f"does not answer the query ({said}); {remedy}", kind)


def _stranger() -> Missing:
    return Missing("gives what is no answer of Prometheus; check the address", Unavailable.kind)


def _partial(rest: Mapping[object, object]) -> Missing | None:
    """A warning means that a part could not be read: the number may be too small, which must not pass for idleness."""
    match rest:
        case {"warnings": [warning, *_]}:
            return Missing(f"answers with a warning ({_quoted(str(warning))}); mend what it tells", Unavailable.kind)
    return None


def _one(kind: str, result: list[object]) -> Sample | Missing:
    """The result's one number."""
    match kind, result:
        case ("scalar", [time_s, value]) | ("vector", [{"value": [time_s, value]}]):
            return _number(time_s, value)
        case "vector", [{"histogram": _}]:
            return Missing("gives a histogram; take one number of it, as with histogram_quantile()", NO_DATA)
        case "vector", []:
            return Missing("gives nothing, which is not zero; check the query's names and labels", NO_DATA)
        case "vector", [_, _, *_]:
            return Missing(f"gives {len(result)} series; aggregate the query with sum()", NO_DATA)
        case (("matrix" | "string"), _):
            return Missing(f"gives a {kind}, not a number; give an instant query without a range", NO_DATA)
    return _stranger()


def _number(time_s: object, text: object) -> Sample | Missing:
    if not isinstance(text, str) or not isinstance(time_s, int | float) or not 0 <= time_s <= MOST_SECONDS:
        return _stranger()
    try:
        value = float(text)
    except ValueError:
        return _stranger()
    if not 0 <= value <= LARGEST:  # false for NaN, too
        return Missing(f"gives {_quoted(text)}; only finite numbers from 0 on count, mend the query", NO_DATA)
    return Sample(value, float(time_s))


def _quoted(text: str) -> str:
    """Somebody else's text on one printable line."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= QUOTED else line[: QUOTED - 1] + "…"
