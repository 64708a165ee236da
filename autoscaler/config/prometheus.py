"""The URL of a Prometheus server. Several people may write the settings, and the daemon's host serves credentials over
HTTP. Therefore addresses of the instance metadata service are refused, in every notation.

Host names are not resolved here; the client that connects must check the resolved address.
"""

from __future__ import annotations

import re
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from autoscaler.config.kinds import ValueKind
from autoscaler.config.quoting import WrongValue, quote

_NO_BASE = re.compile(r"[?#\\]")
_SHAPE = re.compile(r"[!-~]{1,500}", re.ASCII)
_AWS_METADATA = IPv6Network("fd00:ec2::/32")
_QUERY_PATH = "/api/v1/query"


def server(value: object) -> str:
    """Return the server's URL without a trailing slash. Raises WrongValue, without a password in its text."""
    text = value.strip() if isinstance(value, str) else ""
    url = _split(text)
    if url.path.rstrip("/").endswith(_QUERY_PATH):
        raise WrongValue(f"the URL must not contain {_QUERY_PATH}. Set only the URL of the server")
    if _is_metadata(url.hostname or ""):
        raise WrongValue(f"{quote(text)} is an address of the instance metadata service, not of a Prometheus server")
    return text.rstrip("/")


def _split(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        _ = url.port
    except ValueError as error:
        raise WrongValue("the value is not a valid URL") from error
    if "@" in url.netloc:
        raise WrongValue("the URL must not contain a user or a password (value not shown). Remove them")
    plain = _SHAPE.fullmatch(text) and not _NO_BASE.search(text)
    if not plain or url.scheme not in {"http", "https"} or not url.hostname:
        raise WrongValue(f"{quote(text)} is not the URL of a Prometheus server, such as http://HOST:PORT")
    return url


def _is_metadata(host: str) -> bool:
    address = _address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address is not None and (address.is_link_local or address in _AWS_METADATA)


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """Return the IP address in the host (None: a name). C libraries also accept notations such as 0xA9FEA9FE."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None


SERVER = ValueKind("URL", server, {"type": "string", "pattern": "^https?://"})
