"""How long it takes to clear the backlog, at the target count and at more tasks.

The messages go on arriving at the present rate. A task receives `c / S` messages a second (`c` slots, processing time
`S`), so `n` tasks reduce the backlog by `n c / S` less the arrivals. Tasks that do not run yet receive nothing until
they have started, and tasks above a bottleneck add nothing. The messages that free slots receive at once are left out:
at most one for each slot.
"""

from __future__ import annotations

from math import ceil, inf
from typing import NamedTuple

from autoscaler.core.figures import several, span
from autoscaler.core.knowledge import Knowledge
from autoscaler.core.model import Decision, Observation
from autoscaler.core.slo import A_MESSAGE

MORE_RATIO = 2
"""The other count that is stated, as a multiple of the target count."""


class Clearing(NamedTuple):
    """`seconds` until the backlog is received with this number of tasks. Infinite: the arrivals exceed the receives."""

    tasks: int
    seconds: float


def clearing(seen: Observation, decision: Decision) -> tuple[Clearing, ...]:
    """Return the time to clear the backlog at the target count, and at twice as many tasks. Empty: no message waits, no
    task is to run, or nothing is estimated. Without the second: more tasks clear nothing sooner.
    """
    known = seen.knowledge
    if known is None or not decision.target or not has_backlog(known):
        return ()
    here, more = (
        Clearing(tasks, time_to_clear_s(known, seen.fleet.running, tasks))
        for tasks in (decision.target, MORE_RATIO * decision.target)
    )
    return (here,) if more.seconds >= here.seconds else (here, more)


def has_backlog(known: Knowledge) -> bool:
    """Whether a message waits."""
    return known.waiting >= A_MESSAGE


def time_to_clear_s(known: Knowledge, running: int, tasks: int) -> float:
    """Return the seconds until `tasks` tasks have received all waiting messages. `running` tasks run now."""
    useful = inf if known.useful is None else known.useful
    per_task = known.concurrency.value / known.slot_s
    now, later = (min(count, useful) * per_task - known.rate_per_s.value for count in (min(running, tasks), tasks))
    waiting, start_s = known.waiting, known.mean_start_s
    if now > 0 and waiting <= now * start_s:
        return waiting / now
    if later <= 0:
        return inf
    return start_s + (waiting - now * start_s) / later  # with no further tasks, this is waiting / later


def in_words(known: Knowledge, times: tuple[Clearing, ...]) -> str | None:
    """Return such as `the backlog of 900 messages is cleared at 12 tasks in 62 min, at 24 tasks in 15 min`, or `is not
    cleared at 12 tasks, cleared at 24 tasks in 15 min`, and what it assumes (None: no times).
    """
    if not times:
        return None
    never = [at for at in times if at.seconds == inf]
    ends = [f"at {several(at.tasks, 'task')} in {span(at.seconds)}" for at in times if at.seconds < inf]
    stated = [f"not cleared at {several(at.tasks, 'task')}" for at in never]
    stated += [f"cleared {', '.join(ends)}"] if ends else []
    backlog = several(ceil(known.waiting - A_MESSAGE), "message")
    assumed = "" if known.processing_s.weight else ", if the processing time is as configured or assumed"
    return f"the backlog of {backlog} is {', '.join(stated)}{assumed}"
