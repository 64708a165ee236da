"""One poll without a daemon: reads AWS once, decides as a daemon that starts now, and writes nothing.

The second composition root, for commands that read AWS directly: it builds a loop, runs one poll, and closes all
connections. It also reads the history of one queue, which no poll does.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from typing import Any

from autoscaler.config import Config, ServiceConfig
from autoscaler.connections import Connections, connected
from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.control.rate_limiter import TokenBucketLimiter
from autoscaler.control.shadow import Shadow
from autoscaler.errors import Unavailable
from autoscaler.ports import Category, PeriodSum, Poll, Ports, QueueRef, Span
from autoscaler.telemetry import StatusStore
from autoscaler.telemetry.account import account_of, faults_of
from autoscaler.telemetry.logs import utc
from autoscaler.telemetry.starts import starts_of
from autoscaler.telemetry.views import services

CALL_TIMEOUT_S = 5.0
"""Timeout of an AWS call. Longer than the daemon's, because there is no next poll."""

AT_ONCE = 20
"""Maximum number of services polled in parallel. Services of one cluster share a call to ECS."""

ONE_SHOT_S = 60.0
"""Timeout of the whole command: with twenty queues and a hung endpoint it would take minutes."""

HISTORY_CALL_S = 20.0
"""Timeout of a history call: one response may hold 15 days of minutes, which is 21,600 datapoints."""


class _NoReporter:
    """A `Calls` and `Journal` that stores nothing."""

    def made(self, api: str, category: Category, outcome: str, units: int = 1) -> None: ...

    def waited(self, seconds: float) -> None: ...

    def record(self, poll: Poll) -> None: ...


async def poll_once(config: Config, key: str) -> Poll:
    """Return the first poll of a daemon that starts now, for the service of that key, without writes.

    The poll contains the readings that failed. The key must be in the settings. Raises `Unavailable` if it takes longer
    than `ONE_SHOT_S`.
    """
    service = next(service for service in config.services if service.ref.key == key)
    try:
        async with asyncio.timeout(ONE_SHOT_S):
            return await _poll(service, config.interval_s)
    except TimeoutError:
        raise Unavailable(f"{key}: AWS was not read within {ONE_SHOT_S:g} s; check the network and the proxy") from None


def _connected(
    clock: Callable[[], float], timeout_s: float = CALL_TIMEOUT_S
) -> AbstractAsyncContextManager[Connections]:
    return connected(TokenBucketLimiter(clock, random.random), _NoReporter(), clock, timeout_s, once=True)


def _shadow(connections: Connections) -> Ports:
    """Return ports that write nothing and read no history."""
    return replace(connections.ports(_NoReporter()), fleets=Shadow(connections.aws.fleets), history=None)


async def _poll(service: ServiceConfig, interval_s: float) -> Poll:
    clock = asyncio.get_running_loop().time
    async with _connected(clock) as connections:
        ports = _shadow(connections)
        return await ServiceLoop(service, ports, Rhythm(interval_s)).poll()


def account_once(config: Config, key: str) -> dict[str, Any]:
    """Return the result of `poll_once` in the format of the daemon's API. Raises what `poll_once` raises."""
    poll = asyncio.run(poll_once(config, key))
    account = account_of(poll, faults_of(poll))
    return {"ts": utc(time.time()), "event": None, **account, "starts": starts_of(poll.starts)}


def services_once(config: Config) -> dict[str, Any]:
    """Poll all services as `poll_once` does, and return them in the format of `/api/v1/services`. A service that was
    not polled within `ONE_SHOT_S` is included with the state "not yet polled".
    """
    return asyncio.run(_services(config))


async def _services(config: Config) -> dict[str, Any]:
    clock = asyncio.get_running_loop().time
    store, slots = StatusStore(clock, time.time), asyncio.Semaphore(AT_ONCE)
    for service in config.services:
        store.admit(service.ref, service.policy, activate=service.mode_setting.activate)
    async with _connected(clock) as connections:
        ports = replace(_shadow(connections), starts=None)  # two calls for each service, for what no row shows

        async def poll(service: ServiceConfig) -> None:
            async with slots:
                store.note(await ServiceLoop(service, ports, Rhythm(config.interval_s)).poll())

        with suppress(TimeoutError):
            async with asyncio.timeout(ONE_SHOT_S), asyncio.TaskGroup() as group:
                for service in config.services:
                    group.create_task(poll(service))
    return services(store.statuses(), clock())


def history_once(queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
    """Return the messages sent to the queue in each period of these spans; periods without a datapoint are left out.

    Raises `AutoscalerError`: `NotFound` without any datapoint, `Unavailable` if it takes longer than `ONE_SHOT_S`.
    """
    return asyncio.run(_history(queue, spans))


async def _history(queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
    clock = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(ONE_SHOT_S), _connected(clock, HISTORY_CALL_S) as connections:
            return await connections.aws.history.sent(queue, spans)
    except TimeoutError:
        text = (
            f"queue {queue.name}: its history was not read within {ONE_SHOT_S:g} s; check the network, or request less"
        )
        raise Unavailable(text) from None
