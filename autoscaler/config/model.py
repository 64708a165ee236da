"""Valid settings as plain frozen values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from autoscaler.core.policy import Mode, Policy
from autoscaler.ports import MetricRequest, Place, QueueRef, ServiceRef


class Chosen(NamedTuple):
    """A configured setting of a service: its name as in the file (`scale_in.cooldown`), its value in the notation of a
    variable, and its origin: a variable, or a file and key.
    """

    name: str
    value: str
    origin: str


class LogFormat(StrEnum):
    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Bounds from `lead_s` before each time of `cron` until `lasts_s` after it (half-open), in the IANA `timezone`; or
    until the clock there shows `until` (`18:00`) next. Exactly one of the two is set. A bound that is None is the
    policy's.

    Of schedules that overlap, the highest `min_tasks` and the highest `max_tasks` apply; if the two come from
    different schedules and the minimum is above the maximum, both are the minimum.
    """

    name: str
    cron: str
    lasts_s: float | None
    timezone: str
    min_tasks: int | None
    max_tasks: int | None
    lead_s: float
    until: str | None = None


@dataclass(frozen=True, slots=True)
class SharedCap:
    """A resource that several services share: at most `most` in total. `per_task`: amount per task, by service key."""

    name: str
    most: int
    per_task: tuple[tuple[str, int], ...]


class ModeSetting(NamedTuple):
    """How the `mode` of a service is set. `is_default`: it is not set anywhere. `activate`: how to make the service
    active, in the notation of its configuration: `set AUTOSCALER_MODE=active`.
    """

    is_default: bool = True
    activate: str = 'set mode = "active"'


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One service to scale: its place, its queues (in the order of `policy.queues`) and its policy.

    `metrics`: the source of each of `policy.metrics`, by name and in the same order. `queue_minutes`: whether the
    queues' one-minute metrics are read from CloudWatch. `task_price`: dollars of one task per hour (None: the list
    price). `chosen`: the configured settings and their origins. `mode_setting`: how the mode is set. Comparisons of two
    services ignore `chosen` and `mode_setting`.
    """

    ref: ServiceRef
    queues: tuple[QueueRef, ...]
    policy: Policy
    metrics: tuple[tuple[str, MetricRequest], ...] = ()
    schedules: tuple[Schedule, ...] = ()
    queue_minutes: bool = True
    task_price: float | None = None
    chosen: tuple[Chosen, ...] = field(default=(), compare=False)
    mode_setting: ModeSetting = field(default=ModeSetting(), compare=False)

    @property
    def activation(self) -> str | None:
        """How to make the service active (None: it is not in shadow)."""
        return self.mode_setting.activate if self.policy.mode is Mode.SHADOW else None


HERE = Place()


@dataclass(frozen=True, slots=True)
class DiscoveryScope:
    """The clusters in which tagged services are discovered, and their place.

    `without_tags`: what a discovered service is before its own tags apply: without a profile, and with each profile.
    Their cluster and service have no name.
    """

    clusters: tuple[str, ...] = ()
    place: Place = HERE
    without_tags: tuple[ServiceConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of the daemon. An attribute with the name of a daemon-wide setting has its value.

    `interval_s`: effective, at most a third of the shortest acceptable latency. `interval_is_derived`: no interval is
    configured; `interval_s` is then the longest one, and each service's own is derived from it (`control/cadence.py`).
    `quiet_interval_s`: longest poll interval while the queues are empty. `http_port` 0: any free port.
    `log_interval_s`: longest time between two log lines of a service whose decisions stay the same, at least 60.
    `web_config_file`: TLS and passwords of the HTTP server (None: plain HTTP without passwords). There is at least one
    service or one cluster for discovery; keys are unique, and the services are sorted by key. `fleet_cap_percent`: of
    the tasks of all services, 1 to 100; None: the default of `control/admission.py`, 50 with several services and no
    cap with a single one. `rate_share_percent`: of the AWS API quotas, 1 to 100. Every key in `caps` is a service's.
    `event_queue`: the queue of the events of ECS (None: ECS is only polled); no service has it as a work queue.
    `empty_variables`: the names of variables that are set to an empty text, which counts as not set.
    """

    interval_s: float
    http_host: str
    http_port: int
    log_format: LogFormat
    log_level: LogLevel
    services: tuple[ServiceConfig, ...]
    fleet_cap_percent: int | None
    rate_share_percent: int
    caps: tuple[SharedCap, ...]
    quiet_interval_s: float
    discovery: DiscoveryScope = DiscoveryScope()
    web_config_file: str | None = None
    interval_is_derived: bool = False
    log_interval_s: float = 60.0
    event_queue: QueueRef | None = None
    empty_variables: tuple[str, ...] = field(default=(), compare=False)
