"""Monitoring of the daemon: Grafana dashboards, Prometheus rules, and CloudWatch alarms."""

from autoscaler.monitoring.daemon import DAEMON
from autoscaler.monitoring.files import files
from autoscaler.monitoring.fleet import FLEET
from autoscaler.monitoring.service import SERVICE

__all__ = ["DAEMON", "FLEET", "SERVICE", "files"]
