"""What one task does one after the other: a chain of messages, known by three numbers.

Begun as late as its deadlines allow, a chain takes least time: whoever comes up earlier only waits more.
Only for tasks that work on one message at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf
from typing import NamedTuple

import numpy as np

from autoscaler.sim.limits.episode import Episode, Run, billed_s
from autoscaler.sim.limits.launching import in_time
from autoscaler.sim.model import Life


class Chain(NamedTuple):
    """Messages in the order of work. In time if the task is up by `up_by_s`; then done at `done_s` if it was up long
    before, and else `work_s` after it is up, whichever is later.
    """

    messages: tuple[int, ...]
    up_by_s: float
    done_s: float
    work_s: float

    def done_if_up(self, up_s: float) -> float:
        """When the last message is done, if the task is up at `up_s`, which is not after `up_by_s`."""
        return max(self.done_s, up_s + self.work_s)


NOTHING = Chain((), inf, -inf, 0.0)


def joined(first: Chain, then: Chain) -> Chain | None:
    """Both by one task. None: the second cannot wait for so long."""
    return None if first.done_s > then.up_by_s else in_turn(first, then)


def in_turn(first: Chain, then: Chain) -> Chain:
    """Both by one task; the second can wait until the first is done."""
    return Chain(
        first.messages + then.messages,
        min(first.up_by_s, then.up_by_s - first.work_s),
        max(then.done_s, first.done_s + then.work_s),
        first.work_s + then.work_s,
    )


def single(episode: Episode, message: int) -> Chain:
    """A message of its own."""
    arrival, service = float(episode.arrivals_s[message]), float(episode.service_s[message])
    return Chain((message,), arrival + episode.latency_s, arrival + service, service)


class Roster(NamedTuple):
    """Who does what: a chain for each task of the start, and the others in the order of launch."""

    at_start: tuple[Chain, ...]
    launched: tuple[Chain, ...]


def cost_s(roster: Roster, start_up_s: Sequence[float], least_billed_s: float) -> float:
    """What it is billed, each launch as late as it may be: no later than the next. Infinite: it cannot be in time."""
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
    """An order of launch in which few are launched early: by when they must be up, neighbours swapped where both
    can then be launched later, taken together.
    """
    ordered = sorted(chains, key=lambda chain: chain.up_by_s)
    launch = inf
    for order in range(len(ordered) - 1, 0, -1):
        one, other = ordered[order - 1], ordered[order]
        kept = _launches(one, other, start_up_s[order - 1], start_up_s[order], launch)
        swapped = _launches(other, one, start_up_s[order - 1], start_up_s[order], launch)
        if sum(swapped) > sum(kept):
            ordered[order - 1], ordered[order] = other, one
        launch = max(kept, swapped, key=sum)[1]
    return tuple(ordered)


def _launches(one: Chain, other: Chain, first: float, second: float, launch: float) -> tuple[float, float]:
    later = min(launch, other.up_by_s - second)
    return min(later, one.up_by_s - first), later


def run(episode: Episode, roster: Roster) -> Run:
    """The roster, worked."""
    begun_s = np.empty(len(episode.arrivals_s))
    up_by_s = np.array([chain.up_by_s for chain in roster.launched])
    launched_s = in_time(up_by_s, episode.start_up_s).tolist()
    lives = [Life(0.0, 0.0, _work(episode, chain, 0.0, begun_s)) for chain in roster.at_start]
    for launch, start_up, chain in zip(launched_s, episode.start_up_s.tolist(), roster.launched, strict=False):
        up_s = launch + start_up
        lives.append(Life(launch, up_s, _work(episode, chain, up_s, begun_s)))
    return Run(begun_s, tuple(lives), billed_s(tuple(lives), episode.least_billed_s))


def _work(episode: Episode, chain: Chain, up_s: float, begun_s: np.ndarray) -> float:
    """When the chain is done; `begun_s` is told of its messages."""
    now = up_s
    for message in chain.messages:
        begun_s[message] = now = max(now, episode.arrivals_s[message])
        now += episode.service_s[message]
    return float(now)
