"""The demo's two child processes: the Region and the daemon. Neither sees the user's settings, neither outlives us.

Law: a child's environment holds nothing that begins with `AWS_` or `AUTOSCALER_`, and no proxy, but what is set here.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from autoscaler.demo.region_client import REGION, RegionFailed

INHERITED = ("PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR", "LANG", "TZ")
"""All that a child sees of the user's environment. Not HOME: it leads to ~/.aws."""

REGION_STARTS_WITHIN_S = 30.0
ENDS_WITHIN_S = 5.0
LONGEST_LINE = 8 * 2**20
TAIL_LINES = 20


def environment(own: Mapping[str, str], users: Mapping[str, str] | None = None) -> dict[str, str]:
    """A child's whole environment: `own`, and what is harmless of the user's (None: of this process's)."""
    users = os.environ if users is None else users
    return {name: users[name] for name in INHERITED if name in users} | dict(own)


def aws_environment(endpoint: str) -> dict[str, str]:
    """The embedded Region is the only AWS there is: no profile, no file, no metadata service, no real key."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def end(child: asyncio.subprocess.Process) -> None:
    """The child has ended: asked to, and after five seconds, or if we may not wait, killed."""
    try:
        with suppress(ProcessLookupError, TimeoutError):
            child.terminate()
            async with asyncio.timeout(ENDS_WITHIN_S):
                await child.wait()
    finally:
        with suppress(ProcessLookupError):
            child.kill()


@asynccontextmanager
async def region() -> AsyncIterator[str]:
    """An embedded Region, at the URL that this gives, until the context ends. Raises `RegionFailed`."""
    with tempfile.TemporaryFile() as errors:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "autoscaler.demo.region"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=environment({}),
            start_new_session=True,
        )
        try:
            port = await _first_line(child)
            if not port.strip().isdigit():
                errors.seek(0)
                raise RegionFailed(
                    f"the embedded Region did not start: {errors.read().decode(errors='replace')[-2000:]}"
                )
            yield f"http://127.0.0.1:{int(port)}"
        finally:
            await end(child)


async def _first_line(child: asyncio.subprocess.Process) -> bytes:
    """What the child says first; nothing if it ends or says nothing for too long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(REGION_STARTS_WITHIN_S):
            return await child.stdout.readline() if child.stdout else b""
    return b""


@dataclass
class Daemon:
    """The running daemon, as its log tells of it. `sentence` is its last decision's, taken at `decided`."""

    process: asyncio.subprocess.Process
    port: int
    sentence: str = ""
    decided: float = 0.0
    decisions: int = 0
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def listen(self) -> int:
        """Reads the log until the daemon ends; gives its exit code."""
        while self.process.stdout and (line := await self.process.stdout.readline()):
            self.note(line.decode(errors="replace").rstrip())
        return await self.process.wait()

    def note(self, line: str) -> None:
        """A line of the log: kept among the last, and if it is a decision, shown."""
        told = _parsed(line)
        self.tail.append(str(told.get("sentence") or told.get("event") or line)[:500] if told else line[:500])
        if isinstance(told.get("sentence"), str):
            self.sentence, self.decided, self.decisions = told["sentence"], monotonic(), self.decisions + 1


def _parsed(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


@asynccontextmanager
async def daemon(settings: Mapping[str, str], port: int, command: Sequence[str]) -> AsyncIterator[Daemon]:
    """The daemon as a process of its own, with these settings and no others, until the context ends."""
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(settings),
        start_new_session=True,
        limit=LONGEST_LINE,
    )
    try:
        yield Daemon(child, port)
    finally:
        await end(child)
