"""The open connections of the HTTP interface: how many, from whom, and how far each has come.

Invariant: before a client has sent a complete request, it costs one file descriptor and one TLS handshake at most, and
both are bounded. At a limit the oldest connection that is not used makes room for the new one, first of the client with
the most connections, so that many silent clients do not keep others out. Some connections are reserved for health
checks: an orchestrator stops a container whose health check fails.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

MOST_CONNECTIONS = 256
"""Open connections, at 1,024 file descriptors or more: with TLS they use about 30 MB."""

FILES_PER_CONNECTION = 4
"""With fewer file descriptors, a quarter of them are for clients. The others are for AWS: 50 connections per client of
the SDK, and one client per throttle category and Region."""

HEAD_S = 10.0
"""Seconds for a request head, from its first byte. For the first head, with the TLS handshake: from the accept."""

STALLED_S = 1.0
"""Seconds without reading after which a connection can make room for a new one. A slow client reads more often."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """`most`: all connections. The others are parts of it."""

    most: int = MOST_CONNECTIONS

    @property
    def reserved(self) -> int:
        """Connections that are reserved for health checks from loopback, and as many for those from other peers."""
        return max(1, self.most // 16)

    @property
    def ordinary(self) -> int:
        return self.most - 2 * self.reserved

    @property
    def per_address(self) -> int:
        """Connections from one address, except loopback. Four addresses are needed to use all."""
        return max(1, self.most // 4)

    @property
    def handshakes(self) -> int:
        """TLS handshakes at a time. Each uses about 110 KB."""
        return max(1, self.most // 4)


def raise_file_limit() -> None:
    """Raise the soft limit of file descriptors to the hard limit. The usual soft limit of 1,024 is for programs that
    use `select`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def limits_within_files() -> ConnectionLimits:
    """Return the limits for the file descriptors of this process."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return limits_for(files)


def limits_for(files: int) -> ConnectionLimits:
    """Return the limits for this number of file descriptors (negative: infinite)."""
    most = MOST_CONNECTIONS if files < 0 else min(MOST_CONNECTIONS, files // FILES_PER_CONNECTION)
    return ConnectionLimits(max(4, most))


class RefusalReason(StrEnum):
    """Why a connection or its request was not served: the label `reason` of a metric."""

    NO_ROOM = auto()
    """All connections are in use, or only those for health checks are left."""
    REPLACED = auto()
    """It was not used, and a newer connection needed its place."""
    TOO_MANY_HANDSHAKES = auto()
    """It was in the oldest of too many TLS handshakes."""
    TLS_FAILED = auto()
    """Its TLS handshake failed, or the client closed it before the handshake."""
    NO_REQUEST = auto()
    """It sent no complete request head in time, from the accept or from the first byte of a later head."""
    BAD_REQUEST = auto()
    """Its request is not HTTP/1.1, or too large."""
    NOT_READ = auto()
    """The client did not read the response."""


class Stage(Enum):
    """How far a connection has come. `ARRIVED`: no TLS handshake has begun. `HANDSHAKE`: it has not ended. `OPEN`: no
    request is complete. `BUSY`: a request is answered. `STALLED`: the client does not read the response. `IDLE`: all
    requests are answered. `REFUSED`: it closes after the refusal.
    """

    ARRIVED = auto()
    HANDSHAKE = auto()
    OPEN = auto()
    BUSY = auto()
    STALLED = auto()
    IDLE = auto()
    REFUSED = auto()


class HttpConnection:
    """One accepted connection. `client`: its address, as limits count it. `is_for_health`: it is one of the reserved
    connections, so only a health check is answered.
    """

    def __init__(self, connections: OpenConnections, host: str) -> None:
        self._connections = connections
        self.client = client_of(host)
        self.is_local = is_loopback(host)
        self.is_for_health = False
        self.stage = Stage.ARRIVED
        self.abort: Callable[[], None] = _nothing
        self._deadline = Deadline(HEAD_S)
        self._since = asyncio.get_running_loop().time()

    def expect_head(self) -> None:
        """Drop the connection if a request head is not complete in time. A head that is expected already has no more
        time.
        """
        self._deadline.begin(partial(self.drop, RefusalReason.NO_REQUEST))

    def drop(self, reason: RefusalReason | None = None) -> None:
        """Abort the connection, and stop counting it immediately. `reason` None: the server ends."""
        self.refuse(reason)
        abort = self.abort
        self.release()
        abort()

    def refuse(self, reason: RefusalReason | None) -> None:
        """Count the refusal, unless the connection has ended already."""
        if reason is not None and self in self._connections:
            self._connections.refusals[reason] += 1

    def release(self) -> None:
        """Stop counting the connection, because it has ended. No reference cycle is left."""
        self._deadline.end()
        self._connections.release(self)
        self.abort = _nothing

    @property
    def has_request(self) -> bool:
        """Whether a request is being answered."""
        return self.stage in {Stage.BUSY, Stage.STALLED}

    @property
    def is_in_use(self) -> bool:
        """Whether a request is being answered, and the client reads the response."""
        is_stalled = self.stage is Stage.STALLED and asyncio.get_running_loop().time() - self._since > STALLED_S
        return self.has_request and not is_stalled

    def become(self, stage: Stage) -> None:
        """Begin this stage now."""
        self.stage = stage
        self._since = asyncio.get_running_loop().time()
        if stage in {Stage.BUSY, Stage.REFUSED}:
            self._deadline.end()
        self._connections.moved(self)


def _nothing() -> None: ...


class OpenConnections:
    """The open connections, least recently used first, with their limits. `refusals` counts those that were not
    served, by reason.
    """

    def __init__(self, limits: ConnectionLimits, refusals: Counter[RefusalReason] | None = None) -> None:
        self.limits = limits
        self.refusals = Counter[RefusalReason]() if refusals is None else refusals
        self._open: dict[HttpConnection, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, one: object) -> bool:
        return one in self._open

    def __iter__(self) -> Iterator[HttpConnection]:
        return iter(self._open)

    def admit(self, host: str) -> HttpConnection | None:
        """Return a new connection of this peer, which counts until `release` (None: there is no room for it)."""
        one = HttpConnection(self, host)
        if not self._has_room(one):
            self.refusals[RefusalReason.NO_ROOM] += 1
            return None
        self._open[one] = None
        one.expect_head()
        return one

    def begin_handshake(self, one: HttpConnection) -> None:
        """Count the connection among the TLS handshakes. If there are too many, drop the oldest one."""
        present = [other for other in self._open if other.stage is Stage.HANDSHAKE]
        if len(present) >= self.limits.handshakes:
            present[0].drop(RefusalReason.TOO_MANY_HANDSHAKES)
        one.become(Stage.HANDSHAKE)

    def moved(self, one: HttpConnection) -> None:
        """Move the connection to the end of the order: it is the most recently used one."""
        if one in self._open:
            del self._open[one]
            self._open[one] = None

    def release(self, one: HttpConnection) -> None:
        self._open.pop(one, None)

    def _has_room(self, one: HttpConnection) -> bool:
        """Return whether there is room. If not, drop another connection to make room. Remote peers replace no local
        connection.
        """
        same = [other for other in self._open if other.client == one.client]
        if not one.is_local and len(same) >= self.limits.per_address and not _drop_one(same):
            return False
        others = [other for other in self._open if one.is_local or not other.is_local]
        ordinary = [other for other in others if not other.is_for_health]
        if sum(not other.is_for_health for other in self._open) < self.limits.ordinary or _drop_one(ordinary):
            return True
        one.is_for_health = True
        reserved = [other for other in others if other.is_for_health and other.is_local is one.is_local]
        return len(reserved) < self.limits.reserved or _drop_one(reserved)


def _drop_one(among: Sequence[HttpConnection]) -> bool:
    """Drop the least useful connection, and return whether there is one: of the client with the most connections, a
    refused one, then an idle or stalled one, then one without a request; of these, the oldest.

    A client whose idle connection is closed connects again. Connections without a request would otherwise make room for
    each other: next to 200 idle ones, a new one would be dropped before its request arrives.
    """
    counts = Counter(one.client for one in among)
    unused = (one for one in among if not one.is_in_use)
    found = min(unused, key=lambda one: (-counts[one.client], _RANKS.get(one.stage, 2)), default=None)
    if found is not None:
        found.drop(RefusalReason.REPLACED)
    return found is not None


_RANKS = {Stage.REFUSED: 0, Stage.IDLE: 1, Stage.STALLED: 1}


class Deadline:
    """A timer that calls a function if it is not ended in time. One that runs already is not extended."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, expired: Callable[[], None]) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, expired)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def is_loopback(host: str) -> bool:
    """Return whether the address is loopback, also as an IPv4-mapped IPv6 address. False for a name."""
    address = _address(host)
    return address is not None and address.is_loopback


def client_of(host: str) -> str:
    """Return the address for which connections and passwords are limited: of IPv6 the first 64 bits, because one client
    can use all addresses that begin with them. Not an address: the text itself.
    """
    address = _address(host)
    if isinstance(address, IPv6Address) and not address.is_loopback:
        return str(ip_network((address, 64), strict=False))
    return host if address is None else str(address)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
