"""The signal source schedule: the bounds in force at a time of day. A service's schedules replace its bounds
while they are in force.

A schedule is in force from `lead_s` before each of its starts until `lasts_s` after it, half-open. Starts are in the
local time of its time zone. A start in the hour that is skipped in spring happens at the end of that hour. A start in
the hour that occurs twice in autumn happens once, the first time. `lasts_s` counts elapsed seconds.

If several schedules are in force, the highest minimum and the highest maximum apply. A bound that no schedule sets is
the service's own. The service's own maximum is never exceeded. Up to there, a minimum above the maximum raises it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
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
    start = next(_starts(schedule, after=wall - schedule.lasts_s), inf)
    if start - schedule.lead_s <= wall:
        return True, start + schedule.lasts_s
    return False, start - schedule.lead_s


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
