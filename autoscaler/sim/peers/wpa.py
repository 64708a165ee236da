"""practo's Worker Pod Autoscaler: backlog / target, a floor from the arrivals, and a delay before scaling in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from autoscaler.sim.model import Datapoint, Meter, QueueCounts, Surface
from autoscaler.sim.peers.peer import PeerNumber, Setup, counts, minutes, peer, scaled, tasks


@dataclass(frozen=True, slots=True)
class WpaSettings:
    """The settings of practo/k8s-worker-pod-autoscaler, with their sources.

    `target`: `targetMessagesPerWorker`; no default, the example has 2 (README).
    `seconds_per_job`: `secondsToProcessOneJob`, "highly recommended" (README).
    `max_disruption`: at most 100 % of the workers stop in one scale-in (README).
    `resync_s`: 20 s (flag of `run`).
    `scale_down_delay_s`: 600 s after the last change in either direction (flag of `run`).
    `tolerance`: 0.1 of the current count (source code).
    `sent_...`: messages sent are the mean of the minutes from 10 to 5 minutes ago (source code).
    `received_...`: messages received are those from 20 to 10 minutes ago (source code).
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
    """The simulated Worker Pod Autoscaler. It uses the last counts while the queue cannot be read. A restart does not
    lose the time of the last scaling: the status of its resource stores it.
    """

    def __init__(self, settings: WpaSettings) -> None:
        self._settings = settings
        self._scaled_at: float | None = None
        self._last_counts = QueueCounts(0, 0)

    @property
    def interval_s(self) -> float:
        return self._settings.resync_s

    def poll(self, world: Surface) -> None:
        seen = tasks(world)
        if seen is None:
            return
        self._last_counts = counts(world) or self._last_counts
        messages = self._last_counts.visible + self._last_counts.in_flight
        sent = self._sent_per_minute(world)
        count = desired(self._settings, messages, sent, seen.desired, self._idle(world, messages))
        if count == seen.desired or (count < seen.desired and self._is_delayed(world.now)):
            return
        reason = f"messages {messages} / {self._settings.target:g} per worker, {sent:g} sent per minute"
        if scaled(world, count, reason):
            self._scaled_at = world.now

    def restart(self) -> None:
        """Drop the last counts. The delay continues, because the resource's status stores it."""
        self._last_counts = QueueCounts(0, 0)

    def _is_delayed(self, now: float) -> bool:
        return self._scaled_at is not None and now - self._scaled_at <= self._settings.scale_down_delay_s

    def _sent_per_minute(self, world: Surface) -> float:
        since, until = world.now - self._settings.sent_from_s, world.now - self._settings.sent_until_s
        values = list(_values(minutes(world, Meter.SENT, 10), since, until))
        return sum(values) / len(values) if values else 0.0

    def _idle(self, world: Surface, messages: int) -> bool:
        """Return whether all workers are idle: no message in the queue, and no message received between 20 and 10
        minutes ago.
        """
        if messages > 0:
            return False
        since, until = world.now - self._settings.received_from_s, world.now - self._settings.received_until_s
        return sum(_values(minutes(world, Meter.RECEIVED, 20), since, until)) == 0.0


def _values(points: Iterable[Datapoint], since: float, until: float) -> Iterable[float]:
    """Return the values of the minutes that end in (since, until]. A minute without a datapoint has no value."""
    return (point.value for point in points if point.value is not None and since < point.at <= until)


def desired(settings: WpaSettings, messages: int, sent_per_minute: float, current: int, idle: bool) -> int:
    """Return the desired number of workers. The floor is the larger of the arrivals' floor and the operator's minimum.
    If all workers are idle, they all stop at once, regardless of the disruption limit.
    """
    floor = max(settings.min_tasks, math.ceil(settings.seconds_per_job * sent_per_minute / 60))
    count = math.ceil(messages / settings.target)
    if current > 0 and messages > 0 and abs(count - current) / current <= settings.tolerance:
        count = current
    all_can_stop = messages == 0 and sent_per_minute == 0 and idle
    can_stop = current if all_can_stop else math.ceil(current * settings.max_disruption)
    return min(max(count, current - can_stop, floor), settings.max_tasks)


def _settings(setup: Setup, numbers: tuple[float, ...]) -> WpaSettings:
    target, delay_s = numbers
    per_job_s = setup.mean_service_s / setup.task_concurrency
    return WpaSettings(target, per_job_s, setup.min_tasks, setup.max_tasks, delay_s)


PEER = peer(
    "wpa",
    "practo's Worker Pod Autoscaler",
    parts=(
        PeerNumber("MESSAGES_PER_WORKER", 2.0, from_latency=True, least=1.0, whole=True),
        PeerNumber("SCALE_DOWN_DELAY_S", 600.0),
    ),
    settings=_settings,
    scaler=Wpa,
    grid=("1", "latency", "1/120", "2/120", "latency/120"),
)
