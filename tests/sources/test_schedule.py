"""Schedules: a pure function of wall time, in their time zone, and never above the service's own maximum."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import count
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
    near = any(start - one.lead_s <= wall < start + (one.lasts_s or 0.0) for start in starts(one, wall))
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


@pytest.mark.parametrize(
    ("cron", "until", "wall", "expected"),
    [
        ("0 8 * * *", "18:00", "2026-06-01T15:59:59", True),  # 18:00 in Berlin is 16:00 UTC in summer
        ("0 8 * * *", "18:00", "2026-06-01T16:00", False),
        ("0 8 * * *", "18:00", "2026-12-01T16:59:59", True),  # and 17:00 UTC in winter
        ("0 8 * * *", "18:00", "2026-12-01T17:00", False),
        ("0 8 * * *", "08:00", "2026-06-01T12:00", True),  # the next time: a day later
        ("0 22 * * *", "06:00", "2026-03-29T03:59:59", True),  # the spring night: one hour shorter
        ("0 22 * * *", "06:00", "2026-03-29T04:00", False),
        ("0 22 * * *", "06:00", "2026-10-25T04:59:59", True),  # the autumn night: one hour longer
        ("0 22 * * *", "06:00", "2026-10-25T05:00", False),
        ("0 22 * * *", "02:30", "2026-03-29T00:59:59", True),  # 2:30 is skipped: the end of that hour, at 1:00 UTC
        ("0 22 * * *", "02:30", "2026-03-29T01:00", False),
        ("0 22 * * *", "02:30", "2026-10-25T00:29:59", True),  # 2:30 occurs twice: the first time, at 0:30 UTC
        ("0 22 * * *", "02:30", "2026-10-25T00:30", False),
        ("0 22 * * *", "02:30", "2026-10-25T01:15", False),
        ("15 2 * * *", "02:45", "2026-03-29T01:00", False),  # the clock skips the whole schedule
        ("15 2 * * *", "02:45", "2026-03-29T12:00", False),
        ("30 2 * * *", "03:00", "2026-03-29T01:00", False),  # the skipped start is the end: not a whole day
        ("30 2 * * *", "03:00", "2026-03-29T12:00", False),
        ("30 2 * * *", "03:15", "2026-03-29T01:10", True),
        ("0 3 * * *", "03:00", "2026-03-29T12:00", True),  # a whole day as always: the clock skips neither time
        ("15 2 * * *", "02:45", "2026-10-25T00:30", True),
        ("15 2 * * *", "02:45", "2026-10-25T00:45", False),
        ("15 2 * * *", "02:45", "2026-10-25T01:20", False),
        ("45 2 * * *", "02:30", "2026-10-25T12:00", True),  # nearly the whole day, also in the second hour
        ("45 2 * * *", "02:30", "2026-10-25T01:35", True),
        ("0 8 * * MON-FRI", "18:00", "2026-12-05T12:00", False),  # a Saturday
    ],
)
def test_a_schedule_ends_when_the_clock_shows_its_end(cron: str, until: str, wall: str, expected: bool) -> None:
    assert in_force(schedule(cron=cron, lasts_s=None, until=until, lead_s=0.0), at(wall)) is expected


ON_THE_CLOCK = st.builds(
    schedule,
    cron=st.sampled_from(["0 8 * * MON-FRI", "0 22 * * *", "15 1 * * *", "45 3 * * *", "0 0 * * *"]),
    timezone=ZONES,
    lasts_s=st.none(),
    until=st.sampled_from(["00:00", "02:00", "02:15", "02:30", "08:00", "18:00", "23:59"]),
    lead_s=st.sampled_from([0.0, 90.0]),
)


def end_on_the_clock(one: Schedule, start: float) -> float:
    """Return the end after a start, from a clock that is read once a minute."""
    zone = ZoneInfo(one.timezone)
    begun = datetime.fromtimestamp(start, zone).replace(tzinfo=None)
    end = datetime.combine(begun.date(), time.fromisoformat(str(one.until)))
    end += timedelta(days=int(end <= begun))
    return next(at for at in count(start + 60, 60) if datetime.fromtimestamp(at, zone).replace(tzinfo=None) >= end)


@settings(deadline=None, max_examples=100)
@given(ON_THE_CLOCK, WALLS)
def test_a_schedule_with_an_end_on_the_clock_is_in_force_only_between(one: Schedule, wall: float) -> None:
    begun = [start for start in starts(one, wall) if wall - 90_000 <= start <= wall + one.lead_s]
    assert in_force(one, wall) == any(wall < end_on_the_clock(one, start) for start in begun)


@settings(deadline=None, max_examples=100)
@given(st.lists(ON_THE_CLOCK | SCHEDULES, max_size=3).map(tuple), st.lists(WALLS, min_size=1, max_size=10))
def test_the_cached_policy_of_ends_on_the_clock_is_correct(some: tuple[Schedule, ...], walls: list[float]) -> None:
    cached = Timetable(OWN, some)
    for wall in (at + step for at in walls for step in (0, 31, 3599, -1)):
        assert cached.policy_at(wall) == Timetable(OWN, some).policy_at(wall)
