"""Write the scorecard in Markdown: the protocol, one row per policy, the results of this autoscaler by trace, and the
cases in which a peer is better.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import NamedTuple

from autoscaler.sim.experiment import CLAIRVOYANT, OURS
from autoscaler.sim.model import Victims
from bench.scorecard.making import (
    LATENCIES_S,
    Beaten,
    ScorecardRow,
    ScorecardRun,
    beaten,
    below_the_limit,
    cells,
    rows,
)

# Place names next to the dots of a chart without overlaps with names, with dots or with the edge.

DOT = 7.0
"""Half the side of the square around a dot that stays free."""

CHARACTER, ABOVE, BELOW = 6.8, 10.0, 4.0
"""Width of a letter, and height of a line above and below its baseline, at a font size of 12 px, rounded up."""

OFFSETS = (0.0, 14.0, 28.0, 42.0, 56.0, 70.0, 84.0)
"""Vertical distances between a dot and its name."""


class Box(NamedTuple):
    """A rectangle. Boxes that only touch do not overlap."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: Box) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)

    def within(self, other: Box) -> bool:
        upright = other.top <= self.top and self.bottom <= other.bottom
        return upright and other.left <= self.left and self.right <= other.right


class Label(NamedTuple):
    """Position of a name on its baseline: its start, or its end if it is left of its dot. `away`: it is so far from its
    dot that it needs a line to it.
    """

    x: float
    y: float
    on_left: bool
    away: bool
    box: Box


def placed(dots: Sequence[tuple[float, float]], names: Sequence[str], edge: Box) -> list[Label]:
    """Return a label for each dot, in order. If no position is free, the one with the fewest overlaps is used."""
    taken = [Box(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in dots]
    labels = []
    for dot, name in zip(dots, names, strict=True):
        places = [place for place in _places(*dot, CHARACTER * len(name)) if place.box.within(edge)]
        best = min(places or list(_places(*dot, CHARACTER * len(name))), key=lambda place: _covered(place.box, taken))
        taken.append(best.box)
        labels.append(best)
    return labels


def _places(x: float, y: float, width: float) -> Iterator[Label]:
    """Yield positions, the nearest first: right, left, then further up and down."""
    for away in OFFSETS:
        for baseline in dict.fromkeys((y + 4 - away, y + 4 + away)):
            for on_left in (False, True):
                start = x - DOT - 2 if on_left else x + DOT + 2
                left = start - width if on_left else start
                box = Box(left, baseline - ABOVE, left + width, baseline + BELOW)
                yield Label(start, baseline, on_left, away > 14, box)


def _covered(box: Box, taken: Sequence[Box]) -> int:
    return sum(box.overlaps(other) for other in taken)


CAPTION = "Cost against lateness of each policy over all traces: left is cheaper, down is less late"

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
        parts.append(f"\n## {latency_s:g} s\n\n![{CAPTION}](pictures/{picture_name(latency_s)})\n")
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
    yield " | launches / day | polls / day |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n"
    for row in made:
        worst = f"{row.late_worst:.2%} ({row.worst})" if row.late_worst else "none"
        yield (
            f"| {row.policy} | {row.late:.2%} | {worst} | {row.cost_per_work:.2f} | "
            f"{row.cost_per_oracle:.2f} | {row.lost_work:.2%} | {row.reversals:,.0f} | {row.launches:,.0f} | "
            f"{row.polls:,.0f} |\n"
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


# Render the scorecard as one self-contained page with charts of cost against lateness for each latency target.

Scale = Callable[[float], float]

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 560, 400, 64, 46, 24, 24
EDGE = Box(LEFT - 12, 2, WIDTH, HEIGHT - BOTTOM + 8)
"""The area of the names; the axis is below it."""

LEAST_LATE, MOST_LATE = 0.0001, 1.0
"""Shares below 0.01 % are on the axis, because it is logarithmic."""

LATE_MARKS = (0.0001, 0.001, 0.01, 0.1, 1.0)
COST_MARKS = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)

STYLE = """<style>text { fill: #66707f; font: 12px system-ui, sans-serif } .axis { stroke: #dfe3e9 }
.lead { stroke: #66707f; stroke-width: .7 } .dot { fill: #66707f } .ours .dot { fill: #0b6bcb }
.ours text { fill: #0b6bcb; font-weight: 600 } .limit .dot { fill: none; stroke: #1c2430; stroke-width: 1.5 }</style>"""


def picture(lines: Sequence[ScorecardRun], latency_s: float) -> str:
    """Return the picture of cost against lateness for one latency target, if ECS stops only idle tasks: SVG."""
    return f"{_plot(rows(lines, latency_s, Victims.IDLE))}\n"


def picture_name(latency_s: float) -> str:
    return f"scorecard-{latency_s:.0f}s.svg"


def _plot(known: Sequence[ScorecardRow]) -> str:
    shown = [row for row in known if math.isfinite(row.cost_per_oracle)]
    most = max([2.0, *(row.cost_per_oracle for row in shown)]) * 1.1
    least = min([1.0, *(row.cost_per_oracle for row in shown)]) / 1.05
    x, y = _scale(least, most, LEFT, WIDTH - RIGHT), _scale(LEAST_LATE, MOST_LATE, HEIGHT - BOTTOM, TOP)
    marks = [mark for mark in COST_MARKS if least <= mark <= most]
    parts = [
        *(_grid(f"M{x(mark):.1f} {TOP}V{HEIGHT - BOTTOM}", x(mark), HEIGHT - 28, f"{mark:g}x") for mark in marks),
        *(_grid(f"M{LEFT} {y(m):.1f}H{WIDTH - RIGHT}", LEFT - 32, y(m) + 4, _percent(m)) for m in LATE_MARKS),
        f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 8}" text-anchor="middle">cost / clairvoyant</text>',
        f'<text x="{LEFT - 32}" y="{TOP - 12}" text-anchor="middle">late</text>',
        *_points(shown, x, y),
    ]
    label = "; ".join(map(_figures, shown))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
    back = '<rect width="100%" height="100%" rx="6" fill="#fff"/>'
    return f'{head}aria-label="{escape(label)}">{STYLE}{back}{"".join(parts)}</svg>'


def _scale(least: float, most: float, start: float, end: float) -> Scale:
    """Return a logarithmic scale from `least` at `start` to `most` at `end`. Values outside are on the edge."""
    low, high = math.log(least), math.log(most)
    return lambda value: start + (math.log(min(max(value, least), most)) - low) / (high - low) * (end - start)


def _grid(path: str, x: float, y: float, text: str) -> str:
    return f'<path class="axis" d="{path}"/><text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{text}</text>'


def _percent(share: float) -> str:
    if share <= LEAST_LATE:
        return f"≤{share:.2%}"
    return f"{share:.2%}" if share < 0.001 else f"{share:.1%}" if share < 0.01 else f"{share:.0%}"


def _points(shown: Sequence[ScorecardRow], x: Scale, y: Scale) -> Iterator[str]:
    """Yield each point with its name next to it, and its figures as a tooltip."""
    dots = [(x(row.cost_per_oracle), y(row.late)) for row in shown]
    labels = placed(dots, [row.policy for row in shown], EDGE)
    for row, at, label in zip(shown, dots, labels, strict=True):
        yield f'<g class="{_KINDS.get(row.policy, "peer")}"><title>{escape(_figures(row))}</title>'
        if label.away:
            yield f'<path class="lead" d="M{at[0]:.1f} {at[1]:.1f}L{label.x:.1f} {label.y - 4:.1f}"/>'
        yield f'<circle class="dot" cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="5"/>'
        anchor = ' text-anchor="end"' if label.on_left else ""
        yield f'<text x="{label.x:.1f}" y="{label.y:.1f}"{anchor}>{escape(row.policy)}</text></g>'


def _figures(row: ScorecardRow) -> str:
    return f"{row.policy}: {row.late:.2%} late at {row.cost_per_oracle:.2f} x the clairvoyant"


_KINDS = {OURS: "ours", CLAIRVOYANT: "limit"}
