"""A real Prometheus that scrapes one address each second, and queries to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from autoscaler.demo.children import end, environment, free_port

RULES = Path(__file__).parents[2] / "deploy" / "monitoring" / "rules.yml"
STARTS_WITHIN_S = 20.0

Series = list[dict[str, Any]]


@dataclass(frozen=True)
class Prometheus:
    """A client of the Prometheus at `url`."""

    url: str
    session: aiohttp.ClientSession

    async def now(self, expr: str) -> Series:
        """Return the series of an instant query. Raises `AssertionError` for an invalid query."""
        return list((await self._get("query", query=expr))["result"])

    async def course(self, expr: str, start: float, end: float, step_s: float) -> Series:
        """Return the series of a range query, in wall time."""
        parameters = {"query": expr, "start": str(start), "end": str(end), "step": str(step_s)}
        return list((await self._get("query_range", **parameters))["result"])

    async def rules(self) -> list[dict[str, Any]]:
        """Return every rule, with its health."""
        return [rule for group in (await self._get("rules"))["groups"] for rule in group["rules"]]

    async def _get(self, what: str, **parameters: str) -> dict[str, Any]:
        async with self.session.get(f"{self.url}/api/v1/{what}", params=parameters) as answer:
            body = await answer.json()
            assert answer.status == 200, (parameters, body)
            data: dict[str, Any] = body["data"]
            return data


@asynccontextmanager
async def prometheus(target: str, session: aiohttp.ClientSession) -> AsyncIterator[Prometheus]:
    """Run a Prometheus that scrapes `http://TARGET/metrics` each second, with our rules, until the block ends."""
    with TemporaryDirectory() as folder:
        settings = Path(folder) / "prometheus.yml"
        settings.write_text(json.dumps(_settings(target)))
        port = free_port()
        child = await asyncio.create_subprocess_exec(
            "prometheus",
            f"--config.file={settings}",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=error",
            env=environment({}),
            start_new_session=True,
        )
        try:
            served = Prometheus(f"http://127.0.0.1:{port}", session)
            await _until_ready(served)
            yield served
        finally:
            await end(child)


def _settings(target: str) -> dict[str, Any]:
    each = "1s"
    return {
        "global": {"scrape_interval": each, "evaluation_interval": each},
        "rule_files": [str(RULES)],
        "scrape_configs": [{"job_name": "autoscaler", "static_configs": [{"targets": [target]}]}],
    }


async def _until_ready(served: Prometheus) -> None:
    async with asyncio.timeout(STARTS_WITHIN_S):
        while not await _is_ready(served):  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(0.1)


async def _is_ready(served: Prometheus) -> bool:
    try:
        async with served.session.get(f"{served.url}/-/ready") as answer:
            return answer.status == 200
    except aiohttp.ClientConnectionError:
        return False
