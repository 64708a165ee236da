"""Access control of the HTTP interface: passwords and TLS. Without them, every client that reaches the port may read.

`/healthz` requires no password: a container's health check has none, and the response only lists stalled services.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType

from aiohttp import hdrs

from autoscaler.telemetry import bcrypt

UNPROTECTED = "/healthz"

MOST_VERIFIED = 128
"""Maximum number of cached correct passwords. A cached one is not hashed again: every request carries a password."""

UNKNOWN_USER_HASH = bcrypt.PROBE.replace("$04$", "$10$") + "." * 31
"""The hash for unknown users, which no password matches: checking an unknown user takes as long as a known one."""

CHALLENGE = MappingProxyType({hdrs.WWW_AUTHENTICATE: 'Basic realm="autoscaler", charset="UTF-8"'})
"""The headers of a 401 response (RFC 7617)."""


class Access:
    """Access rules. `tls` None: plain HTTP. `users`: bcrypt hashes by user name. Empty: no password is required."""

    def __init__(self, tls: ssl.SSLContext | None = None, users: Mapping[str, str] | None = None) -> None:
        self.tls = tls
        self._users = users or {}
        self._verified: OrderedDict[bytes, None] = OrderedDict()
        self._lock = asyncio.Lock()

    async def permits(self, path: str, authorization: str) -> bool:
        """Return whether the path may be read with this `Authorization` header (empty: there is none)."""
        if not self._users or path == UNPROTECTED:
            return True
        credentials = _credentials(authorization)
        return credentials is not None and await self._verify(*credentials)

    async def _verify(self, user: str, password: str) -> bool:
        """Check the password. One is hashed at a time: clients that guess passwords use one core at most."""
        hashed = self._users.get(user, UNKNOWN_USER_HASH)
        mark = sha256(f"{hashed}\0{user}\0{password}".encode(errors="surrogatepass")).digest()
        async with self._lock:
            if mark in self._verified:
                return True
            if not await asyncio.to_thread(bcrypt.matches, password, hashed) or user not in self._users:
                return False
            self._verified[mark] = None
            if len(self._verified) > MOST_VERIFIED:
                self._verified.popitem(last=False)
            return True


def _credentials(authorization: str) -> tuple[str, str] | None:
    scheme, _, packed = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = b64decode(packed.strip(), validate=True).decode().partition(":")
    except ValueError:  # neither base64 nor UTF-8
        return None
    return (user, password) if colon else None
