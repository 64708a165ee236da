"""Schedules: different bounds for a limited time, which begins at each time of a cron expression.

Cron is as in Debian: minute, hour, day of the month, month, day of the week, in the time zone. Exactly five fields are
accepted. With six, this parser would read the first as seconds, and other programs read it as minutes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import Field, model_validator

from autoscaler.config.group import Group, meant
from autoscaler.config.items import TASKS
from autoscaler.config.kinds import ValueKind, duration, text
from autoscaler.config.model import Schedule
from autoscaler.config.quoting import WrongValue, quote
from autoscaler.config.tables import table

_NAME = text(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII), "a valid name of a schedule (letters, digits, - and _)"
)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,3}", re.ASCII)
_FIELDS = 5
_LONGEST_CRON = 200
_ANY_DAY = datetime(2024, 1, 1, tzinfo=UTC)


def _cron(value: object) -> str:
    expression = " ".join(value.split()) if isinstance(value, str) else ""
    if len(expression) > _LONGEST_CRON or len(expression.split()) != _FIELDS:
        how = "five fields: minute, hour, day, month, weekday, as in '0 8 * * MON-FRI'"
        raise WrongValue(f"{quote(value)} is not a cron expression: {how}")
    try:
        next(CronSim(expression, _ANY_DAY))
    except CronSimError as error:
        raise WrongValue(f"{quote(value)} is not a cron expression: {str(error).lower()}") from error
    except StopIteration as error:
        raise WrongValue(f"{quote(value)} matches no date") from error
    return expression


def _zone(value: object) -> str:
    name = value.strip() if isinstance(value, str) else ""
    try:
        if _ZONE.fullmatch(name):
            return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass  # no such file, not a time zone file, or a directory
    raise WrongValue(f"{quote(value)} is not a time zone, such as UTC or Europe/Berlin")


def _in_force(value: object) -> object:
    return None if value is None else _NAME.read(value)


_CRON = ValueKind("cron expression", _cron, {"type": "string", "examples": ["0 8 * * MON-FRI"]})
_TIMEZONE = ValueKind("time zone", _zone, {"type": "string", "examples": ["Europe/Berlin"]})

IN_FORCE = ValueKind("schedule's name", _in_force, _NAME.schema)


class ScheduleFields(Group):
    """Bounds that apply for a limited time, at each time of the cron expression."""

    cron: Annotated[str, _CRON] = Field(description="Start times: minute, hour, day, month, weekday.")
    for_: Annotated[float, duration(1.0), Field(alias="for", description="Duration.")]
    timezone: Annotated[str, _TIMEZONE] = meant("UTC", "Time zone of cron, with daylight saving time.")
    min_tasks: Annotated[int | None, TASKS] = meant(None, "Minimum number of tasks while it is active.")
    max_tasks: Annotated[int | None, TASKS] = meant(None, "Maximum number of tasks while it is active.")
    lead: Annotated[float, duration()] = meant(
        90.0, "The schedule begins earlier by this time, so that tasks can start."
    )

    @model_validator(mode="after")
    def _changes_bounds(self) -> Self:
        if self.min_tasks is None and self.max_tasks is None:
            raise WrongValue("set min_tasks, max_tasks or both")
        if self.min_tasks is not None and self.max_tasks is not None and self.min_tasks > self.max_tasks:
            raise WrongValue(f"min_tasks ({self.min_tasks}) is more than max_tasks ({self.max_tasks})")
        return self


Schedules: TypeAlias = dict[Annotated[str, _NAME], ScheduleFields]

SCHEDULES = table(
    "schedules",
    '{"office": {"cron": "0 8 * * MON-FRI", "for": "10h", "timezone": "Europe/Berlin", "min_tasks": 5}}',
    _NAME,
    ScheduleFields,
)


def schedule_of(name: str, item: ScheduleFields) -> Schedule:
    return Schedule(
        name=name,
        cron=item.cron,
        lasts_s=item.for_,
        timezone=item.timezone,
        min_tasks=item.min_tasks,
        max_tasks=item.max_tasks,
        lead_s=item.lead,
    )
