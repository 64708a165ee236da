"""The `Host` names that the HTTP interface accepts: protection against DNS rebinding, where a foreign name resolves to
loopback.

A browser lets a foreign page read only responses of the page's own host name. So a daemon that listens on loopback only
accepts no foreign names. IP addresses are accepted: DNS cannot redirect them.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from autoscaler.telemetry.guard import is_loopback

LOCALHOST = "localhost"

HOST = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<name>[^:\[\]]+))(?::\d*)?")
"""A `Host` header (RFC 9110, 7.2): a name or an address, IPv6 in brackets, with an optional port."""


class Hosts:
    """The accepted names of a daemon that listens on `listening`: any name, unless it is loopback."""

    def __init__(self, listening: str) -> None:
        self._own = listening.lower()
        self._is_strict = self._own == LOCALHOST or is_loopback(self._own)

    def allows(self, header: str | None) -> bool:
        """Return whether a request with this `Host` is accepted (None: no header; browsers always send one)."""
        if header is None or not self._is_strict:
            return True
        found = HOST.fullmatch(header.strip())
        name = "" if found is None else (found["six"] or found["name"]).lower().removesuffix(".")
        return name in {LOCALHOST, self._own} or _is_address(name)

    @property
    def refusal(self) -> str:
        """The response to a request with another name, with the remedy."""
        return (
            f"this daemon listens on {self._own} only and accepts no other host name: use its address or localhost, "
            "configure the proxy to send that Host header, or set AUTOSCALER_HTTP_HOST to a reachable address\n"
        )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
