"""Query the data of all dashboards from the real Prometheus during a load, for `pictures`."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from autoscaler.demo.load import synthetic_load
from autoscaler.monitoring import DAEMON, FLEET, SERVICE
from autoscaler.monitoring.grafana import Dashboard, Shape
from tests.monitoring.queries import filled
from tests.real.scene import WatchedDemo, watched

LOAD_S, WATCHED_S = 170.0, 140.0
"""Seconds. The load has a burst at two thirds of its duration; the picture ends while its backlog is processed."""

SETTINGS = {
    "AUTOSCALER_SCALE_IN__COOLDOWN": "10s",
    "AUTOSCALER_CPU_TARGET_PERCENT": "80",
    "AUTOSCALER_MAX_TASKS": "6",
}
"""In addition to the demo's settings: data for every panel, and a maximum that the burst reaches."""

Taken = dict[str, dict[str, list[Any]]]


async def taken() -> Taken:
    """Return the series of each query, by dashboard and panel."""
    async with watched(synthetic_load(LOAD_S, seed=0), SETTINGS) as seen:
        await asyncio.sleep(WATCHED_S)
        return {dashboard.uid: await _of(dashboard, seen) for dashboard in (FLEET, SERVICE, DAEMON)}


async def _of(dashboard: Dashboard, seen: WatchedDemo) -> dict[str, list[Any]]:
    """Return the series of one dashboard since the first scrape."""
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
