"""The Nomad Autoscaler's target-value strategy: count x metric / target, then a cooldown in both directions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autoscaler.sim.model import Surface
from autoscaler.sim.peers.peer import PeerNumber, Setup, counts, peer, scaled, tasks


@dataclass(frozen=True, slots=True)
class NomadSettings:
    """A policy with one check of messages per task.

    Nomad Autoscaler documentation, "Target Value Strategy Plugin": `threshold` 0.01, no change if the
    factor is that close to 1; "Scaling Policies" and the agent's "policy" block: `evaluation_interval_s` 10,
    `cooldown_s` 300 after any scaling, in both directions. `target`, messages per task, has no default.
    """

    target: float
    min_tasks: int
    max_tasks: int
    threshold: float = 0.01
    evaluation_interval_s: float = 10.0
    cooldown_s: float = 300.0

    def __str__(self) -> str:
        return (
            f"target {self.target:g} messages per task, cooldown {self.cooldown_s:g} s,"
            f" every {self.evaluation_interval_s:g} s"
        )


class Nomad:
    """The simulated Nomad Autoscaler. A failed query or a deployment in progress ends the evaluation without a change.
    The time of the last scaling is read from the job, so a restart does not end a cooldown.
    """

    def __init__(self, settings: NomadSettings) -> None:
        self._settings = settings
        self._scaled_at = -math.inf

    @property
    def interval_s(self) -> float:
        return self._settings.evaluation_interval_s

    def poll(self, world: Surface) -> None:
        settings = self._settings
        if world.now - self._scaled_at < settings.cooldown_s:
            return
        seen, queue = tasks(world), counts(world)
        if seen is None or queue is None or seen.deployment_s is not None:
            return
        messages = queue.visible + queue.in_flight
        target_count = min(max(_count(settings, messages, seen.desired), settings.min_tasks), settings.max_tasks)
        reason = f"{messages} messages on {seen.desired} tasks, target {settings.target:g} per task"
        if target_count != seen.desired and scaled(world, target_count, reason):
            self._scaled_at = world.now

    def restart(self) -> None:
        """Nothing is lost: the cooldown is restored from the job's last scaling event."""


def _count(settings: NomadSettings, messages: int, count: int) -> int:
    """Return the count. The query divides by at least one task, so that it has a result at zero tasks."""
    factor = messages / max(count, 1) / settings.target
    if count == 0:
        return math.ceil(factor)
    if 1.0 - settings.threshold <= factor <= 1.0 + settings.threshold:
        return count
    return math.ceil(count * factor)


def _settings(setup: Setup, numbers: tuple[float, ...]) -> NomadSettings:
    target, cooldown_s = numbers
    return NomadSettings(target, setup.min_tasks, setup.max_tasks, cooldown_s=cooldown_s)


PEER = peer(
    "nomad",
    "the Nomad Autoscaler's target-value strategy on messages per task",
    parts=(PeerNumber("MESSAGES_PER_TASK", None, from_latency=True, least=0.01), PeerNumber("COOLDOWN_S", 300.0)),
    settings=_settings,
    scaler=Nomad,
    grid=("1", "latency/60", "1/60", "1/30"),
)
