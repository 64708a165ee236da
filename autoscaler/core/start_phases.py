"""Where the start-up time of tasks goes, from the times that ECS records for each task.

- placing: from the creation of the task to the begin of the image pull. ECS finds capacity and attaches a network
  interface; on instances, it may launch one.
- pulling: from the begin to the end of the pull of all images.
- booting: from the end of the pull until the task runs: its containers are created and started.

The three add up to the whole. A time that ECS did not record is unknown, never zero. A task whose times contradict each
other is left out.

ECS records no time at which a task became healthy: only its health at the time of the reading is known, and how long it
had run by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from math import isnan, log, nan, sqrt
from statistics import fmean, pvariance
from struct import Struct
from typing import NamedTuple
from zlib import crc32

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
    `task`: the `task_number` of its ID. `revision`: its task definition, `family:revision`. `healthy`: the result of
    its container health checks when it was read (None: it has none, or no result yet). `read_after_s`: how long it had
    run by then (None: not known).
    """

    task: int
    revision: str
    created: float
    started: float
    pull_started: float | None = None
    pull_stopped: float | None = None
    healthy: bool | None = None
    read_after_s: float | None = None

    @property
    def is_consistent(self) -> bool:
        """Whether the known times are in the order of the phases."""
        known = [at for at in (self.created, self.pull_started, self.pull_stopped, self.started) if at is not None]
        return known == sorted(known)

    @property
    def whole_s(self) -> float:
        """Seconds from the creation of the task until it ran."""
        return self.started - self.created

    def took_s(self, phase: StartPhase) -> float | None:
        """Return the seconds of the phase (None: unknown)."""
        start, end = {
            StartPhase.PLACING: (self.created, self.pull_started),
            StartPhase.PULLING: (self.pull_started, self.pull_stopped),
            StartPhase.BOOTING: (self.pull_stopped, self.started),
        }[phase]
        return None if start is None or end is None else end - start

    @property
    def typical_s(self) -> float | None:
        """The start-up time for the estimate (None: an exception that teaches nothing about the next start)."""
        placing_s = self.took_s(StartPhase.PLACING)
        waited_s = self.whole_s if placing_s is None else placing_s
        return self.whole_s if waited_s <= STALLED_S and self.whole_s <= LONGEST_S else None


def task_number(name: str) -> int:
    """Return a number of 32 bits for the ID of a task. Of 500 tasks, two have the same one with a probability of 3 in
    100,000; one of them is then left out.
    """
    return crc32(name.encode())


_PACKED = Struct("<Idddddb")
"""A stored task: number, the four times, `read_after_s` and `healthy`; NaN and -1 are None."""


class RevisionStarts(NamedTuple):
    """The newest started tasks of one revision, oldest first: 45 bytes each."""

    revision: str
    packed: bytes

    @property
    def tasks(self) -> tuple[StartedTask, ...]:
        return tuple(_unpacked(self.revision, values) for values in _PACKED.iter_unpack(self.packed))


def _packed(task: StartedTask) -> bytes:
    optional = (nan if each is None else each for each in (task.pull_started, task.pull_stopped, task.read_after_s))
    healthy = -1 if task.healthy is None else task.healthy
    return _PACKED.pack(task.task, task.created, task.started, *optional, healthy)


def _unpacked(revision: str, values: tuple[int, float, float, float, float, float, int]) -> StartedTask:
    number, created, started, *optional, healthy = values
    begun, ended, after_s = (None if isnan(each) else each for each in optional)
    return StartedTask(number, revision, created, started, begun, ended, None if healthy < 0 else healthy == 1, after_s)


def with_started(known: Sequence[RevisionStarts], tasks: Iterable[StartedTask]) -> tuple[RevisionStarts, ...]:
    """Return the stored starts with these tasks: each task counts once, with its first reading. The revision with the
    newest start is last. The order of the tasks makes no difference. A task whose times contradict each other is left
    out.
    """
    each = {task.task: task for task in tasks if task.is_consistent}
    each |= {task.task: task for revision in known for task in revision.tasks}
    by_revision: dict[str, list[StartedTask]] = {}
    for task in sorted(each.values(), key=_when):
        by_revision.setdefault(task.revision, []).append(task)
    newest = sorted(by_revision.items(), key=lambda revision: _when(revision[1][-1]))[-MOST_REVISIONS:]
    return tuple(RevisionStarts(name, b"".join(map(_packed, started[-MOST_TASKS:]))) for name, started in newest)


def _when(task: StartedTask) -> tuple[float, int]:
    return task.started, task.task


class Quantiles(NamedTuple):
    """The median and the 90th percentile in seconds, of a number of tasks."""

    median_s: float
    p90_s: float
    tasks: int


SOON_S = 300.0
"""A reading this long after a start, or later, says nothing about the time until the task was healthy."""


class StartHealth(NamedTuple):
    """Of `tasks` tasks, `healthy` were healthy and `unhealthy` were not when they were read, a median of `after_s`
    seconds after they ran; the others had no result yet.
    """

    healthy: int
    unhealthy: int
    tasks: int
    after_s: float

    @property
    def sentence(self) -> str:
        bad = f", {self.unhealthy} unhealthy" if self.unhealthy else ""
        when = f"{_seconds(self.after_s)} s after they ran (median)"
        return f"health checks: {self.healthy} of {several(self.tasks, 'task')} healthy{bad}, read {when}"


class StartTimes(NamedTuple):
    """The start-up times of one revision. `phases`: without those that no task has. `health`: the results of the health
    checks of tasks that were read soon after their start (None: no task has health checks). `modes`: fast and slow
    starts (None: one kind). `slowest`: the phase that takes the most time in slow starts (None: not known).
    """

    revision: str
    whole: Quantiles
    phases: tuple[tuple[StartPhase, Quantiles], ...]
    health: StartHealth | None = None
    modes: Modes | None = None
    slowest: StartPhase | None = None

    @property
    def longest(self) -> StartPhase | None:
        """The phase that takes the most time, of slow starts if there are two kinds (None: the start is short, or what
        is unknown may take more).
        """
        if self.modes is not None:
            return self.slowest
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
            slow = f"{100 * self.modes.slow_share:.0f} % of the starts take about {_seconds(self.modes.slow_s)} s"
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
    modes = two_modes([typical_s for task in tasks if (typical_s := task.typical_s) is not None])
    return StartTimes(
        starts.revision,
        _quantiles([task.whole_s for task in tasks]),
        tuple((phase, _quantiles(took)) for phase, took in each.items() if took),
        _health(tasks),
        modes,
        None if modes is None else _slowest(tasks, modes),
    )


def _slowest(tasks: Sequence[StartedTask], modes: Modes) -> StartPhase | None:
    """Return the phase that takes the most time in slow starts (None: a phase is not known)."""
    whole = [[task.took_s(phase) or 0.0 for phase in StartPhase] for task in tasks if _is_slow(task, modes)]
    if not whole:
        return None
    sums = [sum(each) for each in zip(*whole, strict=True)]
    return list(StartPhase)[sums.index(max(sums))]


def _is_slow(task: StartedTask, modes: Modes) -> bool:
    is_known = all(task.took_s(phase) is not None for phase in StartPhase)
    return is_known and task.typical_s is not None and task.typical_s > modes.limit_s


def _health(tasks: Sequence[StartedTask]) -> StartHealth | None:
    """Return the health of the tasks that were read soon after they ran (None: none has health checks)."""
    soon = [task for task in tasks if task.read_after_s is not None and task.read_after_s < SOON_S]
    if all(task.healthy is None for task in soon):
        return None
    healthy, unhealthy = (sum(task.healthy is result for task in soon) for result in (True, False))
    after_s = _quantiles([task.read_after_s or 0.0 for task in soon]).median_s
    return StartHealth(healthy, unhealthy, len(soon), after_s)


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
