"""Every setting, once: its kind, its default, what it means and why the default is what it is.

Next to that stands whether the last value stays when its line is missing on a reload, and what a tag may do to it
(`group.told`). The reference, the JSON Schema, the names of the variables and the suggestions for mistyped ones are all
made from these models. Defaults of a service are the core's own (`core/policy.py`); a test holds the two together.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from autoscaler.config.by_tag import ANY, AT_RUNTIME, ENABLE, LOWER, LOWER_GIVEN, RAISE, RAISE_GIVEN, only, stricter
from autoscaler.config.caps import CAPS, Caps
from autoscaler.config.group import Group, told
from autoscaler.config.items import QUEUES, TASKS, QueueFields
from autoscaler.config.kinds import (
    MOST_TASKS,
    choice,
    duration,
    names,
    number,
    optional,
    pause,
    secret,
    text,
    truth,
    whole,
)
from autoscaler.config.metrics import FORMULA, METRICS, Metrics
from autoscaler.config.model import LogFormat, LogLevel
from autoscaler.config.queues import REGION
from autoscaler.config.rules import (
    TOLERANCE,
    ActivationFields,
    DeploymentFields,
    FallbackFields,
    ScaleInFields,
    ScaleOutFields,
)
from autoscaler.config.schedules import IN_FORCE, SCHEDULES, Schedules
from autoscaler.core.policy import ConflictingScalers, Mode, Pause, Workers

_NAME = text(re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII), "a name: write the name alone, not its ARN or URL")
_REGION = text(REGION, "a Region, such as eu-west-1")
_ROLE_ARN = text(
    # a path's parts hold no slash, so that there is one way only to read it
    re.compile(r"arn:aws(?:-cn|-us-gov)?:iam::\d{12}:role/(?:[!-.0-~]{1,512}/)*[A-Za-z0-9_+=,.@-]{1,64}", re.ASCII),
    "an IAM role's ARN: it looks like arn:aws:iam::123456789012:role/autoscaler",
)
_EXTERNAL_ID = secret(
    re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}", re.ASCII), "an external id: 2 to 1224 letters, digits and _+=,.@:/-"
)
_HOST = text(re.compile(r"[A-Za-z0-9._:-]{1,255}", re.ASCII), "an address or a host name to listen on")
_PATH = text(re.compile(r"[^\0]+"), "the path of a file")
_PERCENT_TARGET = number(
    lambda percent: 0 < percent <= 100, "above 0 and at most 100", {"exclusiveMinimum": 0, "maximum": 100}
)
_PER_TASK = number(lambda messages: messages > 0, "above 0", {"exclusiveMinimum": 0})


class ServiceFields(Group):
    """One service. In many, cluster, service and max_tasks must be given; in `defaults`, nothing must."""

    cluster: Annotated[str | None, _NAME] = told(
        None,
        "The ECS cluster's name. Required.",
        "The same service name may stand in several clusters.",
        stays="The same names elsewhere are another service.",
    )
    service: Annotated[str | None, _NAME] = told(
        None,
        "The ECS service's name. Required.",
        "Nothing is scaled that was not named.",
        stays="The same names elsewhere are another service.",
    )
    queues: Annotated[tuple[QueueFields, ...], QUEUES] = told(
        (),
        "The SQS queues it takes messages from: names, URLs or ARNs, comma-separated or JSON; `name=5m` gives one a "
        "latency of its own.",
        "A service may follow CPU, memory or metrics instead, but must follow something.",
        stays="With a signal lost, the service would scale in while its work waits.",
        by_tag=ANY,
    )
    queue_minutes: Annotated[bool, truth()] = told(
        True,
        "Read the queues' minutes from CloudWatch, too: the oldest message's age, what was received and deleted, a "
        "FIFO queue's active groups. Without them no rule can know of late messages, no progress or a FIFO cap.",
        "SQS's own counts tell neither ages nor progress. Costs about 4 x $0.43 a month and queue: one metric read "
        "once a minute is 43,200 reads, at a cent per thousand.",
        stays="Rules that hold tasks need these minutes.",
        by_tag=ENABLE,
    )
    min_tasks: Annotated[int, TASKS] = told(
        0,
        "The fewest tasks there may be.",
        "Nothing waits, nothing runs. With 0 the first message waits for a poll and a start-up.",
        stays="It is a bound.",
        by_tag=RAISE,
    )
    max_tasks: Annotated[int, whole(1, MOST_TASKS)] = told(
        MOST_TASKS,
        "The most tasks there may be. Required.",
        "Only you know what your bill and your database can bear.",
        stays="It is a bound.",
        by_tag=ANY,
    )
    acceptable_latency: Annotated[float, duration(1.0)] = told(
        60.0,
        "How long a message may wait until a worker receives it.",
        "About what a task takes to start; shorter promises need tasks that are already there.",
        by_tag=ANY,
    )
    processing_time: Annotated[float | None, optional(duration(0.001))] = told(
        None,
        "What one message takes a worker. Learned from what is deleted; this is where learning begins.",
        "Workers change with every release. Until something is learned, five messages a task and minute are assumed.",
        stays="Where workers is not set, long messages make a scale-in wait.",
        by_tag=RAISE_GIVEN,
    )
    task_concurrency: Annotated[int, whole(1, 1_000_000)] = told(
        1,
        "How many messages a task works on at once. Learned too, for the demand; the busy floor takes this number.",
        "Assuming less than there is costs tasks; more costs latency.",
        stays="The busy floor is computed from it: a higher number protects fewer tasks.",
        by_tag=LOWER,
    )
    learn: Annotated[bool, truth()] = told(
        True,
        "Learn processing_time and task_concurrency from what the workers do. Turned off, both stand as configured.",
        "Configured numbers are seldom right for long, and nobody notices.",
        by_tag=ENABLE,
    )
    look_ahead: Annotated[bool, truth()] = told(
        True,
        "Let what the queue's past weeks say of the coming minutes raise the demand. Never lowers it; reads up to 15 "
        "days of CloudWatch's minutes at the start, and is off by itself where the past does not repeat.",
        "Only who starts tasks before a burst has them in time for it.",
        by_tag=ANY,
    )
    workers: Annotated[Workers | None, optional(choice(Workers))] = told(
        None,
        "What a scale-in may do to work in progress. self_protecting: busy tasks hold ECS task scale-in protection. "
        "draining: on SIGTERM they finish or give back their messages within stopTimeout. unsafe: they lose work, so a "
        "scale-in waits until no message is in flight. Not set: unsafe while messages take longer than stopTimeout "
        "(the learned p95, else processing_time, if set), otherwise draining. stopTimeout is read from the task "
        "definition; 30s is assumed where that may not be read.",
        "Only you know whether a worker gives back what it cannot finish in time. A worker that can finish in time and "
        "does not drain loses work in every deployment already.",
        stays="It decides which tasks a scale-in may stop.",
        by_tag=only(Workers.UNSAFE),
    )
    count_in_flight: Annotated[bool, truth()] = told(
        True,
        "Messages in flight ask for tasks, too.",
        "A task that works on a message is needed; turn it off where workers hold far more than they work on.",
        stays="Tasks that work on messages would no longer be required.",
        by_tag=ENABLE,
    )
    count_delayed: Annotated[bool, truth()] = told(
        False,
        "Delayed messages ask for tasks, too.",
        "A delayed message starts to wait when it becomes visible, and it may be delayed in order to wait.",
        by_tag=ANY,
    )
    backlog_per_task: Annotated[float | None, optional(_PER_TASK)] = told(
        None,
        "Ask for a task for every so many messages, waiting and in flight.",
        "The acceptable latency says the same in terms of what is wanted.",
        by_tag=ANY,
    )
    cpu_target_percent: Annotated[float | None, optional(_PERCENT_TARGET)] = told(
        None,
        "Keep the service's mean CPU at this.",
        "For a queue's workers, CPU says little about what waits.",
        stays="With a signal lost, the service would scale in while its work waits.",
        by_tag=LOWER_GIVEN,
    )
    memory_target_percent: Annotated[float | None, optional(_PERCENT_TARGET)] = told(
        None,
        "Keep the service's mean memory at this.",
        "Memory seldom follows load, and seldom comes back down.",
        stays="With a signal lost, the service would scale in while its work waits.",
        by_tag=LOWER_GIVEN,
    )
    metrics: Annotated[Metrics, METRICS] = told(
        {},
        "Other numbers to follow, by a name of your choice: from CloudWatch {namespace, metric, dimensions={...}, "
        "statistic} or from Prometheus {prometheus=URL, query}, each with target_per_task (what one task can bear) "
        "or target_value (what it should be, whatever runs). The highest demand of all signals wins. The table "
        "counts as a whole: a service's own replaces the defaults'.",
        "The queues say what waits; a metric is for what they do not show.",
        stays="With a signal lost, the service would scale in while its work waits.",
    )
    formula: Annotated[str | None, optional(FORMULA)] = told(
        None,
        "A number of tasks, from the names visible, in_flight, delayed, oldest_age_s, cpu_percent, memory_percent, "
        "running, current and those of the metrics: one more signal, as in max(visible / 50, first(lag, 0) / 10).",
        "The other signals say it with a reason that people understand.",
        stays="With a signal lost, the service would scale in while its work waits.",
    )
    schedules: Annotated[Schedules, SCHEDULES] = told(
        {},
        "Other bounds for a while, by a name of your choice: {cron, for=duration, timezone=UTC, min_tasks, "
        "max_tasks, lead=90s}. cron has five fields, as in '0 8 * * MON-FRI'; it begins earlier by the lead. Of "
        "schedules that overlap, the highest min_tasks and the highest max_tasks hold. max_tasks stays the ceiling. "
        "The table counts as a whole: a service's own replaces the defaults'.",
        "What waits says enough, unless tasks must be there before it comes.",
        stays="They are bounds.",
    )
    scale_out: ScaleOutFields = Field(default_factory=ScaleOutFields)
    scale_in: ScaleInFields = Field(default_factory=ScaleInFields)
    tolerance: Annotated[float, TOLERANCE] = told(
        0.1,
        "Demand within this share of the present count changes nothing.",
        "A tenth is what the Horizontal Pod Autoscaler takes; a change smaller than that is not worth a start-up.",
        by_tag=RAISE,
    )
    activation: ActivationFields = Field(default_factory=ActivationFields)
    fallback: FallbackFields = Field(default_factory=FallbackFields)
    deployments: DeploymentFields = Field(default_factory=DeploymentFields)
    busy_floor: Annotated[bool, truth()] = told(
        True,
        "Never scale in below the tasks that are busy with messages.",
        "ECS stops tasks without asking which are idle.",
        stays="It protects tasks that are busy.",
        by_tag=ENABLE,
    )
    launch_per_minute: Annotated[int, whole(1, 1_000_000)] = told(
        500,
        "How many tasks ECS starts for one service in a minute: no more are asked for at once.",
        "AWS's own limit in its older Regions. Set 125 for Fargate in a Region that opened after May 2025, or where "
        "starting more than that takes longer than a minute.",
        stays="It limits scale-out.",
    )
    stalled_after: Annotated[float, duration(1.0)] = told(
        300.0,
        "Tasks that were asked for and have not come up for so long stall the service: no more are asked for until "
        "some do.",
        "Several times what a task on Fargate takes to start; asking for more of what does not start helps nobody.",
        stays="It limits scale-out while tasks do not start.",
    )
    conflicting_scalers: Annotated[ConflictingScalers, choice(ConflictingScalers)] = told(
        ConflictingScalers.WARN,
        "Where Application Auto Scaling may change the same service's count: warn and go on, or refuse to scale it.",
        "Its target may have been left behind, or is suspended while you try this; two that both act is worth a "
        "warning at every look.",
        stays="It keeps two scalers from changing one count.",
        by_tag=stricter(ConflictingScalers.WARN, ConflictingScalers.REFUSE),
    )
    mode: Annotated[Mode, choice(Mode)] = told(
        Mode.SHADOW,
        "active: scale both ways. scale_out_only: never in. shadow: decide and report, write nothing.",
        "A setting that is missing must not change a service. Set active to let it scale, once its decisions in shadow "
        "are right.",
        stays="A mode decides whether anything is written.",
        by_tag=stricter(Mode.ACTIVE, Mode.SCALE_OUT_ONLY, Mode.SHADOW, comparison="more than"),
    )
    paused: Annotated[Pause | int | None, optional(pause())] = told(
        None,
        "Pause all scaling, one direction, or stand at a count of tasks.",
        "A pause is an exception.",
        stays="A pause ends when somebody ends it.",
        by_tag=AT_RUNTIME,
    )
    region: Annotated[str | None, optional(_REGION)] = told(
        None,
        "The service's Region.",
        "The daemon's own Region (AWS_REGION), where most services are.",
        stays="The same names elsewhere are another service.",
    )
    role_arn: Annotated[str | None, optional(_ROLE_ARN)] = told(
        None,
        "The IAM role to act as, for a service of another account; its queues and metrics are read with it, too. The "
        "task role needs sts:AssumeRole on it, and its trust policy must admit the task role.",
        "The daemon's own credentials are enough for its own account.",
        stays="Without its role, the same names in the daemon's own account would be scaled.",
    )
    external_id: Annotated[str | None, optional(_EXTERNAL_ID)] = told(
        None,
        "What the trust policy of role_arn asks to hear (sts:ExternalId).",
        "A role of one's own organization seldom asks for one.",
        stays="It belongs to the role.",
    )


class PolicyFields(ServiceFields):
    """One moment's policy. Its bounds may come from a schedule, and then there may be no tasks at all."""

    max_tasks: Annotated[int, TASKS] = told(MOST_TASKS, "The most tasks there may be.", "As many as ECS can take.")
    schedule: Annotated[str | None, IN_FORCE] = told(
        None, "The schedule whose bounds these are.", "Bounds are the service's own, unless a schedule is in force."
    )


class GlobalFields(Group):
    interval: Annotated[float, duration(1.0)] = told(
        10.0,
        "How often every service is read and decided on. In force is at most a third of the shortest acceptable "
        "latency, which alone may bring it below a second.",
        "Six readings in a minute's promise, at about ten cents a queue and month.",
    )
    quiet_interval: Annotated[float, duration(1.0)] = told(
        60.0,
        "A service whose queues are empty is looked at less and less often, down to this; the first message brings "
        "back the interval. In force is at most what the promise bears: a third of the acceptable latency, and half of "
        "what it leaves beside a start-up. Set it to the interval to look always.",
        "An empty queue costs as many calls as a full one. At a latency of a minute a start-up leaves nothing, and "
        "every look is made; at five minutes, one a minute.",
    )
    fleet_cap_percent: Annotated[int | None, optional(whole(1, 100))] = told(
        None,
        "Percentage of all tasks of all services that may be removed within five minutes. Not set: 50 with several "
        "services, and no cap with a single one. A value that is set also holds for a single service.",
        "When many queues read empty at once, it is likelier that something broke than that all work ended. A single "
        "service often empties its queue: a cap of 50 cost 16 % more on the scorecard's traces at 60 s.",
        stays="It limits scale-in.",
    )
    rate_share_percent: Annotated[int, whole(1, 100)] = told(
        25,
        "At most so much of the call rates that AWS publishes is used; scale-outs alone may use all of them.",
        "The account's other callers share the rates: consoles, deployments, other tools.",
        stays="It is a bound on the calls of all services.",
    )
    discover_clusters: Annotated[tuple[str, ...], names(_NAME)] = told(
        (),
        "Clusters of which every service is taken over that carries the tag autoscaler:queues, with other settings in "
        "tags of the same names. Looked for once a minute, in the Region and with the role of the defaults.",
        "Nothing is scaled that was not named, or whose owner did not ask for it.",
        stays="Without a cluster, all services found there are given up.",
    )
    max_tasks_ceiling: Annotated[int, whole(1, MOST_TASKS)] = told(
        100,
        "No tag may set max_tasks above this; a profile may.",
        "Who may tag a service need not be who pays for it.",
        stays="It is a bound on what tags may set.",
    )
    caps: Annotated[Caps, CAPS] = told(
        {},
        "What services share, by a name of your choice: {most, per_task={service key = what one task takes}}. No "
        "scale-out may take more than there is.",
        "Only you know what stands behind the workers: a database's connections, a quota of vCPUs.",
        stays="They are bounds.",
    )
    http_host: Annotated[str, _HOST] = told(
        "127.0.0.1",
        "The address on which the page, metrics and health are served.",
        "Nothing is shown to the network unasked. The container image sets 0.0.0.0: a scraper sits on another host.",
    )
    http_port: Annotated[int, whole(0, 65535)] = told(
        9108, "The port of the same; 0 takes any free one.", "Unprivileged, and no common exporter's."
    )
    web_config_file: Annotated[str | None, optional(_PATH)] = told(
        None,
        "A file in the format of Prometheus's web configuration (`web.yml`): TLS by tls_server_config, passwords by "
        "basic_auth_users.",
        "What is served is read only, and by default on loopback only.",
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
