"""The composition root of the daemon: builds all objects and connects them."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial

import uvloop

from autoscaler import __version__
from autoscaler.aws.connection import Aws
from autoscaler.aws.ecs import SERVICES_A_CALL
from autoscaler.config import Config, LoadedSettings, Reloaded, ServiceConfig, find, mark_of, reload, variable
from autoscaler.config.addresses import address
from autoscaler.connections import Connections, connected
from autoscaler.control.admission import Admission
from autoscaler.control.background import Background, ThreadRunner
from autoscaler.control.discovery import TaggedServices
from autoscaler.control.events import EventListener
from autoscaler.control.rate_limiter import MOST_WAIT_S, TokenBucketLimiter
from autoscaler.control.settings import Following, SettingsSource
from autoscaler.control.shadow import Shadow
from autoscaler.control.supervisor import ReadBudget, Supervisor, interval_of
from autoscaler.core.policy import Mode
from autoscaler.errors import Refused
from autoscaler.ports import Category, Ports
from autoscaler.telemetry import (
    EventLog,
    LoggedJournal,
    Metrics,
    SettingsLog,
    StatusStore,
    is_aws,
    log_to_stdout,
    logger,
    raise_file_limit,
    read_access,
    serve,
)

CALL_TIMEOUT_S = 3.0
"""Timeout of an AWS call, shorter than the supervisor's `GRACE_S`: a hung call does not cancel the last poll."""

GC_THRESHOLDS = 20_000, 20, 200
"""`gc.set_threshold` for generations 0, 1 and 2. Ten thousand services have millions of live objects and no garbage. A
collection of generation 2 takes as long as a hundred polls, and no service is polled meanwhile. With Python's defaults
it would run several times a minute.
"""

FILE_TIMEOUT_S = 20.0
"""Timeout of reading the settings file, whose disk may hang. Ten thousand services take three seconds."""

FIXED_CALLS = 9
"""Calls of one poll without those for queues and metrics."""


def run(config: Config, environ: Mapping[str, str]) -> None:
    """Run the daemon until SIGTERM or SIGINT. Settings are reloaded on SIGHUP and when their file changes.

    Raises `ConfigError` if the daemon cannot listen on its HTTP address.
    """
    with log_to_stdout(config.log_format, config.log_level, time.time) as lines:
        raise_file_limit()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(config, environ, lines.lost))


async def _serve(config: Config, environ: Mapping[str, str], lost_lines: Callable[[], int]) -> None:
    clock, stopping = asyncio.get_running_loop().time, _stop_on_signals()
    store = StatusStore(clock, time.time)
    limiter = TokenBucketLimiter(clock, random.random, config.rate_share_percent / 100)
    metrics = Metrics(store, clock, limiter.tokens, lost_lines)
    log = logger("daemon")
    access = read_access(config.web_config_file)
    journal = LoggedJournal(store, metrics, logger("decisions"), config.log_interval_s)
    async with (
        serve(store, metrics, config.http_host, config.http_port, 3 * config.interval_s, access=access) as port,
        connected(limiter, metrics, clock, CALL_TIMEOUT_S) as connections,
        Background() as background,
    ):
        metrics.region, store.is_aws = _home(connections.aws), is_aws(environ)
        store.account_of = connections.aws.account_of
        log.info("started", version=__version__, services=len(config.services), http=f"{config.http_host}:{port}")
        if config.empty_variables:
            log.warning("settings_empty", variables=list(config.empty_variables), note="they count as not set")
        reporter = SettingsLog(logger("settings"), metrics)
        following = Following(
            config, find(environ), _source(environ), TaggedServices(connections.aws.directory, reporter), reporter
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _hang_up, following, connections.aws)
        listener = _listener(config, connections, metrics)
        ports = replace(connections.ports(journal, background), delivered=listener)
        supervisor = _supervisor(config, ports, limiter, journal)
        if listener is not None:
            background.begin(listener.run(supervisor.wake))
        await supervisor.run(_followed(following.configs(), limiter, listener), stopping)
    log.info("stopped")


def _home(aws: Aws) -> str:
    """Return the daemon's own Region (empty: none is configured)."""
    with suppress(Refused):
        return aws.region()
    return ""


def _hang_up(following: Following, aws: Aws) -> None:
    """Read the settings and all credentials again."""
    aws.renew()
    following.request_reload()


def _listener(config: Config, connections: Connections, metrics: Metrics) -> EventListener | None:
    """Return what reads the queue of events (None: none is configured)."""
    queue = config.event_queue
    if queue is None:
        return None
    return EventListener(
        queue,
        connections.aws.events(queue),
        EventLog(logger("events"), metrics, address(queue)),
        home=_home(connections.aws),
        clock=connections.clock,
        wall=time.time,
        draw=random.random,
    )


async def _followed(
    configs: AsyncIterator[Config], limiter: TokenBucketLimiter, listener: EventListener | None = None
) -> AsyncIterator[Config]:
    """Yield the settings. The limiter learns the shortest poll interval of all services, which bounds its backoff, and
    the listener the services.
    """
    async for config in configs:
        if listener is not None:
            listener.follow(config.services)
        limiter.follow(min((interval_of(service, config) for service in config.services), default=config.interval_s))
        yield config


def _supervisor(config: Config, ports: Ports, limiter: TokenBucketLimiter, journal: LoggedJournal) -> Supervisor:
    admission = Admission((), ports.clock, config.fleet_cap_percent, config.caps)
    rate, queue_rate = (partial(limiter.rate, each) for each in (Category.SERVICE_READ, Category.QUEUE_READ))
    read_budget = ReadBudget(rate, SERVICES_A_CALL, queue_rate)
    return Supervisor(partial(_ports_of, ports), ports.clock, admission, read_budget, journal, silence_s=_silence_s)


def _source(environ: Mapping[str, str]) -> SettingsSource:
    """Return the source of the settings: `environ`, and its settings file, read in a thread because a disk may hang."""
    thread, path = ThreadRunner(), environ.get(variable(("config_file",)), "")

    async def read(config: Config, settings: LoadedSettings, confirmed: bool) -> Reloaded:
        return await thread.done(partial(reload, environ, config, settings, confirmed=confirmed), FILE_TIMEOUT_S)

    async def mark() -> Hashable:
        return await thread.done(partial(mark_of, path), FILE_TIMEOUT_S)

    return SettingsSource(read, mark)


def _silence_s(service: ServiceConfig, slowest_s: float) -> float:
    """Return the seconds without a poll after which a service counts as hung: the longest time between two polls, plus
    a poll in which every call waits for a rate-limit token and then times out.
    """
    return slowest_s + _calls(service) * (CALL_TIMEOUT_S + MOST_WAIT_S)


def _calls(service: ServiceConfig) -> int:
    """Return the maximum number of calls of one poll: conflicting scalers (three), the service, protection (two), the
    write; CPU, memory and metrics; and each queue, with its minutes.
    """
    return FIXED_CALLS + len(service.metrics) + len(service.queues) * (2 if service.queue_minutes else 1)


def _ports_of(ports: Ports, service: ServiceConfig) -> Ports:
    return replace(ports, fleets=Shadow(ports.fleets)) if service.policy.mode is Mode.SHADOW else ports


def _stop_on_signals() -> asyncio.Event:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
