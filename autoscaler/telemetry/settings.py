"""What became of settings that were read again, and of tags that were looked through: told once, not at each look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autoscaler.config import CONFIRM, Change, Gap, Reloaded, Waiting
from autoscaler.errors import Problem
from autoscaler.telemetry.journal import Log
from autoscaler.telemetry.metrics import Metrics

MOST_NAMED = 100
"""Changes, settings or services that one line names; of more, it says how many there are."""

WRITE = "the last values stay: write each setting again where it was, with this value or another, or restart the daemon"


class SettingsLog:
    """Implements what `control/` wants told of settings."""

    def __init__(self, log: Log, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics
        self._found: dict[str, tuple[int, tuple[Problem, ...]]] = {}

    def reloaded(self, outcome: Reloaded) -> None:
        """The settings were read again."""
        self._metrics.wrong("file", len(outcome.problems) + len(outcome.missing))
        if outcome.later:
            self._log.warning("settings_later", settings=list(outcome.later), remedy="start the daemon anew")
        wrong = [str(each) for each in outcome.problems if outcome.waiting is None or CONFIRM not in each.what]
        if outcome.waiting:
            self._waits(outcome.waiting)
        if wrong:
            problems = _few("problems", wrong)
            self._log.warning("settings_wrong", **problems, **_few("kept", outcome.kept))
        if outcome.missing:
            missing = _few("settings", [_gap(each) for each in outcome.missing])
            self._log.warning("settings_missing", **missing, remedy=WRITE)
        if outcome.taken:
            self._log.info(
                "settings_read",
                services=len(outcome.config.services),
                **_few("changes", [_change(each) for each in outcome.changes]),
                **_few("added", outcome.added),
                **_few("removed", outcome.removed),
                **_few("stay", [f"{gap.of}.{gap.setting}" for gap in outcome.missing]),
            )

    def _waits(self, waiting: Waiting) -> None:
        self._log.warning(
            "settings_wait",
            **_few("services", waiting.services),
            **_few("profiles", waiting.profiles),
            settings_now=waiting.now,
            settings_before=waiting.before,
            last_line_cut=waiting.is_cut,
            remedy=f"nothing was changed: {CONFIRM}",
        )

    def found(self, cluster: str, services: int, problems: tuple[Problem, ...]) -> None:
        """A cluster was looked through."""
        if self._found.get(cluster) == (services, problems):
            return
        self._found[cluster] = services, problems
        self._metrics.wrong("tags", sum(len(wrong) for _, wrong in self._found.values()))
        if problems:
            self._log.warning("tags_wrong", cluster=cluster, **_few("problems", [str(each) for each in problems]))
        self._log.info("tags_read", cluster=cluster, services=services)

    def given_up(self, cluster: str, services: Mapping[str, str]) -> None:
        """Services that were found by tag are not scaled any more."""
        told = [{"service": key, "reason": reason} for key, reason in services.items()]
        note = "each service stays at its present count"
        self._log.warning("tags_given_up", cluster=cluster, **_few("services", told), note=note)


def _few(name: str, items: Sequence[Any]) -> dict[str, Any]:
    """The first of the items, and how many more there are."""
    more = len(items) - MOST_NAMED
    return {name: list(items[:MOST_NAMED])} | ({f"{name}_more": more} if more > 0 else {})


def _change(change: Change) -> dict[str, str]:
    return {"of": change.of, "setting": change.setting, "old": change.old, "new": change.new}


def _gap(gap: Gap) -> dict[str, str]:
    return {"of": gap.of, "setting": gap.setting, "value": gap.value, "written": gap.origin}
