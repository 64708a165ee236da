"""Laws of the test suite: it runs the same however it is started, every test has a time limit, none leaves a process.

Each law is tested by a separate test run with this suite's settings and `tests/processes.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import command_line, descendants, end

ROOT = Path(__file__).resolve().parents[1]

START = """
import subprocess, sys
SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]

def started():
    child = subprocess.Popen(SLEEP, stdout=subprocess.PIPE)
    child.stdout.readline()
    with open("pids", "a") as pids:
        pids.write(f"{child.pid}\\n")
    return child
"""


def suite(folder: Path, content: str, *options: str) -> list[str]:
    """Write a test file and return the command that runs it with this suite's settings."""
    (folder / "test_it.py").write_text(content)
    plain = ["-p", "tests.processes", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "-q", "--noconftest"]
    return [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), *plain, *options, "test_it.py"]


def run(command: list[str], folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    return subprocess.run(
        [*before, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def running(folder: Path) -> list[int]:
    """End the processes that the inner run started; return those that were still running."""
    pids = [int(line) for line in (folder / "pids").read_text().split()]
    assert pids
    return [pid for pid in pids if end(pid)]


@pytest.mark.parametrize("before", [(), ("sh", "-c", "trap '' INT; exec \"$@\"", "sh"), ("nohup",)])
def test_a_child_has_the_default_signals_however_the_suite_was_started(tmp_path: Path, before: tuple[str, ...]) -> None:
    content = """
import signal, subprocess, sys
NAMES = "import signal; print([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])"

def test_it():
    shown = subprocess.run([sys.executable, "-c", NAMES], capture_output=True, text=True, check=True).stdout
    assert shown.count("default_int_handler") == 1, shown
    assert shown.count("SIG_DFL") == 1, shown
"""
    inner = run(suite(tmp_path, content), tmp_path, *before)
    assert inner.returncode == 0, inner.stdout


def test_a_suite_in_the_background_continues_after_ctrl_c(tmp_path: Path) -> None:
    content = """
import os, signal

def test_it():
    os.kill(os.getpid(), signal.SIGINT)
"""
    inner = run(suite(tmp_path, content), tmp_path, "sh", "-c", "trap '' INT; exec \"$@\"", "sh")
    assert inner.returncode == 0, inner.stdout


@pytest.mark.parametrize("how", ["pass", "assert False"])
def test_a_test_leaves_no_process_whether_it_passes_or_fails(tmp_path: Path, how: str) -> None:
    inner = run(
        suite(tmp_path, f"{START}\nCHILDREN = []\ndef test_it():\n    CHILDREN.append(started())\n    {how}\n"),
        tmp_path,
    )
    assert running(tmp_path) == []
    assert inner.returncode == 1
    assert "the test left processes running" in inner.stdout


def test_a_process_of_a_fixture_with_wider_scope_runs_until_that_fixture_ends(tmp_path: Path) -> None:
    content = f"""{START}
import pytest

@pytest.fixture(scope="module")
def child():
    with started() as child:
        yield child
        child.kill()

def test_first(child):
    assert child.poll() is None

def test_second(child):
    assert child.poll() is None
"""
    inner = run(suite(tmp_path, content), tmp_path)
    assert inner.returncode == 0, inner.stdout
    assert running(tmp_path) == []


@pytest.mark.parametrize("waits", ["asyncio.run(asyncio.sleep(600))", "CHILDREN[0].wait()"])
def test_a_test_that_hangs_fails_at_its_time_limit_and_leaves_no_process(tmp_path: Path, waits: str) -> None:
    content = f"{START}\nimport asyncio\nCHILDREN = []\ndef test_it():\n    CHILDREN.append(started())\n    {waits}\n"
    inner = run(suite(tmp_path, content, "-o", "timeout=1"), tmp_path)
    assert "Failed: Timeout" in inner.stdout
    assert inner.returncode == 1
    assert running(tmp_path) == []


def test_a_run_that_is_terminated_leaves_no_process(tmp_path: Path) -> None:
    content = (
        f"{START}\nimport time\nCHILDREN = []\ndef test_it():\n    CHILDREN.append(started())\n    time.sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}
    with subprocess.Popen(
        suite(tmp_path, content), cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as inner:
        limit = time.monotonic() + 60
        while not (tmp_path / "pids").exists() or not (tmp_path / "pids").read_text().endswith("\n"):
            assert inner.poll() is None
            assert time.monotonic() < limit
            time.sleep(0.05)
        inner.send_signal(signal.SIGTERM)
        assert inner.wait(60) in {pytest.ExitCode.INTERRUPTED, pytest.ExitCode.TESTS_FAILED}
    assert running(tmp_path) == []


def test_every_test_has_a_time_limit(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.pluginmanager.hasplugin("timeout")
    assert float(pytestconfig.getini("timeout")) > 0
    assert pytestconfig.getini("timeout_method") == "signal"


def test_grandchildren_are_descendants_and_ended_processes_are_not() -> None:
    both = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(flush=True); input()'])"
    with subprocess.Popen([sys.executable, "-c", both], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = descendants() & {child.pid, *descendants(child.pid)}
        assert len(found) == 2
        assert all(sys.executable in command_line(pid) for pid in found)
        child.communicate(b"\n")
    assert not descendants() & found
