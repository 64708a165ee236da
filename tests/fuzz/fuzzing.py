"""Runs a target on generated inputs, and measures the processor time of each."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from itertools import count
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import HypothesisWarning

from tests.fuzz.targets import Target

LIMIT_S, PER_BYTES = 0.1, 10_000
"""The limit: this processor time per this number of bytes of the input, at least once."""

RATIO = 5.0
"""How much slower than the limit an input may be on a machine that is busy, or slower than the reference."""

ATTEMPTS = 3
EXAMPLES = 500


class TooSlow(AssertionError):
    """An input that takes more processor time than its size permits."""


def size_of(value: Any) -> int:
    match value:
        case str():
            return len(value.encode(errors="surrogatepass"))
        case dict():
            return sum(map(size_of, (*value.keys(), *value.values())))
        case list() | tuple():
            return sum(map(size_of, value))
        case _:
            return len(str(value)) if not isinstance(value, int) or value.bit_length() < 1_000 else 300


def check(target: Target, value: Any) -> None:
    """Read the input. Raises what the target raises, and `TooSlow`, which is confirmed by further attempts."""
    limit_s = RATIO * LIMIT_S * max(1.0, size_of(value) / PER_BYTES)
    spent_s = min(_attempts(target, value, limit_s))
    if spent_s > limit_s:
        raise TooSlow(f"{target.name}: {spent_s:.2f} s for {size_of(value)} bytes")


def _attempts(target: Target, value: Any, limit_s: float) -> Iterator[float]:
    for _ in range(ATTEMPTS):
        begun = time.process_time()
        target.run(value)
        spent_s = time.process_time() - begun
        yield spent_s
        if spent_s <= limit_s:
            return


def run(target: Target, number: int, examples: int = EXAMPLES) -> None:
    """Check generated inputs; a number always gives the same ones. A failing input is reduced and printed."""
    quiet = list(HealthCheck)

    @seed(number)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=quiet, derandomize=False,
              phases=[Phase.generate, Phase.shrink])  # fmt: skip
    @given(target.inputs)
    def each(value: Any) -> None:
        check(target, value)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)  # of long inputs
        each()


def run_for(target: Target, minutes: float, first: int) -> int:
    """Run until the time is over, and return the number of inputs."""
    end = time.monotonic() + 60 * minutes
    for rounds, number in enumerate(count(first), 1):
        run(target, number)
        if time.monotonic() >= end:
            return rounds * EXAMPLES
    raise AssertionError("unreachable")
