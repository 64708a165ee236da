"""Synthetic loads, to simulate a policy without a file.

A load is the expected count of each minute, an exact integral of a rate. Its random part has a fixed seed: the same
name gives the same trace. Messages are drawn from it at random later. Rates are in messages per second, times in
seconds. Invariant: the total of a trace is the integral of its rate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from autoscaler.core.figures import number
from autoscaler.sim.chance import stream
from autoscaler.sim.model import MINUTE_S, Floats
from autoscaler.sim.workload.choosing import Choice
from autoscaler.sim.workload.trace import DAY_S, LONGEST_S, CountTrace, TraceError

MINUTES_PER_DAY = int(DAY_S / MINUTE_S)


class Parameter(NamedTuple):
    """One number of a generator, in the closed range [least, most]."""

    name: str
    default: float
    least: float
    most: float


class Generator(NamedTuple):
    """A named load. `counts(days, *parameters)`: the expected messages of each minute."""

    summary: str
    parameters: tuple[Parameter, ...]
    counts: Callable[..., Floats]

    def form(self, name: str) -> str:
        return ":".join([name, *(each.name for each in self.parameters)])


DEFAULT = "diurnal"
"""The load of a simulation without a load option. With service times of 5 s it keeps 20 tasks busy on average."""

BY_HOUR = (30, 25, 22, 21, 23, 32, 52, 82, 118, 146, 158, 153, 132, 142, 155, 152, 141, 128, 115, 106, 98, 84, 64, 44)
"""Relative rates of a working day with an evening, at the middle of each hour from midnight on."""

DRIFT, DRIFT_S = 0.1, 1800.0
"""Relative standard deviation of the minutes around the usual course of a day, and its correlation time."""

RISE_S, HALVED_S = 300.0, 1200.0
"""A flash crowd rises for five minutes, and then halves every 20 minutes."""


def generated(spec: str, choice: Choice) -> CountTrace:
    """Return the trace of `name` or `name:number:number`. It is long enough for the choice, by default for one day.

    Raise `TraceError`, with the valid forms, for an unknown name or invalid numbers.
    """
    name, *numbers = spec.strip().lower().split(":")
    name = name.replace("-", "_")
    generator = GENERATORS.get(name)
    if generator is None or len(numbers) > len(generator.parameters):
        units = "rates in messages/s, times in s"
        what = f"{spec!r} is not a synthetic load. Use one of: {forms()} ({units}). For a file, use --trace"
        raise TraceError("--load", what)
    values = [_value(spec, each, text) for each, text in zip(generator.parameters, numbers, strict=False)]
    values += [each.default for each in generator.parameters[len(values) :]]
    named = ":".join([name, *(str(value).removesuffix(".0") for value in values)])
    days = choice.from_day + (choice.days or 1)
    return CountTrace(named, MINUTE_S, generator.counts(days, *values))


def forms() -> str:
    """Return the form of each generator, for messages to the operator."""
    return ", ".join(generator.form(name) for name, generator in GENERATORS.items())


def _value(spec: str, parameter: Parameter, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not parameter.least <= value <= parameter.most:
        limits = f"{number(parameter.least)} to {number(parameter.most)}"
        raise TraceError(f"--load {spec}", f"{parameter.name} is {text!r}, but must be a number from {limits}")
    return value


def steady(days: int, rate: float) -> Floats:
    """Return a constant rate."""
    return np.full(days * MINUTES_PER_DAY, rate * MINUTE_S)


def diurnal(days: int, rate: float) -> Floats:
    """Return days like real ones: nights at a fifth of the mean, two peaks with a dip at noon, and a different random
    drift on each day. Each day has the mean `rate`. Additional days do not change earlier ones.
    """
    hours = np.append(np.array(BY_HOUR, dtype=np.float64), BY_HOUR[0])
    usual = np.interp((np.arange(MINUTES_PER_DAY) / 60 - 0.5) % 24, np.arange(25), hours)
    courses = (usual * _drift(days)).reshape(days, MINUTES_PER_DAY)
    return np.asarray(courses / courses.mean(axis=1, keepdims=True) * rate * MINUTE_S).reshape(-1)


def _drift(days: int) -> Floats:
    """Return random factors around 1, correlated from minute to minute: an autoregressive process of order 1."""
    correlation = math.exp(-MINUTE_S / DRIFT_S)
    shocks = stream(0, DEFAULT).normal(0.0, DRIFT * math.sqrt(1 - correlation**2), days * MINUTES_PER_DAY)
    level, levels = 0.0, []
    for shock in shocks.tolist():
        level = correlation * level + shock
        levels.append(level)
    return np.asarray(np.exp(levels)).reshape(days, MINUTES_PER_DAY)


def flash_crowd(days: int, rate: float, times: float) -> Floats:
    """Return a steady rate that rises to `times` the rate in the middle of the last day, and falls back slowly."""
    since_s = (np.arange(days * MINUTES_PER_DAY) + 0.5) * MINUTE_S - (days - 0.5) * DAY_S
    risen = np.clip(since_s / RISE_S, 0.0, 1.0)
    crowd = risen * 0.5 ** (np.maximum(since_s - RISE_S, 0.0) / HALVED_S)
    return np.asarray((1 + (times - 1) * crowd) * rate * MINUTE_S)


def on_off(days: int, rate: float, on_s: float, off_s: float) -> Floats:
    """Return `rate` for `on_s`, then 0 for `off_s`, repeatedly, starting with `on_s`."""
    rounds, within_s = np.divmod(_edges(days), on_s + off_s)
    on_until = rounds * on_s + np.minimum(within_s, on_s)
    return np.maximum(np.diff(on_until), 0.0) * rate


def batch(days: int, messages: float, every_s: float) -> Floats:
    """Return `messages` in the minutes of 0, `every_s`, 2 x `every_s`, ..."""
    begun = np.ceil(_edges(days) / every_s)
    return np.asarray(np.diff(begun) * messages)


def ramp(days: int, first: float, last: float) -> Floats:
    """Return a rate that changes linearly from `first` to `last` over all days."""
    middle: Floats = (np.arange(days * MINUTES_PER_DAY) + 0.5) / (days * MINUTES_PER_DAY)
    return np.asarray((first + (last - first) * middle) * MINUTE_S)


def _edges(days: int) -> Floats:
    return np.arange(days * MINUTES_PER_DAY + 1, dtype=np.float64) * MINUTE_S


def _rate(default: float, name: str = "RATE") -> Parameter:
    return Parameter(name, default, 0.0, 1e6)


def _time(default: float, name: str) -> Parameter:
    return Parameter(name, default, 1.0, LONGEST_S)


GENERATORS: Mapping[str, Generator] = MappingProxyType(
    {
        "steady": Generator("a constant rate", (_rate(4.0),), steady),
        "diurnal": Generator("a working day with this mean rate, similar to real traffic", (_rate(4.0),), diurnal),
        "flash_crowd": Generator(
            "a constant rate, and TIMES the rate in the middle of the last day",
            (_rate(2.0), Parameter("TIMES", 10.0, 1.0, 1e6)),
            flash_crowd,
        ),
        "on_off": Generator(
            "this rate for ON seconds, then no messages for OFF seconds",
            (_rate(8.0), _time(600.0, "ON"), _time(1200.0, "OFF")),
            on_off,
        ),
        "batch": Generator(
            "MESSAGES messages every EVERY seconds", (_rate(2000.0, "MESSAGES"), _time(3600.0, "EVERY")), batch
        ),
        "ramp": Generator("a linear change from FROM to TO", (_rate(0.0, "FROM"), _rate(10.0, "TO")), ramp),
    }
)
