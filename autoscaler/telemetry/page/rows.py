"""The table of all services, cached as rows of JSON. Each row has the version of its last change.

A client requests the rows that are newer than its version: there is no queue per client, and all clients with the same
version get the same bytes. A service without a new poll costs one comparison. The trend of a service, its last hours,
has a version of its own and is sent only when it is new.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from autoscaler.core.model import Verdict
from autoscaler.ports import Poll
from autoscaler.telemetry.account import advice_of, cause_of, counts_of, sentence_of
from autoscaler.telemetry.cost import cost_of
from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.page.trend import HOURS_S, Trend, renewed
from autoscaler.telemetry.status_store import (
    MOST_SERVICES_WITH_HISTORY,
    SILENT,
    UNPOLLED,
    ServiceStatus,
    Slo,
    SloStatus,
    StatusStore,
    oldest_ages_s,
)

FRESH_S = 0.9
"""Minimum seconds between refreshes of the rows, for any number of clients."""

AT_A_TIME = 20
"""Rows that are built without yielding to the event loop: less than 1 ms, and 4 ms with all their trends."""

TRENDS_AT_A_TIME = 100
"""Trends that are renewed in one refresh, about 20 ms. Others wait for the next one, unless they are outdated."""


def row_of(status: ServiceStatus, silent_s: float | None = None) -> dict[str, Any]:
    """Return the row of the service; unknown values are None. `silent_s`: seconds since its last poll, if it is stalled
    (None: it is not).
    """
    service, policy, poll = status.service, status.policy, status.poll
    slo = status.slo if silent_s is None else SILENT
    cost = None if status.today is None else cost_of(poll, status.today)
    return {
        "key": service.key,
        "cluster": service.cluster,
        "region": service.region,
        "slo": slo.status.value,
        "reason": cause_of(slo.reason),
        "cause": _cause(status, slo),
        "unread": _unread(slo),
        "missed_at": _missed_at(status, slo),
        "latency_s": policy.shortest_latency_s if policy.queues else None,
        "oldest_s": _oldest_s(status),
        **_messages(status),
        **_tasks(status),
        "min": policy.min_tasks,
        "max": policy.max_tasks,
        "cost": None if cost is None else cost["today_dollars"],
        "idle": None if cost is None else cost["today_idle_ratio"],
        "mode": policy.mode.value,
        "activate": status.activation,
        "paused": policy.paused,
        "schedule": policy.schedule,
        "verdict": poll.decision.verdict.value if poll is not None and poll.decision is not None else None,
        "brief": None if poll is None else _brief(poll),
        "sentence": None if poll is None else sentence_of(poll),
    }


def _cause(status: ServiceStatus, slo: Slo) -> str | None:
    """Return what keeps a service from its target, which comes before the reason of its status (None: the reason is all
    that is known).
    """
    if status.poll is None or slo is SILENT or slo.status not in {SloStatus.MISSED, SloStatus.AT_RISK}:
        return None
    advice = advice_of(status.poll, status.faults)
    return None if advice is None or advice.cause in slo.reason else advice.cause


def _missed_at(status: ServiceStatus, slo: Slo) -> int | None:
    """Return when the latency target was last missed, in seconds since the epoch (None: it is missed now, or was not
    missed in the hours of the trend).
    """
    at = status.missed_at
    if at is None or slo.status is SloStatus.MISSED or status.wall - at >= HOURS_S:
        return None
    return round(at)


def _brief(poll: Poll) -> str:
    """Return the decision in a few words: a change, and what determined the count if it was not the demand alone."""
    decision = poll.decision
    if decision is None:
        return cause_of(poll.failure or "the service could not be read").partition("; ")[0]
    change, rest = "", []
    if decision.verdict is not Verdict.HOLD:
        would = "would be " if poll.outcome == "shadow" else ""
        change = f"{would}{decision.current:,} → {decision.target:,}"
    if poll.failure is not None:
        rest = [cause_of(poll.failure).partition("; ")[0]]
    elif not decision.votes:
        rest = [f"no signal {'has a value' if decision.complete else 'could be read'}"]
    elif decision.steps:
        rule = decision.steps[-1].rule.replace("_", " ")
        rest = [f"{rule}, {max(vote.tasks for vote in decision.votes):,} required"]
    return ": ".join(filter(None, [change, *rest])) or "no change"


def _unread(slo: Slo) -> str | None:
    """Return why the service cannot be read, without the remedy (None: it was read, or its first poll is due)."""
    if slo.status is not SloStatus.UNKNOWN or slo is UNPOLLED:
        return None
    return cause_of(slo.reason).partition("; ")[0]


def _oldest_s(status: ServiceStatus) -> float | None:
    """Return the age of the oldest message in seconds. It is also None if a queue was not read and the other queues are
    not late: the unread queue may have the oldest message.
    """
    poll, oldest_s = status.poll, status.oldest_s
    if poll is None or oldest_s is None:
        return None
    ages_s = oldest_ages_s(poll)
    late = any(waited_s > poll.policy.latency_of(name) for name, waited_s in ages_s.items())
    unread = poll.observation is not None and any(name not in ages_s for name, _ in poll.observation.queues)
    return None if unread and not late else round(oldest_s)


def _messages(status: ServiceStatus) -> dict[str, int | None]:
    """Return the sums over all queues (None: a queue was not read)."""
    seen = None if status.poll is None else status.poll.observation
    counts = [] if seen is None else counts_of(seen)
    if not counts:
        return {"waiting": None, "in_flight": None}
    return {"waiting": sum(one.visible for one in counts), "in_flight": sum(one.in_flight for one in counts)}


def _tasks(status: ServiceStatus) -> dict[str, int | None]:
    """Return the task counts. `desired` is the target if ECS accepted it: its reading is older."""
    poll = status.poll
    if poll is None or poll.observation is None:
        return {"desired": None, "running": None}
    fleet = poll.observation.fleet
    target = None if poll.decision is None else poll.decision.target
    desired = target if poll.outcome == "accepted" and target is not None else fleet.desired
    return {"desired": desired, "running": fleet.running}


class News(NamedTuple):
    """The changes for a client as JSON, and their event ID."""

    id: str
    data: str


class _CachedRow(NamedTuple):
    """`version` and `text`: of the row. `trend_version`: of its trend."""

    status: ServiceStatus
    silent: bool
    row: Mapping[str, Any]
    version: int
    text: str
    trend: Trend | None
    trend_version: int

    def since(self, known: int) -> str | None:
        """Return the JSON for a client that knows this version (None: it has everything). Without the key `trend`, the
        trend of the client is still valid.
        """
        if self.trend_version > known:
            return f'{self.text[:-1]},"trend":{"null" if self.trend is None else self.trend.text}}}'
        return self.text if self.version > known else None


class Rows:
    """The rows of all services. `hung_after_s`: seconds without a poll after which a service counts as stalled."""

    def __init__(self, store: StatusStore, hung_after_s: float) -> None:
        self._store = store
        self._hung_after_s = hung_after_s
        self._lock = asyncio.Lock()
        self._begun = f"{store.wall():.0f}"
        self._made_at: float | None = None
        self._rows: dict[str, _CachedRow] = {}
        self._renewed_trends = 0
        self._version = 0
        self._listed_at = 0
        self._shared: dict[tuple[int, int], str] = {}

    async def news(self, since: str) -> News | None:
        """Return the changes since this event ID (empty, or from another daemon: everything). None: there are none."""
        async with self._lock:
            await self._refresh()
            known = self._known(since)
            return None if known == self._version else News(f"{self._begun}.{self._version}", self._since(known))

    def _known(self, since: str) -> int:
        begun, _, version = since.partition(".")
        known = int(version) if begun == self._begun and version.isascii() and version.isdecimal() else -1
        return known if known <= self._version else -1

    async def _refresh(self) -> None:
        now = self._store.clock()
        if self._made_at is not None and now - self._made_at < FRESH_S:
            return
        statuses, silent = self._store.statuses(), self._store.silent(self._hung_after_s)
        rows = await self._renewed(statuses, silent)
        if list(rows) != list(self._rows):
            self._version, self._listed_at = self._version + 1, self._version + 1
        elif any(max(one.version, one.trend_version) > self._version for one in rows.values()):
            self._version += 1
        self._rows, self._made_at = rows, now
        self._shared.clear()

    async def _renewed(self, statuses: Sequence[ServiceStatus], silent: Mapping[str, float]) -> dict[str, _CachedRow]:
        """Return the present rows. A changed one has the next version. They are built in groups on the event loop: two
        computing threads switch every 5 ms, so a thread would block the loop for longer.
        """
        rows: dict[str, _CachedRow] = {}
        self._renewed_trends = 0
        for first in range(0, len(statuses), AT_A_TIME):
            few = statuses[first : first + AT_A_TIME]
            rows |= {one.service.key: self._renew(one, silent.get(one.service.key)) for one in few}
            await asyncio.sleep(0)
        return rows

    def _renew(self, status: ServiceStatus, silent_s: float | None) -> _CachedRow:
        key, silent = status.service.key, silent_s is not None
        known, version = self._rows.get(key), self._version + 1
        if known is None:
            row = row_of(status, silent_s)
            trend = renewed(None, self._store.present(key), row, status.wall)
            return _CachedRow(status, silent, row, version, _text(row, status), trend, version)
        if known.status is not status or known.silent is not silent:
            row = row_of(status, silent_s)
            if row != known.row:
                known = known._replace(version=version, text=_text(row, status))
            known = known._replace(status=status, silent=silent, row=row)
        can_wait = self._renewed_trends >= TRENDS_AT_A_TIME
        trend = renewed(known.trend, self._store.present(key), known.row, status.wall, can_wait=can_wait)
        if trend is known.trend:
            return known
        self._renewed_trends += 1
        is_same = trend is not None and known.trend is not None and trend.text == known.trend.text
        return known._replace(trend=trend, trend_version=known.trend_version if is_same else version)

    def _since(self, known: int) -> str:
        """Return the rendered event, shared by all clients with the same version."""
        step = known, self._version
        if step not in self._shared:
            self._shared[step] = self._frame(known)
        return self._shared[step]

    def _frame(self, known: int) -> str:
        rows = ",".join(text for one in self._rows.values() if (text := one.since(known)) is not None)
        keys = list(self._rows) if self._listed_at > known else None
        frame = {
            "now": self._store.wall(),
            "keys": keys,
            "remembers": self._store.keeps_history,
            "most": MOST_SERVICES_WITH_HISTORY,
        }
        return f'{as_json(frame)[:-1]}, "rows": [{rows}]}}'


def _text(row: Mapping[str, Any], status: ServiceStatus) -> str:
    """Return the row as JSON, without unknown values. The reason of a target that is met is not shown, so not sent."""
    unseen = {"reason"} if row["slo"] == SloStatus.MET and row["sentence"] is not None else frozenset()
    known = {name: value for name, value in row.items() if value is not None and name not in unseen}
    return as_json({**known, "since": status.wall}, (",", ":"))
