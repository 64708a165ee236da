"""A service's settings that stand in groups: those of each direction, of waking, of falling back, of deployments."""

from __future__ import annotations

from typing import Annotated

from autoscaler.config.by_tag import ENABLE, RAISE
from autoscaler.config.group import Group, told
from autoscaler.config.items import LIMITS, TASKS, LimitFields
from autoscaler.config.kinds import MOST_TASKS, choice, duration, number, optional, truth, whole
from autoscaler.core.policy import FallbackBehavior, Select

TOLERANCE = number(lambda ratio: 0 <= ratio < 1, "from 0 to below 1", {"minimum": 0, "exclusiveMaximum": 1})


class ScaleOutFields(Group):
    cooldown: Annotated[float, duration()] = told(
        0.0,
        "After an accepted scale-out, none further for so long.",
        "Waiting messages cannot wait for a cooldown; demand already counts the tasks that are starting.",
        stays="It limits scale-out.",
        by_tag=RAISE,
    )
    stabilization: Annotated[float, duration()] = told(
        0.0,
        "Scale out only to the lowest demand of this window.",
        "A burst is answered at once; a window here delays every scale-out by its length.",
        stays="It limits scale-out.",
        by_tag=RAISE,
    )
    limits: Annotated[tuple[LimitFields, ...], LIMITS] = told(
        (),
        "At most so much growth in so long: {tasks=N or percent=N, per=duration}, one or several.",
        "max_tasks bounds it; a limit is for what stands behind the workers, such as a database.",
        stays="They limit scale-out.",
    )
    select: Annotated[Select, choice(Select)] = told(
        Select.MAX,
        "With several limits: the one of the larger change, of the smaller, or disabled: no scale-out at all.",
        "The larger change is what the Horizontal Pod Autoscaler takes, too.",
        stays="It limits scale-out.",
    )
    tolerance: Annotated[float | None, optional(TOLERANCE)] = told(
        None, "The tolerance of this direction alone.", "One tolerance for both is what most services want."
    )


class ScaleInFields(ScaleOutFields):
    cooldown: Annotated[float, duration()] = told(
        0.0,
        "After an accepted scale-in, none further for so long.",
        "The stabilization window already paces it.",
        stays="It limits scale-in.",
        by_tag=RAISE,
    )
    stabilization: Annotated[float, duration()] = told(
        45.0,
        "Scale in only to the highest demand of this window.",
        "A task that is kept for so long costs as much as one that is started anew.",
        stays="It limits scale-in.",
        by_tag=RAISE,
    )
    small_step_stabilization: Annotated[float, duration()] = told(
        120.0,
        "Stabilization window for small scale-ins: a scale-in by less than half of the tasks goes only to the highest "
        "demand of this window. Applies where the demand follows the latency.",
        "Small scale-ins save little, and half of them are reversed soon: with `scale_in.stabilization` alone the "
        "count would change nearly twice as often.",
        stays="It limits scale-in.",
        by_tag=RAISE,
    )
    limits: Annotated[tuple[LimitFields, ...], LIMITS] = told(
        (),
        "At most so much shrinking in so long: {tasks=N or percent=N, per=duration}, one or several.",
        "The busy floor and the stabilization window protect work in progress without one.",
        stays="They limit scale-in.",
    )
    select: Annotated[Select, choice(Select)] = told(
        Select.MAX,
        "With several limits: the one of the larger change, of the smaller, or disabled: no scale-in at all.",
        "The same rule in both directions.",
        stays="It limits scale-in.",
    )


class ActivationFields(Group):
    messages: Annotated[int, whole(0, MOST_TASKS)] = told(
        0,
        "Wake from zero only for more messages than this (after the acceptable latency, for any).",
        "The first message has its promise, too.",
        stays="It limits scale-out from zero.",
    )
    reads: Annotated[int, whole(1, 1000)] = told(
        1,
        "Wake from zero only when so many readings in a row say so.",
        "Raise it to 2 where an empty queue shows phantom messages; each reading more delays waking by an interval.",
        stays="It limits scale-out from zero.",
    )


class FallbackFields(Group):
    behavior: Annotated[FallbackBehavior, choice(FallbackBehavior)] = told(
        FallbackBehavior.HOLD,
        "When nothing can be read: hold the count, go to fallback.tasks, or to it only if that is higher or lower "
        "than the present count.",
        "Not knowing is no reason to change anything; only you can say otherwise.",
        stays="It decides the count while nothing can be read.",
    )
    tasks: Annotated[int | None, optional(TASKS)] = told(
        None,
        "The count to fall back to; required unless the behavior is hold.",
        "No count suits every service.",
        stays="It is the count while nothing can be read.",
    )
    after: Annotated[int, whole(1, 1_000_000)] = told(
        3,
        "Fall back once more readings than this have failed in a row.",
        "One failed reading is weather.",
        stays="It decides when the fallback's count is written.",
    )


class DeploymentFields(Group):
    hold_scale_in: Annotated[bool, truth()] = told(
        True,
        "No scale-in while a deployment is in progress; scale-out goes on.",
        "Application Auto Scaling does the same; two revisions run and either may be the one that goes.",
        stays="It protects a deployment.",
        by_tag=ENABLE,
    )
    at_most: Annotated[float, duration()] = told(
        3600.0,
        "The hold ends after so long, even if the deployment does not.",
        "A deployment may be paused for days; an hour is longer than a rolling one usually takes.",
        stays="It protects a deployment.",
        by_tag=RAISE,
    )
