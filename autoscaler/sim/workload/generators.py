"""Loads that are made, not recorded: to see a policy at work without any file.

They are expected counts by the minute, exact integrals of a rate, and hold no chance but a fixed one: the same name
gives the same trace. Chance comes in where messages are drawn from it. Rates are in messages a second, times in
seconds. Law: what a trace holds in all is its rate's integral.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from autoscaler.sim.chance import stream
from autoscaler.sim.model import MINUTE_S, Floats
from autoscaler.sim.workload.choosing import Choice
from autoscaler.sim.workload.trace import DAY_S, LONGEST_S, CountTrace, TraceError

MINUTES = int(DAY_S / MINUTE_S)


class Parameter(NamedTuple):
    """One number of a generator, from `least` to `most`, both of which may be chosen."""

    name: str
    default: float
    least: float
    most: float


class Generator(NamedTuple):
    """A load by name. `counts` are the expected messages of each minute of so many days, given the parameters."""

    shows: str
    parameters: tuple[Parameter, ...]
    counts: Callable[..., Floats]

    def form(self, name: str) -> str:
        return ":".join([name, *(each.name for each in self.parameters)])


DEFAULT = "diurnal"
"""What is simulated where nothing is named: with service times of 5 s, twenty tasks on average."""

BY_HOUR = (30, 25, 22, 21, 23, 32, 52, 82, 118, 146, 158, 153, 132, 142, 155, 152, 141, 128, 115, 106, 98, 84, 64, 44)
"""A working day with an evening, by the hour from midnight on, at the middle of each hour: only ratios count."""

DRIFT, DRIFT_S = 0.1, 1800.0
"""Relative standard deviation of a real day's minutes around its usual course, and for how long one lasts."""

RISE_S, HALVED_S = 300.0, 1200.0
"""A crowd comes within five minutes, and is half gone every twenty."""


def generated(spec: str, choice: Choice) -> CountTrace:
    """The trace of `name`, or of `name:number:number`: long enough for the choice, one day of it where none is said.

    Raises `TraceError`, with the forms, for a name or numbers that are none of `GENERATORS`.
    """
    name, *numbers = spec.strip().lower().split(":")
    name = name.replace("-", "_")
    generator = GENERATORS.get(name)
    if generator is None or len(numbers) > len(generator.parameters):
        raise TraceError(repr(spec), f"is none of {forms()}")
    values = [_value(spec, each, text) for each, text in zip(generator.parameters, numbers, strict=False)]
    values += [each.default for each in generator.parameters[len(values) :]]
    named = ":".join([name, *(str(value).removesuffix(".0") for value in values)])
    days = choice.from_day + (choice.days or 1)
    return CountTrace(named, MINUTE_S, generator.counts(days, *values))


def forms() -> str:
    """How each is written, for people."""
    return ", ".join(generator.form(name) for name, generator in GENERATORS.items())


def _value(spec: str, parameter: Parameter, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not parameter.least <= value <= parameter.most:
        limits = f"{parameter.least:g} to {parameter.most:g}"
        raise TraceError(repr(spec), f"{parameter.name} is {text!r}: it must be a number from {limits}")
    return value


def steady(days: int, rate: float) -> Floats:
    """The same rate all the time."""
    return np.full(days * MINUTES, rate * MINUTE_S)


def diurnal(days: int, rate: float) -> Floats:
    """A real day: nights at a fifth of the mean, a noon between two peaks, and a drift that no day shares with
    another. Each day has the mean `rate`; more days change nothing of the earlier ones.
    """
    hours = np.append(np.array(BY_HOUR, dtype=np.float64), BY_HOUR[0])
    usual = np.interp((np.arange(MINUTES) / 60 - 0.5) % 24, np.arange(25), hours)
    courses = (usual * _drift(days)).reshape(days, MINUTES)
    return np.asarray(courses / courses.mean(axis=1, keepdims=True) * rate * MINUTE_S).reshape(-1)


def _drift(days: int) -> Floats:
    """Around 1, each minute near to the one before: autoregressive, of order one."""
    kept = math.exp(-MINUTE_S / DRIFT_S)
    shocks = stream(0, DEFAULT).normal(0.0, DRIFT * math.sqrt(1 - kept**2), days * MINUTES)
    level, levels = 0.0, []
    for shock in shocks.tolist():
        level = kept * level + shock
        levels.append(level)
    return np.asarray(np.exp(levels)).reshape(days, MINUTES)


def flash_crowd(days: int, rate: float, times: float) -> Floats:
    """A steady rate; in the middle of the last day it rises to so many times itself, and falls back slowly."""
    since_s = (np.arange(days * MINUTES) + 0.5) * MINUTE_S - (days - 0.5) * DAY_S
    risen = np.clip(since_s / RISE_S, 0.0, 1.0)
    crowd = risen * 0.5 ** (np.maximum(since_s - RISE_S, 0.0) / HALVED_S)
    return np.asarray((1 + (times - 1) * crowd) * rate * MINUTE_S)


def on_off(days: int, rate: float, on_s: float, off_s: float) -> Floats:
    """`rate` for `on_s`, nothing for `off_s`, and so on; on at the start."""
    rounds, within_s = np.divmod(_edges(days), on_s + off_s)
    on_until = rounds * on_s + np.minimum(within_s, on_s)
    return np.maximum(np.diff(on_until), 0.0) * rate


def batch(days: int, messages: float, every_s: float) -> Floats:
    """So many messages in the minute of 0, `every_s`, twice that, ..."""
    begun = np.ceil(_edges(days) / every_s)
    return np.asarray(np.diff(begun) * messages)


def ramp(days: int, first: float, last: float) -> Floats:
    """From the one rate to the other in a straight line over all the days."""
    middle: Floats = (np.arange(days * MINUTES) + 0.5) / (days * MINUTES)
    return np.asarray((first + (last - first) * middle) * MINUTE_S)


def _edges(days: int) -> Floats:
    return np.arange(days * MINUTES + 1, dtype=np.float64) * MINUTE_S


def _rate(default: float, name: str = "RATE") -> Parameter:
    return Parameter(name, default, 0.0, 1e6)


def _time(default: float, name: str) -> Parameter:
    return Parameter(name, default, 1.0, LONGEST_S)


GENERATORS: Mapping[str, Generator] = MappingProxyType(
    {
        "steady": Generator("the same rate all the time", (_rate(4.0),), steady),
        "diurnal": Generator("a working day of that mean rate, as real ones are", (_rate(4.0),), diurnal),
        "flash_crowd": Generator(
            "a steady rate, and TIMES as much in the middle of the last day",
            (_rate(2.0), Parameter("TIMES", 10.0, 1.0, 1e6)),
            flash_crowd,
        ),
        "on_off": Generator(
            "that rate for ON seconds, nothing for OFF seconds",
            (_rate(8.0), _time(600.0, "ON"), _time(1200.0, "OFF")),
            on_off,
        ),
        "batch": Generator(
            "so many messages every EVERY seconds", (_rate(2000.0, "MESSAGES"), _time(3600.0, "EVERY")), batch
        ),
        "ramp": Generator("a rate that rises or falls steadily", (_rate(0.0, "FROM"), _rate(10.0, "TO")), ramp),
    }
)
