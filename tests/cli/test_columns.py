"""Texts and tables fit a terminal of any width, and no word is broken."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.inspection.columns import LEAST_WIDTH, indented, laid_out, reflowed, width_of, widths_of, wrapped

WORD = st.text(st.sampled_from("ab-/,件"), min_size=1, max_size=20)
SENTENCE = st.lists(WORD, max_size=20).map(" ".join)


@given(text=SENTENCE, room=st.integers(1, 60))
def test_a_wrapped_text_has_the_same_words_and_fits_unless_one_word_is_wider(text: str, room: int) -> None:
    lines = wrapped(text, room)
    assert " ".join(lines) == text
    assert all(width_of(line) <= room or " " not in line for line in lines)
    for line, later in pairwise(lines):
        assert width_of(f"{line} {later.split()[0]}") > room, "a line takes every word that fits"


def test_a_command_is_on_one_line_so_that_it_can_be_copied_unless_it_is_wider_than_the_terminal() -> None:
    text = "denied; `autoscaler iam-policy` prints it, `x"
    assert wrapped(text, 30) == ["denied;", "`autoscaler iam-policy` prints", "it, `x"]
    assert wrapped(text, 15) == ["denied;", "`autoscaler", "iam-policy`", "prints it, `x"]


@given(first=st.sampled_from(["", "    ", "note: "]), text=SENTENCE, columns=st.integers(30, 80))
def test_the_lines_of_an_indented_text_start_in_one_column(first: str, text: str, columns: int) -> None:
    lines = list(indented(first, text, columns))
    assert [line[: len(first)] for line in lines] == [first, *[" " * len(first)] * (len(lines) - 1)]
    assert all(width_of(line) <= columns for line in lines)


@given(lines=st.lists(st.tuples(st.integers(0, 4), SENTENCE), max_size=4), hang=st.integers(0, 4))
def test_a_reflowed_text_keeps_the_indentation_of_each_line(lines: list[tuple[int, str]], hang: int) -> None:
    text = "\n".join(" " * indent + line for indent, line in lines)
    assert list(reflowed(text, None, hang)) == text.splitlines()
    assert " ".join(reflowed(text, 40, hang)).split() == text.split()
    assert all(width_of(line) <= 40 or " " not in line.strip() for line in reflowed(text, 40, hang))
    for indent, line in lines:
        first, *more = list(reflowed(" " * indent + line, 40, hang)) or [""]
        assert not line or first.startswith(" " * indent + line.split()[0])
        assert all(len(each) - len(each.lstrip()) == indent + hang for each in more)


rows = st.lists(st.tuples(WORD, WORD, st.text(st.sampled_from("xyz"), max_size=60), SENTENCE), min_size=1, max_size=5)


@given(rows=rows, columns=st.integers(80, 160))
def test_a_table_fits_the_terminal_and_keeps_every_cell(rows: list[tuple[str, ...]], columns: int) -> None:
    widths = widths_of(rows, columns)
    for row in rows:
        lines = list(laid_out(row, widths, columns))
        assert all(width_of(line) <= columns for line in lines)
        assert " ".join(lines).split() == " ".join(row).split()


@given(rows=rows)
def test_without_a_terminal_each_row_is_one_line_with_aligned_columns(rows: list[tuple[str, ...]]) -> None:
    widths = widths_of(rows)
    at = sum(widths) + 2 * len(widths)
    for row in rows:
        [line] = laid_out(row, widths, None)
        assert not row[-1] or line.endswith(f"  {row[-1]}")
        assert not row[-1] or width_of(line) == at + width_of(row[-1])


def test_a_text_with_little_room_is_below_its_row() -> None:
    row = ("queue", "x" * 50, "one two three four five six seven")
    widths = widths_of([row], 70)
    assert 70 - sum(widths) - 4 < LEAST_WIDTH
    assert list(laid_out(row, widths, 70)) == [f"queue  {'x' * 50}", "    one two three four five six seven"]


def test_after_a_cell_that_is_wider_than_its_column_the_row_continues_below() -> None:
    rows = [("k" * 60, "met", "1/1"), ("orders", "missed", "2/2")]
    widths = widths_of(rows, 50)
    assert widths == [42, 6]
    assert list(laid_out((*rows[0], ""), [*widths, 3], 50)) == ["k" * 60, " " * 44 + "met     1/1"]
