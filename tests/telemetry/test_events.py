"""The events of ECS in the log and the metrics: each change of the queue's state once, each event counted."""

from __future__ import annotations

from autoscaler.diagnosis.delivered import EventOutcome, EventType
from autoscaler.telemetry import EventLog
from tests.telemetry.polls import JournalDesk
from tests.telemetry.scraping import scraped

UP = "autoscaler_event_queue_up", frozenset[tuple[str, str]]()


def test_without_a_queue_of_events_there_are_no_series() -> None:
    assert not [name for name, _ in scraped(JournalDesk()) if "event" in name]


def test_events_are_counted_by_type_and_outcome() -> None:
    desk = JournalDesk()
    log = EventLog(desk.lines, desk.metrics, "events")
    log.event_queue(None)
    log.event(EventType.TASK, EventOutcome.USED)
    log.event(EventType.TASK, EventOutcome.USED)
    log.event(EventType.OTHER, EventOutcome.FOREIGN, 7)
    found = {labels: value for (name, labels), value in scraped(desk).items() if name == "autoscaler_events_total"}
    assert found == {
        frozenset({("type", "task_state_change"), ("outcome", "used")}): 2,
        frozenset({("type", "other"), ("outcome", "foreign")}): 7,
    }


def test_a_change_of_the_queue_is_logged_once_and_shown_at_once() -> None:
    desk = JournalDesk()
    log = EventLog(desk.lines, desk.metrics, "events")
    for problem, up in ((None, 1), (None, 1), ("denied", 0), ("denied", 0), ("gone", 0), (None, 1)):
        log.event_queue(problem)
        assert scraped(desk)[UP] == up
    shown = [(level, event, fields.get("problem")) for level, event, fields in desk.lines.entries]
    assert shown == [
        ("info", "events_received", None),
        ("warning", "events_not_received", "denied"),
        ("warning", "events_not_received", "gone"),
        ("info", "events_received", None),
    ]
