"""All settings: the kind, the default, the meaning and the reason for the default of each.

Each also declares whether its last value stays when its line is missing on a reload, and what a tag may do to it
(`group.setting`). The reference, the JSON Schema, the names of the variables and the suggestions for mistyped names
are generated from these models. The defaults of a service equal those of `core/policy.py`; a test compares them.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from autoscaler.config.by_tag import ANY, AT_RUNTIME, ENABLE, LOWER, LOWER_GIVEN, RAISE, RAISE_GIVEN, only, stricter
from autoscaler.config.caps import CAPS, Caps
from autoscaler.config.group import Group, setting
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
from autoscaler.core.policy import ConflictingScalers, Mode, Pause, WorkerSafety

_NAME = text(re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII), "a name: write the name alone, not its ARN or URL")
_REGION = text(REGION, "a Region, such as eu-west-1")
_ROLE_ARN = text(
    # parts of the path exclude the slash, so that the pattern matches in one way only
    re.compile(r"arn:aws(?:-cn|-us-gov)?:iam::\d{12}:role/(?:[!-.0-~]{1,512}/)*[A-Za-z0-9_+=,.@-]{1,64}", re.ASCII),
    "an IAM role's ARN, such as arn:aws:iam::123456789012:role/autoscaler",
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
    """Settings of one service. Each service requires cluster, service and max_tasks; `defaults` requires nothing."""

    cluster: Annotated[str | None, _NAME] = setting(
        None,
        "The ECS cluster's name. Required.",
        "Several clusters can have a service of the same name.",
        stays="The same names elsewhere are another service.",
    )
    service: Annotated[str | None, _NAME] = setting(
        None,
        "The ECS service's name. Required.",
        "Only services that are named are scaled.",
        stays="The same names elsewhere are another service.",
    )
    queues: Annotated[tuple[QueueFields, ...], QUEUES] = setting(
        (),
        "The SQS queues that the service receives messages from: names, URLs or ARNs, comma-separated or JSON. "
        "`name=5m` sets the acceptable latency of that queue.",
        "A service may use CPU, memory or metrics instead, but needs at least one signal.",
        stays="Without this signal the service would scale in while work is waiting.",
        by_tag=ANY,
    )
    queue_minutes: Annotated[bool, truth()] = setting(
        True,
        "Also read the queues' one-minute metrics from CloudWatch: age of the oldest message, messages received and "
        "deleted, active groups of a FIFO queue. Without them the rules for late messages, missing progress and FIFO "
        "groups do not work.",
        "The counts of SQS contain neither ages nor progress. Costs about 4 x $0.43 a month per queue: one metric read "
        "once a minute is 43,200 reads, at one cent per thousand.",
        stays="Rules that hold tasks need these minutes.",
        by_tag=ENABLE,
    )
    min_tasks: Annotated[int, TASKS] = setting(
        0,
        "Minimum number of tasks.",
        "An empty queue needs no tasks. With 0 the first message waits for a poll and for the start of a task.",
        stays="It is a bound.",
        by_tag=RAISE,
    )
    max_tasks: Annotated[int, whole(1, MOST_TASKS)] = setting(
        MOST_TASKS,
        "Maximum number of tasks. Required.",
        "It limits cost, and the load on what the workers use, such as a database.",
        stays="It is a bound.",
        by_tag=ANY,
    )
    acceptable_latency: Annotated[float, duration(1.0)] = setting(
        60.0,
        "Latency target: the longest time between the arrival of a message and its receive by a task.",
        "About the start-up time of a task; a shorter latency target needs tasks that already run.",
        by_tag=ANY,
    )
    processing_time: Annotated[float | None, optional(duration(0.001))] = setting(
        None,
        "Time that a task needs for one message. Learned from the messages deleted; this is the first estimate.",
        "Workers change with every release. Until something is learned, five messages per task and minute are assumed.",
        stays="If workers is not set, a long processing time makes scale-in wait.",
        by_tag=RAISE_GIVEN,
    )
    task_concurrency: Annotated[int, whole(1, 1_000_000)] = setting(
        1,
        "Messages that one task processes at the same time. Also learned, for the demand; the busy floor uses this "
        "value.",
        "Too low a value costs tasks; too high a value costs latency.",
        stays="The busy floor is computed from it: a higher number protects fewer tasks.",
        by_tag=LOWER,
    )
    learn: Annotated[bool, truth()] = setting(
        True,
        "Learn processing_time and task_concurrency from the metrics of the queues. false: use both as configured.",
        "Configured values become wrong over time without any sign of it.",
        by_tag=ENABLE,
    )
    look_ahead: Annotated[bool, truth()] = setting(
        True,
        "Forecast the arrivals of the coming minutes from the queue's past weeks, and raise the demand for them. Never "
        "lowers the demand. Reads up to 15 days of one-minute metrics from CloudWatch at the start. Has no effect "
        "if the load does not repeat.",
        "Tasks must be started before a burst to be running when it comes.",
        by_tag=ANY,
    )
    workers: Annotated[WorkerSafety | None, optional(choice(WorkerSafety))] = setting(
        None,
        "What happens to work in progress at a scale-in. self_protecting: busy tasks use ECS task scale-in "
        "protection. draining: on SIGTERM tasks finish or return their messages within stopTimeout. unsafe: tasks lose "
        "work, so a scale-in waits until no message is in flight. Not set: unsafe while messages take longer than "
        "stopTimeout (the learned p95, else processing_time, if set), otherwise draining. stopTimeout is read from the "
        "task definition; without the right to read it, 30s is assumed.",
        "AWS does not report whether a worker returns what it cannot finish in time. A worker that could finish in "
        "time and does not drain already loses work in every deployment.",
        stays="It decides which tasks a scale-in may stop.",
        by_tag=only(WorkerSafety.UNSAFE),
    )
    count_in_flight: Annotated[bool, truth()] = setting(
        True,
        "Count messages in flight in the demand.",
        "A task that processes a message is needed. Set false if workers receive far more messages than they process.",
        stays="Tasks that process messages would no longer be required.",
        by_tag=ENABLE,
    )
    count_delayed: Annotated[bool, truth()] = setting(
        False,
        "Count delayed messages in the demand.",
        "The latency of a delayed message begins when it becomes visible.",
        by_tag=ANY,
    )
    backlog_per_task: Annotated[float | None, optional(_PER_TASK)] = setting(
        None,
        "Messages per task, visible and in flight: the demand is their number divided by this.",
        "acceptable_latency reaches the same without a number that depends on the worker.",
        by_tag=ANY,
    )
    cpu_target_percent: Annotated[float | None, optional(_PERCENT_TARGET)] = setting(
        None,
        "Target of the service's average CPU utilization.",
        "For workers of a queue, CPU utilization says little about the backlog.",
        stays="Without this signal the service would scale in while work is waiting.",
        by_tag=LOWER_GIVEN,
    )
    memory_target_percent: Annotated[float | None, optional(_PERCENT_TARGET)] = setting(
        None,
        "Target of the service's average memory utilization.",
        "Memory rarely follows load, and rarely falls again.",
        stays="Without this signal the service would scale in while work is waiting.",
        by_tag=LOWER_GIVEN,
    )
    metrics: Annotated[Metrics, METRICS] = setting(
        {},
        "More metrics to scale on, each under a name of your choice: from CloudWatch {namespace, metric, "
        "dimensions={...}, statistic} or from Prometheus {prometheus=URL, query}, each with target_per_task (the value "
        "that one task can handle) or target_value (the value to hold, for any number of tasks). The highest "
        "demand of all signals is used. A service's own table replaces that of the defaults as a whole.",
        "The queues show the backlog; a metric is for load that they do not show.",
        stays="Without this signal the service would scale in while work is waiting.",
    )
    formula: Annotated[str | None, optional(FORMULA)] = setting(
        None,
        "An expression for a number of tasks, used as one more signal. It may use the names visible, in_flight, "
        "delayed, oldest_age_s, cpu_percent, memory_percent, running, current and those of the metrics. Example: "
        "max(visible / 50, first(lag, 0) / 10).",
        "The other signals give a clearer reason.",
        stays="Without this signal the service would scale in while work is waiting.",
    )
    schedules: Annotated[Schedules, SCHEDULES] = setting(
        {},
        "Other bounds for a limited time, each under a name of your choice: {cron, for=duration, timezone=UTC, "
        "min_tasks, max_tasks, lead=90s}. cron has five fields, as in '0 8 * * MON-FRI'; the schedule begins earlier "
        "by the lead. Of schedules that overlap, the highest min_tasks and the highest max_tasks apply. They never "
        "exceed the service's max_tasks. A service's own table replaces that of the defaults as a whole.",
        "The backlog is enough, unless tasks must run before the work arrives.",
        stays="They are bounds.",
    )
    scale_out: ScaleOutFields = Field(default_factory=ScaleOutFields)
    scale_in: ScaleInFields = Field(default_factory=ScaleInFields)
    tolerance: Annotated[float, TOLERANCE] = setting(
        0.1,
        "A demand that differs from the current count by at most this share changes nothing.",
        "The Horizontal Pod Autoscaler also uses a tenth; a smaller change is not worth the start of a task.",
        by_tag=RAISE,
    )
    activation: ActivationFields = Field(default_factory=ActivationFields)
    fallback: FallbackFields = Field(default_factory=FallbackFields)
    deployments: DeploymentFields = Field(default_factory=DeploymentFields)
    busy_floor: Annotated[bool, truth()] = setting(
        True,
        "Never scale in below the tasks that are busy with messages.",
        "ECS does not know which tasks are idle when it stops some.",
        stays="It protects tasks that are busy.",
        by_tag=ENABLE,
    )
    launch_per_minute: Annotated[int, whole(1, 1_000_000)] = setting(
        500,
        "Tasks that ECS starts for one service in a minute. One scale-out adds no more than this.",
        "AWS's own limit in its older Regions. Set 125 for Fargate in a Region that opened after May 2025, or where "
        "starting more than that takes longer than a minute.",
        stays="It limits scale-out.",
    )
    stalled_after: Annotated[float, duration(1.0)] = setting(
        300.0,
        "If pending tasks have not started after this time, the service is stalled: it is not scaled out until some "
        "start.",
        "Several times the start-up time on Fargate. More tasks do not help where tasks do not start.",
        stays="It limits scale-out while tasks do not start.",
    )
    conflicting_scalers: Annotated[ConflictingScalers, choice(ConflictingScalers)] = setting(
        ConflictingScalers.WARN,
        "If Application Auto Scaling may change the count of the same service: warn and continue, or refuse to scale "
        "it.",
        "Its scalable target may be left over, or suspended for a trial. Two active scalers are reported at every "
        "poll.",
        stays="It keeps two scalers from changing one count.",
        by_tag=stricter(ConflictingScalers.WARN, ConflictingScalers.REFUSE),
    )
    mode: Annotated[Mode, choice(Mode)] = setting(
        Mode.SHADOW,
        "active: scale out and in. scale_out_only: never scale in. shadow: decide and report, write nothing.",
        "A missing setting must not change a service. Set active when the decisions in shadow are right.",
        stays="The mode decides whether anything is written.",
        by_tag=stricter(Mode.ACTIVE, Mode.SCALE_OUT_ONLY, Mode.SHADOW, comparison="more than"),
    )
    paused: Annotated[Pause | int | None, optional(pause())] = setting(
        None,
        "Pause all scaling, pause one direction, or hold a fixed task count.",
        "A pause is for exceptions.",
        stays="A pause ends only when an operator removes it.",
        by_tag=AT_RUNTIME,
    )
    region: Annotated[str | None, optional(_REGION)] = setting(
        None,
        "The AWS Region of the service.",
        "Most services are in the daemon's own Region (AWS_REGION).",
        stays="The same names elsewhere are another service.",
    )
    role_arn: Annotated[str | None, optional(_ROLE_ARN)] = setting(
        None,
        "IAM role to assume for a service of another account. Also used to read its queues and metrics. The task role "
        "needs sts:AssumeRole on it, and its trust policy must allow the task role.",
        "The daemon's own credentials are enough for its own account.",
        stays="Without its role, the same names in the daemon's own account would be scaled.",
    )
    external_id: Annotated[str | None, optional(_EXTERNAL_ID)] = setting(
        None,
        "The external ID that the trust policy of role_arn requires (sts:ExternalId).",
        "Roles within one organization rarely require one.",
        stays="It belongs to the role.",
    )


class PolicyFields(ServiceFields):
    """The policy at one moment. Its bounds may come from a schedule; `max_tasks` may then be 0."""

    max_tasks: Annotated[int, TASKS] = setting(MOST_TASKS, "Maximum number of tasks.", "The limit of ECS.")
    schedule: Annotated[str | None, IN_FORCE] = setting(
        None, "The schedule that sets the bounds.", "Without an active schedule the service's own bounds apply."
    )


class GlobalFields(Group):
    interval: Annotated[float, duration(1.0)] = setting(
        10.0,
        "Poll interval of every service. The effective interval is at most a third of the shortest acceptable latency; "
        "only that can bring it below one second.",
        "Six readings within a latency target of one minute, for about ten cents per queue and month.",
    )
    quiet_interval: Annotated[float, duration(1.0)] = setting(
        60.0,
        "Longest poll interval of a service whose queues are empty; its interval grows up to this, and the first "
        "message resets it. The effective value is at most a third of the acceptable latency, and at most half of the "
        "time that remains of it after the start-up time. Set it to the value of interval to always poll at that "
        "interval.",
        "Reading an empty queue costs as much as reading a full one. With a latency target of one minute, start-up "
        "leaves no time and no poll is skipped; with five minutes there is one poll a minute.",
    )
    fleet_cap_percent: Annotated[int | None, optional(whole(1, 100))] = setting(
        None,
        "Percentage of all tasks of all services that may be removed within five minutes. Not set: 50 with several "
        "services, and no cap with a single one. A value that is set also holds for a single service.",
        "When many queues read empty at once, it is likelier that something broke than that all work ended. A single "
        "service often empties its queue: a cap of 50 cost 16 % more on the scorecard's traces at 60 s.",
        stays="It limits scale-in.",
    )
    rate_share_percent: Annotated[int, whole(1, 100)] = setting(
        25,
        "Percentage of each published AWS API quota that the autoscaler may use. Scale-out calls may use the full "
        "quota.",
        "Other callers of the account share the quotas: consoles, deployments, other tools.",
        stays="It is a bound on the calls of all services.",
    )
    discover_clusters: Annotated[tuple[str, ...], names(_NAME)] = setting(
        (),
        "Clusters in which services are discovered: every service with the tag autoscaler:queues is scaled, with other "
        "settings in tags named like the settings. Read once a minute, in the Region and with the role of the "
        "defaults.",
        "Only services that are named, or whose owner set the tag, are scaled.",
        stays="If a cluster is removed, the services discovered there are no longer scaled.",
    )
    max_tasks_ceiling: Annotated[int, whole(1, MOST_TASKS)] = setting(
        100,
        "Highest max_tasks that a tag may set. A profile may set more.",
        "The right to tag a service is often wider than the right to spend.",
        stays="It is a bound on what tags may set.",
    )
    caps: Annotated[Caps, CAPS] = setting(
        {},
        "Resources that several services share, each under a name of your choice: {most, per_task={service key = "
        "amount that one task uses}}. A scale-out never exceeds the amount.",
        "AWS does not know the limits of what the workers use: connections of a database, a quota of vCPUs.",
        stays="They are bounds.",
    )
    http_host: Annotated[str, _HOST] = setting(
        "127.0.0.1",
        "Address on which the page, the metrics and the health checks are served.",
        "Nothing is open to the network by default. The container image sets 0.0.0.0, since Prometheus runs on another "
        "host.",
    )
    http_port: Annotated[int, whole(0, 65535)] = setting(
        9108, "Port of the HTTP server; 0 selects any free port.", "Unprivileged, and not used by a common exporter."
    )
    web_config_file: Annotated[str | None, optional(_PATH)] = setting(
        None,
        "A file in the format of Prometheus's web configuration (`web.yml`): TLS by tls_server_config, passwords by "
        "basic_auth_users.",
        "The server is read-only and by default on loopback only.",
    )
    log_format: Annotated[LogFormat, choice(LogFormat)] = setting(
        LogFormat.AUTO,
        "json: one object per line. console: for people. auto: console on a terminal, JSON elsewhere.",
        "Log systems read JSON; people read text.",
    )
    log_level: Annotated[LogLevel, choice(LogLevel)] = setting(
        LogLevel.INFO, "Lowest severity that is logged.", "Every change, and one line per minute and service."
    )
    config_file: Annotated[str | None, optional(_PATH)] = setting(
        None, "A TOML file with settings. Environment variables override it.", "One service does not need a file."
    )
