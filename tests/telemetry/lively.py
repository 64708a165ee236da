"""A daemon with lively data: real loops, real decisions, a simulated world behind each, six hours of it in seconds.

`python -m tests.telemetry.lively [PORT]` serves the page with it, and lets time go on, ten times as fast.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from autoscaler.config import Chosen, policy_of
from autoscaler.core.policy import Policy
from autoscaler.ports import ServiceRef, Tick
from autoscaler.sim.model import Blindness, Breakdown, Fault, Rollout, Shortage, Workload, WorldSettings
from autoscaler.sim.ours import WALL_S, Ours, _answered
from autoscaler.sim.world import World
from autoscaler.telemetry import serve
from tests.telemetry.ticks import Clock, Desk

HOUR_S = 3600.0
PLAYED_S = 6 * HOUR_S
LENGTH_S = 12 * HOUR_S
MINUTE_S = 60.0


@dataclass(frozen=True)
class Part:
    """One service: messages come at `rate` per second, shaped by `wave` (0 to 1) and by crowds at these hours."""

    key: str
    rate: float
    fields: dict[str, Any] = field(default_factory=dict)
    service_s: float = 5.0
    wave: float = 0.4
    crowds_h: tuple[float, ...] = ()
    faults: tuple[Fault, ...] = ()
    tasks: int = 1


CAST = (
    Part("orders", 3.0, {"max_tasks": 60}, crowds_h=(1.2, 4.1)),
    Part("invoices", 0.05, {"max_tasks": 5, "acceptable_latency": "10m"}, 12.0),
    Part("thumbnails", 9.0, {"max_tasks": 60, "acceptable_latency": "2m"}, 3.0, crowds_h=(2.4, 5.95), tasks=27),
    Part("emails", 6.0, {"max_tasks": 20}, 0.8, crowds_h=(0.6,)),
    Part("search-index", 0.8, {"max_tasks": 12, "acceptable_latency": "5m"}, 9.0, 0.9),
    Part("video-encode", 0.06, {"max_tasks": 40, "acceptable_latency": "15m", "workers": "self_protecting"}, 240.0),
    Part("webhooks", 4.0, {"max_tasks": 24}, 1.2, faults=(Blindness(PLAYED_S - 400, PLAYED_S + 1200),)),
    Part("payments", 1.5, {"max_tasks": 16, "min_tasks": 2, "acceptable_latency": "30s"}, 2.0),
    Part("exports", 0.3, {"max_tasks": 8, "paused": "in", "acceptable_latency": "5m"}, 20.0),
    Part(
        "fraud-check", 2.0, {"max_tasks": 40}, 4.0, crowds_h=(5.9,),
        faults=(Shortage(PLAYED_S - 900, PLAYED_S + 3600, 9),), tasks=9,
    ),
    Part("sms", 2.5, {"max_tasks": 10}, 0.5, 0.8),
    Part("audit-log", 12.0, {"max_tasks": 30, "acceptable_latency": "5m"}, 0.9, faults=(Rollout(PLAYED_S - 60),)),
    Part("recommendations", 1.0, {"max_tasks": 50}, 14.0, 0.7, (3.0,)),
    Part(
        "imports", 0.4, {"max_tasks": 10, "acceptable_latency": "3m"}, 15.0,
        faults=(Breakdown(PLAYED_S - 1000, PLAYED_S + 2000),),
    ),
)  # fmt: skip


class Played:
    """One service in its world; what its loop tells the journal goes to the desk."""

    def __init__(self, part: Part, desk: Desk, seed: int, cluster: str = "prod") -> None:
        self.policy = _policy(part)
        ref = ServiceRef(part.key, cluster, f"{part.key}-worker", "eu-west-1")
        desk.store.admit(ref, self.policy, _chosen(part))
        self.scaler = Ours(self.policy)
        self._ref = ref
        self._desk = desk
        self._world = World(
            _workload(part, seed), replace(WorldSettings(), tasks_at_start=part.tasks, faults=part.faults), seed
        )
        self._ticks = 0

    def play(self, until_s: float) -> None:
        """Every tick up to then (half-open)."""
        while (at := self._ticks * self.scaler.interval_s) < until_s:
            self._desk.clock.now = at
            self._world.advance(at)
            self._desk.record(replace(self._tick(), service=self._ref))
            self._ticks += 1

    def _tick(self) -> Tick:
        self.scaler._world.surface = self._world
        return _answered((self.scaler._loop or self.scaler._begun()).tick())


def _policy(part: Part) -> Policy:
    policy = policy_of(part.key, {"queues": ["queue"], "mode": "active", **part.fields})
    return replace(policy, queues=tuple(replace(queue, name="queue") for queue in policy.queues))


def _chosen(part: Part) -> tuple[Chosen, ...]:
    prefix = f"AUTOSCALER_SERVICES__{part.key.upper().replace('-', '_')}__"
    given = {"cluster": "prod", "service": f"{part.key}-worker", "queues": "queue", "mode": "active", **part.fields}
    return tuple(Chosen(name, str(value), prefix + name.upper()) for name, value in given.items())


def _workload(part: Part, seed: int) -> Workload:
    chance = np.random.default_rng(seed)
    at = np.arange(0.0, LENGTH_S, MINUTE_S)
    shape = 1 + part.wave * np.sin(2 * np.pi * (at / (5 * HOUR_S) + seed * 0.17))
    for hour in part.crowds_h:
        since = at - hour * HOUR_S
        shape += np.where(since >= 0, 4 * np.exp(-np.maximum(since, 0) / 700), 0)
    counts = part.rate * MINUTE_S * shape * np.exp(0.12 * chance.standard_normal(len(at)))
    starts = np.repeat(at, chance.poisson(counts))
    arrivals = np.sort(starts + chance.uniform(0, MINUTE_S, len(starts)))
    service = chance.lognormal(np.log(part.service_s) - 0.32, 0.8, len(arrivals))
    return Workload(part.key, arrivals, service, LENGTH_S, MINUTE_S, counts, np.zeros(0))


@dataclass
class _Hours(Clock):
    """Virtual time: that of the simulated world."""

    now: float = 0.0

    def wall(self) -> float:
        return WALL_S + self.now


def lively(parts: tuple[Part, ...] = CAST, played_s: float = PLAYED_S) -> tuple[Desk, list[Played]]:
    """The desk as it is after so long, and the services, to be played on."""
    desk = Desk(_Hours())
    services = [Played(part, desk, seed) for seed, part in enumerate(parts, 1)]
    for service in services:
        service.play(played_s)
    desk.clock.now = played_s
    return desk, services


async def _main(port: int) -> None:
    desk, services = lively()
    async with serve(desk.store, desk.metrics, "127.0.0.1", port, 60.0) as found:
        print(f"http://127.0.0.1:{found}/", flush=True)  # noqa: T201
        now = PLAYED_S
        while now < LENGTH_S:
            now += 10.0
            for service in services:
                service.play(now)
            desk.clock.now = now
            await asyncio.sleep(1.0)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 0))
