"""Every tick is counted; few are worth a line. A change always is; anything else once, and then once a minute.

Beside the decision's line stand asides, short ones: somebody else changed the count, a pause began or ended, there is
something to take notice of. The same aside is told at most once a minute, a pause always.

Law: each service has a line at least once a minute while it ticks, and no line is repeated more often than that
unless tasks were changed. Of more than a thousand services those that only hold are told of less often: a thousand a
minute in all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from typing import Any, Protocol

from autoscaler.config import Service, shadow_note
from autoscaler.core.model import Instant
from autoscaler.core.policy import Mode
from autoscaler.ports import Tick
from autoscaler.telemetry.account import Event, SideEvent, account_of, event_of, names_of, side_events_of
from autoscaler.telemetry.metrics import Metrics
from autoscaler.telemetry.status_store import ServiceStatus, StatusStore

REPEAT_S = 59.0
"""The same is told again after so long. A little under a minute: a tick that is a moment early need not wait."""


HOLDING_S = 0.06
"""For each service. Ten thousand that hold would write 60 GB a month, a line a minute each; so it is six."""

ALWAYS = frozenset({Event.SCALED, Event.PAUSED, Event.RESUMED})
"""What is told every time."""


class Log(Protocol):
    """What is needed of a structured logger."""

    def info(self, event: str, **fields: Any) -> Any: ...

    def warning(self, event: str, **fields: Any) -> Any: ...


class LoggedJournal:
    """The `Journal` that writes log lines and keeps the board and the metrics."""

    def __init__(self, store: StatusStore, metrics: Metrics, log: Log) -> None:
        self._store = store
        self._metrics = metrics
        self._log = log
        self._reminders: defaultdict[str, Reminders] = defaultdict(Reminders)
        self._asides: defaultdict[str, Reminders] = defaultdict(Reminders)
        self._in_shadow_by_default = set[str]()

    def record(self, tick: Tick) -> None:
        """The tick is counted, stands on the board, and is told where it is worth it. Does not wait."""
        before = self._store.find(tick.service.key)
        status = self._store.note(tick)
        self._metrics.count(status)
        event = event_of(tick, status.faults, was_at_fault=before is not None and bool(before.faults))
        reminders = self._reminders[tick.service.key]
        holds_s = max(REPEAT_S, HOLDING_S * len(self._reminders))
        repeated = reminders.due(event, _sameness(event, status), status.at, holds_s)
        if repeated is not None:
            self._tell(status, event, repeated)
        for side_event in side_events_of(tick, None if before is None else before.tick):
            self._log_side_event(tick, side_event, status.at)

    def admit(self, service: Service, silent_after_s: float) -> None:
        """The service is on the board from now on, or with other settings. One that is silent for longer is hung."""
        activate = service.mode_setting.activate
        self._store.admit(service.ref, service.policy, service.chosen, silent_after_s, activate)
        self._tell_shadow_by_default(service)

    def forget(self, key: str) -> None:
        """The service is gone: from the board, from the metrics, and from what is repeated."""
        self._store.dismiss(key)
        self._metrics.forget(key)
        self._reminders.pop(key, None)
        self._asides.pop(key, None)
        self._in_shadow_by_default.discard(key)

    def _tell_shadow_by_default(self, service: Service) -> None:
        """Logs once that the service is in shadow and nobody has set its mode, and again only after it was not."""
        key, told = service.ref.key, shadow_note(service)
        if told is None or not service.mode_setting.is_default:
            self._in_shadow_by_default.discard(key)
        elif key not in self._in_shadow_by_default:
            self._in_shadow_by_default.add(key)
            fields = {"mode": Mode.SHADOW.value, "activate": service.activation, "sentence": f"{key}: {told}"}
            self._log.warning(Event.SHADOW_BY_DEFAULT.value, **names_of(service.ref), **fields)

    def _tell(self, status: ServiceStatus, event: Event, repeated: int) -> None:
        if status.tick is None:
            return
        self._store.tell(status, event)
        fields = account_of(status.tick, status.faults)
        if repeated:
            fields["repeated"] = repeated
        say = self._log.warning if event in {Event.MISSING_SIGNAL, Event.SCALE_FAILED} else self._log.info
        say(event.value, **fields)

    def _log_side_event(self, tick: Tick, side_event: SideEvent, now: Instant) -> None:
        reminders = self._asides[tick.service.key]
        repeated = reminders.due(side_event.event, (side_event.event, side_event.about), now)
        if repeated is None:
            return
        fields = names_of(tick.service) | side_event.fields | ({"repeated": repeated} if repeated else {})
        say = self._log.info if side_event.event in ALWAYS else self._log.warning
        say(side_event.event.value, **fields)


def _sameness(event: Event, status: ServiceStatus) -> Hashable:
    """What makes two lines the same: texts may differ by a request's id, kinds do not."""
    decision = status.tick.decision if status.tick else None
    target = decision.target if decision is not None and event is Event.WOULD_SCALE else None
    return event, target, frozenset((fault.signal, fault.kind) for fault in status.faults)


class Reminders:
    """What a service was told about, and when. Bounded: what is older than a repetition is forgotten."""

    def __init__(self) -> None:
        self._told: dict[Hashable, tuple[Instant, int]] = {}
        self._newest: Instant | None = None

    def due(self, event: Event, line: Hashable, now: Instant, holds_s: float = REPEAT_S) -> int | None:
        """How often the line was kept back since it was last told, if it is due now; None where it is not.

        A change is always due, and a service that holds only when nothing else was told of it for `holds_s`.
        """
        at, kept_back = self._told.get(line, (None, 0))
        last = self._newest if event is Event.HOLDING else at
        repeat_s = holds_s if event is Event.HOLDING else REPEAT_S
        if event not in ALWAYS and last is not None and now - last < repeat_s:
            if at is not None:
                self._told[line] = (at, kept_back + 1)
            return None
        self._told = {known: told for known, told in self._told.items() if now - told[0] < REPEAT_S}
        self._told[line] = (now, 0)
        self._newest = now
        return 0 if event is Event.HOLDING else kept_back
