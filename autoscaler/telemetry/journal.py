"""Count every poll, and log some: a change always, anything else once and then at most once a minute.

In addition to the decision there are short events: the count was changed outside the autoscaler, a pause began or
ended, there is a new notice. The same event is logged at most once a minute; a pause is always logged. A notice whose
number changes is the same notice until the number has changed by more than a tenth.

Invariant: a service that is polled has a log line at least once a minute, and no line is repeated more often than that,
unless tasks were changed. Lines of `ROUTINE` are logged less often with a longer `log_interval`, and with more than a
thousand services: then a thousand of these lines a minute in total.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from math import floor, log
from typing import Any, NamedTuple, Protocol

from autoscaler.config import CONFIRM, Gap, Reloaded, ServiceConfig, SettingChange, UnconfirmedFile, shadow_note
from autoscaler.core.model import Instant, Missing
from autoscaler.core.policy import Mode
from autoscaler.diagnosis.delivered import EventOutcome, EventType
from autoscaler.errors import Problem
from autoscaler.ports import Poll
from autoscaler.telemetry.account import LogEvent, SideEvent, account_of, event_of, names_of, notice_of, side_events_of
from autoscaler.telemetry.metrics import Metrics
from autoscaler.telemetry.status_store import ServiceStatus, StatusStore

EARLY_S = 1.0
"""A line is due this much earlier than its interval, for a poll that starts slightly early."""

REPEAT_S = 60.0 - EARLY_S
"""Seconds until the same line is logged again."""

ROUTINE_S = 0.06
"""Seconds per service between lines of `ROUTINE`. With a line of 4.4 kB a minute each, ten thousand services would
write 1.9 TB a month; with this limit they write 0.19 TB.
"""

ROUTINE = frozenset({LogEvent.HOLDING, LogEvent.WOULD_SCALE})
"""Events of a decision that stays the same. They are logged at the configured interval."""

SETTLED = frozenset({LogEvent.SCALED, LogEvent.RECOVERED})
"""Events after which `holding` adds nothing new."""

ALWAYS = frozenset({LogEvent.SCALED, LogEvent.PAUSED, LogEvent.RESUMED})
"""Events that are always logged."""


class StructuredLogger(Protocol):
    """The methods of a structured logger that are used here."""

    def info(self, event: str, **fields: Any) -> Any: ...

    def warning(self, event: str, **fields: Any) -> Any: ...


class LoggedJournal:
    """The `Journal` that writes log lines and updates the status store and the metrics.

    `log_interval_s`: time between two lines of a service whose decisions stay the same. The store is not affected.
    """

    def __init__(
        self, store: StatusStore, metrics: Metrics, log: StructuredLogger, log_interval_s: float = 60.0
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._log = log
        self._log_interval_s = log_interval_s
        self._reminders: defaultdict[str, Reminders] = defaultdict(Reminders)
        self._sparse_reminders: defaultdict[str, Reminders] = defaultdict(Reminders)
        self._side_reminders: defaultdict[str, Reminders] = defaultdict(Reminders)
        self._notices: defaultdict[str, LoggedNotices] = defaultdict(LoggedNotices)
        self._in_shadow_by_default = set[str]()

    def record(self, poll: Poll) -> None:
        """Count the poll, store it, and log it if due. Does not block."""
        before = self._store.find(poll.service.key)
        status = self._store.note(poll)
        self._metrics.count(status)
        event = event_of(poll, status.faults, was_at_fault=before is not None and bool(before.faults))
        line, reminders = _identity(event, status), self._reminders[poll.service.key]
        routine_s = max(REPEAT_S, ROUTINE_S * len(self._reminders))
        repeated = reminders.due(event, line, status.at, routine_s)
        if repeated is not None:
            self._store.record(status, event)
        if self._log_interval_s - EARLY_S > REPEAT_S:
            sparse = self._sparse_reminders[poll.service.key]
            repeated = sparse.due(event, line, status.at, max(routine_s, self._log_interval_s - EARLY_S))
        if repeated is not None:
            self._log_poll(status, event, repeated)
        for side_event in side_events_of(poll, None if before is None else before.poll):
            self._log_side_event(poll, side_event, status.at)
        self._log_notices(poll, status.at)

    def admit(self, service: ServiceConfig, silent_after_s: float) -> None:
        """Add the service to the status store, or update its settings. Without a poll for longer it is stalled."""
        activate = service.mode_setting.activate
        self._store.admit(service.ref, service.policy, service.chosen, silent_after_s, activate, queues=service.queues)
        self._log_shadow_by_default(service)

    def forget(self, key: str) -> None:
        """Remove the service from the status store, the metrics, and the log history."""
        self._store.dismiss(key)
        self._metrics.forget(key)
        self._reminders.pop(key, None)
        self._sparse_reminders.pop(key, None)
        self._side_reminders.pop(key, None)
        self._notices.pop(key, None)
        self._in_shadow_by_default.discard(key)

    def _log_shadow_by_default(self, service: ServiceConfig) -> None:
        """Log once that the service is in shadow and its mode is not set. Log again only after that has changed."""
        key, note = service.ref.key, shadow_note(service)
        if note is None or not service.mode_setting.is_default:
            self._in_shadow_by_default.discard(key)
        elif key not in self._in_shadow_by_default:
            self._in_shadow_by_default.add(key)
            fields = {"mode": Mode.SHADOW.value, "activate": service.activation, "sentence": f"{key}: {note}"}
            self._log.warning(LogEvent.SHADOW_BY_DEFAULT.value, **names_of(service.ref), **fields)

    def _log_poll(self, status: ServiceStatus, event: LogEvent, repeated: int) -> None:
        if status.poll is None:
            return
        fields = account_of(status.poll, status.faults)
        if repeated:
            fields["repeated"] = repeated
        log = self._log.warning if event in {LogEvent.MISSING_SIGNAL, LogEvent.SCALE_FAILED} else self._log.info
        log(event.value, **fields)

    def _log_notices(self, poll: Poll, now: Instant) -> None:
        logged = self._notices[poll.service.key]
        for form, notice in logged.changed(poll):
            if self._log_side_event(poll, SideEvent(LogEvent.NOTICE, str(form), notice_of(notice)), now):
                logged.add(form, notice)

    def _log_side_event(self, poll: Poll, side_event: SideEvent, now: Instant) -> bool:
        """Log the event, and return whether it was due."""
        reminders = self._side_reminders[poll.service.key]
        repeated = reminders.due(side_event.event, (side_event.event, side_event.about), now)
        if repeated is None:
            return False
        fields = names_of(poll.service) | side_event.fields | ({"repeated": repeated} if repeated else {})
        log = self._log.info if side_event.event in ALWAYS else self._log.warning
        log(side_event.event.value, **fields)
        return True


def _identity(event: LogEvent, status: ServiceStatus) -> Hashable:
    """Return the key by which two lines are the same. It has kinds, not texts: a text may have a request ID. The target
    of a service in shadow is rounded: it may change a little at each poll.
    """
    decision = status.poll.decision if status.poll else None
    target = decision.target if decision is not None and event is LogEvent.WOULD_SCALE else 0
    rounded = floor(log(target) / log(1 + CHANGED_RATIO)) if target else None
    return event, rounded, frozenset((fault.signal, fault.kind) for fault in status.faults)


CHANGED_RATIO = 0.1
"""A number that has changed by more than this part is logged again."""

_ID = re.compile(r"[0-9A-Fa-f]{8}-[0-9A-Fa-f-]{27}")
"""An ID of a request: 8-4-4-4-12 hexadecimal digits."""

_NUMBER = re.compile(r"(?<![\w.,-])[0-9][0-9,]*(?:\.[0-9]+)?")
"""A number, with thousands separators and decimals. Digits within a name (`orders-2`, `p95`) are not numbers."""


class NoticeForm(NamedTuple):
    """A notice without its numbers. `words`: the parts of its text between them. `place`: its number among the notices
    of one poll that are otherwise the same.
    """

    kind: str
    words: tuple[str, ...]
    place: int


class LoggedNotices:
    """The present notices of a service that were logged, with the numbers that were logged."""

    def __init__(self) -> None:
        self._logged: dict[NoticeForm, list[float]] = {}

    def changed(self, poll: Poll) -> list[tuple[NoticeForm, Missing]]:
        """Return the notices to log: new ones, and those with a number that has changed by more than a tenth since it
        was logged. A notice that is not in the poll has ended; a poll without a decision may not have all of them.
        """
        present = list(_with_forms(poll.notices))
        if poll.decision is not None:
            self._logged = {form: self._logged[form] for form, _ in present if form in self._logged}
        return [(form, notice) for form, notice in present if not self._has(form, notice)]

    def add(self, form: NoticeForm, notice: Missing) -> None:
        """Record that the notice was logged."""
        self._logged[form] = _numbers(notice.reason)

    def _has(self, form: NoticeForm, notice: Missing) -> bool:
        logged = self._logged.get(form)
        return logged is not None and all(
            abs(now - then) <= CHANGED_RATIO * then for now, then in zip(_numbers(notice.reason), logged, strict=True)
        )


def _with_forms(notices: Iterable[Missing]) -> Iterator[tuple[NoticeForm, Missing]]:
    places = Counter[tuple[str, tuple[str, ...]]]()
    for notice in notices:
        words = tuple(_NUMBER.split(_ID.sub("", notice.reason)))
        yield NoticeForm(notice.kind, words, places[notice.kind, words]), notice
        places[notice.kind, words] += 1


def _numbers(text: str) -> list[float]:
    return [float(found.replace(",", "")) for found in _NUMBER.findall(_ID.sub("", text))]


class Reminders:
    """When each line of a service was logged last. Bounded: entries older than `REPEAT_S` are removed when another line
    is logged.
    """

    def __init__(self) -> None:
        self._logged: dict[Hashable, tuple[Instant, int]] = {}
        self._newest: Instant | None = None
        self._newest_line: Hashable = None
        self._newest_event: LogEvent | None = None

    def due(self, event: LogEvent, line: Hashable, now: Instant, routine_s: float = REPEAT_S) -> int | None:
        """Return how often the line was suppressed since it was last logged. None: it is not due.

        Events of `ALWAYS` are always due. Events of `ROUTINE` that repeat the newest line are due after `routine_s`,
        other events after `REPEAT_S`, and `HOLDING` only if nothing of the service was logged meanwhile.
        """
        at, suppressed = self._logged.get(line, (None, 0))
        last = self._newest if event is LogEvent.HOLDING else at
        settled = event is LogEvent.HOLDING and self._newest_event in SETTLED
        repeat_s = routine_s if event in ROUTINE and (settled or line == self._newest_line) else REPEAT_S
        if event not in ALWAYS and last is not None and now - last < repeat_s:
            if at is not None:
                self._logged[line] = (at, suppressed + 1)
            return None
        self._logged = {known: logged for known, logged in self._logged.items() if now - logged[0] < REPEAT_S}
        self._logged[line] = (now, 0)
        self._newest, self._newest_line, self._newest_event = now, line, event
        return 0 if event is LogEvent.HOLDING else suppressed


# Log the results of reloading the settings and of reading the tags: once for each change, not at every read.

MOST_NAMED = 100
"""Maximum number of changes, settings or services in one line. The log line also has the number of omitted items."""

WRITE = (
    "the last values stay in force; to change them, write each setting again in the same table, or restart the daemon"
)


class SettingsLog:
    """Implements the ports of `control/` that report reloads of the settings and reads of the tags."""

    def __init__(self, log: StructuredLogger, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics
        self._found: dict[str, tuple[int, tuple[Problem, ...]]] = {}

    def reloaded(self, outcome: Reloaded) -> None:
        """Log the result of a reload of the settings."""
        self._metrics.set_problems("file", len(outcome.problems) + len(outcome.missing))
        if outcome.later:
            self._log.warning("settings_later", settings=list(outcome.later), remedy="restart the daemon")
        wrong = [str(each) for each in outcome.problems if outcome.unconfirmed is None or CONFIRM not in each.what]
        if outcome.unconfirmed:
            self._unconfirmed(outcome.unconfirmed)
        if wrong:
            problems = _few("problems", wrong)
            self._log.warning("settings_wrong", **problems, **_few("kept", outcome.retained))
        if outcome.missing:
            missing = _few("settings", [_gap(each) for each in outcome.missing])
            self._log.warning("settings_missing", **missing, remedy=WRITE)
        if outcome.applied:
            self._log.info(
                "settings_read",
                services=len(outcome.config.services),
                **_few("changes", [_change(each) for each in outcome.changes]),
                **_few("added", outcome.added),
                **_few("removed", outcome.removed),
                **_few("stay", [f"{gap.of}.{gap.setting}" for gap in outcome.missing]),
            )

    def _unconfirmed(self, waiting: UnconfirmedFile) -> None:
        self._log.warning(
            "settings_wait",
            **_few("services", waiting.services),
            **_few("profiles", waiting.profiles),
            settings_now=waiting.now,
            settings_before=waiting.before,
            last_line_cut=waiting.is_cut,
            remedy=f"Nothing was changed. {CONFIRM}",
        )

    def found(self, cluster: str, services: int, problems: tuple[Problem, ...]) -> None:
        """Log the result of reading the tags of a cluster, if it has changed."""
        if self._found.get(cluster) == (services, problems):
            return
        self._found[cluster] = services, problems
        self._metrics.set_problems("tags", sum(len(wrong) for _, wrong in self._found.values()))
        if problems:
            self._log.warning("tags_wrong", cluster=cluster, **_few("problems", [str(each) for each in problems]))
        self._log.info("tags_read", cluster=cluster, services=services)

    def given_up(self, cluster: str, services: Mapping[str, str]) -> None:
        """Log services that were found by tag and are no longer scaled."""
        entries = [{"service": key, "reason": reason} for key, reason in services.items()]
        note = "each service keeps its present task count"
        self._log.warning("tags_given_up", cluster=cluster, **_few("services", entries), note=note)


class EventLog:
    """Implements the port of `control/` that reports the events of ECS and the state of their queue."""

    def __init__(self, log: StructuredLogger, metrics: Metrics, queue: str) -> None:
        self._log = log
        self._metrics = metrics
        self._queue = queue
        self._problem: str | None = None

    def event(self, type_: EventType, outcome: EventOutcome, count: int = 1) -> None:
        """Count events."""
        self._metrics.events[type_, outcome] += count

    def event_queue(self, problem: str | None) -> None:
        """Log why no events are received (None: they are), if it has changed."""
        is_first = self._metrics.event_queue_works is None
        self._metrics.event_queue_works = problem is None
        if problem == self._problem and not is_first:
            return
        self._problem = problem
        if problem is None:
            self._log.info("events_received", queue=self._queue)
        else:
            note = "polling is not affected"
            self._log.warning("events_not_received", queue=self._queue, problem=problem, note=note)


def _few(name: str, items: Sequence[Any]) -> dict[str, Any]:
    """Return the first items, and the number of omitted items."""
    more = len(items) - MOST_NAMED
    return {name: list(items[:MOST_NAMED])} | ({f"{name}_more": more} if more > 0 else {})


def _change(change: SettingChange) -> dict[str, str]:
    return {"of": change.of, "setting": change.setting, "old": change.old, "new": change.new}


def _gap(gap: Gap) -> dict[str, str]:
    return {"of": gap.of, "setting": gap.setting, "value": gap.value, "written": gap.origin}
