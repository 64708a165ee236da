"""`make bench`: measure speed and memory, and write the results with the date to `docs/benchmarks.md`."""

from __future__ import annotations

import asyncio
import platform
import time
from pathlib import Path

from bench.deciding import decisions_per_second, plain, world
from bench.idling import Idle, idle_daemon
from bench.learning import Learned, learned
from bench.simulating import Simulated, simulated_week
from bench.watching import PageCost, watched

PAGE = Path("docs/benchmarks.md")
WINDOWS_S = (60, 300, 900, 3600)


def main() -> None:
    rates = {
        window_s: (decisions_per_second(plain(window_s)), decisions_per_second(world(window_s)))
        for window_s in WINDOWS_S
    }
    idle = asyncio.run(idle_daemon())
    page = _page(rates, learned(), idle, simulated_week()) + _of_the_page(watched())
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    print(page)


def _page(rates: dict[int, tuple[float, float]], learning: Learned, idle: Idle, week: Simulated) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    machine = f"Python {platform.python_version()}, {platform.machine()}, one core of a small shared machine"
    rows = "".join(f"| {window} s | {few:,.0f} | {full:,.0f} |\n" for window, (few, full) in rates.items())
    return (
        "# Benchmarks\n\n"
        f"Measured on {day} with `make bench`: {machine}. Medians of several runs; decisions by the process's own CPU"
        " time.\n\n"
        "## Decisions per second, on one core\n\n"
        "The memory has one demand per 10 s of the windows. Plain: one queue, a latency target, both stabilization"
        " windows, and a rate limit and a cooldown per direction. Everything: two queues, three votes, every rule set."
        " Goal: 20,000 at 300 s.\n\n"
        f"| windows | plain | everything |\n|---|---|---|\n{rows}\n"
        "## Learning\n\n"
        "All computation of one poll, every 10 s: estimators, decision, memory; with look-ahead, one minute is learned"
        " and forecast at every sixth poll. Quiet: no messages, no tasks, no look-ahead. Goal: 10,000 with everything,"
        " in 24 KiB per service.\n\n"
        "| decisions per second | with look-ahead | of the plain rate | quiet | memory per service | without it |\n"
        "|---|---|---|---|---|---|\n"
        f"| {learning.alone:,.0f} | {learning.ahead:,.0f} | {learning.ahead / rates[60][0]:.0%} |"
        f" {learning.quiet:,.0f} | {learning.kib:.1f} KiB | {learning.kib_alone:.1f} KiB |\n\n"
        "## An idle daemon\n\n"
        "Goal: ready within 2 s, and less than 90 MB.\n\n"
        "| from start to ready | resident memory |\n|---|---|\n"
        f"| {idle.ready_s:.2f} s | {idle.resident_mb:.0f} MB |\n\n"
        "## A simulated week\n\n"
        f"{week.messages / 1e6:.1f} million messages of 5 s, on a fixed fleet that is polled every 10 s: the cost of"
        " the simulated world itself. Goal: 4 microseconds per message without decisions, and less than 300 MB with all"
        " messages.\n\n"
        "| microseconds per message | resident memory |\n|---|---|\n"
        f"| {week.microseconds:.2f} | {week.resident_mb:.0f} MB |\n"
    )


def _of_the_page(seen: PageCost) -> str:
    """Return the section on the web page. The paint times need an installed browser."""
    paints = "no browser | no browser" if seen.paint_s is None else f"{seen.paint_s:.2f} s | {seen.shown_s:.2f} s"
    return (
        "\n## The page\n\n"
        "A thousand services with six hours of history: the first response after the start of the daemon, then a live"
        " update in which all of them have changed. Both are the daemon's own time, for any number of viewers; the"
        " longest part is without a break. Then a browser on the same machine: its first paint, and the paint of all"
        " rows. Goals: 100 ms for an update, 10 ms, and rows within 1 s.\n\n"
        "| first response | sent | update | longest part | sent | first paint | rows |\n|---|---|---|---|---|---|---|\n"
        f"| {seen.first_s * 1000:.0f} ms | {seen.first_kib:.0f} KiB | {seen.update_s * 1000:.0f} ms |"
        f" {seen.held_s * 1000:.1f} ms | {seen.kib:.0f} KiB | {paints} |\n"
    )


if __name__ == "__main__":
    main()
