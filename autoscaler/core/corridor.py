"""Restraints: each names an interval of permitted counts and the reason, and can only clamp.

A corridor may depend on anything but the demand of this moment. So clamps compose monotonically, and "more backlog
never means fewer tasks" holds by construction. `RULES` lists them in rising order of authority.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from typing import NamedTuple, TypeAlias

from autoscaler.core.demand import Signals, read_signals
from autoscaler.core.memory import AGREEMENT_S, Memory
from autoscaler.core.model import Fleet, Instant, Observation, Rule
from autoscaler.core.policy import Direction, FallbackBehavior, Limit, Mode, Pause, Policy, Select, Workers

AGREEING_READS = 3
"""Zero is believed after so many readings, the present one counted, over more than `AGREEMENT_S`."""


Corridor: TypeAlias = tuple[float, float, Callable[[], str]]
"""The lowest and the highest permitted count, both permitted, and the reason: put into words only where it clamps."""


class Case(NamedTuple):
    """What a restraint may look at. `current` is ECS's desired count."""

    policy: Policy
    memory: Memory
    fleet: Fleet
    signals: Signals
    current: int
    now: Instant

    @staticmethod
    def of(policy: Policy, memory: Memory, seen: Observation) -> Case:
        return Case(policy, memory, seen.fleet, read_signals(policy, seen), seen.fleet.desired, seen.now)


def activation(case: Case) -> Corridor | None:
    """From zero only on enough work, seen often enough; but nothing waits longer than its latency for that.

    A fallback wakes without any: it speaks where no reading does.
    """
    if case.current > 0 or case.signals.given or not case.signals.votes:
        return None
    rule, messages = case.policy.activation, case.signals.work.messages
    waited_s, reads = case.memory.last_run(None, case.now)
    oldest_s = max(waited_s, case.signals.work.oldest_age_s or 0.0)
    if oldest_s >= case.policy.shortest_latency_s and reads:
        return None
    if messages > rule.messages and reads + 1 >= rule.reads:
        return None
    return (
        0,
        0,
        lambda: f"{messages} messages; wakes on more than {rule.messages}, in {rule.reads} readings in a row",
    )


def stabilization(case: Case) -> Corridor | None:
    """In no lower than the highest, out no higher than the lowest demand of the window: as the Kubernetes HPA."""
    policy, memory, current, now = case.policy, case.memory, case.current, case.now
    highest = memory.highest_demand(policy.scale_in.stabilization_s, now)
    lowest = memory.lowest_demand(policy.scale_out.stabilization_s, now)
    if highest == 0 and lowest == inf:
        return None
    return (
        min(current, highest),
        max(current, lowest),
        lambda: (
            f"demands lay between {lowest:g} and {highest} lately; out waits {policy.scale_out.stabilization_s:g} s, "
            f"in {policy.scale_in.stabilization_s:g} s"
            if lowest < inf
            else f"up to {highest} were asked for within the last {policy.scale_in.stabilization_s:g} s"
        ),
    )


def zero(case: Case) -> Corridor | None:
    """To none only after agreeing readings over more than a minute, with nothing left: one zero is not zero."""
    if case.current == 0 or case.signals.given:
        return None
    if case.signals.work.messages > 0:
        return (1, inf, lambda: f"{case.signals.work.messages} messages are left")
    quiet_s, reads = case.memory.last_run(0, case.now)
    if quiet_s > AGREEMENT_S and reads + 1 >= AGREEING_READS:
        return None
    return (1, inf, lambda: f"empty for {quiet_s:.0f} s; believed after more than {AGREEMENT_S:.0f} s")


def blind(case: Case) -> Corridor | None:
    """Never in while a needed signal is missing, except as far as the operator's fallback says."""
    missing = case.signals.missing
    if not missing or _lowering_fallback(case):
        return None
    return (case.current, inf, lambda: "; ".join(f"{name}: {gap.because}" for name, gap in missing))


def _lowering_fallback(case: Case) -> bool:
    return falls_back(case) and case.policy.fallback.behavior in {
        FallbackBehavior.STATIC,
        FallbackBehavior.CURRENT_IF_LOWER,
    }


def falls_back(case: Case) -> bool:
    """Every needed signal has been missing for more readings in a row than the fallback's `after`."""
    rule = case.policy.fallback
    if rule.behavior is FallbackBehavior.HOLD or rule.tasks is None or case.signals.demand is not None:
        return False
    return bool(case.signals.missing) and case.memory.failures + 1 > rule.after


def cold(case: Case) -> Corridor | None:
    """Never in before the memory reaches back as far as the longest window that would have restrained it."""
    known_s, needed_s = case.memory.known_for_s(case.now), case.policy.scale_in.longest_window_s
    if known_s >= needed_s:
        return None
    return (case.current, inf, lambda: f"watching for {known_s:.0f} s; in only after {needed_s:g} s")


def cooldown(case: Case) -> Corridor | None:
    """No further change in a direction until its cooldown is over. A scale-out cuts through a scale-in's."""
    out_s, in_s = case.policy.scale_out.cooldown_s, case.policy.scale_in.cooldown_s
    holds_out = out_s > 0 and any(change.tasks > 0 for change in case.memory.changes_within(out_s, case.now))
    holds_in = in_s > 0 and any(change.tasks < 0 for change in case.memory.changes_within(in_s, case.now))
    if not (holds_out or holds_in):
        return None
    return (
        case.current if holds_in else 0,
        case.current if holds_out else inf,
        lambda: f"{' and '.join(_cooling(case, out=holds_out, into=holds_in))} is cooling down",
    )


def _cooling(case: Case, *, out: bool, into: bool) -> Iterable[str]:
    if out:
        yield f"out ({case.policy.scale_out.cooldown_s:g} s)"
    if into:
        yield f"in ({case.policy.scale_in.cooldown_s:g} s)"


def rate_limit(case: Case) -> Corridor | None:
    """At most so much change in a period; changes of both directions net each other: as the Kubernetes HPA."""
    out, into = case.policy.scale_out, case.policy.scale_in
    if not (out.limits or into.limits or Select.DISABLED in (out.select, into.select)):
        return None
    return (
        max(0, min(case.current, _lowest(case, into))),
        max(case.current, _highest(case, out)),
        lambda: f"out {_limits(out)}; in {_limits(into)}",
    )


def _highest(case: Case, out: Direction) -> float:
    """As far out as the limits permit. 10 tasks and 25 %: up to ceil(12.5) = 13."""
    if out.select is Select.DISABLED:
        return case.current
    if not out.limits:
        return inf
    reaches = []
    for limit in out.limits:
        start = _period_start(case, limit)
        reaches.append(
            start + limit.tasks if limit.tasks is not None else -(-start * (100 + (limit.percent or 0)) // 100)
        )
    return max(reaches) if out.select is Select.MAX else min(reaches)


def _lowest(case: Case, into: Direction) -> float:
    """As far in as the limits permit. 10 tasks and 25 %: down to trunc(7.5) = 7."""
    if into.select is Select.DISABLED:
        return case.current
    if not into.limits:
        return 0
    reaches = []
    for limit in into.limits:
        start = _period_start(case, limit)
        reaches.append(
            start - limit.tasks if limit.tasks is not None else start * max(0, 100 - (limit.percent or 0)) // 100
        )
    return min(reaches) if into.select is Select.MAX else max(reaches)


def _period_start(case: Case, limit: Limit) -> int:
    """The count before the changes of the period."""
    return max(0, case.current - case.memory.net_change(limit.per_s, case.now))


def _limits(direction: Direction) -> str:
    if direction.select is Select.DISABLED:
        return "disabled"
    if not direction.limits:
        return "unlimited"
    most = "" if len(direction.limits) == 1 else f"the {direction.select} of "
    return f"at most {most}{', '.join(map(_limit, direction.limits))}"


def _limit(limit: Limit) -> str:
    amount = f"{limit.percent} %" if limit.tasks is None else f"{limit.tasks} tasks"
    return f"{amount} per {limit.per_s:g} s"


def deployment(case: Case) -> Corridor | None:
    """Never in during a deployment, for a bounded time: some last for weeks."""
    rolling, rule = case.fleet.deployment, case.policy.deployments
    if rolling is None or not rule.hold_scale_in or case.now - rolling.started >= rule.at_most_s:
        return None
    return (case.current, inf, lambda: f"a deployment is in progress, for {case.now - rolling.started:.0f} s")


def busy(case: Case) -> Corridor | None:
    """Keeps the tasks that are at work. A floor never scales out.

    Protected tasks always count; what is in flight counts for the tasks that it occupies; and where workers lose what
    they hold when they are stopped, anything in flight keeps all of them: ECS does not choose the idle ones.
    """
    policy, work, protected = case.policy, case.signals.work, case.fleet.protected or 0
    if policy.workers is Workers.UNSAFE and work.in_flight > 0:
        return case.current, inf, lambda: f"{work.in_flight} messages are in flight, and stopped workers lose them"
    occupied = -(-work.held // policy.task_concurrency) if policy.busy_floor else 0
    floor = max(protected, occupied)
    if floor == 0:
        return None
    return (
        min(case.current, floor),
        inf,
        lambda: f"{occupied} tasks are busy with {work.held} messages in flight, {protected} protect themselves",
    )


def mode(case: Case) -> Corridor | None:
    if case.policy.mode is not Mode.SCALE_OUT_ONLY:
        return None
    return (case.current, inf, lambda: "the mode is scale_out_only")


def pause(case: Case) -> Corridor | None:
    paused = case.policy.paused
    if paused is None:
        return None
    if isinstance(paused, Pause):
        low = case.current if paused in (Pause.ALL, Pause.IN) else 0
        high = case.current if paused in (Pause.ALL, Pause.OUT) else inf
        return (low, high, lambda: f"paused: {paused}")
    return (paused, paused, lambda: f"paused at {paused}")


def bounds(case: Case) -> Corridor | None:
    """Below the minimum: up at once. Above the maximum: only lowered, by whatever the walk so far permits.

    A pause outlasts both: paused, nothing is written, however far out of bounds the count is found.
    """
    policy, current = case.policy, case.current
    low = policy.min_tasks if policy.paused not in (Pause.ALL, Pause.OUT) else min(current, policy.min_tasks)
    return (
        low,
        max(current, policy.max_tasks),
        lambda: f"between {policy.min_tasks} and {policy.max_tasks} tasks",
    )


RULES: tuple[tuple[Rule, Callable[[Case], Corridor | None]], ...] = (
    (Rule.ACTIVATION, activation),
    (Rule.STABILIZATION, stabilization),
    (Rule.ZERO, zero),
    (Rule.BLIND, blind),
    (Rule.COLD, cold),
    (Rule.COOLDOWN, cooldown),
    (Rule.RATE_LIMIT, rate_limit),
    (Rule.DEPLOYMENT, deployment),
    (Rule.BUSY, busy),
    (Rule.MODE, mode),
    (Rule.PAUSE, pause),
    (Rule.BOUNDS, bounds),
)
"""In rising order of authority. Most contain the current count and commute; the last three do not."""
