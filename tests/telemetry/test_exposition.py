"""The text formats: other threads can run while a page is written, and every number can be parsed back."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.telemetry.families import Family
from autoscaler.telemetry.metrics import LINES, Form, encoded, lines_of, number, packed
from autoscaler.telemetry.samples import Samples
from tests.telemetry.scraping import READERS


@pytest.mark.parametrize(("lines", "pauses"), [(0, 0), (1, 1), (LINES, 1), (LINES + 1, 2), (5 * LINES, 5)])
def test_encoding_pauses_after_each_thousand_lines(lines: int, pauses: int, monkeypatch: pytest.MonkeyPatch) -> None:
    paused_s: list[float] = []
    monkeypatch.setattr("autoscaler.telemetry.metrics.time.sleep", paused_s.append)
    assert encoded(iter(["x\n"] * lines), b"end") == b"x\n" * lines + b"end"
    assert len(paused_s) == pauses
    assert gzip.decompress(packed(iter(["x\n"] * lines), b"end")) == b"x\n" * lines + b"end"
    assert len(paused_s) == 2 * pauses
    # after a sleep of 0 s, only a thread that is already waiting can run
    assert all(seconds > 0 for seconds in paused_s)


def page(sample: float, form: Form) -> str:
    def read(_: None) -> Samples:
        return [(("a",), sample)]

    def lines() -> Iterator[str]:
        yield from lines_of(Family("autoscaler_x", "An x.", "x", ("kind",), read), [("", None)], form)
        yield "# EOF\n" if form is Form.OPENMETRICS else ""

    return encoded(lines(), b"").decode()


@pytest.mark.parametrize("form", list(Form))
@given(st.floats())
def test_every_number_is_parsed_back_unchanged(form: Form, value: float) -> None:
    [family] = READERS[form](page(value, form))
    [sample] = family.samples
    assert sample.value == value or (math.isnan(sample.value) and math.isnan(value))


@pytest.mark.parametrize(("value", "text"), [(math.inf, "+Inf"), (-math.inf, "-Inf"), (math.nan, "NaN"), (True, "1.0")])
def test_special_values_are_written_in_the_prometheus_format(value: float, text: str) -> None:
    assert number(value) == text
