"""Write log lines from one thread, so that a log that is not read never blocks the event loop.

A pipe that is not read (a stuck sidecar, a log driver in blocking mode) blocks `write`. The lines then wait in a queue
that is bounded by lines and by bytes. If it is full, the oldest lines are lost: the newest ones describe the
present state. A line that cannot be written, because the disk is full or the reader has ended, is lost too. Lost lines
are counted, and the first line after a gap has their number and the cause.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from autoscaler.core.figures import several

MOST_LINES = 10_000
"""Maximum number of queued lines."""

MOST_BYTES = 8 * 2**20
"""Maximum size of the queued lines in bytes: 2,400 lines of 3.5 kB, which 50 services write in 48 minutes."""

STOP_S = 0.5
"""Time to write the queued lines when the daemon stops. With the grace time of the last poll, it ends within 5 s."""

CRASH_S = 5.0
"""The same after a crash, and for the traceback. Longer: the lines explain the crash, and no stop timeout runs."""

WARN_S = 60.0
"""Seconds until standard error gets another line about lines that cannot be written."""

PART_BYTES = 4096
"""A pipe that poll(2) reports as writable accepts this number of bytes without blocking (Linux: one page)."""

RETRY_MS = 1000
"""Maximum wait until a write to a non-blocking file is repeated."""

STANDARD_ERROR = 2
"""Its file descriptor."""


class LogGap(NamedTuple):
    """`lines` were not written during `seconds`. `cause`: the error; empty if standard output was not read."""

    lines: int
    seconds: float
    cause: str

    @property
    def sentence(self) -> str:
        """The gap as a sentence."""
        were = f"{several(self.lines, 'line')} {'was' if self.lines == 1 else 'were'} not written"
        if self.cause:
            return f"{were} within {self.seconds:.0f} s: standard output could not be written ({self.cause})"
        if self.seconds < 1:
            return f"{were}: standard output was read too slowly"
        return f"{were}: standard output was not read for {self.seconds:.0f} s"


class LogWriter:
    """Writes lines to the file descriptor `fd`. Use it as a context manager: the thread ends with the block.

    `gap_line` returns the log line for a gap. `write` may be called in any thread.
    """

    def __init__(
        self,
        fd: int,
        gap_line: Callable[[LogGap], str],
        *,
        encoding: str = "utf-8",
        most_lines: int = MOST_LINES,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fd = fd
        self._gap_line = gap_line
        self._encoding = encoding
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._clock = clock
        self._changed = threading.Condition()  # its lock is reentrant: a destructor may log within `write`
        self._queue = deque[bytes]()
        self._bytes = 0
        self._writing_since: float | None = None
        self._is_closing = False
        self._lost = 0
        self._gap: _OpenGap | None = None
        self._is_torn = False
        self._warned_at: float | None = None
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the queued lines, for at most `STOP_S`, or `CRASH_S` after an error. Lines that are left are lost."""
        self.close(STOP_S if kind is None else CRASH_S)

    def isatty(self) -> bool:
        """Return whether the lines go to a terminal."""
        return os.isatty(self._fd)

    def write(self, text: str) -> None:
        """Queue the text, which ends with a line break. Never blocks on the file; after the end of the block the text
        is written if that is possible without blocking.
        """
        line = text.encode(self._encoding, "backslashreplace")
        with self._changed:
            if self._is_closing and not self._thread.is_alive():
                write_within(self._fd, line, 0.0)
                return
            if len(line) > self._most_bytes:
                self._lose(f"a line has more than {self._most_bytes} bytes")
                return
            self._queue.append(line)
            self._bytes += len(line)
            while len(self._queue) > self._most_lines or self._bytes > self._most_bytes:
                self._bytes -= len(self._queue.popleft())
                self._lose("")
            self._changed.notify()

    def lost(self) -> int:
        """Return the number of lines that were not written since the start."""
        return self._lost

    def close(self, limit_s: float) -> None:
        """Write the queued lines for at most `limit_s` seconds, and end the thread."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(limit_s)
        with self._changed:
            left = len(self._queue) + (self._writing_since is not None)
            self._lost += left
            self._queue.clear()
        if left:
            text = f"{several(left, 'log line')} could not be written before the end"
            write_within(STANDARD_ERROR, _warning(text), 0.0)

    def _run(self) -> None:
        while (line := self._next()) is not None:
            self._deliver(line)

    def _next(self) -> bytes | None:
        """Return the oldest line, and wait for one. None: there will be no more."""
        with self._changed:
            self._writing_since = None
            while not self._queue:
                if self._is_closing:
                    return None
                self._changed.wait()
            self._writing_since = self._clock()
            line = self._queue.popleft()
            self._bytes -= len(line)
            return line

    def _deliver(self, line: bytes) -> None:
        """Write the line, after the line about the gap before it."""
        cause = self._report_gap() or self._put(line)
        if cause:
            with self._changed:
                self._lose(cause)
            self._warn(cause)

    def _report_gap(self) -> str:
        """Write the line about the gap. Return the error, or an empty text."""
        with self._changed:
            gap = self._gap
            if gap is None:
                return ""
            reported = LogGap(gap.lines, self._clock() - gap.began, gap.cause)
        cause = self._put(self._gap_line(reported).encode(self._encoding, "backslashreplace"))
        if not cause:
            with self._changed:
                gap.lines -= reported.lines  # lines can be lost while this one is written
                gap.began = self._writing_since or self._clock()
                self._gap = gap if gap.lines else None
        return cause

    def _put(self, line: bytes) -> str:
        """Write all bytes, and block if necessary. Return the error, or an empty text.

        After a line that was written in part, a line break comes first: otherwise the next line would continue it.
        """
        rest = memoryview(b"\n" + line if self._is_torn else line)
        whole = len(rest)
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
        except OSError as error:
            self._is_torn = self._is_torn or 0 < len(rest) < whole
            return error.strerror or type(error).__name__
        self._is_torn = False
        return ""

    def _write_some(self, part: memoryview) -> int:
        try:
            return os.write(self._fd, part)
        except BlockingIOError:  # another process set the file to non-blocking
            _wait_for_room(self._fd, RETRY_MS)
            return 0

    def _lose(self, cause: str) -> None:
        """Count a lost line. The caller holds the lock."""
        self._lost += 1
        if self._gap is None:
            began = self._clock() if cause or self._writing_since is None else self._writing_since
            self._gap = _OpenGap(began)
        self._gap.lines += 1
        self._gap.cause = cause or self._gap.cause

    def _warn(self, cause: str) -> None:
        """Write one line to standard error, at most once a minute, if that is possible without blocking."""
        now = self._clock()
        if self._warned_at is None or now - self._warned_at >= WARN_S:
            self._warned_at = now
            text = (
                f"log lines cannot be written to standard output ({cause}); autoscaler_log_lines_lost_total counts "
                "them, and scaling continues"
            )
            write_within(STANDARD_ERROR, _warning(text), 0.0)


class _OpenGap:
    """A gap that was not reported yet. `began`: the instant of the first loss, or since when nothing is read."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.lines = 0
        self.cause = ""


def _warning(text: str) -> bytes:
    return f"autoscaler: {text}\n".encode()


def write_within(fd: int, content: bytes, limit_s: float) -> bool:
    """Write the content, and return whether all of it was written within the time. Raises nothing.

    Between parts it waits until the file accepts more, so it does not block on a pipe or terminal that is not read.
    """
    deadline = time.monotonic() + limit_s
    rest = memoryview(content)
    try:
        while rest:
            if not _wait_for_room(fd, max(0.0, deadline - time.monotonic()) * 1000):
                return False
            rest = rest[os.write(fd, rest[:PART_BYTES]) :]
    except OSError:
        return False
    return True


def _wait_for_room(fd: int, limit_ms: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(limit_ms))


def reserve_standard_files() -> None:
    """Open the null device as each of standard input, output and error that is closed (`autoscaler run 2>&-`).

    The next file or connection would otherwise have its number, and warnings and tracebacks would be written to it.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= STANDARD_ERROR:
        pass
    os.close(fd)


def report_crashes() -> None:
    """Write the traceback of an uncaught exception to standard error for at most `CRASH_S`: a process whose standard
    error is not read ends nevertheless, so that ECS can start it again.
    """

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        text = "".join(traceback.format_exception(kind, error, trace))
        write_within(STANDARD_ERROR, text.encode("utf-8", "backslashreplace"), CRASH_S)

    sys.excepthook = report
