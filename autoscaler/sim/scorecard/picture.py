"""Render the scorecard as one self-contained page with charts of cost against lateness for each latency target."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from string import Template

from autoscaler.sim.experiment import CLAIRVOYANT, OURS
from autoscaler.sim.model import Victims
from autoscaler.sim.scorecard.labels import Box, placed
from autoscaler.sim.scorecard.making import LATENCIES_S, ScorecardRun
from autoscaler.sim.scorecard.summary import ScorecardRow, rows

Scale = Callable[[float], float]

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 560, 400, 64, 46, 24, 24
EDGE = Box(LEFT - 12, 2, WIDTH, HEIGHT - BOTTOM + 8)
"""The area of the names; the axis is below it."""

LEAST_LATE, MOST_LATE = 0.0001, 1.0
"""Shares below 0.01 % are on the axis, because it is logarithmic."""

LATE_MARKS = (0.0001, 0.001, 0.01, 0.1, 1.0)
COST_MARKS = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Scorecard</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root { color-scheme: light dark; --ink: #1c2430; --dim: #66707f; --line: #dfe3e9; --back: #fff; --ours: #0b6bcb; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --dim: #98a2b0; --line: #2c333d; --back: #12161c; --ours: #62b0ff; }
}
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 76rem; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .25rem; } p { color: var(--dim); }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { color: var(--dim); font-size: .9rem; } svg { width: 100%; height: auto; }
text { fill: var(--dim); font-size: 12px; } .axis { stroke: var(--line); }
.lead { stroke: var(--dim); stroke-width: .7; }
.dot { fill: var(--dim); } .ours .dot { fill: var(--ours); } .ours text { fill: var(--ours); font-weight: 600; }
.limit .dot { fill: none; stroke: var(--ink); stroke-width: 1.5; }
</style></head><body>
<h1>Cost against lateness</h1>
<p>Each point is a policy with its defaults, over all traces. Left is cheaper, and down is less late. Cost is billed
task-seconds, divided by those of the clairvoyant for that latency target (geometric mean). Lateness is the share of
messages first received later than the latency target (mean over traces).</p>
$parts
</body></html>
""")


def picture(lines: Sequence[ScorecardRun]) -> str:
    """Return the page."""
    return PAGE.substitute(parts="".join(_part(lines, latency_s) for latency_s in LATENCIES_S))


def _part(lines: Sequence[ScorecardRun], latency_s: float) -> str:
    figures = "".join(
        f"<figure>{_plot(rows(lines, latency_s, victims))}<figcaption>{words}</figcaption></figure>"
        for victims, words in (
            (Victims.IDLE, "ECS stops only idle tasks"),
            (Victims.RANDOM, "ECS stops random tasks"),
        )
    )
    return f'<h2>Latency target: {latency_s:g} s</h2><div class="pair">{figures}</div>'


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
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'


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
