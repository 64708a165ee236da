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
        "Time after a scale-out during which no further scale-out occurs.",
        "A backlog should not wait for a cooldown; the demand already counts the tasks that are starting.",
        stays="this setting limits scale-out.",
        by_tag=RAISE,
    )
    stabilization: Annotated[float, duration()] = setting(
        0.0,
        "Stabilization window: a scale-out goes no higher than the lowest demand within this time.",
        "Without a window, the service scales out at once in a burst. A window delays every scale-out by its length.",
        stays="this setting limits scale-out.",
        by_tag=RAISE,
    )
    limits: Annotated[tuple[LimitFields, ...], LIMITS] = setting(
        (),
        "Rate limits of scale-out, one or several: {tasks=N or percent=N, per=duration}.",
        "max_tasks already limits scale-out. A rate limit protects resources that the workers use, such as a database.",
        stays="this setting limits scale-out.",
    )
    select: Annotated[SelectLimit, choice(SelectLimit)] = setting(
        SelectLimit.MAX,
        "Which limit applies if there are several. max: the one with the larger change. min: the one with the smaller "
        "change. disabled: no scale-out.",
        "The Horizontal Pod Autoscaler also uses the larger change.",
        stays="this setting limits scale-out.",
    )
    tolerance: Annotated[float | None, optional(TOLERANCE)] = setting(
        None,
        "Tolerance for this direction. Not set: `tolerance` applies.",
        "Most services need one tolerance for both directions.",
    )


class ScaleInFields(ScaleOutFields):
    cooldown: Annotated[float, duration()] = setting(
        0.0,
        "Time after a scale-in during which no further scale-in occurs.",
        "The stabilization window already slows scale-in.",
        stays="this setting limits scale-in.",
        by_tag=RAISE,
    )
    stabilization: Annotated[float, duration()] = setting(
        45.0,
        "Stabilization window: a scale-in goes no lower than the highest demand within this time.",
        "A task that runs for this time costs about as much as the start of a new task, because AWS also bills the "
        "start-up time.",
        stays="this setting limits scale-in.",
        by_tag=RAISE,
    )
    small_step_stabilization: Annotated[float, duration()] = setting(
        120.0,
        "Stabilization window for small scale-ins. If the highest demand within scale_in.stabilization is at least "
        "half of the highest demand within this window, a scale-in goes no lower than the latter. Applies only if the "
        "demand is computed from the latency target.",
        "Small scale-ins save little, and half of them are reversed soon: with `scale_in.stabilization` alone the "
        "count would change nearly twice as often.",
        stays="this setting limits scale-in.",
        by_tag=RAISE,
    )
    limits: Annotated[tuple[LimitFields, ...], LIMITS] = setting(
        (),
        "Rate limits of scale-in, one or several: {tasks=N or percent=N, per=duration}.",
        "The busy floor and the stabilization window already protect work in progress.",
        stays="this setting limits scale-in.",
    )
    select: Annotated[SelectLimit, choice(SelectLimit)] = setting(
        SelectLimit.MAX,
        "Which limit applies if there are several. max: the one with the larger change. min: the one with the smaller "
        "change. disabled: no scale-in.",
        "The default is the same in both directions.",
        stays="this setting limits scale-in.",
    )


class ActivationFields(Group):
    messages: Annotated[int, whole(0, MOST_TASKS)] = setting(
        0,
        "Scale out from zero only if there are more messages than this. One message that has waited for the acceptable "
        "latency is always enough.",
        "The latency target also applies to the first message.",
        stays="this setting limits scale-out from zero.",
    )
    reads: Annotated[int, whole(1, 1000)] = setting(
        1,
        "Number of consecutive readings with enough messages that are required to scale out from zero.",
        "Set 2 if SQS sometimes reports messages in an empty queue. Each additional reading delays the start by one "
        "poll interval.",
        stays="this setting limits scale-out from zero.",
    )


class FallbackFields(Group):
    behavior: Annotated[FallbackBehavior, choice(FallbackBehavior)] = setting(
        FallbackBehavior.HOLD,
        "What to do when no signal can be read. hold: keep the current count. static: use fallback.tasks. "
        "current_if_higher: use the higher of the two. current_if_lower: use the lower of the two.",
        "Missing data is no reason to change a service.",
        stays="this setting decides the task count while no signal can be read.",
    )
    tasks: Annotated[int | None, optional(TASKS)] = setting(
        None,
        "Task count of the fallback. Required unless the behavior is hold.",
        "No count suits every service.",
        stays="this is the task count while no signal can be read.",
    )
    after: Annotated[int, whole(1, 1_000_000)] = setting(
        3,
        "The fallback applies after more than this number of consecutive failed readings.",
        "Single reads fail occasionally.",
        stays="this setting decides when the fallback applies.",
    )


class DeploymentFields(Group):
    hold_scale_in: Annotated[bool, truth()] = setting(
        True,
        "No scale-in while a deployment is in progress. Scale-out continues.",
        "Application Auto Scaling does the same: two revisions run, and a scale-in may stop tasks of either.",
        stays="this setting protects deployments.",
        by_tag=ENABLE,
    )
    at_most: Annotated[float, duration()] = setting(
        3600.0,
        "Maximum time for which a deployment blocks scale-in.",
        "A deployment can wait for days, for example for an approval. A rolling deployment usually takes less than an "
        "hour.",
        stays="this setting protects deployments.",
        by_tag=RAISE,
    )
