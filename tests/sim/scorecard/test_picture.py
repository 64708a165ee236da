"""The picture of the scorecard: one self-contained, safe page with readable names."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scorecard.page import DOT, Box, picture, placed
from tests.sim.scorecard.made import everywhere

NASTY = "<script>alert(1)</script>\"'&"
LINES = [
    one
    for policy, late, cost in (
        ("clairvoyant", 0.0, 1.0),
        ("ours", 0.002, 1.4),
        ("keda", 0.2, 2.0),
        ("knative", 0.0, 60.0),
        (NASTY, 1.0, 2.1),
    )
    for one in everywhere(policy, late_fraction=late, cost_per_oracle=cost)
]


@pytest.fixture(scope="module")
def page() -> str:
    return picture(LINES)


class PictureParser(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def test_the_page_loads_nothing_from_other_servers(page: str) -> None:
    elements = PictureParser(page).elements
    assert not [tag for tag, _ in elements if tag in {"script", "link", "img", "iframe", "object", "base"}]
    assert not [name for _, attributes in elements for name in attributes if name in {"src", "href", "style"}]
    assert "url(" not in page
    assert "@import" not in page
    [policy] = [a["content"] for _, a in elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert str(policy).startswith("default-src 'none'")


def test_every_latency_target_has_a_valid_picture_for_idle_and_for_random_stops(page: str) -> None:
    assert re.findall(r"<h2>(.*?)</h2>", page) == [f"Latency target: {seconds} s" for seconds in (60, 120, 300)]
    drawn = [ElementTree.fromstring(svg) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    assert len(drawn) == 6
    for svg in drawn:
        groups = svg.findall("g")
        assert [group.findtext("text") for group in groups] == ["clairvoyant", "ours", "keda", NASTY, "knative"]
        assert [group.get("class") for group in groups] == ["limit", "ours", "peer", "peer", "peer"]
        assert groups[2].findtext("title") == "keda: 20.00% late at 2.00 x the clairvoyant"
        assert "keda: 20.00% late" in (svg.get("aria-label") or "")


def test_cheaper_policies_are_left_and_less_late_ones_are_lower(page: str) -> None:
    svg = ElementTree.fromstring(re.findall(r"<svg.*?</svg>", page, re.DOTALL)[0])
    at = {
        group.findtext("text"): [float(circle.get(name) or "nan") for name in ("cx", "cy")]
        for group in svg.findall("g")
        for circle in group.findall("circle")
    }
    assert at["clairvoyant"][0] < at["ours"][0] < at["keda"][0] < at["knative"][0]
    assert at["clairvoyant"][1] == at["knative"][1] > at["ours"][1] > at["keda"][1] > at[NASTY][1]


def test_a_policy_with_unknown_cost_is_left_out() -> None:
    assert "keda" not in picture(everywhere("keda", cost_per_oracle=float("nan")))


EDGE = Box(50.0, 0.0, 560.0, 360.0)
DOTS = st.lists(st.tuples(st.floats(60, 550), st.floats(10, 350)), min_size=1, max_size=12, unique=True)


@given(DOTS)
def test_names_stay_within_the_edge_and_among_a_few_dots_the_first_name_covers_no_dot(dots: Any) -> None:
    labels = placed(dots, ["ours"] * len(dots), EDGE)
    assert all(label.box.within(EDGE) for label in labels)
    assert len(labels) == len(dots)
    around = [Box(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in dots]
    if len(dots) < 4:
        assert not [dot for dot in around if labels[0].box.overlaps(dot)]


def test_names_of_dots_at_one_position_do_not_overlap() -> None:
    labels = placed([(300.0, 200.0)] * 5, ["target-tracking-cpu"] * 5, EDGE)
    assert not [pair for pair in combinations([label.box for label in labels], 2) if pair[0].overlaps(pair[1])]


def test_a_name_is_to_the_right_of_its_dot_and_at_the_right_edge_to_the_left() -> None:
    right, left = placed([(100.0, 100.0), (550.0, 100.0)], ["ours", "target-tracking"], EDGE)
    assert (right.x, right.on_left, right.away) == (109.0, False, False)
    assert (left.x, left.on_left, left.away) == (541.0, True, False)


def test_a_name_without_enough_room_still_gets_a_position() -> None:
    assert len(placed([(300.0, 200.0)], ["x" * 500], EDGE)) == 1
