"""`make bench`: measures what the product claims, and writes it to `docs/benchmarks.md` with the date."""

from __future__ import annotations

import asyncio
import platform
import time
from pathlib import Path

from bench.deciding import decisions_per_second, plain, world
from bench.idling import idle_daemon

PAGE = Path("docs/benchmarks.md")
WINDOWS_S = (60, 300, 900, 3600)


def main() -> None:
    rates = {
        window_s: (decisions_per_second(plain(window_s)), decisions_per_second(world(window_s)))
        for window_s in WINDOWS_S
    }
    idle = asyncio.run(idle_daemon())
    page = _page(rates, idle.ready_s, idle.resident_mb)
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page, encoding="utf-8")
    print(page)


def _page(rates: dict[int, tuple[float, float]], ready_s: float, resident_mb: float) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    machine = f"Python {platform.python_version()}, {platform.machine()}, one core of a small shared machine"
    rows = "".join(f"| {window} s | {few:,.0f} | {full:,.0f} |\n" for window, (few, full) in rates.items())
    return (
        "# Benchmarks\n\n"
        f"Measured on {day} with `make bench`: {machine}. Medians of several runs; decisions by the process's own CPU"
        " time.\n\n"
        "## Decisions a second, on one core\n\n"
        "A demand is remembered every 10 s for as long as the windows reach. Plain: one queue, a latency, both windows"
        " and a limit and a cooldown in each direction. Everything: two queues, three votes, every restraint set."
        " The aim is 20,000 at 300 s.\n\n"
        f"| windows | plain | everything |\n|---|---|---|\n{rows}\n"
        "## An idle daemon\n\n"
        "The aim is ready within 2 s and under 90 MB.\n\n"
        "| from start to ready | resident memory |\n|---|---|\n"
        f"| {ready_s:.2f} s | {resident_mb:.0f} MB |\n"
    )


if __name__ == "__main__":
    main()
