"""Assign messages to tasks one by one, if there are few messages.

Dynamic programming splits the messages, first in, first out, into the cheapest chains. Then chains are joined if it
is cheaper that a task waits than that it stops and another task starts.
"""

from __future__ import annotations

from functools import partial, reduce
from math import inf
from typing import NamedTuple

from autoscaler.sim.limits.chains import EMPTY_CHAIN, Chain, Roster, in_order, joined, one_after_another, single
from autoscaler.sim.limits.episode import Episode

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
