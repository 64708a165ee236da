"""The output of the daemon: the log, the metrics, and the HTTP interface with its pages."""

from autoscaler.telemetry.journal import LoggedJournal
from autoscaler.telemetry.logs import configure, logger
from autoscaler.telemetry.metrics import Metrics
from autoscaler.telemetry.settings import SettingsLog
from autoscaler.telemetry.status_store import ServiceState, StatusStore
from autoscaler.telemetry.web import serve
from autoscaler.telemetry.webfile import read_access

__all__ = [
    "LoggedJournal",
    "Metrics",
    "ServiceState",
    "SettingsLog",
    "StatusStore",
    "configure",
    "logger",
    "read_access",
    "serve",
]
