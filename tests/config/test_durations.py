"""A formatted duration parses back exactly, the parts of a duration add up, and invalid text is rejected."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autoscaler.config.quoting import WrongValue
from autoscaler.config.values import LONGEST_S, seconds, shown
from tests.config.spoken import refusal

any_duration = st.floats(min_value=0.0, max_value=LONGEST_S, allow_subnormal=True)


@given(any_duration)
@example(5e-324)
@example(0.1)
@example(LONGEST_S)
def test_a_formatted_duration_parses_back_exactly(duration_s: Any) -> None:
    assert seconds(shown(duration_s)) == duration_s


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 9999))
def test_the_parts_of_a_duration_add_up(d: Any, h: Any, m: Any, s: Any, ms: Any) -> None:
    expected = d * 86_400 + h * 3600 + m * 60 + s + ms / 1000
    assert seconds(f"{d}d{h}h{m}m{s}s{ms}ms") == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "duration_s"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("0s", 0),
        ("1.5h", 5400),
        ("2m3ms", 120.003),
        ("1d", 86_400),
        ("1d12h", 129_600),
        ("0.5d", 43_200),
        ("14d", 1_209_600),
        ("365d", 31_536_000),
    ],
)
def test_a_valid_duration_is_parsed(text: str, duration_s: float) -> None:
    assert seconds(text) == duration_s


@given(st.text(max_size=20) | st.text("0123456789hms. ", max_size=12))
def test_any_text_is_a_duration_or_gives_a_printable_error(text: Any) -> None:
    refused = refusal(lambda: seconds(text))
    assert refused.isprintable() if refused else 0 <= seconds(text) <= LONGEST_S


@pytest.mark.parametrize(
    "value",
    [
        60,
        0,
        1.5,
        float("inf"),
        "60",
        "0",
        "",
        None,
        True,
        [],
        {},
        "1e3s",
        "1" * 400 + "s",
        "8761h",
        "366d",
        "12h1d",
        "1D",
        "1 d",
    ],
)
def test_an_invalid_duration_is_rejected(value: Any) -> None:
    with pytest.raises(WrongValue):
        seconds(value)
