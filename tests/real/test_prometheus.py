"""The real Prometheus scrapes the real daemon under load: every panel has data, and every rule can be evaluated.

Requires `prometheus` and `promtool`: `make test-real`.
"""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from autoscaler.demo.load import synthetic_load
from autoscaler.monitoring import DAEMON, FLEET, SERVICE
from autoscaler.monitoring.conditions import CONDITIONS, RECORDINGS, SLOW_CONDITIONS
from autoscaler.monitoring.grafana import Dashboard, Panel, PanelQuery, Shape
from autoscaler.monitoring.rules import ALERTS, SLOW
from tests.monitoring.causes import STAGED
from tests.monitoring.queries import filled
from tests.monitoring.stages import case
from tests.monitoring.test_rules import CASE_FILES
from tests.real.prometheus import RULES, Series
from tests.real.scene import WatchedDemo, watched
from tests.telemetry.certificates import write_certificate
from tests.telemetry.test_web_config import DOCUMENTED, SAME

pytestmark = pytest.mark.real

LOAD_S, WATCHED_S = 60.0, 20.0
"""Seconds. The load requires tasks after a fifth of its duration; after a third of it the tasks process messages."""

REPEATED = 30
"""How often a query without data is repeated, after a second each."""

DASHBOARDS = (FLEET, SERVICE, DAEMON)
CASES = [(dashboard, panel, query) for dashboard in DASHBOARDS for panel in dashboard.panels for query in panel.queries]


class PrometheusAnswers(NamedTuple):
    panels: dict[str, Series]
    marks: dict[str, Series]
    rules: list[dict[str, Any]]
    recorded: dict[str, Series]
    page: str


@pytest.fixture(scope="module")
def answers() -> PrometheusAnswers:
    """The answers of Prometheus to all queries, after the daemon ran for `WATCHED_S`."""
    return asyncio.run(_answers())


async def _answers() -> PrometheusAnswers:
    async with watched(synthetic_load(LOAD_S, seed=0)) as seen:
        await asyncio.sleep(WATCHED_S)
        shapes = {query.expr: panel.shape for _, panel, query in CASES}
        panels = await _until_data(seen, shapes)
        marks = {mark.expr: await _query(seen, mark.expr, Shape.CURVES) for mark in SERVICE.marks}
        recorded = {each.record: await seen.prometheus.now(each.record) for each in (*RECORDINGS, *CONDITIONS)}
        recorded |= {each.record: await seen.prometheus.now(each.expr) for each in SLOW_CONDITIONS}
        for alert in SLOW:
            await seen.prometheus.now(alert.expr)
        return PrometheusAnswers(panels, marks, await seen.prometheus.rules(), recorded, await _page(seen))


async def _until_data(seen: WatchedDemo, shapes: dict[str, Shape]) -> dict[str, Series]:
    """Return the answers to all queries. A query without data is repeated: on a slow machine, the load is behind."""
    panels = {expr: await _query(seen, expr, shape) for expr, shape in shapes.items()}
    for _ in range(REPEATED):
        missing = [expr for expr, series in panels.items() if not numbers(series)]
        if not missing:
            break
        await asyncio.sleep(1.0)
        panels |= {expr: await _query(seen, expr, shapes[expr]) for expr in missing}
    return panels


async def _query(seen: WatchedDemo, expr: str, shape: Shape) -> Series:
    if shape in {Shape.STAT, Shape.TABLE}:
        return await seen.prometheus.now(filled(expr))
    return await seen.prometheus.course(filled(expr), seen.began, time.time(), 1.0)


async def _page(seen: WatchedDemo) -> str:
    [up] = await seen.prometheus.now("up")
    async with seen.prometheus.session.get(f"http://{up['metric']['instance']}/metrics") as answer:
        return await answer.text()


def numbers(series: Series) -> list[float]:
    values = [value for one in series for _, value in one.get("values", [one.get("value")])]
    return [number for number in map(float, values) if not math.isnan(number)]


@pytest.mark.parametrize(
    ("dashboard", "panel", "query"),
    CASES,
    ids=lambda part: getattr(part, "uid", None) or getattr(part, "title", None),
)
def test_every_query_of_every_panel_returns_data(
    answers: PrometheusAnswers, dashboard: Dashboard, panel: Panel, query: PanelQuery
) -> None:
    assert numbers(answers.panels[query.expr]), (panel.title, query.expr)


def test_a_change_is_annotated_and_there_is_no_drift(answers: PrometheusAnswers) -> None:
    scaled, drifted = (numbers(answers.marks[mark.expr]) for mark in SERVICE.marks)
    assert scaled
    assert not drifted


def test_every_rule_can_be_evaluated(answers: PrometheusAnswers) -> None:
    assert len(answers.rules) == len(RECORDINGS) + len(CONDITIONS) + len(SLOW_CONDITIONS) + len(ALERTS)
    slow = {*(each.record for each in SLOW_CONDITIONS), *(alert.name for alert in SLOW)}
    unknown = {rule["name"] for rule in answers.rules if rule["health"] != "ok"}
    assert unknown <= slow  # evaluated every ten minutes


def test_every_recorded_series_without_a_long_window_has_data(answers: PrometheusAnswers) -> None:
    long = {each.record for each in CONDITIONS if " offset " in each.expr or "[1h:1m]" in each.expr}
    assert {name for name, series in answers.recorded.items() if not numbers(series)} <= long
    assert len(answers.recorded) - len(long) > 20


def promtool(*arguments: str | Path, stdin: str = "") -> str:
    """Run promtool; return its output if it fails, else an empty string."""
    command = ["promtool", *arguments]
    ended = subprocess.run(command, check=False, input=stdin, capture_output=True, text=True, timeout=60)
    return "" if ended.returncode == 0 else ended.stdout + ended.stderr


def test_promtool_accepts_the_metrics_page(answers: PrometheusAnswers) -> None:
    assert promtool("check", "metrics", stdin=answers.page) == ""


def test_promtool_accepts_the_rules() -> None:
    assert promtool("check", "rules", RULES) == ""


NOT_IN_PROMTOOL = {"merged twice", "overridden", "anchors", "empty sections"}
"""Notations that Debian's promtool 2.42 refuses: a merged name that is set again, an empty header, `rate_limit`."""


@pytest.mark.parametrize("name", ["all options", *sorted(SAME.keys() - NOT_IN_PROMTOOL)])
def test_promtool_reads_the_web_config_files_that_the_daemon_reads(tmp_path: Path, name: str) -> None:
    write_certificate(tmp_path)
    text = DOCUMENTED.partition("rate_limit")[0] if name == "all options" else SAME[name]
    (tmp_path / "web.yml").write_text(text, encoding="utf-8", newline="")
    assert promtool("check", "web-config", tmp_path / "web.yml") == ""


def test_promtool_passes_the_alert_test_cases() -> None:
    assert promtool("test", "rules", *CASE_FILES) == ""


BATCH = 45
"""Stages per promtool process: it loads at most 10,000 samples per query."""


def test_each_staged_cause_fires_one_alert_once_also_across_a_restart(tmp_path: Path) -> None:
    checks = []
    for first in range(0, len(STAGED), BATCH):
        path = tmp_path / f"from-{first}.yml"
        tested = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [case(STAGED[first:][:BATCH])]}
        path.write_text(json.dumps(tested))
        command: list[str | Path] = ["promtool", "test", "rules", path]
        checks.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    results = [(check.communicate(timeout=120)[0], check.returncode) for check in checks]
    assert [code for _, code in results] == [0] * len(results), "\n".join(text for text, _ in results)
