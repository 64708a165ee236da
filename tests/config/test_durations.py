"""Laws of durations: what is shown reads back exactly; a sum is the sum of its parts; nonsense is refused."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autoscaler.config.durations import LONGEST_S, seconds, shown
from autoscaler.config.quoting import WrongValue
from tests.config.spoken import refusal

any_duration = st.floats(min_value=0.0, max_value=LONGEST_S, allow_subnormal=True)


@given(any_duration)
@example(5e-324)
@example(0.1)
@example(LONGEST_S)
def test_what_is_shown_reads_back_to_the_last_bit(duration_s: Any) -> None:
    assert seconds(shown(duration_s)) == duration_s


@given(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.integers(0, 9999))
def test_parts_add_up(h: Any, m: Any, s: Any, ms: Any) -> None:
    assert seconds(f"{h}h{m}m{s}s{ms}ms") == pytest.approx(h * 3600 + m * 60 + s + ms / 1000, rel=1e-15)


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
    ],
)
def test_durations_are_read_as_written(text: str, duration_s: float) -> None:
    assert seconds(text) == duration_s


@given(st.text(max_size=20) | st.text("0123456789hms. ", max_size=12))
def test_any_text_is_a_duration_or_refused_in_a_sentence(text: Any) -> None:
    refused = refusal(lambda: seconds(text))
    assert refused.isprintable() if refused else 0 <= seconds(text) <= LONGEST_S


@pytest.mark.parametrize(
    "value", [60, 0, 1.5, float("inf"), "60", "0", "", None, True, [], {}, "1e3s", "1" * 400 + "s", "8761h"]
)
def test_what_is_no_duration_is_refused(value: Any) -> None:
    with pytest.raises(WrongValue):
        seconds(value)
