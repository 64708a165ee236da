"""The output of the daemon: the log, the metrics, and the HTTP interface with its pages."""

from autoscaler.telemetry.access import read_access
from autoscaler.telemetry.http_connections import raise_file_limit
from autoscaler.telemetry.journal import EventLog, LoggedJournal, SettingsLog
from autoscaler.telemetry.logs import log_to_stdout, logger
from autoscaler.telemetry.metrics import Metrics
from autoscaler.telemetry.page import is_aws
from autoscaler.telemetry.status_store import ServiceState, StatusStore
from autoscaler.telemetry.web import serve

__all__ = [
    "EventLog",
    "LoggedJournal",
    "Metrics",
    "ServiceState",
    "SettingsLog",
    "StatusStore",
    "is_aws",
    "log_to_stdout",
    "logger",
    "raise_file_limit",
    "read_access",
    "serve",
]
