"""Sources of the messages of a simulation: values that draw the same workload for the same seed each time.

Arrivals and service times have separate random streams: with every policy, the k-th message has the k-th service time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from autoscaler.sim.chance import DurationDistribution, stream
from autoscaler.sim.model import MINUTE_S, Floats, Workload
from autoscaler.sim.workload.choosing import Choice, LoadSize, factor, load, part
from autoscaler.sim.workload.trace import CountTrace, JobTrace, TraceError

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
    service: DurationDistribution
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
    times or once; at 2.3 two or three times. The first occurrence is at the job's instant, and its copies are uniform
    in the same minute: so the load of a minute stays, and copies do not arrive together. At 1 nothing is random.
    Equality is by content.
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
        arrivals[copy] = np.floor(arrivals[copy] / MINUTE_S) * MINUTE_S + rng.random(copy.size) * MINUTE_S
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


def by_count(trace: CountTrace, choice: Choice, service: DurationDistribution, task_concurrency: int = 1) -> Counted:
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
    return RecordedJobs(trace.name, length_s, arrivals, services, ratio, counts * ratio, history * ratio)


def _before(end_s: float, arrivals: Floats) -> Floats:
    """Limit the arrivals to times before the end. A sum in the last interval can be rounded up to the end."""
    return np.minimum(arrivals, np.nextafter(end_s, 0.0))


def _digest(*arrays: Floats) -> bytes:
    """Return a digest of the arrays. The source compares and hashes it in place of the arrays."""
    hasher = blake2b(digest_size=16)
    for array in arrays:
        hasher.update(array.size.to_bytes(8))
        hasher.update(np.ascontiguousarray(array).tobytes())
    return hasher.digest()
