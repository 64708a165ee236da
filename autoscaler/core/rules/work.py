"""What the tasks are doing: which must stay, and when more of them would not help."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from autoscaler.core.figures import are, number, protecting, several
from autoscaler.core.memory import FLOW_REACH_S, Memory, progress_window_s
from autoscaler.core.model import Flow
from autoscaler.core.policy import Policy, Workers
from autoscaler.core.rule_input import PermittedRange, RuleInput
from autoscaler.core.signals import MINUTE_LIMIT_S

IDLE_BESIDE_BACKLOG_S = 180.0
"""Backlog beside idle slots for so long is what a FIFO queue does whose message groups are all taken."""

CHURN_RATIO = 0.1
"""Up to a tenth of a fleet may be missing without anything being wrong."""

FIFO_PROBE = 1
"""So many tasks more than the groups in flight are allowed, to find out whether there are more groups."""

REDELIVERED_RATIO = 2.0
"""More messages received than this many times what can be in work: they were given back and received again."""

MORE_TASKS_RATIO = 1.5
NO_MORE_DELETED_RATIO = 1.05
"""Half as many tasks again, and no more than a twentieth more deleted: the bottleneck is behind the workers."""


def deployment(inputs: RuleInput) -> PermittedRange | None:
    """Never in during a deployment, for a bounded time: some last for weeks."""
    rolling, rule = inputs.fleet.deployment, inputs.policy.deployments
    if rolling is None or not rule.hold_scale_in or inputs.now - rolling.started >= rule.at_most_s:
        return None
    return (inputs.current, inf, lambda: f"a deployment is in progress, for {inputs.now - rolling.started:.0f} s")


def busy(inputs: RuleInput) -> PermittedRange | None:
    """Keeps the tasks that are at work. A floor never scales out.

    Protected tasks always count; what is in flight counts for the tasks that it occupies; and where workers lose what
    they hold when they are stopped, anything in flight keeps all of them: ECS does not choose the idle ones. So it does
    where `workers` is not set and messages take longer than stopTimeout.
    """
    policy, work, long = inputs.policy, inputs.signals.work, inputs.long_work
    if inputs.workers is Workers.UNSAFE and work.in_flight > 0:
        if long is not None:
            return inputs.current, inf, lambda: long.reason(work.in_flight)
        return inputs.current, inf, lambda: f"{are(work.in_flight, 'message')} in flight, and stopped workers lose them"
    occupied = -(-work.held // policy.task_concurrency) if policy.busy_floor else 0
    floor = max(inputs.fleet.protected or 0, occupied)
    if floor == 0:
        return None
    return (min(inputs.current, floor), inf, lambda: ", ".join(_at_work(occupied, work.held, inputs.fleet.protected)))


def _at_work(occupied: int, held: int, protected: int | None) -> Iterator[str]:
    """Why tasks stay. What was not read or not asked for is left out: it is not known to be 0."""
    if occupied:
        yield f"{are(occupied, 'task')} busy with {several(held, 'message')} in flight"
    if protected is not None:
        yield protecting(protected)


def fifo(inputs: RuleInput) -> PermittedRange | None:
    """No more tasks than a FIFO queue has active message groups: each group is worked on one message at a time.

    Groups in flight cannot exceed what present workers hold, so this caps only once backlog has stood beside idle
    slots for minutes, leaves room for a probe, and never scales in.
    """
    groups, since = inputs.signals.work.groups_in_flight, inputs.memory.idle_since
    if groups is None or since is None or inputs.now - since < IDLE_BESIDE_BACKLOG_S:
        return None
    most = -(-groups // inputs.policy.task_concurrency) + FIFO_PROBE
    return (
        0,
        max(inputs.current, most),
        lambda: f"{are(groups, 'message group')} in flight, and tasks stood idle beside backlog for minutes",
    )


def stalled_start(inputs: RuleInput) -> PermittedRange | None:
    """No more tasks while those asked for do not come up. It ends as soon as one more of them runs.

    A few tasks of many are always being replaced, and a deployment replaces all: unless ECS says that there is
    trouble, neither is a stall.
    """
    starting, trouble = inputs.memory.starting, inputs.fleet.trouble
    if starting is None or inputs.fleet.running >= inputs.fleet.desired or inputs.fleet.running > starting.tasks:
        return None
    missing, waited_s = inputs.fleet.desired - inputs.fleet.running, inputs.now - starting.at
    if trouble is not None and trouble.at >= starting.at:
        return (
            0,
            inputs.current,
            lambda: f"{several(missing, 'task')} {'does' if missing == 1 else 'do'} not start: {trouble.reason}",
        )
    replaced = inputs.fleet.deployment is not None or missing <= CHURN_RATIO * inputs.fleet.desired
    if replaced or waited_s < inputs.policy.stalled_after_s:
        return None
    return (0, inputs.current, lambda: _silent_stall(missing, waited_s))


def _silent_stall(missing: int, waited_s: float) -> str:
    verb = "has" if missing == 1 else "have"
    return f"{several(missing, 'task')} {verb} not come up for {waited_s:.0f} s, and ECS does not say why"


def no_progress(inputs: RuleInput) -> PermittedRange | None:
    """No more tasks while those that run get nothing done, or get no more done than fewer did."""
    flows = inputs.memory.flows
    if not flows or inputs.signals.given:
        return None
    if _in_circles(inputs.policy, inputs.memory, inputs.now, held=max(inputs.signals.work.in_flight, _slots(inputs))):
        return (0, inputs.current, lambda: f"messages are received and not deleted, {_minutes(flows)}")
    slower = _no_faster(flows, inputs.now)
    if slower is None:
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


def _minutes(flows: tuple[Flow, ...]) -> str:
    received, deleted = sum(flow.received for flow in flows), sum(flow.deleted for flow in flows)
    return f"{number(received)} and {number(deleted)} in {several(len(flows), 'minute')}"


def _in_circles(policy: Policy, memory: Memory, now: float, held: int) -> bool:
    """Nothing deleted over the whole window, and more received than could be in work: long work is not this."""
    window_s = progress_window_s(policy)
    received = minutes = 0
    for flow in reversed(memory.flows):
        if now - flow.at >= window_s:
            continue
        if flow.deleted:
            return False
        received, minutes = received + flow.received, minutes + 1
    return minutes >= window_s // 60 - 1 and received > REDELIVERED_RATIO * max(1, held)


def _no_faster(flows: tuple[Flow, ...], now: float) -> Flow | None:
    """An earlier minute in which clearly fewer tasks deleted as much as the newest one's.

    Only minutes count in which messages waited throughout: in others, what was deleted is what came. Those that wait
    now do not count: a corridor must not depend on the work of this moment.
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
