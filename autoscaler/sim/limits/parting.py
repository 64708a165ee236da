"""Few messages: who comes after whom is decided one by one.

First in, first out, parted into chains so that it costs least, by dynamic programming; then chains are joined where
a task had better wait than be stopped and another one started.
"""

from __future__ import annotations

from functools import partial, reduce
from math import inf
from typing import NamedTuple

from autoscaler.sim.limits.chains import NOTHING, Chain, Roster, in_order, in_turn, joined, single
from autoscaler.sim.limits.episode import Episode

LOOKED_AT = 1_500_000
"""Pairs of a first and a last message that are looked at, at most: about a second."""
LONGEST = 400


def parted(episode: Episode) -> Roster | None:
    """None: there are too many messages for that."""
    longest = min(LONGEST, LOOKED_AT // len(episode.arrivals_s))
    if longest < 10:
        return None
    chains = sorted(_parts(episode, longest), key=lambda chain: chain.up_by_s)
    return _joined(episode, chains)


def _parts(episode: Episode, longest: int) -> list[Chain]:
    """Consecutive messages, of no more than `longest` each, in the cheapest way."""
    messages = [single(episode, message) for message in range(len(episode.arrivals_s))]
    start_up_s, least = episode.start_up_s.tolist(), episode.least_billed_s
    cost, begun, launches = [0.0] + [inf] * len(messages), [0] * (len(messages) + 1), [0] * (len(messages) + 1)
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
                cost[end], begun[end], launches[end] = total, first, launches[first] + 1
            elif total - before - work > 4 * least + episode.latency_s:
                break
    return _cut(messages, begun)


def _cut(messages: list[Chain], begun: list[int]) -> list[Chain]:
    chains, end = [], len(messages)
    while end:
        chains.append(reduce(in_turn, messages[begun[end] : end]))
        end = begun[end]
    return chains


def _joined(episode: Episode, chains: list[Chain]) -> Roster:
    """Each chain in turn is left to the task that saves most by it, if any does."""
    tasks = [_Task(NOTHING, True)] * episode.tasks_at_start
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
            tasks[best] = _Task(in_turn(tasks[best].chain, chain), tasks[best].at_start)
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
    """What such a chain costs, with a start-up as they are on average."""
    chain = task.chain
    if not task.at_start:
        return max(least_billed_s, start_up_s + chain.done_if_up(chain.up_by_s) - chain.up_by_s)
    return max(least_billed_s, chain.done_if_up(0.0)) if chain.up_by_s >= 0 else inf


def _is_over(task: _Task, now: float, episode: Episode) -> bool:
    """It could only wait for longer than a new task takes."""
    begun = 0.0 if task.at_start else task.chain.up_by_s
    return task.chain.messages != () and task.chain.done_if_up(begun) + 4 * episode.least_billed_s < now
