"""The real Prometheus scrapes the real daemon under load: every panel has something to show, every rule is evaluated.

Needs `prometheus` and `promtool`: `make test-real`.
"""

from __future__ import annotations

import asyncio
import math
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from autoscaler.demo.load import made_up
from autoscaler.monitoring import DAEMON, FLEET, SERVICE
from autoscaler.monitoring.panels import Dashboard, Panel, Query, Shape
from tests.monitoring.queries import filled
from tests.real.prometheus import RULES, Series
from tests.real.scene import Watched, watched

pytestmark = pytest.mark.real

LOAD_S, WATCHED_S = 60.0, 20.0
"""The load's swell needs a fifth of its duration to ask for tasks; a third is long enough for them to work."""

CASES = Path(__file__).parents[1] / "monitoring" / "rules_test.yml"
DASHBOARDS = (FLEET, SERVICE, DAEMON)
ASKED = [(dashboard, panel, query) for dashboard in DASHBOARDS for panel in dashboard.panels for query in panel.queries]


class Answers(NamedTuple):
    panels: dict[str, Series]
    marks: dict[str, Series]
    rules: list[dict[str, Any]]
    page: str


@pytest.fixture(scope="module")
def answers() -> Answers:
    """Everything that Prometheus was asked for, once the daemon has been at work for a while."""
    return asyncio.run(_answers())


async def _answers() -> Answers:
    async with watched(made_up(LOAD_S, seed=0)) as seen:
        await asyncio.sleep(WATCHED_S)
        asked = {query.expr: panel.shape for _, panel, query in ASKED}
        panels = {expr: await _asked(seen, expr, shape) for expr, shape in asked.items()}
        marks = {mark.expr: await _asked(seen, mark.expr, Shape.CURVES) for mark in SERVICE.marks}
        return Answers(panels, marks, await seen.prometheus.rules(), await _page(seen))


async def _asked(seen: Watched, expr: str, shape: Shape) -> Series:
    if shape in {Shape.STAT, Shape.TABLE}:
        return await seen.prometheus.now(filled(expr))
    return await seen.prometheus.course(filled(expr), seen.began, time.time(), 1.0)


async def _page(seen: Watched) -> str:
    [up] = await seen.prometheus.now("up")
    async with seen.prometheus.session.get(f"http://{up['metric']['instance']}/metrics") as answer:
        return await answer.text()


def numbers(series: Series) -> list[float]:
    values = [value for one in series for _, value in one.get("values", [one.get("value")])]
    return [number for number in map(float, values) if not math.isnan(number)]


@pytest.mark.parametrize(
    ("dashboard", "panel", "query"), ASKED, ids=lambda part: getattr(part, "uid", None) or getattr(part, "title", None)
)
def test_every_query_of_every_panel_returns_data(
    answers: Answers, dashboard: Dashboard, panel: Panel, query: Query
) -> None:
    assert numbers(answers.panels[query.expr]), (panel.title, query.expr)


def test_a_change_is_marked_and_nobody_else_changed_anything(answers: Answers) -> None:
    scaled, drifted = (numbers(answers.marks[mark.expr]) for mark in SERVICE.marks)
    assert scaled
    assert not drifted


def test_every_rule_can_be_evaluated(answers: Answers) -> None:
    assert len(answers.rules) == 18
    assert {rule["health"] for rule in answers.rules} == {"ok"}, answers.rules


def promtool(*arguments: str | Path, told: str = "") -> str:
    """What Prometheus' own tool has to say against it; nothing where it is content."""
    command = ["promtool", *arguments]
    ended = subprocess.run(command, check=False, input=told, capture_output=True, text=True, timeout=60)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


def test_the_page_is_one_that_prometheus_itself_finds_no_fault_with(answers: Answers) -> None:
    assert promtool("check", "metrics", told=answers.page) == ""


def test_the_rules_are_rules() -> None:
    assert promtool("check", "rules", RULES) == ""


def test_each_alert_fires_once_and_stays_silent_once() -> None:
    assert promtool("test", "rules", CASES) == ""
