"""Edge cases of formulas: each comparison, the largest floats, and the position in a refusal."""

from __future__ import annotations

import sys

import pytest

from autoscaler.core.formula import LARGEST, parse


def value_of(text: str, **values: float | None) -> float | None:
    return parse(text).evaluate(values)


@pytest.mark.parametrize(
    ("sign", "below", "equal", "above"),
    [("<", 1, 0, 0), ("<=", 1, 1, 0), (">", 0, 0, 1), (">=", 0, 1, 1), ("==", 0, 1, 0), ("!=", 1, 0, 1)],
)
def test_each_comparison_equals_that_of_python(sign: str, below: int, equal: int, above: int) -> None:
    assert [value_of(f"{left} {sign} 2") for left in (1, 2, 3)] == [below, equal, above]


def test_a_chain_can_contain_all_comparisons() -> None:
    assert value_of("1 < 2 <= 2 == 2 != 3 > 1 >= 1") == 1
    assert value_of("1 < 2 <= 2 == 2 != 3 > 1 >= 2") == 0


def test_not_is_1_for_zero_and_0_for_all_other_numbers() -> None:
    assert [value_of("not a", a=a) for a in (0.0, 0.5, 1.0, -3.0)] == [1, 0, 0, 0]


def test_the_largest_float_is_valid_as_a_signal_and_as_a_result() -> None:
    assert sys.float_info.max == LARGEST
    assert value_of("a + 0", a=LARGEST) == LARGEST
    assert value_of("a + 0", a=-LARGEST) == -LARGEST


def test_first_requires_a_second_argument() -> None:
    with pytest.raises(ValueError, match=r"write first\(a, b, 8\)"):
        parse("first(a)")


@pytest.mark.parametrize(("text", "position"), [("if", 1), ("a)", 2), ("max(a", 4), ("a b c d", 3), ("max(a b)", 5)])
def test_a_syntax_error_names_its_position(text: str, position: int) -> None:
    with pytest.raises(ValueError, match=rf"^character {position}: syntax error"):
        parse(text)


@pytest.mark.parametrize("text", ["a +", "not", "-", "a if b else", "(", "a and", "if b"])
def test_the_position_in_an_incomplete_formula_is_within_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"^character \d+: syntax error") as refused:
        parse(text)
    assert 1 <= int(str(refused.value).split(":")[0].removeprefix("character ")) <= len(text)
