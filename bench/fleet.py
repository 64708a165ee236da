"""The daemon as a process on one core, before the double of AWS on the other: how many services are measured."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from autoscaler.demo.children import aws_environment, end, environment, free_port
from autoscaler.demo.region_client import REGION
from bench.resident import resident_mb

DAEMON_CORE, AWS_CORE = 0, -1
"""Of those that this process may use."""

STARTS_WITHIN_S = 120.0
CLOCK_TICKS_S = os.sysconf("SC_CLK_TCK")


class Used(NamedTuple):
    """What a process had used at some moment."""

    at: float
    cpu_s: float
    resident_mb: float


@dataclass
class Stage:
    """Both processes, and how to ask them."""

    daemon: asyncio.subprocess.Process
    url: str
    aws_url: str
    http: aiohttp.ClientSession
    log: Path

    async def pull(self, verb: str, **told: Any) -> dict[str, Any]:
        """One of the double's strings."""
        async with self.http.post(f"{self.aws_url}/_double/{verb}", json=told) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = await answer.json()
            return found

    async def metrics(self) -> dict[str, float]:
        """Every series that the daemon shows, by its name and labels."""
        async with self.http.get(f"{self.url}/metrics") as answer:
            text = await answer.text()
        return {match[1]: float(match[2]) for match in SERIES.finditer(text)}

    def used(self) -> Used:
        return used(self.daemon.pid)

    async def between(self, seconds: float) -> tuple[Used, Used]:
        """What the daemon had used at the beginning and at the end of so long a time."""
        before = self.used()
        await asyncio.sleep(seconds)
        return before, self.used()


SERIES = re.compile(r"^([a-z_]+(?:\{[^}]*\})?) ([0-9.eE+-]+|NaN|[+-]Inf)$", re.MULTILINE)


def used(pid: int) -> Used:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return Used(time.monotonic(), (int(fields[11]) + int(fields[12])) / CLOCK_TICKS_S, resident_mb(pid))


@asynccontextmanager
async def stage(
    services: int,
    settings: Mapping[str, str],
    defaults: Mapping[str, object],
    told: Iterable[str] = (),
) -> AsyncIterator[Stage]:
    """The daemon looks after so many services, each with a queue; the double is told `told` at its start."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        (folder / "settings.toml").write_text(_file(services, defaults), encoding="utf-8")
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=120)) as http,
            double(services, told) as url,
        ):
            port = free_port()
            own = aws_environment(url) | {
                "AUTOSCALER_CONFIG_FILE": str(folder / "settings.toml"),
                "AUTOSCALER_HTTP_PORT": str(port),
                **settings,
            }
            with (folder / "log").open("wb") as log:
                command = (sys.executable, "-m", "autoscaler", "run")
                daemon = await _on_core(DAEMON_CORE, command, environment(own), log.fileno())
                try:
                    running = Stage(daemon, f"http://127.0.0.1:{port}", url, http, folder / "log")
                    await _listening(running)
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
async def double(services: int, told: Iterable[str]) -> AsyncIterator[str]:
    command = (sys.executable, "-m", "tests.fakeaws", "--services", str(services), "--region", REGION, *told)
    child = await _on_core(AWS_CORE, command, environment({}), asyncio.subprocess.PIPE)
    try:
        if child.stdout is None:
            raise RuntimeError("the double has no standard output")
        async with asyncio.timeout(STARTS_WITHIN_S):
            url = (await child.stdout.readline()).decode().strip()
        yield url
    finally:
        await end(child)


async def _on_core(
    number: int, command: tuple[str, ...], env: Mapping[str, str], stdout: int
) -> asyncio.subprocess.Process:
    """A child that has one core of ours to itself, as far as others let it."""
    cores = sorted(os.sched_getaffinity(0))
    child = await asyncio.create_subprocess_exec(*command, env=dict(env), stdout=stdout, limit=8 * 2**20)
    os.sched_setaffinity(child.pid, {cores[number]})
    return child


async def _listening(running: Stage) -> None:
    async with asyncio.timeout(STARTS_WITHIN_S):
        while True:
            try:
                async with running.http.get(f"{running.url}/readyz"):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
