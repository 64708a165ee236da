"""`make bench-many`: measure the daemon with many services and the test double of AWS; write `docs/benchmarks-many.md`.

It needs about an hour and two cores. Names of parts as arguments (sizes, bare, bursts, poison, failing, throttling, week) run
only those parts, and write no file.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bench import scenarios

PAGE = Path("docs/benchmarks-many.md")
HEAD = """# Benchmarks: many services

Measured with `make bench-many`: the daemon is a process on one core of a small shared machine. Our test double of AWS,
which limits calls to AWS's published rates (`tests/fakeaws`), is on the other. Every service has one queue. Nothing here
was tested on real AWS.

"""
SIZES = ((10, 20.0, 60.0), (100, 20.0, 60.0), (1000, 60.0, 60.0), (10_000, 240.0, 60.0))
COMPARED_SERVICES, COMPARED_WARM_S, COMPARED_S = 1000, 240.0, 120.0


async def sizes() -> str:
    """Measure ten to ten thousand services, polled every 15 s, and ten thousand polled up to every 60 s."""
    found = [await scenarios.fleet(*each) for each in SIZES]
    quiet = await scenarios.fleet(10_000, 300.0, 60.0, quiet_s=60.0)
    rows = "".join(_row(one, "15 s") for one in found) + _row(quiet, "up to 60 s")
    return (
        "## Size\n\nEmpty queues, a latency target of five minutes, no CloudWatch. Goals for ten thousand: p99 lag below"
        " 1 s, less than 400 MB, all calls within the budget. Goal for a thousand: less than 10 % of a core.\n\n"
        "| services | polled every | of a core | CPU per poll | resident | lag, p99 | most calls, of the budget | ready |\n"
        f"|---|---|---|---|---|---|---|---|\n{rows}\n"
    )


def _row(one: scenarios.FleetSize, every: str) -> str:
    return (
        f"| {one.services:,} | {every} | {one.core:.1%} | {one.poll_ms:.2f} ms | {one.resident_mb:.0f} MB |"
        f" {one.lag_s:.3f} s | {one.most_of_budget:.0%} | {one.ready_s:.1f} s |\n"
    )


async def bare() -> str:
    """Compare the CPU of the daemon with that of the SDK's calls alone, for an idle and for a busy fleet."""
    rows = ""
    for busy, words in ((False, "idle: empty queues, one task"), (True, "busy: arrivals, working tasks, new loads")):
        one = await scenarios.compared(COMPARED_SERVICES, COMPARED_WARM_S, COMPARED_S, busy=busy)
        rows += (
            f"| {words} | {one.poll_ms:.2f} ms | {one.bare_ms:.2f} ms | {one.poll_ms / one.bare_ms:.2f} |"
            f" {one.polls_per_s:,.0f} | {one.described_per_s:.1f} | {one.measured_per_s:.2f} of {one.metrics} | {one.written_per_s:.2f} |\n"
        )
    return (
        "## Compared with the SDK's calls alone\n\n"
        f"{COMPARED_SERVICES:,} services, polled every 15 s, with a latency target of five minutes and CloudWatch's"
        " minutes. The daemon's CPU per poll includes all its other work: estimates, decisions, metrics. Then the same"
        " calls at the same rates with only aiobotocore. Goal: at most 1.25 times as much, for both.\n\n"
        "| fleet | CPU per poll | the calls alone | ratio | polls / s | DescribeServices / s | GetMetricData / s, metrics |"
        f" UpdateService / s |\n|---|--:|--:|--:|--:|--:|--:|--:|\n{rows}\n"
    )


async def bursts() -> str:
    """Measure the time from a burst to the write."""
    found = await scenarios.bursts(500, 40)
    return (
        "## Bursts\n\nFive hundred services of one cluster, polled every 10 s. One burst at a time: UpdateService follows"
        f" after {found.one_median_s:.1f} s (median), {found.one_p99_s:.1f} s (p99 of 40). Goal: the interval plus 1 s."
        f" Bursts on all services at once: the first write follows after {found.all_first_s:.1f} s, and the last after"
        f" {found.all_last_s:.0f} s. The quota (burst 50, 5 per second) permits {found.least_s:.0f} s. Rank correlation of"
        f" the required tasks with an early write: {found.order:.2f}.\n\n"
    )


async def throttling() -> str:
    """Measure with a quota of a tenth of the required calls."""
    found = await scenarios.throttled(500, 300.0)
    return (
        "## Throttled to a tenth\n\nFive hundred queues, polled every 5 s; AWS accepts a tenth of the calls. Jain's index"
        f" of the accepted calls per queue: {found.jain:.3f} (goal: 0.99). Longest time between two: {found.longest_s:.0f} s;"
        f" twice the number of services divided by the rate is {found.bound_s:.0f} s. Calls made / calls accepted:"
        f" {found.made:.2f} (goal: 1.1). Recovery after the end: {found.back_s:.0f} s (goal: 60).\n\n"
    )


async def poison() -> str:
    """Measure the effect of one faulty service of a hundred, with every kind of fault."""
    found = await scenarios.poisoned(100, 6.0)
    return (
        f"## Poison\n\nOf a hundred services, one has {found.poisons} kinds of faults, one after the other. The interval"
        f" is 1 s. Lag of all polls, p99: {1000 * found.clean_s:.0f} ms without, {1000 * found.worst_s:.0f} ms with the worst"
        f" fault (`{found.worst}`). Goal: less than 50 ms more.\n\n"
    )


async def failing() -> str:
    """Measure a thousand services while the tasks of a hundred fail to start."""
    found = await scenarios.failing_starts()
    return (
        "## Failing starts\n\nA thousand services, polled every 15 s. The new tasks of a hundred fail for five minutes:"
        f" the cause of {found.known:.0f} is known at the end, with {found.task_calls} calls that read tasks. Lag of all"
        f" polls, p99: {1000 * found.clean_s:.0f} ms before, {1000 * found.failing_s:.0f} ms meanwhile (goal: less than"
        f" 50 ms more). Most calls, of the budget: {found.most_of_budget:.0%}.\n\n"
    )


async def week() -> str:
    """Measure memory over a week in virtual time."""
    command = [sys.executable, "-m", "bench.soaking"]
    run = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    return (
        "## A week\n\nFive hundred services in virtual time, with everything except the network. A tenth of them are"
        f" replaced each day: {run.stdout.strip()}. Goal: less than 5 MB after the first hour, in which the history buffers"
        " of the web page fill.\n\n"
    )


PARTS: dict[str, Callable[[], Coroutine[Any, Any, str]]] = {
    "sizes": sizes,
    "bare": bare,
    "bursts": bursts,
    "poison": poison,
    "failing": failing,
    "throttling": throttling,
    "week": week,
}


def main(names: list[str]) -> None:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    texts = [asyncio.run(PARTS[name]()) for name in names or PARTS]
    page = HEAD + f"Measured on {day}.\n\n" + "".join(texts)
    if not names:
        PAGE.write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main(sys.argv[1:])
