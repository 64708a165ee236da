"""Formulas at their edges: each comparison by itself, the largest floats, and where a refusal points."""

from __future__ import annotations

import sys

import pytest

from autoscaler.core.formula import parse
from autoscaler.core.terms import LARGEST


def value_of(text: str, **values: float | None) -> float | None:
    return parse(text).evaluate(values)


@pytest.mark.parametrize(
    ("sign", "below", "equal", "above"),
    [("<", 1, 0, 0), ("<=", 1, 1, 0), (">", 0, 0, 1), (">=", 0, 1, 1), ("==", 0, 1, 0), ("!=", 1, 0, 1)],
)
def test_each_comparison_is_pythons(sign: str, below: int, equal: int, above: int) -> None:
    assert [value_of(f"{left} {sign} 2") for left in (1, 2, 3)] == [below, equal, above]


def test_a_chain_may_hold_all_of_them() -> None:
    assert value_of("1 < 2 <= 2 == 2 != 3 > 1 >= 1") == 1
    assert value_of("1 < 2 <= 2 == 2 != 3 > 1 >= 2") == 0


def test_not_is_one_of_zero_and_zero_of_all_else() -> None:
    assert [value_of("not a", a=a) for a in (0.0, 0.5, 1.0, -3.0)] == [1, 0, 0, 0]


def test_the_largest_float_is_a_number_and_the_result_of_one() -> None:
    assert sys.float_info.max == LARGEST
    assert value_of("a + 0", a=LARGEST) == LARGEST
    assert value_of("a + 0", a=-LARGEST) == -LARGEST


def test_first_needs_something_to_fall_back_to() -> None:
    with pytest.raises(ValueError, match=r"write first\(a, b, 8\)"):
        parse("first(a)")


@pytest.mark.parametrize(("text", "place"), [("if", 1), ("a)", 2), ("max(a", 4), ("a b c d", 3), ("max(a b)", 5)])
def test_what_cannot_be_read_is_pointed_at(text: str, place: int) -> None:
    with pytest.raises(ValueError, match=rf"^character {place}: this cannot be read"):
        parse(text)


@pytest.mark.parametrize("text", ["a +", "not", "-", "a if b else", "(", "a and", "if b"])
def test_what_breaks_off_is_pointed_at_within_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"^character \d+: this cannot be read") as refused:
        parse(text)
    assert 1 <= int(str(refused.value).split(":")[0].removeprefix("character ")) <= len(text)
