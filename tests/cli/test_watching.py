"""`--watch` draws only as much as fits on a terminal of any size."""

from __future__ import annotations

from typing import Any

import click
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cli.status import fitting
from autoscaler.inspection.columns import width_of


@given(
    lines=st.lists(st.text(st.sampled_from("a b件e\u0301"), max_size=60), max_size=30),
    width=st.integers(2, 50),
    height=st.integers(3, 20),
)
def test_the_drawing_is_never_wider_or_higher_than_the_terminal(lines: Any, width: Any, height: Any) -> None:
    shown = fitting(lines, width, height)
    assert len(shown) < height, "one line is for the cursor"
    assert all(width_of(line) <= width for line in shown)


@given(lines=st.lists(st.just("x" * 200), min_size=10, max_size=30))
def test_the_first_lines_are_shown_and_the_hidden_lines_are_counted(lines: Any) -> None:
    shown = fitting(["first", *lines], 40, 8)
    assert shown[0] == "first"
    assert shown[-1] == f"... and {len(lines) + 1 - 6} more lines"


def test_a_line_keeps_its_colours_which_have_no_width_also_if_it_is_cut() -> None:
    line = f"{click.style('met', fg='green')} {click.style('orders', bold=True)}"
    assert fitting([line], 10, 24) == [line]
    assert fitting([line], 2, 24) == [f"{click.style('m', fg='green')}{click.style('', bold=True)}…"]
    assert fitting([line], 6, 24) == [f"{click.style('met', fg='green')} {click.style('o', bold=True)}…"]
