"""Chains: the messages that one task processes one after another, described by three numbers.

A chain takes the least task time if its task comes up as late as the deadlines allow. A task that comes up earlier
only waits longer. Chains apply only to tasks that process one message at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

import numpy as np

from autoscaler.sim.limits.episode import Episode, EpisodeRun, billed_s
from autoscaler.sim.limits.launching import in_time
from autoscaler.sim.model import TaskLife


class Chain(NamedTuple):
    """Messages in processing order. They are in time if the task is up by `up_by_s`. The last one then ends at
    `done_s`, or `work_s` after the task is up, whichever is later.
    """

    messages: tuple[int, ...]
    up_by_s: float
    done_s: float
    work_s: float

    def done_if_up(self, up_s: float) -> float:
        """Return when the last message ends if the task is up at `up_s`, which must not be after `up_by_s`."""
        return max(self.done_s, up_s + self.work_s)


EMPTY_CHAIN = Chain((), inf, -inf, 0.0)


def joined(first: Chain, then: Chain) -> Chain | None:
    """Return both chains as one. None: the second chain cannot wait until the first one ends."""
    return None if first.done_s > then.up_by_s else one_after_another(first, then)


def one_after_another(first: Chain, then: Chain) -> Chain:
    """Return both chains as one. The second chain must be able to wait until the first one ends."""
    return Chain(
        first.messages + then.messages,
        min(first.up_by_s, then.up_by_s - first.work_s),
        max(then.done_s, first.done_s + then.work_s),
        first.work_s + then.work_s,
    )


def single(episode: Episode, message: int) -> Chain:
    """Return the chain of this one message."""
    arrival, service = float(episode.arrivals_s[message]), float(episode.service_s[message])
    return Chain((message,), arrival + episode.latency_s, arrival + service, service)


class Roster(NamedTuple):
    """The chain of each task: tasks that exist at the start, then launched tasks in the order of launch."""

    at_start: tuple[Chain, ...]
    launched: tuple[Chain, ...]


def cost_s(roster: Roster, start_up_s: Sequence[float], least_billed_s: float) -> float:
    """Return the billed task-seconds if each launch is as late as possible, and not later than the next launch.

    Infinite: a message would be late.
    """
    total, launch = 0.0, inf
    for chain in roster.at_start:
        if chain.up_by_s < 0:
            return inf
        total += max(least_billed_s, chain.done_if_up(0.0))
    for order in range(len(roster.launched) - 1, -1, -1):
        chain, start_up = roster.launched[order], start_up_s[order]
        launch = min(launch, chain.up_by_s - start_up)
        total += max(least_billed_s, chain.done_if_up(launch + start_up) - launch)
    return total


def in_order(chains: Iterable[Chain], start_up_s: Sequence[float]) -> tuple[Chain, ...]:
    """Return the chains in an order of launch with few early launches.

    They are sorted by `up_by_s`. Two neighbours are swapped if the sum of their launch times is then later.
    """
    ordered = sorted(chains, key=lambda chain: chain.up_by_s)
    launch = inf
    for order in range(len(ordered) - 1, 0, -1):
        one, other = ordered[order - 1], ordered[order]
        unchanged = _launches(one, other, start_up_s[order - 1], start_up_s[order], launch)
        swapped = _launches(other, one, start_up_s[order - 1], start_up_s[order], launch)
        if sum(swapped) > sum(unchanged):
            ordered[order - 1], ordered[order] = other, one
        launch = max(unchanged, swapped, key=sum)[1]
    return tuple(ordered)


def _launches(one: Chain, other: Chain, first: float, second: float, launch: float) -> tuple[float, float]:
    later = min(launch, other.up_by_s - second)
    return min(later, one.up_by_s - first), later


def run(episode: Episode, roster: Roster) -> EpisodeRun:
    """Return the run of the roster."""
    begun_s = np.empty(len(episode.arrivals_s))
    up_by_s = np.array([chain.up_by_s for chain in roster.launched])
    launched_s = in_time(up_by_s, episode.start_up_s).tolist()
    lives = [TaskLife(0.0, 0.0, _work(episode, chain, 0.0, begun_s)) for chain in roster.at_start]
    for launch, start_up, chain in zip(launched_s, episode.start_up_s.tolist(), roster.launched, strict=False):
        up_s = launch + start_up
        lives.append(TaskLife(launch, up_s, _work(episode, chain, up_s, begun_s)))
    return EpisodeRun(begun_s, tuple(lives), billed_s(tuple(lives), episode.least_billed_s))


def _work(episode: Episode, chain: Chain, up_s: float, begun_s: np.ndarray) -> float:
    """Return when the chain ends, and write the start of each of its messages to `begun_s`."""
    now = up_s
    for message in chain.messages:
        begun_s[message] = now = max(now, episode.arrivals_s[message])
        now += episode.service_s[message]
    return float(now)
