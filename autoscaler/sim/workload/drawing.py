"""Where the messages of a simulation come from: values, that draw the same workload from the same seed each time.

Arrivals and service times are drawn from streams of their own: whatever the policy, the k-th message to come takes
the k-th service time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from autoscaler.sim.chance import Distribution, stream
from autoscaler.sim.model import MINUTE_S, Floats, Workload
from autoscaler.sim.workload.choosing import Choice, Load, factor, load, part
from autoscaler.sim.workload.trace import CountTrace, JobTrace, TraceError

ARRIVALS, SERVICE = "arrivals", "service"

MOST_SCALE = 1e6


@dataclass(frozen=True, slots=True)
class Counted:
    """Messages by their expected counts: each interval's number is Poisson with its count as the mean, each placed
    uniformly in it; service times are drawn from `service`. Equal by what they hold.
    """

    name: str
    interval_s: float
    counts: Floats = field(repr=False, compare=False)
    history: Floats = field(repr=False, compare=False)
    service: Distribution
    print: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "print", _print(self.counts, self.history))

    @property
    def mean_service_s(self) -> float:
        return self.service.mean_s

    def load(self, task_concurrency: int = 1) -> Load:
        """What is expected, whatever the seed."""
        return load(self.counts, self.interval_s, self.mean_service_s, task_concurrency)

    def draw(self, seed: int) -> Workload:
        """The workload of that seed; the same one each time."""
        chance = stream(seed, ARRIVALS)
        numbers = chance.poisson(self.counts)
        begins = np.repeat(np.arange(self.counts.size) * self.interval_s, numbers)
        length_s = self.counts.size * self.interval_s
        arrivals = _before(length_s, np.sort(begins + chance.random(begins.size) * self.interval_s))
        services = self.service.sample(stream(seed, SERVICE), arrivals.size)
        return Workload(self.name, arrivals, services, length_s, self.interval_s, self.counts, self.history)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Jobs as they were, each at its own instant with its own service time; `ratio` of them on average.

    Each is there as many times as `ratio` has whole ones, and once more with the probability of the rest, by its own
    chance: at 0.3 it is there or not; at 2.3 twice, or three times. The first is at the job's own instant, its copies
    anywhere in the same minute: a minute stays as busy as it was, without copies that come at one instant. At 1
    nothing is left to chance. Equal by what they hold.
    """

    name: str
    length_s: float
    arrivals_s: Floats = field(repr=False, compare=False)
    service_s: Floats = field(repr=False, compare=False)
    ratio: float
    counts: Floats = field(repr=False, compare=False)
    history: Floats = field(repr=False, compare=False)
    print: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "print", _print(self.arrivals_s, self.service_s, self.history))

    @property
    def mean_service_s(self) -> float:
        return float(self.service_s.mean()) if self.service_s.size else 0.0

    def load(self, task_concurrency: int = 1) -> Load:
        """What is expected, over all seeds."""
        return load(self.counts, MINUTE_S, self.mean_service_s, task_concurrency)

    def draw(self, seed: int) -> Workload:
        """The workload of that seed; the same one each time."""
        chance = stream(seed, ARRIVALS)
        whole = math.floor(self.ratio)
        times = whole + (chance.random(self.arrivals_s.size) < self.ratio - whole)
        job = np.repeat(np.arange(self.arrivals_s.size), times)
        arrivals = self.arrivals_s[job]
        copy = np.flatnonzero(job[1:] == job[:-1]) + 1
        arrivals[copy] = np.floor(arrivals[copy] / MINUTE_S) * MINUTE_S + chance.random(copy.size) * MINUTE_S
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


def by_count(trace: CountTrace, choice: Choice, service: Distribution, task_concurrency: int = 1) -> Counted:
    """The chosen days of a trace of counts. Raises `TraceError`: see `part` and `factor`."""
    chosen = part(choice, trace.name, trace.counts.size, trace.interval_s)
    counts = trace.counts[chosen.first : chosen.end]
    ratio = factor(choice, trace.name, load(counts, trace.interval_s, service.mean_s, task_concurrency))
    return Counted(trace.name, trace.interval_s, counts * ratio, trace.counts[: chosen.first] * ratio, service)


def by_job(trace: JobTrace, choice: Choice, service_scale: float = 1.0, task_concurrency: int = 1) -> Recorded:
    """The chosen days of a trace of jobs, which ends with the minute of its last one.

    `service_scale` multiplies the service times and leaves the arrivals where they are: jobs of hours become jobs of
    a minute, at the hours and in the bursts in which they really came. Raises `TraceError`: see `part` and `factor`;
    and where the scale is not above 0, or above `MOST_SCALE`.
    """
    if not 0 < service_scale <= MOST_SCALE:
        raise TraceError("service scale", f"{service_scale:g}: choose more than 0, and at most {MOST_SCALE:,.0f}")
    by_minute = np.bincount((trace.arrivals_s // MINUTE_S).astype(np.int64)).astype(np.float64)
    chosen = part(choice, trace.name, by_minute.size, MINUTE_S)
    begin_s, length_s = chosen.first * MINUTE_S, (chosen.end - chosen.first) * MINUTE_S
    first, end = np.searchsorted(trace.arrivals_s, [begin_s, begin_s + length_s])
    arrivals, services = trace.arrivals_s[first:end] - begin_s, trace.service_s[first:end] * service_scale
    counts = by_minute[chosen.first : chosen.end]
    mean_s = float(services.mean()) if services.size else 0.0
    ratio = factor(choice, trace.name, load(counts, MINUTE_S, mean_s, task_concurrency))
    history = by_minute[: chosen.first]
    return Recorded(trace.name, length_s, arrivals, services, ratio, counts * ratio, history * ratio)


def _before(end_s: float, arrivals: Floats) -> Floats:
    """All of them before the end: in the last interval a sum may be rounded up to it."""
    return np.minimum(arrivals, np.nextafter(end_s, 0.0))


def _print(*arrays: Floats) -> bytes:
    """What tells equal arrays from others; with it the whole value can be compared and hashed."""
    digest = blake2b(digest_size=16)
    for array in arrays:
        digest.update(array.size.to_bytes(8))
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
