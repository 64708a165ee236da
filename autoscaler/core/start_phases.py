"""Where the start-up time of tasks goes, from the times that ECS records for each task.

- placing: from the creation of the task to the begin of the image pull. ECS finds capacity and attaches a network
  interface; on instances, it may launch one.
- pulling: from the begin to the end of the pull of all images.
- booting: from the end of the pull until the task runs: its containers are created and started.

The three add up to the whole. A time that ECS did not record, or that contradicts another, is unknown, never zero. ECS
does not record when a task became healthy; only its health at the time of the reading is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from math import log, sqrt
from statistics import fmean, pvariance
from typing import NamedTuple

from autoscaler.core.figures import several

MOST_TASKS, MOST_REVISIONS = 64, 3
"""The newest started tasks of a revision that are stored, and the newest revisions."""

SHORT_S = 10.0
"""A median start of less than this needs no advice."""

STALLED_S, LONGEST_S = 300.0, 1_800.0
"""A start teaches nothing about the next one if its placing took longer than the first (there was no capacity), or all
of it longer than the second.
"""


class StartPhase(StrEnum):
    """The phases of a start, in their order."""

    PLACING = "placing"
    PULLING = "pulling"
    BOOTING = "booting"


ADVICE = {
    StartPhase.PLACING: "capacity that is ready (warm instances, another capacity provider) would help most",
    StartPhase.PULLING: "a smaller image would help most",
    StartPhase.BOOTING: "a program that starts faster would help most",
}
"""What makes the start shorter if this phase is the longest."""

REMEDIES = {
    StartPhase.PLACING: "keep instances running ahead of demand, offer more subnets and zones, or use another capacity "
    "provider",
    StartPhase.PULLING: "make the image smaller, load it lazily with a SOCI index, and keep it in a registry of the "
    "same Region",
    StartPhase.BOOTING: "start the containers with fewer dependencies on each other, and do less work before the "
    "program is ready",
}
"""The same in detail, as a remedy."""


class StartedTask(NamedTuple):
    """One task that runs or ran. Times are in seconds since the epoch, as ECS recorded them (None: not recorded).
    `task`: its ID. `revision`: its task definition, `family:revision`. `healthy`: the result of its container health
    checks when it was read (None: it has none, or no result yet).
    """

    task: str
    revision: str
    created: float
    started: float
    pull_started: float | None = None
    pull_stopped: float | None = None
    healthy: bool | None = None

    @property
    def whole_s(self) -> float:
        """Seconds from the creation of the task until it ran."""
        return self.started - self.created

    def took_s(self, phase: StartPhase) -> float | None:
        """Return the seconds of the phase (None: unknown). Times in an impossible order are unknown."""
        began, ended = self.pull_started, self.pull_stopped
        if began is not None and not self.created <= began <= self.started:
            began = None
        if ended is not None and not (self.created if began is None else began) <= ended <= self.started:
            ended = None
        start, end = {
            StartPhase.PLACING: (self.created, began),
            StartPhase.PULLING: (began, ended),
            StartPhase.BOOTING: (ended, self.started),
        }[phase]
        return None if start is None or end is None else end - start

    @property
    def typical_s(self) -> float | None:
        """The start-up time for the estimate (None: an exception that teaches nothing about the next start)."""
        placing_s = self.took_s(StartPhase.PLACING)
        waited_s = self.whole_s if placing_s is None else placing_s
        return self.whole_s if 0 <= waited_s <= STALLED_S and 0 <= self.whole_s <= LONGEST_S else None


class RevisionStarts(NamedTuple):
    """The newest started tasks of one revision, oldest first."""

    revision: str
    tasks: tuple[StartedTask, ...]


def with_started(known: Sequence[RevisionStarts], tasks: Iterable[StartedTask]) -> tuple[RevisionStarts, ...]:
    """Return the stored starts with these tasks: each task counts once, with its first reading. The revision with the
    newest start is last. The order of the tasks makes no difference.
    """
    each = {task.task: task for task in tasks if task.whole_s >= 0}
    each |= {task.task: task for revision in known for task in revision.tasks}
    by_revision: dict[str, list[StartedTask]] = {}
    for task in sorted(each.values(), key=_when):
        by_revision.setdefault(task.revision, []).append(task)
    found = [RevisionStarts(name, tuple(started[-MOST_TASKS:])) for name, started in by_revision.items()]
    return tuple(sorted(found, key=lambda revision: _when(revision.tasks[-1]))[-MOST_REVISIONS:])


def _when(task: StartedTask) -> tuple[float, str]:
    return task.started, task.task


class Quantiles(NamedTuple):
    """The median and the 90th percentile in seconds, of a number of tasks."""

    median_s: float
    p90_s: float
    tasks: int


class StartTimes(NamedTuple):
    """The start-up times of one revision. `phases`: without those that no task has. `healthy`, `unhealthy`: the tasks
    with that result of their health checks when they were read.
    """

    revision: str
    whole: Quantiles
    phases: tuple[tuple[StartPhase, Quantiles], ...]
    healthy: int = 0
    unhealthy: int = 0
    modes: Modes | None = None

    @property
    def longest(self) -> StartPhase | None:
        """The phase that takes the most time (None: the start is short, or what is unknown may take more)."""
        known = [(times.median_s, phase) for phase, times in self.phases]
        if self.whole.median_s < SHORT_S or not known:
            return None
        longest_s, phase = max(known)
        complete = len(known) == len(StartPhase)
        rest_s = 0.0 if complete else self.whole.median_s - sum(median_s for median_s, _ in known)
        return phase if longest_s >= rest_s else None

    @property
    def sentence(self) -> str:
        """The times and the advice: `median 48 s: 9 placing, 31 pulling, 8 booting; a smaller image would help most`.
        Each number is the median of its phase; medians do not always add up to that of the whole.
        """
        known = dict(self.phases)
        parts = [
            f"{_seconds(known[phase].median_s)} {phase}" if phase in known else f"{phase} unknown"
            for phase in StartPhase
        ]
        words = f"median {_seconds(self.whole.median_s)} s: {', '.join(parts)}"
        if self.modes is not None:
            slow = f"{self.modes.slow_share:.0%} of the starts take about {_seconds(self.modes.slow_s)} s"
            words = f"{words}; {slow}, the others {_seconds(self.modes.fast_s)} s"
        return words if self.longest is None else f"{words}; {ADVICE[self.longest]}"

    @property
    def basis(self) -> str:
        """The revision and the number of starts that the times come from."""
        return f"{several(self.whole.tasks, 'start')} of {self.revision}"


def _seconds(value: float) -> str:
    return f"{value:.1f}" if 0 < value < 1 else f"{value:,.0f}"


def start_times(starts: RevisionStarts) -> StartTimes:
    """Return the times of a revision, which has at least one task."""
    tasks = starts.tasks
    each = {phase: [took_s for task in tasks if (took_s := task.took_s(phase)) is not None] for phase in StartPhase}
    return StartTimes(
        starts.revision,
        _quantiles([task.whole_s for task in tasks]),
        tuple((phase, _quantiles(took)) for phase, took in each.items() if took),
        sum(task.healthy is True for task in tasks),
        sum(task.healthy is False for task in tasks),
        two_modes([typical_s for task in tasks if (typical_s := task.typical_s) is not None]),
    )


def _quantiles(seconds: Sequence[float]) -> Quantiles:
    ordered, many = sorted(seconds), len(seconds)
    return Quantiles((ordered[(many - 1) // 2] + ordered[many // 2]) / 2, ordered[int(0.9 * many)], many)


# Two kinds of starts: on an instance that runs already, and on one that is launched first.
#
# A mean of both describes neither: with 5 s and 180 s, no start takes 57 s. Logarithms are compared, because times of a
# kind vary by a factor.

LEAST_STARTS, LEAST_OF_A_KIND = 30, 3
"""The starts, and those of each kind, without which two kinds are not assumed."""

SEPARATED = 5.0
"""The distance of the two means, in standard deviations of a kind, from which there are two kinds (Ashman's D). Cut in
two, a distribution with one peak gives less: a normal distribution 2.7, and a uniform one, the worst, 3.5. Of 30 starts
with one peak, 0 to 5 % are taken for two kinds, which costs little: the plan then follows both halves.
"""

APART_RATIO, APART_S = 2.0, 10.0
"""The slow starts must take this many times as long as the fast ones, and this many seconds more: a plan would not
differ otherwise.
"""


class Modes(NamedTuple):
    """Two kinds of starts: the share of the slow ones, both means in seconds, and the time that divides them."""

    slow_share: float
    fast_s: float
    slow_s: float
    limit_s: float


def two_modes(seconds: Sequence[float]) -> Modes | None:
    """Return the two kinds of starts (None: they are not clearly of two kinds). The order makes no difference."""
    ordered = sorted(seconds)
    many = len(ordered)
    if many < LEAST_STARTS:
        return None
    logs = [log(max(each, 1.0)) for each in ordered]
    fast = _division(logs)
    if min(fast, many - fast) < LEAST_OF_A_KIND:
        return None
    fast_s, slow_s = fmean(ordered[:fast]), fmean(ordered[fast:])
    apart = fmean(logs[fast:]) - fmean(logs[:fast])
    spread = sqrt((pvariance(logs[:fast]) + pvariance(logs[fast:])) / 2)
    if apart <= SEPARATED * spread or slow_s < max(APART_RATIO * fast_s, fast_s + APART_S):
        return None
    return Modes((many - fast) / many, fast_s, slow_s, (ordered[fast - 1] + ordered[fast]) / 2)


def _division(ordered: Sequence[float]) -> int:
    """Return the number of values below the division that explains most of the variance (Otsu's method)."""
    many, mean, below, best, division = len(ordered), fmean(ordered), 0.0, -1.0, 1
    for fast in range(1, many):
        below += ordered[fast - 1]
        between = (below - fast * mean) ** 2 / (fast * (many - fast))
        if between > best:
            best, division = between, fast
    return division
