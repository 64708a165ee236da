"""HTTP client of the running daemon: one request, bounded in time and size, sent directly and never by a proxy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp

TIMEOUT_S = 3.0
"""A daemon on loopback answers within milliseconds. One that takes longer than this counts as not running."""

MOST_BYTES = 16 * 2**20
"""Maximum size of a response body. Fifty decisions with their situations are about two megabytes."""


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
        return NoDaemon(f"no answer from {url} within {TIMEOUT_S:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return NoDaemon(f"no daemon at {url} ({str(error) or type(error).__name__})")


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
            f"no autoscaler at {url}: the server answers with a redirect (HTTP {status}), which is not followed; pass "
            "the address of the daemon"
        )
    return NoDaemon(f"no autoscaler at {url}: another server answers there (HTTP {status})")


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
