"""Child processes of tests: signals at their defaults, and no process left after a test, whether it passed or failed.

This module is a pytest plugin: `tests/conftest.py` imports its hook and its fixture.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

END_S = 30.0
"""Seconds after which a killed process that still runs is an error."""

SHARED = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Command lines of processes that Python's standard library starts once and ends together with its own process."""


def pytest_configure() -> None:
    """Give children the default action for SIGINT, however the test run was started.

    A shell without job control (`make test &` in a script, many CI runners) starts background commands with SIGINT
    ignored, so that Ctrl-C reaches the foreground only. An ignored signal stays ignored across `exec`, and then
    `KeyboardInterrupt` never happens in a child. A signal with a handler is reset to its default across `exec`, so an
    empty handler is enough: this process still does nothing on SIGINT, and every child it starts has the default
    action. `preexec_fn` would do the same for one child, but is unsafe where threads run.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(*_: object) -> None:
    """Stop the test run in order on SIGTERM, so that fixtures and `finally` blocks end the processes of the tests."""
    raise KeyboardInterrupt("SIGTERM")


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """End every process that the test started and did not end, and report it as an error.

    Fixtures of a wider scope are set up before this one, so their processes count as started before the test. On
    systems without /proc/PID/task/TID/children (all except Linux), nothing is checked.
    """
    before = descendants()
    yield
    left = sorted(descendants() - before)
    commands = {pid: command_line(pid) for pid in left}
    killed = [pid for pid in left if not any(shared in commands[pid] for shared in SHARED) and end(pid)]
    if killed:
        listed = "".join(f"\n  {pid}: {commands[pid]}" for pid in killed)
        pytest.fail(f"the test left processes running, which were killed:{listed}", pytrace=False)


def descendants(of: int | None = None) -> set[int]:
    """Return the process ids of all living descendants of a process (None: of this one). Zombies do not count."""
    found: set[int] = set()
    for listed in Path(f"/proc/{of or os.getpid()}/task").glob("*/children"):
        with suppress(OSError):  # the thread or the process has ended
            for child in map(int, listed.read_text().split()):
                found |= descendants(child) | ({child} if is_alive(child) else set())
    return found


def is_alive(pid: int) -> bool:
    """Return whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def command_line(pid: int) -> str:
    """Return the arguments of a process, separated by spaces; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""


async def ended(process: asyncio.subprocess.Process) -> None:
    """Kill the process if it still runs, and wait until it has ended. For the caller's `finally`."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def end(pid: int) -> bool:
    """Kill the process and wait until it has ended. Return whether it was still running."""
    was_alive = is_alive(pid)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    limit = time.monotonic() + END_S
    while is_alive(pid):
        assert time.monotonic() < limit, f"process {pid} still runs {END_S} s after SIGKILL"
        time.sleep(0.01)
    with suppress(ChildProcessError):  # not a child of this process, or already waited for
        os.waitpid(pid, os.WNOHANG)
    return was_alive
