"""A daemon with simulated services: real loops and decisions, and a simulated world for each service. Six hours take
seconds.

`python -m tests.telemetry.lively [PORT]` serves the page with it. Time then runs ten times as fast as real time.
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
from autoscaler.ports import Poll, ServiceRef
from autoscaler.pricing import configured
from autoscaler.sim.model import Breakdown, Fault, PlannedRollout, Shortage, SqsOutage, Workload, WorldSettings
from autoscaler.sim.ours import INTERVAL_S, WALL_S, Ours, _run_at_once
from autoscaler.sim.world import World
from autoscaler.telemetry import serve
from tests.telemetry.polls import FixedClock, JournalDesk

HOUR_S = 3600.0
PLAYED_S = 6 * HOUR_S
LENGTH_S = 12 * HOUR_S
PRICE = configured(0.05)
"""Dollars per task-hour: a task of 1 vCPU and 2 GB."""
MINUTE_S = 60.0


@dataclass(frozen=True)
class LiveExample:
    """One service. `rate`: mean arrivals per second without the peaks. `wave`: relative amplitude of a sine wave, from
    0 to 1. `peaks_h`: start of each peak in hours. `service_s`: mean processing time in seconds.
    """

    key: str
    rate: float
    fields: dict[str, Any] = field(default_factory=dict)
    service_s: float = 5.0
    wave: float = 0.4
    peaks_h: tuple[float, ...] = ()
    faults: tuple[Fault, ...] = ()
    tasks: int = 1


EXAMPLES = (
    LiveExample("orders", 3.0, {"max_tasks": 60}, peaks_h=(1.2, 4.1)),
    LiveExample("invoices", 0.05, {"max_tasks": 5, "acceptable_latency": "10m"}, 12.0),
    LiveExample("thumbnails", 9.0, {"max_tasks": 60, "acceptable_latency": "2m"}, 3.0, peaks_h=(2.4, 5.95), tasks=27),
    LiveExample("emails", 6.0, {"max_tasks": 20}, 0.8, peaks_h=(0.6,)),
    LiveExample("search-index", 0.8, {"max_tasks": 12, "acceptable_latency": "5m"}, 9.0, 0.9),
    LiveExample(
        "video-encode", 0.06, {"max_tasks": 40, "acceptable_latency": "15m", "workers": "self_protecting"}, 240.0,
    ),
    LiveExample("webhooks", 4.0, {"max_tasks": 24}, 1.2, faults=(SqsOutage(PLAYED_S - 400, PLAYED_S + 1200),)),
    LiveExample("payments", 1.5, {"max_tasks": 16, "min_tasks": 2, "acceptable_latency": "30s"}, 2.0),
    LiveExample("exports", 0.3, {"max_tasks": 8, "paused": "in", "acceptable_latency": "5m"}, 20.0),
    LiveExample(
        "fraud-check", 2.0, {"max_tasks": 40}, 4.0, peaks_h=(5.9,),
        faults=(Shortage(PLAYED_S - 900, PLAYED_S + 3600, 9),), tasks=9,
    ),
    LiveExample("sms", 2.5, {"max_tasks": 10}, 0.5, 0.8),
    LiveExample(
        "audit-log", 12.0, {"max_tasks": 30, "acceptable_latency": "5m"}, 0.9,
        faults=(PlannedRollout(PLAYED_S - 60),),
    ),
    LiveExample("recommendations", 1.0, {"max_tasks": 50}, 14.0, 0.7, (3.0,)),
    LiveExample(
        "imports", 0.4, {"max_tasks": 10, "acceptable_latency": "3m"}, 15.0,
        faults=(Breakdown(PLAYED_S - 1000, PLAYED_S + 2000),),
    ),
)  # fmt: skip


class Played:
    """One service in its simulated world. The desk records its polls."""

    def __init__(self, example: LiveExample, desk: JournalDesk, seed: int, cluster: str = "prod") -> None:
        self.policy = _policy(example)
        ref = ServiceRef(example.key, cluster, f"{example.key}-worker", "eu-west-1")
        desk.store.admit(ref, self.policy, _chosen(example))
        self.scaler = Ours(self.policy, INTERVAL_S)
        self._ref = ref
        self._desk = desk
        self._world = World(
            _workload(example, seed),
            replace(WorldSettings(), tasks_at_start=example.tasks, faults=example.faults),
            seed,
        )
        self._polls = 0

    def play(self, until_s: float) -> None:
        """Run every poll before `until_s`, in seconds since the start."""
        while (at := self._polls * self.scaler.interval_s) < until_s:
            self._desk.clock.now = at
            self._world.advance(at)
            self._desk.record(replace(self._poll(), service=self._ref, price=PRICE))
            self._polls += 1

    def _poll(self) -> Poll:
        self.scaler._world.surface = self._world
        return _run_at_once((self.scaler._loop or self.scaler._started()).poll())


def _policy(example: LiveExample) -> Policy:
    policy = policy_of(example.key, {"queues": ["queue"], "mode": "active", **example.fields})
    return replace(policy, queues=tuple(replace(queue, name="queue") for queue in policy.queues))


def _chosen(example: LiveExample) -> tuple[Chosen, ...]:
    prefix = f"AUTOSCALER_SERVICES__{example.key.upper().replace('-', '_')}__"
    given = {
        "cluster": "prod",
        "service": f"{example.key}-worker",
        "queues": "queue",
        "mode": "active",
        **example.fields,
    }
    return tuple(Chosen(name, str(value), prefix + name.upper()) for name, value in given.items())


def _workload(example: LiveExample, seed: int) -> Workload:
    rng = np.random.default_rng(seed)
    at = np.arange(0.0, LENGTH_S, MINUTE_S)
    shape = 1 + example.wave * np.sin(2 * np.pi * (at / (5 * HOUR_S) + seed * 0.17))
    for hour in example.peaks_h:
        since = at - hour * HOUR_S
        shape += np.where(since >= 0, 4 * np.exp(-np.maximum(since, 0) / 700), 0)
    counts = example.rate * MINUTE_S * shape * np.exp(0.12 * rng.standard_normal(len(at)))
    starts = np.repeat(at, rng.poisson(counts))
    arrivals = np.sort(starts + rng.uniform(0, MINUTE_S, len(starts)))
    service = rng.lognormal(np.log(example.service_s) - 0.32, 0.8, len(arrivals))
    return Workload(example.key, arrivals, service, LENGTH_S, MINUTE_S, counts, np.zeros(0))


@dataclass
class _VirtualClock(FixedClock):
    """The time of the simulated world."""

    now: float = 0.0

    def wall(self) -> float:
        return WALL_S + self.now


def lively(
    examples: tuple[LiveExample, ...] = EXAMPLES, played_s: float = PLAYED_S
) -> tuple[JournalDesk, list[Played]]:
    """Return the desk after `played_s` simulated seconds, and the services, which can be played further."""
    desk = JournalDesk(_VirtualClock())
    services = [Played(example, desk, seed) for seed, example in enumerate(examples, 1)]
    for service in services:
        service.play(played_s)
    desk.clock.now = played_s
    return desk, services


async def _main(port: int) -> None:
    desk, services = lively()
    async with serve(desk.store, desk.metrics, "127.0.0.1", port, 60.0) as bound_port:
        print(f"http://127.0.0.1:{bound_port}/", flush=True)  # noqa: T201
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
