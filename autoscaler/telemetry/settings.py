"""What became of settings that were read again, and of tags that were looked through: told once, not at each look."""

from __future__ import annotations

from autoscaler.config import Reloaded
from autoscaler.errors import Problem
from autoscaler.telemetry.journal import Log
from autoscaler.telemetry.metrics import Metrics


class SettingsLog:
    """Implements what `control/` wants told of settings."""

    def __init__(self, log: Log, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics
        self._found: dict[str, tuple[int, tuple[Problem, ...]]] = {}

    def reloaded(self, outcome: Reloaded) -> None:
        """The settings were read again."""
        self._metrics.wrong("file", len(outcome.problems))
        if outcome.later:
            self._log.warning("settings_later", settings=list(outcome.later), remedy="start the daemon anew")
        if outcome.problems:
            kept = list(outcome.kept)
            self._log.warning("settings_wrong", problems=[str(each) for each in outcome.problems], kept=kept)
        if outcome.taken:
            self._log.info("settings_read", services=len(outcome.config.services))

    def found(self, cluster: str, services: int, problems: tuple[Problem, ...]) -> None:
        """A cluster was looked through."""
        if self._found.get(cluster) == (services, problems):
            return
        self._found[cluster] = services, problems
        self._metrics.wrong("tags", sum(len(wrong) for _, wrong in self._found.values()))
        if problems:
            self._log.warning("tags_wrong", cluster=cluster, problems=[str(each) for each in problems])
        self._log.info("tags_read", cluster=cluster, services=services)
