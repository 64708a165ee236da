"""The log writer: it never blocks its callers, is bounded, and reports what was lost. With real pipes and files."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from autoscaler.telemetry import log_writer
from autoscaler.telemetry.log_writer import LogGap, LogWriter, write_within

LIMIT_S = 60.0
FILLER = b"."


class Pipe:
    """A pipe. `text()` returns what was read so far, without the bytes of `fill`."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self._received = b""

    def fill(self) -> None:
        """Make the next write block."""
        os.set_blocking(self.writing, False)
        with suppress(BlockingIOError):
            while os.write(self.writing, FILLER * 4096):
                pass
        os.set_blocking(self.writing, True)

    def read_until(self, last: str) -> list[str]:
        """Read until this line, and return all lines."""
        deadline = time.monotonic() + LIMIT_S
        os.set_blocking(self.reading, False)
        while not self._received.endswith(f"{last}\n".encode()):
            assert time.monotonic() < deadline, self._received[-200:]
            try:
                self._received += os.read(self.reading, 65_536)
            except BlockingIOError:
                time.sleep(0.001)
        return self._received.lstrip(FILLER).decode().splitlines()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    for fd in (pipe.reading, pipe.writing):
        with suppress(OSError):
            os.close(fd)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a block waits for a slow machine. Tests of that limit set their own."""
    monkeypatch.setattr(log_writer, "STOP_S", LIMIT_S)


def gap_line(gap: LogGap) -> str:
    return f"lost {gap.lines} {gap.cause}\n"


def eventually(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def is_writing(writer: LogWriter) -> bool:
    return writer._writing_since is not None


def has_lost(writer: LogWriter, lines: int) -> bool:
    """Return whether this number of lines was lost, and the thread waits for the next one."""
    return writer.lost() == lines and not is_writing(writer)


def stuck(writer: LogWriter) -> None:
    """Write the line `first`, and wait until the thread has taken it from the queue."""
    writer.write("first\n")
    eventually(lambda: is_writing(writer) and not writer._queue)


def test_lines_are_written_in_order(pipe: Pipe) -> None:
    with LogWriter(pipe.writing, gap_line) as writer:
        for number in range(5_000):
            writer.write(f"{number}\n")
            if number % 1_000 == 999:
                assert pipe.read_until(str(number))[-1] == str(number)
        assert writer.lost() == 0
    assert pipe.read_until("4999") == [str(number) for number in range(5_000)]


def test_the_end_of_the_block_writes_what_is_queued(pipe: Pipe) -> None:
    with LogWriter(pipe.writing, gap_line) as writer:
        for number in range(1_000):
            writer.write(f"{number}\n")
    os.close(pipe.writing)
    assert pipe.read_until("999") == [str(number) for number in range(1_000)]


@pytest.mark.parametrize(
    ("most_lines", "most_bytes", "kept"), [(3, 10_000, 3), (1_000, 20, 3), (1_000, 23, 3), (1_000, 24, 4)]
)
def test_a_full_queue_loses_its_oldest_lines_and_the_gap_is_reported_once(
    pipe: Pipe, most_lines: int, most_bytes: int, kept: int
) -> None:
    pipe.fill()
    with LogWriter(pipe.writing, gap_line, most_lines=most_lines, most_bytes=most_bytes) as writer:
        stuck(writer)
        for number in range(10_000, 10_010):  # six bytes each
            writer.write(f"{number}\n")
        lost = 10 - kept
        assert writer.lost() == lost
        newest = [str(number) for number in range(10_000 + lost, 10_010)]
        assert pipe.read_until("10009") == ["first", f"lost {lost} ", *newest]
        writer.write("after\n")
        assert pipe.read_until("after")[-2:] == ["10009", "after"]
        assert writer.lost() == lost


def test_a_line_that_is_larger_than_the_queue_is_lost_alone(pipe: Pipe) -> None:
    pipe.fill()
    with LogWriter(pipe.writing, gap_line, most_bytes=20) as writer:
        stuck(writer)
        writer.write("kept\n")
        writer.write("x" * 20 + "\n")
        assert writer.lost() == 1
        assert pipe.read_until("kept") == ["first", "lost 1 a line has more than 20 bytes", "kept"]


def test_the_gap_lasts_from_the_start_of_the_blocked_write(pipe: Pipe) -> None:
    now, gaps = [100.0], list[LogGap]()

    def noted(gap: LogGap) -> str:
        gaps.append(gap)
        return "gap\n"

    pipe.fill()
    with LogWriter(pipe.writing, noted, most_lines=1, clock=lambda: now[0]) as writer:
        stuck(writer)
        now[0] = 130.0
        writer.write("lost\n")
        writer.write("kept\n")
        now[0] = 140.0
        pipe.read_until("kept")
    assert gaps == [LogGap(1, 40.0, "")]
    assert gaps[0].sentence == "1 line was not written: standard output was not read for 40 s"


def test_lines_that_cannot_be_written_are_counted_and_reported_when_writing_is_possible_again(
    pipe: Pipe, capfd: pytest.CaptureFixture[str]
) -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        with LogWriter(fd, gap_line) as writer:
            for number in range(50):
                writer.write(f"{number}\n")
            eventually(lambda: writer.lost() == 50)
            os.dup2(pipe.writing, fd)
            writer.write("again\n")
            assert pipe.read_until("again") == ["lost 50 No space left on device", "again"]
    finally:
        os.close(fd)
    warned = capfd.readouterr().err.splitlines()
    assert len(warned) == 1, "a full disk costs one line"
    assert "No space left on device" in warned[0]


def test_a_full_disk_that_stays_full_costs_one_line_a_minute(capfd: pytest.CaptureFixture[str]) -> None:
    now = [100.0]
    fd = os.open("/dev/full", os.O_WRONLY)
    try:
        with LogWriter(fd, gap_line, clock=lambda: now[0]) as writer:
            for count, now[0] in enumerate((100.0, 159.9, 160.0, 219.9, 220.0), 1):
                writer.write("lost\n")
                eventually(partial(has_lost, writer, count))
    finally:
        os.close(fd)
    assert len(capfd.readouterr().err.splitlines()) == 3


def test_a_line_that_was_written_in_part_does_not_continue_in_the_next_line(tmp_path: Path) -> None:
    """A file-size limit stands for a disk that becomes full within a line."""
    script = """
import os, resource, sys, time
from autoscaler.telemetry.log_writer import LogWriter
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
with LogWriter(fd, lambda gap: f"lost {gap.lines}\\n") as writer:
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    writer.write("whole\\n")
    writer.write("divided\\n")
    while writer.lost() < 1:
        time.sleep(0.001)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    writer.write("next\\n")
"""
    file = tmp_path / "log"
    subprocess.run([sys.executable, "-c", script, str(file)], check=True, timeout=LIMIT_S)
    assert file.read_text().splitlines() == ["whole", "divi", "lost 1", "next"]


def test_a_non_blocking_file_loses_nothing(pipe: Pipe) -> None:
    pipe.fill()
    os.set_blocking(pipe.writing, False)
    with LogWriter(pipe.writing, gap_line) as writer:
        lines = [f"{number:06} {'x' * 4000}" for number in range(50)]
        for line in lines:
            writer.write(f"{line}\n")
        assert pipe.read_until(lines[-1]) == lines
        assert writer.lost() == 0


def test_the_end_waits_for_a_limited_time_and_reports_how_many_lines_are_left(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(log_writer, "STOP_S", 0.01)
    pipe.fill()
    with LogWriter(pipe.writing, gap_line) as writer:
        stuck(writer)
        writer.write("second\n")
    assert writer.lost() == 2
    assert "2 log lines could not be written before the end" in capfd.readouterr().err
    pipe.read_until("first")  # frees the thread
    eventually(lambda: not writer._thread.is_alive())


def test_after_an_error_there_is_more_time_to_write_what_is_queued(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_writer, "STOP_S", 0.0)
    monkeypatch.setattr(log_writer, "CRASH_S", LIMIT_S)
    pipe.fill()
    writer = LogWriter(pipe.writing, gap_line)

    def crash() -> None:
        with writer:
            writer.write("first\n")
            writer.write("second\n")
            raise RuntimeError("a bug")

    def read_late() -> None:
        eventually(lambda: writer._is_closing)
        pipe.read_until("second")

    reader = threading.Thread(target=read_late)
    reader.start()
    with pytest.raises(RuntimeError, match="a bug"):
        crash()
    reader.join()
    assert writer.lost() == 0


def test_a_line_after_the_end_is_written_at_once(pipe: Pipe) -> None:
    with LogWriter(pipe.writing, gap_line) as writer:
        pass
    writer.write("late\n")
    assert pipe.read_until("late") == ["late"]


def test_a_destructor_that_logs_within_a_write_does_not_deadlock(pipe: Pipe) -> None:
    with LogWriter(pipe.writing, gap_line) as writer, writer._changed:
        writer.write("within\n")
    assert pipe.read_until("within") == ["within"]


def test_many_threads_lose_nothing(pipe: Pipe) -> None:
    with LogWriter(pipe.writing, gap_line) as writer:

        def write() -> None:
            for _ in range(500):
                writer.write("line\n")

        threads = [threading.Thread(target=write) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        writer.write("end\n")
        assert pipe.read_until("end") == ["line"] * 4_000 + ["end"]


def test_a_write_with_a_time_limit_ends_without_a_reader_and_raises_nothing(pipe: Pipe) -> None:
    assert write_within(pipe.writing, b"ready\n", 0.0)
    pipe.fill()
    assert not write_within(pipe.writing, b"late\n", 0.01)
    os.close(pipe.reading)
    assert not write_within(pipe.writing, b"gone\n", LIMIT_S)
    os.close(pipe.writing)
    assert not write_within(pipe.writing, b"closed\n", LIMIT_S)


CRASH = """
import sys, time
from autoscaler.telemetry import log_to_stdout, logger, log_writer
log_writer.CRASH_S = float(sys.argv[1])
with log_to_stdout("json", "info", time.time):
    for number in range(2_000):
        logger("test").info("line", number=number)
    raise RuntimeError("a bug")
"""


def test_a_process_that_crashes_loses_no_line_and_shows_its_traceback() -> None:
    ended = subprocess.run([sys.executable, "-c", CRASH, "60"], capture_output=True, timeout=LIMIT_S, check=False)
    assert ended.returncode == 1
    assert len(ended.stdout.splitlines()) == 2_000
    errors = ended.stderr.decode().splitlines()
    assert errors[0] == "Traceback (most recent call last):"
    assert errors[-1] == "RuntimeError: a bug"


def test_a_process_that_crashes_ends_even_if_nothing_reads_its_output(pipe: Pipe) -> None:
    pipe.fill()
    command = [sys.executable, "-c", CRASH, "0.05"]
    ended = subprocess.run(command, stdout=pipe.writing, stderr=pipe.writing, timeout=LIMIT_S, check=False)
    assert ended.returncode == 1


CLOSED = """
import os, sys, time
for fd in map(int, sys.argv[2:]):
    os.close(fd)
    setattr(sys, ("stdin", "stdout", "stderr")[fd], None)  # as at the start of Python
from autoscaler.telemetry import log_to_stdout, logger
try:
    with log_to_stdout("json", "info", time.time):
        file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
        logger("test").info("line")
        raise RuntimeError("a bug")
finally:
    assert file > 2
"""


@pytest.mark.parametrize("closed", [("0",), ("1",), ("2",), ("1", "2"), ("0", "1", "2")])
def test_no_file_or_connection_takes_the_place_of_a_closed_standard_file(
    tmp_path: Path, closed: tuple[str, ...]
) -> None:
    """The traceback of a crash, for example, is written to standard error: it must not reach a client."""
    file = tmp_path / "file"
    command = [sys.executable, "-c", CLOSED, str(file), *closed]
    ended = subprocess.run(command, capture_output=True, timeout=LIMIT_S, check=False)
    assert ended.returncode == 1
    assert file.read_bytes() == b""
    assert ended.stdout.count(b"line") == ("1" not in closed)
    assert b"AssertionError" not in ended.stderr
    assert (b"RuntimeError: a bug" in ended.stderr) is ("2" not in closed)


@pytest.mark.parametrize(
    ("gap", "sentence"),
    [
        (LogGap(1, 40.4, ""), "1 line was not written: standard output was not read for 40 s"),
        (LogGap(2, 1.0, ""), "2 lines were not written: standard output was not read for 1 s"),
        (LogGap(2, 0.9, ""), "2 lines were not written: standard output was read too slowly"),
        (LogGap(7, 3.0, "x"), "7 lines were not written within 3 s: standard output could not be written (x)"),
    ],
)
def test_the_sentence_about_a_gap(gap: LogGap, sentence: str) -> None:
    assert gap.sentence == sentence
