"""Workers that receive messages and delete none: the cause of late messages, also at the maximum. Pure."""

from __future__ import annotations

from autoscaler.core.advice import REMEDIES, Advice
from autoscaler.core.memory import progress_window_s
from autoscaler.core.model import Observation, Rule
from autoscaler.core.rules.work import not_deleted, undeleted
from autoscaler.ports import Poll


def undeleted_advice(poll: Poll, seen: Observation) -> Advice | None:
    """Return that the workers delete nothing of what they receive: more tasks would not help. None: they do, or it is
    not known.

    The rule `no_progress` also needs more messages received than are in flight, to prevent a scale-out. After failures
    most messages in flight are held by no task: they wait for the end of their visibility timeout. Ten tasks with 20 s
    per message received 200 in five minutes and deleted none, while 120 were in flight. Work that takes longer than
    half of the window may not have ended yet.
    """
    known = seen.knowledge
    if known is None or 2 * known.slot_s > progress_window_s(poll.policy):
        return None
    held = seen.fleet.running * known.concurrency.value
    minutes = undeleted(poll.policy, poll.memory, seen.now, held)
    return Advice(not_deleted(minutes), REMEDIES[Rule.NO_PROGRESS]) if minutes else None
