"""Two columns of numbers, read line by line: whatever the bytes are, memory is bounded and only `TraceError` leaves."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from autoscaler.sim.workload.trace import LONGEST_S, Progress, TraceError

MOST_LINES = 5_000_000
"""Nine years of minutes, or two months of seconds; reading so many takes 300 MB at most."""

MOST_BYTES = 256 * 2**20
"""Fifty for each of so many lines; a minute's has about twelve."""

LONGEST_LINE = 1_000
"""In bytes. What has no line end for longer is not a CSV file, and is not read on."""

TOLD_EVERY = 1 << 14
"""Lines between two reports of progress."""

COUNTS, JOBS = "t_seconds,arrivals", "t_seconds,service_seconds"
OPTIONS = {COUNTS: "--trace", JOBS: "--jobs"}
UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Row(NamedTuple):
    """A line of the file, counted from 1 as editors do: finite numbers, none of them negative."""

    line: int
    at: float
    value: float


def place(path: Path, line: int) -> str:
    """How an error names a line."""
    return f"{path}, line {line}"


def rows(path: Path, columns: str, on_progress: Progress) -> Iterator[Row]:
    """Every line after the header; empty ones may only be last. The rows' lines follow one another from 2 on.

    Raises `TraceError`: the file cannot be read, is larger than `MOST_BYTES` (which is known before it is read) or
    has more than `MOST_LINES`, has another header than `columns`, or a line is not two such numbers.
    """
    try:
        with _opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            _check_size(path, size)
            _check_header(path, file.readline(LONGEST_LINE), columns)
            yield from _rows(path, file, columns, on_progress, size)
    except OSError as error:
        raise TraceError(str(path), f"cannot be read: {error.strerror or error}") from None
    on_progress(1.0)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise TraceError(str(path), "there is no such file: check its path") from None
    except IsADirectoryError:
        raise TraceError(str(path), "is a directory: name a file in it") from None
    except ValueError:
        raise TraceError(repr(str(path)), "is no file's name: check its characters") from None


def _check_size(path: Path, size: int) -> None:
    if size > MOST_BYTES:
        much = f"{size:,} bytes, more than the {MOST_BYTES:,} that are read"
        raise TraceError(str(path), f"has {much}: cut it to the days you want, or count by the minute")


def _check_header(path: Path, line: bytes, columns: str) -> None:
    if not line:
        raise TraceError(str(path), f"is empty: its first line must be {columns}")
    if line.startswith(UTF16):
        raise TraceError(place(path, 1), "is UTF-16: save the file as UTF-8")
    found = line.removeprefix(b"\xef\xbb\xbf").replace(b" ", b"").strip().lower().decode(errors="replace")
    if found == columns:
        return
    if option := OPTIONS.get(found):
        raise TraceError(place(path, 1), f"is the header of the other kind of file: give it with {option}")
    raise TraceError(place(path, 1), f"must be the header {columns}, and is {_quoted(line)}")


def _rows(path: Path, file: BinaryIO, columns: str, on_progress: Progress, size: int) -> Iterator[Row]:
    number, begun = 1, file.tell() if file.seekable() else 0
    read, empty = begun, 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        read += len(line)
        if not line.strip():
            empty = empty or number
        elif empty:
            raise TraceError(place(path, empty), "is empty, and others follow: take it out")
        else:
            yield _row(path, number, line, columns)
        if number > MOST_LINES + 1 or read > MOST_BYTES:
            limit = f"{MOST_LINES:,} lines or {MOST_BYTES:,} bytes are read"
            raise TraceError(place(path, number), f"no more than {limit}: cut the file to the days you want")
        if number % TOLD_EVERY == 0 and size:
            on_progress(min(1.0, read / size))
    if number == 1 or empty == 2:
        raise TraceError(str(path), "has a header and no lines: there is nothing to simulate")


def _row(path: Path, number: int, line: bytes, columns: str) -> Row:
    numbers = _numbers(line)
    if numbers is None:
        raise TraceError(place(path, number), _broken(line, columns))
    at, value = numbers
    if not (0 <= at <= LONGEST_S and 0 <= value < math.inf):
        raise TraceError(place(path, number), _impossible(at, value, columns))
    return Row(number, at + 0.0, value + 0.0)  # -0 becomes 0: numpy takes its sign for a negative mean


def _numbers(line: bytes) -> tuple[float, float] | None:
    if b"_" in line or len(line) > LONGEST_LINE:  # 1_000 is a number to Python, and a mistake in a CSV file
        return None
    try:
        first, second = line.split(b",")
        return float(first), float(second)
    except ValueError:
        return None


def _broken(line: bytes, columns: str) -> str:
    if len(line) > LONGEST_LINE:
        return f"has more than {LONGEST_LINE:,} bytes: this is no file of {columns}"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "is not UTF-8: save the file as UTF-8 text"
    return f"must be two numbers with a comma between them, {columns}, and is {_quoted(line)}"


def _impossible(at: float, value: float, columns: str) -> str:
    time, quantity = columns.split(",")
    if LONGEST_S < at < math.inf:
        return f"{time} is {at:g}, more than ten years: it counts the seconds from the first day's start, not from 1970"
    name, wrong = (quantity, value) if 0 <= at < math.inf else (time, at)
    return f"{name} is {wrong:g}: it must be a number that is finite and not negative; correct it or take the line out"


def _quoted(line: bytes) -> str:
    """The beginning of a line, fit for a terminal."""
    text = line.strip().decode(errors="replace")
    return ascii(text if len(text) <= 40 else text[:40] + "...")
