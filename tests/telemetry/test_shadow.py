"""That a service is in shadow is said in log, page, API and metrics, with how to activate it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autoscaler.config import ModeSetting, Service
from autoscaler.core.model import Missing
from autoscaler.core.policy import Mode
from autoscaler.core.slo import SHADOW_MISSES_LATENCY
from autoscaler.ports import Tick
from autoscaler.telemetry.page.rows import row_of
from autoscaler.telemetry.views import readiness, services
from tests.telemetry.test_metrics import of_service
from tests.telemetry.ticks import SERVICE, Desk, decided, policy_of, seen

HOW = "set AUTOSCALER_MODE=active"
DEFAULT, SET = ModeSetting(is_default=True, activate=HOW), ModeSetting(is_default=False, activate=HOW)


def service(mode: Mode, setting: ModeSetting) -> Service:
    return Service(SERVICE, (), policy_of(mode=mode), mode_setting=setting)


IN_SHADOW, SET_TO_SHADOW = service(Mode.SHADOW, DEFAULT), service(Mode.SHADOW, SET)
ACTIVE = service(Mode.ACTIVE, SET)


def test_shadow_by_default_is_logged_once_with_how_to_activate_it() -> None:
    desk = Desk()
    for _ in range(3):
        desk.journal.admit(IN_SHADOW, 60.0)
    [(level, event, fields)] = desk.lines.said
    assert (level, event, fields["service"], fields["mode"]) == ("warning", "shadow_by_default", "orders", "shadow")
    assert fields["activate"] == HOW
    assert all(said in fields["sentence"] for said in ("orders", "shadow", "default", HOW, "docs/shadow.md"))


@pytest.mark.parametrize("said", [SET_TO_SHADOW, ACTIVE, service(Mode.SCALE_OUT_ONLY, SET)])
def test_a_mode_that_was_set_is_not_logged(said: Service) -> None:
    desk = Desk()
    desk.journal.admit(said, 60.0)
    assert desk.lines.said == []


@pytest.mark.parametrize("before", [SET_TO_SHADOW, ACTIVE])
def test_a_service_that_comes_into_shadow_by_default_is_logged_each_time(before: Service) -> None:
    desk = Desk()
    for said in (before, IN_SHADOW, before, IN_SHADOW):
        desk.journal.admit(said, 60.0)
    assert desk.lines.events == ["shadow_by_default"] * 2


def test_a_service_that_went_and_came_back_is_logged_again() -> None:
    desk = Desk()
    desk.journal.admit(IN_SHADOW, 60.0)
    desk.journal.forget("orders")
    desk.journal.admit(IN_SHADOW, 60.0)
    assert desk.lines.events == ["shadow_by_default"] * 2


@pytest.mark.parametrize(
    ("said", "how"), [(IN_SHADOW, HOW), (SET_TO_SHADOW, HOW), (ACTIVE, None), (service(Mode.SCALE_OUT_ONLY, SET), None)]
)
def test_page_and_api_say_how_to_activate_what_is_in_shadow_and_nothing_else(said: Service, how: str | None) -> None:
    desk = Desk()
    desk.journal.admit(said, 60.0)
    for _ in range(2):  # before its first tick, and after it
        [status] = desk.store.statuses()
        assert row_of(status)["activate"] == how
        assert readiness([status], 0.0)[1]["services"]["orders"]["activate"] == how
        assert services([status], 0.0)["services"][0]["activate"] == how
        desk.record(decided(seen(), policy=said.policy))


def missing_target(mode: Mode = Mode.SHADOW) -> Tick:
    return replace(decided(seen(), policy=policy_of(mode=mode)), notices=(Missing("late", SHADOW_MISSES_LATENCY),))


@pytest.mark.parametrize(
    ("tick", "value"),
    [
        (missing_target(), 1.0),
        (decided(seen(), policy=policy_of(mode=Mode.SHADOW)), 0.0),
        (decided(seen(), policy=policy_of(mode=Mode.ACTIVE)), None),
    ],
)
def test_the_metric_is_there_in_shadow_only_and_1_while_the_notice_stands(tick: Tick, value: float | None) -> None:
    desk = Desk()
    desk.record(tick)
    assert of_service(desk, "autoscaler_shadow_misses_latency") == value


def test_the_notice_is_logged_as_a_warning_with_its_kind() -> None:
    desk = Desk()
    desk.record(missing_target())
    told = [fields for level, event, fields in desk.lines.said if (level, event) == ("warning", "notice")]
    assert [(fields["kind"], fields["text"]) for fields in told] == [(SHADOW_MISSES_LATENCY, "late")]
