"""The image has only dependencies that are pinned by hash, runs as an unprivileged user, and reports its health."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import requires
from itertools import dropwhile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.stack import ROOT, deployed

DOCKERFILE = ROOT / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Return each instruction with its argument; continuation lines are joined, comments omitted."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def at_run_time() -> dict[str, str]:
    """Return the instructions of the last stage by name; if one is repeated, the last."""
    start = max(at for at, (name, _) in enumerate(instructions()) if name == "FROM")
    return dict(instructions()[start:])


def runs() -> list[str]:
    return [command for name, rest in instructions() if name == "RUN" for command in rest.split("&&")]


def health_check() -> list[str]:
    answer: list[str] = json.loads(at_run_time()["HEALTHCHECK"].partition(" CMD ")[2])
    return answer


def linted(source: bytes) -> subprocess.CompletedProcess[bytes]:
    command: list[str | Path] = [Path(sys.executable).parent / "hadolint", "--no-color", "-"]
    return subprocess.run(command, input=source, capture_output=True, check=False, timeout=60)


def test_the_dockerfile_is_clean() -> None:
    result = linted(DOCKERFILE.read_bytes())
    assert result.returncode == 0, result.stdout.decode()


def test_the_linter_detects_an_unpinned_base_image() -> None:
    assert b"DL3006" in linted(b"FROM python\nUSER 65532\n").stdout


def test_the_image_runs_as_an_unprivileged_user_and_without_a_shell() -> None:
    last = at_run_time()
    assert last["USER"] == "65532:65532"
    assert json.loads(last["ENTRYPOINT"]) == ["autoscaler"]
    assert json.loads(last["CMD"]) == ["run"]
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert last["EXPOSE"] == "9108"
    assert "RUN" not in last


def test_the_image_writes_no_bytecode_and_listens_on_all_addresses() -> None:
    variables = dict(pair.split("=", 1) for pair in shlex.split(at_run_time()["ENV"]))
    assert variables["PYTHONDONTWRITEBYTECODE"] == "1"
    assert variables["PYTHONUNBUFFERED"] == "1"
    assert variables["AUTOSCALER_HTTP_HOST"] == "0.0.0.0"


def test_every_stage_uses_the_same_base_image_that_can_be_pinned() -> None:
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert bases == ["${PYTHON_IMAGE}", "${PYTHON_IMAGE}"]
    assert ("ARG", "PYTHON_IMAGE=python:3.13-slim") in instructions()


def test_nothing_is_installed_without_its_hash() -> None:
    installs = [command for command in runs() if re.search(r"\bpip\b.*\b(install|wheel)\b", command)]
    assert len(installs) == 4
    for command in installs:
        from_outside = "--no-deps" not in command
        assert ("--require-hashes" in command and "--only-binary=:all:" in command) is from_outside, command


def test_the_image_contains_the_extra_web() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {Requirement(one).name for one in (*project["dependencies"], *project["optional-dependencies"]["web"])}
    locked = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements-run.lock").read_text(), re.MULTILINE)
    assert {"bcrypt", "pyyaml"} <= needed <= set(locked)
    assert any("-r requirements-run.lock" in command for command in runs())


def test_the_build_tools_are_exactly_the_required_ones() -> None:
    (cut,) = [command for command in runs() if command.startswith("awk")]
    lock = (ROOT / "requirements.lock").read_text()
    program = shlex.split(cut)[1]
    found = subprocess.run(["awk", program], input=lock, capture_output=True, text=True, check=True, timeout=30).stdout
    assert set(re.findall(r"^([a-z0-9-]+)==", found, re.MULTILINE)) == closure("hatchling")
    assert found.count("--hash=sha256:") >= len(closure("hatchling"))


def closure(name: str) -> set[str]:
    """Return the distribution and its dependencies on the image's Python, without extras."""
    needed = map(Requirement, requires(name) or ())
    image = {"python_version": "3.13", "extra": ""}
    here = [one.name for one in needed if one.marker is None or one.marker.evaluate(image)]
    return {canonicalize_name(name)}.union(*map(closure, here))


def test_the_dockerignore_admits_exactly_the_copied_files() -> None:
    copied = {
        source.removesuffix("/")
        for name, rest in instructions()
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied
    assert all((ROOT / source).exists() for source in copied)
    excluded_again = list(dropwhile(lambda rule: rule == "*" or rule.startswith("!"), rules))
    assert any(fnmatch("core/__pycache__", rule) for rule in excluded_again)


def test_ecs_and_docker_have_the_same_health_check() -> None:
    (container,) = deployed()["TaskDefinition"]["ContainerDefinitions"]
    assert container["HealthCheck"]["Command"] == ["CMD", *health_check()]
    for option, key in [("interval", "Interval"), ("timeout", "Timeout"), ("start-period", "StartPeriod")]:
        assert f"--{option}={container['HealthCheck'][key]}s" in at_run_time()["HEALTHCHECK"]
    assert f"--retries={container['HealthCheck']['Retries']}" in at_run_time()["HEALTHCHECK"]


@contextmanager
def answering(status: int) -> Iterator[int]:
    """Run a server on loopback that answers `/healthz` with this status, and other paths with 404. Yields its port."""

    class AnswerHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing on stderr."""

    with HTTPServer(("127.0.0.1", 0), AnswerHandler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def healthy(port: int, **more: str) -> bool:
    python, *rest = health_check()
    assert python == "python"
    environment = {**os.environ, "AUTOSCALER_HTTP_PORT": str(port), **more}
    command = [sys.executable, *rest]
    return subprocess.run(command, env=environment, capture_output=True, check=False, timeout=30).returncode == 0


@pytest.mark.parametrize(("status", "expected"), [(200, True), (503, False), (404, False), (500, False)])
def test_the_health_check_follows_the_status_code(status: int, expected: bool) -> None:
    with answering(status) as port:
        assert healthy(port) is expected


def test_a_daemon_that_does_not_listen_is_not_healthy() -> None:
    with socket.socket() as not_listening:
        not_listening.bind(("127.0.0.1", 0))
        assert not healthy(not_listening.getsockname()[1])


def test_the_health_check_uses_no_proxy() -> None:
    with answering(200) as port:
        assert healthy(port, http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9", no_proxy="")
