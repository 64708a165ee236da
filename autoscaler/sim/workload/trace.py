"""What a recording of a load says, and how one is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from autoscaler.errors import ConfigError, Problem
from autoscaler.sim.model import Floats

DAY_S = 86_400.0

LONGEST_S = 3_660 * DAY_S
"""Ten years: no recording is longer, and seconds since 1970 are told from seconds since a recording's start."""

Progress: TypeAlias = Callable[[float], None]
"""Told how much of the work is done: 0 to 1."""


def silent(_: float) -> None:
    """Nobody watches."""


class TraceError(ConfigError):
    """A load that cannot be simulated: where it is wrong (the file, and its line if there is one), and the remedy."""

    def __init__(self, where: str, what: str) -> None:
        self.where = where
        self.what = what
        super().__init__([Problem(where, what)])

    def __reduce__(self) -> tuple[type[TraceError], tuple[str, str]]:
        """It may be raised in another process than the one that tells it."""
        return TraceError, (self.where, self.what)


@dataclass(frozen=True, slots=True, eq=False)
class CountTrace:
    """How many messages came in each interval of `interval_s` from 0 on; `absent` of them the recording left out, and
    these are taken for empty.
    """

    name: str
    interval_s: float
    counts: Floats
    absent: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class JobTrace:
    """When each job came, ascending, in seconds from the trace's start, and how long it took."""

    name: str
    arrivals_s: Floats
    service_s: Floats
