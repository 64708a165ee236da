"""Which settings would do better, and what another latency would cost, in plain words.

Every combination of the values to try is run on the same load with the same seeds; the settings as they are, at the
promise as it is, are always among them: everything is held against that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import isnan, prod
from statistics import fmean

from autoscaler.config.durations import seconds
from autoscaler.sim.score import Run

LATENCY = "acceptable_latency"

MOST_TRIALS = 200

NEAR_RATIO = 0.01
"""What costs within a hundredth of another costs the same."""

NEAR_FRACTION = 0.0005
"""What is late by less than five in ten thousand messages more is no later."""

KEPT_FRACTION = 0.005
"""A promise is kept where no more than five in a thousand messages are late."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Ours with `fields` (as in `ours:field=value/...`, the part behind the colon) at a promise."""

    latency_s: float
    fields: str = ""

    @property
    def policy(self) -> str:
        return f"ours:{self.fields}" if self.fields else "ours"

    def label(self, promised_s: float) -> str:
        parts = [f"{LATENCY}={self.latency_s:g}s"] if self.latency_s != promised_s else []
        return ", ".join(parts + ([self.fields.replace("/", ", ")] if self.fields else [])) or "as it is"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a trial came to, on average over the seeds."""

    trial: Trial
    late_fraction: float
    wait_p95_s: float
    cost_per_work: float

    @staticmethod
    def of(trial: Trial, runs: Sequence[Run]) -> Tried:
        scores = [run.score for run in runs]
        return Tried(
            trial,
            fmean(each.late_fraction for each in scores),
            fmean(each.wait_p95_s for each in scores),
            fmean(each.cost_per_work for each in scores),
        )


def combinations(sweeps: Sequence[str], promised_s: float) -> tuple[Trial, ...]:
    """Every combination of `FIELD=A|B|C`, the settings as they are first. Raises `ValueError` with the remedy."""
    axes = dict(map(_axis, sweeps))
    if len(axes) < len(sweeps):
        raise ValueError("a field is swept twice: give all its values at once, as FIELD=A|B|C")
    count = prod(map(len, axes.values()))
    if count > MOST_TRIALS:
        raise ValueError(f"{count:,} combinations are more than {MOST_TRIALS}: sweep fewer values at once")
    trials = (_trial(dict(zip(axes, values, strict=True)), promised_s) for values in product(*axes.values()))
    return tuple(dict.fromkeys([Trial(promised_s), *trials]))


def _trial(fields: dict[str, str], promised_s: float) -> Trial:
    latency_s = seconds(fields.pop(LATENCY)) if LATENCY in fields else promised_s
    return Trial(latency_s, "/".join(f"{name}={value}" for name, value in fields.items()))


def _axis(text: str) -> tuple[str, list[str]]:
    name, equals, values = text.partition("=")
    tried = [value.strip() for value in values.split("|") if value.strip()]
    if not equals or not name.strip() or not tried:
        raise ValueError(f"{text!r} is no sweep: write FIELD=A|B|C, such as {LATENCY}=30s|60s|120s")
    return name.strip(), tried


def advice(tried: Sequence[Tried], promised_s: float) -> Iterator[str]:
    """Sentences: what another promise would cost, and which settings would be cheaper and no later. The first of
    `tried` is what everything is held against.
    """
    base, others = tried[0], tried[1:]
    if isnan(base.cost_per_work):
        yield "no work comes: no settings are better than others"
        return
    yield f"as it is: {_late(base)}, {base.cost_per_work:.2f} x the cost of the work alone"
    for other in sorted(others, key=lambda each: each.trial.latency_s):
        if not other.trial.fields and other.trial.latency_s != promised_s:
            yield _promise(base, other, promised_s)
    same = [each for each in others if each.trial.latency_s == promised_s and _better(each, base)]
    if same:
        best = min(same, key=lambda each: each.cost_per_work)
        gain = _change(best.cost_per_work, base.cost_per_work)
        yield f"{best.trial.label(promised_s)} would {gain}, and be no later: {_late(best)}"
    elif any(each.trial.fields for each in others):
        yield "nothing that was tried is cheaper and no later than the settings as they are"


def _promise(base: Tried, other: Tried, promised_s: float) -> str:
    more_s = other.trial.latency_s - promised_s
    direction = "more" if more_s > 0 else "less"
    kept = "" if other.late_fraction <= KEPT_FRACTION else f"; it would not be kept: {_late(other)}"
    return f"{abs(more_s):g} s {direction} latency would {_change(other.cost_per_work, base.cost_per_work)}{kept}"


def _better(one: Tried, other: Tried) -> bool:
    cheaper = one.cost_per_work < other.cost_per_work * (1 - NEAR_RATIO)
    return cheaper and one.late_fraction <= other.late_fraction + NEAR_FRACTION


def _change(cost: float, base: float) -> str:
    ratio = cost / base - 1
    if abs(ratio) < NEAR_RATIO:
        return "cost the same"
    return f"cost {abs(ratio) * 100:.0f} % {'more' if ratio > 0 else 'less'}"


def _late(each: Tried) -> str:
    return f"{each.late_fraction * 100:.2f} % late"


def table(tried: Sequence[Tried], promised_s: float) -> Iterator[str]:
    """A line for each trial, aligned. Where some are beaten on both cost and lateness by another of their promise,
    the others are marked.
    """
    labels = [each.trial.label(promised_s) for each in tried]
    width = max(map(len, labels))
    beaten = [any(_dominates(other, each) for other in tried) for each in tried]
    yield f"{'':{width}}  late %  p95 wait s  cost / work"
    for label, each, worse in zip(labels, tried, beaten, strict=True):
        figures = f"{each.late_fraction * 100:6.2f}  {each.wait_p95_s:10.1f}  {each.cost_per_work:11.2f}"
        yield f"{label:{width}}  {figures}{' *' if any(beaten) and not worse else ''}"
    if any(beaten):
        yield "* no other of the same promise is as good on both cost and lateness"


def _dominates(one: Tried, other: Tried) -> bool:
    """A longer promise is no better answer to a shorter one: these are not compared."""
    figures, others = (one.cost_per_work, one.late_fraction), (other.cost_per_work, other.late_fraction)
    no_worse = all(figure <= than for figure, than in zip(figures, others, strict=True))
    return one.trial.latency_s == other.trial.latency_s and no_worse and figures != others
