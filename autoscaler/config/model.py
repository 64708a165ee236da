"""The settings once they are valid: plain frozen values, nothing to check any more."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from autoscaler.core.policy import Policy
from autoscaler.ports import QueueRef, ServiceRef


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
class Service:
    """One service to scale: where it is, the queues it follows (in the order of `policy.queues`), what is wanted."""

    ref: ServiceRef
    queues: tuple[QueueRef, ...]
    policy: Policy


@dataclass(frozen=True, slots=True)
class Config:
    """All that the daemon was told. `interval_s` is in force: at most a third of the shortest acceptable latency.

    `http_port` 0 means any free port. There is at least one service; keys are unique,
    and the services stand in their order.
    """

    interval_s: float
    http_host: str
    http_port: int
    log_format: LogFormat
    log_level: LogLevel
    services: tuple[Service, ...]
