"""Rules about the reliability of readings: a missing value is not zero, one zero is not proof, and a new memory is
incomplete.
"""

from __future__ import annotations

from math import ceil, inf

from autoscaler.core.figures import are, seconds, several
from autoscaler.core.memory import AGREEMENT_S
from autoscaler.core.policy import FallbackBehavior
from autoscaler.core.rule_input import PermittedRange, RuleInput

MINUTE_S = 60.0

CONTRADICTED_S = 3600.0
"""Seconds for which a CloudWatch minute is valid if no newer one follows, as in an outage of CloudWatch. An active
queue has a datapoint each minute, zeros included.
"""

AGREEING_READS = 3
"""Required number of consecutive zero readings, the present one included. They must cover more than `AGREEMENT_S`."""


def activation(inputs: RuleInput) -> PermittedRange | None:
    """Scale out from zero only if enough readings show enough work. A message that has reached its acceptable latency
    overrides this.

    A fallback needs no activation: it applies when no reading is available.
    """
    if inputs.current > 0 or inputs.signals.given or not inputs.signals.votes:
        return None
    rule, messages = inputs.policy.activation, inputs.signals.work.messages
    waited_s, reads = inputs.memory.last_run(None, inputs.now)
    oldest_s = max(waited_s, inputs.signals.work.oldest_age_s or 0.0)
    if oldest_s >= inputs.policy.shortest_latency_s and reads:
        return None
    enough = inputs.signals.wakes(inputs.policy)
    if enough and inputs.memory.waking + 1 >= rule.reads:
        return None
    return (
        0,
        0,
        lambda: (
            f"{several(messages, 'message')}{' in the queues that were read' if inputs.signals.missing else ''}; "
            f"activation requires more than {rule.messages} in {several(rule.reads, 'consecutive reading')}"
        ),
    )


def zero(inputs: RuleInput) -> PermittedRange | None:
    """Scale in to zero only after consistent readings over more than a minute with no work left. One zero reading can
    be wrong.
    """
    if inputs.current == 0 or inputs.signals.given:
        return None
    if inputs.signals.work.messages > 0:
        return (1, inf, lambda: f"{are(inputs.signals.work.messages, 'message')} left")
    empty_s, reads = inputs.memory.last_run(0, inputs.now)
    if empty_s > AGREEMENT_S and reads + 1 >= AGREEING_READS:
        return None
    return (1, inf, lambda: f"empty for {empty_s:.0f} s; scale-in to 0 after more than {AGREEMENT_S:.0f} s")


def contradiction(inputs: RuleInput) -> PermittedRange | None:
    """Do not scale in to zero, nor below the tasks that were busy, while CloudWatch's newest minute shows messages that
    the SQS readings of that minute did not.

    Messages that take milliseconds are never seen in flight: SQS returns 0/0 at every poll while CloudWatch counts 600
    messages a minute. A minute before the first reading cannot be compared, and holds the count as well; the next
    minutes decide. At 600 messages a minute of 0.2 s each, 600 x 0.2 / 60 = 2 tasks were busy.
    """
    unseen = inputs.signals.unseen
    if unseen is None or inputs.now - unseen.at > CONTRADICTED_S:
        return None
    if not (unseen.messages or unseen.oldest_age_s):
        return None
    busy = min(inputs.current, max(1, ceil(unseen.deleted * inputs.signals.message_s / MINUTE_S)))
    if inputs.signals.useful is not None:
        busy = min(busy, ceil(inputs.signals.useful))
    return (
        busy,
        inf,
        lambda: (
            f"CloudWatch counted {several(unseen.messages, 'message')} in the minute that ended "
            f"{inputs.now - unseen.at:.0f} s ago"
            + (f", the oldest {unseen.oldest_age_s:.0f} s old" if unseen.oldest_age_s else "")
            + ("; the SQS counts did not show them" if unseen.compared else "; no SQS reading falls into that minute")
        ),
    )


def no_receives(inputs: RuleInput) -> PermittedRange | None:
    """Do not scale in until each queue has shown a receive: the depth of a queue without receives is no evidence about
    this service.

    The queue may have the right name in the wrong Region or account. A fallback that the operator chose overrides this.
    """
    queues = inputs.signals.unreceived
    if not queues or _lowering_fallback(inputs):
        return None
    return (
        inputs.current,
        inf,
        lambda: (
            f"no receive was seen on {', '.join(queues)} since this daemon started or in the readable CloudWatch "
            "data (cloudwatch:GetMetricData); check the queue's name, Region and account, and that the workers poll it"
        ),
    )


def missing_signal(inputs: RuleInput) -> PermittedRange | None:
    """Do not scale in while a needed signal is missing, unless the configured fallback permits it."""
    missing = inputs.signals.missing
    if not missing or _lowering_fallback(inputs):
        return None
    return (inputs.current, inf, lambda: "; ".join(f"{name}: {gap.reason}" for name, gap in missing))


def _lowering_fallback(inputs: RuleInput) -> bool:
    return falls_back(inputs) and inputs.policy.fallback.behavior in {
        FallbackBehavior.STATIC,
        FallbackBehavior.CURRENT_IF_LOWER,
    }


def falls_back(inputs: RuleInput) -> bool:
    """Whether every needed signal has been missing for more than `after` consecutive readings and a fallback is
    configured.
    """
    rule = inputs.policy.fallback
    if rule.behavior is FallbackBehavior.HOLD or rule.tasks is None or inputs.signals.votes:
        return False
    return bool(inputs.signals.missing) and inputs.memory.failures + 1 > rule.after


def late(inputs: RuleInput) -> PermittedRange | None:
    """Do not scale in while the oldest message of a queue is older than its acceptable latency, except down to the
    maximum, and to a bottleneck: more tasks than that complete no more messages.
    """
    overdue, bottleneck = inputs.signals.work.overdue, inputs.signals.useful
    if overdue is None:
        return None
    name, age_s = overdue
    return (
        min(inputs.current, inputs.policy.max_tasks, inputs.current if bottleneck is None else ceil(bottleneck)),
        inf,
        lambda: f"the oldest message of {name} has waited {age_s:.0f} s",
    )


def warm_up(inputs: RuleInput) -> PermittedRange | None:
    """Do not scale in before the memory covers the longest window that could have prevented it."""
    known_s, needed_s = inputs.memory.known_for_s(inputs.now), inputs.policy.scale_in.longest_window_s
    if inputs.signals.settled:
        needed_s = max(needed_s, inputs.policy.scale_in.small_step_stabilization_s)
    if known_s >= needed_s:
        return None
    return (inputs.current, inf, lambda: f"observed for {known_s:.0f} s; scale-in after {seconds(needed_s)}")


def contested(inputs: RuleInput) -> PermittedRange | None:
    """Hold the count for a bounded time while another writer reverses the changes of the autoscaler.

    It holds a count outside the bounds, too: two writers with different bounds would otherwise never stop.
    """
    contest = inputs.memory.contest_at(inputs.policy, inputs.fleet, inputs.now)
    if not contest.is_paused(inputs.now):
        return None
    left_s = contest.paused_at + contest.pause_s - inputs.now
    return (
        inputs.current,
        inputs.current,
        lambda: f"{contest.account}: no change for the next {left_s:.0f} s, because two writers undo each other",
    )
