"""Access control of the HTTP interface: passwords and TLS. Without them, every client that reaches the port may read.

`/healthz` requires no password: a container's health check has none, and the response only lists stalled services.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from hmac import compare_digest
from http import HTTPStatus
from importlib import import_module
from math import ceil
from secrets import token_bytes
from types import MappingProxyType
from typing import NamedTuple

from aiohttp import hdrs

from autoscaler.config import variable
from autoscaler.errors import ConfigError, Problem
from autoscaler.telemetry.guard import HEALTH

WHERE = variable(("web_config_file",))

EXTRA = ("bcrypt", "yaml")
"""The packages that a web configuration file needs. They are imported only if there is one."""


def read_access(path: str | None) -> Access:
    """Return the access rules of a web configuration file. Without a file, every client may read.

    Raises ConfigError with every problem of the file, or if a package of the extra `web` is not installed.
    """
    if path is None:
        return Access()
    for name in EXTRA:
        _import(name)
    from autoscaler.telemetry.web_config import read_web_config  # noqa: PLC0415 - imports PyYAML

    return Access(*read_web_config(WHERE, path))


def _import(name: str) -> None:
    try:
        import_module(name)
    except ImportError as error:
        remedy = "run pip install 'ecs-queue-autoscaler[web]', or remove the setting"
        raise ConfigError(
            [Problem(WHERE, f"the package {name} is required and cannot be imported: {remedy}")]
        ) from error


MOST_CHECKS = 16
"""Passwords that wait for a check, including the one that is checked. Each takes 0.05 s at cost 10, 0.2 s at 12."""

MOST_CHECKS_PER_ADDRESS = 2
"""Of these, from one address. Eight addresses are needed to use all of them."""

CHECK_WAIT_S = 5.0
"""Seconds that a password waits for its check: with costs above 13, the queue is longer than a client waits."""

MOST_WRONG = 10
"""Wrong passwords of one address without a delay."""

WRONG_S = 1.0
"""Seconds per wrong password of one address after these: at cost 10 an address uses at most 5 % of one core."""

MOST_ADDRESSES = 1_024
"""Addresses whose wrong passwords are counted. The one whose last wrong password is oldest is removed first."""

RETRY_S = 1.0
"""Seconds after which a client may try again if the queue of checks is full."""

CHALLENGE: Mapping[str, str] = MappingProxyType({hdrs.WWW_AUTHENTICATE: 'Basic realm="autoscaler", charset="UTF-8"'})
"""The headers of a 401 response (RFC 7617)."""


class Denial(NamedTuple):
    """Why a request is not answered. `retry_after_s` None: the same credentials are always denied."""

    status: HTTPStatus
    reason: str
    retry_after_s: float | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the response. `Retry-After` is in whole seconds (RFC 9110, 10.2.3)."""
        if self.retry_after_s is None:
            return CHALLENGE
        return {hdrs.RETRY_AFTER: str(max(1, ceil(self.retry_after_s)))}


WRONG = Denial(HTTPStatus.UNAUTHORIZED, "a user and a password are required")
FULL = Denial(HTTPStatus.SERVICE_UNAVAILABLE, "too many passwords are being checked: try again later", RETRY_S)


def _too_often(seconds: float) -> Denial:
    reason = "too many wrong or unchecked passwords from this address: try again later"
    return Denial(HTTPStatus.TOO_MANY_REQUESTS, reason, seconds)


class Access:
    """Access rules. `tls` None: plain HTTP. `users`: bcrypt hashes by user name. Empty: no password is required.
    `headers`: added to every response.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        users: Mapping[str, str] = MappingProxyType({}),
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.tls, self.headers = tls, headers
        self._users = users
        self._highest = max(map(cost_of, users.values()), default=LEAST_COST)
        self._key = token_bytes(32)
        self._verified: dict[str, bytes] = {}
        """The digest of the correct password, by user name: it is hashed once, and then compared."""
        self._checks: dict[bytes, _Check] = {}
        self._wrong = WrongPasswords()
        self._lock = asyncio.Lock()

    async def denial(self, path: str, authorization: str, address: str = "") -> Denial | None:
        """Return why the path may not be read with this `Authorization` header (empty: there is none). None: it may.

        A user whose password was verified before is not delayed by any number of other checks. `address`: the client.
        """
        if not self._users or path == HEALTH:
            return None
        credentials = _credentials(authorization)
        if credentials is None:
            return WRONG
        digest = self._digest(*credentials)
        if compare_digest(self._verified.get(credentials[0], b""), digest):
            return None
        return await self._shared_check(digest, credentials, address)

    def _digest(self, user: str, password: str) -> bytes:
        """Return a digest with a key that only this process has: it is of no use outside of it."""
        text = f"{user}:{password}".encode(errors="surrogatepass")  # a user has no colon
        return blake2b(text, key=self._key, digest_size=32).digest()

    async def _shared_check(self, digest: bytes, credentials: tuple[str, str], address: str) -> Denial | None:
        """Check the credentials once for all requests that have them now: a browser sends six at a time."""
        check = self._checks.get(digest)
        if check is not None:
            await check.done.wait()
            return check.denial
        own = [one for one in self._checks.values() if one.address == address]
        if len(own) >= MOST_CHECKS_PER_ADDRESS:
            return _too_often(RETRY_S)
        if (wait_s := self._wrong.wait_s(address)) > 0:
            return _too_often(wait_s)
        if len(self._checks) >= MOST_CHECKS:
            return FULL
        check = self._checks[digest] = _Check(address)
        try:
            check.denial = await self._checked(digest, *credentials, address)
        finally:
            del self._checks[digest]
            check.done.set()
        return check.denial

    async def _checked(self, digest: bytes, user: str, password: str, address: str) -> Denial | None:
        """Hash the password in a thread. One is hashed at a time: guessed passwords use one core at most.

        An unknown user is checked against a hash of the highest cost, which no password matches.
        """
        hashed = self._users.get(user, salt(self._highest) + "." * 31)
        try:
            async with asyncio.timeout(CHECK_WAIT_S):
                await self._lock.acquire()
        except TimeoutError:
            return FULL
        try:
            is_right = await asyncio.to_thread(matches, password, hashed, self._highest) and user in self._users
        finally:
            self._lock.release()
        if not is_right:
            self._wrong.add(address)
            return WRONG
        self._verified[user] = digest
        return None


class _Check:
    """A check that several requests can wait for. `denial`: its result; as long as there is none, `FULL`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.done = asyncio.Event()
        self.denial: Denial | None = FULL


class WrongPasswords:
    """The wrong passwords of each address: a count that falls by one every `WRONG_S` seconds."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Return the seconds until a password of this address may be checked. Zero or less: now."""
        return (self._count(address) - (MOST_WRONG - 1)) * WRONG_S

    def add(self, address: str) -> None:
        """Count a wrong password."""
        self._counts[address] = self._count(address) + 1, asyncio.get_running_loop().time()
        self._counts.move_to_end(address)
        if len(self._counts) > MOST_ADDRESSES:
            self._counts.popitem(last=False)

    def _count(self, address: str) -> float:
        now = asyncio.get_running_loop().time()
        count, at = self._counts.get(address, (0.0, now))
        return max(0.0, count - (now - at) / WRONG_S)


def _credentials(authorization: str) -> tuple[str, str] | None:
    scheme, _, packed = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = b64decode(packed.strip(), validate=True).decode().partition(":")
    except ValueError:  # neither base64 nor UTF-8
        return None
    return (user, password) if colon else None


# bcrypt

LEAST_COST = 4

MOST_BYTES = 72
"""bcrypt uses the first 72 bytes of a password. Prometheus and htpasswd ignore the rest; the package rejects it."""


def matches(password: str, hashed: str, highest: int) -> bool:
    """Return whether the password has this hash. Takes the time of a hash of the cost `highest`, whatever the hash's
    own cost is: so the time does not depend on the user. Blocks about 0.05 s at cost 10, and releases the GIL: run it
    in a thread.

    Hashes of the costs c, c, c+1, ..., n-1 take as long as one of cost n, because each step doubles the time.

    A password with a NUL never matches: bcrypt would take "a\\0a" for "a".
    """
    import bcrypt  # noqa: PLC0415 - an extra

    phrase = password.encode(errors="surrogatepass")[:MOST_BYTES]
    is_match = bcrypt.checkpw(phrase, hashed.encode())
    for cost in range(cost_of(hashed), highest):
        bcrypt.hashpw(phrase, salt(cost).encode())
    return is_match and "\0" not in password


def salt(cost: int) -> str:
    """Return a constant salt of the cost."""
    return f"$2b${cost:02}${'.' * 22}"


def cost_of(hashed: str) -> int:
    return int(hashed[4:6])
