"""The composition root: the one place that builds concrete things and ties them together."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import time
from collections.abc import Hashable, Mapping
from dataclasses import replace
from functools import partial

import uvloop

from autoscaler import __version__
from autoscaler.aws import SERVICES_A_CALL, connect
from autoscaler.config import Config, Reloaded, Service, Settings, find, mark_of, reload, variable
from autoscaler.control.admission import Admission
from autoscaler.control.background import Background, ThreadRunner
from autoscaler.control.discovery import Discovery
from autoscaler.control.loop import Ports
from autoscaler.control.rate_limiter import MOST_WAIT_S, TokenBucketLimiter
from autoscaler.control.read_budget import ReadBudget
from autoscaler.control.settings import Following, Source
from autoscaler.control.shadow import Shadow
from autoscaler.control.supervisor import Supervisor
from autoscaler.core.policy import Mode
from autoscaler.ports import Category
from autoscaler.prometheus import connect_prometheus
from autoscaler.telemetry import LoggedJournal, Metrics, SettingsLog, StatusStore, configure, logger, read_access, serve

CALL_TIMEOUT_S = 3.0
"""No call to AWS takes longer. Shorter than the grace of a tick at the end, so that a hung call does not cut it."""

GARBAGE = 20_000, 20, 200
"""New things until the newest are searched for garbage, and so many such searches until older and oldest things are.
Ten thousand services keep millions of things, none of them garbage, and a search through all of them takes as long as
a hundred looks, in which nobody is looked at. By Python's own figures it would come several times a minute.
"""

READ_S = 20.0
"""For the settings file, whatever is wrong with its disk: ten thousand services take three seconds."""

LEAST_CALLS = 9
"""Of a tick, beside those for queues and metrics."""


def run(config: Config, environ: Mapping[str, str]) -> None:
    """The daemon has run until SIGTERM or SIGINT, and is stopped. Settings are read again on SIGHUP, and when their
    file changes. Raises `ConfigError` where it cannot listen.
    """
    configure(config.log_format, config.log_level, time.time)
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config, environ))


async def _serve(config: Config, environ: Mapping[str, str]) -> None:
    clock, stopping = asyncio.get_running_loop().time, _stop_on_signals()
    store = StatusStore(clock, time.time)
    limiter = TokenBucketLimiter(clock, random.random, config.rate_share_percent / 100)
    metrics = Metrics(store, clock, limiter.tokens)
    log = logger("daemon")
    access = read_access(config.web_config_file)
    journal = LoggedJournal(store, metrics, logger("decisions"))
    async with (
        serve(store, metrics, config.http_host, config.http_port, 3 * config.interval_s, access=access) as port,
        connect(limiter, metrics, clock, time.time, CALL_TIMEOUT_S) as aws,
        connect_prometheus(clock, time.time, CALL_TIMEOUT_S) as gauges,
        Background() as background,
    ):
        log.info("started", version=__version__, services=len(config.services), http=f"{config.http_host}:{port}")
        ports = Ports(aws.queues, aws.meters, gauges, aws.fleets, journal, clock, time.time, aws.history, background)
        bulletin = SettingsLog(logger("settings"), metrics)
        following = Following(config, find(environ), _source(environ), Discovery(aws.directory, bulletin), bulletin)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, following.again)
        await _supervisor(config, ports, limiter, journal).run(following.configs(), stopping)
    log.info("stopped")


def _supervisor(config: Config, ports: Ports, limiter: TokenBucketLimiter, journal: LoggedJournal) -> Supervisor:
    admission = Admission((), ports.clock, config.fleet_cap_percent, config.caps)
    read_budget = ReadBudget(partial(limiter.rate, Category.SERVICE_READ), SERVICES_A_CALL)
    return Supervisor(partial(_ports_of, ports), ports.clock, admission, read_budget, journal, silence_s=_silence_s)


def _source(environ: Mapping[str, str]) -> Source:
    """The environment, which stays as it is, and the file that it names: read in a thread, as its disk may hang."""
    apart, path = ThreadRunner(), environ.get(variable(("config_file",)), "")

    async def read(config: Config, settings: Settings, confirmed: bool) -> Reloaded:
        return await apart.done(partial(reload, environ, config, settings, confirmed=confirmed), READ_S)

    async def mark() -> Hashable:
        return await apart.done(partial(mark_of, path), READ_S)

    return Source(read, mark)


def _silence_s(service: Service, slowest_s: float) -> float:
    """As long as its looks are apart, and as a tick may take in which every call waits for its turn, hangs and is given
    up.
    """
    return slowest_s + _calls(service) * (CALL_TIMEOUT_S + MOST_WAIT_S)


def _calls(service: Service) -> int:
    """The most calls of one tick: rivals (three), the service, protection (two), the write; CPU, memory and metrics;
    and each queue, with its minutes.
    """
    return LEAST_CALLS + len(service.metrics) + len(service.queues) * (2 if service.queue_minutes else 1)


def _ports_of(ports: Ports, service: Service) -> Ports:
    return replace(ports, fleets=Shadow(ports.fleets)) if service.policy.mode is Mode.SHADOW else ports


def _stop_on_signals() -> asyncio.Event:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
