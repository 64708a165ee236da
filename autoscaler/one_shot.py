"""One look at one service: AWS is read once and decided on as a daemon would that starts now, and nothing is written.

The second composition root, for the commands that look where no daemon runs: it builds a loop, takes one tick of it,
and takes everything down again. Or it reads one queue's history, which no tick ever does.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from autoscaler.aws import connect
from autoscaler.config import Config, Service
from autoscaler.control.loop import Ports, Rhythm, ServiceLoop
from autoscaler.control.rate_limiter import TokenBucketLimiter
from autoscaler.control.shadow import Shadow
from autoscaler.errors import Unavailable
from autoscaler.ports import Category, PeriodSum, QueueRef, Span, Tick
from autoscaler.prometheus import connect_prometheus
from autoscaler.telemetry import StatusStore
from autoscaler.telemetry.account import account_of, faults_of
from autoscaler.telemetry.logs import utc
from autoscaler.telemetry.views import services

CALL_TIMEOUT_S = 5.0
"""No call to AWS takes longer. There is no next tick, so it may take a little longer than the daemon's."""

AT_ONCE = 20
"""So many services are looked at side by side: those of a cluster then share a question to ECS."""

LOOK_S = 60.0
"""The whole look takes no longer: with twenty queues and a hung endpoint it would be minutes."""

HISTORY_CALL_S = 20.0
"""No call for a history takes longer: it may bring 15 days of minutes, which is 21,600 datapoints, in one answer."""


class _Nobody:
    """Is told of calls and ticks, and keeps nothing."""

    def made(self, api: str, category: Category, outcome: str, units: int = 1) -> None: ...

    def waited(self, seconds: float) -> None: ...

    def record(self, tick: Tick) -> None: ...


async def poll_once(config: Config, key: str) -> Tick:
    """The first tick of a daemon that starts now, for the service of that key, with writes left out.

    What could not be read is in the tick. The key is one of the settings'. Raises `Unavailable` if it takes longer
    than `LOOK_S`.
    """
    service = next(service for service in config.services if service.ref.key == key)
    try:
        async with asyncio.timeout(LOOK_S):
            return await _tick(service, config.interval_s)
    except TimeoutError:
        raise Unavailable(f"{key}: AWS was not read within {LOOK_S:g} s; check the network and the proxy") from None


async def _tick(service: Service, interval_s: float) -> Tick:
    clock, nobody = asyncio.get_running_loop().time, _Nobody()
    async with (
        connect(TokenBucketLimiter(clock, random.random), nobody, clock, time.time, CALL_TIMEOUT_S, once=True) as aws,
        connect_prometheus(clock, time.time, CALL_TIMEOUT_S) as gauges,
    ):
        ports = Ports(aws.queues, aws.meters, gauges, Shadow(aws.fleets), nobody, clock, time.time)
        return await ServiceLoop(service, ports, Rhythm(interval_s)).tick()


def account_once(config: Config, key: str) -> dict[str, Any]:
    """What `look_once` saw and decided, as the daemon's API would tell it. Raises as it does."""
    tick = asyncio.run(poll_once(config, key))
    return {"ts": utc(time.time()), "event": None, **account_of(tick, faults_of(tick))}


def services_once(config: Config) -> dict[str, Any]:
    """All services, each looked at as `look_once` does, as the daemon's `/api/v1/services` would tell them. Those that
    were not reached within `LOOK_S` are there, as ones that were not looked at yet.
    """
    return asyncio.run(_services(config))


async def _services(config: Config) -> dict[str, Any]:
    clock, nobody = asyncio.get_running_loop().time, _Nobody()
    store, turns = StatusStore(clock, time.time), asyncio.Semaphore(AT_ONCE)
    for service in config.services:
        store.admit(service.ref, service.policy, activate=service.mode_setting.activate)
    async with (
        connect(TokenBucketLimiter(clock, random.random), nobody, clock, time.time, CALL_TIMEOUT_S, once=True) as aws,
        connect_prometheus(clock, time.time, CALL_TIMEOUT_S) as gauges,
    ):
        ports = Ports(aws.queues, aws.meters, gauges, Shadow(aws.fleets), nobody, clock, time.time)

        async def look(service: Service) -> None:
            async with turns:
                store.note(await ServiceLoop(service, ports, Rhythm(config.interval_s)).tick())

        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S), asyncio.TaskGroup() as group:
                for service in config.services:
                    group.create_task(look(service))
    return services(store.statuses(), clock())


def history_once(queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
    """How many messages the queue was sent in each period of these spans of which CloudWatch has a datapoint.

    Raises `AutoscalerError`: `NotFound` where there is none at all, `Unavailable` if it takes longer than `LOOK_S`.
    """
    return asyncio.run(_history(queue, spans))


async def _history(queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
    clock = asyncio.get_running_loop().time
    try:
        async with (
            asyncio.timeout(LOOK_S),
            connect(
                TokenBucketLimiter(clock, random.random), _Nobody(), clock, time.time, HISTORY_CALL_S, once=True
            ) as aws,
        ):
            return await aws.history.sent(queue, spans)
    except TimeoutError:
        text = f"queue {queue.name}: its history was not read within {LOOK_S:g} s; check the network, or ask for less"
        raise Unavailable(text) from None
