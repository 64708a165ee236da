"""The report page: complete, safe, and small."""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest

from autoscaler.sim.model import AtRisk, LoggedReason
from autoscaler.sim.report.comparison import Study
from autoscaler.sim.report.html import page
from autoscaler.sim.report.pictures import MOST_POINTS, dumped
from tests.sim.report import made

NASTY = "</script><b>\"'&<!-- $policy ${style} \u2028 \x00 {{x}}"


class ReportParser(HTMLParser):
    """Parse every element with its attributes, and the texts with their elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.append((self._open[-1], data))

    def inside(self, tag: str) -> list[str]:
        return [data for where, data in self.texts if where == tag]


def chart_data(text: str) -> dict[str, Any]:
    """Return the data of the charts."""
    [packed] = re.findall(r'<script type="application/octet-stream" id="data">([^<]*)</script>', text)
    answer: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed)))
    return answer


@pytest.fixture(scope="module")
def plain() -> str:
    return page(made.study(hours=6))


def study_named(name: str) -> Any:
    load = made.workload(hours=1, name=name)
    outcome = replace(made.outcome(load), reasons=(LoggedReason(0.0, name),))
    ours, other = (replace(made.run(load, policy, name), outcome=outcome) for policy in ("ours", name))
    cheaper = replace(other, score=replace(other.score, cost_per_work=1.0))
    return Study(load, 1, 60.0, name, name, (ours, cheaper))


def test_every_policy_is_in_the_selector_the_tables_the_verdicts_and_the_data(plain: str) -> None:
    parsed, names = ReportParser(plain), [policy for policy, _ in made.POLICIES]
    assert parsed.inside("option") == names
    assert len([1 for tag, attributes in parsed.elements if tag == "tr" and "data-row" in attributes]) == 2 * len(names)
    assert [row["policy"] for row in chart_data(plain)["rows"]] == names
    assert set(names) <= set(parsed.inside("dt"))


def test_ours_is_selected_first(plain: str) -> None:
    chosen = [
        attributes for tag, attributes in ReportParser(plain).elements if tag == "option" and "selected" in attributes
    ]
    assert chosen == [{"value": "0", "selected": None}]


def test_the_figures_of_the_charts_are_in_the_table(plain: str) -> None:
    cells = ReportParser(plain).inside("b") + ReportParser(plain).inside("td")
    for row in chart_data(plain)["rows"]:
        assert set(row["figures"].values()) <= set(cells)


def test_the_page_contains_settings_seed_world_and_command(plain: str) -> None:
    parsed = ReportParser(plain)
    assert made.COMMAND in parsed.inside("pre")
    assert made.WORLD in parsed.inside("dd")
    assert "seed 1" in parsed.inside("dd")
    assert "backlog 12 per task, cooldown 300 s" in parsed.inside("dd")


def test_names_are_escaped() -> None:
    text = page(study_named(NASTY))
    parsed, harmless = ReportParser(text), ReportParser(page(study_named("harmless")))
    assert [tag for tag, _ in parsed.elements] == [tag for tag, _ in harmless.elements]
    assert [sorted(attributes) for _, attributes in parsed.elements] == [sorted(a) for _, a in harmless.elements]
    assert '<b>"' not in text
    assert NASTY in chart_data(text)["rows"][0]["verdict"]
    assert chart_data(text)["rows"][1]["policy"] == NASTY
    assert chart_data(text)["rows"][1]["reasons"][1] == [NASTY]


def test_a_name_that_is_not_valid_unicode_is_shown_escaped() -> None:
    text = page(study_named("broken \udcff name"))
    assert r"broken \udcff name" in text
    text.encode()


def test_the_data_contain_no_html_characters() -> None:
    assert not set("<>&\u2028\u2029") & set(dumped({"name": NASTY, "values": [1.5, None]}))
    assert json.loads(dumped({"name": NASTY})) == {"name": NASTY}


def test_the_security_policy_allows_only_the_script_and_the_style_of_the_page(plain: str) -> None:
    parsed = ReportParser(plain)
    policy = next(a["content"] for tag, a in parsed.elements if a.get("http-equiv") == "Content-Security-Policy")
    rules: dict[str, str] = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert set(rules) == {"default-src", "script-src", "style-src", "base-uri", "form-action"}
    scripts = re.findall(r"<script>(.*?)</script>", plain, re.DOTALL)
    styles = re.findall(r"<style>(.*?)</style>", plain, re.DOTALL)
    assert rules["script-src"].split() == [hashed(script) for script in scripts]
    assert rules["style-src"].split() == [hashed(style) for style in styles]
    order = [a.get("http-equiv") or tag for tag, a in parsed.elements]
    assert order.index("Content-Security-Policy") < order.index("style")


def hashed(text: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(text.encode()).digest()).decode()}'"


def test_the_page_contains_no_url_and_no_code_that_loads_one(plain: str) -> None:
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon", plain)
    fetching = {"src", "srcset", "action", "data", "poster", "background", "style"}
    for tag, attributes in ReportParser(plain).elements:
        assert tag not in {"link", "img", "iframe", "object", "embed", "base", "form"}
        assert not fetching & set(attributes), (tag, attributes)
        assert attributes.get("href", "#").startswith("#")
        assert not [name for name in attributes if name.startswith("on")]


def test_the_script_contains_the_charts_of_the_daemons_page_and_no_module_syntax(plain: str) -> None:
    _, own = re.findall(r"<script>(.*?)</script>", plain, re.DOTALL)
    assert "function linkedCharts(" in own
    assert not re.search(r"^\s*(import|export)\b", own, re.MULTILINE)


def test_the_licence_of_the_inlined_library_is_in_the_page_and_in_its_folder(plain: str) -> None:
    licence = files("autoscaler").joinpath("vendored", "uplot", "LICENSE").read_text()
    assert licence.startswith("The MIT License (MIT)")
    assert "Copyright (c) 2022 Leon Sorokin" in plain
    assert "THE SOFTWARE IS PROVIDED &quot;AS IS&quot;" in plain


def test_equal_studies_give_equal_pages() -> None:
    assert page(made.study(hours=1)) == page(made.study(hours=1))


def test_no_series_has_more_points_than_the_maximum(plain: str) -> None:
    def lengths(value: Any) -> list[int]:
        if isinstance(value, dict):
            return [length for inner in value.values() for length in lengths(inner)]
        if isinstance(value, list):
            return [len(value), *(length for inner in value for length in lengths(inner))]
        return []

    assert 300 < max(lengths(chart_data(plain))) <= MOST_POINTS


def test_the_page_of_a_week_stays_below_one_megabyte() -> None:
    text = page(made.study(hours=168, mean_tasks=3))
    assert max(row["reasons_total"] for row in chart_data(text)["rows"]) > MOST_POINTS
    assert len(text.encode()) < 1_000_000


def test_several_seeds_show_intervals_and_differences() -> None:
    text = page(made.study(seeds=2, hours=1))
    assert "means over 2 seeds (1, 2); charts of seed 1" in text
    assert re.search(
        r'<td data-value="[\d.]+">[^<]*(<b[^>]*>[^<]*</b>)? <small>±[\d.]+</small><span class="(un)?clear">', text
    )


def test_one_seed_shows_no_intervals_and_no_differences(plain: str) -> None:
    assert "±" not in "".join(ReportParser(plain).inside("small"))
    assert 'class="clear"' not in plain
    assert 'class="unclear"' not in plain


def test_a_policy_without_the_seed_of_the_charts_is_compared_and_not_drawn() -> None:
    study = made.study(hours=1)
    other = replace(study.runs[1], policy="other seed", seed=2)
    row = chart_data(page(replace(study, runs=(*study.runs, other))))["rows"][-1]
    assert (row["policy"], row["drawn"]) == ("other seed", False)


def test_an_unknown_value_is_null_in_json() -> None:
    study = made.study(hours=1)
    unknown = replace(study.runs[0], score=replace(study.runs[0].score, cost_per_work=math.nan))
    row = chart_data(page(replace(study, runs=(unknown, *study.runs[1:]))))["rows"][0]
    assert row["cost"][0] is None
    assert row["figures"]["cost_per_work"] == "–"


def test_a_load_without_messages_has_a_page() -> None:
    load = made.workload(hours=1, mean_tasks=0)
    outcome = made.outcome(load)
    study = Study(load, 1, 60.0, made.WORLD, made.COMMAND, (made.run(load, "ours"),))
    assert len(load.arrivals_s) == 0
    assert outcome.received_s.size == 0
    assert "0</b> messages" in page(study)


def test_the_periods_at_risk_are_in_the_data_and_the_scenario_is_a_fact() -> None:
    study = made.study()
    ours = study.runs[0]
    risky = replace(ours, outcome=replace(ours.outcome, at_risk=(AtRisk(60.0, 90.0, NASTY),)))
    text = page(replace(study, runs=(risky, *study.runs[1:]), scenario="poison", sentence=NASTY))
    rows = chart_data(text)["rows"]
    assert rows[0]["at_risk"] == [[60], [90], [NASTY]]
    assert {row["at_risk"] for row in rows[1:]} == {None}
    assert "scenario: " in "".join(ReportParser(text).inside("li"))
    assert NASTY not in text
