"""A journal decided again: each logged situation by today's code, and where it would have gone another way.

Law: a journal written by this very code, under these very settings, is alike throughout.

Each situation stands by itself, with the history that was recorded: a difference does not carry over into the next
one. What spans services (fleet cap, shared caps, rival autoscalers) is no part of a situation: it was laid on
afterwards, and is taken off the recorded walk before the two are compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from autoscaler.config import Service, fields_of
from autoscaler.config.names import folded
from autoscaler.core.model import Rule
from autoscaler.core.policy import Policy
from autoscaler.inspection.deciding import decision_on
from autoscaler.inspection.lines import Line, parsed

ADMISSION = frozenset({Rule.FLEET_CAP.value, Rule.SHARED_CAP.value, Rule.CONFLICTING_SCALER.value})
"""Rules that are laid on a decision after it was made."""

Wishes: TypeAlias = Callable[[str, Mapping[str, Any]], Mapping[str, Any] | None]
"""From a service's name and its journal line to the policy's fields that count instead; None: it has none."""


class Skipped(NamedTuple):
    """A line that tells no decision."""

    line: int


class Unset(NamedTuple):
    """A decision for a service that the settings do not have."""

    line: int
    service: str


class Unread(NamedTuple):
    """A decision that today's code cannot read; `error` says why."""

    line: int
    error: str


class Replayed(NamedTuple):
    """A decision made again. `rules_then` and `rules_now` are those that moved the count, in their order."""

    line: int
    ts: str | None
    service: str
    current: int
    target_then: int
    target_now: int
    rules_then: tuple[str, ...]
    rules_now: tuple[str, ...]
    sentence: str

    @property
    def alike(self) -> bool:
        """The same target by the same rules. Reasons may be worded otherwise."""
        return self.target_then == self.target_now and self.rules_then == self.rules_now


Outcome: TypeAlias = Skipped | Unset | Unread | Replayed


class _Then(NamedTuple):
    """What the journal says of a decision, before anything was laid on it from outside."""

    target: int
    rules: tuple[str, ...]


def wishes_of(services: Iterable[Service], policy_at: Callable[[Service, float], Policy]) -> Wishes:
    """The settings in force, by the service's key, else by its name in ECS where no two share it.

    `policy_at` is a service's policy at a wall time, its schedules heeded; a line without a time has the service's own.
    """
    known = {folded(service.ref.key): service for service in services}
    named = Counter(service.ref.service for service in known.values())
    known |= {f"ecs:{one.ref.service}": one for one in known.values() if named[one.ref.service] == 1}

    def wishes(key: str, told: Mapping[str, Any]) -> Mapping[str, Any] | None:
        service = known.get(folded(key)) or known.get(f"ecs:{told.get('ecs_service', key)}")
        if service is None:
            return None
        wall = _wall(told.get("ts"))
        return fields_of(service.policy if wall is None else policy_at(service, wall))

    return wishes


def _wall(ts: object) -> float | None:
    try:
        return datetime.fromisoformat(str(ts)).timestamp()
    except (ValueError, OverflowError):
        return None


def replayed(journal: Iterable[Line], wishes: Wishes | None = None) -> Iterator[Outcome]:
    """What becomes of each line, in order. `wishes`: the settings that count instead of the recorded ones."""
    return (_replayed(line, wishes) for line in journal)


def _replayed(line: Line, wishes: Wishes | None) -> Outcome:
    try:
        told = _told(line)
    except ValueError as error:
        return Unread(line.number, str(error))
    if told is None:
        return Skipped(line.number)
    situation = told["situation"]
    service = str(told.get("service") or situation.get("name") or "service")
    if wishes is not None:
        policy = wishes(service, told)
        if policy is None:
            return Unset(line.number, service)
        situation = {**situation, "policy": policy}
    try:
        then = _then(told)
        now = decision_on(situation)
    except ValueError as error:
        return Unread(line.number, str(error))
    return _compared(line.number, service, told, then, now)


def _told(line: Line) -> dict[str, Any] | None:
    """The journal's entry on the line, behind whatever a log driver put before it (None: it tells no decision).

    Raises ValueError where it would tell one, and is broken or cut off.
    """
    content = line.content or b""
    if b'"situation"' not in content or b"{" not in content:
        return None
    told = parsed(content[content.find(b"{") :])
    return told if isinstance(told, dict) and isinstance(told.get("situation"), dict) else None


def _then(told: Mapping[str, Any]) -> _Then:
    try:
        target, steps = int(told["target"]), [(str(step["rule"]), int(step["from"])) for step in told["steps"]]
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError("it does not tell its target and steps, so that there is nothing to compare with") from None
    while steps and steps[-1][0] in ADMISSION:
        target = steps.pop()[1]
    return _Then(target, tuple(rule for rule, _ in steps))


def _compared(number: int, service: str, told: Mapping[str, Any], then: _Then, now: Mapping[str, Any]) -> Replayed:
    ts = told.get("ts")
    return Replayed(
        line=number,
        ts=ts if isinstance(ts, str) else None,
        service=service,
        current=now["current"],
        target_then=then.target,
        target_now=now["target"],
        rules_then=then.rules,
        rules_now=tuple(step["rule"] for step in now["steps"]),
        sentence=now["sentence"],
    )
