"""The file that says who may read: Prometheus's web configuration (`web.yml`), as far as it concerns us.

    tls_server_config: {cert_file, key_file, min_version}     paths relative to the file
    basic_auth_users: {user: bcrypt hash}

It is read by a reader of its own, for two levels of names and scalars are all that it holds: what is written in any
other way, or means anything else, is a mistake that is named, and never passed over.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from autoscaler.errors import ConfigError, Problem
from autoscaler.telemetry import bcrypt
from autoscaler.telemetry.access import Access

WHERE = "AUTOSCALER_WEB_CONFIG_FILE"

TLS, USERS = "tls_server_config", "basic_auth_users"
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
KNOWN = ("cert_file", "key_file", "min_version")

LARGEST_BYTES = 65_536

FIRST = r"""[^\s"'\#&*!|>%@`{}\[\],?:-]"""
"""With anything else YAML begins something that is no plain scalar."""

NAME = re.compile(rf"{FIRST}[^\s:]*")
PLAIN = re.compile(rf"{FIRST}(?:[^\#:]|:(?=\S)|(?<=\S)\#)*")
"""A scalar without quotes: a colon with a space behind it ends a name, and a `#` after a space begins a comment."""

Tree: TypeAlias = dict[str, dict[str, str]]


def read_access(path: str | None) -> Access:
    """What the file says; without one, everybody may read. Raises ConfigError with every problem."""
    if path is None:
        return Access()
    problems: list[str] = []
    tree = _tree(_text(path), problems)
    problems += [f"{name} is not known here: there are {TLS} and {USERS}" for name in tree if name not in {TLS, USERS}]
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
            problems.append(f"line {number} is none that is read here: `section:`, or indented below it `name: value`")
    return tree


class Line(NamedTuple):
    """`name:` or `name: scalar`, indented or not. Both are as written, perhaps in quotes."""

    indented: bool
    name: str
    value: str | None


def _read(line: str) -> Line | None:
    """The line, which may end with a comment. None: it is anything else. Takes linear time."""
    text = line.lstrip(" ")
    end = _end_of_quoted(text)
    if end is None and (name := NAME.match(text)):
        end = name.end()
    if end is None or text[end : end + 1] != ":":
        return None
    name_, rest = text[:end], text[end + 1 :]
    indented, value = len(text) < len(line), rest.lstrip(" ")
    if not value or (value.startswith("#") and value != rest):
        return Line(indented, name_, None)
    if value == rest:
        return None
    closed = 2 if value.startswith("{}") else _end_of_quoted(value)
    if closed is not None:
        behind = value[closed:]
        is_comment = behind.startswith(" ") and behind.lstrip(" ").startswith("#")
        return Line(indented, name_, value[:closed]) if not behind.strip(" ") or is_comment else None
    plain = value.partition(" #")[0].rstrip(" ")
    return Line(indented, name_, plain) if PLAIN.fullmatch(plain) else None


def _end_of_quoted(text: str) -> int | None:
    """Where the quoted scalar ends with which the text begins. None: it begins with none, or it does not end."""
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
    """A scalar without its quotes."""
    if text.startswith("'"):
        return text[1:-1].replace("''", "'")
    if not text.startswith('"'):
        return text
    try:
        return str(json.loads(text))
    except ValueError:
        return text


def _tls(told: Mapping[str, str], folder: Path, problems: list[str]) -> ssl.SSLContext | None:
    found = list(_of_tls(told))
    problems += found
    if found:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = VERSIONS[told.get("min_version", "TLS12")]
    cert, key = folder / told["cert_file"], folder / told["key_file"]
    try:
        context.load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ValueError) as error:
        problems.append(f"{TLS}: {cert} and {key} are no certificate and its key, in PEM without passphrase ({error})")
        return None
    return context


def _of_tls(told: Mapping[str, str]) -> Iterator[str]:
    for name in told:
        if name not in KNOWN:
            yield f"{TLS}.{name} is not known here: there are {', '.join(KNOWN)}"
    for name in ("cert_file", "key_file"):
        if name not in told:
            yield f"{TLS}.{name} is missing"
    if told.get("min_version", "TLS12") not in VERSIONS:
        yield f"{TLS}.min_version must be one of {', '.join(VERSIONS)}"


def _of_users(users: Mapping[str, str]) -> Iterator[str]:
    if users and not bcrypt.is_there():
        yield f"{USERS}: this system has no libcrypt that knows bcrypt (libxcrypt): install it, or do without passwords"
    for user, hashed in users.items():
        if ":" in user:
            yield f"{USERS}: a user's name holds no colon"
        if not bcrypt.HASH.fullmatch(hashed):
            yield f"{USERS}.{user} must be a bcrypt hash (value not shown), as `htpasswd -nBC 10 USER` prints it"
