"""KEDA with its HorizontalPodAutoscaler: KEDA scales from zero and to zero, and the HPA scales in between."""

from __future__ import annotations

from dataclasses import dataclass

from autoscaler.sim.model import Surface
from autoscaler.sim.peers import hpa
from autoscaler.sim.peers.peer import PeerNumber, Setup, counts, peer, scaled, tasks


@dataclass(frozen=True, slots=True)
class KedaSettings:
    """A ScaledObject with one `aws-sqs-queue` trigger.

    KEDA documentation, "AWS SQS Queue" scaler: `queue_length` 5 messages per replica; `activation_queue_length` 0,
    strictly above which KEDA activates; messages in flight count (`scaleOnInFlight` true), delayed ones do not
    (`scaleOnDelayed` false). KEDA documentation, "ScaledObject specification": `polling_interval_s` 30;
    `cooldown_s` 300, from N to zero only; `initial_cooldown_s` 0; no fallback. Kubernetes documentation, "Horizontal
    Pod Autoscaling": `sync_s` 15; `stabilization_s` 300 downwards; tolerance and rates as in `hpa.Spec`. The metric
    is of type AverageValue, and is read again at every sync (`useCachedMetrics` false).
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
        """The HPA that KEDA creates. Its minimum is at least 1."""
        down = hpa.Rules(self.stabilization_s, hpa.SCALE_DOWN.select, hpa.SCALE_DOWN.limits)
        return hpa.Spec(max(self.min_tasks, 1), self.max_tasks, down=down)

    def __str__(self) -> str:
        return (
            f"queueLength {self.queue_length:g}, pollingInterval {self.polling_interval_s:g} s, cooldownPeriod"
            f" {self.cooldown_s:g} s, HPA every {self.sync_s:g} s, scaleDown stabilization {self.stabilization_s:g} s"
        )


class Keda:
    """The simulated KEDA. It runs at the HPA's sync interval. KEDA's own loop runs at every second sync."""

    def __init__(self, settings: KedaSettings) -> None:
        self._settings = settings
        self._spec = settings.hpa
        self._memory = hpa.HpaMemory()
        self._active_at: float | None = None
        self._next_poll_at = 0.0

    @property
    def interval_s(self) -> float:
        return self._settings.sync_s

    def poll(self, world: Surface) -> None:
        """If the queue cannot be read, only a count out of bounds changes: the HPA corrects it before it reads a
        metric, and KEDA neither activates nor deactivates on an error.
        """
        seen, queue = tasks(world), counts(world)
        if seen is None:
            return
        if queue is None:
            self._correct_bounds(world, seen.desired)
            return
        messages = queue.visible + queue.in_flight
        if world.now >= self._next_poll_at:
            self._next_poll_at = world.now + self._settings.polling_interval_s
            if self._poll_trigger(world, messages, seen.desired):
                return
        if seen.desired > 0:
            self._sync_hpa(world, messages, seen.desired)

    def restart(self) -> None:
        """Clear the HPA's memory. The trigger's last active time remains: the ScaledObject's status stores it."""
        self._memory = hpa.HpaMemory()

    def _poll_trigger(self, world: Surface, messages: int, replicas: int) -> bool:
        """Run KEDA's own loop, 0 to 1 and N to 0. Return whether it changed the count; the HPA then skips this sync."""
        settings = self._settings
        if messages > settings.activation_queue_length:
            self._active_at = world.now
            reason = f"activated: messages {messages}, tasks 0"
            return replicas == 0 and scaled(world, self._spec.min_replicas, reason)
        if settings.min_tasks > 0 or replicas == 0 or not self._cooldown_is_over(world.now):
            return False
        return scaled(world, 0, f"deactivated: no messages for more than {settings.cooldown_s:g} s")

    def _cooldown_is_over(self, now: float) -> bool:
        if self._active_at is None:
            return now >= self._settings.initial_cooldown_s
        return now > self._active_at + self._settings.cooldown_s

    def _correct_bounds(self, world: Surface, replicas: int) -> None:
        """Run the part of the HPA's loop that needs no metric. At zero replicas the HPA is disabled."""
        spec, now = self._spec, world.now
        bounded = min(max(replicas, spec.min_replicas), spec.max_replicas)
        if replicas > 0 and bounded != replicas and scaled(world, bounded, "the count was out of bounds"):
            self._memory = hpa.changed(spec, self._memory, replicas, bounded, now)

    def _sync_hpa(self, world: Surface, messages: int, replicas: int) -> None:
        """Run the HPA's loop. It records an event only if the change succeeded."""
        spec, now = self._spec, world.now
        proposed = hpa.by_average(messages, self._settings.queue_length, replicas, spec)
        new_replicas, self._memory = hpa.desired(spec, self._memory, replicas, proposed, now)
        if new_replicas == replicas:
            return
        reason = f"messages {messages} / queueLength {self._settings.queue_length:g} = {proposed} tasks"
        if scaled(world, new_replicas, reason):
            self._memory = hpa.changed(spec, self._memory, replicas, new_replicas, now)


def _settings(setup: Setup, numbers: tuple[float, ...]) -> KedaSettings:
    queue_length, stabilization_s = numbers
    return KedaSettings(queue_length, setup.min_tasks, setup.max_tasks, stabilization_s=stabilization_s)


PEER = peer(
    "keda",
    "KEDA's SQS trigger with the Kubernetes HPA",
    parts=(
        PeerNumber("QUEUE_LENGTH", 5.0, from_latency=True, least=1.0, whole=True),
        PeerNumber("STABILIZATION_S", 300.0),
    ),
    settings=_settings,
    scaler=Keda,
    grid=("1", "2", "latency", "1/60", "latency/60"),
)
