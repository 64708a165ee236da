"""Chains: the messages that one task processes one after another, described by three numbers.

A chain takes the least task time if its task comes up as late as the deadlines allow. A task that comes up earlier
only waits longer. Chains apply only to tasks that process one message at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial, reduce
from itertools import combinations
from math import inf
from typing import NamedTuple

import numpy as np

from autoscaler.sim.limits.episode import FEW, Episode, EpisodeRun, billed_s, in_time
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


# Assign messages to tasks one by one, if there are few messages.
#
# Dynamic programming splits the messages, first in, first out, into the cheapest chains. Then chains are joined if it
# is cheaper that a task waits than that it stops and another task starts.

MOST_PAIRS = 1_500_000
"""Maximum number of pairs of a first and a last message to compare; takes about a second."""
LONGEST_CHAIN = 400
"""Maximum number of messages in a chain."""


def parted(episode: Episode) -> Roster | None:
    """Return the roster. None: there are too many messages."""
    longest = min(LONGEST_CHAIN, MOST_PAIRS // len(episode.arrivals_s))
    if longest < 10:
        return None
    chains = sorted(_parts(episode, longest), key=lambda chain: chain.up_by_s)
    return _joined(episode, chains)


def _parts(episode: Episode, longest: int) -> list[Chain]:
    """Return the cheapest split into chains of at most `longest` consecutive messages."""
    messages = [single(episode, message) for message in range(len(episode.arrivals_s))]
    start_up_s, least = episode.start_up_s.tolist(), episode.least_billed_s
    cost, starts, launches = [0.0] + [inf] * len(messages), [0] * (len(messages) + 1), [0] * (len(messages) + 1)
    for first in range(len(messages)):
        before, start_up = cost[first], start_up_s[launches[first]]
        up_by, done, work = inf, -inf, 0.0
        for end in range(first + 1, min(first + longest, len(messages)) + 1):
            _, deadline, alone, service = messages[end - 1]
            if done > deadline:
                break
            up_by = min(up_by, deadline - work)
            done = max(alone, done + service)
            work += service
            total = before + max(least, start_up + max(done - up_by, work))
            if total < cost[end]:
                cost[end], starts[end], launches[end] = total, first, launches[first] + 1
            elif total - before - work > 4 * least + episode.latency_s:
                break
    return _cut(messages, starts)


def _cut(messages: list[Chain], starts: list[int]) -> list[Chain]:
    chains, end = [], len(messages)
    while end:
        chains.append(reduce(one_after_another, messages[starts[end] : end]))
        end = starts[end]
    return chains


def _joined(episode: Episode, chains: list[Chain]) -> Roster:
    """Assign each chain, in order, to the task that saves the most by it, or to a new task if none saves."""
    tasks = [_Task(EMPTY_CHAIN, True)] * episode.tasks_at_start
    over = list[_Task]()
    billed = partial(_billed, start_up_s=float(episode.start_up_s.mean()), least_billed_s=episode.least_billed_s)
    for chain in chains:
        alone = billed(_Task(chain, False))
        best, saved = -1, 0.0
        for index, task in enumerate(tasks):
            both = joined(task.chain, chain)
            if both is not None and alone + billed(task) - billed(_Task(both, task.at_start)) > saved:
                best, saved = index, alone + billed(task) - billed(_Task(both, task.at_start))
        if best >= 0:
            tasks[best] = _Task(one_after_another(tasks[best].chain, chain), tasks[best].at_start)
        else:
            tasks.append(_Task(chain, False))
        over += [task for task in tasks if _is_over(task, chain.up_by_s, episode)]
        tasks = [task for task in tasks if not _is_over(task, chain.up_by_s, episode)]
    over += tasks
    launched = in_order((task.chain for task in over if not task.at_start), episode.start_up_s.tolist())
    return Roster(tuple(task.chain for task in over if task.at_start), launched)


class _Task(NamedTuple):
    chain: Chain
    at_start: bool


def _billed(task: _Task, start_up_s: float, least_billed_s: float) -> float:
    """Return the billed task-seconds of the chain, with an average start-up."""
    chain = task.chain
    if not task.at_start:
        return max(least_billed_s, start_up_s + chain.done_if_up(chain.up_by_s) - chain.up_by_s)
    return max(least_billed_s, chain.done_if_up(0.0)) if chain.up_by_s >= 0 else inf


def _is_over(task: _Task, now: float, episode: Episode) -> bool:
    """Return whether the task gets no more chains: it would have to wait longer than a new task takes."""
    up_s = 0.0 if task.at_start else task.chain.up_by_s
    return task.chain.messages != () and task.chain.done_if_up(up_s) + 4 * episode.least_billed_s < now


# Improve a plan for very few messages: try every single change until no change is cheaper.

Row = tuple[int, ...]
Rows = tuple[Row, ...]


def polished(episode: Episode, roster: Roster, *, thorough: bool) -> Roster:
    """Return a roster that costs at most as much and has no cheaper neighbour. More than `FEW` messages: unchanged.

    `thorough`: search from other rosters too. The search takes longer by about a factor of the number of messages.
    """
    if len(episode.arrivals_s) > FEW:
        return roster
    search = _Search(episode)
    starts = [roster, *search.round_robin()] if thorough else [roster]
    return min((search.improved(start) for start in starts), key=search.cost_s)


class _Search:
    """A local search over rows of messages: one row per task of the start, then one per launch, in their order."""

    def __init__(self, episode: Episode) -> None:
        self._start_up_s = episode.start_up_s.tolist()
        self._least_billed_s = episode.least_billed_s
        self._at_start = episode.tasks_at_start
        self._singles = [single(episode, message) for message in range(len(episode.arrivals_s))]
        self._chains: dict[Row, Chain | None] = {(): EMPTY_CHAIN}

    def cost_s(self, roster: Roster) -> float:
        return cost_s(roster, self._start_up_s, self._least_billed_s)

    def round_robin(self) -> Iterator[Roster]:
        """Yield rosters that assign the messages round-robin to 1, 2, ... launched tasks, up to one per message."""
        messages = range(len(self._singles))
        for tasks in range(1, len(messages) + 1):
            rows = tuple(tuple(messages[first::tasks]) for first in range(tasks))
            if (roster := self._roster(((),) * self._at_start + rows)) is not None:
                yield roster

    def improved(self, roster: Roster) -> Roster:
        """Return the local optimum that steepest descent reaches from the roster."""
        while True:
            best = min(self._neighbours(roster), key=self.cost_s)
            if self.cost_s(best) > self.cost_s(roster) - 1e-9:
                return roster
            roster = best

    def _neighbours(self, roster: Roster) -> Iterator[Roster]:
        """Yield the roster itself, and each possible roster with one change."""
        yield roster
        for rows in _changes(tuple(chain.messages for chain in roster.at_start + roster.launched), self._at_start):
            if (other := self._roster(rows)) is not None:
                yield other

    def _roster(self, rows: Rows) -> Roster | None:
        """Return the roster of the rows. None: a message would be late."""
        launched = [row for row in rows[self._at_start :] if row]
        chains = [chain for row in (*rows[: self._at_start], *launched) if (chain := self._chain(row)) is not None]
        if len(chains) < self._at_start + len(launched):
            return None
        return Roster(tuple(chains[: self._at_start]), tuple(chains[self._at_start :]))

    def _chain(self, row: Row) -> Chain | None:
        if row not in self._chains:
            before = self._chain(row[:-1])
            self._chains[row] = before and joined(before, self._singles[row[-1]])
        return self._chains[row]


def _changes(rows: Rows, at_start: int) -> Iterator[Rows]:
    """Yield each change: consecutive messages of a row move elsewhere, or two rows exchange their ends."""
    for source, row in enumerate(rows):
        for first, end in combinations(range(len(row) + 1), 2):
            yield from _moved(_with(rows, {source: row[:first] + row[end:]}), row[first:end], at_start)
    for one, other in combinations(range(len(rows)), 2):
        for ours in range(len(rows[one]) + 1):
            for theirs in range(len(rows[other]) + 1):
                yield _with(rows, _crossed(rows, one, ours, other, theirs))


def _moved(rows: Rows, some: Row, at_start: int) -> Iterator[Rows]:
    """Yield each move of `some` messages: to a position in a row, or to a new task."""
    for to, row in enumerate(rows):
        for position in range(len(row) + 1):
            yield _with(rows, {to: row[:position] + some + row[position:]})
    for position in range(at_start, len(rows) + 1):
        yield (*rows[:position], some, *rows[position:])


def _with(rows: Rows, changed: dict[int, Row]) -> Rows:
    return tuple(changed.get(index, row) for index, row in enumerate(rows))


def _crossed(rows: Rows, one: int, ours: int, other: int, theirs: int) -> dict[int, Row]:
    return {
        one: rows[one][:ours] + rows[other][theirs:],
        other: rows[other][:theirs] + rows[one][ours:],
    }
