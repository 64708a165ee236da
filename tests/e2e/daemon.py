"""The real daemon as a process, with its log and its HTTP pages."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

END_S = 20.0


@dataclass
class DaemonProcess:
    process: asyncio.subprocess.Process
    port: int
    lines: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    readers: list[asyncio.Task[None]] = field(default_factory=list)

    async def output_read(self) -> None:
        """Wait until all output of the ended process was read."""
        await asyncio.wait(self.readers)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("event") == name]

    async def get(self, path: str) -> tuple[int, str]:
        """Return status and body; (0, "") if no server listens."""
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.port}{path}") as answer,
            ):
                return answer.status, await answer.text()
        except aiohttp.ClientConnectionError:
            return 0, ""

    async def until_ready(self) -> None:
        async with asyncio.timeout(END_S):
            while (await self.get("/readyz"))[0] != 200:
                assert self.process.returncode is None, self.errors
                await asyncio.sleep(0.1)


def environ_of(endpoint: str, port: int, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a daemon, without this machine's AWS settings."""
    return {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
        "AUTOSCALER_HTTP_HOST": "127.0.0.1",
        "AUTOSCALER_HTTP_PORT": str(port),
        "AUTOSCALER_LOG_FORMAT": "json",
        **settings,
    }


@asynccontextmanager
async def daemon(endpoint: str, port: int, settings: Mapping[str, str]) -> AsyncIterator[DaemonProcess]:
    """Run a daemon without this machine's AWS settings. It is killed at the end of the block if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "autoscaler", "run", env=environ_of(endpoint, port, settings),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=2**20,
    )  # fmt: skip
    running = DaemonProcess(process, port)
    async with asyncio.TaskGroup() as group:
        streams = (
            (process.stdout, lambda line: running.lines.append(json.loads(line))),
            (process.stderr, running.errors.append),
        )
        running.readers = [group.create_task(_read(stream, note)) for stream, note in streams]
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _read(stream: asyncio.StreamReader | None, note: Any) -> None:
    assert stream is not None
    async for line in stream:
        note(line.decode())
