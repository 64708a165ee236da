"""Count the files and functions of the product that run in one poll, and when the settings of one service are loaded.

    python -m bench.entered

The real daemon polls one idle service of an embedded Region. A poll is counted from its start to its end, and once more
with its log line, until the next poll starts. The figures measure how many files a reader of a poll has to open.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import aiohttp

from autoscaler.demo.children import aws_environment, free_port, region
from autoscaler.demo.region_client import RegionClient
from bench.idling import create_resources

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = f"{ROOT}/autoscaler/"
COUNTED_POLL = 4
"""The first polls create clients and read what is cached afterwards."""


class Entered:
    """The functions of the product that are called while `counting`, by file."""

    def __init__(self) -> None:
        self.counting = False
        self.functions: set[tuple[str, str]] = set()

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and self.counting and code.co_filename.startswith(PRODUCT):
            self.functions.add((code.co_filename.removeprefix(PRODUCT), code.co_qualname))

    def result(self) -> dict[str, int]:
        return {"files": len({name for name, _ in self.functions}), "functions": len(self.functions)}


def count_settings() -> dict[str, int]:
    """Load the settings of one service from variables and a file."""
    from autoscaler.config import load  # noqa: PLC0415 - imports are not counted

    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write('[services.orders]\ncluster = "prod"\nservice = "orders"\nqueues = ["orders"]\n')
        file.write('max_tasks = 10\nmode = "shadow"\n')
        file.flush()
        entered = Entered()
        environ = {"AUTOSCALER_CONFIG_FILE": file.name, "AUTOSCALER_SERVICES__ORDERS__MIN_TASKS": "1"}
        _counted(entered, lambda: load(environ))
    return entered.result()


def _counted(entered: Entered, action: Callable[[], object]) -> None:
    sys.setprofile(entered.profile)
    entered.counting = True
    try:
        action()
    finally:
        sys.setprofile(None)


def run_daemon(out: str) -> None:
    """Run the daemon, write the two counts of a poll to a file, and end."""
    from autoscaler import app  # noqa: PLC0415
    from autoscaler.config import load  # noqa: PLC0415
    from autoscaler.control.loop import ServiceLoop  # noqa: PLC0415
    from autoscaler.telemetry import journal  # noqa: PLC0415

    journal.REPEAT_S = 0.0  # every poll is logged
    poll, begun, entered, results = ServiceLoop.poll, 0, Entered(), list[dict[str, int]]()

    async def counted(loop: ServiceLoop) -> Any:
        nonlocal begun
        begun += 1
        if begun == COUNTED_POLL + 1:
            results.append(entered.result())
            Path(out).write_text(json.dumps(results))  # noqa: ASYNC240 - the process ends
            os._exit(0)
        entered.counting = begun == COUNTED_POLL
        result = await poll(loop)
        if entered.counting:
            results.append(entered.result())
        return result

    ServiceLoop.poll = counted  # type: ignore[method-assign, assignment]
    sys.setprofile(entered.profile)
    app.run(load(os.environ), os.environ)


async def count_poll() -> list[dict[str, int]]:
    """Return the counts of a poll, and of a poll with its log line."""
    async with region() as url, aiohttp.ClientSession() as session:
        await create_resources(RegionClient(url, session))
        variables = aws_environment(url) | {
            "AUTOSCALER_CLUSTER": "prod",
            "AUTOSCALER_SERVICE": "orders",
            "AUTOSCALER_QUEUES": "orders",
            "AUTOSCALER_MAX_TASKS": "10",
            "AUTOSCALER_MODE": "active",
            "AUTOSCALER_INTERVAL": "1s",
            "AUTOSCALER_HTTP_PORT": str(free_port()),
        }
        with tempfile.NamedTemporaryFile("r") as out:
            command = (sys.executable, "-m", "bench.entered", out.name)
            child = await asyncio.create_subprocess_exec(
                *command, env=variables, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL
            )
            async with asyncio.timeout(60):
                await child.wait()
            found: list[dict[str, int]] = json.loads(out.read())
            return found


def main() -> None:
    poll, logged = asyncio.run(count_poll())
    for name, found in (("one poll", poll), ("with its log line", logged), ("loading settings", count_settings())):
        print(f"{name}: {found['files']} files, {found['functions']} functions")
    print(f"files of the product: {len(list(Path(PRODUCT).rglob('*.py')))}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_daemon(sys.argv[1])
    else:
        main()
