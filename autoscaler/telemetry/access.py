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
from importlib import import_module
from types import MappingProxyType

from aiohttp import hdrs

from autoscaler.config import variable
from autoscaler.errors import ConfigError, Problem

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


UNPROTECTED = "/healthz"

MOST_VERIFIED = 128
"""Maximum number of cached correct passwords. A cached one is not hashed again: every request carries a password."""

CHALLENGE = MappingProxyType({hdrs.WWW_AUTHENTICATE: 'Basic realm="autoscaler", charset="UTF-8"'})
"""The headers of a 401 response (RFC 7617)."""


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
        self._verified: OrderedDict[bytes, None] = OrderedDict()
        self._lock = asyncio.Lock()

    async def permits(self, path: str, authorization: str) -> bool:
        """Return whether the path may be read with this `Authorization` header (empty: there is none)."""
        if not self._users or path == UNPROTECTED:
            return True
        credentials = _credentials(authorization)
        return credentials is not None and await self._verify(*credentials)

    async def _verify(self, user: str, password: str) -> bool:
        """Check the password. One is hashed at a time: clients that guess passwords use one core at most.

        An unknown user is checked against a hash of the highest cost, which no password matches.
        """
        hashed = self._users.get(user, salt(self._highest) + "." * 31)
        mark = sha256(f"{hashed}\0{user}\0{password}".encode(errors="surrogatepass")).digest()
        async with self._lock:
            if mark in self._verified:
                return True
            if not await asyncio.to_thread(matches, password, hashed, self._highest) or user not in self._users:
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
