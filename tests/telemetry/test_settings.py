"""What became of settings is told once, and how much is wrong can be seen."""

from __future__ import annotations

from autoscaler.config import Reloaded, load
from autoscaler.config.loading import find
from autoscaler.errors import Problem
from autoscaler.telemetry import SettingsLog
from tests.config.spoken import FLAT
from tests.telemetry.ticks import Desk

WRONG = Problem("services.orders.max_tasks", "'many' is not a whole number")


def outcome(*problems: Problem, later: tuple[str, ...] = ()) -> Reloaded:
    return Reloaded(load(FLAT), find(FLAT), problems, ("orders",) if problems else (), later)


def test_what_is_wrong_is_told_and_counted_until_it_is_right() -> None:
    desk = Desk()
    log = SettingsLog(desk.lines, desk.metrics)
    log.reloaded(outcome(WRONG))
    assert desk.lines.events == ["settings_wrong", "settings_read"]
    assert desk.lines.said[0][2] == {"problems": [str(WRONG)], "kept": ["orders"]}
    assert desk.metrics.snapshot().problems == {"file": 1, "tags": 0}
    log.reloaded(outcome())
    assert desk.metrics.snapshot().problems == {"file": 0, "tags": 0}


def test_of_settings_that_were_refused_as_a_whole_it_is_not_told_that_they_were_read() -> None:
    desk = Desk()
    SettingsLog(desk.lines, desk.metrics).reloaded(Reloaded.refused(load(FLAT), find(FLAT), (WRONG,)))
    assert desk.lines.events == ["settings_wrong"]
    assert desk.lines.said[0][2]["kept"] == ["orders"]


def test_what_waits_for_another_start_is_told() -> None:
    desk = Desk()
    SettingsLog(desk.lines, desk.metrics).reloaded(outcome(later=("http_port",)))
    assert desk.lines.said[0][:2] == ("warning", "settings_later")


def test_of_a_cluster_only_what_is_new_is_told() -> None:
    desk = Desk()
    log = SettingsLog(desk.lines, desk.metrics)
    for _ in range(3):
        log.found("prod", 5, (WRONG,))
        log.found("test", 1, ())
    assert desk.lines.events == ["tags_wrong", "tags_read", "tags_read"]
    assert desk.metrics.snapshot().problems["tags"] == 1
    log.found("prod", 6, ())
    assert desk.lines.events[-1] == "tags_read"
    assert desk.metrics.snapshot().problems["tags"] == 0
