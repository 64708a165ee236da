"""Write one line per event: JSON, or a readable line on a terminal. No name in it can break the line.

Events of the autoscaler are logged from the configured level on, events of other loggers only from `warning` on: at
lower levels the AWS SDK logs authorization headers and credentials. No setting changes this.
"""

from __future__ import annotations

import json
import logging
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from autoscaler.telemetry.log_writer import LogGap, LogWriter, report_crashes, reserve_standard_files

OURS = "autoscaler"
"""The root of the names of the autoscaler's loggers."""


class LineStream(Protocol):
    """Where the lines go. `write` takes one line with its line break, and may be called in any thread."""

    def write(self, text: str, /) -> object: ...

    def isatty(self) -> bool: ...


@contextmanager
def log_to_stdout(form: str, level: str, wall: Callable[[], float]) -> Iterator[LogWriter]:
    """Write every event of the process to standard output, in a thread: a log that is not read does not block.

    The parameters are those of `configure`. The lines that are queued at the end of the block are written within a
    bounded time. Without standard output, the lines go to standard error; without both, they are lost.
    """
    reserve_standard_files()
    report_crashes()
    stream = sys.stdout or sys.stderr
    if stream is not None:
        stream.flush()
    fd = os.open(os.devnull, os.O_WRONLY) if stream is None else stream.fileno()

    def gap_line(gap: LogGap) -> str:
        event = {"ts": utc(wall()), "level": "warning", "event": "log_lines_lost"}
        return render(None, "", {**event, "lines": gap.lines, "sentence": gap.sentence}) + "\n"

    with LogWriter(fd, gap_line, encoding="ascii" if stream is None else stream.encoding) as lines:
        render = _line_of(form, lines)
        configure(form, level, wall, lines)
        yield lines


def configure(form: str, level: str, wall: Callable[[], float], stream: LineStream) -> None:
    """Write every event of the process as one line to the stream.

    `form` is `json`, `console`, or `auto`: `console` on a terminal, otherwise `json`. `level`: `debug`, `info`,
    `warning` or `error`. `wall` returns seconds since the epoch. A later call replaces an earlier one.
    """
    common: list[Processor] = [structlog.stdlib.add_log_level, _timestamp(wall), structlog.processors.format_exc_info]
    _install(_handler(stream, common, _line_of(form, stream)), level)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def logger(part: str) -> structlog.stdlib.BoundLogger:
    """Return the structured logger of one part of the daemon."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(f"{OURS}.{part}")
    return bound


def _line_of(form: str, stream: LineStream) -> Callable[[WrappedLogger, str, EventDict], str]:
    console = form == "console" or (form == "auto" and stream.isatty())
    return _console_line if console else _json_line


class _Handler(logging.Handler):
    """The handler of `configure`, which a later call replaces."""

    def __init__(self, stream: LineStream) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as one line. One that cannot be formatted is replaced by the error: the log is not worth a
        restart, and standard error may block.
        """
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - as in the standard library, an error in logging does not end the process
            failed = {"level": "error", "event": "log_failed", "logger": record.name}
            line = _json_line(None, "", {"ts": None, **failed, "exception": traceback.format_exc()})
        self._stream.write(line + "\n")


def _handler(stream: LineStream, common: list[Processor], render: Processor) -> _Handler:
    handler = _Handler(stream)
    handler.addFilter(_is_fit_to_print)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    return handler


def _install(handler: _Handler, level: str) -> None:
    root = logging.getLogger()
    for other in [known for known in root.handlers if isinstance(known, _Handler)]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level.upper())
    logging.captureWarnings(capture=True)


def _is_fit_to_print(record: logging.LogRecord) -> bool:
    """Return whether the record is from this autoscaler or at least a warning. A filter of the handler: no logger can
    bypass it with its own level.
    """
    return record.levelno >= logging.WARNING or record.name == OURS or record.name.startswith(f"{OURS}.")


def _timestamp(wall: Callable[[], float]) -> Processor:
    def stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["ts"] = utc(wall())
        return event

    return stamp


def utc(wall: float) -> str:
    """Return a wall time in ISO 8601, UTC, with milliseconds: `2026-11-23T08:30:00.000Z`."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    first = {key: event.pop(key, None) for key in ("ts", "level", "event")}
    return as_json({**first, **event}, separators=(",", ":"))


def as_json(content: Any, separators: tuple[str, str] = (", ", ": ")) -> str:
    """Return one line of JSON in ASCII: no name in it can end the line or move a cursor. NaN and infinity are null."""
    try:
        return json.dumps(content, default=str, allow_nan=False, separators=separators)
    except ValueError:
        return json.dumps(_finite(content), default=str, allow_nan=False, separators=separators)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _console_line(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Return time, level, event, and the sentence or the fields. A traceback follows on separate lines."""
    head = f"{str(event.pop('ts'))[11:19]}Z {event.pop('level'):<7} {printable(event.pop('event'))}"
    trace = [f"    {printable(line)}" for line in str(event.pop("exception", "")).splitlines()]
    return "\n".join((f"{head}  {_details(event)}".rstrip(), *trace))


def _details(event: EventDict) -> str:
    if "sentence" not in event:
        return " ".join(f"{key}={printable(value)}" for key, value in event.items())
    text = str(event["sentence"])
    more = [f"{fault['signal']}: {fault['reason']}" for fault in event.get("faults", ()) if fault["reason"] not in text]
    if event.get("repeated"):
        more.append(f"suppressed {event['repeated']} times since the last line")
    return printable("; ".join((text, *more)))


def printable(value: object) -> str:
    """Return the text with control characters escaped: ESC, line breaks, bidirectional marks."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(value))
