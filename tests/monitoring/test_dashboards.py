"""The dashboards: names that exist, panels that explain themselves, and what is deployed is what the code says."""

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
from autoscaler.monitoring.grafana import COLUMNS, as_grafana
from autoscaler.monitoring.panels import Dashboard, Panel, Section, Shape
from autoscaler.telemetry.families import FAMILIES, Family, Kind
from autoscaler.telemetry.own import OWN
from autoscaler.telemetry.tally import NO_RULE
from tests.monitoring.queries import NAMED, filled, labels_in, metrics_in

ROOT = Path(__file__).parents[2]
DEPLOYED = ROOT / "deploy" / "monitoring"
DASHBOARDS = (FLEET, SERVICE, DAEMON)
EACH = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)

OF_THE_SCRAPE = {"instance", "job", "le"}
OF_THE_PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}


def served() -> dict[str, set[str]]:
    """The labels of every series that `/metrics` serves, by the series' name."""
    names: dict[str, set[str]] = {name: set() for name in OF_THE_PROCESS}
    every: tuple[Family[Any], ...] = (*FAMILIES, *OWN)
    for family in every:
        own = {"ecs_cluster", "ecs_service"} if family in FAMILIES else set()
        parts = ("_bucket", "_sum", "_count") if family.kind is Kind.HISTOGRAM else ("",)
        names |= {family.name + part: own | set(family.labels) for part in parts}
    return names


def panels(dashboard: Dashboard) -> list[dict[str, Any]]:
    return [panel for panel in as_grafana(dashboard)["panels"] if panel["type"] != "row"]


def overlaps(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    down = one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]
    return across and down


@EACH
def test_a_metric_that_is_renamed_is_missed(dashboard: Dashboard) -> None:
    names = served()
    for expr in dashboard.expressions:
        assert metrics_in(expr), expr
        assert metrics_in(expr) <= names.keys(), expr


@EACH
def test_a_change_is_marked_also_where_a_minute_lies_between_scrapes(dashboard: Dashboard) -> None:
    windows = {window for mark in dashboard.marks for window in re.findall(r"\[(.+?)\]", mark.expr)}
    assert windows <= {"3m", "4m", "5m"}  # a window of one minute holds one sample, and one shows no increase


@EACH
def test_a_label_that_is_renamed_is_missed(dashboard: Dashboard) -> None:
    names = served()
    for panel in dashboard.panels:
        for query in panel.queries:
            known = OF_THE_SCRAPE.union(*(names[name] for name in metrics_in(query.expr)))
            assert labels_in(query.expr) | set(NAMED.findall(query.legend)) <= known, query


@EACH
def test_what_may_be_chosen_exists(dashboard: Dashboard) -> None:
    names = served()
    for variable in dashboard.variables:
        [metric] = metrics_in(variable.metric)
        assert variable.label in names[metric] | OF_THE_SCRAPE
    used = {f"${variable.name}" for variable in dashboard.variables}
    assert "$" not in filled(" ".join(dashboard.expressions))
    assert all(name in " ".join(dashboard.expressions) for name in used)


@EACH
def test_every_panel_says_what_it_shows_and_in_which_unit(dashboard: Dashboard) -> None:
    for panel in dashboard.panels:
        assert panel.description.endswith("."), panel.title
        assert panel.unit
        assert panel.queries, panel.title
    titles = [panel.title for panel in dashboard.panels]
    assert len(titles) == len(set(titles)), titles


@EACH
def test_series_that_stand_beside_each_other_have_names(dashboard: Dashboard) -> None:
    def named(panel: Panel) -> bool:
        return all(query.column if panel.shape is Shape.TABLE else query.legend for query in panel.queries)

    assert all(named(panel) for panel in dashboard.panels if len(panel.queries) > 1)


@EACH
def test_panels_lie_within_the_grid_and_beside_each_other(dashboard: Dashboard) -> None:
    laid = as_grafana(dashboard)["panels"]
    assert len({panel["id"] for panel in laid}) == len(laid)
    places = [panel["gridPos"] for panel in laid]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= COLUMNS for place in places)
    assert not any(overlaps(one, other) for i, one in enumerate(places) for other in places[:i])


@given(st.lists(st.lists(st.tuples(st.integers(1, COLUMNS), st.integers(1, 9)), min_size=1, max_size=6), max_size=3))
def test_panels_of_any_size_lie_beside_each_other(sizes: list[list[tuple[int, int]]]) -> None:
    sections = tuple(
        Section("s", tuple(Panel("p", "It is.", (), width=width, height=height) for width, height in section))
        for section in sizes
    )
    places = [panel["gridPos"] for panel in as_grafana(Dashboard("d", "D", "It is.", (), sections))["panels"]]
    assert all(place["x"] + place["w"] <= COLUMNS for place in places)
    assert not any(overlaps(one, other) for i, one in enumerate(places) for other in places[:i])


@EACH
def test_no_panel_names_a_data_source(dashboard: Dashboard) -> None:
    asked = [panel["datasource"] for panel in panels(dashboard)]
    asked += [target["datasource"] for panel in panels(dashboard) for target in panel["targets"]]
    asked += [mark["datasource"] for mark in as_grafana(dashboard)["annotations"]["list"]]
    assert {source["uid"] for source in asked} == {"${datasource}"}


@EACH
def test_every_query_of_a_panel_is_there(dashboard: Dashboard) -> None:
    for panel, laid in zip(dashboard.panels, panels(dashboard), strict=True):
        assert [target["expr"] for target in laid["targets"]] == [query.expr for query in panel.queries]
        assert len({target["refId"] for target in laid["targets"]}) == len(panel.queries)


def test_the_three_lead_to_each_other() -> None:
    for dashboard in DASHBOARDS:
        [links] = as_grafana(dashboard)["links"]
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


def test_the_promise_is_the_headline() -> None:
    for dashboard in (FLEET, SERVICE):
        first = dashboard.panels[0]
        assert (first.title, first.shape) == ("Messages in time", Shape.STAT)


def test_the_binding_rule_has_a_state_timeline() -> None:
    [panel] = [panel for panel in SERVICE.panels if panel.title == "The rule that bound"]
    assert panel.shape is Shape.STATES
    assert f'rule!="{NO_RULE}"' in panel.queries[0].expr
    assert NO_RULE not in set(Rule)


def test_what_is_deployed_is_what_the_code_says() -> None:
    written = files(None)
    assert {path.name for path in DEPLOYED.iterdir()} == set(written)
    for name, text in written.items():
        remedy = f"deploy/monitoring/{name} is old: autoscaler dashboards --out deploy/monitoring"
        assert (DEPLOYED / name).read_text() == text, remedy


def test_dashboards_are_json_that_can_be_imported() -> None:
    for name, text in files(None).items():
        if name.endswith(".json"):
            dashboard = json.loads(text)
            assert (dashboard["uid"], dashboard["schemaVersion"]) == (name.removesuffix(".json"), 39)
