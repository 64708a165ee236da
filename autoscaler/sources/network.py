"""Safe connections to servers that the settings name, and text from such servers.

The settings may name any address, and several people may write them. The daemon's host serves credentials over HTTP at
the instance metadata addresses. Invariant: no source connects to these addresses.

For a source that connects to a server, all three functions are mandatory:

- `is_metadata_address` where the setting is read. It knows every notation of an address, but does not resolve names.
- `guarded_socket` for every socket, because a host name can resolve to these addresses. With aiohttp it is the
  `socket_factory` of the `TCPConnector`. For another protocol, `open_stream` in tests/sources/test_network.py is an
  example. Use a library only if it accepts sockets from this function.
- `one_line` for every text of the server that a message contains.
"""

from __future__ import annotations

import errno
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from autoscaler.core.figures import shortened

if TYPE_CHECKING:
    import aiohttp

AWS_METADATA = IPv6Network("fd00:ec2::/32")
"""The IPv6 addresses of AWS's own services on each instance. The IPv4 addresses are link-local."""

MOST_QUOTED = 200
"""Maximum number of characters of a server's text in a message."""


def is_metadata_address(host: str) -> bool:
    """Whether the host is an instance metadata address, in any notation. A host name is not resolved: it is False.

    Mandatory for every setting with a host or URL. The setting is then refused.
    """
    address = _address(host)
    return address is not None and _is_metadata(address)


def guarded_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Return a socket for a resolved address, as `getaddrinfo` returns it. The socket is not connected.

    Mandatory for every connection. Raises PermissionError for the instance metadata addresses.
    """
    family, kind, protocol, _, target = address
    host = ip_address(str(target[0]).partition("%")[0])
    if _is_metadata(host):
        raise PermissionError(errno.EACCES, f"{host} is an instance metadata address")
    return socket.socket(family, kind, protocol)


def one_line(text: str) -> str:
    """Return the server's text on one printable line of at most 200 characters.

    Mandatory for every text of a server in a message: it must not add lines or control characters to logs.
    """
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return shortened(line, MOST_QUOTED)


def _is_metadata(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return address.is_link_local or address in AWS_METADATA


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
