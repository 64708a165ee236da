"""Two worlds for peers: one with scripted readings, and a small one with a queue, tasks and CloudWatch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from autoscaler.errors import Throttled, Unavailable
from autoscaler.sim.model import Datapoint, Floats, Meter, QueueCounts, Scaler, Tasks, Workload
from autoscaler.sim.peers import Setup


def workload(arrivals: Sequence[float] | Floats = (), services: Sequence[float] | Floats | None = None) -> Workload:
    at = np.array(arrivals, dtype=float)
    service_s = np.full(at.size, 5.0) if services is None else np.array(services, dtype=float)
    return Workload("w", at, service_s, 3600.0, 60.0, np.zeros(60), np.zeros(0))


def setup(
    latency_s: float = 60.0, *, service_s: float = 5.0, concurrency: int = 1, least: int = 0, most: int = 5000
) -> Setup:
    return Setup(latency_s, service_s, concurrency, least, most, 45.0, workload())


@dataclass
class ScriptedQueue:
    """A surface that returns the values that the test sets. Tasks start at once."""

    now: float = 0.0
    visible: int = 0
    in_flight: int = 0
    desired: int = 1
    running: int | None = None
    deployment_s: float | None = None
    unavailable: bool = False
    throttled: bool = False
    points: dict[Meter, list[Datapoint]] = field(default_factory=dict)
    changes: list[tuple[float, int]] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    def counts(self) -> QueueCounts:
        if self.unavailable:
            raise Unavailable("SQS timed out")
        return QueueCounts(self.visible, self.in_flight)

    def tasks(self) -> Tasks:
        running = self.desired if self.running is None else self.running
        return Tasks(self.desired, running, max(0, self.desired - running), self.deployment_s)

    def protected(self) -> int:
        return 0

    def minutes(self, meter: Meter, most: int) -> Sequence[Datapoint]:
        return self.points.get(meter, [])[-most:]

    def scale_to(self, tasks: int) -> None:
        if self.throttled:
            raise Throttled("Rate exceeded")
        self.desired = tasks
        self.changes.append((self.now, tasks))

    def log(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def publish(self, meter: Meter, *values: float | None) -> None:
        """Set the newest minutes of the meter. The last one ends now."""
        first = self.now - 60.0 * (len(values) - 1)
        self.points[meter] = [Datapoint(first + 60.0 * index, value) for index, value in enumerate(values)]

    def polls(self, scaler: Scaler, until: float) -> int:
        """Poll at the scaler's interval from now to `until`, closed. Return the desired count."""
        while self.now <= until:
            scaler.poll(self)
            self.now += scaler.interval_s
        return self.desired


class SmallWorld:
    """A queue that receives `rate(t)` messages per second. A message takes 5 s, and a task is up 45 s after its launch.
    Busy tasks complete their message before they stop. A CloudWatch minute can be read 60 s after its end.
    """

    def __init__(self, rate: Callable[[float], float], desired: int = 1) -> None:
        self.now = 0.0
        self.changes: list[tuple[float, int]] = []
        self._rate = rate
        self._desired = desired
        self._up_at: list[float] = [0.0] * desired
        self._done_at: list[float] = []
        self._visible = 0
        self._unsent = 0.0
        self._minute: dict[Meter, float] = dict.fromkeys(Meter, 0.0)
        self._published: dict[Meter, list[Datapoint]] = {meter: [] for meter in Meter}

    def counts(self) -> QueueCounts:
        return QueueCounts(self._visible, len(self._done_at))

    def tasks(self) -> Tasks:
        running = self._running
        return Tasks(self._desired, running, max(0, self._desired - running))

    def protected(self) -> int:
        return len(self._done_at)

    def minutes(self, meter: Meter, most: int) -> Sequence[Datapoint]:
        return [point for point in self._published[meter] if point.at <= self.now - 60.0][-most:]

    def scale_to(self, tasks: int) -> None:
        self._up_at = sorted(self._up_at)[:tasks] + [self.now + 45.0] * max(0, tasks - self._desired)
        self._desired = tasks
        self.changes.append((self.now, tasks))

    def log(self, sentence: str) -> None:
        """Do nothing."""

    @property
    def _running(self) -> int:
        return sum(1 for up_at in self._up_at if up_at <= self.now)

    def run(self, scaler: Scaler, until: float) -> None:
        """Run until `until`, second by second. In each second the scaler polls first."""
        while self.now < until:
            if self.now % scaler.interval_s == 0:
                scaler.poll(self)
            self._second()

    def _second(self) -> None:
        self._unsent += self._rate(self.now)
        sent, self._unsent = int(self._unsent), self._unsent - int(self._unsent)
        self._done_at = [done_at for done_at in self._done_at if done_at > self.now]
        begun = max(0, min(self._visible + sent, self._running - len(self._done_at)))
        self._visible += sent - begun
        self._done_at += [self.now + 5.0] * begun
        self._minute[Meter.SENT] += sent
        self._minute[Meter.RECEIVED] += begun
        self._minute[Meter.CPU_PERCENT] += 100.0 * len(self._done_at) / max(self._running, 1) / 60.0
        self.now += 1.0
        if self.now % 60.0 == 0.0:
            self._publish_minute()

    def _publish_minute(self) -> None:
        self._minute[Meter.VISIBLE], self._minute[Meter.RUNNING] = self._visible, self._running
        for meter, points in self._published.items():
            unknown = meter is Meter.CPU_PERCENT and self._running == 0
            points.append(Datapoint(self.now, None if unknown else self._minute[meter]))
        self._minute = dict.fromkeys(Meter, 0.0)


def step(messages_per_s: float, at: float = 600.0, until: float = 4200.0) -> Callable[[float], float]:
    """Return a rate that is constant in [at, until) and otherwise 0."""
    return lambda now: messages_per_s if at <= now < until else 0.0
