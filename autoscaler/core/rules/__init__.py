"""The rules, in ascending order of authority. Each one can only clamp the count, and returns its reason."""

from __future__ import annotations

from autoscaler.core.model import Rule
from autoscaler.core.rule_input import RuleCheck
from autoscaler.core.rules import operator, pace, trust, work

HOLDING: tuple[tuple[Rule, RuleCheck], ...] = (
    (Rule.ACTIVATION, trust.activation),
    (Rule.STABILIZATION, pace.stabilization),
    (Rule.SMALL_STEP_STABILIZATION, pace.small_step_stabilization),
    (Rule.ZERO, trust.zero),
    (Rule.CONTRADICTION, trust.contradiction),
    (Rule.MISSING_SIGNAL, trust.missing_signal),
    (Rule.LATE, trust.late),
    (Rule.WARM_UP, trust.warm_up),
    (Rule.COOLDOWN, pace.cooldown),
    (Rule.RATE_LIMIT, pace.rate_limit),
    (Rule.LAUNCH_RATE, pace.launch_rate),
    (Rule.DEPLOYMENT, work.deployment),
    (Rule.BUSY, work.busy),
    (Rule.FIFO, work.fifo),
    (Rule.STALLED_START, work.stalled_start),
    (Rule.NO_PROGRESS, work.no_progress),
    (Rule.NO_RECEIVES, trust.no_receives),
    (Rule.MODE, operator.mode),
)
"""Each range contains the present count. The rules therefore commute, and a count that returns to the present count
stays there.
"""

OVERRIDING: tuple[tuple[Rule, RuleCheck], ...] = (
    (Rule.PAUSE, operator.pause),
    (Rule.BOUNDS, operator.bounds),
    (Rule.SWITCHED_OFF, operator.switched_off),
    (Rule.CONTESTED, trust.contested),
)
"""Rules that can change the count even if the present count is required."""

RULES = (*HOLDING, *OVERRIDING)
