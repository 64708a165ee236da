"""The signal source schedule: the bounds in force at a time of day. A service's schedules replace its bounds
while they are in force.

A schedule is in force from `lead_s` before each of its starts until `lasts_s` after it, or until the clock shows
`until` next, half-open. Starts and `until` are in the local time of its time zone. Such a time in the hour that is
skipped in spring is the end of that hour. A time in the hour that occurs twice in autumn is the first one. `lasts_s`
counts elapsed seconds.

If several schedules are in force, the highest minimum and the highest maximum apply. A bound that no schedule sets is
the service's own. The service's own maximum is never exceeded. Up to there, a minimum above the maximum raises it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from datetime import time as clock_time
from itertools import chain
from math import inf
from zoneinfo import ZoneInfo

from cronsim import CronSim

from autoscaler.config import ServiceConfig
from autoscaler.config.model import Schedule
from autoscaler.core.policy import Policy
from autoscaler.sources.source import Reader, Source


class ScheduleSource(Source):
    """The schedules of a service. They need no reading: a `Timetable` gives the bounds at each poll."""

    name = "schedule"
    settings = ("schedules",)

    def is_used(self, service: ServiceConfig) -> bool:
        return bool(service.schedules)

    def reader(self, service: ServiceConfig) -> Reader | None:
        return None


SCHEDULE = ScheduleSource()


class Timetable:
    """The policy of one service by wall time. The result is cached until the next start or end of any schedule."""

    def __init__(self, policy: Policy, schedules: tuple[Schedule, ...]) -> None:
        self._own = policy
        self._schedules = schedules
        self._known = policy
        self._from, self._until = (-inf, inf) if not schedules else (inf, -inf)

    def policy_at(self, wall: float) -> Policy:
        """Return the policy in force at `wall`, in seconds since the epoch. `wall` may be set back."""
        if not self._from <= wall < self._until:
            phases = [(schedule, *_phase(schedule, wall)) for schedule in self._schedules]
            self._known = bounded(self._own, [schedule for schedule, in_force, _ in phases if in_force])
            self._from, self._until = wall, min(edge for _, _, edge in phases)
        return self._known

    def edge_s(self, wall: float) -> float:
        """Return the seconds from `wall` until the policy may change, from the last lookup; infinite: never."""
        return self._until - wall


def _phase(schedule: Schedule, wall: float) -> tuple[bool, float]:
    """Return whether the schedule is in force, and until when. The earliest start that is not over decides."""
    ends = _ends(schedule, wall)
    over = wall - schedule.lasts_s if schedule.lasts_s is not None else max(end for end, _ in ends if end <= wall) - 1.0
    for start in _starts(schedule, after=over):
        end = _end(schedule, start)
        if end > wall:
            begin = start - schedule.lead_s
            return (True, end) if begin <= wall else (False, begin)
    return False, inf


def _end(schedule: Schedule, start: float) -> float:
    """Return the end after this start. If the clock skips the start, the end or both, they can be the same instant: a
    schedule from 02:30 until 03:00 is not in force in the night that skips 02:30, instead of for a day.
    """
    if schedule.lasts_s is not None:
        return start + schedule.lasts_s
    ends = _ends(schedule, start)
    return min(end for end, skipped in ends if end > start or (end == start and (skipped or _skips(schedule, start))))


def _skips(schedule: Schedule, start: float) -> bool:
    """Return whether the clock skips the time of this start: `cronsim` then starts at the next time that it shows."""
    shown = datetime.fromtimestamp(start, ZoneInfo(schedule.timezone)).replace(tzinfo=None)
    return next(CronSim(schedule.cron, shown - timedelta(seconds=1))) != shown


def _ends(schedule: Schedule, near: float) -> list[tuple[float, bool]]:
    """Return the instants, from two days before to two days after, at which the clock shows `until`, and whether the
    clock skips this time on that day. Without `until` there are none.
    """
    if schedule.until is None:
        return []
    zone, time = ZoneInfo(schedule.timezone), clock_time.fromisoformat(schedule.until)
    today = datetime.fromtimestamp(near, zone).date()
    return [_instant(datetime.combine(today + timedelta(days), time, zone)) for days in range(-2, 3)]


def _instant(local: datetime) -> tuple[float, bool]:
    """Return the first instant at which the clock shows this time or, on a day that skips it, a later time."""
    later = local.timestamp()  # of a skipped time: as if the clock had not changed, so it is after the change
    if datetime.fromtimestamp(later, local.tzinfo).replace(tzinfo=None) == local.replace(tzinfo=None):
        return later, False
    before, after = local.replace(fold=1).timestamp(), later
    changed = datetime.fromtimestamp(after, local.tzinfo).utcoffset()
    while after - before > 1.0:
        middle = (before + after) // 2
        if datetime.fromtimestamp(middle, local.tzinfo).utcoffset() == changed:
            after = middle
        else:
            before = middle
    return after, True


def _starts(schedule: Schedule, after: float) -> Iterator[float]:
    """Yield the starts later than `after`, in seconds since the epoch. In the hour that occurs twice, `cronsim` treats
    the second pass as the first. It therefore begins with starts that are over.
    """
    zone = ZoneInfo(schedule.timezone)
    for start in CronSim(schedule.cron, datetime.fromtimestamp(after, zone)):
        if start.timestamp() > after:
            yield start.timestamp()


def bounded(policy: Policy, schedules: Iterable[Schedule]) -> Policy:
    """Return the policy with the bounds of these schedules; the policy itself without schedules."""
    in_force = tuple(schedules)
    if not in_force:
        return policy
    ceiling = policy.max_tasks
    lows = [schedule.min_tasks for schedule in in_force if schedule.min_tasks is not None]
    highs = [schedule.max_tasks for schedule in in_force if schedule.max_tasks is not None]
    low = min(max(lows, default=policy.min_tasks), ceiling)
    high = min(max(chain(highs or [ceiling], [low])), ceiling)
    names = " and ".join(schedule.name for schedule in in_force)
    return replace(policy, min_tasks=low, max_tasks=high, schedule=names)
