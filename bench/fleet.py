"""Run the daemon as a process on one core, and the test double of AWS on another, to measure many services."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from autoscaler.demo.children import aws_environment, end, environment, free_port
from autoscaler.demo.region_client import REGION
from bench.resident import resident_mb

DAEMON_CORE, AWS_CORE = 0, -1
"""Indexes of the cores that this process can use."""

STARTS_WITHIN_S = 120.0
JIFFIES_PER_S = os.sysconf("SC_CLK_TCK")


class Used(NamedTuple):
    """Resource usage of a process at one moment."""

    at: float
    cpu_s: float
    resident_mb: float


@dataclass
class TwoProcesses:
    """The two processes and their HTTP interfaces."""

    daemon: asyncio.subprocess.Process
    url: str
    aws_url: str
    http: aiohttp.ClientSession
    log: Path

    async def control(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """Send a control command to the test double, and return its answer."""
        return await control(self.http, self.aws_url, verb, **arguments)

    async def metrics(self) -> dict[str, float]:
        """Return all series that the daemon exports, by name and labels."""
        async with self.http.get(f"{self.url}/metrics") as answer:
            text = await answer.text()
        return {match[1]: float(match[2]) for match in SERIES.finditer(text)}

    def used(self) -> Used:
        return used(self.daemon.pid)

    async def between(self, seconds: float) -> tuple[Used, Used]:
        """Return the daemon's resource usage at the start and at the end of a time in seconds."""
        before = self.used()
        await asyncio.sleep(seconds)
        return before, self.used()


async def control(http: aiohttp.ClientSession, aws_url: str, verb: str, **arguments: Any) -> dict[str, Any]:
    """Send a control command to the test double, and return its answer."""
    async with http.post(f"{aws_url}/_double/{verb}", json=arguments) as answer:
        answer.raise_for_status()
        found: dict[str, Any] = await answer.json()
        return found


SERIES = re.compile(r"^([a-z_]+(?:\{[^}]*\})?) ([0-9.eE+-]+|NaN|[+-]Inf)$", re.MULTILINE)


def used(pid: int) -> Used:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return Used(time.monotonic(), (int(fields[11]) + int(fields[12])) / JIFFIES_PER_S, resident_mb(pid))


@asynccontextmanager
async def stage(
    services: int,
    settings: Mapping[str, str],
    defaults: Mapping[str, object],
    arguments: Iterable[str] = (),
    through: Callable[[str], AbstractAsyncContextManager[str]] = nullcontext,
) -> AsyncIterator[TwoProcesses]:
    """Run the daemon with this number of services, each with a queue. `arguments`: options of the test double.
    `through`: returns the URL at which the daemon reaches the double's URL.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        (folder / "settings.toml").write_text(_file(services, defaults), encoding="utf-8")
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http,
            double(services, arguments) as url,
            through(url) as seen_url,
        ):
            port = free_port()
            env_settings = aws_environment(seen_url) | {
                "AUTOSCALER_CONFIG_FILE": str(folder / "settings.toml"),
                "AUTOSCALER_HTTP_PORT": str(port),
                **settings,
            }
            with (folder / "log").open("wb") as log:
                command = (sys.executable, "-m", "autoscaler", "run")
                daemon = await _on_core(DAEMON_CORE, command, environment(env_settings), log.fileno())
                try:
                    running = TwoProcesses(daemon, f"http://127.0.0.1:{port}", url, http, folder / "log")
                    await _until_listening(running)
                    yield running
                finally:
                    await end(daemon)


def _file(services: int, defaults: Mapping[str, object]) -> str:
    lines, defaults = ["[defaults]", 'cluster = "bench"'], {"max_tasks": 100, "mode": "active"} | dict(defaults)
    lines += [
        f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in defaults.items()
    ]
    for number in range(services):
        lines += [f"[services.s{number:05d}]", f'service = "service-{number:05d}"', f'queues = ["queue-{number:05d}"]']
    return "\n".join(lines) + "\n"


@asynccontextmanager
async def double(services: int, arguments: Iterable[str]) -> AsyncIterator[str]:
    command = (sys.executable, "-m", "tests.fakeaws", "--services", str(services), "--region", REGION, *arguments)
    child = await _on_core(AWS_CORE, command, environment({}), asyncio.subprocess.PIPE)
    try:
        if child.stdout is None:
            raise RuntimeError("the test double has no standard output")
        async with asyncio.timeout(STARTS_WITHIN_S):
            url = (await child.stdout.readline()).decode().strip()
        yield url
    finally:
        await end(child)


async def _on_core(
    number: int, command: tuple[str, ...], env: Mapping[str, str], stdout: int
) -> asyncio.subprocess.Process:
    """Start a child process on one core; other processes can still use that core."""
    cores = sorted(os.sched_getaffinity(0))
    child = await asyncio.create_subprocess_exec(*command, env=dict(env), stdout=stdout, limit=8 * 2**20)
    os.sched_setaffinity(child.pid, {cores[number]})
    return child


async def _until_listening(running: TwoProcesses) -> None:
    async with asyncio.timeout(STARTS_WITHIN_S):
        while True:
            try:
                async with running.http.get(f"{running.url}/readyz"):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
