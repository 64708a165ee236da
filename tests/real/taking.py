"""What the dashboards show of a load, asked of the real Prometheus while it happens, as JSON for `drawing`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from autoscaler.demo.load import made_up
from autoscaler.monitoring import DAEMON, FLEET, SERVICE
from autoscaler.monitoring.panels import Dashboard, Shape
from tests.monitoring.queries import filled
from tests.real.scene import Watched, watched

LOAD_S, WATCHED_S = 170.0, 140.0
"""The demo's load bursts at two thirds of its duration: the picture ends while the last of it is worked off."""

WISHES = {
    "AUTOSCALER_SCALE_IN__COOLDOWN": "10s",
    "AUTOSCALER_CPU_TARGET_PERCENT": "80",
    "AUTOSCALER_MAX_TASKS": "6",
}
"""Beside the demo's settings: something to see in every panel, and a maximum that the burst runs into."""

Taken = dict[str, dict[str, list[Any]]]


async def taken() -> Taken:
    """By dashboard and panel, the series of each query."""
    async with watched(made_up(LOAD_S, seed=0), WISHES) as seen:
        await asyncio.sleep(WATCHED_S)
        return {dashboard.uid: await _of(dashboard, seen) for dashboard in (FLEET, SERVICE, DAEMON)}


async def _of(dashboard: Dashboard, seen: Watched) -> dict[str, list[Any]]:
    """The time shown is that since the first scrape."""
    now = time.time()
    shown = {"__range": f"{now - seen.began:.0f}s"}
    answers: dict[str, list[Any]] = {}
    for panel in dashboard.panels:
        answers[panel.title] = []
        for query in panel.queries:
            expr = filled(query.expr, **shown)
            if panel.shape in {Shape.STAT, Shape.TABLE}:
                answers[panel.title].append(await seen.prometheus.now(expr))
            else:
                answers[panel.title].append(await seen.prometheus.course(expr, seen.began, now, 1.0))
    return answers
