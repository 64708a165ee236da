"""The pictures of the scorecard: self-contained and safe, with readable names."""

from __future__ import annotations

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


SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def drawn() -> ElementTree.Element:
    return ElementTree.fromstring(picture(LINES, 60.0))


def test_the_picture_loads_and_runs_nothing(drawn: ElementTree.Element) -> None:
    assert drawn.tag == f"{SVG}svg"
    assert {one.tag.removeprefix(SVG) for one in drawn.iter()} <= {
        "svg",
        "style",
        "rect",
        "path",
        "text",
        "g",
        "title",
        "circle",
    }
    assert not [
        name for one in drawn.iter() for name in one.attrib if name in {"href", "src", "style"} or name.startswith("on")
    ]
    text = picture(LINES, 60.0)
    assert "url(" not in text
    assert "@import" not in text


def test_each_policy_is_a_named_point_with_its_figures(drawn: ElementTree.Element) -> None:
    groups = drawn.findall(f"{SVG}g")
    assert [group.findtext(f"{SVG}text") for group in groups] == ["clairvoyant", "ours", "keda", NASTY, "knative"]
    assert [group.get("class") for group in groups] == ["limit", "ours", "peer", "peer", "peer"]
    assert groups[2].findtext(f"{SVG}title") == "keda: 20.00% late at 2.00 x the clairvoyant"
    assert "keda: 20.00% late" in (drawn.get("aria-label") or "")


def test_cheaper_policies_are_left_and_less_late_ones_are_lower(drawn: ElementTree.Element) -> None:
    at = {
        group.findtext(f"{SVG}text"): [float(circle.get(name) or "nan") for name in ("cx", "cy")]
        for group in drawn.findall(f"{SVG}g")
        for circle in group.findall(f"{SVG}circle")
    }
    assert at["clairvoyant"][0] < at["ours"][0] < at["keda"][0] < at["knative"][0]
    assert at["clairvoyant"][1] == at["knative"][1] > at["ours"][1] > at["keda"][1] > at[NASTY][1]


def test_a_policy_with_unknown_cost_is_left_out() -> None:
    assert "keda" not in picture(everywhere("keda", cost_per_oracle=float("nan")), 60.0)


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
