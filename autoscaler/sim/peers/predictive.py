"""AWS predictive scaling: each hour's forecast is a floor, and target tracking does the rest, as AWS recommends."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autoscaler.sim.model import MINUTE_S, Datapoint, Meter, Surface
from autoscaler.sim.peers.looking import minutes
from autoscaler.sim.peers.peer import Part, Setup, peer
from autoscaler.sim.peers.target_tracking import TargetTracking, TrackingSettings, backlog_settings

HOUR_S = 3600.0
DAY_HOURS = 24
WEEK_HOURS = 168


@dataclass(frozen=True, slots=True)
class PredictiveSettings:
    """A predictive policy with a custom pair of metrics, messages sent and messages per task, in forecast-and-scale
    mode, on top of `tracking`.

    Application Auto Scaling User Guide, "How predictive scaling works": `history_days` up to 14, at least 1;
    an hourly forecast for 48 hours, anew every `refresh_s` 6 h; it never scales in. API Reference,
    `PredictiveScalingPolicyConfiguration`: `buffer_s` 300 (`SchedulingBufferTime`), `HonorMaxCapacity`.
    `messages_per_task_hour`: the target value, what a task gets done in an hour at the target utilization.
    """

    messages_per_task_hour: float
    tracking: TrackingSettings
    history_days: int = 14
    least_history_hours: int = DAY_HOURS
    refresh_s: float = 6 * HOUR_S
    buffer_s: float = 300.0
    interval_s: float = MINUTE_S

    def __str__(self) -> str:
        return (
            f"{self.messages_per_task_hour:g} messages per task and hour, {self.buffer_s:g} s ahead,"
            f" on target tracking: {self.tracking}"
        )


def hourly(points: Iterable[Datapoint]) -> dict[int, float]:
    """Messages in each whole hour, by the hour's number since instant 0. Minutes without a datapoint count as the
    mean of their hour; the newest hour counts once it is over.
    """
    hours: defaultdict[int, list[float]] = defaultdict(list)
    newest = -math.inf
    for at, value in points:
        newest = at
        if value is not None:
            hours[math.floor((at - MINUTE_S) / HOUR_S)].append(value)
    return {
        hour: sum(values) / len(values) * (HOUR_S / MINUTE_S)
        for hour, values in hours.items()
        if (hour + 1) * HOUR_S <= newest
    }


def forecast(history: Mapping[int, float], hour: int) -> float | None:
    """The mean of that hour on the same days of the week; with less than a week of history, of that hour on all
    days. None: it has not been seen.
    """
    weekly = [messages for past, messages in history.items() if (past - hour) % WEEK_HOURS == 0]
    alike = weekly or [messages for past, messages in history.items() if (past - hour) % DAY_HOURS == 0]
    return sum(alike) / len(alike) if alike else None


class Predictive:
    """Without a day of history there is no forecast, and target tracking is alone. Kept by AWS."""

    def __init__(self, settings: PredictiveSettings) -> None:
        self._settings = settings
        self._tracking = TargetTracking(settings.tracking)
        self._history: Mapping[int, float] = {}
        self._refresh_at = 0.0
        self._floors: dict[int, int] = {}

    @property
    def interval_s(self) -> float:
        return self._settings.interval_s

    def tick(self, world: Surface) -> None:
        if world.now >= self._refresh_at:
            self._refresh(world)
        hours = {int((world.now + ahead_s) // HOUR_S) for ahead_s in (0.0, self._settings.buffer_s)}
        self._tracking.follow(world, max(self._floor(hour) for hour in hours))

    def restart(self) -> None:
        """It is a service of AWS."""

    def _refresh(self, world: Surface) -> None:
        most = self._settings.history_days * DAY_HOURS * int(HOUR_S / MINUTE_S)
        history = hourly(minutes(world, Meter.SENT, most))
        self._history = history if len(history) >= self._settings.least_history_hours else {}
        self._floors = {}
        self._refresh_at = world.now + self._settings.refresh_s

    def _floor(self, hour: int) -> int:
        """The tasks that the forecast of that hour asks for."""
        if hour not in self._floors:
            messages = forecast(self._history, hour) or 0.0
            self._floors[hour] = math.ceil(messages / self._settings.messages_per_task_hour)
        return self._floors[hour]


def _settings(setup: Setup, numbers: tuple[float, ...]) -> PredictiveSettings:
    percent, backlog, cooldown_s = numbers
    done = HOUR_S * setup.task_concurrency / setup.mean_service_s * percent / 100
    return PredictiveSettings(done, backlog_settings(setup, backlog, cooldown_s, 0.1))


PEER = peer(
    "predictive",
    "AWS predictive scaling on top of target tracking of the backlog per task",
    parts=(
        Part("UTILIZATION_PERCENT", 70.0, least=1.0),
        Part("BACKLOG_PER_TASK", None, from_latency=True, least=0.01),
        Part("COOLDOWN_S", 300.0),
    ),
    settings=_settings,
    scaler=Predictive,
    grid=("50", "90", "70/latency/60", "50/latency/60", "70/1/60"),
)
