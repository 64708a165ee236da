"""The Nomad Autoscaler's target-value strategy: the count times metric / target, and then a cooldown both ways."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autoscaler.sim.model import Surface
from autoscaler.sim.peers.looking import counts, scaled, tasks
from autoscaler.sim.peers.peer import Part, Setup, peer


@dataclass(frozen=True, slots=True)
class NomadSettings:
    """A policy with one check of messages per task.

    Nomad Autoscaler documentation, "Target Value Strategy Plugin": `threshold` 0.01 around a factor of 1 in which
    nothing is done; "Scaling Policies" and the agent's "policy" block: `evaluation_interval_s` 10, `cooldown_s` 300
    after any scaling, in both directions. `target` has no default: messages per task.
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
    """A failed query, or a deployment in progress, ends the evaluation without a change. When it last scaled is read
    back from the job, so a restart does not end a cooldown.
    """

    def __init__(self, settings: NomadSettings) -> None:
        self._settings = settings
        self._scaled_at = -math.inf

    @property
    def interval_s(self) -> float:
        return self._settings.evaluation_interval_s

    def tick(self, world: Surface) -> None:
        settings = self._settings
        if world.now - self._scaled_at < settings.cooldown_s:
            return
        seen, waiting = tasks(world), counts(world)
        if seen is None or waiting is None or seen.deployment_s is not None:
            return
        messages = waiting.visible + waiting.in_flight
        wanted = min(max(_count(settings, messages, seen.desired), settings.min_tasks), settings.max_tasks)
        reason = f"{messages} messages on {seen.desired} tasks, target {settings.target:g}"
        if wanted != seen.desired and scaled(world, wanted, reason):
            self._scaled_at = world.now

    def restart(self) -> None:
        """The cooldown is restored from the job's last scaling event."""


def _count(settings: NomadSettings, messages: int, count: int) -> int:
    """The query divides by at least one task, so that it has an answer at none."""
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
    parts=(Part("MESSAGES_PER_TASK", None, from_latency=True, least=0.01), Part("COOLDOWN_S", 300.0)),
    settings=_settings,
    scaler=Nomad,
    grid=("1", "latency/60", "1/60", "1/30"),
)
