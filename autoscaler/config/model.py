"""The settings once they are valid: plain frozen values, nothing to check any more."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from autoscaler.core.policy import Mode, Policy
from autoscaler.ports import MetricSource, Place, QueueRef, ServiceRef


class Chosen(NamedTuple):
    """A setting of a service that somebody made: its name as in the file (`scale_in.cooldown`), its value as it could
    stand in a variable, and its origin: a variable, or a file and key.
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
    """Other bounds, from `lead_s` before each time that `cron` names on the clock of the IANA `timezone`, until
    `lasts_s` after that time (half-open). A bound that is None stays the policy's.

    Of schedules that overlap, the highest `min_tasks` and the highest `max_tasks` hold; where the two come from
    different schedules and cross, both are the minimum.
    """

    name: str
    cron: str
    lasts_s: float
    timezone: str
    min_tasks: int | None
    max_tasks: int | None
    lead_s: float


@dataclass(frozen=True, slots=True)
class SharedCap:
    """At most `most` of something for several services together. `per_task`: what one task takes, by service key."""

    name: str
    most: int
    per_task: tuple[tuple[str, int], ...]


class ModeSetting(NamedTuple):
    """How the `mode` of a service is set. `is_default`: it is not set anywhere. `activate`: what to do to make the
    service active, in the spelling in which it is configured: `set AUTOSCALER_MODE=active`.
    """

    is_default: bool = True
    activate: str = 'set mode = "active"'


@dataclass(frozen=True, slots=True)
class Service:
    """One service to scale: where it is, the queues it follows (in the order of `policy.queues`), what is wanted.

    `metrics` has the source of each of `policy.metrics`, by name and in their order. `queue_minutes`: whether
    CloudWatch is asked for the queues' minutes. `chosen`: the settings that were made for it, and where.
    `mode_setting`: how its mode is set; like `chosen`, it makes no difference between two services.
    """

    ref: ServiceRef
    queues: tuple[QueueRef, ...]
    policy: Policy
    metrics: tuple[tuple[str, MetricSource], ...] = ()
    schedules: tuple[Schedule, ...] = ()
    queue_minutes: bool = True
    chosen: tuple[Chosen, ...] = field(default=(), compare=False)
    mode_setting: ModeSetting = field(default=ModeSetting(), compare=False)

    @property
    def activation(self) -> str | None:
        """What to do to make the service active, if it is in shadow (None: it is not in shadow)."""
        return self.mode_setting.activate if self.policy.mode is Mode.SHADOW else None


HERE = Place()


@dataclass(frozen=True, slots=True)
class Discovery:
    """The clusters whose tagged services are taken over, and where they are."""

    clusters: tuple[str, ...] = ()
    place: Place = HERE


@dataclass(frozen=True, slots=True)
class Config:
    """All that the daemon was told. `interval_s` is in force: at most a third of the shortest acceptable latency.

    `quiet_interval_s` bounds how seldom an empty queue is looked at. `http_port` 0 means any free port;
    `web_config_file` says who may read there (None: everybody). There is at least one service, or a cluster to discover
    some in; keys are unique, and the services stand in their order. `fleet_cap_percent` is of the tasks of all
    services, 1 to 100; None: as `control/admission.py` has it, half with several services and none with a single one.
    `rate_share_percent` is of AWS's call rates, 1 to 100. Every key in `caps` is a service's.
    """

    interval_s: float
    http_host: str
    http_port: int
    log_format: LogFormat
    log_level: LogLevel
    services: tuple[Service, ...]
    fleet_cap_percent: int | None
    rate_share_percent: int
    caps: tuple[SharedCap, ...]
    quiet_interval_s: float
    discovery: Discovery = Discovery()
    web_config_file: str | None = None
