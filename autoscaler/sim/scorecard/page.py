"""The scorecard as a page of Markdown: what was run, each policy's row, ours trace by trace, and where we lose."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from autoscaler.sim.model import Victims
from autoscaler.sim.scorecard.making import LATENCIES_S, Line
from autoscaler.sim.scorecard.summary import Beaten, Row, beaten, below_the_limit, cells, rows

HEAD = """# Scorecard

Made on {day} by `make scorecard` in {minutes:.0f} minutes: {lines:,} scores, each of one run at one promise.

One day each of these real traces: {traces}.
Arrivals are Poisson within each interval, rescaled to a mean of 20 busy tasks or a busiest interval of 100, whichever
is less. Service times lognormal with mean 5 s and CV 1 (`lcg_grid`: its own, divided by 100); start-up lognormal with
median 45 s and 95th percentile 80 s, at least 20 s; one message per task at a time; one task at the start; 0 to 5,000
tasks. Ours ticks every 10 s, each peer at its own pace; {seeds}. Every policy has one and the same setting on all
traces; ours is told the latency and nothing else, and only `static` is told the load. Costs are billed task-seconds,
start-ups included and at least 60 s a task, by the work alone and by the clairvoyant of that latency. Means over
traces; costs, reversals and launches are geometric means. What each peer does: [peers](peers.md).

Nothing of this was run on AWS. The traces are others' work: WorldCup 98 and NASA (Internet Traffic Archive), Azure
Functions 2019 (Shahrad et al., ATC 2020), LCG grid (Parallel Workloads Archive), NAB (Numenta), Mooncake (FAST 2025).
"""


def page(lines: Sequence[Line], took_s: float) -> str:
    """The whole page, `took_s` after the first run was begun."""
    parts = [_head(lines, took_s)]
    for latency_s in LATENCIES_S:
        parts.append(f"\n## {latency_s:g} s\n")
        for victims, words in _VICTIMS.items():
            parts.append(f"\n{words}\n\n{''.join(_table(rows(lines, latency_s, victims)))}")
    parts += _ours(lines)
    parts += _lost(beaten(lines))
    parts += _limit(lines)
    return "".join(parts)


def _head(lines: Sequence[Line], took_s: float) -> str:
    seeds = len({line.seed for line in lines})
    return HEAD.format(
        day=time.strftime("%Y-%m-%d", time.gmtime()),
        minutes=took_s / 60,
        lines=len(lines),
        traces=", ".join(dict.fromkeys(line.trace for line in lines)),
        seeds=f"{seeds} seeds" if seeds > 1 else "one seed",
    )


_VICTIMS = {
    Victims.IDLE: "Workers that protect themselves:",
    Victims.RANDOM: "Victims at random, stopTimeout 30 s:",
}


def _table(made: Iterable[Row]) -> Iterator[str]:
    yield "| policy | late, mean | late, worst trace | cost / work | cost / clairvoyant | lost work | reversals a day"
    yield " | launches a day |\n|---|--:|--:|--:|--:|--:|--:|--:|\n"
    for row in made:
        worst = f"{row.late_worst:.2%} ({row.worst})" if row.late_worst else "none"
        yield (
            f"| {row.policy} | {row.late:.2%} | {worst} | {row.cost_per_work:.2f} | "
            f"{row.cost_per_oracle:.2f} | {row.lost_work:.2%} | {row.reversals:,.0f} | {row.launches:,.0f} |\n"
        )


def _ours(lines: Sequence[Line]) -> Iterator[str]:
    known = cells(lines)
    heads = " | ".join(f"{latency_s:g} s: late | cost / work | / clairvoyant" for latency_s in LATENCIES_S)
    yield f"\n## Ours, trace by trace\n\n| trace | {heads} |\n|---|{'--:|' * 3 * len(LATENCIES_S)}\n"
    for trace in dict.fromkeys(trace for trace, _ in known):
        figures = (known[trace, latency_s] for latency_s in LATENCIES_S if (trace, latency_s) in known)
        row = " | ".join(f"{one.late:.2%} | {one.cost_per_work:.2f} | {one.cost_per_oracle:.2f}" for one in figures)
        yield f"| {trace} | {row} |\n"


def _lost(found: Sequence[Beaten]) -> Iterator[str]:
    yield "\n## Where we lose\n\n"
    if not found:
        yield "On no trace, at no promise, is any peer at any of its settings more than 5 % cheaper and no later.\n"
        return
    yield "A peer, at its best setting chosen in hindsight, is more than 5 % cheaper than ours and no later:\n\n"
    yield "| promise | trace | peer | cheaper by | late | ours late |\n|--:|---|---|--:|--:|--:|\n"
    for each in found:
        yield (
            f"| {each.latency_s:g} s | {each.trace} | `{each.policy}` | {each.saving:.0%} | {each.late:.2%} | "
            f"{each.ours_late:.2%} |\n"
        )


def _limit(lines: Sequence[Line]) -> Iterator[str]:
    below = below_the_limit(lines)
    yield "\n## The limit\n\n"
    if not below:
        yield "No run of any policy was never late and cheaper than the clairvoyant.\n"
        return
    yield "These runs were never late and cheaper than the clairvoyant, which is therefore not the limit there:\n\n"
    for line in below:
        ratio = f"{line.score.cost_per_oracle:.3f}"
        yield f"- {line.trace}, {line.latency_s:g} s, `{line.policy}`, seed {line.seed}: {ratio}\n"
