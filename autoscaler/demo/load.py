"""The arrivals and processing times of a demo, all computed before the start.

The synthetic load rises and falls, bursts, and ends. It is a Poisson process whose rate follows `CURVE`; the same seed
gives the same load.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import isfinite, pi, sin
from pathlib import Path
from random import Random
from statistics import fmean
from typing import NamedTuple

from autoscaler.core.figures import several
from autoscaler.errors import ConfigError, Problem

MEAN_WORK_S = 1.75
"""Mean processing time of a message without a trace of jobs; times are uniform within half a second of it."""

CELL_S = 5.0
MOST_PER_CELL = 300
"""Messages per cell that the embedded Region supports in addition to the workers' calls: 60 per second over 5 s."""


class Arrival(NamedTuple):
    """A message: when it is sent, in seconds from the start of the load, and its processing time."""

    at_s: float
    work_s: float


@dataclass(frozen=True, slots=True)
class DemoLoad:
    """All arrivals in order, over `duration_s`. `notes`: messages to the user about the load.

    `thinned_by` k: only one of k messages is sent. `work_divided_by`: the divisor of the service times.
    """

    arrivals: tuple[Arrival, ...]
    duration_s: float
    notes: tuple[str, ...] = ()
    thinned_by: int = 1
    work_divided_by: float = 1.0

    @property
    def mean_work_s(self) -> float:
        return fmean(arrival.work_s for arrival in self.arrivals)


class Hump(NamedTuple):
    """A smooth rise and fall between two shares of the duration, with a maximum of `peak` messages per second."""

    begins: float
    ends: float
    peak: float

    def rate(self, share: float) -> float:
        if not self.begins <= share < self.ends:
            return 0.0
        return self.peak * sin(pi * (share - self.begins) / (self.ends - self.begins)) ** 2


CURVE = (Hump(0.0, 0.42, 12.0), Hump(0.1, 0.8, 3.0), Hump(0.5, 0.78, 55.0), Hump(0.66, 0.9, 6.0))
PEAK_RATE = sum(hump.peak for hump in CURVE)


def rate_at(share: float) -> float:
    """Return messages per second at this share of the duration; 0 before 0 and from 0.9 on."""
    return sum(hump.rate(share) for hump in CURVE)


def draw_work_s(random: Random) -> float:
    return MEAN_WORK_S + random.uniform(-0.5, 0.5)


def synthetic_load(duration_s: float, seed: int) -> DemoLoad:
    """Return the synthetic load: arrivals are drawn at the peak rate and thinned to the curve."""
    random = Random(seed)  # noqa: S311  # a repeatable load, no secret
    arrivals, at_s = [], 0.0
    while (at_s := at_s + random.expovariate(PEAK_RATE)) < duration_s:
        if random.random() * PEAK_RATE < rate_at(at_s / duration_s):
            arrivals.append(Arrival(at_s, draw_work_s(random)))
    arrivals = arrivals or [Arrival(0.0, MEAN_WORK_S)]
    return DemoLoad(
        tuple(arrivals), duration_s, (f"{len(arrivals):,} messages: a slow rise and fall, a burst, then none",)
    )


class Bin(NamedTuple):
    """A number of messages in [begins_s, ends_s), in wall time; an instant if both are equal."""

    begins_s: float
    ends_s: float
    messages: float


def thinning(bins: list[Bin]) -> int:
    """Return the least k with which every k-th message gives at most `MOST_PER_CELL` messages per cell of `CELL_S`."""
    cells: dict[int, float] = {}
    for bin_ in bins:
        for cell, share in _cells_of(bin_):
            cells[cell] = cells.get(cell, 0.0) + bin_.messages * share
    return max(1, -int(-max(cells.values(), default=0.0) // MOST_PER_CELL))


def _cells_of(bin_: Bin) -> list[tuple[int, float]]:
    """Return the cells that a bin overlaps, with the share of the bin in each."""
    first, width = int(bin_.begins_s // CELL_S), bin_.ends_s - bin_.begins_s
    if width <= 0:
        return [(first, 1.0)]
    return [
        (cell, max(0.0, min(bin_.ends_s, (cell + 1) * CELL_S) - max(bin_.begins_s, cell * CELL_S)) / width)
        for cell in range(first, int(bin_.ends_s // CELL_S) + 1)
    ]


def thin(bins: list[Bin], by: int) -> list[int]:
    """Return the number of messages in each bin after thinning; the sum is the total divided by `by`, rounded down."""
    totals = [int(round(total, 6) // by) for total in accumulate(bin_.messages for bin_ in bins)]
    return [now - before for before, now in zip([0, *totals], totals, strict=False)]


def place(bins: list[Bin], counts: list[int], random: Random) -> list[float]:
    """Return ascending instants, uniform within each bin."""
    pairs = zip(bins, counts, strict=True)
    return sorted(random.uniform(bin_.begins_s, bin_.ends_s) for bin_, count in pairs for _ in range(count))


# Read a recorded workload from a CSV file. All rows are checked before the start.
#
# The header selects one of two formats: `t_seconds,arrivals` (the arrivals in the interval that starts then) and
# `t_seconds,service_seconds` (one row per job).

DAY_S = 86_400.0
COUNT_HEADER = ("t_seconds", "arrivals")
JOB_HEADER = ("t_seconds", "service_seconds")
LONE_INTERVAL_S = 60.0
"""Assumed interval of a file with a single row."""

LONGEST_WORK_S = 20.0
"""Longer jobs are cut to this limit; otherwise the drain would exceed the time limit of the demo."""

MOST_PROBLEMS = 10


class TraceRow(NamedTuple):
    """The two columns of a row; `t_s` is in seconds of the trace."""

    t_s: float
    value: float


@dataclass(frozen=True, slots=True)
class DemoTrace:
    """The rows of a file in the order of their times; `jobs`: the second column is service times, not counts."""

    name: str
    rows: tuple[TraceRow, ...]
    jobs: bool

    @property
    def interval_s(self) -> float:
        """The interval of a count: the least distance between two rows."""
        return min((b.t_s - a.t_s for a, b in pairwise(self.rows)), default=LONE_INTERVAL_S)

    @property
    def ends_s(self) -> float:
        return self.rows[-1].t_s + (0.0 if self.jobs else self.interval_s)


def read(path: Path) -> DemoTrace:
    """Return the trace in the file. Raise `ConfigError` with file and line for invalid content."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [(number, cells) for number, cells in enumerate(csv.reader(file), 1) if cells]
    except OSError as error:
        raise _wrong(path, f"the file cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise _wrong(path, f"this is not a CSV file: {error}") from error
    if not lines:
        raise _wrong(path, "the file is empty")
    header = tuple(cell.strip() for cell in lines[0][1])
    if header not in {COUNT_HEADER, JOB_HEADER}:
        named = f"{','.join(header)[:60]!r} is not a known header"
        raise _wrong(f"{path}:{lines[0][0]}", f"{named}. Use {','.join(COUNT_HEADER)} or {','.join(JOB_HEADER)}")
    return DemoTrace(path.name, _rows(path, lines[1:], jobs=header == JOB_HEADER), header == JOB_HEADER)


def _wrong(where: object, what: str) -> ConfigError:
    return ConfigError([Problem(str(where), what)])


def _rows(path: Path, lines: Sequence[tuple[int, list[str]]], *, jobs: bool) -> tuple[TraceRow, ...]:
    rows, problems, before_s = [], [], -1.0
    for number, cells in lines:
        where = f"{path}:{number}"
        wrong = [Problem(where, what) for what in _mistakes(cells, before_s, jobs=jobs)]
        problems += wrong
        if not wrong:
            rows.append(TraceRow(float(cells[0]), float(cells[1])))
            before_s = rows[-1].t_s
        if len(problems) >= MOST_PROBLEMS:
            break
    if problems:
        raise ConfigError(problems)
    if not rows:
        raise _wrong(path, "the file has a header and no rows")
    return tuple(rows)


def _mistakes(cells: list[str], before_s: float, *, jobs: bool) -> Iterator[str]:
    if len(cells) != len(COUNT_HEADER):
        yield f"{several(len(cells), 'column')}; the header has {len(COUNT_HEADER)}"
        return
    t_s, value = _number(cells[0]), _number(cells[1])
    if t_s is None:
        yield f"t_seconds: {cells[0][:40]!r} is not a number of at least 0"
    elif t_s < before_s or (t_s == before_s and not jobs):
        yield f"t_seconds: {t_s:g} follows {before_s:g}; each time must be greater than the one before it"
    if value is None or not (jobs or value.is_integer()):
        kind = "service_seconds: {!r} is not a number" if jobs else "arrivals: {!r} is not a whole number"
        yield f"{kind.format(cells[1][:40])} of at least 0"


def _number(text: str) -> float | None:
    """Return the number if it is finite and not negative, else None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and number >= 0 else None


def play(trace: DemoTrace, from_day: float, speed: float, duration_s: float, seed: int) -> DemoLoad:
    """Return the part of the trace that fits into `duration_s` of wall time, from `from_day` on, `speed` times as fast.

    Raise `ConfigError` if that part has no messages.
    """
    random = Random(seed)  # noqa: S311  # a repeatable load, no secret
    starts_s = from_day * DAY_S
    if starts_s >= trace.ends_s:
        raise _wrong(
            "--from-day",
            f"the value is {from_day:g}, but {trace.name} ends on day {trace.ends_s / DAY_S:.2f}; days count from 0",
        )
    window = _Window(starts_s, speed, duration_s)
    load = _play_jobs(trace, window) if trace.jobs else _play_counts(trace, window, random)
    if not load.arrivals:
        raise _wrong(
            trace.name,
            f"nothing arrives in the {duration_s * speed:g} s after the start of day {from_day:g}. Choose another day",
        )
    opening = f"{trace.name} from day {from_day:g}, {speed:g} times as fast: {len(load.arrivals):,} messages"
    return DemoLoad(load.arrivals, duration_s, (opening, *load.notes), load.thinned_by, load.work_divided_by)


class _Window(NamedTuple):
    """The part of a trace that is played, and the conversion of its time to wall time."""

    starts_s: float
    speed: float
    duration_s: float

    def wall(self, t_s: float) -> float:
        return min(self.duration_s, max(0.0, (t_s - self.starts_s) / self.speed))


def _play_counts(trace: DemoTrace, window: _Window, random: Random) -> DemoLoad:
    bins = list(_bins(trace, window))
    by = thinning(bins)
    instants = place(bins, thin(bins, by), random)
    arrivals = tuple(Arrival(at_s, draw_work_s(random)) for at_s in instants)
    return DemoLoad(arrivals, window.duration_s, _thinned(by), by)


def _bins(trace: DemoTrace, window: _Window) -> Iterator[Bin]:
    """Yield the intervals in the window. Of an interval that is only partly in it, yield that part."""
    interval_s = trace.interval_s
    for t_s, count in trace.rows:
        begins_s, ends_s = window.wall(t_s), window.wall(t_s + interval_s)
        if ends_s > begins_s:
            yield Bin(begins_s, ends_s, count * (ends_s - begins_s) * window.speed / interval_s)


def _play_jobs(trace: DemoTrace, window: _Window) -> DemoLoad:
    """Return the jobs of the window. Service times are divided to get the demo's mean, and then cut."""
    ends_s = window.starts_s + window.duration_s * window.speed
    rows = [row for row in trace.rows if window.starts_s <= row.t_s < ends_s]
    bins = [Bin(window.wall(row.t_s), window.wall(row.t_s), 1) for row in rows]
    by = thinning(bins)
    played = [row for row, is_played in zip(rows, thin(bins, by), strict=True) if is_played]
    if not played:
        return DemoLoad((), window.duration_s)
    divided_by = max(1.0, fmean(row.value for row in played) / MEAN_WORK_S)
    cut = sum(row.value / divided_by > LONGEST_WORK_S for row in played)
    arrivals = tuple(Arrival(window.wall(row.t_s), min(LONGEST_WORK_S, row.value / divided_by)) for row in played)
    note = f"service times are divided by {divided_by:,.1f}" + (f", {cut} cut to {LONGEST_WORK_S:g} s" if cut else "")
    return DemoLoad(arrivals, window.duration_s, (note, *_thinned(by)), by, divided_by)


def _thinned(by: int) -> tuple[str, ...]:
    return (f"thinned: only one message of {by:,} is played, the limit of the embedded Region",) if by > 1 else ()
