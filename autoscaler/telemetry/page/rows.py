"""The table of all services, kept as rows of JSON of which each knows when it last changed.

Whoever watches asks for what is newer than what he has: nobody is kept a queue, and all who are in step get the same
bytes. A service that was not looked at since costs a comparison.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from autoscaler.telemetry.account import counts_of, sentence_of
from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.slo import SILENT, oldest_waits_s
from autoscaler.telemetry.status_store import MOST_SERVICES_WITH_HISTORY, ServiceStatus, StatusStore

FRESH_S = 0.9
"""Rows are made anew at most so often, however many watch."""

AT_A_TIME = 50
"""So many rows are made without a break: about 1 ms."""


def row_of(status: ServiceStatus, silent_s: float | None = None) -> dict[str, Any]:
    """The service in one row; what is not known is None. `silent_s`: for how long its loop has been silent, if for too
    long.
    """
    service, policy, tick = status.service, status.policy, status.tick
    slo = status.slo if silent_s is None else SILENT
    return {
        "key": service.key,
        "cluster": service.cluster,
        "region": service.region,
        "slo": slo.status.value,
        "reason": slo.reason,
        "latency_s": policy.shortest_latency_s if policy.queues else None,
        "oldest_s": _oldest_s(status),
        **_messages(status),
        **_tasks(status),
        "min": policy.min_tasks,
        "max": policy.max_tasks,
        "mode": policy.mode.value,
        "activate": status.activation,
        "paused": policy.paused,
        "schedule": policy.schedule,
        "verdict": tick.decision.verdict.value if tick is not None and tick.decision is not None else None,
        "sentence": None if tick is None else sentence_of(tick),
    }


def _oldest_s(status: ServiceStatus) -> float | None:
    """None also where one queue was not read, unless another is known to be late: the unread one may be the worst."""
    tick, oldest_s = status.tick, status.oldest_s
    if tick is None or oldest_s is None:
        return None
    waits_s = oldest_waits_s(tick)
    late = any(waited_s > tick.policy.latency_of(name) for name, waited_s in waits_s.items())
    unread = tick.observation is not None and any(name not in waits_s for name, _ in tick.observation.queues)
    return None if unread and not late else round(oldest_s)


def _messages(status: ServiceStatus) -> dict[str, int | None]:
    """Summed over the queues; not known unless each was read."""
    seen = None if status.tick is None else status.tick.observation
    counts = [] if seen is None else counts_of(seen)
    if not counts:
        return {"waiting": None, "in_flight": None}
    return {"waiting": sum(one.visible for one in counts), "in_flight": sum(one.in_flight for one in counts)}


def _tasks(status: ServiceStatus) -> dict[str, int | None]:
    """`target`: what was decided, and where ECS accepted it the desired count already."""
    tick = status.tick
    if tick is None or tick.observation is None:
        return dict.fromkeys(("desired", "running", "target"))
    fleet = tick.observation.fleet
    target = None if tick.decision is None else tick.decision.target
    desired = target if tick.outcome == "accepted" and target is not None else fleet.desired
    return {"desired": desired, "running": fleet.running, "target": target}


class News(NamedTuple):
    """What somebody has not seen yet, as JSON, and its number."""

    id: str
    data: str


class _Kept(NamedTuple):
    status: ServiceStatus
    silent: bool
    row: Mapping[str, Any]
    version: int
    text: str


class Rows:
    """All rows of the board. `hung_after_s`: a loop that is silent for longer is said to be."""

    def __init__(self, store: StatusStore, hung_after_s: float) -> None:
        self._store = store
        self._hung_after_s = hung_after_s
        self._turn = asyncio.Lock()
        self._begun = f"{store.wall():.0f}"
        self._made_at: float | None = None
        self._kept: dict[str, _Kept] = {}
        self._version = 0
        self._listed_at = 0
        self._shared: dict[tuple[int, int], str] = {}

    async def news(self, since: str) -> News | None:
        """What changed since that number (empty, or of another daemon: everything). None: nothing did."""
        async with self._turn:
            await self._refresh()
            known = self._known(since)
            return None if known == self._version else News(f"{self._begun}.{self._version}", self._told(known))

    def _known(self, since: str) -> int:
        begun, _, version = since.partition(".")
        known = int(version) if begun == self._begun and version.isascii() and version.isdecimal() else -1
        return known if known <= self._version else -1

    async def _refresh(self) -> None:
        now = self._store.clock()
        if self._made_at is not None and now - self._made_at < FRESH_S:
            return
        statuses, silent = self._store.statuses(), self._store.silent(self._hung_after_s)
        kept = await self._renewed(statuses, silent)
        if list(kept) != list(self._kept):
            self._version, self._listed_at = self._version + 1, self._version + 1
        elif any(one.version > self._version for one in kept.values()):
            self._version += 1
        self._kept, self._made_at = kept, now
        self._shared.clear()

    async def _renewed(self, statuses: Sequence[ServiceStatus], silent: Mapping[str, float]) -> dict[str, _Kept]:
        """The rows as of now; one that says something new carries the next version. A few at a time: a thread would
        hold the loop for longer, since two that reckon take turns of 5 ms.
        """
        kept: dict[str, _Kept] = {}
        for first in range(0, len(statuses), AT_A_TIME):
            few = statuses[first : first + AT_A_TIME]
            kept |= {one.service.key: self._renew(one, silent.get(one.service.key)) for one in few}
            await asyncio.sleep(0)
        return kept

    def _renew(self, status: ServiceStatus, silent_s: float | None) -> _Kept:
        known, silent = self._kept.get(status.service.key), silent_s is not None
        if known is not None and known.status is status and known.silent is silent:
            return known
        row = row_of(status, silent_s)
        if known is not None and known.row == row:
            return known._replace(status=status, silent=silent)
        text = as_json(row | {"since": status.wall})
        return _Kept(status, silent, row, self._version + 1, text)

    def _told(self, known: int) -> str:
        """Made once for all who know as much."""
        step = known, self._version
        if step not in self._shared:
            self._shared[step] = self._tell(known)
        return self._shared[step]

    def _tell(self, known: int) -> str:
        rows = ",".join(one.text for one in self._kept.values() if one.version > known)
        keys = list(self._kept) if self._listed_at > known else None
        frame = {
            "now": self._store.wall(),
            "keys": keys,
            "remembers": self._store.remembers,
            "most": MOST_SERVICES_WITH_HISTORY,
        }
        return f'{as_json(frame)[:-1]}, "rows": [{rows}]}}'
