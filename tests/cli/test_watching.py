"""`--watch` draws only as much as fits on a terminal of any size."""

from __future__ import annotations

from typing import Any

import click
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cli.status import columns, fitting


@given(
    lines=st.lists(st.text(st.sampled_from("a b件e\u0301"), max_size=60), max_size=30),
    width=st.integers(2, 50),
    height=st.integers(3, 20),
)
def test_the_drawing_is_never_wider_or_higher_than_the_terminal(lines: Any, width: Any, height: Any) -> None:
    shown = fitting(lines, width, height)
    assert len(shown) < height, "one line is for the cursor"
    assert all(columns(line) <= width for line in shown)


@given(lines=st.lists(st.just("x" * 200), min_size=10, max_size=30))
def test_the_first_lines_are_shown_and_the_hidden_lines_are_counted(lines: Any) -> None:
    shown = fitting(["first", *lines], 40, 8)
    assert shown[0] == "first"
    assert shown[-1] == f"... and {len(lines) + 1 - 6} more lines"


def test_a_line_that_fits_keeps_its_colours_which_have_no_width() -> None:
    line = click.style("met", fg="green")
    assert fitting([line], 3, 24) == [line]
    assert fitting([line], 2, 24) == ["m…"]
