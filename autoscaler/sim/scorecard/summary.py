"""Summarize the scores: one row per policy, the cases in which a peer beats this autoscaler, and the runs that cost
less than the oracle.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from autoscaler.sim.experiment import CLAIRVOYANT, OURS
from autoscaler.sim.model import Victims
from autoscaler.sim.scorecard.making import ScorecardRun

CHEAPER_RATIO = 0.95
"""A peer beats this autoscaler if it costs less than this share of its cost, and its share of late messages is not
higher.
"""


class ScorecardRow(NamedTuple):
    """Results of one policy for one latency target and one choice of the tasks that ECS stops, over all traces. The
    value of a trace is the mean over its seeds.

    Costs, reversals and launches are geometric means over the traces; `reversals` and `launches` have 1 added, so that
    zero has a geometric mean too. `worst`: the trace with the largest share of late messages.
    """

    policy: str
    late: float
    late_worst: float
    worst: str
    cost_per_work: float
    cost_per_oracle: float
    lost_work: float
    reversals: float
    launches: float


class Beaten(NamedTuple):
    """A trace and a latency target for which a peer costs over 5 % less than this autoscaler, and its share of late
    messages is not higher.
    """

    trace: str
    latency_s: float
    policy: str
    saving: float
    late: float
    ours_late: float


class ScorecardCell(NamedTuple):
    """Results of this autoscaler for one trace and one latency target: means over the seeds."""

    late: float
    cost_per_work: float
    cost_per_oracle: float
    reversals: float


def rows(lines: Iterable[ScorecardRun], latency_s: float, victims: Victims) -> list[ScorecardRow]:
    """Return one row per policy with default settings: the oracle first, then this autoscaler, then the peers by
    ascending cost.
    """
    chosen = [line for line in lines if not line.grid and line.latency_s == latency_s]
    by_policy: dict[str, list[ScorecardRun]] = defaultdict(list)
    for line in chosen:
        if line.victims == victims or line.policy == CLAIRVOYANT:
            by_policy[line.policy].append(line)
    made = [_row(policy, mine) for policy, mine in by_policy.items()]
    return sorted(made, key=lambda row: (row.policy != CLAIRVOYANT, row.policy != OURS, row.cost_per_oracle))


def _row(policy: str, lines: Sequence[ScorecardRun]) -> ScorecardRow:
    cells = _by_trace(lines)
    late = {trace: fmean(line.score.late_fraction for line in mine) for trace, mine in cells.items()}
    worst = max(late, key=lambda trace: late[trace])

    def geometric(field: str, plus: float = 0.0) -> float:
        means = [fmean(getattr(line.score, field) for line in mine) + plus for mine in cells.values()]
        return math.exp(fmean(math.log(mean) for mean in means)) if min(means) > 0 else math.nan

    return ScorecardRow(
        policy,
        fmean(late.values()),
        late[worst],
        worst,
        geometric("cost_per_work"),
        geometric("cost_per_oracle"),
        fmean(line.score.lost_work_fraction for line in lines),
        geometric("reversals_per_day", plus=1.0),
        geometric("launches_per_day", plus=1.0),
    )


def _by_trace(lines: Iterable[ScorecardRun]) -> dict[str, list[ScorecardRun]]:
    cells: dict[str, list[ScorecardRun]] = defaultdict(list)
    for line in lines:
        cells[line.trace].append(line)
    return cells


def cells(lines: Iterable[ScorecardRun], victims: Victims = Victims.IDLE) -> dict[tuple[str, float], ScorecardCell]:
    """Return the results of this autoscaler, by trace and latency target."""
    mine: dict[tuple[str, float], list[ScorecardRun]] = defaultdict(list)
    for line in lines:
        if line.policy == OURS and line.victims == victims:
            mine[line.trace, line.latency_s].append(line)
    return {key: _cell(group) for key, group in mine.items()}


def _cell(lines: Sequence[ScorecardRun]) -> ScorecardCell:
    scores = [line.score for line in lines]
    return ScorecardCell(
        fmean(score.late_fraction for score in scores),
        fmean(score.cost_per_work for score in scores),
        fmean(score.cost_per_oracle for score in scores),
        fmean(score.reversals_per_day for score in scores),
    )


def beaten(lines: Sequence[ScorecardRun]) -> list[Beaten]:
    """Compare this autoscaler with every setting of every peer, seed by seed, when ECS stops only idle tasks. Return
    the largest saving for each trace and latency target.
    """
    mine = {
        (line.trace, line.latency_s, line.seed): line
        for line in lines
        if line.policy == OURS and line.victims == Victims.IDLE
    }
    found: dict[tuple[str, float], Beaten] = {}
    for line in lines:
        ours = mine.get((line.trace, line.latency_s, line.seed))
        if ours is None or line.victims != Victims.IDLE or line.policy in {OURS, CLAIRVOYANT}:
            continue
        if line.billed_s < CHEAPER_RATIO * ours.billed_s and line.score.late_fraction <= ours.score.late_fraction:
            saving = 1 - line.billed_s / ours.billed_s
            known = found.get((line.trace, line.latency_s))
            if known is None or saving > known.saving:
                found[line.trace, line.latency_s] = Beaten(
                    line.trace, line.latency_s, line.policy, saving, line.score.late_fraction, ours.score.late_fraction
                )
    return sorted(found.values(), key=lambda each: (each.latency_s, each.trace))


def below_the_limit(lines: Sequence[ScorecardRun]) -> list[ScorecardRun]:
    """Return the runs without late messages that cost less than the oracle. The list must be empty."""
    return [
        line
        for line in lines
        if line.policy != CLAIRVOYANT and line.score.late_fraction == 0 and line.score.cost_per_oracle < 1
    ]
