"""The status of services, one row each: SLO status, tasks, backlog, and the last decision.

The rows have the format of `/api/v1/services`, so a running daemon and a single poll without one are shown alike.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from autoscaler.aws.operator import Operator, connect_operator
from autoscaler.control.rate_limiter import TokenBucketLimiter
from autoscaler.ports import Category
from autoscaler.telemetry.account import cause_of
from autoscaler.telemetry.status_store import Slo, SloStatus


class StatusRow(NamedTuple):
    """One service. Unknown counts and seconds are None. The message age and latency are those of the worst queue by
    `_strain`; the age is None if no queue is known to be late and one could not be read.

    `reason` is the reason for `slo`; `cause` and `remedy`: what keeps the service from its target, and what to do
    (None: nothing); `sentence` describes the last decision. `cost_today_dollars`: of its tasks since midnight UTC,
    or since the start of the daemon (None: unknown). `ecs`: deployments, zone rebalancing and a task definition that is
    behind (None: nothing of this).
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
    oldest_age_s: float | None
    acceptable_latency_s: float | None
    sentence: str
    cause: str | None = None
    remedy: str | None = None
    clearing: str | None = None
    cost_today_dollars: float | None = None
    ecs: str | None = None


NOT_POLLED = "not polled yet"
"""The sentence of a service without a decision."""

GOOD = frozenset({SloStatus.MET, SloStatus.NONE})
"""The SLO statuses that are not a finding."""


@dataclass(frozen=True, slots=True)
class Statuses:
    """All services, and the kinds of their read errors. `url`: the daemon's (None: AWS was read without a daemon).
    `services`: the rows as in the API.
    """

    rows: tuple[StatusRow, ...]
    kinds: frozenset[str]
    url: str | None
    services: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, services: Sequence[Mapping[str, Any]], url: str | None) -> Statuses:
        """Return the statuses of an API response."""
        kinds = {str(fault.get("kind")) for service in services for fault in service["faults"]}
        return cls(tuple(map(_row, services)), frozenset(kinds), url, tuple(services))

    @property
    def bad(self) -> tuple[StatusRow, ...]:
        return tuple(row for row in self.rows if row.slo not in GOOD)

    @property
    def worst_first(self) -> tuple[StatusRow, ...]:
        """The rows by SLO status: the rows that do not fit the screen are those without a problem."""
        return tuple(sorted(self.rows, key=lambda row: list(SloStatus).index(row.slo)))

    @property
    def good(self) -> bool:
        return not self.bad

    @property
    def cost_today_dollars(self) -> float | None:
        """The sum of the services whose cost is known (None: of no service)."""
        known = [row.cost_today_dollars for row in self.rows if row.cost_today_dollars is not None]
        return sum(known) if known else None

    def as_json(self) -> dict[str, Any]:
        """Return the services with the fields of `/api/v1/services`. The fields that only a row has, such as `visible`,
        are those of version 0.1 and will be removed.
        """
        source = {"source": "aws" if self.url is None else "daemon", "url": self.url}
        both = zip(self.rows, self.services, strict=True)
        known = [row._asdict() | dict(service) | {"slo": row.slo, "reason": row.reason} for row, service in both]
        return source | {"cost_today_dollars": self.cost_today_dollars, "services": known}


def _row(service: Mapping[str, Any]) -> StatusRow:
    queues, tasks, decision = service["queues"], service.get("tasks") or {}, service.get("decision") or {}
    slo, reason = _slo(service)
    advice = decision.get("advice") or {}
    worst: Mapping[str, Any] = max(queues, key=_strain, default={})
    return StatusRow(
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
        oldest_age_s=worst.get("oldest_age_s"),
        acceptable_latency_s=worst.get("acceptable_latency_s"),
        sentence=str(decision.get("sentence") or NOT_POLLED),
        clearing=(decision.get("clearing") or {}).get("text"),
        cost_today_dollars=_dollars(service.get("cost")),
        cause=advice.get("cause"),
        remedy=advice.get("remedy"),
        ecs=(service.get("ecs") or {}).get("summary"),
    )


def _slo(service: Mapping[str, Any]) -> Slo:
    """Return the daemon's SLO status, the reason without the names of other services that were read in the same call. A
    daemon of another version may have none, or an unknown value.
    """
    with suppress(KeyError, ValueError):
        return Slo(SloStatus(service["slo"]), cause_of(str(service["reason"])))
    return Slo(SloStatus.UNKNOWN, "the daemon has a different version; use the command of the daemon's version")


def _dollars(cost: Mapping[str, Any] | None) -> float | None:
    """Return today's dollars. An earlier daemon has no cost."""
    found = (cost or {}).get("today_dollars")
    return float(found) if isinstance(found, int | float) else None


def _strain(queue: Mapping[str, Any]) -> tuple[bool, bool, float]:
    """Return the sort key of a queue, the worst last: target met, not known, target missed; within these by the ratio
    of the oldest message's age to the target.
    """
    waited_s, latency_s = queue.get("oldest_age_s"), queue.get("acceptable_latency_s") or float("inf")
    share = 0.0 if waited_s is None else waited_s / latency_s
    return share > 1, waited_s is None, share


def _sum(queues: Sequence[Mapping[str, Any]], count: str) -> int | None:
    """Return the sum over all queues; None unless each was read."""
    counts = [queue.get(count) for queue in queues]
    known = [each for each in counts if each is not None]
    return sum(known) if known and len(known) == len(counts) else None


# The AWS connection of one command. Its calls are rate-limited and not counted in metrics.

CALL_TIMEOUT_S = 5.0
"""Timeout of a call. Longer than the daemon's, because calls are not retried."""


class Uncounted:
    """A `Calls` that stores nothing."""

    def made(self, api: str, category: Category, outcome: str, units: int = 1) -> None: ...

    def waited(self, seconds: float) -> None: ...


@asynccontextmanager
async def operator() -> AsyncIterator[Operator]:
    clock = asyncio.get_running_loop().time
    async with connect_operator(
        TokenBucketLimiter(clock, random.random), Uncounted(), clock, time.time, CALL_TIMEOUT_S
    ) as connected:
        yield connected
