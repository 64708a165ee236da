"""What became of settings is told once, and how much is wrong can be seen."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.config import Change, Gap, Reloaded, Waiting, load
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


def test_every_change_is_told_and_what_stays_because_it_is_missing() -> None:
    desk = Desk()
    changes = (Change("orders", "min_tasks", "1", "2"), Change("orders", "external_id", "***", "***"))
    gaps = (Gap("orders", "mode", "shadow", "settings.toml: services.orders.mode"),)
    SettingsLog(desk.lines, desk.metrics).reloaded(
        replace(outcome(), changes=changes, missing=gaps, added=("mails",), removed=("bills",))
    )
    (level, event, missing), (_, _, read) = desk.lines.said
    assert (level, event) == ("warning", "settings_missing")
    written = "settings.toml: services.orders.mode"
    assert missing["settings"] == [{"of": "orders", "setting": "mode", "value": "shadow", "written": written}]
    assert "restart" in missing["remedy"]
    assert read["changes"][0] == {"of": "orders", "setting": "min_tasks", "old": "1", "new": "2"}
    assert (read["added"], read["removed"], read["stay"]) == (["mails"], ["bills"], ["orders.mode"])
    assert desk.metrics.snapshot().problems["file"] == 1, "it counts until it is written"


def test_a_file_that_waits_is_told_with_each_service_that_would_go() -> None:
    desk = Desk()
    waiting = Waiting(("mails", "orders"), ("batch",), 3, 12)
    SettingsLog(desk.lines, desk.metrics).reloaded(Reloaded.refused(load(FLAT), find(FLAT), (WRONG,), waiting))
    [(level, event, fields), (_, wrong, others)] = desk.lines.said
    assert (level, event) == ("warning", "settings_wait")
    assert (wrong, others["problems"]) == ("settings_wrong", [str(WRONG)]), "what else is wrong is told, too"
    assert (fields["services"], fields["profiles"]) == (["mails", "orders"], ["batch"])
    assert (fields["settings_now"], fields["settings_before"]) == (3, 12)
    assert "SIGHUP" in fields["remedy"]


def test_a_line_is_bounded_however_much_has_changed() -> None:
    desk = Desk()
    many = [str(number) for number in range(10_000)]
    log = SettingsLog(desk.lines, desk.metrics)
    changes = tuple(Change(key, "min_tasks", "1", "2") for key in many)
    gaps = tuple(Gap(key, "mode", "shadow", key) for key in many)
    log.reloaded(replace(outcome(), changes=changes, missing=gaps, added=tuple(many), removed=tuple(many)))
    log.reloaded(Reloaded.refused(load(FLAT), find(FLAT), (), Waiting(tuple(many), tuple(many), 1, 2)))
    log.reloaded(replace(outcome(*[Problem(key, "wrong") for key in many]), kept=tuple(many)))
    log.found("prod", 5, tuple(Problem(key, "wrong") for key in many))
    log.given_up("prod", dict.fromkeys(many, "gone"))
    for _, event, fields in desk.lines.said:
        assert len(str(fields)) < 40_000, event
        lists = {name: value for name, value in fields.items() if isinstance(value, list)}
        full = {name: value for name, value in lists.items() if value}
        assert full or event in {"settings_read", "tags_read"}
        assert all((len(value), fields[f"{name}_more"]) == (100, 9_900) for name, value in full.items())


def test_services_that_are_given_up_are_told_by_name() -> None:
    desk = Desk()
    SettingsLog(desk.lines, desk.metrics).given_up("prod", {"prod-mails": "the tag is missing"})
    [(level, event, fields)] = desk.lines.said
    assert (level, event, fields["cluster"]) == ("warning", "tags_given_up", "prod")
    assert fields["services"] == [{"service": "prod-mails", "reason": "the tag is missing"}]


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
