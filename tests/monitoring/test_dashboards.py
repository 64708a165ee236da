"""The dashboards: all names exist, every panel has a description, and the deployed files match the code."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.model import Rule
from autoscaler.monitoring import DAEMON, FLEET, SERVICE, files
from autoscaler.monitoring.grafana import COLUMNS, Dashboard, Panel, Section, Shape, as_grafana
from autoscaler.telemetry.families import FAMILIES, SERVICE_LABELS, Family, MetricKind
from autoscaler.telemetry.own import OWN
from autoscaler.telemetry.tally import NO_RULE
from tests.monitoring.queries import NAMED, filled, labels_in, metrics_in

ROOT = Path(__file__).parents[2]
DEPLOYED = ROOT / "deploy" / "monitoring"
DASHBOARDS = (FLEET, SERVICE, DAEMON)
EACH_DASHBOARD = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)

SCRAPE_LABELS = {"instance", "job", "le"}
PROCESS_METRICS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}


def served() -> dict[str, set[str]]:
    """Return the labels of every series that `/metrics` serves, by the name of the series."""
    names: dict[str, set[str]] = {name: set() for name in PROCESS_METRICS}
    every: tuple[Family[Any], ...] = (*FAMILIES, *OWN)
    for family in every:
        own = set(SERVICE_LABELS) if family in FAMILIES else set()
        parts = ("_bucket", "_sum", "_count") if family.kind is MetricKind.HISTOGRAM else ("",)
        names |= {family.name + part: own | set(family.labels) for part in parts}
    return names


def panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    return [panel for panel in as_grafana(dashboard)["panels"] if panel["type"] != "row"]


def overlaps(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    down = one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
    return across and down


@EACH_DASHBOARD
def test_every_metric_in_a_dashboard_exists(dashboard: Dashboard) -> None:
    names = served()
    for expr in dashboard.expressions:
        assert metrics_in(expr), expr
        assert metrics_in(expr) <= names.keys(), expr


@EACH_DASHBOARD
def test_a_change_is_annotated_also_at_a_scrape_interval_of_a_minute(dashboard: Dashboard) -> None:
    windows = {window for mark in dashboard.marks for window in re.findall(r"\[(.+?)\]", mark.expr)}
    assert windows <= {"3m", "4m", "5m"}  # a window of one minute has one sample, and an increase needs two


@EACH_DASHBOARD
def test_every_label_in_a_dashboard_exists(dashboard: Dashboard) -> None:
    names = served()
    for panel in dashboard.panels:
        for query in panel.queries:
            known = SCRAPE_LABELS.union(*(names[name] for name in metrics_in(query.expr)))
            assert labels_in(query.expr) | set(NAMED.findall(query.legend)) <= known, query


@EACH_DASHBOARD
def test_every_variable_of_a_dashboard_exists_and_is_used(dashboard: Dashboard) -> None:
    names = served()
    for variable in dashboard.variables:
        [metric] = metrics_in(variable.metric)
        assert variable.label in names[metric] | SCRAPE_LABELS
    used = {f"${variable.name}" for variable in dashboard.variables}
    assert "$" not in filled(" ".join(dashboard.expressions))
    assert all(name in " ".join(dashboard.expressions) for name in used)


SERVICE_KEY = ("job", *SERVICE_LABELS)

TOTALS = {("rule",), ("kind",), ("le",), ("api",), ("outcome",), ("category",), ("source",), ("reason",), ("version",)}
"""Groupings of totals over all services, and of the daemon's own metrics."""


@EACH_DASHBOARD
def test_every_sum_by_names_keeps_job_account_region_cluster_and_service_apart(dashboard: Dashboard) -> None:
    for expr in dashboard.expressions:
        for labels in re.findall(r"\b(?:by|on|without|ignoring) \(([^)]*)\)", expr):
            names = tuple(labels.split(", "))
            assert names[: len(SERVICE_KEY)] == SERVICE_KEY or names in TOTALS, expr


def test_the_services_dashboard_sums_only_within_one_service() -> None:
    for expr in SERVICE.expressions:
        assert not re.search(r"\b(?:sum|max|min|avg|count)\s*\(", expr), expr


@EACH_DASHBOARD
def test_every_panel_without_data_says_why(dashboard: Dashboard) -> None:
    for panel, written in zip(dashboard.panels, panels(dashboard), strict=True):
        assert panel.empty, panel.title
        assert written["fieldConfig"]["defaults"]["noValue"] == panel.empty


def test_a_panel_with_a_line_for_each_service_shows_ten_and_its_title_says_so() -> None:
    for panel in FLEET.panels:
        if panel.shape is Shape.CURVES:
            by_service = any("ecs_service" in query.legend for query in panel.queries)
            assert by_service == ("the 10 services" in panel.title), panel.title
            assert all("topk(10, " in query.expr and "@ end()" in query.expr for query in panel.queries) == by_service


def test_the_table_of_the_fleet_is_sorted_and_coloured() -> None:
    [table] = [panel for panel in panels(FLEET) if panel["type"] == "table"]
    assert table["options"]["sortBy"] == [
        {"displayName": "status", "desc": True},
        {"displayName": "oldest", "desc": True},
    ]
    coloured = {
        override["matcher"]["options"]
        for override in table["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "custom.cellOptions"
    }
    assert coloured == {"status", "mode", "paused", "in time", "wasted", "clear in"}
    names = set(table["transformations"][1]["options"]["renameByName"].values())
    assert names > coloured | {"service", "cluster", "region", "account", "oldest", "tasks", "task-hours"}


def test_a_fleet_can_be_selected_by_several_values_and_a_service_by_one() -> None:
    def several(dashboard: Dashboard) -> dict[str, bool]:
        return {each["name"]: each["multi"] for each in as_grafana(dashboard)["templating"]["list"] if "multi" in each}

    assert several(FLEET) == dict.fromkeys(("account", "region", "cluster", "service"), True)
    # The daemon's own account is an empty label, which only `All` selects.
    assert several(SERVICE) == {"account": True, "region": False, "cluster": False, "service": False}
    for variable in as_grafana(FLEET)["templating"]["list"][1:]:
        assert (variable["allValue"], variable["current"]["value"]) == (".*", "$__all")


@EACH_DASHBOARD
def test_every_panel_has_a_title_a_description_a_unit_and_a_query(dashboard: Dashboard) -> None:
    for panel in dashboard.panels:
        assert panel.description.endswith("."), panel.title
        assert panel.unit
        assert panel.queries, panel.title
    titles = [panel.title for panel in dashboard.panels]
    assert len(titles) == len(set(titles)), titles


@EACH_DASHBOARD
def test_every_series_of_a_panel_with_several_queries_has_a_name(dashboard: Dashboard) -> None:
    def named(panel: Panel) -> bool:
        return all(query.column if panel.shape is Shape.TABLE else query.legend for query in panel.queries)

    assert all(named(panel) for panel in dashboard.panels if len(panel.queries) > 1)


@EACH_DASHBOARD
def test_panels_are_within_the_grid_and_do_not_overlap(dashboard: Dashboard) -> None:
    written = as_grafana(dashboard)["panels"]
    assert len({panel["id"] for panel in written}) == len(written)
    positions = [panel["gridPos"] for panel in written]
    assert all(position["x"] >= 0 and position["x"] + position["w"] <= COLUMNS for position in positions)
    assert not any(overlaps(one, other) for i, one in enumerate(positions) for other in positions[:i])


@given(st.lists(st.lists(st.tuples(st.integers(1, COLUMNS), st.integers(1, 9)), min_size=1, max_size=6), max_size=3))
def test_panels_of_any_size_do_not_overlap(sizes: list[list[tuple[int, int]]]) -> None:
    sections = tuple(
        Section("s", tuple(Panel("p", "It is.", (), width=width, height=height) for width, height in section))
        for section in sizes
    )
    positions = [panel["gridPos"] for panel in as_grafana(Dashboard("d", "D", "It is.", (), sections))["panels"]]
    assert all(position["x"] + position["w"] <= COLUMNS for position in positions)
    assert not any(overlaps(one, other) for i, one in enumerate(positions) for other in positions[:i])


@EACH_DASHBOARD
def test_every_data_source_is_the_variable_of_the_dashboard(dashboard: Dashboard) -> None:
    sources = [panel["datasource"] for panel in panels(dashboard)]
    sources += [target["datasource"] for panel in panels(dashboard) for target in panel["targets"]]
    sources += [mark["datasource"] for mark in as_grafana(dashboard)["annotations"]["list"]]
    assert {source["uid"] for source in sources} == {"${datasource}"}


@EACH_DASHBOARD
def test_every_query_of_a_panel_is_written(dashboard: Dashboard) -> None:
    for panel, written in zip(dashboard.panels, panels(dashboard), strict=True):
        assert [target["expr"] for target in written["targets"]] == [query.expr for query in panel.queries]
        assert len({target["refId"] for target in written["targets"]}) == len(panel.queries)


def test_the_three_dashboards_link_to_each_other() -> None:
    for dashboard in DASHBOARDS:
        [links] = as_grafana(dashboard)["links"]
        assert [each["title"] for each in as_grafana(dashboard, "https://docs.example.com/r")["links"]][1:] == [
            "Runbook"
        ]
        assert links["tags"] == as_grafana(dashboard)["tags"] == ["autoscaler"]
        assert links["includeVars"]
        assert links["keepTime"]
    [table] = [panel for panel in panels(FLEET) if panel["type"] == "table"]
    [link] = [
        link
        for override in table["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "links"
        for link in each["value"]
    ]
    assert link["url"].startswith(f"/d/{SERVICE.uid}?")
    passed = set(re.findall(r"var-(\w+)=|\$\{(\w+):queryparam\}", link["url"]))
    assert {one or other for one, other in passed} == {"datasource", "account", "region", "cluster", "service"}


def test_the_first_panel_shows_the_messages_in_time() -> None:
    for dashboard in (FLEET, SERVICE):
        first = dashboard.panels[0]
        assert (first.title, first.shape) == ("Messages in time", Shape.STAT)


def test_the_binding_rule_has_a_state_timeline() -> None:
    [panel] = [panel for panel in SERVICE.panels if panel.title == "Binding rules"]
    assert panel.shape is Shape.STATES
    assert f'rule!="{NO_RULE}"' in panel.queries[0].expr
    assert NO_RULE not in set(Rule)


def test_the_deployed_files_match_the_code() -> None:
    written = files(None)
    assert {path.name for path in DEPLOYED.iterdir()} == set(written)
    for name, text in written.items():
        remedy = f"deploy/monitoring/{name} is out of date, run: autoscaler dashboards --out deploy/monitoring"
        assert (DEPLOYED / name).read_text() == text, remedy


def test_dashboards_are_json_that_can_be_imported() -> None:
    for name, text in files(None).items():
        if name.endswith(".json"):
            dashboard = json.loads(text)
            assert (dashboard["uid"], dashboard["schemaVersion"]) == (name.removesuffix(".json"), 39)
