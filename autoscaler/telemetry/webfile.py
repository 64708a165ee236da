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
from typing import TypeAlias

from autoscaler.errors import ConfigError, Problem
from autoscaler.telemetry import bcrypt
from autoscaler.telemetry.access import Access

WHERE = "AUTOSCALER_WEB_CONFIG_FILE"

TLS, USERS = "tls_server_config", "basic_auth_users"
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
KNOWN = ("cert_file", "key_file", "min_version")

LARGEST_BYTES = 65_536

QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')"""
FIRST = r"""[^\s"'\#&*!|>%@`{}\[\],?:-]"""
"""With anything else YAML begins something that is no plain scalar."""

LINE = re.compile(
    rf"""(?P<indent>[ ]*)
    (?P<name>{QUOTED} | {FIRST}[^\s:]*):
    (?:[ ]+(?P<value>{QUOTED} | \{{\}} | {FIRST}(?:[^\#:] | :(?=\S) | (?<=\S)\#)*?))?
    [ ]*(?:(?<=[ ])\#.*)?""",
    re.VERBOSE,
)
"""`name:` or `name: scalar`, indented or not, perhaps with a comment."""

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
        found = LINE.fullmatch(line.rstrip())
        value = found["value"] if found else None
        if found and not found["indent"] and value in {None, "{}"} and _bare(found["name"]) not in tree:
            section = tree.setdefault(_bare(found["name"]), {})
        elif found and found["indent"] and value not in {None, "{}"} and section is not None:
            section[_bare(found["name"])] = _bare(str(value))
        else:
            problems.append(f"line {number} is none that is read here: `section:`, or indented below it `name: value`")
    return tree


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
