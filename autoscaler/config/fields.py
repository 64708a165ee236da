"""Every setting, once: its kind, its default, what it means and why the default is what it is.

The reference, the JSON Schema, the names of the variables and the suggestions for mistyped ones are all made from
these models. Defaults of a service are the core's own (`core/policy.py`); a test holds the two together.
"""

from __future__ import annotations

import re
from typing import Annotated

from autoscaler.config.group import Group, told
from autoscaler.config.items import LIMITS, QUEUES, TASKS, LimitFields, QueueFields
from autoscaler.config.kinds import MOST_TASKS, choice, duration, number, optional, pause, text, truth, whole
from autoscaler.config.model import LogFormat, LogLevel
from autoscaler.config.queues import REGION
from autoscaler.core.policy import FallbackBehavior, Mode, Pause, Select, Workers

_NAME = text(re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII), "a name: write the name alone, not its ARN or URL")
_REGION = text(REGION, "a Region, such as eu-west-1")
_HOST = text(re.compile(r"[A-Za-z0-9._:-]{1,255}", re.ASCII), "an address or a host name to listen on")
_PATH = text(re.compile(r"[^\0]+"), "the path of a file")
_PERCENT_TARGET = number(
    lambda percent: 0 < percent <= 100, "above 0 and at most 100", {"exclusiveMinimum": 0, "maximum": 100}
)
_PER_TASK = number(lambda messages: messages > 0, "above 0", {"exclusiveMinimum": 0})
_TOLERANCE = number(lambda ratio: 0 <= ratio < 1, "from 0 to below 1", {"minimum": 0, "exclusiveMaximum": 1})


class ScaleOutFields(Group):
    cooldown: Annotated[float, duration()] = told(
        0.0,
        "After an accepted scale-out, none further for so long.",
        "Waiting messages cannot wait for a cooldown; demand already counts the tasks that are starting.",
    )
    stabilization: Annotated[float, duration()] = told(
        0.0,
        "Scale out only to the lowest demand of this window.",
        "A burst is answered at once; a window here delays every scale-out by its length.",
    )
    limits: Annotated[tuple[LimitFields, ...], LIMITS] = told(
        (),
        "At most so much growth in so long: {tasks=N or percent=N, per=duration}, one or several.",
        "max_tasks bounds it; a limit is for what stands behind the workers, such as a database.",
    )
    select: Annotated[Select, choice(Select)] = told(
        Select.MAX,
        "With several limits: the one of the larger change, of the smaller, or disabled: no scale-out at all.",
        "The larger change is what the Horizontal Pod Autoscaler takes, too.",
    )


class ScaleInFields(ScaleOutFields):
    cooldown: Annotated[float, duration()] = told(
        0.0, "After an accepted scale-in, none further for so long.", "The stabilization window already paces it."
    )
    stabilization: Annotated[float, duration()] = told(
        60.0,
        "Scale in only to the highest demand of this window.",
        "SQS's counts take about a minute to settle, and a Fargate task is billed for a minute at least.",
    )
    limits: Annotated[tuple[LimitFields, ...], LIMITS] = told(
        (),
        "At most so much shrinking in so long: {tasks=N or percent=N, per=duration}, one or several.",
        "The busy floor and the stabilization window protect work in progress without one.",
    )
    select: Annotated[Select, choice(Select)] = told(
        Select.MAX,
        "With several limits: the one of the larger change, of the smaller, or disabled: no scale-in at all.",
        "The same rule in both directions.",
    )


class ActivationFields(Group):
    messages: Annotated[int, whole(0, MOST_TASKS)] = told(
        0,
        "Wake from zero only for more messages than this (after the acceptable latency, for any).",
        "The first message has its promise, too.",
    )
    reads: Annotated[int, whole(1, 1000)] = told(
        1,
        "Wake from zero only when so many readings in a row say so.",
        "Raise it to 2 where an empty queue shows phantom messages; each reading more delays waking by an interval.",
    )


class FallbackFields(Group):
    behavior: Annotated[FallbackBehavior, choice(FallbackBehavior)] = told(
        FallbackBehavior.HOLD,
        "When nothing can be read: hold the count, go to fallback.tasks, or to it only if that is higher or lower "
        "than the present count.",
        "Not knowing is no reason to change anything; only you can say otherwise.",
    )
    tasks: Annotated[int | None, optional(TASKS)] = told(
        None, "The count to fall back to; required unless the behavior is hold.", "No count suits every service."
    )
    after: Annotated[int, whole(1, 1_000_000)] = told(
        3, "Fall back once more readings than this have failed in a row.", "One failed reading is weather."
    )


class DeploymentFields(Group):
    hold_scale_in: Annotated[bool, truth()] = told(
        True,
        "No scale-in while a deployment is in progress; scale-out goes on.",
        "Application Auto Scaling does the same; two revisions run and either may be the one that goes.",
    )
    at_most: Annotated[float, duration()] = told(
        3600.0,
        "The hold ends after so long, even if the deployment does not.",
        "A deployment may be paused for days; an hour is longer than a rolling one usually takes.",
    )


class ServiceFields(Group):
    """One service. In many, cluster, service and max_tasks must be given; in `defaults`, nothing must."""

    cluster: Annotated[str | None, _NAME] = told(
        None, "The ECS cluster's name. Required.", "The same service name may stand in several clusters."
    )
    service: Annotated[str | None, _NAME] = told(
        None, "The ECS service's name. Required.", "Nothing is scaled that was not named."
    )
    queues: Annotated[tuple[QueueFields, ...], QUEUES] = told(
        (),
        "The SQS queues it takes messages from: names, URLs or ARNs, comma-separated or JSON; `name=5m` gives one a "
        "latency of its own.",
        "A service may follow CPU or memory instead, but must follow something.",
    )
    min_tasks: Annotated[int, TASKS] = told(
        0,
        "The fewest tasks there may be.",
        "Nothing waits, nothing runs. With 0 the first message waits for a poll and a start-up.",
    )
    max_tasks: Annotated[int, whole(1, MOST_TASKS)] = told(
        MOST_TASKS, "The most tasks there may be. Required.", "Only you know what your bill and your database can bear."
    )
    acceptable_latency: Annotated[float, duration(1.0)] = told(
        60.0,
        "How long a message may wait until a worker receives it.",
        "About what a task takes to start; shorter promises need tasks that are already there.",
    )
    processing_time: Annotated[float | None, optional(duration(0.001))] = told(
        None, "What one message takes a worker.", "Until it is known, a modest number of messages per task is assumed."
    )
    task_concurrency: Annotated[int, whole(1, 1_000_000)] = told(
        1, "How many messages a task works on at once.", "Assuming less than there is costs tasks; more costs latency."
    )
    workers: Annotated[Workers, choice(Workers)] = told(
        Workers.DRAINING,
        "What a scale-in may do to work in progress. self_protecting: busy tasks hold ECS task scale-in protection. "
        "draining: on SIGTERM they finish or give back their messages within stopTimeout. unsafe: they lose work.",
        "A worker that does not drain loses work in every deployment already.",
    )
    backlog_per_task: Annotated[float | None, optional(_PER_TASK)] = told(
        None,
        "Ask for a task for every so many messages, waiting and in flight.",
        "The acceptable latency says the same in terms of what is wanted.",
    )
    cpu_target_percent: Annotated[float | None, optional(_PERCENT_TARGET)] = told(
        None, "Keep the service's mean CPU at this.", "For a queue's workers, CPU says little about what waits."
    )
    memory_target_percent: Annotated[float | None, optional(_PERCENT_TARGET)] = told(
        None, "Keep the service's mean memory at this.", "Memory seldom follows load, and seldom comes back down."
    )
    scale_out: ScaleOutFields = ScaleOutFields()
    scale_in: ScaleInFields = ScaleInFields()
    tolerance: Annotated[float, _TOLERANCE] = told(
        0.1,
        "Demand within this share of the present count changes nothing.",
        "A tenth is what the Horizontal Pod Autoscaler takes; a change smaller than that is not worth a start-up.",
    )
    activation: ActivationFields = ActivationFields()
    fallback: FallbackFields = FallbackFields()
    deployments: DeploymentFields = DeploymentFields()
    busy_floor: Annotated[bool, truth()] = told(
        True,
        "Never scale in below the tasks that are busy with messages.",
        "ECS stops tasks without asking which are idle.",
    )
    mode: Annotated[Mode, choice(Mode)] = told(
        Mode.ACTIVE,
        "active: scale both ways. scale_out_only: never in. shadow: decide and report, write nothing.",
        "It was configured in order to scale; begin with shadow where you want to watch first.",
    )
    paused: Annotated[Pause | int | None, optional(pause())] = told(
        None, "Pause all scaling, one direction, or stand at a count of tasks.", "A pause is an exception."
    )
    region: Annotated[str | None, optional(_REGION)] = told(
        None, "The service's Region.", "The daemon's own Region (AWS_REGION), where most services are."
    )


class GlobalFields(Group):
    interval: Annotated[float, duration(1.0)] = told(
        10.0,
        "How often every service is read and decided on. In force is at most a third of the shortest acceptable "
        "latency, which alone may bring it below a second.",
        "Six readings in a minute's promise, at about ten cents a queue and month.",
    )
    http_host: Annotated[str, _HOST] = told(
        "127.0.0.1",
        "The address on which the page, metrics and health are served.",
        "Nothing is shown to the network unasked. The container image sets 0.0.0.0: a scraper sits on another host.",
    )
    http_port: Annotated[int, whole(0, 65535)] = told(
        9108, "The port of the same; 0 takes any free one.", "Unprivileged, and no common exporter's."
    )
    log_format: Annotated[LogFormat, choice(LogFormat)] = told(
        LogFormat.AUTO,
        "json: one object a line. console: for people. auto: console on a terminal, JSON elsewhere.",
        "Each reader gets what it can read.",
    )
    log_level: Annotated[LogLevel, choice(LogLevel)] = told(
        LogLevel.INFO, "The least severe lines that are logged.", "Every change, and a line a minute per service."
    )
    config_file: Annotated[str | None, optional(_PATH)] = told(
        None, "A TOML file with more settings; variables beat it.", "One service needs none."
    )
