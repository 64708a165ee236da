"""A service's settings in groups: for each direction, for activation, for the fallback and for deployments."""

from __future__ import annotations

from typing import Annotated

from autoscaler.config.by_tag import ENABLE, RAISE
from autoscaler.config.group import Group, setting
from autoscaler.config.items import LIMITS, TASKS, LimitFields
from autoscaler.config.kinds import MOST_TASKS, choice, duration, number, optional, truth, whole
from autoscaler.core.policy import FallbackBehavior, SelectLimit

TOLERANCE = number(lambda ratio: 0 <= ratio < 1, "from 0 to below 1", {"minimum": 0, "exclusiveMaximum": 1})


class ScaleOutFields(Group):
    cooldown: Annotated[float, duration()] = setting(
        0.0,
        "Time after a scale-out during which there is no further one.",
        "A backlog should not wait for a cooldown; the demand already counts the tasks that are starting.",
        stays="It limits scale-out.",
        by_tag=RAISE,
    )
    stabilization: Annotated[float, duration()] = setting(
        0.0,
        "Stabilization window: scale out only to the lowest demand in it.",
        "Without a window a burst is answered at once; a window delays every scale-out by its length.",
        stays="It limits scale-out.",
        by_tag=RAISE,
    )
    limits: Annotated[tuple[LimitFields, ...], LIMITS] = setting(
        (),
        "Rate limits of scale-out, one or several: {tasks=N or percent=N, per=duration}.",
        "max_tasks already limits it; a rate limit protects what the workers use, such as a database.",
        stays="They limit scale-out.",
    )
    select: Annotated[SelectLimit, choice(SelectLimit)] = setting(
        SelectLimit.MAX,
        "Which of several limits applies. max: the larger change. min: the smaller change. disabled: no scale-out.",
        "The Horizontal Pod Autoscaler also uses the larger change.",
        stays="It limits scale-out.",
    )
    tolerance: Annotated[float | None, optional(TOLERANCE)] = setting(
        None, "Tolerance of this direction only.", "Most services need one tolerance for both directions."
    )


class ScaleInFields(ScaleOutFields):
    cooldown: Annotated[float, duration()] = setting(
        0.0,
        "Time after a scale-in during which there is no further one.",
        "The stabilization window already slows scale-in.",
        stays="It limits scale-in.",
        by_tag=RAISE,
    )
    stabilization: Annotated[float, duration()] = setting(
        45.0,
        "Stabilization window: scale in only to the highest demand in it.",
        "Running a task for this time costs as much as starting a new one.",
        stays="It limits scale-in.",
        by_tag=RAISE,
    )
    small_step_stabilization: Annotated[float, duration()] = setting(
        120.0,
        "Stabilization window for small scale-ins: a scale-in by less than half of the tasks goes only to the highest "
        "demand of this window. Applies where the demand follows the latency.",
        "Small scale-ins save little, and half of them are reversed soon: with `scale_in.stabilization` alone the "
        "count would change nearly twice as often.",
        stays="It limits scale-in.",
        by_tag=RAISE,
    )
    limits: Annotated[tuple[LimitFields, ...], LIMITS] = setting(
        (),
        "Rate limits of scale-in, one or several: {tasks=N or percent=N, per=duration}.",
        "The busy floor and the stabilization window protect work in progress without one.",
        stays="They limit scale-in.",
    )
    select: Annotated[SelectLimit, choice(SelectLimit)] = setting(
        SelectLimit.MAX,
        "Which of several limits applies. max: the larger change. min: the smaller change. disabled: no scale-in.",
        "The same rule in both directions.",
        stays="It limits scale-in.",
    )


class ActivationFields(Group):
    messages: Annotated[int, whole(0, MOST_TASKS)] = setting(
        0,
        "Scale out from zero only for more messages than this. After the acceptable latency, any message is enough.",
        "The latency target also applies to the first message.",
        stays="It limits scale-out from zero.",
    )
    reads: Annotated[int, whole(1, 1000)] = setting(
        1,
        "Number of consecutive readings with messages that are needed to scale out from zero.",
        "Set 2 if an empty queue shows phantom messages; each further reading delays the start by one interval.",
        stays="It limits scale-out from zero.",
    )


class FallbackFields(Group):
    behavior: Annotated[FallbackBehavior, choice(FallbackBehavior)] = setting(
        FallbackBehavior.HOLD,
        "What to do when no signal can be read: hold the count, go to fallback.tasks, or go there only if it is higher "
        "or only if it is lower than the current count.",
        "Missing data is no reason to change a service.",
        stays="It decides the count while nothing can be read.",
    )
    tasks: Annotated[int | None, optional(TASKS)] = setting(
        None,
        "Task count of the fallback. Required unless the behavior is hold.",
        "No count suits every service.",
        stays="It is the count while nothing can be read.",
    )
    after: Annotated[int, whole(1, 1_000_000)] = setting(
        3,
        "The fallback applies after more than this number of consecutive failed readings.",
        "Single reads fail now and then.",
        stays="It decides when the fallback's count is written.",
    )


class DeploymentFields(Group):
    hold_scale_in: Annotated[bool, truth()] = setting(
        True,
        "No scale-in while a deployment is in progress. Scale-out continues.",
        "Application Auto Scaling does the same: two revisions run, and a scale-in may stop tasks of either.",
        stays="It protects a deployment.",
        by_tag=ENABLE,
    )
    at_most: Annotated[float, duration()] = setting(
        3600.0,
        "Longest time of that hold, even if the deployment has not ended.",
        "A deployment may be paused for days; a rolling deployment usually takes less than an hour.",
        stays="It protects a deployment.",
        by_tag=RAISE,
    )
