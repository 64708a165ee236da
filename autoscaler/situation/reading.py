"""Read a situation from JSON: the arguments of `decide`, or all problems with their paths."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from math import inf
from operator import itemgetter

from autoscaler.config import policy_of
from autoscaler.core.contest import MOST_STORED, Contest, Drift, Move
from autoscaler.core.figures import number
from autoscaler.core.load import LoadPeriod
from autoscaler.core.memory import NO_CONTEST, AcceptedChange, Demand, Memory, RunningCount
from autoscaler.core.model import (
    MOST_TASKS,
    Backlog,
    Deployment,
    Fleet,
    Flow,
    Measurement,
    MetricReading,
    Missing,
    Observation,
    QueueReading,
    RanTasks,
    StartFailure,
    StartHold,
    StopTimeout,
    Trouble,
    Unseen,
    Utilization,
)
from autoscaler.core.policy import Policy
from autoscaler.core.signals import MOST_MESSAGES, MOST_PERCENT, impossible
from autoscaler.errors import ConfigError
from autoscaler.situation.fields import Fields, knowledge

MOST_LAUNCHES = 1_000_000
"""Tasks per minute: the maximum of the setting, so that no launch is limited."""

UNREAD = Missing("it could not be read", "no_data")
"""The reason for a null whose reason is not given."""


def decode(situation: object) -> tuple[Policy, Memory, Observation]:
    """Return the arguments of `decide`, with the present at instant 0. Raises `ConfigError` with every problem.

    Defaults: `running` is `current`, `pending` is 0, the history covers more than any window, `launch_per_minute` is
    unlimited, `stop_timeout` is the default of ECS, 30 s. A signal that the policy needs and that is not in the
    situation is missing, not zero.
    """
    fields = Fields(situation)
    name = fields.text("name", default="service")
    policy = _policy(fields, name)
    fleet = _fleet(fields)
    signals = fields.part("signals")
    missing = signals.part("missing")
    seen = Observation(
        now=0.0,
        fleet=fleet,
        queues=_queues(signals, policy, missing),
        cpu=_utilization(signals, "cpu", missing),
        memory=_utilization(signals, "memory", missing),
        given=fields.count("demand"),
        metrics=_metrics(signals.part("metrics"), missing),
        flow=_flow(signals.part("flow")) if signals.content.get("flow") is not None else None,
        knowledge=knowledge(fields.part("knowledge")) if fields.content.get("knowledge") is not None else None,
        unseen=_unseen(signals.part("unseen")) if signals.content.get("unseen") is not None else None,
        unreceived=signals.texts("unreceived"),
        stop_timeout=_stop_timeout(fields),
    )
    memory = _memory(fields.part("history"), fleet)
    signals.close()
    fields.close({"history", "signals", "policy", "knowledge", "stop_timeout"})
    if fields.problems:
        raise ConfigError(fields.problems)
    return policy, memory, seen


def _policy(fields: Fields, name: str) -> Policy:
    try:
        content = fields.part("policy").content
        policy = _policy_from(name, json.dumps(content))
        return policy if "launch_per_minute" in content else replace(policy, launch_per_minute=MOST_LAUNCHES)
    except ConfigError as error:
        fields.problems.extend(error.problems)
        return Policy(name, 0, MOST_TASKS)


@lru_cache(maxsize=256)
def _policy_from(name: str, content: str) -> Policy:
    """Return the checked policy. Cached: a journal repeats it on each line, and a check takes as long as three
    decisions.
    """
    return policy_of(name, json.loads(content))


def _fleet(fields: Fields) -> Fleet:
    current = fields.count("current", required=True) or 0
    running = fields.count("running")
    rolling = fields.part("deployment")
    started = -(rolling.seconds("age_s") or 0.0)
    trouble = fields.part("trouble")
    failure = _failure(fields)
    in_progress = rolling.flag("in_progress")
    rolling.close()
    return Fleet(
        desired=current,
        running=current if running is None else running,
        pending=fields.count("pending") or 0,
        at=0.0,
        deployment=Deployment(started) if in_progress else None,
        protected=fields.count("protected"),
        trouble=_trouble(trouble),
        failure=failure,
    )


def _trouble(trouble: Fields) -> Trouble | None:
    reason, age_s = trouble.text("reason", ""), trouble.seconds("age_s")
    trouble.close()
    return Trouble(reason, -(age_s or 0.0)) if reason else None


def _failure(fields: Fields) -> StartFailure | None:
    if fields.content.get("failure") is None:
        return None
    failure = fields.part("failure")
    hold = failure.text("hold", StartHold.NOTHING)
    if hold not in set(StartHold):
        failure.note("hold", f"must be one of {', '.join(StartHold)}, not {hold!r}")
        hold = StartHold.NOTHING
    found = StartFailure(
        failure.text("kind", "unknown"),
        failure.text("cause", "unknown"),
        failure.text("reason", "no reason"),
        failure.text("remedy", "run autoscaler diagnose"),
        -(failure.seconds("age_s") or 0.0),
        StartHold(hold),
        failure.count("staying") or 0,
    )
    failure.close()
    return found


def _stop_timeout(fields: Fields) -> StopTimeout | None:
    if fields.content.get("stop_timeout") is None:
        return None
    stop = fields.part("stop_timeout")
    stop.number("seconds", required=True)
    found = StopTimeout(stop.seconds("seconds") or 0.0, stop.text("container", "not named"))
    stop.close()
    return found


def _metrics(metrics: Fields, missing: Fields) -> tuple[MetricReading, ...]:
    """Return the metrics by name. A value is a number, an object with `value`, `age_s` and `tasks`, or null."""
    return tuple(MetricReading(name, _metric(metrics, name, missing)) for name in metrics.content)


def _metric(metrics: Fields, name: str, missing: Fields) -> Measurement | Missing:
    if metrics.content[name] is None:
        return _gap(missing.part(name))
    if not isinstance(metrics.content[name], dict):
        return Measurement(metrics.number(name) or 0.0, 0.0)
    reading = metrics.part(name)
    value, age_s, tasks = reading.number("value", required=True), reading.seconds("age_s"), reading.tasks("tasks")
    ran = _ran(reading, "ran")
    reading.close()
    return Measurement(value or 0.0, -(age_s or 0.0), tasks, ran)


def _ran(reading: Fields, key: str) -> RanTasks | None:
    """Return how well the tasks of a period are known (None: exactly)."""
    if reading.content.get(key) is None:
        return None
    ran = reading.part(key)
    fewest, most = ran.tasks("fewest") or 0.0, ran.tasks("most") or 0.0
    found = RanTasks(fewest, max(fewest, most), ran.tasks("starting") or 0.0, ran.tasks("started") or 0.0)
    ran.close()
    return found


def _flow(minute: Fields) -> Flow:
    received, deleted = (minute.count(key, required=True, most=MOST_MESSAGES) for key in ("received", "deleted"))
    tasks, age_s = minute.count("tasks", required=True), minute.seconds("age_s")
    waiting = minute.count("waiting", most=MOST_MESSAGES)
    minute.close()
    return Flow(received or 0, deleted or 0, tasks or 0, -(age_s or 0.0), waiting or 0)


def _unseen(minute: Fields) -> Unseen:
    messages, deleted = (minute.count(key, required=True, most=MOST_MESSAGES) for key in ("messages", "deleted"))
    age_s, oldest_age_s = minute.seconds("age_s"), minute.seconds("oldest_age_s")
    compared = minute.flag("compared", default=True)
    minute.close()
    return Unseen(messages or 0, deleted or 0, -(age_s or 0.0), oldest_age_s, compared)


def _queues(signals: Fields, policy: Policy, missing: Fields) -> tuple[QueueReading, ...]:
    entries = signals.parts("queues", nullable=True)
    gaps = iter(_gaps(missing))
    named = {entry.text("name", "") for entry in entries if entry is not None}
    unread = (queue.name for queue in policy.queues if queue.name not in named)
    readings: list[QueueReading] = []
    for index, entry in enumerate(entries):
        if entry is not None:
            readings += _backlog(entry, index, policy)
        else:
            readings.append(next(gaps, None) or QueueReading(next(unread, f"queue {index}"), UNREAD))
    for name in {name for name in named if name and sum(reading.name == name for reading in readings) > 1}:
        signals.note("queues", f"{name} occurs twice")
    return tuple(readings)


def _gaps(missing: Fields) -> list[QueueReading]:
    return [QueueReading(gap.text("name", "a queue"), _gap(gap)) for gap in missing.parts("queues") if gap is not None]


def _gap(gap: Fields) -> Missing:
    reason = Missing(gap.text("reason", UNREAD.reason), gap.text("kind", UNREAD.kind))
    gap.close({"name"})
    return reason


def _backlog(entry: Fields, index: int, policy: Policy) -> list[QueueReading]:
    """Return the reading of a queue. An impossible count (NaN, negative, fractional) makes the whole reading missing.

    An omitted count is not zero: the other counts still require tasks, and a gap for the omitted one prevents a
    scale-in.
    """
    counts = {key: entry.number(key, required=key == "visible") for key in ("visible", "in_flight", "delayed")}
    groups, oldest_age_s = entry.number("groups_in_flight"), entry.number("oldest_age_s")
    name, age_s = entry.text("name", default=f"queue {index}"), entry.seconds("age_s")
    oldest_tasks = entry.tasks("oldest_tasks")
    entry.close()
    if not all(_is_count(value or 0) for value in counts.values()):
        return [QueueReading(name, impossible(*(value or 0 for value in counts.values())))]
    known = Backlog(
        visible=int(counts["visible"] or 0),
        in_flight=int(counts["in_flight"] or 0),
        delayed=int(counts["delayed"] or 0),
        at=-(age_s or 0.0),
        oldest_age_s=oldest_age_s if oldest_age_s is not None and oldest_age_s >= 0 else None,
        groups_in_flight=int(groups) if groups is not None and _is_count(groups) else None,
        oldest_tasks=oldest_tasks,
    )
    required = ("in_flight", "delayed") if policy.count_delayed else ("in_flight",)
    left_out = [key for key in required if counts[key] is None]
    return [
        QueueReading(name, known),
        *(QueueReading(f"{name}: {key}", Missing("the field is missing")) for key in left_out),
    ]


def _is_count(value: float) -> bool:
    return 0 <= value <= MOST_MESSAGES and value == value // 1


def _utilization(signals: Fields, name: str, missing: Fields) -> Utilization | Missing | None:
    percent = signals.number(f"{name}_percent")
    age_s, tasks = signals.seconds(f"{name}_age_s"), signals.tasks(f"{name}_tasks")
    ran = _ran(signals, f"{name}_ran")
    if percent is None:
        return _gap(missing.part(f"{name}_percent")) if f"{name}_percent" in signals.content else None
    if not 0 <= percent <= MOST_PERCENT:
        return Missing(f"{number(percent)} % is not a valid utilization", "no_data")
    return Utilization(percent, at=-(age_s or 0.0), tasks=tasks, ran=ran)


def _memory(history: Fields, fleet: Fleet) -> Memory:
    known_for_s = history.seconds("known_for_s")
    demands = [Demand(-age_s, tasks) for age_s, tasks in _events(history, "demands", negative=False)]
    changes = [AcceptedChange(-age_s, tasks) for age_s, tasks in _events(history, "changes", negative=True)]
    if known_for_s is not None and "changes" not in history.content:
        changes = list(Memory.begun(fleet, 0.0).changes)
    idle_for_s, expected = history.seconds("idle_for_s"), history.count("expected")
    unread_s = history.seconds("unread_s")
    memory = Memory(
        since=None if known_for_s is None else -known_for_s,
        demands=tuple(sorted(demands, key=itemgetter(0))),
        changes=tuple(sorted(changes, key=itemgetter(0))),
        loads=_loads(history),
        failures=history.count("failures") or 0,
        flows=tuple(_flow(minute) for minute in history.parts("flows") if minute is not None),
        starting=_starting(history.part("starting")),
        idle_since=None if idle_for_s is None else -idle_for_s,
        expected=expected,
        off=history.flag("off"),
        waking=history.count("waking") or 0,
        lapsed=history.flag("lapsed"),
        unread_at=None if unread_s is None else -unread_s,
        contest=_contest(history.part("contest")),
    )
    history.close()
    return memory


def _contest(fields: Fields) -> Contest:
    drifts = []
    for entry in fields.parts("drifts"):
        if entry is not None:
            age_s, found = entry.seconds("age_s") or 0.0, entry.count("tasks", required=True) or 0
            drifts.append(Drift(-age_s, found, entry.flag("reverses")))
            entry.close()
    part = fields.part("last")
    age_s, tasks, own = part.seconds("age_s") or 0.0, part.count("tasks", negative=True), part.flag("own")
    last = None if tasks is None else Move(-age_s, tasks, own, part.flag("reverses"))
    part.close()
    pauses, paused_s = fields.count("pauses") or 0, fields.seconds("paused_s") or 0.0
    fields.close()
    stored = tuple(sorted(drifts, key=itemgetter(0))[-MOST_STORED:])
    return Contest(stored, last, pauses, -paused_s) if stored else NO_CONTEST


def _loads(history: Fields) -> dict[str, tuple[LoadPeriod, ...]]:
    """Return the earlier periods of each signal, oldest first."""
    found: dict[str, list[LoadPeriod]] = {}
    for entry in history.parts("loads"):
        if entry is not None:
            low, high = entry.number("low", required=True) or 0.0, entry.number("high", required=True) or 0.0
            age_s, saturated, starting = entry.seconds("age_s") or 0.0, entry.flag("saturated"), entry.flag("starting")
            signal = entry.text("signal", "cpu")
            entry.close()
            if not 0 <= low <= high < inf:
                history.note("loads", "low and high must be finite, and 0 <= low <= high")
            else:
                found.setdefault(signal, []).append(LoadPeriod(-age_s, low, high, saturated, starting))
    return {signal: tuple(sorted(periods)) for signal, periods in found.items()}


def _starting(starting: Fields) -> RunningCount | None:
    tasks, age_s = starting.count("tasks"), starting.seconds("age_s")
    starting.close()
    return None if tasks is None else RunningCount(-(age_s or 0.0), tasks)


def _events(history: Fields, key: str, *, negative: bool) -> list[tuple[float, int]]:
    events = []
    for entry in history.parts(key):
        if entry is not None:
            age_s, tasks = entry.seconds("age_s"), entry.count("tasks", required=True, negative=negative)
            entry.close()
            events.append((age_s or 0.0, tasks or 0))
    return events
