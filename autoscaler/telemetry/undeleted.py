"""Workers that receive messages and delete none: the cause of late messages, also at the maximum. Pure."""

from __future__ import annotations

from autoscaler.core.advice import REMEDIES, Advice
from autoscaler.core.figures import several
from autoscaler.core.memory import progress_window_s
from autoscaler.core.model import Observation, Rule
from autoscaler.core.signals import MINUTE_LIMIT_S
from autoscaler.ports import Poll

REDELIVERED_RATIO = 2.0
"""If more messages were received than this multiple of what the tasks hold, some were received and not deleted."""


def undeleted(poll: Poll, seen: Observation) -> Advice | None:
    """Return that the workers delete nothing of what they receive: more tasks would not help. None: they do, or it is
    not known.

    The rule `no_progress` also needs more messages received than are in flight, to prevent a scale-out. After failures
    most messages in flight are held by no task: they wait for the end of their visibility timeout. Ten tasks with 20 s
    per message received 200 in five minutes and deleted none, while 120 were in flight. Work that takes longer than
    half of the window may not have ended yet.
    """
    flows, known = poll.memory.flows, seen.knowledge
    if not flows or known is None or seen.now - flows[-1].at >= MINUTE_LIMIT_S:
        return None
    window_s = progress_window_s(poll.policy)
    recent = [flow for flow in flows if flows[-1].at - flow.at < window_s]
    received, held = sum(flow.received for flow in recent), seen.fleet.running * known.concurrency.value
    if len(recent) < window_s // 60 - 1 or any(flow.deleted for flow in recent):
        return None
    if received <= REDELIVERED_RATIO * max(1.0, held) or 2 * known.slot_s > window_s:
        return None
    return Advice(
        f"messages are received but not deleted: {received} received and 0 deleted in {several(len(recent), 'minute')}",
        REMEDIES[Rule.NO_PROGRESS],
    )
