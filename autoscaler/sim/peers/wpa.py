"""practo's Worker Pod Autoscaler: the backlog by a target, a floor of what arrives, and a delay before scaling in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from autoscaler.sim.model import Counts, Datapoint, Meter, Surface
from autoscaler.sim.peers.looking import counts, minutes, scaled, tasks
from autoscaler.sim.peers.peer import Part, Setup, peer


@dataclass(frozen=True, slots=True)
class WpaSettings:
    """README of practo/k8s-worker-pod-autoscaler: `target` is `targetMessagesPerWorker` (its example has 2, there is
    no default); `seconds_per_job`, "highly recommended", is `secondsToProcessOneJob`; `max_disruption` 100 % of the
    workers in one scale-in. Flags of its `run` command: `resync_s` 20, `scale_down_delay_s` 600 since the last
    scaling either way. Its source: `tolerance` 0.1 of the current count; messages sent are the mean of the minutes
    from 10 to 5 minutes ago, and messages received are those from 20 to 10 minutes ago.
    """

    target: float
    seconds_per_job: float
    min_tasks: int
    max_tasks: int
    scale_down_delay_s: float = 600.0
    max_disruption: float = 1.0
    tolerance: float = 0.1
    resync_s: float = 20.0
    sent_from_s: float = 600.0
    sent_until_s: float = 300.0
    received_from_s: float = 1200.0
    received_until_s: float = 600.0

    def __str__(self) -> str:
        return (
            f"targetMessagesPerWorker {self.target:g}, secondsToProcessOneJob {self.seconds_per_job:g}, scale-down"
            f" delay {self.scale_down_delay_s:g} s, maxDisruption {self.max_disruption:.0%}, every {self.resync_s:g} s"
        )


class Wpa:
    """Goes on with the counts that it read last while the queue cannot be read. What it needs across a restart, when
    it last scaled, is in its resource's status.
    """

    def __init__(self, settings: WpaSettings) -> None:
        self._settings = settings
        self._scaled_at: float | None = None
        self._waiting = Counts(0, 0)

    @property
    def interval_s(self) -> float:
        return self._settings.resync_s

    def tick(self, world: Surface) -> None:
        seen = tasks(world)
        if seen is None:
            return
        self._waiting = counts(world) or self._waiting
        messages = self._waiting.visible + self._waiting.in_flight
        sent = self._sent_per_minute(world)
        wanted = desired(self._settings, messages, sent, seen.desired, self._idle(world, messages))
        if wanted == seen.desired or (wanted < seen.desired and self._delayed(world.now)):
            return
        reason = f"{messages} messages / {self._settings.target:g}, {sent:g} sent a minute"
        if scaled(world, wanted, reason):
            self._scaled_at = world.now

    def restart(self) -> None:
        """The counts are read anew; the delay is kept in the resource's status."""
        self._waiting = Counts(0, 0)

    def _delayed(self, now: float) -> bool:
        return self._scaled_at is not None and now - self._scaled_at <= self._settings.scale_down_delay_s

    def _sent_per_minute(self, world: Surface) -> float:
        since, until = world.now - self._settings.sent_from_s, world.now - self._settings.sent_until_s
        values = list(_values(minutes(world, Meter.SENT, 10), since, until))
        return sum(values) / len(values) if values else 0.0

    def _idle(self, world: Surface, messages: int) -> bool:
        """Whether no worker has anything to do: no message there, and none received in the minutes before."""
        if messages > 0:
            return False
        since, until = world.now - self._settings.received_from_s, world.now - self._settings.received_until_s
        return sum(_values(minutes(world, Meter.RECEIVED, 20), since, until)) == 0.0


def _values(points: Iterable[Datapoint], since: float, until: float) -> Iterable[float]:
    """Of the minutes that end after `since` and not after `until`; minutes without a datapoint have no value."""
    return (point.value for point in points if point.value is not None and since < point.at <= until)


def desired(settings: WpaSettings, messages: int, sent_per_minute: float, current: int, idle: bool) -> int:
    """How many workers it wants. The floor of what arrives stands above the operator's minimum; all idle workers go
    at once, whatever the disruption limit says.
    """
    floor = max(settings.min_tasks, math.ceil(settings.seconds_per_job * sent_per_minute / 60))
    wanted = math.ceil(messages / settings.target)
    if current > 0 and messages > 0 and abs(wanted - current) / current <= settings.tolerance:
        wanted = current
    all_may_go = messages == 0 and sent_per_minute == 0 and idle
    may_go = current if all_may_go else math.ceil(current * settings.max_disruption)
    return min(max(wanted, current - may_go, floor), settings.max_tasks)


def _settings(setup: Setup, numbers: tuple[float, ...]) -> WpaSettings:
    target, delay_s = numbers
    per_job_s = setup.mean_service_s / setup.task_concurrency
    return WpaSettings(target, per_job_s, setup.min_tasks, setup.max_tasks, delay_s)


PEER = peer(
    "wpa",
    "practo's Worker Pod Autoscaler",
    parts=(
        Part("MESSAGES_PER_WORKER", 2.0, from_latency=True, least=1.0, whole=True),
        Part("SCALE_DOWN_DELAY_S", 600.0),
    ),
    settings=_settings,
    scaler=Wpa,
    grid=("1", "latency", "1/120", "2/120", "latency/120"),
)
