"""AWS predictive scaling: the forecast of each hour is a floor for target tracking, as AWS recommends."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from autoscaler.sim.model import MINUTE_S, Datapoint, Meter, Surface
from autoscaler.sim.peers.application_auto_scaling import backlog_per_task
from autoscaler.sim.peers.peer import PeerNumber, Setup, minutes, peer
from autoscaler.sim.peers.target_tracking import TargetTracking, TrackingSettings, backlog_settings

HOUR_S = 3600.0
DAY_HOURS = 24
WEEK_HOURS = 168


@dataclass(frozen=True, slots=True)
class PredictiveSettings:
    """A predictive policy with a custom pair of metrics, messages sent and messages per task, in forecast-and-scale
    mode, on top of `tracking`.

    Application Auto Scaling User Guide, "How predictive scaling works": `history_days` up to 14, at least 1;
    an hourly forecast for 48 hours, renewed every `refresh_s` 6 h; it never scales in. API Reference,
    `PredictiveScalingPolicyConfiguration`: `buffer_s` 300 (`SchedulingBufferTime`), `HonorMaxCapacity`.
    `messages_per_task_hour`: the target value, the messages that a task completes per hour at the target utilization.
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
    """Return the messages of each complete hour, by the hour's number since instant 0. A minute without a datapoint
    counts as the mean of its hour.
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
    """Return the mean of the same hour on the same days of the week, or without such an hour, on all days. None: the
    history has no such hour.
    """
    weekly = [messages for past, messages in history.items() if (past - hour) % WEEK_HOURS == 0]
    past_messages = weekly or [messages for past, messages in history.items() if (past - hour) % DAY_HOURS == 0]
    return sum(past_messages) / len(past_messages) if past_messages else None


class Predictive:
    """The simulated predictive policy. With less than a day of history there is no forecast, and only target tracking
    applies. AWS stores the state.
    """

    def __init__(self, settings: PredictiveSettings) -> None:
        self._settings = settings
        self._tracking = TargetTracking(settings.tracking, backlog_per_task)
        self._history: Mapping[int, float] = {}
        self._refresh_at = 0.0
        self._floors: dict[int, int] = {}

    @property
    def interval_s(self) -> float:
        return self._settings.interval_s

    def poll(self, world: Surface) -> None:
        if world.now >= self._refresh_at:
            self._refresh(world)
        hours = {int((world.now + ahead_s) // HOUR_S) for ahead_s in (0.0, self._settings.buffer_s)}
        self._tracking.follow(world, max(self._floor(hour) for hour in hours))

    def restart(self) -> None:
        """Nothing is lost: AWS stores the state."""

    def _refresh(self, world: Surface) -> None:
        most = self._settings.history_days * DAY_HOURS * int(HOUR_S / MINUTE_S)
        history = hourly(minutes(world, Meter.SENT, most))
        self._history = history if len(history) >= self._settings.least_history_hours else {}
        self._floors = {}
        self._refresh_at = world.now + self._settings.refresh_s

    def _floor(self, hour: int) -> int:
        """Return the tasks that the forecast of the hour requires."""
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
        PeerNumber("UTILIZATION_PERCENT", 70.0, least=1.0),
        PeerNumber("BACKLOG_PER_TASK", None, from_latency=True, least=0.01),
        PeerNumber("COOLDOWN_S", 300.0),
    ),
    settings=_settings,
    scaler=Predictive,
    grid=("50", "90", "70/latency/60", "50/latency/60", "70/1/60"),
)
