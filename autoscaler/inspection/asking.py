"""HTTP client of the running daemon: one request, bounded in time and size, sent directly and never by a proxy."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp

TIMEOUT_S = 3.0
"""A daemon on loopback answers within milliseconds. One that takes longer than this counts as not running."""

MOST_BYTES = 16 * 2**20
"""Maximum size of a response body. Fifty decisions with their situations are about two megabytes."""


REMEDY = "Start it with `autoscaler run`, or pass its address with --url."


@dataclass(frozen=True, slots=True)
class Answered:
    """The daemon has the service. `decisions` are the last ones of the service, oldest first."""

    decisions: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Unknown:
    """The daemon does not have the service. `keys` are the services that it has."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceList:
    """All services of the daemon, as `/api/v1/services` returns them."""

    services: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class NoDaemon:
    """No autoscaler daemon answered at the address. `reason` is a sentence."""

    reason: str


async def fetch_decisions(url: str, key: str) -> Answered | Unknown | NoDaemon:
    """Return the last decisions of the service from the daemon at `url`. A network error returns `NoDaemon`."""
    answer = await _get(url, f"/api/v1/services/{quote(key, safe='')}/decisions")
    match answer:
        case 200, {"decisions": [*decisions]} if all(map(_is_account, decisions)):
            return Answered(decisions)
        case 404, {"services": [*keys]} if all(isinstance(key, str) for key in keys):
            return Unknown(tuple(keys))
    return answer if isinstance(answer, NoDaemon) else _not_an_autoscaler(url, answer.status)


async def fetch_services(url: str) -> ServiceList | NoDaemon:
    """Return all services of the daemon at `url`. A network error returns `NoDaemon`."""
    answer = await _get(url, "/api/v1/services")
    match answer:
        case 200, {"services": [*services]} if all(map(_is_service, services)):
            return ServiceList(services)
    return answer if isinstance(answer, NoDaemon) else _not_an_autoscaler(url, answer.status)


class _HttpAnswer(NamedTuple):
    status: int
    content: object
    """The body as JSON. None: it is not JSON."""


async def _get(url: str, path: str) -> _HttpAnswer | NoDaemon:
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            aiohttp.ClientSession(trust_env=False) as session,
            session.get(f"{url.rstrip('/')}{path}", allow_redirects=False) as response,
        ):
            return _HttpAnswer(response.status, _json(await _body(response)))
    except TimeoutError:
        return _no_daemon(url, f"no response within {TIMEOUT_S:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return _no_daemon(url, _cause(error))


def _no_daemon(url: str, cause: str) -> NoDaemon:
    return NoDaemon(f"No daemon at {url}: {cause}. {REMEDY}")


_CAUSES: Mapping[type[Exception], str] = {
    aiohttp.ClientConnectorDNSError: "the host name cannot be resolved",
    aiohttp.ClientConnectorCertificateError: "the TLS certificate is not valid",
    aiohttp.ClientSSLError: "the TLS connection failed",
    aiohttp.ServerDisconnectedError: "the server closed the connection without a response",
    aiohttp.ClientResponseError: "the response is not valid HTTP",
    aiohttp.ClientPayloadError: "the response is not valid HTTP",
    aiohttp.InvalidURL: "the URL is not valid",
}
"""The first match applies."""


def _cause(error: Exception) -> str:
    """Return the cause of a failed request, without the text of the HTTP library."""
    known = next((text for kind, text in _CAUSES.items() if isinstance(error, kind)), None)
    if known is not None:
        return known
    failed = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return _cause_of(failed) if isinstance(failed, OSError) else "the request failed"


def _cause_of(error: OSError) -> str:
    """Return the operating system's text. asyncio replaces it if several addresses failed, or adds the address."""
    if isinstance(error, ConnectionRefusedError) or error.errno == errno.ECONNREFUSED:
        return "connection refused"
    return os.strerror(error.errno).lower() if error.errno else "the connection failed"


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """Return the body. Empty: it is larger than `MOST_BYTES`."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_BYTES:
            return b""
    return bytes(body)


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _not_an_autoscaler(url: str, status: int) -> NoDaemon:
    if 300 <= status < 400:
        return NoDaemon(
            f"No autoscaler at {url}: the server returns a redirect (HTTP {status}), which is not followed. Pass the "
            "address of the daemon with --url."
        )
    return NoDaemon(
        f"No autoscaler at {url}: another server responds there (HTTP {status}). Pass the address of the daemon with "
        "--url."
    )


def _is_account(content: object) -> bool:
    match content:
        case {"sentence": str(), "steps": [*steps], "current": _, "target": _}:
            return all(isinstance(step, dict) and step.keys() >= {"rule", "from", "to", "reason"} for step in steps)
    return False


def _is_service(content: object) -> bool:
    match content:
        case {"key": str(), "state": str(), "mode": str(), "notices": [*_], "faults": [*_], "queues": [*queues]}:
            return all(isinstance(queue, dict) and "name" in queue for queue in queues)
    return False
