"""Find cheaper settings, and the cost of other latency targets, for `--sweep`.

Every combination of the values is run on the same load with the same seeds. The current settings with the current
latency target are always among them, and are the baseline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import isnan, prod
from statistics import fmean

from autoscaler.config.values import seconds
from autoscaler.pricing import dollars
from autoscaler.sim.monthly import MonthlyCost
from autoscaler.sim.score import ScoredRun

LATENCY = "acceptable_latency"

MOST_TRIALS = 200

NEAR_RATIO = 0.01
"""Costs that differ by less than 1 % count as equal."""

NEAR_FRACTION = 0.0005
"""Shares of late messages that differ by at most 0.05 percentage points count as equal."""

MET_FRACTION = 0.005
"""A latency target is met if at most 0.5 % of the messages are late."""


@dataclass(frozen=True, slots=True)
class Trial:
    """This autoscaler with a latency target and `fields`: the part after the colon in `ours:field=value/...`."""

    latency_s: float
    fields: str = ""

    @property
    def policy(self) -> str:
        return f"ours:{self.fields}" if self.fields else "ours"

    def label(self, target_s: float) -> str:
        parts = [f"{LATENCY}={self.latency_s:g}s"] if self.latency_s != target_s else []
        return ", ".join(parts + ([self.fields.replace("/", ", ")] if self.fields else [])) or "current settings"


@dataclass(frozen=True, slots=True)
class Tried:
    """The result of a trial: means over the seeds."""

    trial: Trial
    late_fraction: float
    wait_p95_s: float
    cost_per_work: float
    task_hours: float = 0.0

    @staticmethod
    def of(trial: Trial, runs: Sequence[ScoredRun]) -> Tried:
        scores = [run.score for run in runs]
        return Tried(
            trial,
            fmean(each.late_fraction for each in scores),
            fmean(each.wait_p95_s for each in scores),
            fmean(each.cost_per_work for each in scores),
            fmean(run.facts.task_hours for run in runs),
        )


def combinations(sweeps: Sequence[str], target_s: float) -> tuple[Trial, ...]:
    """Return every combination of the `FIELD=A|B|C` options, with the current settings first. Raise `ValueError` if an
    option is invalid, with the valid form.
    """
    axes = dict(map(_axis, sweeps))
    if len(axes) < len(sweeps):
        raise ValueError("--sweep: a field occurs twice. Pass all its values in one option: FIELD=A|B|C")
    count = prod(map(len, axes.values()))
    if count > MOST_TRIALS:
        raise ValueError(f"--sweep: there are {count:,} combinations; the maximum is {MOST_TRIALS}. Use fewer values")
    trials = (_trial(dict(zip(axes, values, strict=True)), target_s) for values in product(*axes.values()))
    return tuple(dict.fromkeys([Trial(target_s), *trials]))


def _trial(fields: dict[str, str], target_s: float) -> Trial:
    latency_s = seconds(fields.pop(LATENCY)) if LATENCY in fields else target_s
    return Trial(latency_s, "/".join(f"{name}={value}" for name, value in fields.items()))


def _axis(text: str) -> tuple[str, list[str]]:
    name, equals, values = text.partition("=")
    tried = [value.strip() for value in values.split("|") if value.strip()]
    if not equals or not name.strip() or not tried:
        raise ValueError(f"--sweep: {text!r} is not FIELD=A|B|C, such as {LATENCY}=30s|60s|120s")
    return name.strip(), tried


def advice(tried: Sequence[Tried], target_s: float, monthly: MonthlyCost | None = None) -> Iterator[str]:
    """Yield sentences: the cost of other latency targets, and the cheaper settings whose share of late messages is not
    higher. The first of `tried` is the baseline. `monthly` None: no sentence states an amount.
    """
    base, others = tried[0], tried[1:]
    if isnan(base.cost_per_work):
        yield "the load has no messages: all settings are equal"
        return
    amount = "" if monthly is None else f", {monthly.text(base.task_hours)} a month"
    yield f"current settings: {_late(base)}, {base.cost_per_work:.2f} x the cost of the work alone{amount}"
    for other in sorted(others, key=lambda each: each.trial.latency_s):
        if not other.trial.fields and other.trial.latency_s != target_s:
            yield _other_target(base, other, target_s, monthly)
    same = [each for each in others if each.trial.latency_s == target_s and _better(each, base)]
    if same:
        best = min(same, key=lambda each: each.cost_per_work)
        gain = _change(best, base, monthly)
        yield f"{best.trial.label(target_s)} {gain}, with no more late messages: {_late(best)}"
    elif any(each.trial.fields for each in others):
        yield "no combination is cheaper than the current settings with no more late messages"


def _other_target(base: Tried, other: Tried, target_s: float, monthly: MonthlyCost | None) -> str:
    more_s = other.trial.latency_s - target_s
    direction = "longer" if more_s > 0 else "shorter"
    missed = "" if other.late_fraction <= MET_FRACTION else f"; this target is missed: {_late(other)}"
    change = _change(other, base, monthly)
    return f"a latency target that is {abs(more_s):g} s {direction} {change}{missed}"


def _better(one: Tried, other: Tried) -> bool:
    cheaper = one.cost_per_work < other.cost_per_work * (1 - NEAR_RATIO)
    return cheaper and one.late_fraction <= other.late_fraction + NEAR_FRACTION


def _change(each: Tried, base: Tried, monthly: MonthlyCost | None) -> str:
    ratio = each.cost_per_work / base.cost_per_work - 1
    if abs(ratio) < NEAR_RATIO:
        return "costs the same"
    amount = "" if monthly is None else f" ({monthly.text(abs(each.task_hours - base.task_hours))} a month)"
    return f"costs {abs(ratio) * 100:.0f} % {'more' if ratio > 0 else 'less'}{amount}"


def _late(each: Tried) -> str:
    return f"{each.late_fraction * 100:.2f} % late"


def table(tried: Sequence[Tried], target_s: float, monthly: MonthlyCost | None = None) -> Iterator[str]:
    """Yield a heading and one aligned line per trial. If some trials are dominated in cost and lateness by another one
    with the same latency target, the trials that are not dominated are marked. `monthly`: with a price, a column has
    the dollars of a month.
    """
    labels = [each.trial.label(target_s) for each in tried]
    width = max(map(len, labels))
    beaten = [any(_dominates(other, each) for other in tried) for each in tried]
    amounts = ["" if monthly is None else _dollars(each, monthly) for each in tried]
    priced = "    $ / month" if any(amounts) else ""
    yield f"{'':{width}}  late %  p95 wait s  cost / work{priced}"
    for label, each, amount, worse in zip(labels, tried, amounts, beaten, strict=True):
        figures = f"{each.late_fraction * 100:6.2f}  {each.wait_p95_s:10.1f}  {each.cost_per_work:11.2f}{amount}"
        yield f"{label:{width}}  {figures}{' *' if any(beaten) and not worse else ''}"
    if any(beaten):
        yield "* no other combination with the same latency target is as good in both cost and lateness"


def _dollars(each: Tried, monthly: MonthlyCost) -> str:
    amount = monthly.dollars(each.task_hours)
    return "" if amount is None else f"{dollars(amount).removeprefix('$'):>13}"


def _dominates(one: Tried, other: Tried) -> bool:
    """Return whether `one` is better than `other` in cost or lateness and worse in neither. Trials with different
    latency targets are not compared.
    """
    figures, others = (one.cost_per_work, one.late_fraction), (other.cost_per_work, other.late_fraction)
    no_worse = all(figure <= than for figure, than in zip(figures, others, strict=True))
    return one.trial.latency_s == other.trial.latency_s and no_worse and figures != others
