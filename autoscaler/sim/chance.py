"""Named random streams: each purpose draws from a separate stream, so the draws of one policy never change another's.

Common random numbers: with the same seed, every policy gets the same arrivals, the same service times, and the same
start-up time of its first, second, ... launched task.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TypeAlias
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

NORMAL_95 = 1.6448536269514722
"""The 95th percentile of the standard normal distribution."""


def stream(seed: int, purpose: str) -> np.random.Generator:
    """Return a new generator for the purpose and seed. Equal arguments give equal draws."""
    return np.random.Generator(np.random.PCG64([seed, crc32(purpose.encode())]))


@dataclass(frozen=True, slots=True)
class DurationDistribution:
    """A distribution of durations in seconds, written as `kind:parameters`. `mean_s` is its mean.

    `constant:S`, `exponential:S`, `lognormal:S:CV` and `pareto:S:ALPHA` (Pareto I with the minimum
    `S x (ALPHA-1)/ALPHA`, `ALPHA` > 1) all have the mean `S`.
    """

    kind: str
    mean_s: float
    shape: float = 0.0

    @staticmethod
    def parse(text: str) -> DurationDistribution:
        """Parse `kind:parameters`. Raise `ValueError` with the valid forms."""
        kind, *numbers = text.strip().lower().split(":")
        expected = {"constant": 1, "exponential": 1, "lognormal": 2, "pareto": 2}.get(kind)
        try:
            values = [float(number) for number in numbers]
        except ValueError:
            values = []
        if expected is None or len(values) != expected or not all(map(math.isfinite, values)):
            raise ValueError(
                f"{text!r} is not one of: constant:S, exponential:S, lognormal:S:CV, pareto:S:ALPHA (S: mean, in s)"
            )
        shape = values[1] if expected > 1 else 0.0
        if values[0] <= 0 or shape < 0 or (kind == "pareto" and shape <= 1):
            raise ValueError(f"{text!r} is not valid: S must be above 0, CV at least 0, and ALPHA above 1")
        return DurationDistribution(kind, values[0], shape)

    def __str__(self) -> str:
        numbers = (self.mean_s, self.shape) if self.kind in {"lognormal", "pareto"} else (self.mean_s,)
        return ":".join((self.kind, *(f"{number:g}" for number in numbers)))

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        """Return `size` independent durations in seconds."""
        match self.kind:
            case "constant":
                return np.full(size, self.mean_s)
            case "exponential":
                return rng.exponential(self.mean_s, size)
            case "pareto":
                least = self.mean_s * (self.shape - 1) / self.shape
                return least * (1 + rng.pareto(self.shape, size))
        variance = math.log1p(self.shape**2)
        return rng.lognormal(math.log(self.mean_s) - variance / 2, math.sqrt(variance), size)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Durations of two kinds: a random `share` (0 to 1) is drawn from `other`, the rest from `usual`. It is written as
    `USUAL,PERCENT%=OTHER`, such as `constant:1,10%=constant:120`.
    """

    usual: DurationDistribution
    other: DurationDistribution
    share: float

    @property
    def mean_s(self) -> float:
        return (1 - self.share) * self.usual.mean_s + self.share * self.other.mean_s

    def __str__(self) -> str:
        return f"{self.usual},{100 * self.share:g}%={self.other}"

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        """Return `size` independent durations in seconds."""
        usual, other = self.usual.sample(rng, size), self.other.sample(rng, size)
        return np.where(rng.random(size) < self.share, other, usual)


Durations: TypeAlias = DurationDistribution | Mixture


def durations(text: str) -> Durations:
    """Parse a distribution or a mixture of two. Raise `ValueError` with the valid forms."""
    usual, other, share = _parts(text)
    if other is None:
        return DurationDistribution.parse(usual)
    return Mixture(DurationDistribution.parse(usual), DurationDistribution.parse(other), share)


def _parts(text: str) -> tuple[str, str | None, float]:
    """Return the two parts of `USUAL,PERCENT%=OTHER` and the share of the other part. Without a comma, there is one."""
    usual, comma, rest = text.partition(",")
    if not comma:
        return usual, None, 0.0
    percent, equals, other = rest.partition("%=")
    try:
        share = float(percent) / 100
    except ValueError:
        share = math.nan
    if not equals or not 0 < share < 1:
        raise ValueError(f"{text!r} is not USUAL,PERCENT%=OTHER, with a PERCENT between 0 and 100")
    return usual, other, share


@dataclass(frozen=True, slots=True)
class StartUp:
    """Time from the launch of a task to its first receive: lognormal with this median and 95th percentile, and at least
    `least_s`. The defaults are those of the scorecard. A random share of the tasks has the start-up time `other`.
    """

    median_s: float = 45.0
    p95_s: float = 80.0
    least_s: float = 20.0
    other: StartUp | None = None
    other_share: float = 0.0

    @staticmethod
    def parse(text: str) -> StartUp:
        """Parse `lognormal:MEDIAN:P95`, `constant:S`, or a mixture of two: `USUAL,PERCENT%=OTHER`. Raise `ValueError`
        with the valid forms.
        """
        usual, other, share = _parts(text)
        if other is not None:
            return replace(StartUp.parse(usual), other=StartUp.parse(other), other_share=share)
        kind, *numbers = text.strip().lower().split(":")
        try:
            values = [float(number) for number in numbers]
        except ValueError:
            values = []
        if kind == "constant" and len(values) == 1 and 0 <= values[0] < math.inf:
            return StartUp(values[0], values[0], values[0])
        if kind == "lognormal" and len(values) == 2 and 0 < values[0] <= values[1] < math.inf:
            return StartUp(values[0], values[1])
        raise ValueError(
            f"{text!r} is not one of: lognormal:MEDIAN:P95 (MEDIAN at most P95), constant:S (times in seconds)"
        )

    def __str__(self) -> str:
        if self.other is not None:
            return f"{replace(self, other=None)},{100 * self.other_share:g}%={self.other}"
        if self.median_s == self.p95_s == self.least_s:
            return f"constant:{self.median_s:g}"
        return f"lognormal:{self.median_s:g}:{self.p95_s:g}"

    def sample(self, rng: np.random.Generator, size: int) -> Floats:
        """Return `size` start-up times in seconds. One large sample equals several small ones after each other."""
        if self.other is not None:
            picked, magnitude = rng.standard_normal((size, 2)).T
            is_other = picked < NormalDist().inv_cdf(self.other_share)
            return np.where(is_other, _start_ups(self.other, magnitude), _start_ups(self, magnitude))
        if self.median_s == self.p95_s:
            return np.full(size, max(self.median_s, self.least_s))
        return np.maximum(rng.lognormal(math.log(self.median_s), _sigma(self), size), self.least_s)


def _sigma(start_up: StartUp) -> float:
    return math.log(start_up.p95_s / start_up.median_s) / NORMAL_95


def _start_ups(start_up: StartUp, magnitude: Floats) -> Floats:
    """Return the start-up times of these standard normal values. A mixture counts as its usual part."""
    if start_up.median_s == start_up.p95_s:
        return np.full(magnitude.size, max(start_up.median_s, start_up.least_s))
    return np.maximum(np.exp(math.log(start_up.median_s) + _sigma(start_up) * magnitude), start_up.least_s)
