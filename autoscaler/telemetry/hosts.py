"""By which names the page may be asked for: a browser may be led to loopback by a stranger's name (DNS rebinding).

A page from elsewhere reads only what has its own name. So whoever listens on loopback alone answers to no name but his
own; an address cannot be made to point elsewhere.
"""

from __future__ import annotations

import re
from ipaddress import ip_address

from autoscaler.telemetry.guard import is_loopback

LOCALHOST = "localhost"

HOST = re.compile(r"(?:\[(?P<six>[^\[\]]+)\]|(?P<name>[^:\[\]]+))(?::\d*)?")
"""A `Host` header (RFC 9110, 7.2): a name or an address, that of IPv6 in brackets, perhaps with a port."""


class Hosts:
    """What a daemon that listens on `listening` answers to: to any name, where that is more than loopback."""

    def __init__(self, listening: str) -> None:
        self._own = listening.lower()
        self._is_strict = self._own == LOCALHOST or is_loopback(self._own)

    def answer_to(self, header: str | None) -> bool:
        """Whether a request with that `Host` is answered (None: it has none, as no browser sends it)."""
        if header is None or not self._is_strict:
            return True
        found = HOST.fullmatch(header.strip())
        name = "" if found is None else (found["six"] or found["name"]).lower().removesuffix(".")
        return name in {LOCALHOST, self._own} or _is_address(name)

    @property
    def refusal(self) -> str:
        """What is said to whoever asks by another name, with the remedy."""
        return (
            f"this daemon listens on {self._own} alone and answers to no other name: ask for it by address or as "
            "localhost, have a proxy send that Host, or set AUTOSCALER_HTTP_HOST to an address that others reach\n"
        )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
