"""Write the scorecard in Markdown: the protocol, one row per policy, the results of this autoscaler by trace, and the
cases in which a peer is better.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence

from autoscaler.sim.model import Victims
from autoscaler.sim.scorecard.making import LATENCIES_S, ScorecardRun
from autoscaler.sim.scorecard.summary import Beaten, ScorecardRow, beaten, below_the_limit, cells, rows

HEAD = """# Scorecard

Generated on {day} by `make scorecard` in {minutes:.0f} minutes: {lines:,} scores, each for one run and one
latency target.

One day of each of these real traces: {traces}.
Arrivals are Poisson within each interval, rescaled to a mean of 20 busy tasks or a busiest interval of 100, whichever
is less. Service times are lognormal with mean 5 s and CV 1 (`lcg_grid`: from the trace, divided by 100). Start-up is
lognormal with median 45 s and 95th percentile 80 s, at least 20 s. A task processes one message at a time. A run starts
with one task; the bounds are 0 and 5,000 tasks. Ours polls every 10 s, each peer at its own interval; {seeds}. A policy
has the same setting on all traces. Ours is given only the latency target, and only `static` is given the load. Cost is
billed task-seconds, start-ups included and at least 60 s per task, divided by those of the work alone and by those of
the clairvoyant for that latency target. Figures are means over traces; costs, reversals and launches are geometric
means. For the behavior of each peer, see [peers](peers.md).

Nothing of this was run on AWS. Sources of the traces: WorldCup 98 and NASA (Internet Traffic Archive), Azure
Functions 2019 (Shahrad et al., ATC 2020), LCG grid (Parallel Workloads Archive), NAB (Numenta), Mooncake (FAST 2025).
"""


def page(lines: Sequence[ScorecardRun], took_s: float) -> str:
    """Return the page. `took_s`: duration of all runs."""
    parts = [_head(lines, took_s)]
    for latency_s in LATENCIES_S:
        parts.append(f"\n## {latency_s:g} s\n")
        for victims, words in _VICTIMS.items():
            parts.append(f"\n{words}\n\n{''.join(_table(rows(lines, latency_s, victims)))}")
    parts += _ours(lines)
    parts += _lost(beaten(lines))
    parts += _limit(lines)
    return "".join(parts)


def _head(lines: Sequence[ScorecardRun], took_s: float) -> str:
    seeds = len({line.seed for line in lines})
    return HEAD.format(
        day=time.strftime("%Y-%m-%d", time.gmtime()),
        minutes=took_s / 60,
        lines=len(lines),
        traces=", ".join(dict.fromkeys(line.trace for line in lines)),
        seeds=f"{seeds} seeds" if seeds > 1 else "one seed",
    )


_VICTIMS = {
    Victims.IDLE: "ECS stops only idle tasks (workers with scale-in protection):",
    Victims.RANDOM: "ECS stops random tasks, stopTimeout 30 s:",
}


def _table(made: Iterable[ScorecardRow]) -> Iterator[str]:
    yield "| policy | late, mean | late, worst trace | cost / work | cost / clairvoyant | lost work | reversals / day"
    yield " | launches / day |\n|---|--:|--:|--:|--:|--:|--:|--:|\n"
    for row in made:
        worst = f"{row.late_worst:.2%} ({row.worst})" if row.late_worst else "none"
        yield (
            f"| {row.policy} | {row.late:.2%} | {worst} | {row.cost_per_work:.2f} | "
            f"{row.cost_per_oracle:.2f} | {row.lost_work:.2%} | {row.reversals:,.0f} | {row.launches:,.0f} |\n"
        )


def _ours(lines: Sequence[ScorecardRun]) -> Iterator[str]:
    known = cells(lines)
    heads = " | ".join(f"{latency_s:g} s: late | cost / work | / clairvoyant" for latency_s in LATENCIES_S)
    yield f"\n## Ours, by trace\n\n| trace | {heads} |\n|---|{'--:|' * 3 * len(LATENCIES_S)}\n"
    for trace in dict.fromkeys(trace for trace, _ in known):
        figures = (known[trace, latency_s] for latency_s in LATENCIES_S if (trace, latency_s) in known)
        row = " | ".join(f"{one.late:.2%} | {one.cost_per_work:.2f} | {one.cost_per_oracle:.2f}" for one in figures)
        yield f"| {trace} | {row} |\n"


def _lost(found: Sequence[Beaten]) -> Iterator[str]:
    yield "\n## Where we lose\n\n"
    if not found:
        yield "No peer, with any setting, trace and latency target, is more than 5 % cheaper than ours with no more "
        yield "late messages.\n"
        return
    yield "A peer, with its best setting selected in hindsight, is more than 5 % cheaper than ours with no more late "
    yield "messages:\n\n"
    yield "| latency target | trace | peer | cheaper by | late | ours late |\n|--:|---|---|--:|--:|--:|\n"
    for each in found:
        yield (
            f"| {each.latency_s:g} s | {each.trace} | `{each.policy}` | {each.saving:.0%} | {each.late:.2%} | "
            f"{each.ours_late:.2%} |\n"
        )


def _limit(lines: Sequence[ScorecardRun]) -> Iterator[str]:
    below = below_the_limit(lines)
    yield "\n## The limit\n\n"
    if not below:
        yield "No run of any policy has no late messages and is cheaper than the clairvoyant.\n"
        return
    yield "These runs have no late messages and are cheaper than the clairvoyant, so it is not the limit there:\n\n"
    for line in below:
        ratio = f"{line.score.cost_per_oracle:.3f}"
        yield f"- {line.trace}, {line.latency_s:g} s, `{line.policy}`, seed {line.seed}: {ratio}\n"
