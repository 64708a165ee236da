"""How services fare, in a row each: the promise, the tasks, what waits, and the last sentence.

The rows are made of what `/api/v1/services` tells, so that a running daemon and one cold look are shown alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from autoscaler.telemetry.slo import Slo, SloStatus


class Row(NamedTuple):
    """One service. Counts and seconds that are not known are None; waits are those of its worst queue, as
    `_strain` has it: None where no queue is known to be late, and one could not be read.

    `reason` says why `slo` is what it is; `sentence` is the last decision's.
    """

    key: str
    slo: SloStatus
    reason: str
    mode: str
    paused: str | int | None
    desired: int | None
    running: int | None
    min_tasks: int | None
    max_tasks: int | None
    visible: int | None
    in_flight: int | None
    oldest_wait_s: float | None
    acceptable_latency_s: float | None
    sentence: str


GOOD = frozenset({SloStatus.MET, SloStatus.NONE})
"""What is no finding."""


@dataclass(frozen=True, slots=True)
class Statuses:
    """All services, and the kinds of what could not be read of them. `url`: the daemon's (None: AWS was read cold)."""

    rows: tuple[Row, ...]
    kinds: frozenset[str]
    url: str | None

    @classmethod
    def of(cls, services: Sequence[Mapping[str, Any]], url: str | None) -> Statuses:
        """The services as the API tells them."""
        kinds = {str(fault.get("kind")) for service in services for fault in service["faults"]}
        return cls(tuple(_row(service) for service in services), frozenset(kinds), url)

    @property
    def bad(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.slo not in GOOD)

    @property
    def worst_first(self) -> tuple[Row, ...]:
        """Those that a screen has no room for are then those that need nobody."""
        return tuple(sorted(self.rows, key=lambda row: list(SloStatus).index(row.slo)))

    @property
    def good(self) -> bool:
        return not self.bad

    def as_json(self) -> dict[str, Any]:
        source = {"source": "aws" if self.url is None else "daemon", "url": self.url}
        return source | {"services": [row._asdict() for row in self.rows]}


def _row(service: Mapping[str, Any]) -> Row:
    queues, tasks, decision = service["queues"], service.get("tasks") or {}, service.get("decision") or {}
    slo, reason = _slo(service)
    worst: Mapping[str, Any] = max(queues, key=_strain, default={})
    return Row(
        key=service["key"],
        slo=slo,
        reason=reason,
        mode=service["mode"],
        paused=service.get("paused"),
        desired=tasks.get("desired"),
        running=tasks.get("running"),
        min_tasks=service.get("min_tasks"),
        max_tasks=service.get("max_tasks"),
        visible=_sum(queues, "visible"),
        in_flight=_sum(queues, "in_flight"),
        oldest_wait_s=worst.get("oldest_wait_s"),
        acceptable_latency_s=worst.get("acceptable_latency_s"),
        sentence=str(decision.get("sentence") or "not looked at yet"),
    )


def _slo(service: Mapping[str, Any]) -> Slo:
    """As the daemon tells it; one of another version may tell nothing, or a word that we do not know."""
    with suppress(KeyError, ValueError):
        return Slo(SloStatus(service["slo"]), str(service["reason"]))
    return Slo(SloStatus.UNKNOWN, "the daemon does not say it as this version does; run the daemon's own version")


def _strain(queue: Mapping[str, Any]) -> tuple[bool, bool, float]:
    """What orders the queues of a service, the worst last: those that meet their latency target, those of which it is
    not known, those that miss it; within these by the share of the target that the oldest message has waited.
    """
    waited_s, latency_s = queue.get("oldest_wait_s"), queue.get("acceptable_latency_s") or float("inf")
    share = 0.0 if waited_s is None else waited_s / latency_s
    return share > 1, waited_s is None, share


def _sum(queues: Sequence[Mapping[str, Any]], count: str) -> int | None:
    """Of all queues; not known unless each was read."""
    counts = [queue.get(count) for queue in queues]
    known = [each for each in counts if each is not None]
    return sum(known) if known and len(known) == len(counts) else None
