"""Measure the HTTP interface under floods of hostile clients: health checks, event-loop lag, memory, file descriptors.

    python -m bench.flooding                           writes docs/flood.md
    python -m bench.flooding CLIENTS SECONDS [KIND...]  prints the figures only

One process serves a thousand services as the daemon does, and measures its own event loop. Another one has the clients
of one kind, at a lower priority, because real ones are on other machines. Both are on loopback, where no limit per
address applies. A third one, this one, makes a health check every 0.2 s over a new connection, and a scrape of
`/readyz` by a user whose password was verified before.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
import random
import ssl
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import bcrypt
import uvloop

import autoscaler.app  # noqa: F401 - the memory includes the SDK, as in the daemon
from autoscaler.telemetry import raise_file_limit, read_access, serve
from bench.exporting import filled_store
from bench.resident import resident_mb
from tests.telemetry.certificates import write_certificate

PAGE = Path("docs/flood.md")
CLIENTS, SECONDS, SERVICES = 1_000, 6.0, 1_000
COST = 12
"""Cost of the password's hash: a check takes 0.2 s."""

CHECK_S, LAG_S, WARM_S = 0.2, 0.01, 2.0
MOST_LAG_MS, MOST_HEALTH_S, MOST_MB = 50.0, 1.0, 200.0
PASSWORD, NONE = "a password", "none"
START = b"GET %s HTTP/1.1\r\nHost: localhost\r\n"
USER = b"Authorization: Basic " + b64encode(f"ann:{PASSWORD}".encode()) + b"\r\n"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


# The clients. Each returns when its connection is no longer useful, and then connects again.


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Send nothing."""
    await reader.read()


async def half_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send half of a request."""
    writer.write((START % b"/metrics")[:-10])
    await reader.read()


async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a request byte by byte."""
    for byte in (START % b"/metrics") * 20:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.1)


async def oversized(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a header of 1 MB."""
    writer.write(START % b"/" + b"X: " + b"a" * 1_000_000 + b"\r\n\r\n")
    await reader.read()


async def requests(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send requests one after the other, for different pages, and read the responses."""
    while True:
        path = random.choice([b"/readyz", b"/api/v1/services", b"/metrics", b"/healthz", b"/nothing"])
        writer.write(START % path + USER + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))


async def unread(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Request the largest pages, and read nothing."""
    writer.transport.pause_reading()  # type: ignore[attr-defined] # a ReadTransport
    writer.write((START % b"/metrics" + USER + b"\r\n") * 20)
    await asyncio.sleep(random.uniform(10.0, 20.0))


async def streams(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Open an event stream, and read it."""
    writer.write(START % b"/api/v1/events" + USER + b"\r\n")
    await reader.read()


async def guesses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Guess passwords."""
    guess = b64encode(f"ann:{random.random()}".encode())
    writer.write(START % b"/metrics" + b"Authorization: Basic " + guess + b"\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")


async def half_greeting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send half of a TLS greeting."""
    writer.write(_greeting()[:100])
    await reader.read()


async def half_handshake(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a TLS greeting, and ignore the answer."""
    writer.write(_greeting())
    await reader.read()


def _greeting() -> bytes:
    sent, context = ssl.MemoryBIO(), ssl.create_default_context()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost").do_handshake()
    return sent.read()


class Kind(NamedTuple):
    """`is_raw`: the client speaks TLS itself, or never completes a handshake."""

    client: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    is_raw: bool = False


BOTH = {each.__name__: Kind(each) for each in (silent, half_open, slow, oversized, requests, unread, streams)}
SECURE = {
    "guesses": Kind(guesses),
    "silent before TLS": Kind(silent, is_raw=True),
    "half greeting": Kind(half_greeting, is_raw=True),
    "half handshake": Kind(half_handshake, is_raw=True),
}


async def attack(name: str, port: int, is_secure: bool, clients: int) -> None:
    """Run the clients until this process is stopped."""
    if name == NONE:
        clients = 0
    kind = {**BOTH, **SECURE}.get(name, Kind(silent))
    tls = _trusting() if is_secure and not kind.is_raw else None

    async def client() -> None:
        while True:
            with suppress(OSError, EOFError, RuntimeError, asyncio.LimitOverrunError, ValueError, IndexError):
                async with connected(port, tls) as (reader, writer):
                    await kind.client(reader, writer)
            await asyncio.sleep(random.uniform(0.0, 0.5))

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())


@asynccontextmanager
async def connected(port: int, tls: ssl.SSLContext | None) -> AsyncIterator[Streams]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def _trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


# The server: a process that reports its own figures for each line on its standard input.


class ServerFigures(NamedTuple):
    """Since the report before: the delays of the event loop, and the highest memory and number of file descriptors."""

    p99_ms: float
    longest_ms: float
    resident_mb: float
    files: int


async def serving(folder: str) -> None:
    """Serve until the standard input ends. `folder`: with the web configuration, or empty."""
    raise_file_limit()
    store, metrics = filled_store(SERVICES)
    access = read_access(f"{folder}/web.yml" if folder else None)
    async with serve(store, metrics, "127.0.0.1", 0, 3_600.0, access=access) as port:
        print(port, flush=True)
        seen: list[tuple[float, float, int]] = []
        watching = asyncio.create_task(_watch(seen))
        while await asyncio.to_thread(sys.stdin.readline):
            late, memory, files = zip(*seen, strict=True)
            p99_ms = sorted(late)[int(0.99 * len(late))]
            print(json.dumps(ServerFigures(p99_ms, max(late), max(memory), max(files))), flush=True)
            seen.clear()
        watching.cancel()


async def _watch(seen: list[tuple[float, float, int]]) -> None:
    """Record how late the event loop is, every 10 ms."""
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(LAG_S)
        late_ms = 1_000 * (time.perf_counter() - begun - LAG_S)
        seen.append((late_ms, resident_mb(), len(os.listdir("/proc/self/fd"))))


# The measurement.


class Flooded(NamedTuple):
    """One flood. `health_s`, `scrape_s`: the longest time of a health check, and of a known user's request (None: not
    answered). `checks`: the number of health checks; all were answered if `health_s` is not None.
    """

    name: str
    is_secure: bool
    checks: int
    health_s: float | None
    scrape_s: float | None
    server: ServerFigures


async def flooded(clients: int, seconds: float, only: Sequence[str] = ()) -> list[Flooded]:
    """Measure every kind of client, or only these."""
    found = []
    for is_secure in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            if is_secure:
                _write_configuration(Path(folder))
            async with child("serve", folder if is_secure else "") as server:
                assert server.stdout is not None
                port = int(await server.stdout.readline())
                names = [NONE, *BOTH, *(SECURE if is_secure else ())]
                names = [name for name in names if not only or name in {NONE, *only}]
                tls = _trusting() if is_secure else None
                await _timed(port, tls, b"/readyz", 30.0)  # the password is verified
                for name in names:
                    async with child("attack", name, str(port), str(int(is_secure)), str(clients)):
                        await asyncio.sleep(WARM_S)
                        found.append(await _measured(server, port, name, tls, seconds))
                    print(_row(found[-1]), file=sys.stderr, flush=True)
    return found


async def _measured(
    server: asyncio.subprocess.Process, port: int, name: str, tls: ssl.SSLContext | None, seconds: float
) -> Flooded:
    await _report(server)
    until = time.monotonic() + seconds
    healths, scrapes = [], []
    while time.monotonic() < until:
        healths.append(await _timed(port, tls, b"/healthz", 10.0))
        scrapes.append(await _timed(port, tls, b"/readyz", 10.0))
        await asyncio.sleep(CHECK_S)
    return Flooded(name, tls is not None, len(healths), _longest(healths), _longest(scrapes), await _report(server))


async def _report(server: asyncio.subprocess.Process) -> ServerFigures:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(b"\n")
    return ServerFigures(*json.loads(await server.stdout.readline()))


def _longest(seconds: list[float | None]) -> float | None:
    known = [each for each in seconds if each is not None]
    return max(known) if len(known) == len(seconds) else None


async def _timed(port: int, tls: ssl.SSLContext | None, path: bytes, limit_s: float) -> float | None:
    """Return the seconds until the whole response was received (None: no 200)."""
    begun = time.perf_counter()
    with suppress(OSError, EOFError):
        async with asyncio.timeout(limit_s), connected(port, tls) as (reader, writer):
            writer.write(START % path + (USER if path != b"/healthz" else b"") + b"Connection: close\r\n\r\n")
            if b" 200 " in (await reader.read())[:20]:
                return time.perf_counter() - begun
    return None


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "bench.flooding", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _write_configuration(folder: Path) -> None:
    write_certificate(folder)
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(COST)).decode()
    content = f"tls_server_config: {{cert_file: cert.pem, key_file: key.pem}}\nbasic_auth_users: {{ann: {hashed}}}\n"
    (folder / "web.yml").write_text(content)


def _row(one: Flooded) -> str:
    health, scrape = ("none" if each is None else f"{1_000 * each:.0f} ms" for each in (one.health_s, one.scrape_s))
    return (
        f"| {one.name.replace('_', ' ')} | {'yes' if one.is_secure else 'no'} | {health} | {scrape} |"
        f" {one.server.p99_ms:.0f} ms | {one.server.longest_ms:.0f} ms | {one.server.resident_mb:.0f} MB |"
        f" {one.server.files} |"
    )


def _failures(found: list[Flooded]) -> list[str]:
    """Return the floods in which a goal was not reached."""
    failed = []
    for is_secure in (False, True):
        quiet, *floods = [one for one in found if one.is_secure is is_secure]
        for one in floods:
            reached = (
                one.health_s is not None
                and one.health_s <= MOST_HEALTH_S
                and one.server.p99_ms <= quiet.server.p99_ms + MOST_LAG_MS
                and one.server.resident_mb <= MOST_MB
            )
            if not reached:
                failed.append(f"{one.name} ({'with' if is_secure else 'without'} TLS)")
    return failed


def _page(found: list[Flooded], clients: int, seconds: float) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    failed = _failures(found)
    return (
        "# Floods\n\n"
        f"Measured on {day} with `make flood`: Python {platform.python_version()}, {platform.machine()}, a small shared"
        f" machine with {os.cpu_count()} cores. Each row: {clients:,} clients of one kind for {seconds:.0f} s, all on"
        f" loopback, where no limit per address applies; each reconnects within 0.5 s after it was closed. The daemon's"
        f" HTTP server has {SERVICES:,} services and runs without polls. With TLS it also has passwords (bcrypt, cost"
        f" {COST}).\n\n"
        "Health: the longest of the checks, each over a new connection. Known user: the longest request of `/readyz` by"
        " a user whose password was verified before. Delay: of the event loop, at 100 measurements per second.\n\n"
        "| clients | TLS | health | known user | delay, p99 | longest | memory | file descriptors |\n"
        "|---|---|---|---|---|---|---|---|\n" + "".join(f"{_row(one)}\n" for one in found) + "\n"
        f"Goals: health within {MOST_HEALTH_S:g} s, a p99 delay of at most {MOST_LAG_MS:.0f} ms more than without"
        f" clients, less than {MOST_MB:.0f} MB. Not reached: {', '.join(failed) or 'none'}.\n\n"
        "The kinds of clients are described in `bench/flooding.py`. [Threats](threats.md) has the limits.\n"
    )


def main(arguments: list[str]) -> None:
    match arguments:
        case ["serve", folder]:
            uvloop.run(serving(folder))
        case ["attack", name, port, secure, clients]:
            logging.disable()
            os.nice(10)
            raise_file_limit()
            uvloop.run(attack(name, int(port), secure == "1", int(clients)))
        case [_, _, *names] if unknown := {*names} - {*BOTH, *SECURE}:
            raise SystemExit(f"unknown: {', '.join(unknown)}. Kinds of clients: {', '.join({**BOTH, **SECURE})}")
        case [clients, seconds, *names]:
            uvloop.run(flooded(int(clients), float(seconds), names))
        case _:
            PAGE.write_text(_page(uvloop.run(flooded(CLIENTS, SECONDS)), CLIENTS, SECONDS), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
