"""Format one decision for people: the readings and their ages, the demand per signal, the steps, and the target.

The input is the account of a decision, as JSON, from the daemon's log or API. A decision that was made without the
daemon has the same account, and so the same output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil, isinf
from operator import itemgetter
from typing import Any, NamedTuple

from autoscaler.config.quoting import printable
from autoscaler.core.figures import number, seconds, several
from autoscaler.core.knowledge import Estimate, Knowledge, Regime
from autoscaler.core.model import Backlog, Fleet, Flow, Measurement, Missing, Observation, Utilization
from autoscaler.core.policy import Policy
from autoscaler.core.workers import kind_of, long_work, shown, stop_words
from autoscaler.errors import AutoscalerError, ConfigError, Unavailable
from autoscaler.inspection.columns import laid_out, widths_of, wrapped
from autoscaler.inspection.deciding import UnreadableSituation, decision_on
from autoscaler.situation import decode

UNREACHABLE = frozenset({Unavailable.kind})
REFUSALS = frozenset(fault.kind for fault in AutoscalerError.__subclasses__()) - UNREACHABLE


REGIMES = {
    Regime.SATURATED: "minutes in which messages waited",
    Regime.EARLY_ACK: "workers delete messages before they process them, so only minutes with a backlog count",
    Regime.BATCH: "no message completes; they take longer than any before",
    Regime.UNIDENTIFIABLE: "more messages are in flight than the tasks can hold, so only an upper bound is known",
}
"""What an unusual regime means, in words."""


class Input(NamedTuple):
    """One reading as text. `age_s`: its age at the decision, in seconds (None: it has no age)."""

    name: str
    value: str
    age_s: float | None = None


def explained(account: Mapping[str, Any]) -> dict[str, Any]:
    """Return the account with its `inputs` as text. Votes are computed if the account has none: an older daemon."""
    votes = account.get("votes")
    return {**account, "inputs": [entry._asdict() for entry in inputs_of(account)], "votes": votes or _votes(account)}


def kinds_of(account: Mapping[str, Any]) -> frozenset[str]:
    """Return the kinds of all faults: reads and writes that failed."""
    return frozenset(str(fault.get("kind")) for fault in account.get("faults") or ())


def inputs_of(account: Mapping[str, Any]) -> tuple[Input, ...]:
    """Return every reading that the decision used. Empty: there is no situation, or it is invalid."""
    try:
        policy, memory, seen = decode(account.get("situation"))
    except ConfigError:
        return ()
    reasons = {fault.get("signal"): str(fault.get("reason")) for fault in account.get("faults") or ()}
    ecs_age_s = (account.get("ages_s") or {}).get("ecs")
    history = "longer than any window" if memory.since is None else f"{seen.now - memory.since:,.0f} s"
    return (
        *_fleet(seen.fleet, ecs_age_s),
        *_of_ecs(account.get("ecs")),
        *_workers(policy, seen),
        *_readings(seen, reasons),
        Input("history", history),
        *_next_poll(account.get("next_poll")),
    )


def _next_poll(pace: Mapping[str, Any] | None) -> Iterator[Input]:
    """Yield when the service is polled next, and why (nothing: an older daemon, or a single poll)."""
    if pace is not None:
        yield Input("next poll", f"in {seconds(pace['in_s'])}: {pace['reason']}")


def _fleet(fleet: Fleet, age_s: float | None) -> Iterator[Input]:
    """`age_s`: the age of the counts of ECS. It comes from the account: a situation does not have it."""
    yield Input("tasks", f"{fleet.desired:,} desired, {fleet.running:,} running, {fleet.pending:,} pending", age_s)
    if fleet.protected is not None:
        yield Input("protected", f"{fleet.protected:,} of the tasks")
    if fleet.deployment is not None:
        yield Input("deployment", "in progress", -fleet.deployment.started)
    if fleet.trouble is not None:
        yield Input("trouble", fleet.trouble.reason, -fleet.trouble.at)
    if fleet.failure is not None:
        yield Input("failing starts", f"{fleet.failure.reason}; {fleet.failure.remedy}", -fleet.failure.at)


def _of_ecs(ecs: Mapping[str, Any] | None) -> Iterator[Input]:
    """Yield deployments, task definition and zone rebalancing (nothing: an older daemon)."""
    for line in (ecs or {}).get("lines") or ():
        yield Input(str(line["name"]), str(line["text"]))


def _workers(policy: Policy, seen: Observation) -> Iterator[Input]:
    """Yield how the workers are treated if `workers` is not set, with the reason."""
    if policy.workers is None:
        work = long_work(policy, seen.knowledge, seen.stop_timeout)
        takes = "" if work is None else f": messages take up to {shown(work.takes_s)} ({work.measure})"
        kind = f"no setting workers, so {kind_of(policy, work)} is assumed"
        yield Input("workers", f"{kind}{takes}; {stop_words(seen.stop_timeout)}")


def _readings(seen: Observation, reasons: Mapping[str | None, str]) -> Iterator[Input]:
    if seen.given is not None:
        yield Input("demand", f"{seen.given:,} given")
    for name, backlog in seen.queues:
        yield _input(f"queue {name}", backlog, seen.now, reasons.get(name))
    for name, reading in (("cpu", seen.cpu), ("memory", seen.memory), ("flow", seen.flow)):
        if reading is not None:
            yield _input(name, reading, seen.now, reasons.get(name))
    if seen.knowledge is not None:
        yield from _learned(seen.knowledge)
    for name, measured in seen.metrics:
        yield _input(f"metric {name}", measured, seen.now, reasons.get(name))


def _learned(known: Knowledge) -> Iterator[Input]:
    """Yield the estimates, each with its confidence."""
    slow = f", recently {seconds(known.slow_s)}" if known.slow_s > 1.05 * known.processing_s.value else ""
    guessed = known.processing_s.weight == 0
    state = "assumed, nothing learned yet: " if guessed else "learning: " if known.is_learning else ""
    yield _estimate("processing time", known.processing_s, f"{state}{seconds(known.processing_s.value)}{slow}")
    yield _estimate("concurrency", known.concurrency, f"{several(known.concurrency.value, 'message')} per task")
    yield _estimate("start-up", known.start_s, _start_up(known))
    yield _estimate(
        "arrivals",
        known.rate_per_s,
        f"{several(known.rate_per_s.value, 'message')}/s, load of {several(known.load, 'task')}",
    )
    if known.regime is not Regime.IDLE:
        yield Input("learned from", f"{known.regime}: {REGIMES[known.regime]}")
    if known.bottleneck is not None:
        limit = several(known.bottleneck, "task")
        yield Input("bottleneck", f"above {limit}, more tasks complete no more messages")
    if known.groups is not None:
        yield Input("message groups", f"more than {several(ceil(known.groups), 'task')} would be idle")
    if known.trial is not None:
        yield Input("trial", f"at most {several(ceil(known.trial), 'task')}, until it is known whether more tasks help")
    if known.test is not None:
        yield Input("test", f"{several(ceil(known.test), 'task')}, to find out whether more tasks help")
    if known.overtaken_s:
        yield Input("overtaken", f"the oldest message waits {known.overtaken_s:,.0f} s longer, for others of its group")
    for queue in known.queues:
        if queue.waiting:
            age_s = queue.waiting[-1].seconds
            yield Input(f"backlog {queue.name}", f"oldest message about {age_s:,.0f} s old (estimated, used)")


def _start_up(known: Knowledge) -> str:
    slow, late = known.slow_starts, f"p90 {seconds(known.start_late_s)}"
    if slow is None:
        return f"{seconds(known.start_s.value)}, {late}"
    return f"{seconds(known.start_s.value)}, and {slow.share:.0%} of the tasks {seconds(slow.seconds)}; {late}"


def _estimate(name: str, estimate: Estimate, words: str) -> Input:
    known = "fixed" if isinf(estimate.weight) else f"confidence {estimate.confidence:.0%}"
    return Input(name, f"{words} ({known})", estimate.age_s)


def _input(
    name: str, reading: Backlog | Utilization | Measurement | Flow | Missing, now: float, reason: str | None
) -> Input:
    if isinstance(reading, Missing):
        return Input(name, f"missing: {reason or reading.reason}")
    return Input(name, _words(reading), now - reading.at)


def _words(reading: Backlog | Utilization | Measurement | Flow) -> str:
    match reading:
        case Backlog():
            return ", ".join(_counts(reading))
        case Utilization():
            return f"{number(reading.percent)} %{_of_then(reading.tasks)}"
        case Measurement():
            return f"{number(reading.value)}{_of_then(reading.tasks)}"
        case Flow():
            return (
                f"{reading.received:,} received and {reading.deleted:,} deleted in one minute{_of_then(reading.tasks)}"
            )


def _counts(backlog: Backlog) -> Iterator[str]:
    yield f"{backlog.visible:,} visible, {backlog.in_flight:,} in flight, {backlog.delayed:,} delayed"
    if backlog.oldest_age_s is not None:
        yield f"oldest message {backlog.oldest_age_s:,.0f} s old in CloudWatch"
    if backlog.groups_in_flight is not None:
        yield f"{several(backlog.groups_in_flight, 'group')} in flight"


def _of_then(tasks: float | None) -> str:
    return "" if tasks is None else f", {several(tasks, 'task')} at the time"


def _votes(account: Mapping[str, Any]) -> list[dict[str, Any]]:
    try:
        return list(decision_on(account.get("situation"))["votes"])
    except UnreadableSituation:
        return []


STARTS = "Starts: from the creation of a task until it runs, by ECS's own times"
DEMAND = "Demand: largest term, at most the smallest with <=, rounded up (* decides)"


def page(account: Mapping[str, Any], columns: int | None = None) -> str:
    """Return the result of `explained` as plain text: one block for each part, then the sentence. `columns`: the width
    at which the last column is wrapped (None: it is not).
    """
    blocks = (
        _block("Inputs", (_shown_input(entry) for entry in account["inputs"]), columns),
        _block(STARTS, _starts(account.get("starts")), columns),
        _block(DEMAND, _demand(account), columns),
        _block("Steps", (_shown_step(step) for step in account["steps"]), columns),
        _block(
            "Faults",
            ((fault["signal"], fault["kind"], fault["reason"]) for fault in account.get("faults") or ()),
            columns,
        ),
        _block("Notices", ((notice["kind"], notice["text"]) for notice in account.get("notices") or ()), columns),
        _block("Target", _target_rows(account), columns),
    )
    head = "".join(f"{line}\n" for line in _advice(account.get("advice") or {}, columns))
    return "\n".join((*filter(None, (head, *blocks)), *wrapped(printable(str(account["sentence"])), columns))) + "\n"


def _advice(advice: Mapping[str, Any], columns: int | None) -> Iterator[str]:
    """Yield the cause, and what to do, each beginning with its word (nothing: no problem)."""
    for name, word in (("cause", "Cause"), ("remedy", "To do")):
        if advice.get(name):
            yield from wrapped(f"{word}: {printable(str(advice[name])).rstrip('.')}.", columns)


def _starts(starts: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield the start-up times of each revision, then what is not known (nothing: an older daemon, or not read yet)."""
    for each in () if starts is None else starts["revisions"]:
        whole = each["whole"]
        yield "revision", f"{each['revision']}, {several(whole['starts'], 'start')}"
        yield "median", each["text"].removeprefix("median ")
        late = ", ".join(f"{number(times['p90_s'])} {phase}" for phase, times in each["phases"].items())
        yield "p90", f"{seconds(whole['p90_s'])}{f': {late}' if late else ''}"
        if each["health"] is not None:
            yield "health", each["health"]["text"].removeprefix("health checks: ")
    if starts is not None and starts["dropped"]:
        tasks = several(starts["dropped"], "task")
        yield "left out", f"{tasks}: their times are missing, contradict each other or are in the future"
    if starts is not None and starts["gap"] is not None:
        yield "not read", "; ".join(filter(None, (starts["gap"], starts["remedy"])))


def _demand(account: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield each vote, and below it the terms from which it was computed if there are several."""
    for vote in account["votes"]:
        yield vote["signal"], str(vote["tasks"]), vote["reason"]
        terms = [term for term in account.get("terms") or () if term["vote"] == vote["signal"]]
        decides = binding(terms)
        for term in terms if len(terms) > 1 else ():
            mark = "*" if term is decides else " "
            yield f"{mark} {term['name']}", f"{'<= ' if term.get('cap') else ''}{number(term['tasks'])}", term["reason"]


def binding(terms: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the term that decided a vote, as `Vote.binding` does (None: there are none)."""
    largest = max((term for term in terms if not term.get("cap")), key=_tasks_of, default=None)
    cap = min((term for term in terms if term.get("cap")), key=_tasks_of, default=None)
    return cap if largest is not None and cap is not None and _tasks_of(cap) < _tasks_of(largest) else largest


_tasks_of = itemgetter("tasks")


def _shown_input(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    age_s = entry["age_s"]
    return entry["name"], "" if age_s is None else f"{age_s:,.1f} s ago", entry["value"]


def _shown_step(step: Mapping[str, Any]) -> tuple[str, str, str]:
    return step["rule"], f"{step['from']} -> {step['to']}", step["reason"]


def _target_rows(account: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield _target(account)
    if account.get("clearing"):
        yield "backlog", account["clearing"]["text"]


def _target(account: Mapping[str, Any]) -> tuple[str, ...]:
    if account["target"] is None:
        return ("none", "the task count could not be read from ECS")
    outcome = [str(account[key]) for key in ("verdict", "outcome") if account.get(key)]
    return (f"{account['current']} -> {account['target']}", ", ".join(outcome))


def _block(title: str, rows: Iterable[Sequence[str]], columns: int | None) -> str:
    shown = [tuple(cell and printable(cell) for cell in map(str, row)) for row in rows]
    if not shown:
        return "" if title in {"Faults", "Notices", STARTS} else f"{title}\n  none\n"
    room = None if columns is None else columns - 2
    widths = widths_of(shown, room)
    lines = (line for row in shown for line in laid_out(row, widths, room))
    return "\n".join((*wrapped(title, columns), *(f"  {line}" for line in lines))) + "\n"
