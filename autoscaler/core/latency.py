"""The latency vote: the smallest number of tasks that receives every message, waiting or expected, before it is late.

A free slot receives a message at once, and an occupied slot is free again after one processing time. Within `t` seconds
`n` tasks of `c` slots therefore receive `n * c * t / S` messages; a task that starts `u` seconds from now receives `c *
(1 + (t - u) / S)`. The result is the smallest count for which, at each instant, the messages received are at least as
many as must have been received by then.

Invariants: more messages, older messages, more expected messages or a larger share of slow starts never require fewer
tasks; overdue messages are due after a start-up and a catch-up time, so the count does not jump; the count never
exceeds the messages there are, divided by the slots of a task.

Two thresholds prevent flapping. The count is raised only if waiting for the next poll would miss the latency target, or
if the backlog needs more tasks until its last message: it is then cheaper to start them early. The count is lowered to
the number that meets the target with half of the latency to spare. Between the two it stays unchanged.
"""

from __future__ import annotations

from math import inf, sqrt
from operator import attrgetter, itemgetter
from typing import NamedTuple

from autoscaler.core.figures import Several
from autoscaler.core.knowledge import Knowledge, QueueKnowledge, Regime, StartingTasks
from autoscaler.core.model import Term
from autoscaler.core.policy import Policy
from autoscaler.core.signals import Work

GUARD_S, GUARD_RATIO = 8.0, 0.15
"""The safety margin of the latency: a reading is a few seconds old, and a worker needs time to request its next
message.
"""

SPENT_RATIO = 0.97
"""The share of the usable latency that the plan uses when tasks are added. The rest covers unforeseen load."""

EASE_RATIO = 0.5
"""The share of the latency that must remain unused before tasks are removed."""

CATCH_UP_RATIO, CATCH_UP_S = 0.25, 60.0
"""The share of the latency, after a start-up, within which overdue messages should be received, at most a minute: with
a target of 15 minutes, messages that are due in two minutes must not be planned for four.
"""

HELD_RATIO = 5.0
"""While messages are held longer than any before, those that are due are planned as if they were held this many times
as long as expected. What has lasted for t lasts for more than x with a probability of t / x; 2 t are expected, and with
10 t nine of ten are covered.
"""

SIGMAS = 2.33
"""The planned shortfall of receives by the running tasks, in standard deviations. The actual shortfall is larger in one
of 100 cases. The variance of a renewal process is CV^2 x mean.
"""

AHEAD_S = 30.0
"""Seconds beyond a start-up for which added tasks must suffice; otherwise the next poll adds more."""

EASED_FOR_S = 60.0
"""Seconds for which the latency target must be met with fewer tasks before tasks are removed."""

LEAST_TASKS, LEAST_RATIO = 0.7, 0.05
"""Minimum increase for adding tasks early: in tasks, and as a ratio of the present count. Fractions of a task
fluctuate.
"""

RARE = 6.9
"""-ln(0.001). In heavy traffic P(wait > W) = exp(-2 (n - R) n W / (R S (1 + CV^2))) (Kingman); see `_headroom`."""
ROOT = 2.0
"""The headroom is at most twice the square root of the load: almost no message waits then (Halfin and Whitt)."""

SPARE_TASKS = 2.0
"""The most spare tasks if the latency target allows a new message to wait for a poll and a start-up."""

PROBE_RATIO = 0.85
"""While only an upper bound of the processing time is known and no message waits, the tasks are reduced to this share,
again and again. Either messages begin to wait, which shows the throughput, or fewer tasks are enough.
"""

SPENT_LATE = (
    "to receive {0} within {1} s: the present {2} can receive at least {3}, each further task {4} after its start"
)
SPENT_EARLY = "to receive {0} within {1} s: the present {2} can receive at least {3}"
NOT_DUE = "no message is due within {0} s"
"""The reasons of a term that follows from due times. The number of tasks can be computed from the five values: the
present tasks + (messages - received) / those of a further task, or in proportion if the present ones can receive more.
"""

BACKLOG = "; tasks that start later cost more"
STANDING = (
    "for half of the load, {0}, and a standing backlog in one latency target, {1}: it has waited half of it for minutes"
)
EASE = "; each then waits for at most half of the latency target"
LOAD = "for {0}/s x {1} s / {2} per task = {3}, and {4} of headroom"
LITTLE = "a load of {0} tasks is less than half a task: its messages can wait for a start-up"
LASTING = "for {0}/s, the mean over a third of the latency target, x {1} s / {2} per task = {3}"
FEW = "with a slot for each of {0} at {1} per task, and {2} spare tasks"
PRESENT = "{0} can meet the latency target; up to {1} would be kept, but none is added"
ENOUGH = "no more than the present {0}"
WAITS = "{0} can wait: the first is due in {1} s, and a task will be requested in about {2} s"
MESSAGES = "no more than one slot for each message: {0} in the queues, {1} expected, {2} per task"
BOTTLENECK = "more than {0} complete no more messages"
GROUPS = "more than {0} receive nothing: the message groups in flight, and a probe"
TRIAL = "it is not known whether more than {0} help: these are tried first"
TEST = "to test with {0} whether more help: messages take longer than before, and accumulate"
PROBE = "only an upper bound of the processing time is known, and no message waits: {0} of the present {1} are tried"
"""The reasons of the other terms."""

_TASKS = attrgetter("tasks")

SMALL_LOAD = 0.5
"""A load below half a task gets no headroom; its messages can wait for a start-up."""


class Need(NamedTuple):
    """The count that meets the latency target, in tasks; it can be a fraction. `must`: with fewer tasks the target is
    missed. `terms`: the candidates for the load; it is the largest, at most the smallest cap.
    """

    load: float
    must: bool
    terms: tuple[Term, ...] = ()


class _Plan(NamedTuple):
    """The capacity to receive messages, from now on."""

    queues: tuple[QueueKnowledge, ...]
    any_due: bool
    tasks: float
    idle: float
    rate_per_s: float
    doubt: float
    starting: tuple[StartingTasks, ...]
    slots: float
    slot_s: float
    start_s: float
    floor_s: float
    until_s: float
    slow_share: float = 0.0
    slow_start_s: float = 0.0

    def receives(self, due_s: float) -> float:
        """Return the messages that each slot of a further task receives within `due_s`, which is no earlier than its
        start. Of two kinds of starts, it is the mean of both: a slow one that starts later receives none.
        """
        fast = 1 + (due_s - self.start_s) / self.slot_s
        if not self.slow_share:
            return fast
        slow = 1 + (due_s - self.slow_start_s) / self.slot_s if due_s > self.slow_start_s else 0.0
        return (1 - self.slow_share) * fast + self.slow_share * slow


def need(policy: Policy, known: Knowledge, work: Work, running: int, current: int) -> Need:
    """Return the number of tasks that meets the latency target. The present count stays if it is between the two
    thresholds. Above a bottleneck more tasks complete no more messages, so it limits the result.
    """
    required = _required(policy, known, work, running, current)
    if known.bottleneck is not None:
        required = _limited(required, "bottleneck", known.bottleneck, BOTTLENECK)
    if known.groups is not None:
        required = _limited(required, "groups", known.groups, GROUPS)
    if known.trial is not None:
        required = _limited(required, "trial", max(known.trial, current), TRIAL)
    if known.regime is Regime.UNIDENTIFIABLE and not work.waiting:
        required = _limited(required, "probe", PROBE_RATIO * current, PROBE, Several(current, "task"))
    return required


def _limited(required: Need, name: str, most: float, wording: str, *more: object) -> Need:
    cap = Term(name, most, wording, (Several(most, "task"), *more), cap=True)
    return Need(min(required.load, most), required.must, (*required.terms, cap))


def _required(policy: Policy, known: Knowledge, work: Work, running: int, current: int) -> Need:
    latency_s = policy.shortest_latency_s
    latencies = [policy.latency_of(queue.name) for queue in known.queues]
    longest_s = max(latencies, default=0.0)
    plan = _plan(policy, known, work, running, longest_s)
    spent = [each - min(GUARD_S, GUARD_RATIO * each) for each in latencies]
    in_time_s = known.interval_s + known.start_late_s
    horizon_s = max(spent, default=0.0)
    urgent = _held_long(plan) if known.holding_s else plan
    due = _needed(urgent, spent, 1.0, in_time_s).term("due", urgent)
    whole = [_needed(plan, spent, SPENT_RATIO, horizon_s).term("backlog", plan, BACKLOG)]
    if known.standing:
        whole.append(_drained(plan, latencies, known.lasting_load))
    enough = current + max(LEAST_TASKS, LEAST_RATIO * current)
    test = () if known.test is None else (Term("test", known.test, TEST, (Several(known.test, "task"),)),)
    early = tuple(term for term in (*whole, *test) if term.tasks > enough)
    if due.tasks > current:
        later = _needed(urgent, spent, SPENT_RATIO, in_time_s + AHEAD_S).term("due_next", urgent)
        return _capped((due, later, *early), work, plan, must=True)
    if early:
        return _capped(early, work, plan, must=False)
    eased = _needed(plan, latencies, EASE_RATIO, max(EASE_RATIO * longest_s + EASED_FOR_S, in_time_s))
    spare = work.messages / plan.slots + SPARE_TASKS if latency_s >= in_time_s else inf
    terms = tuple(
        term
        if term.tasks <= spare
        else Term(term.name, spare, FEW, (Several(work.messages, "message"), plan.slots, SPARE_TASKS))
        for term in (eased.term("ease", plan, EASE), *_loads(known, latency_s))
    )
    largest = max((due, *terms, *test), key=_TASKS).tasks
    waits = _waits(plan, spent, work.waiting, in_time_s) if current == 0 and work.waiting else None
    present = _present(current, largest) if waits is None else waits
    return Need(min(float(current), largest), must=False, terms=(due, *terms, *test, present))


def _waits(plan: _Plan, spent: list[float], waiting: int, in_time_s: float) -> Term | None:
    """Return 0 tasks as a cap, and when a task will be requested: a poll and a start before the first message is due
    (None: at once, or no message has a due time).
    """
    ages = zip(spent, plan.queues, strict=True)
    first_s = min([left_s - queue.waiting[-1][0] for left_s, queue in ages if queue.waiting], default=inf)
    request_s = first_s - max(in_time_s, plan.until_s)
    if not 0 < request_s < inf:
        return None
    return Term("present", 0.0, WAITS, (Several(waiting, "message"), first_s, request_s), cap=True)


def _present(current: int, largest: float) -> Term:
    """Return the present count as a cap. `largest`: the tasks that would be kept if they ran already."""
    if largest > current:
        return Term("present", float(current), PRESENT, (Several(current, "task"), Several(largest, "task")), cap=True)
    return Term("present", float(current), ENOUGH, (Several(current, "task"),), cap=True)


def _loads(known: Knowledge, latency_s: float) -> tuple[Term, Term]:
    """Return the tasks that the recent and the lasting arrivals keep busy, the first with headroom."""
    per_task, message_s = known.concurrency.value, known.slow_s / known.concurrency.value
    lasting = (Several(known.lasting_load / message_s, "message"), known.slow_s, per_task, known.lasting_load)
    return (
        _load(known, latency_s, message_s),
        Term("lasting_load", known.lasting_load, LASTING, lasting),
    )


def _load(known: Knowledge, latency_s: float, message_s: float) -> Term:
    if known.load <= SMALL_LOAD:
        return Term("load", 0.0, LITTLE, (known.load,))
    headroom = _headroom(known, latency_s)
    facts = (Several(known.load / message_s, "message"), known.slow_s, known.concurrency.value, known.load, headroom)
    return Term("load", known.load + headroom, LOAD, facts, parts=(("arrivals", known.load), ("headroom", headroom)))


def _plan(policy: Policy, known: Knowledge, work: Work, running: int, longest_s: float) -> _Plan:
    slots, slot_s = known.concurrency.value, known.slot_s
    taken = _taken(known, work, running * slots)
    return _Plan(
        queues=known.queues,
        any_due=any(queue.waiting or any(messages for _, messages in queue.coming) for queue in known.queues),
        tasks=running + sum([tasks for _, tasks in known.starting]),
        idle=running * slots - taken,
        rate_per_s=running * slots / slot_s,
        doubt=SIGMAS * sqrt(known.spread * running * slots / slot_s),
        starting=known.starting,
        slots=slots,
        slot_s=slot_s,
        start_s=known.start_s.value,
        floor_s=known.start_s.value + min(CATCH_UP_S, CATCH_UP_RATIO * policy.shortest_latency_s),
        until_s=known.start_s.value + min(CATCH_UP_S, CATCH_UP_RATIO * longest_s),
        slow_share=0.0 if known.slow_starts is None else known.slow_starts.share,
        slow_start_s=0.0 if known.slow_starts is None else known.slow_starts.seconds,
    )


def _drained(plan: _Plan, latencies: list[float], load: float) -> Term:
    """Return the tasks that serve half of the load, and receive the present backlog within the latency target.

    If messages wait for half of the latency target, that is the load: the wait stays. If they wait longer, a standing
    backlog leaves no room for a peak, for slower messages or for tasks that fail to start, and draining it costs
    nothing: it is the same work, done earlier. At the full target it is 1.5 times the load.
    """
    queues = zip(latencies, plan.queues, strict=True)
    backlog = sum([sum([messages for _, messages in waiting]) / latency_s for latency_s, (_, waiting, _) in queues])
    half, drained = (1 - EASE_RATIO) * load, backlog * plan.slot_s / plan.slots
    return Term("standing", half + drained, STANDING, (half, drained), parts=(("arrivals", half), ("backlog", drained)))


def _held_long(plan: _Plan) -> _Plan:
    """Return the plan if each message is held `HELD_RATIO` times as long."""
    return plan._replace(
        slot_s=HELD_RATIO * plan.slot_s, rate_per_s=plan.rate_per_s / HELD_RATIO, doubt=plan.doubt / sqrt(HELD_RATIO)
    )


def _taken(known: Knowledge, work: Work, slots: float) -> float:
    """Return the occupied slots. If workers delete messages before they process them, in-flight counts do not show
    them: all slots are occupied while messages wait, otherwise as many as the load needs.
    """
    if known.regime is not Regime.EARLY_ACK:
        return min(float(work.in_flight), slots)
    return slots if work.waiting else min(slots, known.load * known.concurrency.value)


class _Needed(NamedTuple):
    """The smallest count, and the instant that requires it: `messages` must be received within `due_s` seconds, and the
    tasks that are there receive `received` of them.
    """

    tasks: float = 0.0
    due_s: float = 0.0
    messages: float = 0.0
    received: float = 0.0
    horizon_s: float = 0.0

    def term(self, name: str, plan: _Plan, more: str = "") -> Term:
        if not self.tasks:
            return Term(name, 0.0, NOT_DUE, (self.horizon_s,))
        facts = (
            Several(self.messages, "waiting or expected message"),
            self.due_s,
            Several(plan.tasks, "task"),
            self.received,
        )
        if self.messages <= self.received:
            return Term(name, self.tasks, SPENT_EARLY + more, facts)
        each = plan.slots * plan.receives(self.due_s)
        return Term(name, self.tasks, SPENT_LATE + more, (*facts, each))


def _needed(plan: _Plan, latencies: list[float], share: float, horizon_s: float) -> _Needed:
    """Return the smallest count that receives all messages due within the horizon in time, if `share` of the latencies
    may be used.

    Overdue messages are always within the horizon. The loop runs about a hundred times per decision, so it makes no
    calls, unless starts are of two kinds.
    """
    if not plan.any_due:
        return _Needed(horizon_s=horizon_s)
    highest, total = 0.0, 0.0
    binding = (0.0, 0.0, 0.0)
    _, _, tasks, idle, rate_per_s, doubt, starting, slots, slot_s, start_s, _, _, slow_share, _ = plan
    for due_s, messages in _due(plan, latencies, share, horizon_s):
        total += messages
        received = rate_per_s * due_s - doubt * sqrt(due_s)
        here = idle + received if received > 0 else idle
        for up_s, count in starting:
            if due_s > up_s:
                here += count * slots * (1 + (due_s - up_s) / slot_s)
        if total > here:
            # nothing is due before `floor_s`, when a new task has started
            receives = plan.receives(due_s) if slow_share else 1 + (due_s - start_s) / slot_s
            required = tasks + (total - here) / (slots * receives)
        else:
            required = tasks * total / here if here > 0 else 0.0
        if required > highest:
            highest, binding = required, (due_s, total, here)
    return _Needed(highest, *binding, horizon_s)


def _due(plan: _Plan, latencies: list[float], share: float, horizon_s: float) -> list[tuple[float, float]]:
    """Return (seconds until due, messages) pairs, ascending. Messages due before the floor are due at the floor. The
    horizon includes the floor of each queue alone, so that another queue never lowers the demand.
    """
    floor_s, overdue, due = plan.floor_s, 0.0, list[tuple[float, float]]()
    horizon_s = max(horizon_s, plan.until_s)
    for latency_s, (_, waiting, coming) in zip(latencies, plan.queues, strict=True):
        spend_s, before = share * latency_s, 0.0
        for age_s, messages in reversed(waiting):
            left_s = spend_s - age_s
            if left_s > horizon_s:
                break
            if left_s <= floor_s:
                overdue += messages
            else:
                due.append((left_s, messages))
        for within_s, messages in coming:
            left_s = spend_s + within_s
            if left_s > horizon_s:
                break
            if messages == before:
                continue
            if left_s <= floor_s:
                overdue += messages - before
            else:
                due.append((left_s, messages - before))
            before = messages
    if len(plan.queues) > 1:
        due.sort(key=itemgetter(0))
    return [(floor_s, overdue), *due]


def _headroom(known: Knowledge, latency_s: float) -> float:
    """Return the number of tasks, in addition to the load, with which one message in a thousand waits too long.

    At 5 s each, CV 1 and 60 s: 0.6. At 60 s each, CV 3.4 and 60 s: 43; twice the square root of the load of 20 tasks is
    9, which limits it.
    """
    few = RARE * known.slow_s * (1 + known.spread) / (2 * latency_s)
    return min(few, ROOT * sqrt(known.load))


def _capped(terms: tuple[Term, ...], work: Work, plan: _Plan, *, must: bool) -> Need:
    """Limit the load to the messages there are: waiting, in flight and expected."""
    coming = sum([coming[-1].messages for _, _, coming in plan.queues if coming])
    facts = (work.messages, coming, plan.slots)
    most = Term("messages", (work.messages + coming) / plan.slots, MESSAGES, facts, cap=True)
    return Need(min(max([term.tasks for term in terms]), most.tasks), must, (*terms, most))
