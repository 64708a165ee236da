"""Each change of the settings is logged once, and a metric counts the problems."""

from __future__ import annotations

from dataclasses import replace

from autoscaler.config import Gap, Reloaded, SettingChange, UnconfirmedFile, load
from autoscaler.config.loading import find
from autoscaler.errors import Problem
from autoscaler.telemetry import SettingsLog
from tests.config.spoken import FLAT
from tests.telemetry.polls import JournalDesk

WRONG = Problem("services.orders.max_tasks", "'many' is not a whole number")


def outcome(*problems: Problem, later: tuple[str, ...] = ()) -> Reloaded:
    return Reloaded(load(FLAT), find(FLAT), problems, ("orders",) if problems else (), later)


def test_a_wrong_setting_is_logged_and_counted_until_it_is_corrected() -> None:
    desk = JournalDesk()
    log = SettingsLog(desk.lines, desk.metrics)
    log.reloaded(outcome(WRONG))
    assert desk.lines.events == ["settings_wrong", "settings_read"]
    assert desk.lines.entries[0][2] == {"problems": [str(WRONG)], "kept": ["orders"]}
    assert desk.metrics.snapshot().problems == {"file": 1, "tags": 0}
    log.reloaded(outcome())
    assert desk.metrics.snapshot().problems == {"file": 0, "tags": 0}


def test_settings_that_were_refused_completely_are_not_logged_as_read() -> None:
    desk = JournalDesk()
    SettingsLog(desk.lines, desk.metrics).reloaded(Reloaded.refused(load(FLAT), find(FLAT), (WRONG,)))
    assert desk.lines.events == ["settings_wrong"]
    assert desk.lines.entries[0][2]["kept"] == ["orders"]


def test_a_change_that_requires_a_restart_is_logged() -> None:
    desk = JournalDesk()
    SettingsLog(desk.lines, desk.metrics).reloaded(outcome(later=("http_port",)))
    assert desk.lines.entries[0][:2] == ("warning", "settings_later")


def test_every_change_and_every_missing_setting_is_logged() -> None:
    desk = JournalDesk()
    changes = (SettingChange("orders", "min_tasks", "1", "2"), SettingChange("orders", "external_id", "***", "***"))
    gaps = (Gap("orders", "mode", "shadow", "settings.toml: services.orders.mode"),)
    SettingsLog(desk.lines, desk.metrics).reloaded(
        replace(outcome(), changes=changes, missing=gaps, added=("mails",), removed=("bills",))
    )
    (level, event, missing), (_, _, read) = desk.lines.entries
    assert (level, event) == ("warning", "settings_missing")
    written = "settings.toml: services.orders.mode"
    assert missing["settings"] == [{"of": "orders", "setting": "mode", "value": "shadow", "written": written}]
    assert "restart" in missing["remedy"]
    assert read["changes"][0] == {"of": "orders", "setting": "min_tasks", "old": "1", "new": "2"}
    assert (read["added"], read["removed"], read["stay"]) == (["mails"], ["bills"], ["orders.mode"])
    assert desk.metrics.snapshot().problems["file"] == 1, "a missing setting counts until it is set"


def test_an_unconfirmed_file_is_logged_with_each_service_that_it_removes() -> None:
    desk = JournalDesk()
    waiting = UnconfirmedFile(("mails", "orders"), ("batch",), 3, 12)
    SettingsLog(desk.lines, desk.metrics).reloaded(Reloaded.refused(load(FLAT), find(FLAT), (WRONG,), waiting))
    [(level, event, fields), (_, wrong, others)] = desk.lines.entries
    assert (level, event) == ("warning", "settings_wait")
    assert (wrong, others["problems"]) == ("settings_wrong", [str(WRONG)]), "the other problems are logged, too"
    assert (fields["services"], fields["profiles"]) == (["mails", "orders"], ["batch"])
    assert (fields["settings_now"], fields["settings_before"]) == (3, 12)
    assert "SIGHUP" in fields["remedy"]


def test_a_line_is_bounded_for_any_number_of_changes() -> None:
    desk = JournalDesk()
    many = [str(number) for number in range(10_000)]
    log = SettingsLog(desk.lines, desk.metrics)
    changes = tuple(SettingChange(key, "min_tasks", "1", "2") for key in many)
    gaps = tuple(Gap(key, "mode", "shadow", key) for key in many)
    log.reloaded(replace(outcome(), changes=changes, missing=gaps, added=tuple(many), removed=tuple(many)))
    log.reloaded(Reloaded.refused(load(FLAT), find(FLAT), (), UnconfirmedFile(tuple(many), tuple(many), 1, 2)))
    log.reloaded(replace(outcome(*[Problem(key, "wrong") for key in many]), retained=tuple(many)))
    log.found("prod", 5, tuple(Problem(key, "wrong") for key in many))
    log.given_up("prod", dict.fromkeys(many, "gone"))
    for _, event, fields in desk.lines.entries:
        assert len(str(fields)) < 40_000, event
        lists = {name: value for name, value in fields.items() if isinstance(value, list)}
        full = {name: value for name, value in lists.items() if value}
        assert full or event in {"settings_read", "tags_read"}
        assert all((len(value), fields[f"{name}_more"]) == (100, 9_900) for name, value in full.items())


def test_services_that_are_no_longer_scaled_are_logged_by_name() -> None:
    desk = JournalDesk()
    SettingsLog(desk.lines, desk.metrics).given_up("prod", {"prod-mails": "the tag is missing"})
    [(level, event, fields)] = desk.lines.entries
    assert (level, event, fields["cluster"]) == ("warning", "tags_given_up", "prod")
    assert fields["services"] == [{"service": "prod-mails", "reason": "the tag is missing"}]


def test_the_tags_of_a_cluster_are_logged_only_after_a_change() -> None:
    desk = JournalDesk()
    log = SettingsLog(desk.lines, desk.metrics)
    for _ in range(3):
        log.found("prod", 5, (WRONG,))
        log.found("test", 1, ())
    assert desk.lines.events == ["tags_wrong", "tags_read", "tags_read"]
    assert desk.metrics.snapshot().problems["tags"] == 1
    log.found("prod", 6, ())
    assert desk.lines.events[-1] == "tags_read"
    assert desk.metrics.snapshot().problems["tags"] == 0
