"""The two child processes of the demo: the Region and the daemon. They do not get the user's settings, and they end
with the demo.

Invariant: the environment of a child contains no `AWS_` or `AUTOSCALER_` variable and no proxy except those set here.
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
"""The variables of the user's environment that a child inherits. Not HOME: it leads to ~/.aws."""

REGION_STARTS_WITHIN_S = 30.0
ENDS_WITHIN_S = 5.0
LONGEST_LINE = 8 * 2**20
TAIL_LINES = 20


def environment(extra: Mapping[str, str], users: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a child: `extra` and the `INHERITED` variables of `users` (None: of this process)."""
    users = os.environ if users is None else users
    return {name: users[name] for name in INHERITED if name in users} | dict(extra)


def aws_environment(endpoint: str) -> dict[str, str]:
    """Return settings that permit only the embedded Region: no profile, file, metadata service or real key."""
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
    """Return a free port of the loopback interface."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def end(child: asyncio.subprocess.Process) -> None:
    """End the child with SIGTERM, and with SIGKILL after five seconds or if this call is cancelled."""
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
    """Run an embedded Region until the context ends, and yield its URL. Raise `RegionFailed` if it does not start."""
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
    """Return the first line that the child prints, or nothing if it ends or prints nothing in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(REGION_STARTS_WITHIN_S):
            return await child.stdout.readline() if child.stdout else b""
    return b""


@dataclass
class DemoDaemon:
    """The running daemon, as seen in its log. `sentence`: that of its last decision, logged at `decided`."""

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
        """Read the log until the daemon ends, and return its exit code."""
        while self.process.stdout and (line := await self.process.stdout.readline()):
            self.note(line.decode(errors="replace").rstrip())
        return await self.process.wait()

    def note(self, line: str) -> None:
        """Store a line of the log among the last ones, and its sentence if it is a decision."""
        entry = _parsed(line)
        self.tail.append(str(entry.get("sentence") or entry.get("event") or line)[:500] if entry else line[:500])
        if isinstance(entry.get("sentence"), str):
            self.sentence, self.decided, self.decisions = entry["sentence"], monotonic(), self.decisions + 1


def _parsed(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


@asynccontextmanager
async def daemon(settings: Mapping[str, str], port: int, command: Sequence[str]) -> AsyncIterator[DemoDaemon]:
    """Run the daemon as a process with only these settings until the context ends."""
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
        yield DemoDaemon(child, port)
    finally:
        await end(child)
