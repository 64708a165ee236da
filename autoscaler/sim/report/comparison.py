"""Compare policies: the mean of each measure over the seeds, and the paired difference to this autoscaler.

Common random numbers: with the same seed, all policies run in the same world, so differences are computed seed by seed.
The interval of a difference is often far narrower than the intervals of the two means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from autoscaler.core.figures import number, seconds, several
from autoscaler.pricing import NoPrice, TaskPrice, dollars
from autoscaler.sim.model import Workload
from autoscaler.sim.monthly import MonthlyCost
from autoscaler.sim.score import DAY_S, ScoredRun

# The input of a report: the load, the runs, and the command that repeats them.

OURS = "ours"
LIMIT = "clairvoyant"
"""The oracle that knows all arrivals: a reference for the other policies, not a competitor."""


@dataclass(frozen=True, slots=True)
class Study:
    """Runs of several policies on one load.

    `workload` is the load with `seed`. The charts show the runs with that seed; the table shows all runs, in the order
    of `runs`. `world` describes SQS, ECS and the workers; `command` repeats the simulation. `task_concurrency` and
    `least_billed_s` are the settings of the world, and must be those of the scores. `scenario`, `sentence`: its name,
    and what is special in it; empty without a scenario. `price`: of one task (None: no costs per month are shown).
    """

    workload: Workload
    seed: int
    latency_s: float
    world: str
    command: str
    runs: tuple[ScoredRun, ...]
    task_concurrency: int = 1
    least_billed_s: float = 60.0
    scenario: str = ""
    sentence: str = ""
    price: TaskPrice | NoPrice | None = None

    @property
    def monthly(self) -> MonthlyCost:
        return MonthlyCost(self.workload.length_s, self.price or NoPrice("no price was given"))

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({run.seed for run in self.runs}))

    @property
    def mean_tasks(self) -> float:
        """Mean number of tasks that the work alone occupies."""
        return self.workload.work_s / self.workload.length_s / self.task_concurrency


def span(duration_s: float) -> str:
    """Format a duration in days, hours, minutes or seconds."""
    for unit_s, name in ((DAY_S, "day"), (3600.0, "hour"), (60.0, "minute")):
        if duration_s >= unit_s:
            return several(duration_s / unit_s, name)
    return seconds(duration_s)


# Means over seeds with confidence intervals.

# Student's t, two-sided 95 %, for 1 to 10 degrees of freedom (2 to 11 seeds).
T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class MeanWithInterval:
    """A mean with its 95 % confidence interval, mean ± `half_width`. None: one value has no known spread."""

    mean: float
    half_width: float | None = None

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes zero; without an interval, whether the mean is not zero."""
        return abs(self.mean) > (self.half_width or 0.0)


def estimate(values: Sequence[float]) -> MeanWithInterval:
    """Return the mean of at least one independent value with its interval; NaN if any value is NaN."""
    mean = fmean(values)
    if len(values) == 1 or math.isnan(mean):
        return MeanWithInterval(mean)
    return MeanWithInterval(mean, student_95(len(values) - 1) * stdev(values) / math.sqrt(len(values)))


def student_95(degrees: int) -> float:
    """Return Student's t, two-sided 95 %. Above 10 degrees of freedom it uses the Cornish-Fisher expansion (Abramowitz
    and Stegun 26.7.5), with an error below 0.001.
    """
    if degrees <= len(T_95):
        return T_95[degrees - 1]
    first = (Z_95**3 + Z_95) / 4
    second = (5 * Z_95**5 + 16 * Z_95**3 + 3 * Z_95) / 96
    third = (3 * Z_95**7 + 19 * Z_95**5 + 17 * Z_95**3 - 15 * Z_95) / 384
    return Z_95 + first / degrees + second / degrees**2 + third / degrees**3


@dataclass(frozen=True, slots=True)
class Measure:
    """One column: a field of the score or of the facts times `factor`, in `unit`. Less is better for every measure."""

    field: str
    title: str
    unit: str
    decimals: int
    meaning: str
    factor: float = 1.0

    def of(self, run: ScoredRun) -> float:
        return float(getattr(run.score if hasattr(run.score, self.field) else run.facts, self.field)) * self.factor

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

TASK_HOURS = "task_hours"
"""The field of the billed task-hours, which are shown per month."""


def monthly_cost(study: Study) -> Measure:
    """Return the column of the cost per month: in dollars, or in task-hours if the price is not known."""
    in_dollars = study.monthly.dollars(1.0)
    if in_dollars is None:
        meaning = "billed task-hours of a month of 30 days with this load"
        return Measure(TASK_HOURS, "task-hours / month", "", 0, meaning, study.monthly.task_hours(1.0))
    highest = max((run.facts.task_hours * in_dollars for run in study.runs), default=0.0)
    meaning = "dollars of the billed task-hours, for a month of 30 days with this load"
    return Measure(TASK_HOURS, "$ / month", "", 2 if highest < 100 else 0, meaning, in_dollars)


def measures(study: Study) -> tuple[Measure, ...]:
    """Return the columns of the study's table."""
    if study.price is None:
        return MEASURES
    at = MEASURES.index(COST)
    return (*MEASURES[:at], monthly_cost(study), *MEASURES[at:])


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


def compare(runs: Sequence[ScoredRun], columns: Sequence[Measure] = MEASURES) -> PolicyComparison:
    """Compare at least one run. Each combination of policy, settings and seed occurs once."""
    groups: dict[tuple[str, str], list[ScoredRun]] = {}
    for run in runs:
        groups.setdefault((run.policy, run.settings), []).append(run)
    label = _labels(groups)
    ours = next((groups[key] for key in sorted(groups, key=lambda key: key[0] != OURS) if is_ours(key[0])), None)
    shown = (*columns, *ELASTICITY)
    rows = {key: _row(label(key), group, ours, shown) for key, group in groups.items()}
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


def _row(
    label: str, group: Sequence[ScoredRun], ours: Sequence[ScoredRun] | None, shown: Sequence[Measure]
) -> ComparisonRow:
    figures = {measure.field: estimate([measure.of(run) for run in group]) for measure in shown}
    pairs = [(run, other) for run in group for other in ours or () if run.seed == other.seed]
    against = {m.field: estimate([m.of(run) - m.of(other) for run, other in pairs]) for m in shown if pairs}
    first = group[0]
    seeds = tuple(run.seed for run in group)
    return ComparisonRow(first.policy, first.settings, label, seeds, figures, against or None)


def _place(row: ComparisonRow) -> tuple[float, float]:
    return row.mean(COST), row.mean(LATE)


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] <= other[0] and one[1] <= other[1]


def notices(runs: Sequence[ScoredRun]) -> Iterator[str]:
    """Yield a sentence for each run with late messages or a notice: whether the policy reported the risk."""
    for run in runs:
        reported_s, first_s = run.facts.at_risk_s, run.facts.first_at_risk_s
        if reported_s is None or not (run.score.late_fraction or reported_s):
            continue
        seed = f", seed {run.seed}" if len({each.seed for each in runs}) > 1 else ""
        share = late(100 * run.score.late_fraction)
        if first_s is None:
            yield f"{run.policy}{seed}: {share}, without a notice that the latency target is at risk"
        else:
            times = f"for {span(reported_s)}, first after {span(first_s)}"
            yield f"{run.policy}{seed}: {share}; reported that the latency target is at risk {times}"


def polls(runs: Sequence[ScoredRun]) -> str | None:
    """Return how often each policy reads the counts, as one sentence (None: no policy reads any)."""
    by_policy: dict[str, list[float]] = {}
    for run in runs:
        by_policy.setdefault(run.policy, []).append(run.facts.polls_per_day)
    parts = [f"{policy} {fmean(each):,.0f}" for policy, each in by_policy.items() if any(each)]
    return f"polls a day: {', '.join(parts)}" if parts else None


# Describe each policy in one line: its lateness, its cost, and whether it is better than this autoscaler.

NEAR_POINTS = 0.005
"""In percentage points. Shares are shown with two decimals: smaller differences are not visible."""

NEAR_RATIO = 0.005
"""Costs that differ by less than 0.5 % count as equal."""

LEAST_LOST_PERCENT = 1.0
"""The least lost work that is mentioned."""


def verdict(row: ComparisonRow, among: PolicyComparison) -> str:
    """Return e.g. `30 % cheaper than ours, but 46.6 % late (ours: 0.27 %); 2.9 % of the work is done twice`."""
    if row.is_limit:
        return f"the limit, which knows all arrivals in advance: {_result(row)}"
    judged = _ours(row, among) if row is among.ours else _against_ours(row, among.ours)
    lost = row.mean(LOST)
    return f"{judged}; {number(lost)} % of the work is done twice" if lost >= LEAST_LOST_PERCENT else judged


def late(percent: float) -> str:
    """Return the share of late messages as text."""
    if math.isnan(percent):
        return "lateness unknown"
    if percent == 0:
        return "0 % late"
    return f"{percent:.2f} % late" if percent >= NEAR_POINTS else "less than 0.01 % late"


def _result(row: ComparisonRow) -> str:
    oracle = row.mean(ORACLE)
    relative = "" if row.is_limit or math.isnan(oracle) else f", {oracle:.2f} x the clairvoyant"
    cost = row.mean(COST)
    return late(row.mean(LATE)) + ("" if math.isnan(cost) else f" at {cost:.2f} x the cost of the work alone{relative}")


def _ours(row: ComparisonRow, among: PolicyComparison) -> str:
    better = among.better(row)
    if len(among.competitors) == 1:
        return _result(row)
    if not better:
        return f"{_result(row)}; no other policy is better in both"
    names = ", ".join(other.label for other in better[:3]) + (" and others" if len(better) > 3 else "")
    return f"{_result(row)}; better in both cost and lateness: {names}"


def _against_ours(row: ComparisonRow, ours: ComparisonRow | None) -> str:
    if ours is None or row.against is None or math.isnan(row.against[COST.field].mean):
        return _result(row)
    late_direction, cost_direction = _late_direction(row), _cost_direction(row, ours)
    lateness = f"{late(row.mean(LATE))} (ours: {_share(ours)})"
    cost = _cost(row, ours)
    match late_direction, cost_direction:
        case 0, 0:
            return f"no clear difference to ours: {_result(row)}"
        case 0, _:
            return f"{cost}, with no {'fewer' if cost_direction > 0 else 'more'} late messages: {late(row.mean(LATE))}"
        case _, 0:
            return f"{lateness}, at the same cost"
    if late_direction == cost_direction:
        return f"{'worse' if late_direction > 0 else 'better'} in both: {cost}, and {lateness}"
    return f"{cost}, but {lateness}"


def _late_direction(row: ComparisonRow) -> int:
    """Return 1 if more messages are late than with this autoscaler, -1 if fewer, 0 without a clear difference."""
    return _direction(row, LATE.field, NEAR_POINTS)


def _cost_direction(row: ComparisonRow, ours: ComparisonRow) -> int:
    return _direction(row, COST.field, NEAR_RATIO * ours.mean(COST))


def _direction(row: ComparisonRow, field: str, near: float) -> int:
    difference = row.against[field] if row.against else MeanWithInterval(0.0)
    if abs(difference.mean) < near or not difference.is_clear:
        return 0
    return 1 if difference.mean > 0 else -1


def _cost(row: ComparisonRow, ours: ComparisonRow) -> str:
    ratio = row.mean(COST) / ours.mean(COST)
    if ratio >= 2:
        return f"{ratio:.1f} times the cost of ours"
    percent = abs(ratio - 1) * 100
    change = f"{percent:.{0 if percent >= 10 else 1}f} %"
    return f"{change} more expensive than ours" if ratio > 1 else f"{change} cheaper than ours"


def _share(row: ComparisonRow) -> str:
    return late(row.mean(LATE)).removesuffix(" late")


# The saving per month: one sentence and the same figures for the terminal, the page and the JSON.

USUAL = "target-tracking"
"""The policy that the saving is stated against, because AWS offers it for ECS. If it was not run: the first peer."""

SAME_RATIO = 0.005
"""Costs that differ by less than 0.5 % are stated as the same."""


@dataclass(frozen=True, slots=True)
class Saving:
    """What this autoscaler saves against another policy, per month of 30 days; negative: it costs more.

    `dollars` None: the price is not known. `late_percent`, `other_late_percent`: messages later than the latency target
    with this autoscaler and with the other policy.
    """

    against: str
    task_hours: float
    dollars: float | None
    late_percent: float
    other_late_percent: float
    is_same: bool = False

    @property
    def sentence(self) -> str:
        lateness = f"({late(self.late_percent)} instead of {late(self.other_late_percent).removesuffix(' late')})"
        if self.is_same:
            return f"The cost is the same as with {self.against} {lateness}."
        priced = "" if self.dollars is None else f" ({dollars(abs(self.dollars))})"
        amount = f"{several(abs(self.task_hours), 'task-hour')}{priced} a month"
        if self.task_hours > 0:
            return f"You would save {amount} compared with {self.against} {lateness}."
        return f"You would spend {amount} more than with {self.against} {lateness}."

    def as_json(self) -> dict[str, object]:
        return {
            "compared_with": self.against,
            "task_hours_per_month": self.task_hours,
            "dollars_per_month": self.dollars,
            "late_percent": self.late_percent,
            "compared_late_percent": self.other_late_percent,
            "sentence": self.sentence,
        }


def saving(study: Study) -> Saving | None:
    """Return the saving against `USUAL`, else against the first peer (None: this autoscaler or a peer was not run).

    The mean over the seeds that both have.
    """
    comparison = compare(study.runs)
    ours = comparison.ours
    others = [row for row in comparison.competitors if row is not ours and not is_ours(row.policy) and row.against]
    if ours is None or not others:
        return None
    other = next((row for row in others if row.policy == USUAL), others[0])
    mine, theirs = (
        {run.seed: run for run in study.runs if (run.policy, run.settings) == (row.policy, row.settings)}
        for row in (ours, other)
    )
    seeds = sorted(mine.keys() & theirs.keys())
    hours = fmean(theirs[seed].facts.task_hours - mine[seed].facts.task_hours for seed in seeds)
    usual = fmean(theirs[seed].facts.task_hours for seed in seeds)
    return Saving(
        other.label,
        study.monthly.task_hours(hours),
        study.monthly.dollars(hours),
        100 * fmean(mine[seed].score.late_fraction for seed in seeds),
        100 * fmean(theirs[seed].score.late_fraction for seed in seeds),
        is_same=abs(hours) < SAME_RATIO * usual or hours == 0,
    )
