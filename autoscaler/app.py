"""The composition root: the one place that builds concrete things and ties them together."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from dataclasses import replace

import uvloop

from autoscaler import __version__
from autoscaler.aws import connect
from autoscaler.config import Config, Service
from autoscaler.control.admission import Admission
from autoscaler.control.aside import Background
from autoscaler.control.loop import Ports, ServiceLoop
from autoscaler.control.pacing import PATIENCE_S, Pacing
from autoscaler.control.shadow import Shadow
from autoscaler.control.supervisor import supervise
from autoscaler.core.policy import Mode
from autoscaler.prometheus import connect_prometheus
from autoscaler.telemetry import Board, LoggedJournal, Metrics, configure, logger, serve

CALL_TIMEOUT_S = 3.0
"""No call to AWS takes longer. Shorter than the grace of a tick at the end, so that a hung call does not cut it."""

MOST_GROUPS = 16
"""A wake-up costs as much as a call: a thousand services spread singly took 14 % of a core in bare calls, in 16 groups
6 %."""


def run(config: Config) -> None:
    """The daemon has run until SIGTERM or SIGINT, and is stopped. Raises `ConfigError` where it cannot listen."""
    configure(config.log_format, config.log_level, time.time)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(config))


async def _serve(config: Config) -> None:
    clock, stopping = asyncio.get_running_loop().time, _stop_on_signals()
    board = Board(clock, time.time)
    pacing = Pacing(clock, random.random, config.rate_share_percent / 100)
    metrics = Metrics(board, clock, pacing.tokens)
    log = logger("daemon")
    journal = LoggedJournal(board, metrics, logger("decisions"))
    for service in config.services:
        board.admit(service.ref, service.policy)
    async with (
        serve(board, metrics, config.http_host, config.http_port, _hung_after_s(config)) as port,
        connect(pacing, metrics, clock, time.time, CALL_TIMEOUT_S) as aws,
        connect_prometheus(clock, time.time, CALL_TIMEOUT_S) as gauges,
        Background() as aside,
    ):
        log.info("started", version=__version__, services=len(config.services), http=f"{config.http_host}:{port}")
        ports = Ports(aws.queues, aws.meters, gauges, aws.fleets, journal, clock, time.time, aws.history, aside)
        await supervise(_loops(config, ports), stopping)
    log.info("stopped")


def _hung_after_s(config: Config) -> float:
    """Three intervals, and as long as a tick may take in which every call waits for its turn, hangs and is given up."""
    return 3 * config.interval_s + max(map(_calls, config.services)) * (CALL_TIMEOUT_S + PATIENCE_S)


def _calls(service: Service) -> int:
    """The most calls of one tick: rivals (three), the service, protection (two), the write; CPU, memory and metrics;
    and each queue, with its minutes.
    """
    return 9 + len(service.metrics) + len(service.queues) * (2 if service.queue_minutes else 1)


def _loops(config: Config, ports: Ports) -> list[ServiceLoop]:
    """The loops tick in groups that are spread evenly over the interval: so are their calls, and those of a cluster
    share one.
    """
    keys = [service.ref.key for service in config.services]
    admission = Admission(keys, ports.clock, config.fleet_cap_percent, config.caps)
    together = sorted(config.services, key=lambda service: (service.ref.region or "", service.ref.cluster))
    groups = min(len(together), MOST_GROUPS)
    return [
        ServiceLoop(
            service,
            _ports_of(service, ports),
            config.interval_s,
            index * groups // len(together) * config.interval_s / groups,
            admission,
        )
        for index, service in enumerate(together)
    ]


def _ports_of(service: Service, ports: Ports) -> Ports:
    return replace(ports, fleets=Shadow(ports.fleets)) if service.policy.mode is Mode.SHADOW else ports


def _stop_on_signals() -> asyncio.Event:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
