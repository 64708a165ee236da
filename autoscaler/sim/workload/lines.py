"""Read two columns of numbers line by line. For any bytes, memory is bounded and the only exception is `TraceError`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from autoscaler.sim.workload.trace import LONGEST_S, CountTrace, Progress, TraceError

MOST_LINES = 5_000_000
"""Nine years of minutes, or two months of seconds. Reading them takes at most 300 MB."""

MOST_BYTES = 256 * 2**20
"""About 50 bytes for each of `MOST_LINES` lines. A line of a one-minute count file has about 12."""

LONGEST_LINE = 1_000
"""In bytes. A file with a longer line is not a CSV file, and the rest of it is not read."""

PROGRESS_EVERY = 1 << 14
"""Number of lines between two progress reports."""

COUNTS, JOBS = "t_seconds,arrivals", "t_seconds,service_seconds"
OPTIONS = {COUNTS: "--trace", JOBS: "--jobs"}
UTF16 = (b"\xff\xfe", b"\xfe\xff")


class NumberedLine(NamedTuple):
    """Two finite numbers, not negative, and the number of their line. Lines count from 1, as in editors."""

    line: int
    at: float
    value: float


def place(path: Path, line: int) -> str:
    """Return the name of a line for error messages."""
    return f"{path}, line {line}"


def rows(path: Path, columns: str, on_progress: Progress) -> Iterator[NumberedLine]:
    """Yield every line after the header, numbered from 2 on. Empty lines are valid only at the end.

    Raise `TraceError` if the file cannot be read, is larger than `MOST_BYTES` (checked before reading), has more than
    `MOST_LINES` lines, has a header other than `columns`, or has a line that is not two such numbers.
    """
    try:
        with _opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            _check_size(path, size)
            _check_header(path, file.readline(LONGEST_LINE), columns)
            yield from _rows(path, file, columns, on_progress, size)
    except OSError as error:
        raise TraceError(str(path), f"the file cannot be read: {error.strerror or error}") from None
    on_progress(1.0)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise TraceError(str(path), "the file was not found. Check the path") from None
    except IsADirectoryError:
        raise TraceError(str(path), "this is a directory. Pass the path of a file") from None
    except ValueError:
        raise TraceError(repr(str(path)), "this is not a valid file name. Check its characters") from None


def _check_size(path: Path, size: int) -> None:
    if size > MOST_BYTES:
        excess = f"{size:,} bytes, more than the limit of {MOST_BYTES:,} bytes"
        raise TraceError(str(path), f"the file has {excess}. Use fewer days, or count by the minute")


def _check_header(path: Path, line: bytes, columns: str) -> None:
    if not line:
        raise TraceError(str(path), f"the file is empty. Its first line must be {columns}")
    if line.startswith(UTF16):
        raise TraceError(place(path, 1), "the file is UTF-16. Save it as UTF-8")
    found = line.removeprefix(b"\xef\xbb\xbf").replace(b" ", b"").strip().lower().decode(errors="replace")
    if found == columns:
        return
    if option := OPTIONS.get(found):
        raise TraceError(place(path, 1), f"this is the header of the other file type. Use {option} for this file")
    raise TraceError(place(path, 1), f"the line must be the header {columns}, but is {_quoted(line)}")


def _rows(path: Path, file: BinaryIO, columns: str, on_progress: Progress, size: int) -> Iterator[NumberedLine]:
    number, start = 1, file.tell() if file.seekable() else 0
    read, empty = start, 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        read += len(line)
        if not line.strip():
            empty = empty or number
        elif empty:
            raise TraceError(place(path, empty), "the line is empty, but other lines follow. Remove it")
        else:
            yield _row(path, number, line, columns)
        if number > MOST_LINES + 1 or read > MOST_BYTES:
            limit = f"{MOST_LINES:,} lines and {MOST_BYTES:,} bytes"
            raise TraceError(place(path, number), f"the limit is {limit}. Use fewer days")
        if number % PROGRESS_EVERY == 0 and size:
            on_progress(min(1.0, read / size))
    if number == 1 or empty == 2:
        raise TraceError(str(path), "the file has a header but no lines. Add at least one line")


def _row(path: Path, number: int, line: bytes, columns: str) -> NumberedLine:
    numbers = _numbers(line)
    if numbers is None:
        raise TraceError(place(path, number), _format_error(line, columns))
    at, value = numbers
    if not (0 <= at <= LONGEST_S and 0 <= value < math.inf):
        raise TraceError(place(path, number), _value_error(at, value, columns))
    return NumberedLine(number, at + 0.0, value + 0.0)  # -0 becomes 0: numpy treats -0 as a negative mean


def _numbers(line: bytes) -> tuple[float, float] | None:
    if b"_" in line or len(line) > LONGEST_LINE:  # Python accepts 1_000, but in a CSV file it is a mistake
        return None
    try:
        first, second = line.split(b",")
        return float(first), float(second)
    except ValueError:
        return None


def _format_error(line: bytes, columns: str) -> str:
    if len(line) > LONGEST_LINE:
        return f"the line has more than {LONGEST_LINE:,} bytes, so this is not a file with the columns {columns}"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "the line is not UTF-8. Save the file as UTF-8"
    return f"the line must be two numbers separated by a comma ({columns}), but is {_quoted(line)}"


def _value_error(at: float, value: float, columns: str) -> str:
    time, quantity = columns.split(",")
    if LONGEST_S < at < math.inf:
        return f"{time} is {at:g}, more than ten years. Use seconds since the start of the first day, not since 1970"
    name, wrong = (quantity, value) if 0 <= at < math.inf else (time, at)
    return f"{name} is {wrong:g}: it must be finite and not negative. Correct it, or remove the line"


def _quoted(line: bytes) -> str:
    """Return the beginning of a line, escaped for a terminal."""
    text = line.strip().decode(errors="replace")
    return ascii(text if len(text) <= 40 else text[:40] + "...")


# Write a trace as a count file, which `read_counts` reads as the same trace.


def write_counts(trace: CountTrace, path: Path) -> None:
    """Write the file atomically: write a temporary file in the same directory, then rename it.

    Every interval has a line, including empty ones. Raise `TraceError` if the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.writelines(_lines(trace))
        temporary.replace(path)
    except OSError as error:
        raise TraceError(str(path), f"cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _lines(trace: CountTrace) -> Iterator[str]:
    yield f"{COUNTS}\n"
    for at, count in enumerate(trace.counts.tolist()):
        yield f"{_number(at * trace.interval_s)},{_number(count)}\n"


def _number(value: float) -> str:
    """Return the shortest text that reads as the same number."""
    return str(int(value)) if value.is_integer() else repr(value)
