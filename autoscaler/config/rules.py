"""A service's settings in groups: for each direction, for activation, for the fallback and for deployments."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import Field, model_validator

from autoscaler.config.groups import DEFAULT, ENABLE, LIMITS, RAISE, TASKS, Group, LimitFields, meant, setting, table
from autoscaler.config.quoting import WrongValue, quote
from autoscaler.config.values import (
    MOST_TASKS,
    ItemsKind,
    ValueKind,
    choice,
    duration,
    number,
    optional,
    text,
    truth,
    whole,
)
from autoscaler.core.policy import FallbackBehavior, SelectLimit

TOLERANCE = number(lambda ratio: 0 <= ratio < 1, "from 0 to below 1", {"minimum": 0, "exclusiveMaximum": 1})


class ScaleOutFields(Group):
    cooldown: Annotated[float, duration()] = setting(
        DEFAULT.scale_out.cooldown_s,
        "Time after a scale-out during which no further scale-out occurs.",
        "A backlog should not wait for a cooldown; the demand already counts the tasks that are starting.",
        stays="this setting limits scale-out.",
        by_tag=RAISE,
    )
    stabilization: Annotated[float, duration()] = setting(
        DEFAULT.scale_out.stabilization_s,
        "Stabilization window: a scale-out goes no higher than the lowest demand within this time.",
        "Without a window, the service scales out at once in a burst. A window delays every scale-out by its length.",
        stays="this setting limits scale-out.",
        by_tag=RAISE,
    )
    limits: Annotated[tuple[LimitFields, ...], LIMITS] = setting(
        DEFAULT.scale_out.limits,
        "Rate limits of scale-out, one or several: {tasks=N or percent=N, per=duration}.",
        "max_tasks already limits scale-out. A rate limit protects resources that the workers use, such as a database.",
        stays="this setting limits scale-out.",
    )
    select: Annotated[SelectLimit, choice(SelectLimit)] = setting(
        DEFAULT.scale_out.select,
        "Which limit applies if there are several. max: the one with the larger change. min: the one with the smaller "
        "change. disabled: no scale-out.",
        "The Horizontal Pod Autoscaler also uses the larger change.",
        stays="this setting limits scale-out.",
    )
    tolerance: Annotated[float | None, optional(TOLERANCE)] = setting(
        DEFAULT.scale_out.tolerance,
        "Tolerance for this direction. Not set: `tolerance` applies.",
        "Most services need one tolerance for both directions.",
    )


class ScaleInFields(ScaleOutFields):
    cooldown: Annotated[float, duration()] = setting(
        DEFAULT.scale_in.cooldown_s,
        "Time after a scale-in during which no further scale-in occurs.",
        "The stabilization window already slows scale-in.",
        stays="this setting limits scale-in.",
        by_tag=RAISE,
    )
    stabilization: Annotated[float, duration()] = setting(
        DEFAULT.scale_in.stabilization_s,
        "Stabilization window: a scale-in goes no lower than the highest demand within this time.",
        "Two to four polls: one low reading stops no tasks. With 45 s, ten public traces cost 5 % more at a latency "
        "target of 60 s, and no fewer messages were late.",
        stays="this setting limits scale-in.",
        by_tag=RAISE,
    )
    small_step_stabilization: Annotated[float, duration()] = setting(
        DEFAULT.scale_in.small_step_stabilization_s,
        "Stabilization window for small scale-ins. If the highest demand within scale_in.stabilization is at least "
        "half of the highest demand within this window, a scale-in goes no lower than the latter. Applies only if the "
        "demand is computed from the latency target, CPU, memory or a metric with a target_value.",
        "Small scale-ins save little, and half of them are reversed soon: with `scale_in.stabilization` alone the "
        "count would change nearly twice as often.",
        stays="this setting limits scale-in.",
        by_tag=RAISE,
    )
    utilization_stabilization: Annotated[float, duration()] = setting(
        DEFAULT.scale_in.utilization_stabilization_s,
        "Window of CPU, memory, and metrics with a target_value: they require fewer tasks only if the highest load "
        "within this time requires fewer.",
        "Target tracking of AWS also waits for 15 minutes below the target. A shorter window costs less and is above "
        "the target more often.",
        stays="this setting limits scale-in.",
        by_tag=RAISE,
    )
    limits: Annotated[tuple[LimitFields, ...], LIMITS] = setting(
        DEFAULT.scale_in.limits,
        "Rate limits of scale-in, one or several: {tasks=N or percent=N, per=duration}.",
        "The busy floor and the stabilization window already protect work in progress.",
        stays="this setting limits scale-in.",
    )
    select: Annotated[SelectLimit, choice(SelectLimit)] = setting(
        DEFAULT.scale_in.select,
        "Which limit applies if there are several. max: the one with the larger change. min: the one with the smaller "
        "change. disabled: no scale-in.",
        "The default is the same in both directions.",
        stays="this setting limits scale-in.",
    )


class ActivationFields(Group):
    messages: Annotated[int, whole(0, MOST_TASKS)] = setting(
        DEFAULT.activation.messages,
        "Scale out from zero only if there are more messages than this; those that look-ahead expects within a minute "
        "count. One message that has waited for the acceptable latency is always enough.",
        "The latency target also applies to the first message.",
        stays="this setting limits scale-out from zero.",
    )
    reads: Annotated[int, whole(1, 1000)] = setting(
        DEFAULT.activation.reads,
        "Number of consecutive readings with enough messages that are required to scale out from zero.",
        "Set 2 if SQS sometimes reports messages in an empty queue. Each additional reading delays the start by one "
        "poll interval.",
        stays="this setting limits scale-out from zero.",
    )


class FallbackFields(Group):
    behavior: Annotated[FallbackBehavior, choice(FallbackBehavior)] = setting(
        DEFAULT.fallback.behavior,
        "What to do when no signal can be read. hold: keep the current count. static: use fallback.tasks. "
        "current_if_higher: use the higher of the two. current_if_lower: use the lower of the two.",
        "Missing data is no reason to change a service.",
        stays="this setting decides the task count while no signal can be read.",
    )
    tasks: Annotated[int | None, optional(TASKS)] = setting(
        DEFAULT.fallback.tasks,
        "Task count of the fallback. Required unless the behavior is hold.",
        "No count suits every service.",
        stays="this is the task count while no signal can be read.",
    )
    after: Annotated[int, whole(1, 1_000_000)] = setting(
        DEFAULT.fallback.after,
        "The fallback applies after more than this number of consecutive failed readings.",
        "Single reads fail occasionally.",
        stays="this setting decides when the fallback applies.",
    )


class DeploymentFields(Group):
    hold_scale_in: Annotated[bool, truth()] = setting(
        DEFAULT.deployments.hold_scale_in,
        "No scale-in while a deployment is in progress. Scale-out continues.",
        "Application Auto Scaling does the same: two revisions run, and a scale-in may stop tasks of either.",
        stays="this setting protects deployments.",
        by_tag=ENABLE,
    )
    at_most: Annotated[float, duration()] = setting(
        DEFAULT.deployments.at_most_s,
        "Maximum time for which a deployment blocks scale-in.",
        "A deployment can wait for days, for example for an approval. A rolling deployment usually takes less than an "
        "hour.",
        stays="this setting protects deployments.",
        by_tag=RAISE,
    )


# Schedules: different bounds for a limited time, which begins at each time of a cron expression.
#
# Cron is as in Debian: minute, hour, day of the month, month, day of the week, in the time zone. Exactly five fields
# are accepted. With six, this parser would read the first as seconds, and other programs read it as minutes.

_NAME = text(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII), "a valid name of a schedule (letters, digits, - and _)"
)
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,3}", re.ASCII)
_OF_THE_MACHINE = frozenset({"localtime", "posixrules", "Factory"})
_OTHER_CLOCKS = ("posix/", "right/")
"""Copies of the zones that not every machine has. Those in `right/` also count leap seconds."""

_LONGEST_ZONE = 60
_TIME = re.compile("([01]?[0-9]|2[0-3]):([0-5][0-9])")
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
    if name in _OF_THE_MACHINE or name.startswith(_OTHER_CLOCKS):
        raise WrongValue(f"{quote(value)} depends on the machine: write the time zone's name, such as Europe/Berlin")
    try:
        if _ZONE.fullmatch(name):
            return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass  # no such file, not a time zone file, or a directory
    near = difflib.get_close_matches(name[:_LONGEST_ZONE], _zones(), 1)
    meant = f"; did you mean {near[0]}?" if near else ", such as UTC or Europe/Berlin"
    raise WrongValue(f"{quote(value)} is not a time zone{meant}")


@cache
def _zones() -> list[str]:
    """Return the names of the time zones of this machine. Reading them takes some ten milliseconds."""
    return sorted(available_timezones() - _OF_THE_MACHINE)


def _clock(value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    found = _TIME.fullmatch(text)
    if found is None:
        raise WrongValue(f"{quote(value)} is not a time of day: write it as '18:00', from 00:00 to 23:59")
    return f"{int(found[1]):02}:{found[2]}"


def _in_force(value: object) -> object:
    return None if value is None else _NAME.read(value)


_CRON = ValueKind("cron expression", _cron, {"type": "string", "examples": ["0 8 * * MON-FRI"]})
_TIMEZONE = ValueKind("time zone", _zone, {"type": "string", "examples": ["Europe/Berlin"]})

_CLOCK = ValueKind("time of day", _clock, {"type": "string", "pattern": f"^{_TIME.pattern}$"})

IN_FORCE = ValueKind("schedule's name", _in_force, _NAME.schema)


class ScheduleFields(Group):
    """Bounds that apply for a limited time, at each time of the cron expression."""

    cron: Annotated[str, _CRON] = Field(description="Start times: minute, hour, day, month, weekday.")
    for_: Annotated[
        float | None, optional(duration(1.0)), Field(alias="for", description="Duration. Either this or until.")
    ] = None
    until: Annotated[str | None, optional(_CLOCK)] = meant(
        None, "End on the clock of the time zone, such as 18:00: the next time that the clock shows it."
    )
    timezone: Annotated[str, _TIMEZONE] = meant("UTC", "Time zone of cron, with daylight saving time.")
    min_tasks: Annotated[int | None, TASKS] = meant(None, "Minimum number of tasks while it is active.")
    max_tasks: Annotated[int | None, TASKS] = meant(None, "Maximum number of tasks while it is active.")
    lead: Annotated[float, duration()] = meant(
        90.0, "The schedule begins earlier by this time, so that tasks can start."
    )

    @model_validator(mode="after")
    def _changes_bounds(self) -> Self:
        if (self.for_ is None) == (self.until is None):
            raise WrongValue("set exactly one of for and until")
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


# Shared caps: a resource that several services share, such as database connections, and the amount per task.

_CAP_NAME = text(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII), "a valid name of a cap (letters, digits, - and _)"
)
_AMOUNT = whole(1, MOST_TASKS)
_SUCH_AS = ', such as {"orders": 2, "refunds": 1}'


def _per_task(value: object) -> object:
    if not isinstance(value, Mapping):
        raise WrongValue(f"{quote(value)} is not a table of services{_SUCH_AS}")
    if not value:
        raise WrongValue(f"the table is empty. List the services that share the resource{_SUCH_AS}")
    return value


_PER_TASK = ItemsKind(
    "table of whole numbers",
    _per_task,
    {"type": "object", "minProperties": 1, "additionalProperties": _AMOUNT.schema},
)


class CapFields(Group):
    """A limit on a resource that several services share."""

    most: Annotated[int, _AMOUNT] = Field(description="Total amount.")
    per_task: Annotated[dict[str, Annotated[int, _AMOUNT]], _PER_TASK] = Field(
        description="Amount that one task uses, by service key."
    )


Caps: TypeAlias = dict[Annotated[str, _CAP_NAME], CapFields]

CAPS = table("caps", '{"database": {"most": 200, "per_task": {"orders": 2, "refunds": 1}}}', _CAP_NAME, CapFields)
