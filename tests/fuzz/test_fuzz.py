"""A few fixed inputs of each target. An exception and a slow input are detected."""

from __future__ import annotations

import time

import pytest
from hypothesis import strategies as st

from tests.fuzz.fuzzing import LIMIT_S, RATIO, TooSlow, check, run, size_of
from tests.fuzz.targets import TARGETS, Target


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_input_has_a_traceback_or_takes_long(target: Target) -> None:
    run(target, 1, 60)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("environment", {"AUTOSCALER_QUEUES": ",".join(f"q{number}" for number in range(8_000))}),
        ("situations", "{" + ", ".join(f'"q{number}": 1' for number in (*range(8_000), 7_999)) + "}"),
    ],
)
def test_many_different_names_take_linear_time(name: str, value: object) -> None:
    [target] = [each for each in TARGETS if each.name == name]
    check(target, value)


def test_an_exception_is_found_and_reduced() -> None:
    def fail(text: str) -> None:
        assert "x" not in text

    with pytest.raises(AssertionError) as found:
        run(Target("x", st.text(), fail), 1, 2_000)
    assert any("value='x'" in note for note in found.value.__notes__)


def test_a_slow_input_is_found() -> None:
    def slow(_: str) -> None:
        end = time.process_time() + 1.1 * RATIO * LIMIT_S
        while time.process_time() < end:
            pass

    check(Target("fast", st.nothing(), len), "x" * 100_000)
    check(Target("long", st.nothing(), slow), "x" * 12_000)
    with pytest.raises(TooSlow, match="10000 bytes"):
        check(Target("slow", st.nothing(), slow), "x" * 10_000)


def test_the_size_of_an_input_is_in_bytes() -> None:
    assert size_of({"ä": ["b", ("c", 12)]}) == 6
    assert size_of(10**400) == 300
