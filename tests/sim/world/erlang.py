"""The world against Erlang's formula, as deep as asked for: `python -m tests.sim.world.erlang 5000000`."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from autoscaler.sim.chance import Floats, stream
from autoscaler.sim.model import Workload, WorldSettings
from autoscaler.sim.play import play
from tests.sim.world.made import NONE, Script

LOADS = (0.5, 0.7, 0.8, 0.9, 0.95)
TASKS = (1, 2, 5, 10, 20, 50)
TOLERANCE = 0.02
BATCHES = 50
LEAST_S = 5e-3
"""Of a mean wait shorter than this, for messages of 1 s, that share of this is allowed and no longer of the wait."""


class Point(NamedTuple):
    """A mean wait, in units of the mean service time."""

    load: float
    tasks: int
    simulated: float
    expected: float

    @property
    def error(self) -> float:
        return abs(self.simulated - self.expected) / max(self.expected, LEAST_S)


def erlang_c(tasks: int, load: float) -> float:
    """The share of messages that wait, in M/M/c (Erlang 1917), by the recursion of Erlang B."""
    blocked = 1.0
    for servers in range(1, tasks + 1):
        blocked = tasks * load * blocked / (servers + tasks * load * blocked)
    return blocked / (1 - load * (1 - blocked))


def mean_wait(tasks: int, load: float) -> float:
    """Of all messages, in units of the mean service time."""
    return erlang_c(tasks, load) / (tasks * (1 - load))


def exponential(chance: np.random.Generator, size: int, mean: float) -> Floats:
    """Exponential variates in random order, one from each of `size` equally likely ranges.

    They are as independent as can be told, and their distribution is met exactly: it is the order alone that is by
    chance, so that fewer of them are needed.
    """
    return -mean * np.log1p(-(chance.permutation(size) + chance.random(size)) / size)


def measured(load: float, tasks: int, messages: int, seed: int) -> Point:
    """Messages of 1 s on so many tasks, which are there from the start."""
    chance = stream(seed, f"erlang {load} {tasks}")
    arrivals = np.cumsum(exponential(chance, messages, 1 / (load * tasks)))
    service = exponential(chance, messages, 1.0)
    work = Workload("M/M/c", arrivals, service, float(arrivals[-1]) + 1.0, 60.0, NONE, NONE)
    outcome = play(work, WorldSettings(tasks_at_start=tasks), seed, Script(interval_s=600.0))
    excesses = (_fast_server(arrivals, service, load, tasks), _endless_servers(arrivals, service, load, tasks))
    return Point(load, tasks, _controlled(outcome.received_s - arrivals, excesses), mean_wait(tasks, load))


def _controlled(waits: Floats, excesses: Sequence[Floats]) -> float:
    """The mean, freed of what chance did to relatives of the queue whose own means are known: control variates,
    regressed over batches (Lavenberg and Welch 1981). It spares nine tenths and more of the messages.
    """
    known = np.column_stack([np.ones(BATCHES), *(_batches(excess) for excess in excesses)])
    fitted, *_ = np.linalg.lstsq(known, _batches(waits), rcond=None)
    return float(fitted[0])


def _batches(values: Floats) -> Floats:
    whole = len(values) // BATCHES * BATCHES
    return np.asarray(values[:whole].reshape(BATCHES, -1).mean(axis=1))


def _fast_server(arrivals: Floats, service: Floats, load: float, tasks: int) -> Floats:
    """The same messages on one server as fast as all tasks: by how much each waits longer than the mean of M/M/1."""
    steps = np.append(0.0, service[:-1] / tasks - np.diff(arrivals))
    sums = np.cumsum(steps)
    return sums - np.minimum(np.minimum.accumulate(sums), 0.0) - load / (tasks * (1 - load))


def _endless_servers(arrivals: Floats, service: Floats, load: float, tasks: int) -> Floats:
    """The same messages on any number of servers: how many more than the tasks could do are found at work by each,
    beyond the mean of that, which Poisson's distribution gives.
    """
    found = np.arange(len(arrivals)) - np.searchsorted(np.sort(arrivals + service), arrivals)
    mean, counts = load * tasks, np.arange(10 * tasks + 60)
    likely = np.exp(counts * math.log(mean) - mean - np.array([math.lgamma(count + 1) for count in counts]))
    answer: Floats = np.maximum(found - tasks + 1, 0) - float(likely @ np.maximum(counts - tasks + 1, 0))
    return answer


def main(arguments: Sequence[str]) -> int:
    messages = int(arguments[0]) if arguments else 5_000_000
    began, worst = time.monotonic(), 0.0
    for load in LOADS:
        for tasks in TASKS:
            point = measured(load, tasks, messages, seed=1)
            worst = max(worst, point.error)
            sys.stdout.write(f"load {load:.2f} on {tasks:2}: {point.simulated:.5f}, Erlang's {point.expected:.5f}\n")
            sys.stdout.flush()
    sys.stdout.write(f"worst {worst:.2%} off of {TOLERANCE:.0%} allowed, in {time.monotonic() - began:.0f} s\n")
    return 0 if worst <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
