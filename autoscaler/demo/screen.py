"""What people see: a live table on a terminal, a plain line every few seconds elsewhere, and the summary.

All of it goes to standard error but the summary, which is the result.
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

from autoscaler.demo.summary import Summary

BARS = "▁▂▃▄▅▆▇█"
PLAIN_EVERY_S = 5.0
WIDTH = 60
"""Points of a sparkline."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What there is to see at one moment. `left_s`: until the demo ends at the latest."""

    elapsed_s: float
    duration_s: float
    left_s: float
    waiting: int
    in_flight: int
    processed: int
    oldest_wait_s: float
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
        return "the load is over: back to zero tasks, which takes a quiet minute"


def sparkline(values: Sequence[int]) -> str:
    """The values as bars, the highest of them full; the lowest bar is zero and nothing else."""
    top = max(values, default=0) or 1
    return "".join(BARS[-(-value * (len(BARS) - 1) // top)] for value in values)


def task_bar(scene: Scene) -> Text:
    """A block per task: running, starting, draining."""
    bar = Text("█" * scene.running, style="green")
    bar.append("▒" * scene.starting, style="yellow")
    bar.append("░" * scene.draining, style="red")
    return bar


def progress(scene: Scene, width: int = 24) -> str:
    done = round(width * min(1.0, scene.elapsed_s / scene.duration_s))
    return "━" * done + "╌" * (width - done)


def render(scene: Scene) -> RenderableType:
    """The live table."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, content in _rows(scene):
        grid.add_row(name, content)
    head = Text(f"{progress(scene)}  {scene.phase}, at most {scene.left_s:.0f} s to go")
    return Panel(Group(head, Text(), grid), title="autoscaler demo", border_style="blue")


def _rows(scene: Scene) -> Iterator[tuple[str, RenderableType]]:
    late = scene.oldest_wait_s > scene.acceptable_latency_s
    oldest = f"{scene.oldest_wait_s:.1f} s, may be {scene.acceptable_latency_s:g} s"
    yield "messages", Text(f"{scene.waiting:,} waiting, {scene.in_flight:,} in flight, {scene.processed:,} done")
    yield "oldest wait", Text(oldest, style="bold red" if late else "")
    yield "tasks", Text(_tasks(scene))
    yield "", task_bar(scene)
    yield "backlog", Text(sparkline(scene.backlogs), style="cyan")
    yield "running", Text(sparkline(scene.tasks), style="green")
    said = f"{scene.sentence}  ({scene.decided_ago_s:.0f} s ago)" if scene.sentence else "none yet"
    yield "decision", Text(said)


def _tasks(scene: Scene) -> str:
    parts = [f"desired {scene.desired}", f"running {scene.running}", f"starting {scene.starting}"]
    return ", ".join([*parts, f"draining {scene.draining}"] if scene.draining else parts)


def plain(scene: Scene) -> str:
    """The same in one line."""
    messages = f"{scene.waiting:,} waiting, {scene.in_flight:,} in flight, oldest {scene.oldest_wait_s:.1f} s"
    return f"{scene.elapsed_s:5.0f} s | {messages} | {_tasks(scene)}"


class Screen:
    """Where scenes are shown until the context ends; lines may be said in between."""

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
        """A line of its own, above the table."""
        self._console.print(Text(line), soft_wrap=True)

    def show(self, scene: Scene) -> None:
        if self._console.is_interactive:
            self._live.update(render(scene), refresh=True)
        else:
            self._show_plain(scene)

    def _show_plain(self, scene: Scene) -> None:
        if scene.sentence != self._sentence:
            self._sentence = scene.sentence
            self.say(f"{scene.elapsed_s:5.0f} s | {scene.sentence}")
        if scene.elapsed_s - self._shown_s >= PLAIN_EVERY_S:
            self._shown_s = scene.elapsed_s
            self.say(plain(scene))


def summary_table(summary: Summary) -> RenderableType:
    """The result for people."""
    table = Table(title="What happened", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    for name, content in _results(summary):
        table.add_row(name, content)
    return table


def _results(summary: Summary) -> Iterator[tuple[str, str]]:
    yield "messages", f"{summary.sent:,} sent, {summary.processed:,} processed, {summary.lost:,} lost"
    waits = f"p50 {summary.wait_p50_s:.1f} s, p95 {summary.wait_p95_s:.1f} s, longest {summary.wait_max_s:.1f} s"
    yield "waits", f"{waits}; acceptable {summary.acceptable_latency_s:g} s; {summary.late:,} late"
    changes = f"{summary.scale_outs} times out, {summary.scale_ins} times in"
    yield "tasks", f"from 0 to {summary.peak_tasks} and back; {changes}"
    yield "task-seconds", f"{summary.task_seconds:,.0f}, from launch to stop"
    least = f"{summary.fixed_fleet_tasks} tasks keep every message within {summary.acceptable_latency_s:g} s"
    yield (
        "a fixed fleet",
        f"{least}: {summary.fixed_fleet_task_seconds:,.0f} task-seconds in these {summary.elapsed_s:.0f} s",
    )
    if summary.saved_ratio is not None:
        yield (
            "saved",
            f"{summary.saved_ratio:.0%}" if summary.saved_ratio >= 0 else "nothing: too short, or too even a load",
        )
    if summary.problems:
        yield "wrong", "; ".join(summary.problems)


def show_summary(summary: Summary) -> None:
    Console(file=sys.stdout, highlight=False).print(summary_table(summary))
