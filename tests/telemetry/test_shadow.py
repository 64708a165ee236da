"""The log, the page, the API and the metrics show that a service is in shadow, and how to activate it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.config import ModeSetting, ServiceConfig
from autoscaler.core.model import Missing
from autoscaler.core.policy import Mode
from autoscaler.core.slo import SHADOW_MISSES_LATENCY
from autoscaler.ports import Poll
from autoscaler.telemetry.page.rows import row_of
from autoscaler.telemetry.views import readiness, services
from tests.telemetry.polls import SERVICE, JournalDesk, decided, policy_of, seen
from tests.telemetry.test_metrics import of_service

HOW = "set AUTOSCALER_MODE=active"
DEFAULT, SET = ModeSetting(is_default=True, activate=HOW), ModeSetting(is_default=False, activate=HOW)


def service(mode: Mode, setting: ModeSetting) -> ServiceConfig:
    return ServiceConfig(SERVICE, (), policy_of(mode=mode), mode_setting=setting)


IN_SHADOW, SET_TO_SHADOW = service(Mode.SHADOW, DEFAULT), service(Mode.SHADOW, SET)
ACTIVE = service(Mode.ACTIVE, SET)


def test_shadow_by_default_is_logged_once_with_how_to_activate_it() -> None:
    desk = JournalDesk()
    for _ in range(3):
        desk.journal.admit(IN_SHADOW, 60.0)
    [(level, event, fields)] = desk.lines.entries
    assert (level, event, fields["service"], fields["mode"]) == ("warning", "shadow_by_default", "orders", "shadow")
    assert fields["activate"] == HOW
    assert all(text in fields["sentence"] for text in ("orders", "shadow", "default", HOW, "docs/shadow.md"))


@pytest.mark.parametrize("config", [SET_TO_SHADOW, ACTIVE, service(Mode.SCALE_OUT_ONLY, SET)])
def test_a_mode_that_was_set_is_not_logged(config: ServiceConfig) -> None:
    desk = JournalDesk()
    desk.journal.admit(config, 60.0)
    assert desk.lines.entries == []


@pytest.mark.parametrize("before", [SET_TO_SHADOW, ACTIVE])
def test_each_return_to_shadow_by_default_is_logged(before: ServiceConfig) -> None:
    desk = JournalDesk()
    for config in (before, IN_SHADOW, before, IN_SHADOW):
        desk.journal.admit(config, 60.0)
    assert desk.lines.events == ["shadow_by_default"] * 2


def test_a_service_that_was_removed_and_added_is_logged_again() -> None:
    desk = JournalDesk()
    desk.journal.admit(IN_SHADOW, 60.0)
    desk.journal.forget("orders")
    desk.journal.admit(IN_SHADOW, 60.0)
    assert desk.lines.events == ["shadow_by_default"] * 2


@pytest.mark.parametrize(
    ("config", "how"),
    [(IN_SHADOW, HOW), (SET_TO_SHADOW, HOW), (ACTIVE, None), (service(Mode.SCALE_OUT_ONLY, SET), None)],
)
def test_the_page_and_the_api_show_how_to_activate_services_in_shadow_only(
    config: ServiceConfig, how: str | None
) -> None:
    desk = JournalDesk()
    desk.journal.admit(config, 60.0)
    for _ in range(2):  # before its first poll, and after it
        [status] = desk.store.statuses()
        assert row_of(status)["activate"] == how
        assert readiness([status], 0.0)[1]["services"]["orders"]["activate"] == how
        assert services([status], 0.0)["services"][0]["activate"] == how
        desk.record(decided(seen(), policy=config.policy))


def missing_target(mode: Mode = Mode.SHADOW) -> Poll:
    return replace(decided(seen(), policy=policy_of(mode=mode)), notices=(Missing("late", SHADOW_MISSES_LATENCY),))


@pytest.mark.parametrize(
    ("poll", "value"),
    [
        (missing_target(), 1.0),
        (decided(seen(), policy=policy_of(mode=Mode.SHADOW)), 0.0),
        (decided(seen(), policy=policy_of(mode=Mode.ACTIVE)), None),
    ],
)
def test_the_metric_exists_in_shadow_only_and_is_1_while_there_is_a_notice(poll: Poll, value: float | None) -> None:
    desk = JournalDesk()
    desk.record(poll)
    assert of_service(desk, "autoscaler_shadow_misses_latency") == value


def test_the_notice_is_logged_as_a_warning_with_its_kind() -> None:
    desk = JournalDesk()
    desk.record(missing_target())
    notices = [fields for level, event, fields in desk.lines.entries if (level, event) == ("warning", "notice")]
    assert [(fields["kind"], fields["text"]) for fields in notices] == [(SHADOW_MISSES_LATENCY, "late")]
