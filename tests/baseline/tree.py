"""The recorded checkout, used only through its commands, a running daemon and its files."""

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
"""Timeout of a command in seconds; after it the command is killed, and the recording fails."""


class CommandOutcome(NamedTuple):
    """The exit code and both outputs of a command."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Tree:
    """A checkout and the Python that runs it. Its commands inherit only PATH from the caller's environment."""

    folder: Path
    python: Path
    home: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="baseline-home-")))

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a command: no credentials, profiles or settings except `variables`."""
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

    def run(self, *arguments: str, variables: Mapping[str, str] | None = None, stdin: str = "") -> CommandOutcome:
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
        return CommandOutcome(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def daemon(self, variables: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Run the daemon as a process with its output in `log`. At the end it is always stopped and awaited."""
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
        """Return the checked-out commit, with "+" if files differ from it; "unknown" without git."""
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


class HttpPage(NamedTuple):
    """An HTTP answer; status 0: no answer."""

    status: int
    kind: str
    body: str


def fetch(url: str) -> HttpPage:
    """Get a page of the daemon without a proxy, with a timeout of 10 seconds."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as answer:
            return HttpPage(answer.status, answer.headers.get_content_type(), answer.read().decode())
    except urllib.error.HTTPError as error:
        return HttpPage(error.code, error.headers.get_content_type(), error.read().decode())
    except OSError:
        return HttpPage(0, "", "")


def answers(url: str, process: subprocess.Popen[bytes], limit_s: float = 60.0) -> bool:
    """Wait until the URL answers; return False if the process ends or the limit passes first."""
    end = time.monotonic() + limit_s
    while fetch(url).status == 0:
        if process.poll() is not None or time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def free_port() -> int:
    """Return a TCP port of loopback on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
