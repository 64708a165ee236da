"""How far the readings may be believed: absent is not zero, one zero is not zero, and a young memory knows little."""

from __future__ import annotations

from math import ceil, inf

from autoscaler.core.figures import are, seconds, several
from autoscaler.core.memory import AGREEMENT_S
from autoscaler.core.policy import FallbackBehavior
from autoscaler.core.rule_input import PermittedRange, RuleInput

MINUTE_S = 60.0

CONTRADICTED_S = 3600.0
"""What CloudWatch counted stands until it counts a newer minute, for an hour at most: an outage refutes nothing. An
active queue has a datapoint each minute, zeros included.
"""

AGREEING_READS = 3
"""Zero is believed after so many readings, the present one counted, over more than `AGREEMENT_S`."""


def activation(inputs: RuleInput) -> PermittedRange | None:
    """From zero only on enough work, seen often enough; but nothing waits longer than its latency for that.

    A fallback wakes without any: it speaks where no reading does.
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
            f"{several(messages, 'message')}{' in what was read' if inputs.signals.missing else ''}; wakes on more "
            f"than {rule.messages}, in {several(rule.reads, 'reading')} in a row"
        ),
    )


def zero(inputs: RuleInput) -> PermittedRange | None:
    """To none only after agreeing readings over more than a minute, with nothing left: one zero is not zero."""
    if inputs.current == 0 or inputs.signals.given:
        return None
    if inputs.signals.work.messages > 0:
        return (1, inf, lambda: f"{are(inputs.signals.work.messages, 'message')} left")
    quiet_s, reads = inputs.memory.last_run(0, inputs.now)
    if quiet_s > AGREEMENT_S and reads + 1 >= AGREEING_READS:
        return None
    return (1, inf, lambda: f"empty for {quiet_s:.0f} s; believed after more than {AGREEMENT_S:.0f} s")


def contradiction(inputs: RuleInput) -> PermittedRange | None:
    """Never to zero, nor below what was busy, while CloudWatch's newest minute shows messages that our readings of
    that minute did not.

    Work that takes milliseconds is never seen in flight: SQS reads 0/0 at every poll while CloudWatch counts 600
    messages a minute. A minute from before our readings cannot be compared with them, and holds as well: the next
    minutes tell. At 600 messages a minute of 0.2 s each, 600 x 0.2 / 60 = 2 tasks were busy.
    """
    unseen = inputs.signals.unseen
    if inputs.current == 0 or inputs.signals.given or unseen is None or inputs.now - unseen.at > CONTRADICTED_S:
        return None
    if not (unseen.messages or unseen.oldest_age_s):
        return None
    busy = min(inputs.current, max(1, ceil(unseen.deleted * inputs.signals.message_s / MINUTE_S)))
    return (
        busy,
        inf,
        lambda: (
            f"CloudWatch counted {several(unseen.messages, 'message')} in the minute that ended "
            f"{inputs.now - unseen.at:.0f} s ago"
            + (f", the oldest {unseen.oldest_age_s:.0f} s old" if unseen.oldest_age_s else "")
            + ("; SQS showed none of them" if unseen.compared else "; there are no SQS readings of it to compare")
        ),
    )


def no_receives(inputs: RuleInput) -> PermittedRange | None:
    """Never in before each queue has shown a receive: a queue that nothing receives from says nothing of this service.

    It may have the right name in the wrong Region or account. A fallback that the operator chose overrides this.
    """
    queues = inputs.signals.unreceived
    if inputs.current == 0 or inputs.signals.given or not queues or _lowering_fallback(inputs):
        return None
    return (
        inputs.current,
        inf,
        lambda: (
            f"no receive was seen on {', '.join(queues)}, neither since this daemon started nor in what could be read "
            "of CloudWatch (cloudwatch:GetMetricData); check the queue's name, Region and account, and that the "
            "workers poll it"
        ),
    )


def missing_signal(inputs: RuleInput) -> PermittedRange | None:
    """Never in while a needed signal is missing, except as far as the operator's fallback says."""
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
    """Every needed signal has been missing for more readings in a row than the fallback's `after`."""
    rule = inputs.policy.fallback
    if rule.behavior is FallbackBehavior.HOLD or rule.tasks is None or inputs.signals.votes:
        return False
    return bool(inputs.signals.missing) and inputs.memory.failures + 1 > rule.after


def late(inputs: RuleInput) -> PermittedRange | None:
    """Never in while messages wait whose oldest is older than it may be; down to the maximum all the same."""
    overdue = inputs.signals.work.overdue
    if overdue is None:
        return None
    name, age_s = overdue
    return (
        min(inputs.current, inputs.policy.max_tasks),
        inf,
        lambda: f"the oldest message of {name} has waited {age_s:.0f} s",
    )


def warm_up(inputs: RuleInput) -> PermittedRange | None:
    """Never in before the memory reaches back as far as the longest window that would have restrained it."""
    known_s, needed_s = inputs.memory.known_for_s(inputs.now), inputs.policy.scale_in.longest_window_s
    if inputs.signals.settled:
        needed_s = max(needed_s, inputs.policy.small_step_stabilization_s)
    if known_s >= needed_s:
        return None
    return (inputs.current, inf, lambda: f"watching for {known_s:.0f} s; in only after {seconds(needed_s)}")
