"""Who may read, and through what: passwords and TLS. Without either, everybody who reaches the port.

`/healthz` asks for no password: a container's health check has none, and all it tells is which loops hang.
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

FREE = "/healthz"

MOST_REMEMBERED = 128
"""So many passwords that were right need not be hashed again: each request carries one."""

NOBODY = bcrypt.PROBE.replace("$04$", "$10$") + "." * 31
"""Nobody's hash: a user that is not there takes as long as one that is."""

CHALLENGE = MappingProxyType({hdrs.WWW_AUTHENTICATE: 'Basic realm="autoscaler", charset="UTF-8"'})
"""The headers of a refusal (RFC 7617)."""


class Access:
    """`tls` None: plain HTTP. `users`: bcrypt hashes by name; none: no password is asked for."""

    def __init__(self, tls: ssl.SSLContext | None = None, users: Mapping[str, str] | None = None) -> None:
        self.tls = tls
        self._users = users or {}
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._turn = asyncio.Lock()

    async def permits(self, path: str, authorization: str) -> bool:
        """Whether that path may be read with that `Authorization` header (empty: there is none)."""
        if not self._users or path == FREE:
            return True
        credentials = _credentials(authorization)
        return credentials is not None and await self._knows(*credentials)

    async def _knows(self, user: str, password: str) -> bool:
        """One password is hashed at a time: whoever guesses gets one core at most."""
        hashed = self._users.get(user, NOBODY)
        mark = sha256(f"{hashed}\0{user}\0{password}".encode(errors="surrogatepass")).digest()
        async with self._turn:
            if mark in self._right:
                return True
            if not await asyncio.to_thread(bcrypt.matches, password, hashed) or user not in self._users:
                return False
            self._right[mark] = None
            if len(self._right) > MOST_REMEMBERED:
                self._right.popitem(last=False)
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
