"""Traces of a load, and the error for an invalid one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from autoscaler.errors import ConfigError, Problem
from autoscaler.sim.model import Floats

DAY_S = 86_400.0

LONGEST_S = 3_660 * DAY_S
"""Ten years. A longer recording is an error, so that seconds since 1970 in place of since its start are detected."""

Progress: TypeAlias = Callable[[float], None]
"""A callback that receives the completed share of the work, 0 to 1."""


def silent(_: float) -> None:
    """Ignore the progress."""


class TraceError(ConfigError):
    """A load that cannot be simulated. `where`: the file and, if known, its line. `what`: the error and the fix."""

    def __init__(self, where: str, what: str) -> None:
        self.where = where
        self.what = what
        super().__init__([Problem(where, what)])

    def __reduce__(self) -> tuple[type[TraceError], tuple[str, str]]:
        """Support pickling: a worker process can raise the error."""
        return TraceError, (self.where, self.what)


@dataclass(frozen=True, slots=True, eq=False)
class CountTrace:
    """The number of messages in each interval of `interval_s` from 0 on. `missing`: the number of intervals that the
    recording omits; they count as empty.
    """

    name: str
    interval_s: float
    counts: Floats
    missing: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class JobTrace:
    """The arrival of each job, ascending, in seconds from the start of the trace, and its service time in seconds."""

    name: str
    arrivals_s: Floats
    service_s: Floats
