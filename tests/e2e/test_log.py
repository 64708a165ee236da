"""The daemon when its log cannot be written: it keeps scaling, answers its health checks, and stops in time.

AWS is an address where nothing listens, so the daemon logs `missing_signal`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from tests.e2e.daemon import END_S, DaemonProcess, environ_of
from tests.e2e.test_daemon import SETTINGS, free_port
from tests.processes import ended


def full_pipe() -> tuple[int, int]:
    """Return a pipe whose next write blocks."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with suppress(BlockingIOError):
        while os.write(writing, b"." * 4096):
            pass
    os.set_blocking(writing, True)
    return reading, writing


@asynccontextmanager
async def daemon_with(stdout: int, stderr: int = asyncio.subprocess.PIPE) -> AsyncIterator[DaemonProcess]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "autoscaler", "run", env=environ_of("http://127.0.0.1:1", port, SETTINGS),
        stdout=stdout, stderr=stderr,
    )  # fmt: skip
    os.close(stdout)
    try:
        yield DaemonProcess(process, port)
    finally:
        await ended(process)


async def lost_lines(running: DaemonProcess) -> int:
    _, page = await running.get("/metrics")
    lines = [line for line in page.splitlines() if line.startswith("autoscaler_log_lines_lost_total")]
    assert len(lines) == 1
    return int(float(lines[0].split()[-1]))


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(END_S):
        while not await reached():  # noqa: ASYNC110 - the state of another process
            await asyncio.sleep(0.1)


async def until_polled(running: DaemonProcess) -> None:
    """Wait until a poll was completed, whose log line is due."""

    async def polled() -> bool:
        status, page = await running.get("/metrics")
        return status == 200 and "autoscaler_tick_seconds_count 0" not in page

    await until(polled)


async def stop(running: DaemonProcess) -> int:
    running.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(END_S):
        return await running.process.wait()


async def test_a_log_that_is_never_read_blocks_neither_polls_nor_health_nor_the_stop() -> None:
    reading, writing = full_pipe()
    try:
        async with daemon_with(writing) as running:
            await until_polled(running)
            assert (await running.get("/healthz"))[0] == 200
            assert await lost_lines(running) == 0, "the lines wait in the queue"
            assert await stop(running) == 0
            assert running.process.stderr is not None
            errors = (await running.process.stderr.read()).decode().splitlines()
            assert len(errors) == 1
            assert "log lines could not be written before the end" in errors[0]
    finally:
        os.close(reading)


async def test_a_daemon_with_stdout_and_stderr_that_are_never_read_works_and_stops() -> None:
    reading, writing = full_pipe()
    try:
        async with daemon_with(writing, os.dup(writing)) as running:
            await until_polled(running)
            assert (await running.get("/healthz"))[0] == 200
            assert await stop(running) == 0
    finally:
        os.close(reading)


async def test_a_log_that_is_read_late_is_complete() -> None:
    reading, writing = full_pipe()
    try:
        async with daemon_with(writing) as running:
            await until_polled(running)
            received = b""
            async with asyncio.timeout(END_S):
                while b'"missing_signal"' not in received:
                    received += await asyncio.to_thread(os.read, reading, 65_536)
            assert await lost_lines(running) == 0
            assert await stop(running) == 0
            received += await asyncio.to_thread(_all_of, reading)
    finally:
        os.close(reading)
    lines = received.lstrip(b".").decode().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert events[0] == "started"
    assert events[-1] == "stopped"
    assert "log_lines_lost" not in events


def _all_of(reading: int) -> bytes:
    parts = []
    while part := os.read(reading, 65_536):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("cause", ["Broken pipe", "No space left on device"])
async def test_a_log_that_cannot_be_written_costs_one_line_and_lost_lines_are_counted(cause: str) -> None:
    if cause == "Broken pipe":
        reading, stdout = os.pipe()
        os.close(reading)
    else:
        stdout = os.open("/dev/full", os.O_WRONLY)
    async with daemon_with(stdout) as running:
        await until_polled(running)

        async def both_lost() -> bool:
            return await lost_lines(running) >= 2  # `started`, and the line of the first poll

        await until(both_lost)
        assert await stop(running) == 0
        assert running.process.stderr is not None
        errors = (await running.process.stderr.read()).decode().splitlines()
    assert len(errors) == 1
    assert cause in errors[0]
    assert "autoscaler_log_lines_lost_total" in errors[0]
