"""One process of the daemon in virtual time: the composition of `autoscaler/app.py` over simulated ports.

The supervisor, the loops, the rate limiter, reload, discovery, admission, the journal and the metrics are the real
ones, and the supervisor is built by the composition root's own functions. Left out: the HTTP server, the signal
handlers (the simulation calls what they call), and the connections (`ports.py`; in a smaller share of runs the real
adapters, `adapters.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping
from random import Random
from typing import Any

from autoscaler import app
from autoscaler.config import Config, LoadedSettings, Reloaded, ServiceConfig, find, load, reload
from autoscaler.control.background import Background
from autoscaler.control.discovery import TaggedServices
from autoscaler.control.rate_limiter import TokenBucketLimiter
from autoscaler.control.settings import Following, SettingsSource
from autoscaler.ports import Directory, Poll, Ports
from autoscaler.telemetry import LoggedJournal, Metrics, SettingsLog, StatusStore
from tests.faults.ports import CallLog

MOST_LOADED = 64


class DigestedLog:
    """A structured logger whose lines go into the digest of the run."""

    def __init__(self, log: CallLog) -> None:
        self._log = log

    def info(self, event: str, **fields: Any) -> None:
        self._log.note("info", event, sorted(fields.items()))

    def warning(self, event: str, **fields: Any) -> None:
        self._log.note("warning", event, sorted(fields.items()))


class CountedJournal(LoggedJournal):
    """The journal, which also counts the polls."""

    def __init__(self, store: StatusStore, metrics: Metrics, log: DigestedLog, polled: Callable[[Poll], None]) -> None:
        super().__init__(store, metrics, log)
        self._polled = polled

    def record(self, poll: Poll) -> None:
        self._polled(poll)
        super().record(poll)


class QuietJournal:
    """Counts the polls, and logs nothing."""

    def __init__(self, polled: Callable[[Poll], None]) -> None:
        self.record = polled

    def admit(self, service: ServiceConfig, silent_after_s: float) -> None:
        return

    def forget(self, key: str) -> None:
        return


def limiter_of(config: Config, clock: Callable[[], float], rng: Random) -> TokenBucketLimiter:
    """Return the rate limiter of a process, with its own random numbers."""
    return TokenBucketLimiter(clock, rng.random, config.rate_share_percent / 100)


_LOADED: dict[tuple[str, bytes], tuple[Config, LoadedSettings]] = {}


def _loaded(environ: Mapping[str, str], content: bytes) -> tuple[Config, LoadedSettings]:
    """Return the settings, which are frozen: many processes of a run start with the same file. Raises `ConfigError`."""
    key = environ["AUTOSCALER_CONFIG_FILE"], content
    if key not in _LOADED:
        if len(_LOADED) >= MOST_LOADED:
            _LOADED.clear()
        _LOADED[key] = load(environ), find(environ)
    return _LOADED[key]


class SimulatedProcess:
    """A daemon. `serve` runs until it is stopped or cancelled; `hangup` is SIGHUP, `terminate` SIGTERM."""

    def __init__(
        self,
        environ: Mapping[str, str],
        clock: Callable[[], float],
        wall: Callable[[], float],
        log: CallLog,
        polled: Callable[[Poll], None],
        rng: Random,
        content: Callable[[], bytes],
        *,
        quiet: bool = False,
    ) -> None:
        """Read the settings. Raises `ConfigError`: the real daemon then ends with exit code 2. `content` returns that
        of the settings file. `quiet`: polls are only counted, not logged.
        """
        self._environ = environ
        self._content = content
        self._clock = clock
        self._log = DigestedLog(log)
        self._stopping = asyncio.Event()
        self.config, self._settings = _loaded(environ, content())
        self.limiter = limiter_of(self.config, clock, rng)
        store = StatusStore(clock, wall)
        self.metrics = Metrics(store, clock, self.limiter.tokens)
        self.journal = QuietJournal(polled) if quiet else CountedJournal(store, self.metrics, self._log, polled)
        self._following: Following | None = None

    async def serve(self, ports_of: Callable[[Background], Ports], directory: Directory) -> None:
        """Run the daemon, as `app._serve` does."""
        async with Background() as background:
            reporter = SettingsLog(self._log, self.metrics)
            self._following = Following(
                self.config,
                self._settings,
                _source(self._environ, self._content),
                TaggedServices(directory, reporter),
                reporter,
            )
            ports = ports_of(background)
            supervisor = app._supervisor(self.config, ports, self.limiter, self.journal)  # type: ignore[arg-type]
            await supervisor.run(self._following.configs(), self._stopping)

    def hangup(self) -> None:
        if self._following is not None:
            self._following.request_reload()

    def terminate(self) -> None:
        self._stopping.set()


def _source(environ: Mapping[str, str], content: Callable[[], bytes]) -> SettingsSource:
    """Return the source of the settings without the thread of the real one. The mark is the file's content: a mark by
    the machine's clock would differ between runs.
    """

    async def read(config: Config, settings: LoadedSettings, confirmed: bool) -> Reloaded:
        return reload(environ, config, settings, confirmed=confirmed)

    async def mark() -> Hashable:
        return content()

    return SettingsSource(read, mark)
