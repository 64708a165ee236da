"""The checkout that is recorded, used only as an operator uses it: commands, a running daemon, files."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

LIMIT_S = 300.0
"""No command of a recording takes that long; one that does is killed, and the recording fails."""


class Outcome(NamedTuple):
    """What one command left: its exit code, and both outputs."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Tree:
    """A checkout and the Python that runs it. Nothing of the caller's environment but PATH reaches its commands."""

    folder: Path
    python: Path
    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="baseline-home-")))

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables of one command: no credentials, profiles or settings but those that are given."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONPATH": str(self.folder),
            "PYTHONDONTWRITEBYTECODE": "1",
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "NO_PROXY": "*",
            "AWS_EC2_METADATA_DISABLED": "true",
            **variables,
        }

    def run(self, *arguments: str, variables: Mapping[str, str] | None = None, stdin: str = "") -> Outcome:
        """Run one command of the product to its end. Raises `subprocess.TimeoutExpired` after `LIMIT_S`."""
        done = subprocess.run(
            self._command(arguments),
            cwd=self.folder,
            env=self.environment(variables or {}),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def daemon(self, variables: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """The daemon as a process, its output in `log`. It is stopped and waited for at the end, whatever happens."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                self._command(["run"]),
                cwd=self.folder,
                env=self.environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def commit(self) -> str:
        """The commit that is checked out, with "+" where files differ from it; "unknown" without git."""
        try:
            head = self._git("rev-parse", "HEAD").strip()
            return head + ("+" if self._git("status", "--porcelain", "--untracked-files=no").strip() else "")
        except (OSError, subprocess.SubprocessError):
            return "unknown"

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [str(self.python), "-m", "autoscaler", *arguments]


class Page(NamedTuple):
    """An answer over HTTP; status 0 where there was none."""

    status: int
    kind: str
    body: str


def fetch(url: str) -> Page:
    """Get a page of the daemon, past any proxy, within ten seconds."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as answer:
            return Page(answer.status, answer.headers.get_content_type(), answer.read().decode())
    except urllib.error.HTTPError as error:
        return Page(error.code, error.headers.get_content_type(), error.read().decode())
    except OSError:
        return Page(0, "", "")


def answers(url: str, process: subprocess.Popen[bytes], limit_s: float = 60.0) -> bool:
    """Wait until the URL answers at all: True. False where the process ends or the limit passes first."""
    end = time.monotonic() + limit_s
    while fetch(url).status == 0:
        if process.poll() is not None or time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def free_port() -> int:
    """A TCP port of loopback that nothing listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
