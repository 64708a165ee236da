"""Rules about the work of the tasks: which tasks must stay, and when more tasks would not help."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, inf

from autoscaler.core.figures import are, number, protecting, several
from autoscaler.core.knowledge import Regime
from autoscaler.core.memory import FLOW_REACH_S, Memory, progress_window_s
from autoscaler.core.model import Flow, StartHold, Trouble
from autoscaler.core.policy import Policy, WorkerSafety
from autoscaler.core.rule_input import PermittedRange, RuleInput
from autoscaler.core.signals import MINUTE_LIMIT_S

IDLE_WITH_BACKLOG_S = 180.0
"""Seconds of backlog with idle slots after which a FIFO queue counts as limited by its message groups."""

CHURN_RATIO = 0.1
"""The ratio of the desired tasks that may be missing before the start counts as stalled."""

START_PROBE = 1
"""The number of tasks that are permitted as a test whether tasks start again, if ECS has none to start."""

FIFO_PROBE = 1
"""The number of tasks that are permitted in addition to the groups in flight, to find out if there are more groups."""

REDELIVERED_RATIO = 2.0
"""If the received messages exceed this multiple of the largest number that can be in progress, messages count as
redelivered.
"""

MORE_TASKS_RATIO = 1.5
NO_MORE_DELETED_RATIO = 1.05
"""If 1.5 times as many tasks delete at most 1.05 times as many messages, the bottleneck is not the workers."""


def deployment(inputs: RuleInput) -> PermittedRange | None:
    """Do not scale in during a deployment, for a limited time: some deployments last for weeks."""
    in_progress, rule = inputs.fleet.deployment, inputs.policy.deployments
    if in_progress is None or not rule.hold_scale_in or inputs.now - in_progress.started >= rule.at_most_s:
        return None
    lasting_s = inputs.now - in_progress.started
    return (inputs.current, inf, lambda: f"a deployment has been in progress for {lasting_s:.0f} s")


def busy(inputs: RuleInput) -> PermittedRange | None:
    """Keep the busy tasks. This floor never scales out.

    Protected tasks always count. Messages in flight count for the tasks that they occupy. If stopped workers lose their
    messages (unsafe), any message in flight keeps all tasks, because ECS does not choose the idle ones. The same
    applies if `workers` is not set and messages take longer than stopTimeout.
    """
    policy, work, long_work = inputs.policy, inputs.signals.work, inputs.long_work
    if inputs.workers is WorkerSafety.UNSAFE and work.in_flight > 0:
        if long_work is not None:
            return inputs.current, inf, lambda: long_work.reason(work.in_flight)
        return inputs.current, inf, lambda: f"{are(work.in_flight, 'message')} in flight, and stopped workers lose them"
    occupied = _occupied(inputs) if policy.busy_floor else 0
    floor = max(inputs.fleet.protected or 0, occupied)
    if floor == 0:
        return None
    return (min(inputs.current, floor), inf, lambda: ", ".join(_reasons(occupied, work.held, inputs.fleet.protected)))


def _occupied(inputs: RuleInput) -> int:
    """Return the tasks that are occupied with messages in flight, as far as a scale-in must keep them.

    If more messages are in flight than the tasks can hold, their number says nothing about the tasks. Above a
    bottleneck, tasks are busy without completing more messages. Workers that drain lose nothing in both cases.
    """
    signals = inputs.signals
    occupied = -(-signals.work.held // inputs.policy.task_concurrency)
    if inputs.workers is not WorkerSafety.DRAINING:
        return occupied
    if signals.regime is Regime.UNIDENTIFIABLE:
        return 0
    return occupied if signals.useful is None else min(occupied, ceil(signals.useful))


def _reasons(occupied: int, held: int, protected: int | None) -> Iterator[str]:
    """Yield the reasons why tasks stay. A count that was not read is left out: it is unknown, not 0."""
    if occupied:
        yield f"{are(occupied, 'task')} busy with {several(held, 'message')} in flight"
    if protected is not None:
        yield protecting(protected)


def fifo(inputs: RuleInput) -> PermittedRange | None:
    """Limit the tasks to the active message groups of a FIFO queue: each group is processed one message at a time.

    Groups in flight cannot exceed the messages that the present workers hold. The limit therefore applies only after
    minutes of backlog with idle slots, leaves room for a probe, and never scales in.
    """
    groups, since = inputs.signals.work.groups_in_flight, inputs.memory.idle_since
    if groups is None or since is None or inputs.now - since < IDLE_WITH_BACKLOG_S:
        return None
    most = -(-groups // inputs.policy.task_concurrency) + FIFO_PROBE
    return (
        0,
        max(inputs.current, most),
        lambda: f"{are(groups, 'message group')} in flight, and tasks have been idle for minutes despite a backlog",
    )


def stalled_start(inputs: RuleInput) -> PermittedRange | None:
    """Do not scale out while requested tasks do not start. The rule ends as soon as one more task runs; a diagnosis
    that something must be changed holds until it is changed, or a task stays up.

    If few tasks are missing, or during a deployment, it applies only if ECS reports a problem: tasks are then being
    replaced.
    """
    starting, trouble, failure = inputs.memory.starting, inputs.fleet.trouble, inputs.fleet.failure
    if failure is not None and failure.hold is StartHold.UNTIL_CHANGED:
        return (0, _most_untried(inputs, failure.staying), lambda: failure.reason)
    if starting is None or inputs.fleet.running >= inputs.fleet.desired or inputs.fleet.running > starting.tasks:
        return None
    missing, waited_s = inputs.fleet.desired - inputs.fleet.running, inputs.now - starting.at
    if failure is not None and failure.hold is StartHold.WHILE_MISSING and failure.at >= starting.at:
        return (0, inputs.current, lambda: failure.reason)
    if trouble is not None and trouble.at >= starting.at:
        return (
            0,
            inputs.current,
            lambda: f"{several(missing, 'task')} {'does' if missing == 1 else 'do'} not start: {trouble.reason}",
        )
    replaced = inputs.fleet.deployment is not None or missing <= CHURN_RATIO * inputs.fleet.desired
    if replaced or waited_s < inputs.policy.stalled_after_s:
        return None
    return (0, inputs.current, lambda: _old_stall(missing, waited_s, trouble))


def _most_untried(inputs: RuleInput, staying: int) -> int:
    """Return the present count, and one task more if ECS has no task to start: nothing else would show that the cause
    is gone, such as an image that was pushed again. All tasks may run at one moment, and end at the next.
    """
    is_trying = staying < inputs.current or inputs.fleet.deployment is not None
    return inputs.current if is_trying else inputs.current + START_PROBE


def _old_stall(missing: int, waited_s: float, trouble: Trouble | None) -> str:
    """`trouble`: an event from before the start was requested, or before the first reading after a restart."""
    verb = "has" if missing == 1 else "have"
    said = ", and ECS gives no reason" if trouble is None else f", and ECS reported before: {trouble.reason}"
    return f"{several(missing, 'task')} {verb} not started for {waited_s:.0f} s{said}"


def no_progress(inputs: RuleInput) -> PermittedRange | None:
    """Do not scale out while the running tasks complete no message, or only as many as a smaller number of tasks
    completed before.
    """
    flows = inputs.memory.flows
    if not flows or inputs.signals.given:
        return None
    held = max(inputs.signals.work.in_flight, _slots(inputs))
    if redelivered := undeleted(inputs.policy, inputs.memory, inputs.now, held):
        return (0, inputs.current, lambda: not_deleted(redelivered))
    slower = _no_faster(flows, inputs.now)
    if slower is None or inputs.signals.regime is Regime.BATCH:  # longer messages, not a bottleneck
        return None
    return (
        0,
        inputs.current,
        lambda: (
            f"{several(flows[-1].tasks, 'task')} deleted {several(flows[-1].deleted, 'message')} in a minute, "
            f"{several(slower.tasks, 'task')} had deleted {number(slower.deleted)}"
        ),
    )


def _slots(inputs: RuleInput) -> int:
    return inputs.fleet.running * inputs.policy.task_concurrency


def not_deleted(flows: tuple[Flow, ...]) -> str:
    """Return the reason. `flows`: the minutes without a deletion."""
    received = number(sum(flow.received for flow in flows))
    return (
        f"messages are received but not deleted: {received} received and 0 deleted in {several(len(flows), 'minute')}"
    )


def undeleted(policy: Policy, memory: Memory, now: float, held: float) -> tuple[Flow, ...]:
    """Return the minutes of the window, if nothing was deleted in them although more messages were received than can be
    in progress: `held` (empty: not so, or not known). Long-running work does not meet this condition.

    The window ends with the newest minute, which is one to two minutes old at each poll. A window that ended now would
    lose its oldest minute before the next one is published, and the rule would lapse for one poll of each minute.
    """
    if not memory.flows or now - memory.flows[-1].at >= MINUTE_LIMIT_S:
        return ()
    window_s, newest = progress_window_s(policy), memory.flows[-1].at
    recent = tuple(flow for flow in memory.flows if newest - flow.at < window_s)
    if len(recent) < window_s // 60 - 1 or any(flow.deleted for flow in recent):
        return ()
    return recent if sum(flow.received for flow in recent) > REDELIVERED_RATIO * max(1, held) else ()


def _no_faster(flows: tuple[Flow, ...], now: float) -> Flow | None:
    """Return an earlier minute in which clearly fewer tasks deleted as many messages as in the newest one (None: no
    such minute).

    Only minutes with waiting messages throughout count; in others the deletions equal the arrivals. The messages that
    wait now are not used: a permitted range must not depend on the current work.
    """
    newest = flows[-1]
    if newest.deleted == 0 or newest.waiting == 0 or now - newest.at >= MINUTE_LIMIT_S:
        return None
    for flow in flows[:-1]:
        fewer = 0 < flow.tasks * MORE_TASKS_RATIO <= newest.tasks and newest.tasks - flow.tasks > 1
        alike = flow.waiting > 0 and now - flow.at < FLOW_REACH_S
        if fewer and alike and newest.deleted <= NO_MORE_DELETED_RATIO * flow.deleted:
            return flow
    return None
