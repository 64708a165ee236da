"""No signal source connects to the instance metadata addresses, and a server's text cannot change a message."""

from __future__ import annotations

import ast
import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from autoscaler import sources
from autoscaler.sources.network import MOST_QUOTED, guarded_socket, is_metadata_address, one_line

FOLDER = Path(sources.__path__[0])
Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def open_stream(host: str, port: int) -> AsyncIterator[Streams]:
    """Connect over TCP and close the connection at the end of the block. An example for a source to copy.

    The caller sets the time limit. Raises OSError. At the end, unsent data is dropped: a server that does not read must
    not delay the poll.
    """
    loop = asyncio.get_running_loop()
    [address, *_] = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    opened = guarded_socket(address)
    try:
        opened.setblocking(False)
        await loop.sock_connect(opened, address[4])
        reader, writer = await asyncio.open_connection(sock=opened)
    except BaseException:
        opened.close()
        raise
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("host", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "fe80::1"])
async def test_a_stream_to_an_instance_metadata_address_is_refused(host: str) -> None:
    with pytest.raises(PermissionError, match="is an instance metadata address"):
        async with open_stream(host, 80):
            pass


async def test_a_host_name_that_resolves_to_such_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolved(*_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.170.2", 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    assert not is_metadata_address("redis.internal"), "a name is checked when it is resolved"
    with pytest.raises(PermissionError):
        async with open_stream("redis.internal", 80):
            pass


async def test_the_example_connects_and_leaves_no_open_socket() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    place = server.sockets[0].getsockname()
    async with server, open_stream(*place) as (reader, writer), asyncio.timeout(5):
        writer.write(b"PING\r\n")
        assert await reader.readline() == b"PING\r\n"
    with pytest.raises(OSError, match="Connect"):
        async with open_stream(*server_address_without_listener()):
            pass


def server_address_without_listener() -> tuple[str, int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return "127.0.0.1", free.getsockname()[1]


OPENS = {
    "ClientSession": "connector",
    "TCPConnector": "socket_factory",
    "create_connection": "sock",
    "open_connection": "sock",
    "socket.socket": "never",
}
"""Functions that open a connection, each with the argument that the guard requires."""


def unguarded(code: str) -> list[str]:
    """Return the calls that open a connection without the guard."""
    calls = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    named = [(ast.unparse(call.func), {keyword.arg for keyword in call.keywords}) for call in calls]
    needed = [(name, given, OPENS.get(name) or OPENS.get(name.rpartition(".")[2])) for name, given in named]
    return [name for name, given, argument in needed if argument is not None and argument not in given]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_every_source_connects_with_the_guard(path: Path) -> None:
    found = [] if path.name == "network.py" else unguarded(path.read_text(encoding="utf-8"))
    assert not found, f"{path.name}: {', '.join(found)}: see autoscaler/sources/network.py"


def test_a_connection_without_the_guard_is_found() -> None:
    assert unguarded("await asyncio.open_connection(host, port)") == ["asyncio.open_connection"]
    assert unguarded("aiohttp.ClientSession(connector=c); socket.socket()") == ["socket.socket"]
    assert unguarded("asyncio.open_connection(sock=guarded_socket(address))") == []


@pytest.mark.parametrize(
    ("host", "is_metadata"),
    [("169.254.169.254", True), ("2852039166", True), ("fd00:ec2::254", True), ("10.0.0.1", False), ("redis", False)],
)
def test_an_instance_metadata_address_is_known_in_every_notation(host: str, is_metadata: bool) -> None:
    assert is_metadata_address(host) is is_metadata


def test_a_servers_text_is_one_printable_line_of_limited_length() -> None:
    assert one_line(" a\r\n\x1b[31mb\u202e ") == "a [31mb"
    assert len(one_line("x" * 1000)) == MOST_QUOTED
    assert one_line("x" * 1000).endswith("…")
