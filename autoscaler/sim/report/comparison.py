"""Compare policies: the mean of each measure over the seeds, and the paired difference to this autoscaler.

Common random numbers: with the same seed, all policies run in the same world, so differences are computed seed by seed.
The interval of a difference is often far narrower than the intervals of the two means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from autoscaler.sim.report.estimate import MeanWithInterval, estimate
from autoscaler.sim.report.study import LIMIT, OURS
from autoscaler.sim.score import ScoredRun


@dataclass(frozen=True, slots=True)
class Measure:
    """One column: a field of the score times `factor`, in `unit`. Less is better for every measure."""

    field: str
    title: str
    unit: str
    decimals: int
    meaning: str
    factor: float = 1.0

    def of(self, run: ScoredRun) -> float:
        return float(getattr(run.score, self.field)) * self.factor

    def text(self, value: float) -> str:
        """Format the value without its unit, which is in the heading."""
        return "–" if math.isnan(value) else f"{value:z,.{self.decimals}f}"

    def signed(self, value: float) -> str:
        """Format a difference with its sign. A difference that rounds to zero has no sign."""
        text = self.text(value)
        return f"+{text}" if value > 0 and text != self.text(0.0) else text


LATE = Measure("late_fraction", "late", "%", 2, "messages first received later than the acceptable latency", 100)
COST = Measure("cost_per_work", "cost / work", "x", 2, "billed task-seconds / task-seconds of the work alone")
ORACLE = Measure("cost_per_oracle", "cost / clairvoyant", "x", 2, "billed task-seconds / those of the clairvoyant")
LOST = Measure("lost_work_fraction", "lost work", "%", 2, "work done again because a task was stopped", 100)

MEASURES = (
    LATE,
    Measure("wait_p50_s", "wait p50", "s", 1, "half of the messages waited no longer than this"),
    Measure("wait_p95_s", "wait p95", "s", 1, "95 % of the messages waited no longer than this"),
    Measure("wait_p99_s", "wait p99", "s", 1, "99 % of the messages waited no longer than this"),
    COST,
    ORACLE,
    LOST,
    Measure("reversals_per_day", "reversals / day", "", 0, "changes of direction of the desired count"),
    Measure("launches_per_day", "launches / day", "", 0, "tasks started"),
)

ELASTICITY = (
    Measure("theta_u", "θ under", "%", 2, "how far supply was below demand, on average"),
    Measure("theta_o", "θ over", "%", 2, "how far supply was above demand, on average"),
    Measure("tau_u", "τ under", "%", 2, "share of the time with too few tasks"),
    Measure("tau_o", "τ over", "%", 2, "share of the time with more tasks than needed"),
)


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """A policy with its settings, over its seeds. `against`: difference to this autoscaler over the common seeds (None:
    no common seed).
    """

    policy: str
    settings: str
    label: str
    seeds: tuple[int, ...]
    figures: Mapping[str, MeanWithInterval]
    against: Mapping[str, MeanWithInterval] | None = None

    @property
    def is_limit(self) -> bool:
        return self.policy == LIMIT

    def mean(self, measure: Measure) -> float:
        return self.figures[measure.field].mean


@dataclass(frozen=True, slots=True)
class PolicyComparison:
    """The rows in the order of the runs. `ours`: the reference row for the differences. It is this autoscaler with
    default settings if that was run, otherwise with other settings. None: this autoscaler was not run.
    """

    rows: tuple[ComparisonRow, ...]
    ours: ComparisonRow | None

    def best(self, measure: Measure) -> frozenset[str]:
        """Return the labels of the competitors with the lowest displayed value. Empty if all competitors show the same
        value.
        """
        shown = {row.label: measure.text(row.mean(measure)) for row in self.competitors}
        known = [row for row in self.competitors if not math.isnan(row.mean(measure))]
        if not known or len(set(shown.values())) == 1:
            return frozenset()
        least = measure.text(min(row.mean(measure) for row in known))
        return frozenset(label for label, text in shown.items() if text == least)

    @property
    def competitors(self) -> tuple[ComparisonRow, ...]:
        return tuple(row for row in self.rows if not row.is_limit)

    def better(self, than: ComparisonRow) -> tuple[ComparisonRow, ...]:
        """Return the competitors that are better in cost or lateness and worse in neither."""
        return tuple(row for row in self.competitors if _dominates(_place(row), _place(than)))


def compare(runs: Sequence[ScoredRun]) -> PolicyComparison:
    """Compare at least one run. Each combination of policy, settings and seed occurs once."""
    groups: dict[tuple[str, str], list[ScoredRun]] = {}
    for run in runs:
        groups.setdefault((run.policy, run.settings), []).append(run)
    label = _labels(groups)
    ours = next((groups[key] for key in sorted(groups, key=lambda key: key[0] != OURS) if is_ours(key[0])), None)
    rows = {key: _row(label(key), group, ours) for key, group in groups.items()}
    return PolicyComparison(tuple(rows.values()), rows[ours[0].policy, ours[0].settings] if ours else None)


def is_ours(policy: str) -> bool:
    """Return whether the policy is this autoscaler, with its defaults or with settings as in `ours:tolerance=0.2`."""
    return policy == OURS or policy.startswith(f"{OURS}:")


def _labels(keys: Iterable[tuple[str, str]]) -> Callable[[tuple[str, str]], str]:
    """Return a function that labels a row with its policy, and with its settings if the policy has several rows."""
    policies = [policy for policy, _ in keys]

    def label(key: tuple[str, str]) -> str:
        policy, settings = key
        return policy if policies.count(policy) == 1 or not settings else f"{policy} {settings}"

    return label


def _row(label: str, group: Sequence[ScoredRun], ours: Sequence[ScoredRun] | None) -> ComparisonRow:
    measures = (*MEASURES, *ELASTICITY)
    figures = {measure.field: estimate([measure.of(run) for run in group]) for measure in measures}
    pairs = [(run, other) for run in group for other in ours or () if run.seed == other.seed]
    against = {m.field: estimate([m.of(run) - m.of(other) for run, other in pairs]) for m in measures if pairs}
    first = group[0]
    seeds = tuple(run.seed for run in group)
    return ComparisonRow(first.policy, first.settings, label, seeds, figures, against or None)


def _place(row: ComparisonRow) -> tuple[float, float]:
    return row.mean(COST), row.mean(LATE)


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]
