"""The screen shows the state of the demo, and no log line can break the display."""

from dataclasses import replace
from io import StringIO
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from autoscaler.demo.children import DemoDaemon
from autoscaler.demo.screen import BARS, PLAIN_EVERY_S, DemoState, Screen, plain, render, sparkline

STATE = DemoState(
    elapsed_s=12.0,
    duration_s=120.0,
    left_s=216.0,
    waiting=1234,
    in_flight=40,
    processed=99,
    oldest_message_age_s=3.21,
    acceptable_latency_s=15.0,
    desired=9,
    running=4,
    starting=3,
    draining=2,
    sentence="worker: 4 -> 9 tasks",
    decided_ago_s=2.0,
    backlogs=(0, 1, 100),
    tasks=(0, 4, 4),
)


def output_of(state: DemoState, *, terminal: bool) -> str:
    out = StringIO()
    console = Console(
        file=out,
        force_terminal=terminal,
        force_interactive=terminal,
        width=120,
        highlight=False,
        color_system=None,
        _environ={"TERM": "xterm"},
    )
    with Screen(console) as screen:
        screen.show(state)
    return out.getvalue()


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**9), max_size=60))
def test_a_sparkline_has_the_lowest_bar_only_for_zero_and_the_highest_for_the_maximum(values: Any) -> None:
    line = sparkline(values)
    assert len(line) == len(values)
    for value, bar in zip(values, line, strict=True):
        assert (bar == BARS[0]) == (value == 0)
        if value and value == max(values):
            assert bar == BARS[-1]


def test_the_table_shows_messages_tasks_and_the_last_decision() -> None:
    text = output_of(STATE, terminal=True)
    for part in (
        "1,234 waiting",
        "40 in flight",
        "3.2 s (target 15 s)",
        "desired 9, running 4, starting 3, draining 2",
    ):
        assert part in text
    assert "████▒▒▒░░" in text
    assert "worker: 4 -> 9 tasks  (2 s ago)" in text


def test_without_a_terminal_the_output_is_plain_lines_without_escape_codes() -> None:
    text = output_of(STATE, terminal=False)
    assert "\x1b" not in text
    assert plain(STATE) in text
    assert "worker: 4 -> 9 tasks" in text


def test_plain_lines_are_printed_every_few_seconds_and_decisions_at_once() -> None:
    out = StringIO()
    screen = Screen(Console(file=out, force_terminal=False, width=200))
    for step in range(20):
        screen.show(replace(STATE, elapsed_s=step * PLAIN_EVERY_S / 10, sentence="a" if step < 15 else "b"))
    assert len(out.getvalue().splitlines()) == 2 + 2


@settings(deadline=None)
@given(st.text())
def test_no_sentence_breaks_the_table(sentence: Any) -> None:
    render(replace(STATE, sentence=sentence))
    text = output_of(replace(STATE, sentence="[bold]x[/nonsense]"), terminal=True)
    assert "[bold]x[/nonsense]" in text


@settings(deadline=None)
@given(st.one_of(st.text(), st.sampled_from(["{}", "[]", "null", '{"sentence": 3}', '{"event": "holding"}'])))
def test_every_log_line_of_the_daemon_is_stored_and_only_decisions_are_shown(line: Any) -> None:
    daemon = DemoDaemon(process=None, port=1)  # type: ignore[arg-type]  # the test runs no process
    daemon.note(line)
    assert len(daemon.tail) == 1
    assert daemon.sentence == ""
    daemon.note('{"event": "scaled", "verdict": "scale_out", "sentence": "a: 1 -> 2"}')
    assert (daemon.sentence, daemon.decisions) == ("a: 1 -> 2", 1)
