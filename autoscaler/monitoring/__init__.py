"""What watches the daemon: Grafana's dashboards, Prometheus' rules, and alarms that stand without either."""

from autoscaler.monitoring.daemon import DAEMON
from autoscaler.monitoring.files import files
from autoscaler.monitoring.fleet import FLEET
from autoscaler.monitoring.service import SERVICE

__all__ = ["DAEMON", "FLEET", "SERVICE", "files"]
