"""The faults of a simulated world by instant. Windows are half-open: a fault is over at `end_s`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple
from math import inf, nan
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from autoscaler.config.values import seconds, shown
from autoscaler.sim.model import (
    Breakdown,
    Contention,
    CrashLoop,
    Fault,
    ManualChange,
    PlannedRollout,
    Rebalancing,
    Restart,
    Shortage,
    Slow,
    SpotLoss,
    SqsOutage,
    Throttling,
)

Window = Slow | Contention | Breakdown | CrashLoop | Shortage | Throttling | SqsOutage
Kind = TypeVar("Kind", Slow, Contention, Breakdown, CrashLoop, Shortage, Throttling, SqsOutage)


class FaultPlan:
    """The faults of a run, by instant."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self._slow = _of(Slow, faults)
        self._contention = _of(Contention, faults)
        self._crashing = _of(CrashLoop, faults)
        self._shortage = _of(Shortage, faults)
        self._throttling = _of(Throttling, faults)
        self._sqs_outages = _of(SqsOutage, faults)
        self.breakdowns = _merged((each.start_s, each.end_s) for each in _of(Breakdown, faults))
        self.rollouts_s = sorted(each.start_s for each in faults if isinstance(each, PlannedRollout))
        self.spot_losses = [each for each in faults if isinstance(each, SpotLoss)]
        self.rebalancings = [each for each in faults if isinstance(each, Rebalancing)]
        self.manual_changes = [each for each in faults if isinstance(each, ManualChange)]
        self.shortages_end_s = sorted(each.end_s for each in self._shortage)
        slowing: tuple[Slow | Contention, ...] = (*self._slow, *self._contention)
        self.slowdown_changes_s = sorted({at for each in slowing for at in (each.start_s, each.end_s)})

    def slowdown(self, now: float, running: int) -> float:
        """Return the factor of the processing time of a message that begins now, with `running` running tasks."""
        factor = 1.0
        for slow in _now(self._slow, now):
            factor *= slow.factor
        for contention in _now(self._contention, now):
            factor *= max(1.0, running / contention.tasks)
        return factor

    def crashes(self, now: float) -> bool:
        """Return whether a task that comes up now will crash."""
        return any(_now(self._crashing, now))

    def capacity(self, now: float) -> float:
        """Return the maximum number of running and pending tasks; infinite without a shortage."""
        return min((each.tasks for each in _now(self._shortage, now)), default=inf)

    def throttled(self, now: float) -> bool:
        return any(_now(self._throttling, now))

    def unreadable(self, now: float) -> bool:
        return any(_now(self._sqs_outages, now))


def _of(kind: type[Kind], faults: tuple[Fault, ...]) -> tuple[Kind, ...]:
    return tuple(each for each in faults if isinstance(each, kind))


def _now(windows: Iterable[Kind], now: float) -> Iterable[Kind]:
    return (each for each in windows if each.start_s <= now < each.end_s)


def _merged(windows: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Return the windows, ascending, with overlapping and adjacent ones joined."""
    merged: list[tuple[float, float]] = []
    for start_s, end_s in sorted(windows):
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end_s, merged[-1][1]))
        else:
            merged.append((start_s, end_s))
    return tuple(merged)


# Faults as text, for the command line.


class FaultForm(NamedTuple):
    """How a fault is written: `name:START`, then `END` if it lasts, then a number."""

    kind: type[Any]
    lasts: bool
    number: str = ""

    def form(self, name: str) -> str:
        return ":".join([name, "START", *(["END"] if self.lasts else []), *([self.number] if self.number else [])])


FORMS: Mapping[str, FaultForm] = MappingProxyType(
    {
        "slow": FaultForm(Slow, lasts=True, number="FACTOR"),
        "contention": FaultForm(Contention, lasts=True, number="LIMIT"),
        "breakdown": FaultForm(Breakdown, lasts=True),
        "crash-loop": FaultForm(CrashLoop, lasts=True),
        "shortage": FaultForm(Shortage, lasts=True, number="TASKS"),
        "throttling": FaultForm(Throttling, lasts=True),
        "sqs-outage": FaultForm(SqsOutage, lasts=True),
        "rollout": FaultForm(PlannedRollout, lasts=False),
        "restart": FaultForm(Restart, lasts=False),
        "spot-loss": FaultForm(SpotLoss, lasts=False, number="PERCENT"),
        "rebalancing": FaultForm(Rebalancing, lasts=False, number="PERCENT"),
        "manual-change": FaultForm(ManualChange, lasts=False, number="TASKS"),
    }
)
"""Every fault by its name, in display order."""


def parse_fault(text: str) -> Fault:
    """Return the fault of a text such as `contention:1h:5h:10`. Raise `ValueError` with the valid forms."""
    name, *values = (part.strip() for part in text.lower().split(":"))
    form = FORMS.get(name)
    if form is None or len(values) != 1 + form.lasts + bool(form.number):
        forms = [form.form(name)] if form is not None else [each.form(key) for key, each in FORMS.items()]
        raise ValueError(f"{text!r} is not one of: {', '.join(forms)} (times such as 90s, 30m or 1h)")
    times = [seconds(value) for value in values[: 1 + form.lasts]]
    if times != sorted(set(times)):
        raise ValueError(f"{text!r}: END must be after START")
    numbers = [_fault_number(text, form.number, values[-1])] if form.number else []
    fault: Fault = form.kind(*times, *numbers)
    return fault


def fault_text(fault: Fault) -> str:
    """Return the text that `parse_fault` reads as this fault."""
    name, form = next((name, form) for name, form in FORMS.items() if isinstance(fault, form.kind))
    start_s, *others = astuple(fault)
    times = [start_s, others[0]] if form.lasts else [start_s]
    numbers = [100 * others[-1] if form.number == "PERCENT" else others[-1]] if form.number else []
    return ":".join([name, *(shown(at) for at in times), *(f"{number:g}" for number in numbers)])


LIMITS = {"FACTOR": (0.01, 1000.0), "LIMIT": (1.0, 1e6), "TASKS": (0.0, 1e6), "PERCENT": (0.0, 100.0)}
"""The valid numbers. `LIMIT` and `TASKS` are task counts."""


def _fault_number(text: str, name: str, value: str) -> float:
    least, most = LIMITS[name]
    try:
        number = float(value)
    except ValueError:
        number = nan
    is_count = name in {"LIMIT", "TASKS"}
    if not least <= number <= most or (is_count and number != int(number)):
        kind = "whole number" if is_count else "number"
        raise ValueError(f"{text!r}: {name} must be a {kind} from {least:g} to {most:,.0f}")
    return number / 100 if name == "PERCENT" else int(number) if is_count else number
