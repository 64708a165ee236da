"""Output of the demo: a live table on a terminal, else a line every few seconds; then the summary.

All output goes to standard error, except the summary, which is the result.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from autoscaler.core.figures import several
from autoscaler.demo.summary import Summary

BARS = "▁▂▃▄▅▆▇█"
PLAIN_EVERY_S = 5.0
WIDTH = 60
"""Number of points of a sparkline."""


@dataclass(frozen=True, slots=True)
class DemoState:
    """The state of the demo at one moment. `left_s`: maximum time until its end."""

    elapsed_s: float
    duration_s: float
    left_s: float
    waiting: int
    in_flight: int
    processed: int
    oldest_message_age_s: float
    acceptable_latency_s: float
    desired: int
    running: int
    starting: int
    draining: int
    sentence: str
    decided_ago_s: float
    backlogs: Sequence[int]
    tasks: Sequence[int]

    @property
    def phase(self) -> str:
        load_left_s = self.duration_s - self.elapsed_s
        if load_left_s > 0:
            return f"load: {self.elapsed_s:.0f} s of {self.duration_s:g} s"
        return "load finished: scaling in to zero tasks, after one minute without messages"


def sparkline(values: Sequence[int]) -> str:
    """Return the values as bars. The highest value has a full bar; only zero has the lowest bar."""
    top = max(values, default=0) or 1
    return "".join(BARS[-(-value * (len(BARS) - 1) // top)] for value in values)


def task_bar(state: DemoState) -> Text:
    """Return one block per task: running, starting, draining."""
    bar = Text("█" * state.running, style="green")
    bar.append("▒" * state.starting, style="yellow")
    bar.append("░" * state.draining, style="red")
    return bar


def progress(state: DemoState, width: int = 24) -> str:
    done = round(width * min(1.0, state.elapsed_s / state.duration_s))
    return "━" * done + "╌" * (width - done)


def render(state: DemoState) -> RenderableType:
    """Return the live table."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, content in _rows(state):
        grid.add_row(name, content)
    head = Text(f"{progress(state)}  {state.phase}, at most {state.left_s:.0f} s left")
    return Panel(Group(head, Text(), grid), title="autoscaler demo", border_style="blue")


def _rows(state: DemoState) -> Iterator[tuple[str, RenderableType]]:
    late = state.oldest_message_age_s > state.acceptable_latency_s
    oldest = f"{state.oldest_message_age_s:.1f} s (target {state.acceptable_latency_s:g} s)"
    yield "messages", Text(f"{state.waiting:,} waiting, {state.in_flight:,} in flight, {state.processed:,} done")
    yield "oldest message", Text(oldest, style="bold red" if late else "")
    yield "tasks", Text(_tasks(state))
    yield "", task_bar(state)
    yield "backlog", Text(sparkline(state.backlogs), style="cyan")
    yield "running", Text(sparkline(state.tasks), style="green")
    said = f"{state.sentence}  ({state.decided_ago_s:.0f} s ago)" if state.sentence else "none yet"
    yield "decision", Text(said)


def _tasks(state: DemoState) -> str:
    parts = [f"desired {state.desired}", f"running {state.running}", f"starting {state.starting}"]
    return ", ".join([*parts, f"draining {state.draining}"] if state.draining else parts)


def plain(state: DemoState) -> str:
    """Return the state as one line."""
    messages = f"{state.waiting:,} waiting, {state.in_flight:,} in flight, oldest {state.oldest_message_age_s:.1f} s"
    return f"{state.elapsed_s:5.0f} s | {messages} | {_tasks(state)}"


class Screen:
    """Shows states until the context ends. Lines can be printed in between."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._shown_s = -PLAIN_EVERY_S
        self._sentence = ""

    def __enter__(self) -> Screen:
        if self._console.is_interactive:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        """Print a line above the table."""
        self._console.print(Text(line), soft_wrap=True)

    def show(self, state: DemoState) -> None:
        if self._console.is_interactive:
            self._live.update(render(state), refresh=True)
        else:
            self._show_plain(state)

    def _show_plain(self, state: DemoState) -> None:
        if state.sentence != self._sentence:
            self._sentence = state.sentence
            self.say(f"{state.elapsed_s:5.0f} s | {state.sentence}")
        if state.elapsed_s - self._shown_s >= PLAIN_EVERY_S:
            self._shown_s = state.elapsed_s
            self.say(plain(state))


def summary_table(summary: Summary) -> RenderableType:
    """Return the result as a table."""
    table = Table(title="Summary", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    for name, content in _results(summary):
        table.add_row(name, content)
    return table


def _results(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "messages", f"{summary.sent:,} sent, {summary.processed:,} processed, {summary.lost:,} lost"
    waits = f"p50 {summary.wait_p50_s:.1f} s, p95 {summary.wait_p95_s:.1f} s, longest {summary.wait_max_s:.1f} s"
    yield "waits", f"{waits}; latency target {summary.acceptable_latency_s:g} s; {summary.late:,} late"
    changes = f"{several(summary.scale_outs, 'scale-out')}, {several(summary.scale_ins, 'scale-in')}"
    yield "tasks", f"from 0 to {summary.peak_tasks} and back; {changes}"
    yield "task-seconds", f"{summary.task_seconds:,.0f}, from launch to stop"
    least = f"{several(summary.fixed_fleet_tasks, 'task')} for every message within {summary.acceptable_latency_s:g} s"
    yield (
        "smallest fixed fleet",
        f"{least}: {summary.fixed_fleet_task_seconds:,.0f} task-seconds in these {summary.elapsed_s:.0f} s",
    )
    if summary.saved_ratio is not None:
        yield (
            "saved",
            f"{summary.saved_ratio:.0%}" if summary.saved_ratio >= 0 else "none: the load is too short or too even",
        )
    if summary.problems:
        yield "problems", "; ".join(summary.problems)


def show_summary(summary: Summary) -> None:
    Console(file=sys.stdout, highlight=False).print(summary_table(summary))
