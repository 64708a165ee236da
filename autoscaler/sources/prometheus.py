"""The signal source Prometheus: an instant query to Prometheus or a server with its API returns one number, or the
reason why there is no number.

It only reads. It sends no credentials, follows no redirect and uses no proxy of the environment: the network controls
access. Invariant: a result that is absent, partial, or not one finite number is Missing, never zero.

The time of a reading is the server's evaluation time. By default the server uses a sample of up to five minutes before
it, unless the target is known to be gone. A query that must not use an old sample has to check `timestamp()`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

from autoscaler.config.groups import Group, required
from autoscaler.config.quoting import WrongValue, quote
from autoscaler.config.values import ValueKind, split_url, text
from autoscaler.core.model import Instant, Measurement, Missing
from autoscaler.errors import Denied, NotFound, Refused, Throttled, Unavailable
from autoscaler.ports import MetricPort, MetricRequest, ServiceRef
from autoscaler.sources.network import guarded_socket, is_metadata_address, one_line
from autoscaler.sources.source import NO_DATA, Connection, MetricSource

if TYPE_CHECKING:
    import aiohttp

PATH = "/api/v1/query"
MOST_BYTES = 1_000_000
MOST_CONNECTIONS = 20
"""Maximum connections per server. By default a server runs at most 20 queries at once. Each server has its own limit.
"""

MOST_SECONDS = 1e12
LARGEST = 1.7976931348623157e308
HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "autoscaler"}


_NO_BASE = re.compile(r"[?#\\]")
_SHAPE = re.compile(r"[!-~]{1,500}", re.ASCII)
_SERVER = "a Prometheus server, such as http://HOST:PORT"


def server(value: object) -> str:
    """Return the server's URL without a trailing slash. Raises WrongValue, without a password in its text."""
    text = value.strip() if isinstance(value, str) else ""
    url = split_url(text, _SERVER)
    if not _SHAPE.fullmatch(text) or _NO_BASE.search(text):
        raise WrongValue(f"{quote(text)} is not the URL of {_SERVER}")
    if url.path.rstrip("/").endswith(PATH):
        raise WrongValue(f"the URL must not contain {PATH}. Set only the URL of the server")
    if is_metadata_address(url.hostname or ""):
        raise WrongValue(f"{quote(text)} is an address of the instance metadata service, not of a Prometheus server")
    return text.rstrip("/")


SERVER = ValueKind("URL", server, {"type": "string", "pattern": "^https?://"})
_QUERY = text(re.compile(r"[^\0]{1,8000}"), "a query of at most 8000 characters")


class PrometheusFields(Group):
    """The settings of a metric from Prometheus."""

    prometheus: Annotated[str, SERVER] = required("Prometheus: URL of the server, such as http://prometheus:9090.")
    query: Annotated[str, _QUERY] = required("Prometheus: an instant query that returns one number.")


@dataclass(frozen=True, slots=True)
class PrometheusQuery(MetricRequest):
    """An instant query that returns one number. `url` is the server's, without `/api/v1/query`."""

    url: str
    query: str


class PrometheusSource(MetricSource[PrometheusFields]):
    """Evaluates the query at every poll. Its newest sample is about a minute old at most."""

    name = "prometheus"
    fields = PrometheusFields
    requests = PrometheusQuery

    def request(self, fields: PrometheusFields, region: str | None) -> PrometheusQuery:
        return PrometheusQuery(fields.prometheus, fields.query)

    @asynccontextmanager
    async def connect(self, connection: Connection) -> AsyncIterator[MetricPort[PrometheusQuery]]:
        """Yield the port, and close all connections at the end. No connection is opened before the first query."""
        queries = PrometheusQueries(connection.clock, connection.wall, connection.timeout_s)
        try:
            yield queries
        finally:
            await queries.close()


PROMETHEUS = PrometheusSource()


class HttpAnswer(NamedTuple):
    """An HTTP response. A body that is too large is cut one byte after the limit."""

    status: int
    body: bytes


class PrometheusSample(NamedTuple):
    """A finite number of at least 0, and its server time in seconds since the epoch."""

    value: float
    time_s: float


class PrometheusQueries:
    """A `MetricPort` over HTTP."""

    def __init__(self, clock: Callable[[], Instant], wall: Callable[[], float], timeout_s: float) -> None:
        self._clock = clock
        self._wall = wall
        self._timeout_s = timeout_s
        self._opened: aiohttp.ClientSession | None = None

    async def measure(self, service: ServiceRef, query: PrometheusQuery, /) -> Measurement | Missing:
        """Return the query's one value, at the server's evaluation time. Its `tasks` is None. Errors are Missing."""
        match await self._get(query):
            case HttpAnswer() as answer:
                found = _sample(answer)
            case missing:
                found = missing
        if isinstance(found, Missing):
            return Missing(f"Prometheus at {query.url} {found.reason}", found.kind)
        return Measurement(found.value, self._instant(found.time_s))

    async def close(self) -> None:
        """Close all connections."""
        if self._opened is not None:
            await self._opened.close()

    async def _get(self, query: PrometheusQuery) -> HttpAnswer | Missing:
        import aiohttp  # noqa: PLC0415 - commands that only read settings do not need it

        url, parameters = query.url.rstrip("/") + PATH, {"query": query.query}
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session().get(url, params=parameters, allow_redirects=False) as response,
            ):
                return HttpAnswer(response.status, await _body(response))
        except TimeoutError:
            return Missing(f"did not answer within {self._timeout_s:g} s; check {_CONNECTION}", Unavailable.kind)
        except (ValueError, aiohttp.NonHttpUrlClientError) as error:
            return Missing(
                f"cannot be queried ({one_line(str(error))}); correct the address or the query", Refused.kind
            )
        except (aiohttp.ClientError, OSError) as error:
            detail = one_line(str(error)) or type(error).__name__
            return Missing(f"could not be reached ({detail}); check {_CONNECTION}", Unavailable.kind)

    def _session(self) -> aiohttp.ClientSession:
        import aiohttp  # noqa: PLC0415 - as above

        if self._opened is None:
            self._opened = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, limit_per_host=MOST_CONNECTIONS, socket_factory=guarded_socket),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=HEADERS,
                auto_decompress=False,
                trust_env=False,
            )
        return self._opened

    def _instant(self, wall_s: float) -> Instant:
        """Return that wall time on the daemon's clock, and never a time in the future, even if the server's clock is
        ahead.
        """
        now = self._clock()
        return min(now, now - (self._wall() - wall_s))


_CONNECTION = "the address, the network path, and whether the server runs"


async def _body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk[: MOST_BYTES + 1 - len(body)]
        if len(body) > MOST_BYTES:
            break
    return bytes(body)


def _sample(answer: HttpAnswer) -> PrometheusSample | Missing:
    if len(answer.body) > MOST_BYTES:
        return Missing(f"returned more than {MOST_BYTES:,} bytes; aggregate the query with sum()", NO_DATA)
    match _parsed(answer.body):
        case {"status": "error", "errorType": str(kind), "error": str(text)}:
            status = answer.status if answer.status != 200 else _STATUS_OF.get(kind, 500)
            return _refusal(status, f"{one_line(kind)}: {one_line(text)}")
        case {"status": "success", "data": {"resultType": str(kind), "result": list(result)}, **rest} if (
            answer.status == 200
        ):
            return _partial(rest) or _one(kind, result)
    if answer.status != 200:
        return _refusal(answer.status, f"HTTP {answer.status}")
    return _not_prometheus()


def _parsed(body: bytes) -> object:
    """Return the body's JSON (None: it is not valid JSON)."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


_STATUS_OF: Mapping[str, int] = {"bad_data": 400, "execution": 422}
_CORRECT = (Refused.kind, "correct the query")
_ALLOW = (Denied.kind, "allow the daemon to read without credentials, and control access in the network")
_REMEDIES: Mapping[int, tuple[str, str]] = {
    400: _CORRECT,
    401: _ALLOW,
    403: _ALLOW,
    404: (NotFound.kind, f"check the address: it must be the base URL of the server, without {PATH}"),
    422: _CORRECT,
    429: (Throttled.kind, "it is tried again; query less often, or raise the server's limit"),
}


def _refusal(status: int, detail: str) -> Missing:
    if 300 <= status < 400:
        return Missing(f"redirects ({detail}); redirects are not followed: configure the final address", Refused.kind)
    retry = (Unavailable.kind, "it is tried again at the next poll")
    not_prometheus = (Unavailable.kind, "check the address: the server there is not Prometheus")
    kind, remedy = _REMEDIES.get(status, retry if status >= 500 else not_prometheus)
    return Missing(f"did not answer the query ({detail}); {remedy}", kind)


def _not_prometheus() -> Missing:
    return Missing("returned a response that is not from Prometheus; check the address", Unavailable.kind)


def _partial(rest: Mapping[object, object]) -> Missing | None:
    """Return Missing if there is a warning: data is missing, and a value that is too small must not count as idle."""
    match rest:
        case {"warnings": [warning, *_]}:
            return Missing(f"returned a warning ({one_line(str(warning))}); fix its cause", Unavailable.kind)
    return None


def _one(kind: str, result: list[object]) -> PrometheusSample | Missing:
    """Return the result's one number."""
    match kind, result:
        case ("scalar", [time_s, value]) | ("vector", [{"value": [time_s, value]}]):
            return _number(time_s, value)
        case "vector", [{"histogram": _}]:
            return Missing(
                "returned a histogram; reduce it to one number, for example with histogram_quantile()", NO_DATA
            )
        case "vector", []:
            return Missing("returned no series, which is not zero; check the query's names and labels", NO_DATA)
        case "vector", [_, _, *_]:
            return Missing(f"returned {len(result)} series; aggregate the query with sum()", NO_DATA)
        case (("matrix" | "string"), _):
            return Missing(f"returned a {kind}, not a number; use an instant query without a range", NO_DATA)
    return _not_prometheus()


def _number(time_s: object, text: object) -> PrometheusSample | Missing:
    if not isinstance(text, str) or not isinstance(time_s, int | float) or not 0 <= time_s <= MOST_SECONDS:
        return _not_prometheus()
    try:
        value = float(text)
    except ValueError:
        return _not_prometheus()
    if not 0 <= value <= LARGEST:  # false for NaN, too
        return Missing(
            f"returned {one_line(text)}; only finite numbers of at least 0 are valid, fix the query", NO_DATA
        )
    return PrometheusSample(value, float(time_s))
