"""Advice: the cause of a problem first, then what a person can do about it.

One row per rule that a person can do something about. A cause and a remedy are two texts, so that every place (page,
`status`, `explain`, log) can show the cause first and the remedy below it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from autoscaler.core.model import Decision, Rule

SEPARATOR = "; "
"""Between cause and remedy in one text, also in the texts of errors."""


class Advice(NamedTuple):
    """`cause`: why a service does not do what its load requires. `remedy`: what a person can do (empty: nothing)."""

    cause: str
    remedy: str = ""

    @property
    def text(self) -> str:
        """Both in one sentence."""
        return f"{self.cause}{SEPARATOR}{self.remedy}" if self.remedy else self.cause


def split(text: str) -> Advice:
    """Return the cause and the remedy of an error's text, which has them in this order."""
    cause, _, remedy = text.partition(SEPARATOR)
    return Advice(cause, remedy)


BEFORE_OTHERS = (
    Rule.SWITCHED_OFF,
    Rule.PAUSE,
    Rule.CONFLICTING_SCALER,
    Rule.CONTESTED,
    Rule.STALLED_START,
    Rule.NO_PROGRESS,
    Rule.FIFO,
)
"""Rules that are the cause if they lowered the count, whatever else limits it: more tasks would not help, or would not
come.
"""

REMEDIES: Mapping[Rule, str] = {
    Rule.SWITCHED_OFF: "raise its desired count, or pause it until it is needed",
    Rule.PAUSE: "run autoscaler resume, or remove the setting paused",
    Rule.CONTESTED: "let one program set the count: remove the other scaler, or let your deployments keep the count",
    Rule.CONFLICTING_SCALER: "remove the scalable target of the other scaler, which autoscaler doctor names",
    Rule.STALLED_START: "check the events and stopped tasks of the ECS service; once one starts, more are requested",
    Rule.NO_PROGRESS: "check the workers' log, and what they depend on; once messages complete, more are requested",
    Rule.LAUNCH_RATE: "ask AWS for a higher rate of task launches, or raise min_tasks",
    Rule.RATE_LIMIT: "raise scale_out.limits",
    Rule.COOLDOWN: "shorten scale_out.cooldown",
    Rule.SHARED_CAP: "raise the cap, or lower max_tasks of the other services that share it",
    Rule.FIFO: "use more message groups",
}
"""What a person can do about a rule."""


def first_cause(decision: Decision) -> Advice | None:
    """Return the advice about the first of `BEFORE_OTHERS` that lowered the count (None: no rule of them did)."""
    lowered = {step.rule: step.reason for step in decision.steps if step.end < step.start}
    rule = next((rule for rule in BEFORE_OTHERS if rule in lowered), None)
    return None if rule is None else Advice(lowered[rule], REMEDIES[rule])
