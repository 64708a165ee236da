"""Log lines: one object per line for any text, and no credentials from the log lines of the SDK."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoscaler.telemetry import log_to_stdout, logger
from autoscaler.telemetry.logs import configure, printable
from tests.telemetry.polls import NOON, JournalDesk, missing_signal, refused, scaling_out

HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        ["\n", "\r\n", "\x1b[2J", "\u2028", "\u2029", "\x85", "\udc80", '"', "\\", "\u202e", "\x00", "x" * 2_000]
    ),
)


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("autoscaler")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


class LogTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logging_to(form: str = "json", level: str = "info", stream: io.StringIO | None = None) -> io.StringIO:
    stream = stream if stream is not None else io.StringIO()
    configure(form, level, lambda: NOON, stream)
    return stream


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOSTILE, HOSTILE)
def test_an_event_with_any_text_is_one_line_of_json(name: str, text: str) -> None:
    stream = logging_to()
    logger("test").warning("missing_signal", service=name, faults=[{"reason": text}])
    written = stream.getvalue()
    assert written.isascii()
    assert written.count("\n") == 1
    line = json.loads(written)
    assert (line["service"], line["faults"]) == (name, [{"reason": text}])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOSTILE, HOSTILE)
def test_a_console_line_has_no_control_characters(name: str, text: str) -> None:
    stream = logging_to("console")
    logger("test").warning("missing_signal", service=name, failure=text)
    written = stream.getvalue()
    assert written.endswith("\n")
    assert written[:-1].isprintable()


def test_a_json_line_starts_with_its_time_level_and_event() -> None:
    stream = logging_to()
    logger("test").info("scaled", service="orders")
    assert list(json.loads(stream.getvalue()).items()) == [
        ("ts", "2027-01-15T08:00:00.000Z"),
        ("level", "info"),
        ("event", "scaled"),
        ("service", "orders"),
    ]


def test_a_number_that_is_not_finite_is_null() -> None:
    stream = logging_to()
    logger("test").info("x", numbers=[float("nan"), {"y": float("inf")}, 1.5])
    assert json.loads(stream.getvalue(), parse_constant=pytest.fail)["numbers"] == [None, {"y": None}, 1.5]


@pytest.mark.parametrize(
    "name", ["botocore", "botocore.auth", "aiobotocore.endpoint", "aiohttp.server", "boto3", "urllib3"]
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_library_loggers_log_nothing_below_warning_at_any_level(name: str, form: str) -> None:
    stream = logging_to(form, "debug")
    library = logging.getLogger(name)
    before = library.level
    library.setLevel(logging.DEBUG)
    try:
        library.debug("Authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE")
        library.info("Found credentials AKIAEXAMPLE")
        library.warning("retrying")
    finally:
        library.setLevel(before)
    assert "AKIAEXAMPLE" not in stream.getvalue()
    assert stream.getvalue().count("retrying") == 1


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_own_events_are_logged_from_the_configured_level_on(level: str, lines: int) -> None:
    stream = logging_to(level=level)
    log = logger("test")
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert len(stream.getvalue().splitlines()) == lines


@pytest.mark.parametrize(("stream", "is_json"), [(io.StringIO(), True), (LogTerminal(), False)])
def test_the_auto_format_is_console_on_a_terminal_and_json_elsewhere(stream: io.StringIO, is_json: bool) -> None:
    logging_to("auto", stream=stream)
    logger("test").info("scaled")
    assert stream.getvalue().startswith("{") == is_json


def test_a_later_configuration_replaces_an_earlier_one() -> None:
    first, second = logging_to(), logging_to()
    logger("test").info("scaled")
    logging.getLogger("asyncio").warning("slow")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 2


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_is_logged_with_its_event(form: str) -> None:
    stream = logging_to(form)
    try:
        int("\x1b[31mred\u2028")
    except ValueError:
        logger("test").exception("crashed")
    written = stream.getvalue()
    assert "\x1b" not in written
    assert "ValueError" in written
    assert all(line.startswith(("{", "    ")) or "crashed" in line for line in written.splitlines())
    assert form == "console" or len(written.splitlines()) == 1


def test_a_python_warning_is_logged_as_an_event() -> None:
    stream = logging_to()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("deprecated", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert json.loads(stream.getvalue())["logger"] == "py.warnings"


def test_a_console_line_has_the_sentence_of_its_poll() -> None:
    stream = logging_to("console")
    desk = JournalDesk(log=logger("test"))
    for poll in (scaling_out(), missing_signal(), refused("denied", "give the task role ecs:UpdateService")):
        desk.record(poll)
    scaled, gap, failed = stream.getvalue().splitlines()
    assert scaled.startswith("08:00:00Z info    scaled  orders: 2 -> 20 tasks")
    assert "sqs:GetQueueAttributes" in gap
    assert failed.endswith("give the task role ecs:UpdateService")


def test_printable_text_is_not_changed() -> None:
    assert printable("orders: 2 → 9 tasks, größer") == "orders: 2 → 9 tasks, größer"


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("a bug")


def test_an_event_that_cannot_be_formatted_is_replaced_by_the_error() -> None:
    stream = logging_to()
    logger("test").info("scaled", service=Unprintable())
    logger("test").info("next")
    failed, following = map(json.loads, stream.getvalue().splitlines())
    assert (failed["level"], failed["event"], failed["logger"]) == ("error", "log_failed", "autoscaler.test")
    assert "RuntimeError: a bug" in failed["exception"]
    assert following["event"] == "next"


@pytest.mark.parametrize("form", ["json", "console"])
def test_the_line_about_lost_lines_is_a_log_line(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    monkeypatch.setattr("autoscaler.telemetry.log_writer.STOP_S", 60.0)
    reading, writing = os.pipe()
    fd = os.open("/dev/full", os.O_WRONLY)
    with open(fd, "w", encoding="utf-8") as stdout, open(reading, encoding="utf-8") as received:
        monkeypatch.setattr("sys.stdout", stdout)
        with log_to_stdout(form, "info", lambda: NOON) as lines:
            logger("test").info("lost")
            while lines.lost() < 1:
                time.sleep(0.001)
            os.dup2(writing, fd)
            os.close(writing)
            logger("test").info("größer")
        os.dup2(2, fd)  # closes the last writing end
        first, second = received.read().splitlines()
    if form == "json":
        line = json.loads(first)
        assert list(line)[:3] == ["ts", "level", "event"]
        assert (line["level"], line["event"], line["lines"]) == ("warning", "log_lines_lost", 1)
        assert "No space left on device" in line["sentence"]
        assert json.loads(second)["event"] == "größer"
    else:
        assert re.match(r"08:00:00Z warning log_lines_lost  1 line was not written within \d+ s: ", first)
        assert second == "08:00:00Z info    größer"
