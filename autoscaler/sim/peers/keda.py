"""KEDA with its HorizontalPodAutoscaler: KEDA wakes from zero and puts to sleep, the HPA scales in between."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.sim.model import Surface
from autoscaler.sim.peers import hpa
from autoscaler.sim.peers.looking import counts, scaled, tasks
from autoscaler.sim.peers.peer import Part, Setup, peer


@dataclass(frozen=True, slots=True)
class KedaSettings:
    """A ScaledObject with one `aws-sqs-queue` trigger.

    KEDA documentation, "AWS SQS Queue" scaler: `queue_length` 5 messages a replica; `activation_queue_length` 0,
    strictly above which it wakes; messages in flight count (`scaleOnInFlight` true), delayed ones do not
    (`scaleOnDelayed` false). KEDA documentation, "ScaledObject specification": `polling_interval_s` 30;
    `cooldown_s` 300, from N to zero only; `initial_cooldown_s` 0; no fallback. Kubernetes documentation, "Horizontal
    Pod Autoscaling": `sync_s` 15; `stabilization_s` 300 downwards; tolerance and rates as in `hpa.Spec`. The metric
    is of type AverageValue, and read anew at every sync (`useCachedMetrics` false).
    """

    queue_length: float
    min_tasks: int
    max_tasks: int
    activation_queue_length: int = 0
    polling_interval_s: float = 30.0
    cooldown_s: float = 300.0
    initial_cooldown_s: float = 0.0
    sync_s: float = 15.0
    stabilization_s: float = 300.0

    @property
    def hpa(self) -> hpa.Spec:
        """The HPA that KEDA creates never goes below one."""
        down = hpa.Rules(self.stabilization_s, hpa.SCALE_DOWN.select, hpa.SCALE_DOWN.limits)
        return hpa.Spec(max(self.min_tasks, 1), self.max_tasks, down=down)

    def __str__(self) -> str:
        return (
            f"queueLength {self.queue_length:g}, pollingInterval {self.polling_interval_s:g} s, cooldownPeriod"
            f" {self.cooldown_s:g} s, HPA every {self.sync_s:g} s, scaleDown stabilization {self.stabilization_s:g} s"
        )


class Keda:
    """Looks at its two clocks' common tick: the HPA's at each, KEDA's own at every second one."""

    def __init__(self, settings: KedaSettings) -> None:
        self._settings = settings
        self._spec = settings.hpa
        self._memory = hpa.Memory()
        self._active_at: float | None = None
        self._polls_at = 0.0

    @property
    def interval_s(self) -> float:
        return self._settings.sync_s

    def tick(self, world: Surface) -> None:
        """A queue that cannot be read changes nothing: the HPA does nothing without a metric, KEDA neither wakes nor
        puts to sleep on an error.
        """
        seen, waiting = tasks(world), counts(world)
        if seen is None or waiting is None:
            return
        messages = waiting.visible + waiting.in_flight
        if world.now >= self._polls_at:
            self._polls_at = world.now + self._settings.polling_interval_s
            if self._polled(world, messages, seen.desired):
                return
        if seen.desired > 0:
            self._synced(world, messages, seen.desired)

    def restart(self) -> None:
        """The HPA forgets. When the trigger was last active is in the ScaledObject's status, and stays."""
        self._memory = hpa.Memory()

    def _polled(self, world: Surface, messages: int, replicas: int) -> bool:
        """KEDA's own loop, 0 to 1 and N to 0: whether it has changed the count. The HPA goes on at its next sync."""
        settings = self._settings
        if messages > settings.activation_queue_length:
            self._active_at = world.now
            woken = f"{messages} messages wait, and no task is there"
            return replicas == 0 and scaled(world, self._spec.min_replicas, woken)
        if settings.min_tasks > 0 or replicas == 0 or not self._has_cooled(world.now):
            return False
        return scaled(world, 0, f"no message for more than {settings.cooldown_s:g} s")

    def _has_cooled(self, now: float) -> bool:
        if self._active_at is None:
            return now >= self._settings.initial_cooldown_s
        return now > self._active_at + self._settings.cooldown_s

    def _synced(self, world: Surface, messages: int, replicas: int) -> None:
        """The HPA's loop. An event is remembered only if the change was made."""
        spec, now = self._spec, world.now
        asked = hpa.by_average(messages, self._settings.queue_length, replicas, spec)
        wanted, self._memory = hpa.desired(spec, self._memory, replicas, asked, now)
        if wanted == replicas:
            return
        reason = f"{messages} messages / {self._settings.queue_length:g} = {asked} tasks"
        if scaled(world, wanted, reason):
            self._memory = hpa.changed(spec, self._memory, replicas, wanted, now)


def _settings(setup: Setup, numbers: tuple[float, ...]) -> KedaSettings:
    queue_length, stabilization_s = numbers
    return KedaSettings(queue_length, setup.min_tasks, setup.max_tasks, stabilization_s=stabilization_s)


PEER = peer(
    "keda",
    "KEDA's SQS trigger with the Kubernetes HPA",
    parts=(Part("QUEUE_LENGTH", 5.0, from_latency=True, least=1.0, whole=True), Part("STABILIZATION_S", 300.0)),
    settings=_settings,
    scaler=Keda,
    grid=("1", "2", "latency", "1/60", "latency/60"),
)
