"""The restraints, in rising order of authority. Each can only clamp, and says why."""

from __future__ import annotations

from autoscaler.core.case import Restraint
from autoscaler.core.model import Rule
from autoscaler.core.rules import operator, pace, trust, work

RULES: tuple[tuple[Rule, Restraint], ...] = (
    (Rule.ACTIVATION, trust.activation),
    (Rule.STABILIZATION, pace.stabilization),
    (Rule.PATIENCE, pace.patience),
    (Rule.ZERO, trust.zero),
    (Rule.BLIND, trust.blind),
    (Rule.LATE, trust.late),
    (Rule.COLD, trust.cold),
    (Rule.COOLDOWN, pace.cooldown),
    (Rule.RATE_LIMIT, pace.rate_limit),
    (Rule.LAUNCH_RATE, pace.launch_rate),
    (Rule.DEPLOYMENT, work.deployment),
    (Rule.BUSY, work.busy),
    (Rule.FIFO, work.fifo),
    (Rule.STALLED_START, work.stalled_start),
    (Rule.NO_PROGRESS, work.no_progress),
    (Rule.MODE, operator.mode),
    (Rule.PAUSE, operator.pause),
    (Rule.BOUNDS, operator.bounds),
    (Rule.SWITCHED_OFF, operator.switched_off),
)
"""Most contain the current count, and so commute; the last three do not."""
