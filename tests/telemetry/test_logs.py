"""Log lines: one object a line whatever is in it, and nothing of the SDK's that it says in confidence."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autoscaler.telemetry import configure, logger
from autoscaler.telemetry.logs import printable
from tests.telemetry.ticks import NOON, Desk, blind, refused, scaling_out

HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        ["\n", "\r\n", "\x1b[2J", "\u2028", "\u2029", "\x85", "\udc80", '"', "\\", "\u202e", "\x00", "x" * 2_000]
    ),
)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("autoscaler")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logging_to(form: str = "json", level: str = "info", stream: io.StringIO | None = None) -> io.StringIO:
    stream = stream if stream is not None else io.StringIO()
    configure(form, level, lambda: NOON, stream)
    return stream


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOSTILE, HOSTILE)
def test_an_event_is_one_line_of_json_whatever_it_holds(name: str, text: str) -> None:
    stream = logging_to()
    logger("test").warning("missing_signal", service=name, faults=[{"reason": text}])
    written = stream.getvalue()
    assert written.isascii()
    assert written.count("\n") == 1
    line = json.loads(written)
    assert (line["service"], line["faults"]) == (name, [{"reason": text}])


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HOSTILE, HOSTILE)
def test_a_line_on_a_terminal_obeys_nobody(name: str, text: str) -> None:
    stream = logging_to("console")
    logger("test").warning("missing_signal", service=name, failure=text)
    written = stream.getvalue()
    assert written.endswith("\n")
    assert written[:-1].isprintable()


def test_what_starts_a_line() -> None:
    stream = logging_to()
    logger("test").info("scaled", service="orders")
    assert list(json.loads(stream.getvalue()).items()) == [
        ("ts", "2027-01-15T08:00:00.000Z"),
        ("level", "info"),
        ("event", "scaled"),
        ("service", "orders"),
    ]


def test_what_is_not_finite_is_null() -> None:
    stream = logging_to()
    logger("test").info("x", numbers=[float("nan"), {"y": float("inf")}, 1.5])
    assert json.loads(stream.getvalue(), parse_constant=pytest.fail)["numbers"] == [None, {"y": None}, 1.5]


@pytest.mark.parametrize(
    "name", ["botocore", "botocore.auth", "aiobotocore.endpoint", "aiohttp.server", "boto3", "urllib3"]
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_the_sdk_says_nothing_below_a_warning_at_any_level(name: str, form: str) -> None:
    stream = logging_to(form, "debug")
    theirs = logging.getLogger(name)
    before = theirs.level
    theirs.setLevel(logging.DEBUG)
    try:
        theirs.debug("Authorization: AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE")
        theirs.info("Found credentials AKIAEXAMPLE")
        theirs.warning("retrying")
    finally:
        theirs.setLevel(before)
    assert "AKIAEXAMPLE" not in stream.getvalue()
    assert stream.getvalue().count("retrying") == 1


@pytest.mark.parametrize(("level", "said"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_ours_are_told_from_the_level_on(level: str, said: int) -> None:
    stream = logging_to(level=level)
    log = logger("test")
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert len(stream.getvalue().splitlines()) == said


@pytest.mark.parametrize(("stream", "is_json"), [(io.StringIO(), True), (Terminal(), False)])
def test_auto_is_for_people_on_a_terminal_and_for_machines_elsewhere(stream: io.StringIO, is_json: bool) -> None:
    logging_to("auto", stream=stream)
    logger("test").info("scaled")
    assert stream.getvalue().startswith("{") == is_json


def test_the_last_word_on_the_set_up_counts() -> None:
    first, second = logging_to(), logging_to()
    logger("test").info("scaled")
    logging.getLogger("asyncio").warning("slow")
    assert first.getvalue() == ""
    assert len(second.getvalue().splitlines()) == 2


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_stays_with_its_event(form: str) -> None:
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


def test_a_warning_of_python_is_an_event() -> None:
    stream = logging_to()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn("deprecated", UserWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    assert json.loads(stream.getvalue())["logger"] == "py.warnings"


def test_a_terminal_is_told_in_sentences() -> None:
    stream = logging_to("console")
    desk = Desk(log=logger("test"))
    for tick in (scaling_out(), blind(), refused("denied", "give the task role ecs:UpdateService")):
        desk.record(tick)
    scaled, gap, failed = stream.getvalue().splitlines()
    assert scaled.startswith("08:00:00Z info    scaled  orders: 2 -> 20 tasks")
    assert "sqs:GetQueueAttributes" in gap
    assert failed.endswith("give the task role ecs:UpdateService")


def test_plain_text_is_left_alone() -> None:
    assert printable("orders: 2 → 9 tasks, größer") == "orders: 2 → 9 tasks, größer"
