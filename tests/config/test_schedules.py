"""A schedule begins by cron on the clock of its time zone, lasts for a while, and keeps to the service's ceiling."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.config import load
from autoscaler.config.model import Schedule
from autoscaler.config.schedules import ScheduleFields
from tests.config.spoken import flat, only, problems, refusal

DAY = {"cron": "0 8 * * MON-FRI", "for": "10h", "min_tasks": 5}


def told(**item: object) -> dict[str, str]:
    """A valid service of 2 to 10 tasks with this schedule."""
    return flat(MIN_TASKS="2", SCHEDULES=json.dumps({"day": item}))


def test_a_schedule_is_taken_as_it_is_told() -> None:
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
def test_bounds_up_to_the_ceiling_are_taken(bounds: Any) -> None:
    [schedule] = only(load(told(cron="0 8 * * *", **{"for": "1h"}, **bounds))).schedules
    assert (schedule.min_tasks, schedule.max_tasks) == (bounds.get("min_tasks"), bounds.get("max_tasks"))


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"max_tasks": 11}, "day: 11 is more than the service's max_tasks, 10"),
        ({"min_tasks": 11}, "day: min_tasks would be 11 while max_tasks is 10"),
        ({"min_tasks": None, "max_tasks": 1}, "day, min_tasks: null"),
        ({"min_tasks": 5, "max_tasks": 4}, "day: min_tasks, 5, is more than max_tasks, 4"),
        ({"min_tasks": -1}, "day, min_tasks"),
        ({"max_tasks": 1.5}, "day, max_tasks"),
        ({"for": "0s"}, "day, for"),
        ({"for": 60}, "day, for: '60' has no unit"),
        ({"lead": "-5s"}, "day, lead"),
        ({"lead": 5}, "day, lead"),
        ({"timezone": "Europe"}, "day, timezone: 'Europe' is not a time zone"),
        ({"timezone": "Europe/Berlinn"}, "day, timezone"),
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
        ({"cron": "0 0 */30 * MON#2"}, "names a time that never comes"),
        ({"cron": 5}, "day, cron"),
        ({"untill": "5m"}, "is not a setting here; there are cron, for, timezone, min_tasks, max_tasks, lead"),
        ({"timezon": "UTC"}, "did you mean timezone?"),
        ({"for_": "5m"}, "did you mean for?"),
    ],
)
def test_whatever_is_wrong_in_a_schedule_is_named_at_its_spot(wrong: Any, what: str) -> None:
    assert what in problems(told(**DAY | wrong))["AUTOSCALER_SCHEDULES"]


def test_a_most_below_the_services_own_least_is_refused() -> None:
    said = problems(told(cron="0 8 * * *", **{"for": "1h"}, max_tasks=1))["AUTOSCALER_SCHEDULES"]
    assert said == "day: min_tasks would be 2 while max_tasks is 1"


@pytest.mark.parametrize("missing", ["cron", "for", "min_tasks"])
def test_what_a_schedule_must_have_is_asked_for(missing: str) -> None:
    said = problems(told(**{name: value for name, value in DAY.items() if name != missing}))
    assert said.keys() == {"AUTOSCALER_SCHEDULES"}
    assert ("give min_tasks, max_tasks or both" if missing == "min_tasks" else f"{missing}: is missing") in str(said)


@pytest.mark.parametrize("name", ["", "two words", "-day", "d" * 65, "däy"])
def test_a_schedules_name_has_a_shape(name: Any) -> None:
    assert "schedule's name" in problems(flat(SCHEDULES=json.dumps({name: DAY})))["AUTOSCALER_SCHEDULES"]


def test_a_schedule_in_force_is_not_for_the_settings_to_say() -> None:
    assert "did you mean AUTOSCALER_SCHEDULES?" in problems(flat(SCHEDULE="day"))["AUTOSCALER_SCHEDULE"]


@given(st.text(max_size=30) | st.text("0123456789*/,-#LW MONFRI", max_size=24))
def test_any_text_is_a_cron_expression_or_refused_in_a_sentence(text: Any) -> None:
    environ = told(cron=text, **{"for": "1h"}, min_tasks=5)
    refused = refusal(lambda: load(environ))
    if refused:
        assert all(map(str.isprintable, refused.splitlines()))
    else:
        assert len(only(load(environ)).schedules[0].cron.split()) == 5


def test_the_word_that_python_keeps_for_itself_is_written_plainly() -> None:
    assert "for" in ScheduleFields.model_validate(DAY).model_dump(by_alias=True)
