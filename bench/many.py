"""`make bench-many`: the daemon before many services, against the double of AWS; writes `docs/benchmarks-many.md`.

Takes about an hour and both cores. With names of parts (sizes, bursts, poison, throttling, bare, week) only those.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from autoscaler.demo.region_client import REGION
from bench import scenarios
from bench.fleet import DAEMON_CORE, double

PAGE = Path("docs/benchmarks-many.md")
HEAD = """# Benchmarks: many services

Measured with `make bench-many`: the daemon as a process on one core of a small shared machine, before our own double of
AWS on the other, which answers by AWS's published rates (`tests/fakeaws`). Every service has one queue. Nothing here was
tried on real AWS.

"""
SIZES = ((10, 20.0, 60.0), (100, 20.0, 60.0), (1000, 60.0, 60.0), (10_000, 240.0, 60.0))
BARE_SERVICES, BARE_S, DESCRIBED_PER_S = 1000, 60.0, 4.0


async def sizes() -> str:
    """Ten to ten thousand, looked at every 15 s; and ten thousand that may be looked at once a minute."""
    found = [await scenarios.fleet(*each) for each in SIZES]
    quiet = await scenarios.fleet(10_000, 300.0, 60.0, quiet_s=60.0)
    rows = "".join(_row(one, "15 s") for one in found) + _row(quiet, "up to 60 s")
    return (
        "## Size\n\nEmpty queues, a latency of five minutes, no CloudWatch. The aims for ten thousand: lag under 1 s at its"
        " 99th percentile, under 400 MB, every call within the budget; for a thousand: under a tenth of a core.\n\n"
        "| services | looked at every | of a core | CPU of a look | resident | lag, p99 | most calls, of the budget | ready |\n"
        f"|---|---|---|---|---|---|---|---|\n{rows}\n"
    )


def _row(one: scenarios.Fleet, every: str) -> str:
    return (
        f"| {one.services:,} | {every} | {one.core:.1%} | {one.look_ms:.2f} ms | {one.resident_mb:.0f} MB |"
        f" {one.lag_s:.3f} s | {one.over:.0%} | {one.ready_s:.1f} s |\n"
    )


async def bare() -> str:
    """What the calls alone cost by the SDK."""
    core = sorted(os.sched_getaffinity(0))[DAEMON_CORE]
    async with double(BARE_SERVICES, ()) as url:
        command = [sys.executable, "-m", "bench.bare", str(BARE_SERVICES), "15", str(BARE_S), str(DESCRIBED_PER_S)]
        keys = {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "b", "AWS_SECRET_ACCESS_KEY": "b"}
        env = {name: value for name, value in os.environ.items() if not name.endswith("_CA_BUNDLE")} | keys
        run = await asyncio.to_thread(
            subprocess.run, ["taskset", "-c", str(core), *command], env=env, capture_output=True, text=True, check=True
        )
    return (
        "## Against the bare calls\n\nThe same calls for a thousand services by aiobotocore and nothing else: "
        f"{float(run.stdout):.2f} ms of CPU a look. The aim is that the daemon takes at most 1.25 times as much.\n\n"
    )


async def bursts() -> str:
    """From a burst to the write."""
    found = await scenarios.bursts(500, 40)
    return (
        "## Bursts\n\nFive hundred services of one cluster, looked at every 10 s. One burst at a time reaches UpdateService"
        f" in {found.one_median_s:.1f} s (median), {found.one_p99_s:.1f} s (99th percentile of 40); the aim is the interval"
        f" and a second. On all at once the first was written after {found.all_first_s:.1f} s and the last after"
        f" {found.all_last_s:.0f} s, where 50 at once and 5 a second allow {found.least_s:.0f} s. Rank correlation of how"
        f" much was needed with how early it was written: {found.order:.2f}.\n\n"
    )


async def throttling() -> str:
    """At a tenth of what is needed."""
    found = await scenarios.throttled(500, 300.0)
    return (
        "## Throttled to a tenth\n\nFive hundred queues looked at every 5 s, of which AWS answers a tenth. Jain's index of"
        f" what they got: {found.jain:.3f} (the aim is 0.99). Longest wait: {found.longest_s:.0f} s, where twice the"
        f" services by the rate are {found.bound_s:.0f} s. Calls made by calls let through: {found.made:.2f} (1.1)."
        f" All is back {found.back_s:.0f} s after the end (60).\n\n"
    )


async def poison() -> str:
    """One of a hundred, in every way."""
    found = await scenarios.poisoned(100, 6.0)
    return (
        f"## Poison\n\nOne of a hundred services is spoilt in {found.ways} ways, one after the other, at an interval of 1 s."
        f" Lag of all ticks, 99th percentile: {1000 * found.clean_s:.0f} ms without, {1000 * found.worst_s:.0f} ms with the"
        f" worst (`{found.worst}`). The aim is under 50 ms more.\n\n"
    )


async def week() -> str:
    """A week in virtual time."""
    command = [sys.executable, "-m", "bench.soaking"]
    run = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    return (
        "## A week\n\nFive hundred services in virtual time, everything but the network; a tenth of them are others each"
        f" day: {run.stdout.strip()}. The aim is under 5 MB after the first hour. Rings of what is remembered for the page"
        " fill in that time.\n\n"
    )


PARTS: dict[str, Callable[[], Coroutine[Any, Any, str]]] = {
    "sizes": sizes,
    "bare": bare,
    "bursts": bursts,
    "poison": poison,
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
