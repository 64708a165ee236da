"""An invalid trace is refused with file and line. A valid trace is played."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.demo.load import LONGEST_WORK_S, MEAN_WORK_S, DemoTrace, TraceRow, play, read
from autoscaler.errors import ConfigError


def error_of(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "trace.csv"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read(path)
    return str(caught.value).replace(str(path), "trace.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "trace.csv: the file is empty"),
        (b"\n\n", "trace.csv: the file is empty"),
        (b"t_seconds,arrivals\n", "trace.csv: the file has a header and no rows"),
        (b"0,1\n60,2\n", "trace.csv:1: '0,1' is not a known header"),
        (b"t_seconds,requests\n0,1\n", "trace.csv:1: 't_seconds,requests' is not a known header"),
        (b"t_seconds,arrivals\n0,1\n60,ten\n", "trace.csv:3: arrivals: 'ten' is not a whole number of at least 0"),
        (b"t_seconds,arrivals\n0,-1\n", "trace.csv:2: arrivals: '-1' is not"),
        (b"t_seconds,arrivals\n0,nan\n", "trace.csv:2: arrivals: 'nan' is not"),
        (b"t_seconds,arrivals\n0,inf\n", "trace.csv:2: arrivals: 'inf' is not"),
        (b"t_seconds,arrivals\n0,1.5\n", "trace.csv:2: arrivals: '1.5' is not a whole number"),
        (b"t_seconds,arrivals\nnan,1\n", "trace.csv:2: t_seconds: 'nan' is not a number"),
        (b"t_seconds,arrivals\ninf,1\n", "trace.csv:2: t_seconds: 'inf' is not a number"),
        (b"t_seconds,service_seconds\n0,inf\n", "trace.csv:2: service_seconds: 'inf' is not a number"),
        (b"t_seconds,arrivals\n-60,1\n", "trace.csv:2: t_seconds: '-60' is not a number"),
        (
            b"t_seconds,arrivals\n60,1\n\n0,1\n",
            "trace.csv:4: t_seconds: 0 follows 60; each time must be greater",
        ),
        (b"t_seconds,arrivals\n0,1\n0,1\n", "trace.csv:3: t_seconds: 0 follows 0"),
        (b"t_seconds,arrivals\n0,1,2\n", "trace.csv:2: 3 columns; the header has 2"),
        (b"t_seconds,arrivals\n0\n", "trace.csv:2: 1 column;"),
        (b"t_seconds,service_seconds\n0,-2\n", "trace.csv:2: service_seconds: '-2' is not a number of at least 0"),
        (b"t_seconds,arrivals\n0,\xff\xfe\n", "trace.csv: this is not a CSV file"),
    ],
)
def test_an_invalid_trace_is_refused_with_file_and_line(tmp_path: Path, content: bytes, message: str) -> None:
    assert error_of(tmp_path, content).startswith(message)


def test_all_problems_are_reported_together_up_to_a_limit(tmp_path: Path) -> None:
    assert len(error_of(tmp_path, b"t_seconds,arrivals\nx,y\n0,z\n").splitlines()) == 3
    assert len(error_of(tmp_path, b"t_seconds,arrivals\n" + b"x,y\n" * 500).splitlines()) <= 11


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.csv: the file cannot be read: No such file"):
        read(tmp_path / "nowhere.csv")
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path)


def test_a_byte_order_mark_blank_lines_and_spaces_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes("\ufefft_seconds, arrivals\r\n0,1\r\n\r\n60,2\r\n".encode())
    assert read(path).rows == (TraceRow(0, 1), TraceRow(60, 2))


counts = st.lists(st.integers(0, 40), min_size=1, max_size=30).filter(any)


def trace_of_minutes(values: Any) -> DemoTrace:
    return DemoTrace(
        "t.csv", tuple(TraceRow(60.0 * index, float(value)) for index, value in enumerate(values)), jobs=False
    )


@settings(deadline=None)
@given(counts, st.sampled_from([1.0, 7.0, 60.0]), st.integers(0, 9))
def test_all_messages_of_a_trace_are_played_except_for_thinning(values: Any, speed: Any, seed: Any) -> None:
    load = play(trace_of_minutes(values), 0.0, speed, 60.0 * len(values) / speed, seed)
    if load.thinned_by == 1:
        assert len(load.arrivals) == sum(values)
    assert len(load.arrivals) == sum(values) // load.thinned_by


@settings(deadline=None)
@given(counts, st.sampled_from([1.0, 7.0, 60.0]), st.integers(0, 9))
def test_every_message_arrives_in_its_interval(values: Any, speed: Any, seed: Any) -> None:
    load = play(trace_of_minutes(values), 0.0, speed, 60.0 * len(values) / speed, seed)
    if load.thinned_by > 1:
        return
    in_minute = [0] * len(values)
    for arrival in load.arrivals:
        in_minute[min(len(values) - 1, int(arrival.at_s * speed / 60 + 1e-9))] += 1
    assert in_minute == values


def test_a_trace_is_played_from_the_selected_day_for_the_selected_duration() -> None:
    days = DemoTrace("t.csv", tuple(TraceRow(3600.0 * hour, float(hour)) for hour in range(72)), jobs=False)
    load = play(days, 1.0, 3600.0, 3.0, 0)
    assert len(load.arrivals) == (24 + 25 + 26) // load.thinned_by
    assert all(0 <= arrival.at_s <= 3 for arrival in load.arrivals)


def test_an_interval_that_is_partly_in_the_window_counts_in_proportion() -> None:
    assert len(play(trace_of_minutes([10, 10]), 0.0, 1.0, 90.0, 0).arrivals) == 15


def test_a_trace_that_exceeds_the_limit_is_thinned_and_a_note_reports_it() -> None:
    load = play(trace_of_minutes([100_000] * 10), 0.0, 1.0, 120.0, 0)
    assert load.thinned_by > 1
    assert len(load.arrivals) == 200_000 // load.thinned_by
    assert f"one message of {load.thinned_by:,} is played" in " ".join(load.notes)


def test_a_trace_that_ends_before_the_day_or_has_no_message_in_the_window_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--from-day: the value is 2, but t.csv ends on day 0.00"):
        play(trace_of_minutes([1, 1]), 2.0, 1.0, 60.0, 0)
    with pytest.raises(ConfigError, match=r"t.csv: nothing arrives in the 60 s"):
        play(trace_of_minutes([0, 0, 5]), 0.0, 1.0, 60.0, 0)


def trace_of_jobs(*rows: Any) -> DemoTrace:
    return DemoTrace("j.csv", tuple(TraceRow(*row) for row in rows), jobs=True)


def test_long_jobs_are_shortened_in_proportion_and_a_note_reports_it() -> None:
    load = play(trace_of_jobs((0, 100), (10, 300), (10, 200), (500, 9)), 0.0, 10.0, 10.0, 0)
    assert [arrival.at_s for arrival in load.arrivals] == [0, 1, 1]
    assert [arrival.work_s / load.arrivals[0].work_s for arrival in load.arrivals] == pytest.approx([1, 3, 2])
    assert load.mean_work_s == pytest.approx(MEAN_WORK_S)
    assert load.work_divided_by == pytest.approx(200 / MEAN_WORK_S)
    assert "service times are divided by 114.3" in " ".join(load.notes)


def test_short_jobs_are_not_lengthened() -> None:
    load = play(trace_of_jobs((0, 0.5), (1, 0.5)), 0.0, 1.0, 10.0, 0)
    assert load.work_divided_by == 1
    assert [arrival.work_s for arrival in load.arrivals] == [0.5, 0.5]


def test_a_very_long_job_is_cut_so_that_the_demo_can_end() -> None:
    load = play(trace_of_jobs(*[(index, 1.0) for index in range(200)], (200, 1e6)), 0.0, 100.0, 10.0, 0)
    assert max(arrival.work_s for arrival in load.arrivals) == LONGEST_WORK_S
    assert "1 cut to 20 s" in " ".join(load.notes)


def test_the_interval_of_a_single_row_is_one_minute() -> None:
    assert math.isclose(trace_of_minutes([5]).interval_s, 60)
