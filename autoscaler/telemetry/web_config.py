"""Read the web configuration file: the `web.yml` of Prometheus and its exporters (exporter-toolkit).

Every option of that format is applied, has no effect, or is reported as not supported. All problems are reported at
once. This module imports PyYAML: import it only if the setting `web_config_file` is set.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from autoscaler.telemetry.tls import tls_context
from autoscaler.telemetry.yaml_file import YamlFile, YamlSection

TLS, HTTP, USERS, RATE = "tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"


class WebConfig(NamedTuple):
    """The content of the file. `tls` None: plain HTTP. `users`: bcrypt hashes by user name. `headers`: added to every
    response.
    """

    tls: ssl.SSLContext | None
    users: Mapping[str, str]
    headers: Mapping[str, str]


def read_web_config(where: str, path: str) -> WebConfig:
    """Return the content of the file, which may be empty. `where`: the setting that names the file.

    Raises ConfigError with every problem.
    """
    file = YamlFile(where, path)
    file.root.check_names((TLS, USERS, HTTP, RATE))
    config = WebConfig(
        tls_context(file.root.section(TLS), Path(path).parent),
        dict(_users(file.root.section(USERS))),
        _headers(file.root.section(HTTP)),
    )
    _check_rate_limit(file.root.section(RATE))
    file.check()
    return config


COSTS = range(4, 20)
"""Permitted costs of a bcrypt hash. Each step doubles the time; cost 19 takes about 25 s."""

HASH = re.compile(r"(\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{21})([./A-Za-z0-9])([./A-Za-z0-9]{31})")
"""A bcrypt hash: the start with the cost, the last character of the salt, the rest."""

DIGITS = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
"""The 64 digits of bcrypt."""


def _users(users: YamlSection) -> Iterator[tuple[str, str]]:
    for user in users.entries:
        if ":" in user:
            users.add(user, "must not contain a colon")
        match = HASH.fullmatch(users.text(user))
        if match and int(match[2]) in COSTS:
            yield user, f"{match[1]}{_two_bits(match[3])}{match[4]}"
        else:
            costs = f"{COSTS[0]} to {COSTS[-1]}"
            example = "`htpasswd -nBC 10 USER` prints it"
            users.add(user, f"must be a bcrypt hash of cost {costs} (value not shown), as {example}")


def _two_bits(digit: str) -> str:
    """Return the last digit of a salt without its four unused bits: Go ignores them, and the package bcrypt requires
    zeros.
    """
    return DIGITS[DIGITS.index(digit) & 0b110000]


SENT = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "deny"}
"""Headers that the server always sends, with the value that agrees with them."""

ADDED = ("Strict-Transport-Security", "X-XSS-Protection")
"""Headers that the file can add."""

UNSUPPORTED = {"Content-Security-Policy": "the server sends its own policy"}

HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


def _headers(http: YamlSection) -> dict[str, str]:
    """Return the headers to add. A header without value is not sent."""
    http.check_names(("http2", "headers"))
    if http.flag("http2", default=False):
        http.add("http2", "is not supported: the server has HTTP/1.1 only. Set it to false, or remove it")
    headers = http.section("headers")
    headers.check_names((*SENT, *ADDED), UNSUPPORTED)
    for name, value in SENT.items():
        if headers.text(name) not in {"", value}:
            headers.add(name, f"must be {value}: the server sends no other value")
    return {name: value for name in ADDED if (value := _header(headers, name))}


def _header(headers: YamlSection, name: str) -> str:
    value = headers.text(name)
    if not HEADER_VALUE.fullmatch(value):
        headers.add(name, "must be printable ASCII on one line")
    return value


NO_INTERVAL = re.compile(r"(?:0(?:ns|us|µs|ms|s|m|h)?)?")


def _check_rate_limit(rate: YamlSection) -> None:
    """Report a rate limit. An interval of zero switches it off."""
    rate.check_names(("interval", "burst"))
    if not NO_INTERVAL.fullmatch(rate.text("interval")):
        rate.add("interval", "is not supported: the server limits connections. Set it to 0, or remove the section")
