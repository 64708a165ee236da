"""A schedule starts by a cron expression in its time zone, has a duration, and stays within the service's max_tasks."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.config import load, notes
from autoscaler.config.model import Schedule
from autoscaler.config.rules import ScheduleFields
from tests.config.spoken import flat, only, problems, refusal

DAY = {"cron": "0 8 * * MON-FRI", "for": "10h", "min_tasks": 5}


def settings_with(**item: object) -> dict[str, str]:
    """Return the variables of a valid service of 2 to 10 tasks with this schedule."""
    return flat(MIN_TASKS="2", SCHEDULES=json.dumps({"day": item}))


def test_a_schedule_is_loaded_as_configured() -> None:
    full = {"cron": " 30  6 1,15 * * ", "for": "90m", "timezone": "Europe/Berlin", "max_tasks": 4, "lead": "5m"}
    environ = flat(SCHEDULES=json.dumps({"full": full, "day": DAY}))
    assert only(load(environ)).schedules == (
        Schedule("full", "30 6 1,15 * *", 5400.0, "Europe/Berlin", None, 4, 300.0),
        Schedule("day", "0 8 * * MON-FRI", 36000.0, "UTC", 5, None, 90.0),
    )


@pytest.mark.parametrize(
    "bounds",
    [
        {"max_tasks": 10},
        {"max_tasks": 2},
        {"min_tasks": 10},
        {"min_tasks": 0},
        {"min_tasks": 0, "max_tasks": 0},
        {"min_tasks": 4, "max_tasks": 4},
    ],
)
def test_bounds_up_to_max_tasks_are_accepted(bounds: Any) -> None:
    [schedule] = only(load(settings_with(cron="0 8 * * *", **{"for": "1h"}, **bounds))).schedules
    assert (schedule.min_tasks, schedule.max_tasks) == (bounds.get("min_tasks"), bounds.get("max_tasks"))


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"max_tasks": 11}, "day: max_tasks 11 is more than the max_tasks of the service (10)"),
        ({"min_tasks": 11}, "day: min_tasks 11 would be more than max_tasks 10 during this schedule"),
        ({"min_tasks": None, "max_tasks": 1}, "day, min_tasks: null"),
        ({"min_tasks": 5, "max_tasks": 4}, "day: min_tasks (5) is more than max_tasks (4)"),
        ({"min_tasks": -1}, "day, min_tasks"),
        ({"max_tasks": 1.5}, "day, max_tasks"),
        ({"for": "0s"}, "day, for"),
        ({"for": 60}, "day, for: '60' has no unit"),
        ({"lead": "-5s"}, "day, lead"),
        ({"lead": 5}, "day, lead"),
        ({"timezone": "Europe"}, "day, timezone: 'Europe' is not a time zone"),
        ({"timezone": "Europe/Berlinn"}, "did you mean Europe/Berlin?"),
        ({"timezone": "localtime"}, "day, timezone: 'localtime' depends on the machine"),
        ({"timezone": "posixrules"}, "depends on the machine"),
        ({"timezone": "Factory"}, "depends on the machine"),
        ({"timezone": "right/Europe/Berlin"}, "depends on the machine"),
        ({"timezone": "posix/Europe/Berlin"}, "depends on the machine"),
        ({"until": "18:00"}, "day: set exactly one of for and until"),
        ({"for": "none"}, "day: set exactly one of for and until"),
        ({"for": "none", "until": "24:00"}, "day, until: '24:00' is not a time of day"),
        ({"for": "none", "until": "18:60"}, "day, until: '18:60' is not a time of day"),
        ({"for": "none", "until": "18"}, "day, until: '18' is not a time of day"),
        ({"for": "none", "until": "10h"}, "day, until: '10h' is not a time of day"),
        ({"for": "none", "until": 18}, "day, until: 18 is not a time of day"),
        ({"timezone": "../UTC"}, "day, timezone"),
        ({"timezone": "/etc/localtime"}, "day, timezone"),
        ({"timezone": ""}, "day, timezone"),
        ({"timezone": 2}, "day, timezone"),
        ({"cron": ""}, "day, cron"),
        ({"cron": "0 8 * *"}, "day, cron: '0 8 * *' is not a cron expression: five fields"),
        ({"cron": "0 0 8 * * *"}, "day, cron"),
        ({"cron": "0 24 * * *"}, "bad hour"),
        ({"cron": "61 8 * * *"}, "bad minute"),
        ({"cron": "0 8 * * MON-FRY"}, "bad day-of-week"),
        ({"cron": "0 8 31 2 *"}, "day, cron"),
        ({"cron": "0 8 * * " + "1," * 200 + "1"}, "day, cron"),
        ({"cron": "0 0 */30 * MON#2"}, "matches no date"),
        ({"cron": 5}, "day, cron"),
        ({"untill": "5m"}, "did you mean until?"),
        ({"timezon": "UTC"}, "did you mean timezone?"),
        ({"for_": "5m"}, "did you mean for?"),
    ],
)
def test_an_error_in_a_schedule_names_the_schedule_and_the_field(wrong: Any, what: str) -> None:
    assert what in problems(settings_with(**DAY | wrong))["AUTOSCALER_SCHEDULES"]


def test_max_tasks_below_the_services_min_tasks_is_rejected() -> None:
    errors = problems(settings_with(cron="0 8 * * *", **{"for": "1h"}, max_tasks=1))["AUTOSCALER_SCHEDULES"]
    assert errors == "day: min_tasks 2 would be more than max_tasks 1 during this schedule"


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("cron", "cron: the value is missing"),
        ("for", "set exactly one of for and until"),
        ("min_tasks", "set min_tasks, max_tasks or both"),
    ],
)
def test_a_missing_required_field_is_reported(missing: str, message: str) -> None:
    errors = problems(settings_with(**{name: value for name, value in DAY.items() if name != missing}))
    assert errors.keys() == {"AUTOSCALER_SCHEDULES"}
    assert message in str(errors)


@pytest.mark.parametrize("name", ["", "two words", "-day", "d" * 65, "däy"])
def test_an_invalid_schedule_name_is_rejected(name: Any) -> None:
    assert "name of a schedule" in problems(flat(SCHEDULES=json.dumps({name: DAY})))["AUTOSCALER_SCHEDULES"]


def test_the_schedule_in_force_is_not_a_setting() -> None:
    assert "did you mean AUTOSCALER_SCHEDULES?" in problems(flat(SCHEDULE="day"))["AUTOSCALER_SCHEDULE"]


@given(st.text(max_size=30) | st.text("0123456789*/,-#LW MONFRI", max_size=24))
def test_any_text_is_a_cron_expression_or_gives_a_printable_error(text: Any) -> None:
    environ = settings_with(cron=text, **{"for": "1h"}, min_tasks=5)
    refused = refusal(lambda: load(environ))
    if refused:
        assert all(map(str.isprintable, refused.splitlines()))
    else:
        assert len(only(load(environ)).schedules[0].cron.split()) == 5


def test_the_field_for_is_written_without_an_underscore() -> None:
    assert "for" in ScheduleFields.model_validate(DAY).model_dump(by_alias=True)


@pytest.mark.parametrize(("given", "read"), [("18:00", "18:00"), (" 6:05 ", "06:05"), ("0:00", "00:00")])
def test_an_end_on_the_clock_replaces_the_duration(given: str, read: str) -> None:
    [schedule] = only(load(settings_with(cron="0 8 * * *", until=given, min_tasks=5))).schedules
    assert (schedule.until, schedule.lasts_s) == (read, None)


@pytest.mark.parametrize(
    ("zone", "offset"), [("EST", "UTC-0500"), ("Etc/GMT+5", "UTC-0500"), ("Etc/GMT-9", "UTC+0900")]
)
def test_a_zone_of_a_fixed_offset_is_noted(zone: str, offset: str) -> None:
    found = [note for note in notes(load(settings_with(**DAY, timezone=zone))) if "summer time" in note]
    assert len(found) == 1
    assert f"schedule day: the time zone {zone} is {offset} all year" in found[0]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Tokyo", "Etc/UTC", "America/New_York", "CET"])
def test_the_zone_of_a_place_and_utc_are_not_noted(zone: str) -> None:
    assert not [note for note in notes(load(settings_with(**DAY, timezone=zone))) if "summer time" in note]
