"""Files of counts and jobs: valid files are read exactly, and errors name the line."""

from __future__ import annotations

import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoscaler.errors import ConfigError
from autoscaler.sim.workload import CountTrace, JobTrace, TraceError, lines, read_counts, read_jobs, write_counts

COUNTS, JOBS = b"t_seconds,arrivals\n", b"t_seconds,service_seconds\n"


def counts_in(tmp_path: Path, content: bytes) -> CountTrace:
    path = tmp_path / "counts.csv"
    path.write_bytes(content)
    return read_counts(path)


def jobs_in(tmp_path: Path, content: bytes) -> JobTrace:
    path = tmp_path / "jobs.csv"
    path.write_bytes(content)
    return read_jobs(path)


def test_a_count_file_is_read_exactly(tmp_path: Path) -> None:
    trace = counts_in(tmp_path, COUNTS + b"0,3\n300,0\n600,4.5\n")
    assert (trace.name, trace.interval_s, trace.missing) == ("counts.csv", 300.0, 0)
    assert trace.counts.tolist() == [3, 0, 4.5]


def test_an_interval_without_a_line_is_zero_and_counted_as_missing(tmp_path: Path) -> None:
    trace = counts_in(tmp_path, COUNTS + b"120,1\n180,2\n600,7\n")
    assert trace.counts.tolist() == [0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 7]
    assert (trace.interval_s, trace.missing) == (60.0, 8)


def test_omitted_zeros_are_equal_to_zeros(tmp_path: Path) -> None:
    explicit = counts_in(tmp_path, COUNTS + b"0,0\n60,5\n120,6\n180,0\n240,7\n")
    omitted = counts_in(tmp_path, COUNTS + b"60,5\n120,6\n240,7\n")
    assert explicit.counts.tolist() == omitted.counts.tolist()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbft_seconds,arrivals\r\n0,1\r\n60,2\r\n",
        b"t_seconds, arrivals\n0, 1\n 60 ,2\n\n  \n",
        b"T_Seconds,Arrivals\n0.0,1.0\n6e1,2",
    ],
)
def test_byte_order_marks_spaces_and_blank_lines_are_accepted(tmp_path: Path, content: bytes) -> None:
    trace = counts_in(tmp_path, content)
    assert trace.counts.tolist() == [1, 2]
    assert trace.interval_s == 60


def test_decimal_times_are_multiples_of_the_interval_within_their_precision(tmp_path: Path) -> None:
    content = "".join(f"{at * 1.1:.4f},1\n" for at in range(1000))
    assert counts_in(tmp_path, COUNTS + content.encode()).counts.tolist() == [1] * 1000


def test_a_multiple_with_a_rounding_error_is_that_multiple(tmp_path: Path) -> None:
    # 3.3 / (4.4 - 3.3) is 2.9999999999999982 in doubles
    assert counts_in(tmp_path, COUNTS + b"3.3,1\n4.4,2\n").counts.tolist() == [0, 0, 0, 1, 2]


def test_minus_zero_is_zero(tmp_path: Path) -> None:
    counts = counts_in(tmp_path, COUNTS + b"-0,-0\n60,-0.0\n").counts
    assert not np.signbit(counts).any(), "numpy treats minus zero as a negative mean"


def test_a_job_file_is_read_exactly(tmp_path: Path) -> None:
    trace = jobs_in(tmp_path, JOBS + b"0,83\n3,0\n3,61.5\n")
    assert trace.arrivals_s.tolist() == [0, 3, 3]
    assert trace.service_s.tolist() == [83, 0, 61.5]


BROKEN = {
    b"": ("", "is empty", "first line must be"),
    COUNTS: ("", "no lines"),
    COUNTS + b"\n \n": ("", "no lines"),
    b"minute,n\n0,1\n": (", line 1", "must be the header t_seconds,arrivals", "'minute,n'"),
    b"0,1\n60,2\n": (", line 1", "must be the header"),
    JOBS + b"0,1\n": (", line 1", "--jobs"),
    "t_seconds,arrivals\n".encode("utf-16"): (", line 1", "UTF-16", "Save it as UTF-8"),
    COUNTS + b"0,1\n60\n": (", line 3", "two numbers"),
    COUNTS + b"0,1\n60,2,3\n": (", line 3", "two numbers", "'60,2,3'"),
    COUNTS + b"0,1\n60,many\n": (", line 3", "two numbers", "'60,many'"),
    COUNTS + b"0,1\n60,1_000\n": (", line 3", "two numbers"),
    COUNTS + b"0,1\n60,\x00\n": (", line 3", "two numbers", r"\x00"),
    COUNTS + b"0,1\n60,\xff\xfe\n": (", line 3", "not UTF-8", "Save"),
    COUNTS + b"0,1\n\n60,2\n": (", line 3", "is empty", "Remove it"),
    COUNTS + b"0,1\n60," + b"1" * 2000: (", line 3", "more than 1,000 bytes"),
    COUNTS + b"0,1\n60,2" + b" " * 995 + b"120,3\n": (", line 3", "more than 1,000 bytes"),
    COUNTS + b"0,1\n60,-2\n": (", line 3", "arrivals is -2", "not negative"),
    COUNTS + b"0,1\n60,nan\n": (", line 3", "arrivals is nan", "finite"),
    COUNTS + b"0,1\n60,inf\n": (", line 3", "arrivals is inf", "finite"),
    COUNTS + b"-60,1\n0,2\n": (", line 2", "t_seconds is -60", "not negative"),
    COUNTS + b"nan,1\n0,2\n": (", line 2", "t_seconds is nan"),
    COUNTS + b"1700000000,1\n": (", line 2", "not since 1970"),
    COUNTS + b"0,1\n60,1e13\n": (", line 3", "more than 1,000,000,000,000 arrivals", "Correct"),
    COUNTS + b"0,6e11\n60,1\n120,6e11\n": (", line 4", "more than 1,000,000,000,000 arrivals"),
    COUNTS + b"0,1\n60,2\n30,3\n": (", line 4", "30 after 60", "Sort"),
    COUNTS + b"0,1\n60,2\n60,3\n": (", line 4", "60 again"),
    COUNTS + b"0,1\n60,1\n119,1\n180,1\n240,1\n": (", line 4", "119", "interval of 60 s"),
    COUNTS + b"30,1\n90,1\n150,1\n": (", line 2", "30", "interval of 60 s"),
    COUNTS + b"0,1\n120,1\n180,1\n300,1\n350,1\n": (", line 4", "180", "interval of 120 s"),
    COUNTS + b"0,1\n": (", line 2", "next interval"),
    COUNTS + b"0,1\n1,1\n1.5,1\n": (", line 4", "less than a second"),
    COUNTS + b"0,1\n90000,1\n": (", line 3", "more than a day"),
    COUNTS + b"0,1\n1,2\n200000000,3\n": (", line 4", "10,000,000 intervals", "by the minute"),
}


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_count_file_is_refused_with_its_line_and_the_remedy(tmp_path: Path, content: Any) -> None:
    where, *said = BROKEN[content]
    with pytest.raises(TraceError) as caught:
        counts_in(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'counts.csv'}{where}: ")
    assert all(part in str(caught.value) for part in said), str(caught.value)


@pytest.mark.parametrize(
    ("content", "where", "said"),
    [
        (COUNTS + b"0,1\n", ", line 1", "--trace"),
        (JOBS + b"5,1\n4,1\n", ", line 3", "4 after 5"),
        (JOBS + b"5,1\n6,-1\n", ", line 3", "service_seconds is -1"),
        (JOBS + b"5,1\n6,1e300\n", ", line 3", "more than ten years"),
        (JOBS, "", "no lines"),
    ],
)
def test_a_broken_job_file_is_refused_with_its_line(tmp_path: Path, content: Any, where: str, said: str) -> None:
    with pytest.raises(TraceError) as caught:
        jobs_in(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path / 'jobs.csv'}{where}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("read", [read_counts, read_jobs])
@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("nowhere.csv", "the file was not found"),
        ("", "is a directory"),
        ("a\0b", "not a valid file name"),
        ("n" * 300, "cannot be read"),
    ],
)
def test_a_path_that_is_not_a_readable_file_is_refused(tmp_path: Path, read: Any, path: Any, error: str) -> None:
    with pytest.raises(TraceError, match=error):
        read(tmp_path / path)


def test_a_file_of_two_gigabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.csv"
    path.touch()
    os.truncate(path, 2 * 2**30)
    tracemalloc.start()
    try:
        with pytest.raises(
            TraceError, match=r"2,147,483,648 bytes, more than the limit of 268,435,456 .* Use fewer days"
        ):
            read_counts(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("limit", "most"), [("MOST_LINES", 100), ("MOST_BYTES", 1000)])
def test_a_file_of_unknown_size_is_refused_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(lines, "_check_size", lambda *_: None)
    monkeypatch.setattr(lines, limit, most)
    with pytest.raises(TraceError, match=r"line \d+: the limit is .* Use fewer days"):
        counts_in(tmp_path, COUNTS + b"".join(b"%d,1\n" % (60 * at) for at in range(1000)))


def test_a_file_with_the_maximum_number_of_lines_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_LINES", 100)
    content = COUNTS + b"".join(b"%d,1\n" % (60 * at) for at in range(100))
    assert counts_in(tmp_path, content).counts.size == 100


def test_a_line_without_an_end_is_not_read_to_the_end(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        path = tmp_path / "line.csv"
        path.write_bytes(COUNTS)
        os.truncate(path, 100 * 2**20)
        with pytest.raises(TraceError, match="line 2"):
            read_counts(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_progress_rises_to_one(tmp_path: Path) -> None:
    path, seen = tmp_path / "counts.csv", list[Any]()
    path.write_bytes(COUNTS + b"".join(b"%d,1\n" % (60 * at) for at in range(100_000)))
    read_counts(path, seen.append)
    assert len(seen) > 3
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert all(0 < share <= 1 for share in seen)


def test_a_trace_error_is_a_config_error_and_can_be_pickled() -> None:
    error = TraceError("file.csv, line 3", "is wrong: correct it")
    assert isinstance(error, ConfigError)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.problems) == ("file.csv, line 3: is wrong: correct it", error.problems)


whole_lines = [
    COUNTS,
    JOBS,
    b"0,1\n",
    b"60,2\n",
    b"120,0\n",
    b"1e9,1\n",
    b"0.1,5\n",
    b"1e-320,1\n",
    b"3e8,1\n",
    b"60,1e12\n",
]
fragments = [b",", b"\n", b"\r", b"-", b"1e999", b"nan", b"\xff", b"\xef\xbb\xbf", b"\x00", b" ", b'"0","1"\n']
pieces = st.sampled_from([*whole_lines, *fragments])
garbage = st.one_of(
    st.binary(max_size=200),
    st.lists(pieces, max_size=12).map(b"".join),
    st.lists(st.one_of(pieces, st.binary(max_size=5)), max_size=12).map(lambda parts: COUNTS + b"".join(parts)),
    st.lists(st.one_of(pieces, st.binary(max_size=5)), max_size=12).map(lambda parts: JOBS + b"".join(parts)),
)


def outcome(read: Any, tmp_path: Path, content: Any) -> Any:
    try:
        return read(tmp_path, content)
    except TraceError as error:
        return str(error)


@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=garbage)
def test_any_bytes_give_a_trace_or_a_trace_error(tmp_path: Path, content: Any) -> None:
    for read in (counts_in, jobs_in):
        match outcome(read, tmp_path, content):
            case str(said):
                assert str(tmp_path) in said
                assert said.isprintable()
            case CountTrace(counts=values) | JobTrace(service_s=values):
                assert values.size
                assert ((values >= 0) & np.isfinite(values)).all()


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.floats(0, 1e9), min_size=2, max_size=30),
    interval_s=st.sampled_from([1.0, 2.5, 60.0, 300.0, 3600.0]),
)
def test_a_written_trace_is_read_back_to_the_bit(tmp_path: Path, counts: Any, interval_s: Any) -> None:
    path = tmp_path / "written.csv"
    write_counts(CountTrace("w", interval_s, np.array(counts)), path)
    again = read_counts(path)
    assert again.counts.tobytes() == (np.array(counts) + 0.0).tobytes()
    assert (again.interval_s, again.missing) == (interval_s, 0)


def test_a_failed_write_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "existing.csv"
    path.write_text("earlier content")
    with pytest.raises(AttributeError):
        write_counts(CountTrace("w", 60.0, np.array([1.0, None], dtype=object)), path)
    assert path.read_text() == "earlier content"
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_does_not_affect_an_open_reader_of_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "existing.csv"
    path.write_text("earlier content")
    with path.open() as reader:
        write_counts(CountTrace("w", 60.0, np.ones(2)), path)
        assert reader.read() == "earlier content"
    assert path.read_text() == "t_seconds,arrivals\n0,1\n60,1\n"


def test_an_unwritable_path_is_reported(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"nowhere.*cannot be written"):
        write_counts(CountTrace("w", 60.0, np.ones(2)), tmp_path / "nowhere" / "file.csv")


def test_a_written_file_has_the_default_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_counts(CountTrace("w", 60.0, np.ones(2)), tmp_path / "file.csv")
    assert (tmp_path / "file.csv").stat().st_mode == (tmp_path / "plain").stat().st_mode
