"""Policies beside each other: each measure's mean over the seeds, and the paired difference to ours.

Common random numbers: with one seed all policies met the same world, so differences are taken seed by seed. Their
interval is often far narrower than what the two means' own intervals would suggest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from autoscaler.sim.report.estimate import Estimate, estimate
from autoscaler.sim.report.study import LIMIT, OURS
from autoscaler.sim.score import Run


@dataclass(frozen=True, slots=True)
class Measure:
    """One column: a field of the score, times `factor`, in `unit`. Of all of them less is better."""

    field: str
    title: str
    unit: str
    decimals: int
    meaning: str
    factor: float = 1.0

    def of(self, run: Run) -> float:
        return float(getattr(run.score, self.field)) * self.factor

    def text(self, value: float) -> str:
        """The number as it is shown; the unit stands in the heading."""
        return "–" if math.isnan(value) else f"{value:z,.{self.decimals}f}"

    def signed(self, value: float) -> str:
        """The same for a difference; what is shown as zero has no sign."""
        text = self.text(value)
        return f"+{text}" if value > 0 and text != self.text(0.0) else text


LATE = Measure("late_fraction", "late", "%", 2, "messages first received after more than the acceptable latency", 100)
COST = Measure("cost_per_work", "cost / work", "x", 2, "billed task-seconds by those that the work alone takes")
ORACLE = Measure("cost_per_oracle", "cost / clairvoyant", "x", 2, "billed task-seconds by the clairvoyant's")
LOST = Measure("lost_work_fraction", "lost work", "%", 2, "work done again because a task was stopped", 100)

MEASURES = (
    LATE,
    Measure("wait_p50_s", "wait p50", "s", 1, "half of the messages waited no longer"),
    Measure("wait_p95_s", "wait p95", "s", 1, "95 of 100 messages waited no longer"),
    Measure("wait_p99_s", "wait p99", "s", 1, "99 of 100 messages waited no longer"),
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
class Row:
    """A policy under its settings, over the seeds. `against`: minus ours, over common seeds; None where none is."""

    policy: str
    settings: str
    label: str
    seeds: tuple[int, ...]
    figures: Mapping[str, Estimate]
    against: Mapping[str, Estimate] | None = None

    @property
    def is_limit(self) -> bool:
        return self.policy == LIMIT

    def mean(self, measure: Measure) -> float:
        return self.figures[measure.field].mean


@dataclass(frozen=True, slots=True)
class Comparison:
    """The rows in the order of the runs. `ours`: what the differences are to, the product at its defaults if it took
    part so; None: it did not take part.
    """

    rows: tuple[Row, ...]
    ours: Row | None

    def best(self, measure: Measure) -> frozenset[str]:
        """The labels of the rows that share the least value as it is shown, limits aside; none if all have it."""
        shown = {row.label: measure.text(row.mean(measure)) for row in self.competitors}
        known = [row for row in self.competitors if not math.isnan(row.mean(measure))]
        if not known or len(set(shown.values())) == 1:
            return frozenset()
        least = measure.text(min(row.mean(measure) for row in known))
        return frozenset(label for label, text in shown.items() if text == least)

    @property
    def competitors(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.is_limit)

    def better(self, than: Row) -> tuple[Row, ...]:
        """The competitors that are neither dearer nor more late, and one of both less."""
        return tuple(row for row in self.competitors if _dominates(_place(row), _place(than)))


def compare(runs: Sequence[Run]) -> Comparison:
    """Of at least one run; a policy with the same settings and seed comes once."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.policy, run.settings), []).append(run)
    label = _labels(groups)
    ours = next((groups[key] for key in sorted(groups, key=lambda key: key[0] != OURS) if is_ours(key[0])), None)
    rows = {key: _row(label(key), group, ours) for key, group in groups.items()}
    return Comparison(tuple(rows.values()), rows[ours[0].policy, ours[0].settings] if ours else None)


def is_ours(policy: str) -> bool:
    """The product, at its defaults or, as in `ours:tolerance=0.2`, with other settings."""
    return policy == OURS or policy.startswith(f"{OURS}:")


def _labels(keys: Iterable[tuple[str, str]]) -> Callable[[tuple[str, str]], str]:
    """The policy's name; with its settings where it takes part with several."""
    policies = [policy for policy, _ in keys]

    def label(key: tuple[str, str]) -> str:
        policy, settings = key
        return policy if policies.count(policy) == 1 or not settings else f"{policy} {settings}"

    return label


def _row(label: str, group: Sequence[Run], ours: Sequence[Run] | None) -> Row:
    measures = (*MEASURES, *ELASTICITY)
    figures = {measure.field: estimate([measure.of(run) for run in group]) for measure in measures}
    pairs = [(run, other) for run in group for other in ours or () if run.seed == other.seed]
    against = {m.field: estimate([m.of(run) - m.of(other) for run, other in pairs]) for m in measures if pairs}
    first = group[0]
    seeds = tuple(run.seed for run in group)
    return Row(first.policy, first.settings, label, seeds, figures, against or None)


def _place(row: Row) -> tuple[float, float]:
    return row.mean(COST), row.mean(LATE)


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]
