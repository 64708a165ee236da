"""Access control of the HTTP interface: passwords and TLS. Without them, every client that reaches the port may read.

`/healthz` requires no password: a container's health check has none, and the response only lists stalled services.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from aiohttp import hdrs

from autoscaler.errors import ConfigError, Problem
from autoscaler.telemetry import bcrypt

# Read the access file: the web configuration of Prometheus (`web.yml`), with these settings of it.
#
#     tls_server_config: {cert_file, key_file, min_version}     paths relative to the file
#     basic_auth_users: {user: bcrypt hash}
#
# The reader here supports two levels of names and scalars only: no more is needed. Every other syntax and every
# unknown name is an error, and never ignored.

WHERE = "AUTOSCALER_WEB_CONFIG_FILE"

TLS, USERS = "tls_server_config", "basic_auth_users"
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
KNOWN = ("cert_file", "key_file", "min_version")

LARGEST_BYTES = 65_536

FIRST = r"""[^\s"'\#&*!|>%@`{}\[\],?:-]"""
"""The first character of a plain scalar of YAML."""

NAME = re.compile(rf"{FIRST}[^\s:]*")
PLAIN = re.compile(rf"{FIRST}(?:[^\#:]|:(?=\S)|(?<=\S)\#)*")
"""A scalar without quotes: a colon before a space ends a name, and a `#` after a space begins a comment."""

Tree: TypeAlias = dict[str, dict[str, str]]


def read_access(path: str | None) -> Access:
    """Return the access rules. Without a file, every client may read. Raises ConfigError with every problem."""
    if path is None:
        return Access()
    problems: list[str] = []
    tree = _tree(_text(path), problems)
    problems += [f"{name} is not supported: use {TLS} and {USERS}" for name in tree if name not in {TLS, USERS}]
    tls = _tls(tree[TLS], Path(path).parent, problems) if tree.get(TLS) else None
    problems += _of_users(tree.get(USERS, {}))
    if problems:
        raise ConfigError([Problem(WHERE, f"{path}: {problem}") for problem in problems])
    return Access(tls, tree.get(USERS))


def _text(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise ConfigError([Problem(WHERE, f"{path} is larger than {LARGEST_BYTES:,} bytes: is it the right file?")])
        return content.decode()
    except OSError as error:
        raise ConfigError([Problem(WHERE, f"{path} cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(WHERE, f"{path} is not UTF-8")]) from error


def _tree(text: str, problems: list[str]) -> Tree:
    tree: Tree = {}
    section: dict[str, str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#") or line.rstrip() == "---":
            continue
        found = _read(line.rstrip())
        if found and not found.indented and found.value in {None, "{}"} and _bare(found.name) not in tree:
            section = tree.setdefault(_bare(found.name), {})
        elif found and found.indented and found.value not in {None, "{}"} and section is not None:
            section[_bare(found.name)] = _bare(str(found.value))
        else:
            problems.append(f"line {number}: expected `section:`, or indented below it `name: value`")
    return tree


class YamlLine(NamedTuple):
    """One line: `name:` or `name: scalar`, indented or not. Both are as written, with any quotes."""

    indented: bool
    name: str
    value: str | None


def _read(line: str) -> YamlLine | None:
    """Return the line, without a comment at its end. None: other syntax. Takes linear time."""
    text = line.lstrip(" ")
    end = _end_of_quoted(text)
    if end is None and (name := NAME.match(text)):
        end = name.end()
    if end is None or text[end : end + 1] != ":":
        return None
    name_, rest = text[:end], text[end + 1 :]
    indented, value = len(text) < len(line), rest.lstrip(" ")
    if not value or (value.startswith("#") and value != rest):
        return YamlLine(indented, name_, None)
    if value == rest:
        return None
    closed = 2 if value.startswith("{}") else _end_of_quoted(value)
    if closed is not None:
        after = value[closed:]
        is_comment = after.startswith(" ") and after.lstrip(" ").startswith("#")
        return YamlLine(indented, name_, value[:closed]) if not after.strip(" ") or is_comment else None
    plain = value.partition(" #")[0].rstrip(" ")
    return YamlLine(indented, name_, plain) if PLAIN.fullmatch(plain) else None


def _end_of_quoted(text: str) -> int | None:
    """Return the end of the quoted scalar at the start of the text. None: there is none, or its quote is not closed."""
    mark, at = text[:1], 1
    if mark not in {"'", '"'}:
        return None
    while at < len(text):
        if (mark == '"' and text[at] == "\\") or (mark == "'" and text[at : at + 2] == "''"):
            at += 2
        elif text[at] == mark:
            return at + 1
        else:
            at += 1
    return None


def _bare(text: str) -> str:
    """Return the scalar without its quotes."""
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError:
        return text


def _tls(settings: Mapping[str, str], folder: Path, problems: list[str]) -> ssl.SSLContext | None:
    found = list(_of_tls(settings))
    problems += found
    if found:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = VERSIONS[settings.get("min_version", "TLS12")]
    cert, key = folder / settings["cert_file"], folder / settings["key_file"]
    try:
        context.load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ValueError) as error:
        problems.append(
            f"{TLS}: {cert} and {key} must be a certificate and its key, in PEM without passphrase ({error})"
        )
        return None
    return context


def _of_tls(settings: Mapping[str, str]) -> Iterator[str]:
    for name in settings:
        if name not in KNOWN:
            yield f"{TLS}.{name} is not supported: use {', '.join(KNOWN)}"
    for name in ("cert_file", "key_file"):
        if name not in settings:
            yield f"{TLS}.{name} is missing"
    if settings.get("min_version", "TLS12") not in VERSIONS:
        yield f"{TLS}.min_version must be one of {', '.join(VERSIONS)}"


def _of_users(users: Mapping[str, str]) -> Iterator[str]:
    if users and not bcrypt.is_there():
        yield f"{USERS}: this system has no libcrypt with bcrypt (libxcrypt): install it, or remove the passwords"
    for user, hashed in users.items():
        if ":" in user:
            yield f"{USERS}: a user name must not contain a colon"
        if not bcrypt.HASH.fullmatch(hashed):
            yield f"{USERS}.{user} must be a bcrypt hash (value not shown), as `htpasswd -nBC 10 USER` prints it"


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
