"""Sources of the messages of a simulation: values that draw the same workload for the same seed each time.

Arrivals and service times have separate random streams: with every policy, the k-th message has the k-th service time.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np

from autoscaler.sim.chance import Durations, stream
from autoscaler.sim.model import MINUTE_S, Floats, Workload
from autoscaler.sim.workload.choosing import Choice, LoadSize, factor, load, part
from autoscaler.sim.workload.lines import COUNTS, JOBS, place, rows
from autoscaler.sim.workload.trace import DAY_S, LONGEST_S, CountTrace, JobTrace, Progress, TraceError, silent

ARRIVALS, SERVICE = "arrivals", "service"

MOST_SCALE = 1e6


@dataclass(frozen=True, slots=True)
class Counted:
    """Messages from expected counts. The number in each interval is Poisson-distributed with its count as the mean, and
    arrivals are uniform within the interval. Service times are drawn from `service`. Equality is by content.
    """

    name: str
    interval_s: float
    counts: Floats = field(repr=False, compare=False)
    history: Floats = field(repr=False, compare=False)
    service: Durations
    digest: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", _digest(self.counts, self.history))

    @property
    def mean_service_s(self) -> float:
        return self.service.mean_s

    def load(self, task_concurrency: int = 1) -> LoadSize:
        """Return the expected size, which does not depend on the seed."""
        return load(self.counts, self.interval_s, self.mean_service_s, task_concurrency)

    def draw(self, seed: int) -> Workload:
        """Return the workload of the seed. Equal seeds give equal workloads."""
        rng = stream(seed, ARRIVALS)
        numbers = rng.poisson(self.counts)
        begins = np.repeat(np.arange(self.counts.size) * self.interval_s, numbers)
        length_s = self.counts.size * self.interval_s
        arrivals = _before(length_s, np.sort(begins + rng.random(begins.size) * self.interval_s))
        services = self.service.sample(stream(seed, SERVICE), arrivals.size)
        return Workload(self.name, arrivals, services, length_s, self.interval_s, self.counts, self.history)


@dataclass(frozen=True, slots=True)
class RecordedJobs:
    """Recorded jobs, each at its own instant with its own service time, repeated `ratio` times on average.

    Each job occurs floor(ratio) times, and once more with the probability of the fraction, independently: at 0.3 zero
    times or once; at 2.3 two or three times. The first occurrence is at the job's instant, and the second one is
    uniform in the same minute: so the load of a minute stays, and copies do not arrive together. Further ones are
    uniform in a wider window (`_windows`): a hundred copies of one job in one minute would be a batch that the
    recording does not have. At 1 nothing is random. Equality is by content.
    """

    name: str
    length_s: float
    arrivals_s: Floats = field(repr=False, compare=False)
    service_s: Floats = field(repr=False, compare=False)
    ratio: float
    counts: Floats = field(repr=False, compare=False)
    history: Floats = field(repr=False, compare=False)
    digest: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "digest", _digest(self.arrivals_s, self.service_s, self.history))

    @property
    def mean_service_s(self) -> float:
        return float(self.service_s.mean()) if self.service_s.size else 0.0

    def load(self, task_concurrency: int = 1) -> LoadSize:
        """Return the expected size over all seeds."""
        return load(self.counts, MINUTE_S, self.mean_service_s, task_concurrency)

    def draw(self, seed: int) -> Workload:
        """Return the workload of the seed. Equal seeds give equal workloads."""
        rng = stream(seed, ARRIVALS)
        whole = math.floor(self.ratio)
        times = whole + (rng.random(self.arrivals_s.size) < self.ratio - whole)
        job = np.repeat(np.arange(self.arrivals_s.size), times)
        arrivals = self.arrivals_s[job]
        copy = np.flatnonzero(job[1:] == job[:-1]) + 1
        begin = np.floor(arrivals[copy] / MINUTE_S) * MINUTE_S
        wide_s = np.full(copy.size, MINUTE_S)
        if self.ratio > NEAR_COPIES:
            further = copy >= np.searchsorted(job, job[copy]) + NEAR_COPIES
            of = job[copy][further]
            since_s, until_s = _windows(self.arrivals_s, self.ratio, self.length_s)
            begin[further], wide_s[further] = since_s[of], until_s[of] - since_s[of]
        arrivals[copy] = begin + rng.random(copy.size) * wide_s
        order = np.argsort(arrivals, kind="stable")
        return Workload(
            self.name,
            _before(self.length_s, arrivals[order]),
            self.service_s[job[order]],
            self.length_s,
            MINUTE_S,
            self.counts,
            self.history,
        )


NEAR_COPIES = 2
"""Occurrences of a job in its own minute."""

COPIES_PER_MINUTE = 10.0


def _windows(arrivals: Floats, ratio: float, length_s: float) -> tuple[Floats, Floats]:
    """Return the window of the further copies of each job: from halfway to the job before, until halfway to the next
    one, so that the load between two jobs stays. It includes the minute of the job, and has at least a minute for each
    ten copies.
    """
    half_s = ratio / COPIES_PER_MINUTE * MINUTE_S / 2 if ratio > COPIES_PER_MINUTE else 0.0
    halfway = (arrivals[1:] + arrivals[:-1]) / 2
    begin = np.floor(arrivals / MINUTE_S) * MINUTE_S
    since_s = np.minimum(np.concatenate([begin[:1], halfway]), np.minimum(begin, arrivals - half_s))
    until_s = np.maximum(np.concatenate([halfway, begin[-1:]]), np.maximum(begin + MINUTE_S, arrivals + half_s))
    return np.maximum(since_s, 0.0), np.minimum(until_s, length_s)


def _expected(arrivals: Floats, ratio: float, by_minute: Floats) -> Floats:
    """Return the expected number of messages of each minute if each job occurs `ratio` times."""
    if ratio <= NEAR_COPIES or not arrivals.size:
        return by_minute * ratio
    edges = np.arange(by_minute.size + 1) * MINUTE_S
    since_s, until_s = _windows(arrivals, ratio, float(edges[-1]))
    rates = 1 / (until_s - since_s)
    at = np.concatenate([since_s, until_s])
    order = np.argsort(at, kind="stable")
    slopes = np.cumsum(np.concatenate([rates, -rates])[order])
    sums = np.concatenate([[0.0], np.cumsum(slopes[:-1] * np.diff(at[order]))])
    return np.asarray(by_minute * NEAR_COPIES + (ratio - NEAR_COPIES) * np.diff(np.interp(edges, at[order], sums)))


def by_count(trace: CountTrace, choice: Choice, service: Durations, task_concurrency: int = 1) -> Counted:
    """Return the source of the chosen days of a trace of counts. Raise `TraceError` as `part` and `factor` do."""
    chosen = part(choice, trace.name, trace.counts.size, trace.interval_s)
    counts = trace.counts[chosen.first : chosen.end]
    ratio = factor(choice, trace.name, load(counts, trace.interval_s, service.mean_s, task_concurrency))
    return Counted(trace.name, trace.interval_s, counts * ratio, trace.counts[: chosen.first] * ratio, service)


def by_job(trace: JobTrace, choice: Choice, service_scale: float = 1.0, task_concurrency: int = 1) -> RecordedJobs:
    """Return the source of the chosen days of a trace of jobs. The trace ends with the minute of its last job.

    `service_scale` multiplies the service times and does not change the arrivals: jobs of hours become jobs of a
    minute, with the real times and bursts. Raise `TraceError` as `part` and `factor` do, and for a scale that is not
    above 0 or is above `MOST_SCALE`.
    """
    if not 0 < service_scale <= MOST_SCALE:
        raise TraceError(
            "--service-scale", f"the value is {service_scale:g}, but must be above 0 and at most {MOST_SCALE:,.0f}"
        )
    by_minute = np.bincount((trace.arrivals_s // MINUTE_S).astype(np.int64)).astype(np.float64)
    chosen = part(choice, trace.name, by_minute.size, MINUTE_S)
    begin_s, length_s = chosen.first * MINUTE_S, (chosen.end - chosen.first) * MINUTE_S
    first, end = np.searchsorted(trace.arrivals_s, [begin_s, begin_s + length_s])
    arrivals, services = trace.arrivals_s[first:end] - begin_s, trace.service_s[first:end] * service_scale
    counts = by_minute[chosen.first : chosen.end]
    mean_s = float(services.mean()) if services.size else 0.0
    ratio = factor(choice, trace.name, load(counts, MINUTE_S, mean_s, task_concurrency))
    history = by_minute[: chosen.first]
    expected = _expected(arrivals, ratio, counts)
    return RecordedJobs(trace.name, length_s, arrivals, services, ratio, expected, history * ratio)


def _before(end_s: float, arrivals: Floats) -> Floats:
    """Limit the arrivals to times before the end. A sum in the last interval can be rounded up to the end."""
    return np.minimum(arrivals, np.nextafter(end_s, 0.0))


def _digest(*arrays: Floats) -> bytes:
    """Return a digest of the arrays. The source compares and hashes it in place of the arrays."""
    hasher = blake2b(digest_size=16)
    for values in arrays:
        hasher.update(values.size.to_bytes(8))
        hasher.update(np.ascontiguousarray(values).tobytes())
    return hasher.digest()


# Count files: `t_seconds,arrivals`, the number of messages that arrive in the interval that begins at that time.
#
# An interval without a line has 0 messages, so a file can omit its zeros. The trace records the number of omitted
# intervals.

MOST_COUNTED = 1e12
"""Messages in the whole file: 30,000 per second for a year. A larger number is an error."""

MOST_INTERVALS = 10_000_000

LEAST_INTERVAL_S = 1.0

TOLERANCE = 1e-6
"""In intervals: permitted difference between a time written in decimals and a whole multiple of the interval."""


def read_counts(path: Path, on_progress: Progress = silent) -> CountTrace:
    """Return the trace of a count file. Its interval is the smallest step between two lines.

    Raise `TraceError`, with the line, for: every error of `rows`; a time that repeats, goes back or is not a multiple
    of the interval; an interval shorter than a second or longer than a day; more than `MOST_COUNTED` messages or
    `MOST_INTERVALS` intervals.
    """
    times, counts = _read(path, on_progress)
    interval_s = _interval(path, times)
    at = np.rint(times / interval_s).astype(np.int64)
    if at[-1] >= MOST_INTERVALS:
        line = 2 + int(np.argmax(at >= MOST_INTERVALS))
        span = f"{interval_s:g} s apart, the file spans more than {MOST_INTERVALS:,} intervals"
        raise TraceError(place(path, line), f"{span}. Use fewer days, or count by the minute")
    filled = np.zeros(int(at[-1]) + 1)
    filled[at] = counts
    return CountTrace(path.name, interval_s, filled, missing=filled.size - at.size)


def _read(path: Path, on_progress: Progress) -> tuple[Floats, Floats]:
    times, counts = array("d"), array("d")
    last, total = -1.0, 0.0
    for line, at, count in rows(path, COUNTS, on_progress):
        if at <= last:
            order = "again" if at == last else f"after {last:.15g}"
            raise TraceError(
                place(path, line), f"t_seconds is {at:.15g} {order}. Sort the lines, one for each interval"
            )
        last, total = at, total + count
        if total > MOST_COUNTED:
            raise TraceError(
                place(path, line),
                f"there are more than {MOST_COUNTED:,.0f} arrivals up to this line. Correct the counts",
            )
        times.append(at)
        counts.append(count)
    return np.frombuffer(times), np.frombuffer(counts)


def _interval(path: Path, times: Floats) -> float:
    if times.size < 2:
        raise TraceError(place(path, 2), "one line does not define the interval. Add the line of the next interval")
    steps = np.diff(times)
    smallest = float(steps.min())
    if smallest < LEAST_INTERVAL_S:
        line = 3 + int(np.argmin(steps))
        raise TraceError(place(path, line), "the line is less than a second after the line before. Use at least 1 s")
    if smallest > DAY_S:
        raise TraceError(
            place(path, 3), "the line is more than a day after the line before. Count by the minute or the hour"
        )
    if _first_off(times, smallest) is not None:
        line, interval_s = _wrong_line(times, steps, smallest)
        raise TraceError(
            place(path, line),
            f"t_seconds is {times[line - 2]:.15g}, not a multiple of the interval of {interval_s:.15g} s. Correct it",
        )
    return smallest


def _wrong_line(times: Floats, steps: Floats, smallest: float) -> tuple[int, float]:
    """Return the line whose time is not a multiple of the interval, and this interval. It is the most frequent step, so
    that for one mistyped time (0, 60, 119, 180) the error names its line and not another one.
    """
    values, numbers = np.unique(steps, return_counts=True)
    most_frequent = float(values[np.argmax(numbers)])
    for interval_s in (most_frequent, smallest):
        if (off := _first_off(times, interval_s)) is not None:
            return off + 2, interval_s
    raise AssertionError("no time is off the smallest step")


def _first_off(times: Floats, interval_s: float) -> int | None:
    """Return the index of the first time that is not a multiple of the interval; None if all are."""
    ratio = times / interval_s
    off = np.abs(ratio - np.rint(ratio)) > TOLERANCE
    return int(np.argmax(off)) if off.any() else None


# Job files: `t_seconds,service_seconds`, one line per job, in the order of arrival.


def read_jobs(path: Path, on_progress: Progress = silent) -> JobTrace:
    """Return the trace of a job file. Jobs can arrive at the same instant, and can have a service time of 0.

    Raise `TraceError`, with the line, for: every error of `rows`; a time that goes back; a job of more than ten years.
    """
    times, services = array("d"), array("d")
    last = 0.0
    for line, at, service in rows(path, JOBS, on_progress):
        if at < last:
            raise TraceError(
                place(path, line), f"t_seconds is {at:.15g} after {last:.15g}. Sort the lines by t_seconds"
            )
        if service > LONGEST_S:
            raise TraceError(place(path, line), f"service_seconds is {service:g}, more than ten years. Correct it")
        last = at
        times.append(at)
        services.append(service)
    return JobTrace(path.name, np.frombuffer(times), np.frombuffer(services))
