"""The running daemon, asked over HTTP: one request, bounded in time and size, straight to it and not by a proxy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

import aiohttp

ASK_S = 3.0
"""A daemon on loopback answers within milliseconds; one that takes longer is as good as gone."""

MOST_BYTES = 16 * 2**20
"""Fifty decisions with their situations are about two megabytes."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The daemon knows the service. `decisions` are its last ones, oldest first."""

    decisions: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Unknown:
    """The daemon has no such service; `keys` are those it has."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """All that the daemon serves, as its `/api/v1/services` tells it."""

    services: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Silent:
    """Nobody answered there as a daemon of ours does; `reason` is a sentence."""

    reason: str


async def ask(url: str, key: str) -> Answered | Unknown | Silent:
    """What the daemon at `url` says of the service. Raises nothing that the network may do."""
    heard = await _get(url, f"/api/v1/services/{quote(key, safe='')}/decisions")
    match heard:
        case 200, {"decisions": [*decisions]} if all(map(_is_account, decisions)):
            return Answered(decisions)
        case 404, {"services": [*keys]} if all(isinstance(key, str) for key in keys):
            return Unknown(tuple(keys))
    return heard if isinstance(heard, Silent) else _stranger(url, heard.status)


async def ask_all(url: str) -> Listed | Silent:
    """What the daemon at `url` says of all its services. Raises nothing that the network may do."""
    heard = await _get(url, "/api/v1/services")
    match heard:
        case 200, {"services": [*services]} if all(map(_is_service, services)):
            return Listed(services)
    return heard if isinstance(heard, Silent) else _stranger(url, heard.status)


class _Heard(NamedTuple):
    status: int
    told: object
    """The body as JSON; None where it is none."""


async def _get(url: str, path: str) -> _Heard | Silent:
    try:
        async with (
            asyncio.timeout(ASK_S),
            aiohttp.ClientSession(trust_env=False) as session,
            session.get(f"{url.rstrip('/')}{path}", allow_redirects=False) as response,
        ):
            return _Heard(response.status, _json(await _body(response)))
    except TimeoutError:
        return Silent(f"no answer from {url} within {ASK_S:g} s")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Silent(f"no daemon at {url} ({str(error) or type(error).__name__})")


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """The body; empty where it is larger than a daemon's can be."""
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


def _stranger(url: str, status: int) -> Silent:
    if 300 <= status < 400:
        return Silent(
            f"no autoscaler at {url}: it answers with a redirect (HTTP {status}), which is not followed; give the "
            "daemon's own address"
        )
    return Silent(f"what answers at {url} is no autoscaler (HTTP {status})")


def _is_account(told: object) -> bool:
    match told:
        case {"sentence": str(), "steps": [*steps], "current": _, "target": _}:
            return all(isinstance(step, dict) and step.keys() >= {"rule", "from", "to", "reason"} for step in steps)
    return False


def _is_service(told: object) -> bool:
    match told:
        case {"key": str(), "state": str(), "mode": str(), "notices": [*_], "faults": [*_], "queues": [*queues]}:
            return all(isinstance(queue, dict) and "name" in queue for queue in queues)
    return False
