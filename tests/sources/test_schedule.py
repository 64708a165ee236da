"""Schedules: a pure function of wall time, in their time zone, and never above the service's own maximum."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.config.model import Schedule
from autoscaler.sources.schedule import Timetable, bounded
from tests.control.fakes import policy

OWN = policy(min_tasks=1, max_tasks=20)


def schedule(**changes: object) -> Schedule:
    usual: dict[str, object] = {
        "name": "day",
        "cron": "0 8 * * MON-FRI",
        "lasts_s": 36_000.0,
        "timezone": "Europe/Berlin",
        "min_tasks": 5,
        "max_tasks": None,
        "lead_s": 90.0,
    }
    return Schedule(**(usual | changes))  # type: ignore[arg-type]  # the tests pass fields of Schedule only


def at(text: str) -> float:
    """Return a UTC time in seconds since the epoch."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def in_force(one: Schedule, wall: float) -> bool:
    return Timetable(OWN, (one,)).policy_at(wall).schedule == one.name


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-06-01T05:58:29.9", False),  # a Monday in summer: 8:00 in Berlin is 6:00 UTC, and the lead is 90 s
        ("2026-06-01T05:58:30", True),
        ("2026-06-01T15:59:59.9", True),
        ("2026-06-01T16:00", False),
        ("2026-12-01T06:58:29", False),  # in winter it is 7:00 UTC
        ("2026-12-01T06:58:30", True),
        ("2026-12-05T10:00", False),  # a Saturday
    ],
)
def test_a_schedule_begins_its_lead_time_before_the_start_and_ends_after_its_duration(
    time: str, expected: bool
) -> None:
    assert in_force(schedule(), at(time)) is expected


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-03-29T00:59:59", False),  # 2:30 is skipped: the clock goes from 2:00 to 3:00 at 1:00 UTC
        ("2026-03-29T01:00", True),
        ("2026-03-29T01:59:59", True),
        ("2026-03-29T02:00", False),
        ("2026-10-25T00:29:59", False),  # 2:30 occurs twice: at 0:30 and at 1:30 UTC
        ("2026-10-25T00:30", True),
        ("2026-10-25T01:15", True),  # 2:15 for the second time
        ("2026-10-25T01:29:59", True),
        ("2026-10-25T01:30", False),
        ("2026-10-25T01:45", False),
        ("2026-10-25T02:15", False),  # one hour after the second 2:15
    ],
)
def test_a_start_that_the_clock_change_skips_or_repeats_happens_once(time: str, expected: bool) -> None:
    assert in_force(schedule(cron="30 2 * * *", lasts_s=3600.0, lead_s=0.0), at(time)) is expected


CRONS = st.sampled_from(["* * * * *", "*/7 * * * *", "30 2 * * *", "0 8 * * MON-FRI", "15 */6 * * *", "0 0 1 * *"])
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
SCHEDULES = st.builds(
    schedule,
    cron=CRONS,
    timezone=ZONES,
    lasts_s=st.sampled_from([30.0, 60.0, 3600.0, 36_000.0, 200_000.0]),
    lead_s=st.sampled_from([0.0, 90.0, 900.0]),
    min_tasks=st.sampled_from([None, 0, 5, 30]),
    max_tasks=st.sampled_from([7, 20, None]),
    name=st.sampled_from(["a", "b"]),
)
DAYS = [at(day) for day in ("2026-03-28", "2026-03-08", "2026-10-24", "2026-11-01", "2026-04-04", "2026-06-30")]
WALLS = st.builds(lambda day, minute, past: day + 60.0 * minute + past, st.sampled_from(DAYS), st.integers(0, 4320),
                  st.sampled_from([0.0, 0.5, 59.5]))  # fmt: skip


def starts(one: Schedule, wall: float) -> list[float]:
    """Return every start that can matter at `wall`, from 300,000 s before it."""
    found = list[Any]()
    for start in CronSim(one.cron, datetime.fromtimestamp(wall - 300_000, ZoneInfo(one.timezone))):
        if start.timestamp() > wall + 100_000:
            return found
        found.append(start.timestamp())
    return found


@settings(deadline=None, max_examples=300)
@given(SCHEDULES, WALLS)
def test_a_schedule_is_in_force_only_around_its_starts(one: Schedule, wall: float) -> None:
    near = any(start - one.lead_s <= wall < start + one.lasts_s for start in starts(one, wall))
    assert in_force(one, wall) == near


@settings(deadline=None, max_examples=100)
@given(st.lists(SCHEDULES, max_size=3).map(tuple), st.lists(WALLS, min_size=1, max_size=30))
def test_the_cached_policy_equals_a_newly_calculated_one(some: tuple[Schedule, ...], walls: list[float]) -> None:
    cached = Timetable(OWN, some)
    for wall in (at + step for at in walls for step in (0, 31, 3599, -1)):
        assert cached.policy_at(wall) == Timetable(OWN, some).policy_at(wall)


def test_the_policy_is_cached_between_two_edges() -> None:
    cached = Timetable(OWN, (schedule(),))
    first = cached.policy_at(at("2026-06-01T09:00"))
    assert all(cached.policy_at(at("2026-06-01T09:00") + second) is first for second in range(0, 25_000, 500))


@settings(deadline=None)
@given(st.lists(SCHEDULES, min_size=1, max_size=4))
def test_the_highest_bounds_apply_up_to_the_services_own_maximum(some: list[Schedule]) -> None:
    policy = bounded(OWN, some)
    lows = [one.min_tasks for one in some if one.min_tasks is not None]
    highs = [one.max_tasks for one in some if one.max_tasks is not None]
    assert policy.min_tasks == min(OWN.max_tasks, max(lows) if lows else OWN.min_tasks)
    assert policy.max_tasks == max(policy.min_tasks, max(highs) if highs else OWN.max_tasks)
    assert 0 <= policy.min_tasks <= policy.max_tasks <= OWN.max_tasks


def test_each_schedule_in_force_is_named() -> None:
    low, high = schedule(name="day", cron="* * * * *"), schedule(name="sale", cron="* * * * *", min_tasks=9)
    policy = Timetable(OWN, (low, high)).policy_at(at("2026-06-01T09:00"))
    assert (policy.min_tasks, policy.max_tasks, policy.schedule) == (9, 20, "day and sale")


def test_without_a_schedule_in_force_the_policy_is_the_services_own() -> None:
    assert Timetable(OWN, ()).policy_at(0.0) is OWN
    assert Timetable(OWN, (schedule(),)).policy_at(at("2026-06-06T09:00")) is OWN
