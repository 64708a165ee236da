"""Log the results of reloading the settings and of reading the tags: once for each change, not at every read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoscaler.config import CONFIRM, Gap, Reloaded, SettingChange, UnconfirmedFile
from autoscaler.errors import Problem
from autoscaler.telemetry.journal import StructuredLogger
from autoscaler.telemetry.metrics import Metrics

MOST_NAMED = 100
"""Maximum number of changes, settings or services in one line. The log line also has the number of omitted items."""

WRITE = (
    "the last values stay in force; to change them, write each setting again in the same table, or restart the daemon"
)


class SettingsLog:
    """Implements the ports of `control/` that report reloads of the settings and reads of the tags."""

    def __init__(self, log: StructuredLogger, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics
        self._found: dict[str, tuple[int, tuple[Problem, ...]]] = {}

    def reloaded(self, outcome: Reloaded) -> None:
        """Log the result of a reload of the settings."""
        self._metrics.set_problems("file", len(outcome.problems) + len(outcome.missing))
        if outcome.later:
            self._log.warning("settings_later", settings=list(outcome.later), remedy="restart the daemon")
        wrong = [str(each) for each in outcome.problems if outcome.unconfirmed is None or CONFIRM not in each.what]
        if outcome.unconfirmed:
            self._unconfirmed(outcome.unconfirmed)
        if wrong:
            problems = _few("problems", wrong)
            self._log.warning("settings_wrong", **problems, **_few("kept", outcome.retained))
        if outcome.missing:
            missing = _few("settings", [_gap(each) for each in outcome.missing])
            self._log.warning("settings_missing", **missing, remedy=WRITE)
        if outcome.applied:
            self._log.info(
                "settings_read",
                services=len(outcome.config.services),
                **_few("changes", [_change(each) for each in outcome.changes]),
                **_few("added", outcome.added),
                **_few("removed", outcome.removed),
                **_few("stay", [f"{gap.of}.{gap.setting}" for gap in outcome.missing]),
            )

    def _unconfirmed(self, waiting: UnconfirmedFile) -> None:
        self._log.warning(
            "settings_wait",
            **_few("services", waiting.services),
            **_few("profiles", waiting.profiles),
            settings_now=waiting.now,
            settings_before=waiting.before,
            last_line_cut=waiting.is_cut,
            remedy=f"Nothing was changed. {CONFIRM}",
        )

    def found(self, cluster: str, services: int, problems: tuple[Problem, ...]) -> None:
        """Log the result of reading the tags of a cluster, if it has changed."""
        if self._found.get(cluster) == (services, problems):
            return
        self._found[cluster] = services, problems
        self._metrics.set_problems("tags", sum(len(wrong) for _, wrong in self._found.values()))
        if problems:
            self._log.warning("tags_wrong", cluster=cluster, **_few("problems", [str(each) for each in problems]))
        self._log.info("tags_read", cluster=cluster, services=services)

    def given_up(self, cluster: str, services: Mapping[str, str]) -> None:
        """Log services that were found by tag and are no longer scaled."""
        entries = [{"service": key, "reason": reason} for key, reason in services.items()]
        note = "each service keeps its present task count"
        self._log.warning("tags_given_up", cluster=cluster, **_few("services", entries), note=note)


def _few(name: str, items: Sequence[Any]) -> dict[str, Any]:
    """Return the first items, and the number of omitted items."""
    more = len(items) - MOST_NAMED
    return {name: list(items[:MOST_NAMED])} | ({f"{name}_more": more} if more > 0 else {})


def _change(change: SettingChange) -> dict[str, str]:
    return {"of": change.of, "setting": change.setting, "old": change.old, "new": change.new}


def _gap(gap: Gap) -> dict[str, str]:
    return {"of": gap.of, "setting": gap.setting, "value": gap.value, "written": gap.origin}
