"""A situation as JSON: everything that one decision rests on, in ages instead of instants.

`encode` writes it into the log, `decode` reads it for `decide` and `replay`. Law: deciding on
`decode(encode(...))` gives the decision that was made. Ages are written as they are, unrounded, so that an event at
the edge of a window falls on the same side of it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any

from autoscaler.config import fields_of, policy_of
from autoscaler.core.demand import MOST_MESSAGES, MOST_PERCENT
from autoscaler.core.memory import Change, Demand, Memory
from autoscaler.core.model import (
    Backlog,
    Decision,
    Deployment,
    Fleet,
    Missing,
    Observation,
    QueueReading,
    Utilization,
)
from autoscaler.core.policy import Policy
from autoscaler.errors import ConfigError, Problem

MOST_TASKS = 2**31 - 1
"""The largest count that ECS can take; a larger one in a situation is a mistake."""


def encode(policy: Policy, observation: Observation, memory: Memory) -> dict[str, Any]:
    """The situation of a decision, in the form that `decode` reads. `memory` is what it was made with."""
    now, fleet = observation.now, observation.fleet
    situation: dict[str, Any] = {
        "name": policy.name,
        "policy": fields_of(policy),
        "current": fleet.desired,
        "running": fleet.running,
        "pending": fleet.pending,
        "signals": _signals(observation),
        "history": _history(memory, now),
    }
    if observation.given is not None:
        situation["demand"] = observation.given
    if fleet.deployment is not None:
        situation["deployment"] = {"in_progress": True, "age_s": now - fleet.deployment.started}
    if fleet.protected is not None:
        situation["protected"] = fleet.protected
    return situation


def _signals(seen: Observation) -> dict[str, Any]:
    signals: dict[str, Any] = {"queues": [_queue(name, backlog, seen.now) for name, backlog in seen.queues]}
    for name, reading in (("cpu", seen.cpu), ("memory", seen.memory)):
        if isinstance(reading, Utilization):
            signals[f"{name}_percent"] = reading.percent
            signals[f"{name}_age_s"] = seen.now - reading.at
            signals[f"{name}_tasks"] = reading.tasks
        elif reading is not None:
            signals[f"{name}_percent"] = None
    return signals


def _queue(name: str, backlog: Backlog | Missing, now: float) -> dict[str, Any] | None:
    if isinstance(backlog, Missing):
        return None
    counts: dict[str, Any] = {
        "name": name,
        "visible": backlog.visible,
        "in_flight": backlog.in_flight,
        "delayed": backlog.delayed,
        "age_s": now - backlog.at,
    }
    extra = {"oldest_age_s": backlog.oldest_age_s, "groups_in_flight": backlog.groups_in_flight}
    return counts | {key: value for key, value in extra.items() if value is not None}


def _history(memory: Memory, now: float) -> dict[str, Any]:
    history: dict[str, Any] = {
        "demands": [{"age_s": now - at, "tasks": tasks} for at, tasks in memory.demands],
        "changes": [{"age_s": now - at, "tasks": tasks} for at, tasks in memory.changes],
    }
    if memory.since is not None:
        history["known_for_s"] = now - memory.since
    if memory.failures:
        history["failures"] = memory.failures
    return history


def decode(situation: object) -> tuple[Policy, Memory, Observation]:
    """What `decide` takes, with the present at instant 0. Raises `ConfigError` with every mistake, by its path.

    What is left out is read thus: `running` as `current`, `pending` as 0, no history as one that reaches back
    longer than any window. A signal that the policy needs and that is not there is missing, not zero.
    """
    fields = _Fields(situation)
    name = fields.text("name", default="service")
    policy = _policy(fields, name)
    fleet = _fleet(fields)
    signals = fields.part("signals")
    seen = Observation(
        now=0.0,
        fleet=fleet,
        queues=_queues(signals, policy),
        cpu=_utilization(signals, "cpu"),
        memory=_utilization(signals, "memory"),
        given=fields.count("demand"),
    )
    memory = _memory(fields.part("history"), fleet)
    signals.close({"metrics"})
    fields.close({"history", "signals", "policy"})
    if fields.problems:
        raise ConfigError(fields.problems)
    return policy, memory, seen


def decision_of(decision: Decision, sentence: str) -> dict[str, Any]:
    """A decision as `decide` prints it."""
    return {
        "name": decision.name,
        "current": decision.current,
        "demand": decision.demand,
        "target": decision.target,
        "verdict": decision.verdict.value,
        "steps": [
            {"rule": step.rule.value, "from": step.start, "to": step.end, "because": step.because}
            for step in decision.steps
        ],
        "sentence": sentence,
    }


def _policy(fields: _Fields, name: str) -> Policy:
    try:
        return policy_of(name, fields.part("policy").content)
    except ConfigError as error:
        fields.problems.extend(error.problems)
        return Policy(name, 0, MOST_TASKS)


def _fleet(fields: _Fields) -> Fleet:
    current = fields.count("current", required=True) or 0
    running = fields.count("running")
    rolling = fields.part("deployment")
    started = -(rolling.seconds("age_s") or 0.0)
    in_progress = rolling.flag("in_progress")
    rolling.close()
    return Fleet(
        desired=current,
        running=current if running is None else running,
        pending=fields.count("pending") or 0,
        at=0.0,
        deployment=Deployment(started) if in_progress else None,
        protected=fields.count("protected"),
    )


def _queues(signals: _Fields, policy: Policy) -> tuple[QueueReading, ...]:
    entries = signals.parts("queues", nullable=True)
    named = {entry.text("name", "") for entry in entries if entry is not None}
    unread = (queue.name for queue in policy.queues if queue.name not in named)
    return tuple(
        QueueReading(next(unread, f"queue {index}"), Missing("it could not be read", "no_data"))
        if entry is None
        else _backlog(entry, index)
        for index, entry in enumerate(entries)
    )


def _backlog(entry: _Fields, index: int) -> QueueReading:
    """A count that no queue can have (NaN, negative, half a message) makes the reading missing: it was read so."""
    counts = {key: entry.number(key, required=key == "visible") for key in ("visible", "in_flight", "delayed")}
    groups, oldest_age_s = entry.number("groups_in_flight"), entry.number("oldest_age_s")
    name, age_s = entry.text("name", default=f"queue {index}"), entry.seconds("age_s")
    entry.close()
    odd = [f"{key} is {value}" for key, value in counts.items() if value is not None and not _is_count(value)]
    if odd:
        return QueueReading(name, Missing(f"{', '.join(odd)}: no such count can be", "no_data"))
    return QueueReading(
        name,
        Backlog(
            visible=int(counts["visible"] or 0),
            in_flight=int(counts["in_flight"] or 0),
            delayed=int(counts["delayed"] or 0),
            at=-(age_s or 0.0),
            oldest_age_s=oldest_age_s if oldest_age_s is not None and oldest_age_s >= 0 else None,
            groups_in_flight=int(groups) if groups is not None and _is_count(groups) else None,
        ),
    )


def _is_count(value: float) -> bool:
    return 0 <= value <= MOST_MESSAGES and value == value // 1


def _utilization(signals: _Fields, name: str) -> Utilization | Missing | None:
    percent = signals.number(f"{name}_percent")
    age_s, tasks = signals.seconds(f"{name}_age_s"), signals.count(f"{name}_tasks")
    if percent is None:
        return Missing("it could not be read", "no_data") if f"{name}_percent" in signals.content else None
    if not 0 <= percent <= MOST_PERCENT:
        return Missing(f"{percent} % cannot be", "no_data")
    return Utilization(percent, at=-(age_s or 0.0), tasks=tasks)


def _memory(history: _Fields, fleet: Fleet) -> Memory:
    known_for_s = history.seconds("known_for_s")
    demands = [Demand(-age_s, tasks) for age_s, tasks in _events(history, "demands", negative=False)]
    changes = [Change(-age_s, tasks) for age_s, tasks in _events(history, "changes", negative=True)]
    if known_for_s is not None and "changes" not in history.content:
        changes = list(Memory.starting(fleet, 0.0).changes)
    memory = Memory(
        since=None if known_for_s is None else -known_for_s,
        demands=tuple(sorted(demands)),
        changes=tuple(sorted(changes)),
        failures=history.count("failures") or 0,
    )
    history.close()
    return memory


def _events(history: _Fields, key: str, *, negative: bool) -> list[tuple[float, int]]:
    events = []
    for entry in history.parts(key):
        if entry is not None:
            age_s, tasks = entry.seconds("age_s"), entry.count("tasks", required=True, negative=negative)
            entry.close()
            events.append((age_s or 0.0, tasks or 0))
    return events


class _Fields:
    """One JSON object on its way into values: each mistake is noted with its path, and reading goes on."""

    def __init__(self, content: object, path: str = "", problems: list[Problem] | None = None) -> None:
        self.path = path
        self.problems: list[Problem] = [] if problems is None else problems
        self.read: set[str] = set()
        self.content: Mapping[str, Any] = content if isinstance(content, dict) else {}
        if not isinstance(content, dict):
            self._note("", f"must be an object, not {_shown(content)}")

    def _note(self, key: str, what: str) -> None:
        where = ".".join(part for part in (self.path, key) if part) or "situation"
        self.problems.append(Problem(where, what))

    def _take(self, key: str) -> Any:
        self.read.add(key)
        return self.content.get(key)

    def part(self, key: str) -> _Fields:
        content = self._take(key)
        return _Fields({} if content is None else content, ".".join((*filter(None, (self.path,)), key)), self.problems)

    def parts(self, key: str, *, nullable: bool = False) -> Sequence[_Fields | None]:
        content = self._take(key)
        if content is None:
            return []
        if not isinstance(content, list):
            self._note(key, f"must be a list, not {_shown(content)}")
            return []
        path = ".".join((*filter(None, (self.path,)), key))
        return [
            None if nullable and entry is None else _Fields(entry, f"{path}[{index}]", self.problems)
            for index, entry in enumerate(content)
        ]

    def text(self, key: str, default: str) -> str:
        value = self._take(key)
        if value is None or (isinstance(value, str) and value):
            return value or default
        self._note(key, f"must be a text, not {_shown(value)}")
        return default

    def flag(self, key: str) -> bool:
        value = self._take(key)
        if value is not None and not isinstance(value, bool):
            self._note(key, f"must be true or false, not {_shown(value)}")
        return value is True

    def count(self, key: str, *, required: bool = False, negative: bool = False) -> int | None:
        value = self._take(key)
        if value is None:
            if required:
                self._note(key, "is required")
            return None
        least = -MOST_TASKS if negative else 0
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and least <= value <= MOST_TASKS and value == value // 1:
            return int(value)
        self._note(key, f"must be a whole number{'' if negative else ', not negative'}, not {_shown(value)}")
        return None

    def number(self, key: str, *, required: bool = False) -> float | None:
        """Any number, NaN and infinities among them."""
        value = self._take(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        if value is not None:
            self._note(key, f"must be a number, not {_shown(value)}")
        elif required:
            self._note(key, "is required")
        return None

    def seconds(self, key: str) -> float | None:
        """An age: finite, at least 0."""
        value = self.number(key)
        if value is None or 0 <= value < inf:
            return value
        self._note(key, f"must be at least 0, not {_shown(value)}")
        return None

    def close(self, known: frozenset[str] | set[str] = frozenset()) -> None:
        """Whatever was not read is a mistake: a mistyped field would otherwise be ignored in silence."""
        for key in self.content.keys() - self.read - known:
            self._note(key, "is not known here")


def _shown(value: object) -> str:
    return repr(value)[:40]
