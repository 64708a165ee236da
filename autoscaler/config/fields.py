"""All settings: the kind, the default, the meaning and the reason for the default of each.

Each also declares whether its last value stays when its line is missing on a reload, and what a tag may do to it
(`group.setting`). The reference, the JSON Schema, the names of the variables and the suggestions for mistyped names
are generated from these models. A setting with the name of an attribute of `Policy` (in seconds: with `_s`) fills it
(`config/policies.py`) and has its default; in the same way, a daemon-wide setting fills an attribute of `Config`.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from autoscaler.config.addresses import REGION, ROLE_ARN
from autoscaler.config.groups import (
    ANY,
    AT_RUNTIME,
    DEFAULT,
    ENABLE,
    EVENT_QUEUE,
    LOWER,
    LOWER_GIVEN,
    QUEUES,
    RAISE,
    RAISE_GIVEN,
    TASKS,
    Group,
    QueueFields,
    only,
    setting,
    stricter,
)
from autoscaler.config.metrics import FORMULA, METRICS, Metrics
from autoscaler.config.model import LogFormat, LogLevel
from autoscaler.config.rules import (
    CAPS,
    SCHEDULES,
    TOLERANCE,
    ActivationFields,
    Caps,
    DeploymentFields,
    FallbackFields,
    ScaleInFields,
    ScaleOutFields,
    Schedules,
)
from autoscaler.config.values import (
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
from autoscaler.core.policy import ConflictingScalers, Mode, Pause, WorkerSafety
from autoscaler.ports import QueueRef

MOST_DOLLARS = 1e6
"""A higher price per task and hour is a mistake."""

_NAME = text(re.compile(r"[A-Za-z0-9_-]{1,255}", re.ASCII), "a name: write the name alone, not its ARN or URL")
_REGION = text(REGION, "a Region, such as eu-west-1")
_EXTERNAL_ID = secret(
    re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}", re.ASCII), "an external id: 2 to 1224 letters, digits and _+=,.@:/-"
)
_HOST = text(re.compile(r"[A-Za-z0-9._:-]{1,255}", re.ASCII), "an address or a host name to listen on")
_PATH = text(re.compile(r"[^\0]+"), "the path of a file")
_PERCENT_TARGET = number(
    lambda percent: 0 < percent <= 100, "above 0 and at most 100", {"exclusiveMinimum": 0, "maximum": 100}
)
_PRICE = number(
    lambda dollars: 0 < dollars <= MOST_DOLLARS, "above 0, in dollars per task and hour", {"exclusiveMinimum": 0}
)
_PER_TASK = number(lambda messages: messages > 0, "above 0", {"exclusiveMinimum": 0})


class ServiceFields(Group):
    """Settings of one service. Each service requires cluster, service and max_tasks; `defaults` requires nothing."""

    cluster: Annotated[str | None, _NAME] = setting(
        None,
        "The ECS cluster's name. Required.",
        "Several clusters can have a service of the same name.",
        stays="without this line, a service of the same name in another cluster could be scaled.",
    )
    service: Annotated[str | None, _NAME] = setting(
        None,
        "The ECS service's name. Required.",
        "Only configured services are scaled.",
        stays="without this line, another service of the cluster could be scaled.",
    )
    queues: Annotated[tuple[QueueFields, ...], QUEUES] = setting(
        (),
        "The SQS queues that the service receives messages from: names, URLs or ARNs, comma-separated or JSON. "
        "`name=5m` sets the acceptable latency of that queue.",
        "A service may use CPU, memory or metrics instead, but needs at least one signal.",
        stays="without this signal, the service would scale in while messages wait.",
        by_tag=ANY,
    )
    queue_minutes: Annotated[bool, truth()] = setting(
        True,
        "Also read the queues' one-minute metrics from CloudWatch: age of the oldest message, messages received and "
        "deleted, active groups of a FIFO queue. Without them, the rules `late`, `contradiction`, `no_progress` and "
        "`fifo` do not apply, processing_time is not learned, and look_ahead has no effect.",
        "The counts of SQS contain neither ages nor progress. The metrics cost about $1.73 per queue and month: 4 "
        "metrics x 43,200 minutes x $0.01 / 1,000.",
        stays="rules that block scale-in need these metrics.",
        by_tag=ENABLE,
    )
    min_tasks: Annotated[int, TASKS] = setting(
        DEFAULT.min_tasks,
        "Minimum number of tasks.",
        "An empty queue needs no tasks. With 0 the first message waits for a poll and for the start of a task.",
        stays="this setting is a bound on the task count.",
        by_tag=RAISE,
    )
    max_tasks: Annotated[int, whole(1, MOST_TASKS)] = setting(
        DEFAULT.max_tasks,
        "Maximum number of tasks. Required.",
        "It limits the cost, and the load on resources that the workers use, such as a database.",
        stays="this setting is a bound on the task count.",
        by_tag=ANY,
    )
    acceptable_latency: Annotated[float, duration(1.0)] = setting(
        DEFAULT.acceptable_latency_s,
        "Latency target: the longest time from the arrival of a message until a task receives it.",
        "The default is about the start-up time of a task. A shorter latency target requires tasks that already run.",
        by_tag=ANY,
    )
    processing_time: Annotated[float | None, optional(duration(0.001))] = setting(
        DEFAULT.processing_time_s,
        "Time that a task needs for one message. The daemon learns it; this setting is the initial estimate.",
        "Workers change with every release. Until something is learned, five messages per task and minute are assumed.",
        stays="a long processing_time blocks scale-in if workers is not set.",
        by_tag=RAISE_GIVEN,
    )
    task_concurrency: Annotated[int, whole(1, 1_000_000)] = setting(
        DEFAULT.task_concurrency,
        "Number of messages that one task processes at the same time. For the demand, the daemon also learns it; the "
        "busy floor uses this setting.",
        "A value that is too low starts more tasks than needed. A value that is too high makes messages wait longer.",
        stays="the busy floor is computed from it: a higher number protects fewer tasks.",
        by_tag=LOWER,
    )
    learn: Annotated[bool, truth()] = setting(
        DEFAULT.learn,
        "Learn processing_time and task_concurrency from the metrics of the queues. false: use both as configured.",
        "Configured values become outdated, and nothing reports it.",
        by_tag=ENABLE,
    )
    look_ahead: Annotated[bool, truth()] = setting(
        DEFAULT.look_ahead,
        "Forecast the arrivals of the next minutes from the last 14 days of the queue. The forecast can raise the "
        "demand and never lowers it. At its start, the daemon reads up to 14 days of one-minute metrics from "
        "CloudWatch. Has no effect if the load does not repeat.",
        "A task needs its start-up time, so it must be started before a burst arrives.",
        by_tag=ANY,
    )
    workers: Annotated[WorkerSafety | None, optional(choice(WorkerSafety))] = setting(
        DEFAULT.workers,
        "What happens to work in progress at a scale-in. self_protecting: busy tasks use ECS task scale-in protection. "
        "draining: on SIGTERM, tasks finish or return their messages within stopTimeout. unsafe: tasks lose work, so a "
        "scale-in waits until no message is in flight. Not set: unsafe if messages take longer than stopTimeout "
        "(measured by the learned p95; until it is learned, by processing_time if set); otherwise draining. "
        "stopTimeout is read from the task definition; without the permission ecs:DescribeTaskDefinition, 30s is "
        "assumed.",
        "The daemon cannot see whether workers handle SIGTERM. If they do not, they already lose work at every "
        "deployment, so draining is assumed for short messages.",
        stays="this setting decides which tasks a scale-in may stop.",
        by_tag=only(WorkerSafety.UNSAFE),
    )
    count_in_flight: Annotated[bool, truth()] = setting(
        DEFAULT.count_in_flight,
        "Count messages in flight in the demand.",
        "A task that processes a message is needed. Set false if workers receive far more messages than they process.",
        stays="with false, tasks that process messages are not required.",
        by_tag=ENABLE,
    )
    count_delayed: Annotated[bool, truth()] = setting(
        DEFAULT.count_delayed,
        "Count delayed messages in the demand.",
        "The latency of a delayed message begins when it becomes visible.",
        by_tag=ANY,
    )
    backlog_per_task: Annotated[float | None, optional(_PER_TASK)] = setting(
        DEFAULT.backlog_per_task,
        "Number of visible and in-flight messages per task. The demand is the number of messages divided by this "
        "value.",
        "acceptable_latency gives the same result, and does not have to be changed when the processing time changes.",
        by_tag=ANY,
    )
    cpu_target_percent: Annotated[float | None, optional(_PERCENT_TARGET)] = setting(
        DEFAULT.cpu_target_percent,
        "Target for the service's average CPU utilization, in percent.",
        "The CPU utilization of queue workers does not show the backlog.",
        stays="without this signal, the service would scale in while there is work.",
        by_tag=LOWER_GIVEN,
    )
    memory_target_percent: Annotated[float | None, optional(_PERCENT_TARGET)] = setting(
        DEFAULT.memory_target_percent,
        "Target for the service's average memory utilization, in percent.",
        "Memory utilization rarely follows the load, and rarely decreases.",
        stays="without this signal, the service would scale in while there is work.",
        by_tag=LOWER_GIVEN,
    )
    metrics: Annotated[Metrics, METRICS] = setting(
        {},
        "More metrics to scale on, each under a name of your choice: from CloudWatch {namespace, metric, "
        "dimensions={...}, statistic} or from Prometheus {prometheus=URL, query}, each with target_per_task (the value "
        "that one task can handle) or target_value (the value to keep, independent of the task count; for averages "
        "such as utilization). The highest demand of all signals is used. A service's own table replaces that of the "
        "defaults as a whole.",
        "The queues show the backlog; a metric is for load that they do not show.",
        stays="without this signal, the service would scale in while there is work.",
    )
    formula: Annotated[str | None, optional(FORMULA)] = setting(
        DEFAULT.formula,
        "An expression for a number of tasks, used as one more signal. It may use the names visible, in_flight, "
        "delayed, oldest_age_s, cpu_percent, memory_percent, running, current and those of the metrics. Example: "
        "max(visible / 50, first(lag, 0) / 10).",
        "Most services do not need a formula. The reasons of the other signals are easier to read.",
        stays="without this signal, the service would scale in while there is work.",
    )
    schedules: Annotated[Schedules, SCHEDULES] = setting(
        {},
        "Other bounds for a limited time, each under a name of your choice: {cron, for=duration or until=time, "
        "timezone=UTC, min_tasks, max_tasks, lead=90s}. cron has five fields, as in '0 8 * * MON-FRI'; until is the "
        "next time that the clock of the time zone shows it, as in '18:00'. The schedule begins earlier by the "
        "duration `lead`. If schedules overlap, the highest min_tasks and the highest max_tasks apply, limited to the "
        "service's own max_tasks. A service's own table replaces that of the defaults as a whole.",
        "Scaling on the backlog is enough unless tasks must already run when messages arrive.",
        stays="schedules are bounds on the task count.",
    )
    scale_out: ScaleOutFields = Field(default_factory=ScaleOutFields)
    scale_in: ScaleInFields = Field(default_factory=ScaleInFields)
    tolerance: Annotated[float, TOLERANCE] = setting(
        DEFAULT.tolerance,
        "A demand that differs from the current count by at most this share changes nothing.",
        "The Horizontal Pod Autoscaler also uses a tenth; a smaller change is not worth the start of a task.",
        by_tag=RAISE,
    )
    activation: ActivationFields = Field(default_factory=ActivationFields)
    fallback: FallbackFields = Field(default_factory=FallbackFields)
    deployments: DeploymentFields = Field(default_factory=DeploymentFields)
    busy_floor: Annotated[bool, truth()] = setting(
        DEFAULT.busy_floor,
        "Never scale in below the tasks that are busy with messages.",
        "ECS does not know which tasks are idle when it selects tasks to stop.",
        stays="this setting protects busy tasks.",
        by_tag=ENABLE,
    )
    launch_per_minute: Annotated[int, whole(1, 1_000_000)] = setting(
        DEFAULT.launch_per_minute,
        "Number of tasks that ECS starts for one service in a minute. One scale-out adds no more than this.",
        "500 is the ECS limit in older Regions. On Fargate in a Region that opened after May 2025 the limit is 125: "
        "set 125 there.",
        stays="this setting limits scale-out.",
    )
    stalled_after: Annotated[float, duration(1.0)] = setting(
        DEFAULT.stalled_after_s,
        "If pending tasks have not started after this time, the service counts as stalled and is not scaled out until "
        "at least one of them runs.",
        "This is several times the usual start-up time on Fargate. If tasks cannot start, requesting more of them does "
        "not help.",
        stays="this setting limits scale-out while tasks do not start.",
    )
    conflicting_scalers: Annotated[ConflictingScalers, choice(ConflictingScalers)] = setting(
        DEFAULT.conflicting_scalers,
        "If Application Auto Scaling may change the count of the same service: warn and continue, or refuse to scale "
        "it.",
        "A scalable target of Application Auto Scaling may be unused or suspended, so it is not an error by default. "
        "Two active scalers are reported at every poll.",
        stays="this setting can prevent two scalers from changing the same count.",
        by_tag=stricter(ConflictingScalers.WARN, ConflictingScalers.REFUSE),
    )
    mode: Annotated[Mode, choice(Mode)] = setting(
        DEFAULT.mode,
        "active: scale out and in. scale_out_only: never scale in. shadow: decide and report, write nothing.",
        "A missing setting must not change a service. Set active when the decisions in shadow are correct.",
        stays="the mode decides whether the daemon changes the desired count.",
        by_tag=stricter(Mode.ACTIVE, Mode.SCALE_OUT_ONLY, Mode.SHADOW, comparison="more than"),
    )
    task_price: Annotated[float | None, optional(_PRICE)] = setting(
        None,
        "Dollars that one task costs per hour, for the costs that the page, `status` and `doctor` show. Not set: "
        "Fargate's list price of the size in the task definition, which needs the optional permission "
        "ecs:DescribeTaskDefinition. Tasks on EC2, Windows, and Regions without a list price need this setting for a "
        "cost. No decision depends on it.",
        "The list price does not include your discounts.",
        by_tag=ANY,
    )
    paused: Annotated[Pause | int | None, optional(pause())] = setting(
        DEFAULT.paused,
        "Pause all scaling, pause one direction, or hold a fixed task count.",
        "Pauses are exceptions.",
        stays="a pause ends only when an operator removes it.",
        by_tag=AT_RUNTIME,
    )
    region: Annotated[str | None, optional(_REGION)] = setting(
        None,
        "The AWS Region of the service.",
        "Most services are in the daemon's own Region (AWS_REGION).",
        stays="without this line, a service of the same name in another Region could be scaled.",
    )
    role_arn: Annotated[str | None, optional(ROLE_ARN)] = setting(
        None,
        "IAM role to assume for a service of another account. Also used to read its queues and metrics. The task role "
        "needs the permission sts:AssumeRole for this role, and the trust policy of this role must allow the task role "
        "to assume it.",
        "The daemon's own credentials are enough for its own account.",
        stays="without role_arn, the daemon would scale a service of the same name in its own account.",
    )
    external_id: Annotated[str | None, optional(_EXTERNAL_ID)] = setting(
        None,
        "The external ID that the trust policy of role_arn requires (sts:ExternalId).",
        "Roles within one organization rarely require one.",
        stays="the trust policy of role_arn requires it.",
    )


LONGEST_INTERVAL_S = 10.0
"""The poll interval in seconds if none is configured: six readings within a latency target of one minute. Derived
intervals are shorter.
"""


class GlobalFields(Group):
    interval: Annotated[float | None, optional(duration(1.0))] = setting(
        None,
        "Poll interval of every service. Not set: it is derived for each service from its latency target and the "
        "learned start-up time, from 10 s down to 5 s (to a twelfth of a latency target below 60 s), shorter if a "
        "start-up leaves little time. `explain` and the log show it. An interval is at most a third of the shortest "
        "acceptable latency. It can therefore be below one second, although the setting cannot.",
        "At 60 s, a poll every 5 s instead of 10 s saved 1 to 5 % of the tasks with bursts; at 300 s nothing. Derived "
        "intervals keep the price of the calls below 1 % of that of the tasks, within the call budget that all "
        "services share. At 10 s a queue costs about ten cents a month.",
    )
    quiet_interval: Annotated[float, duration(1.0)] = setting(
        60.0,
        "Longest poll interval of a service whose queues are empty. Its interval grows up to this value, and the first "
        "message resets it. The effective value is at most (acceptable latency) / 3 and at most (acceptable latency - "
        "p90 of the start-up time) / 2. To always poll at the same interval, set both to the same value.",
        "Reading an empty queue costs as much as reading a full one. With a latency target of 1 min, the start-up time "
        "uses the whole target, so the interval is not extended. With 5 min, an idle service is polled once per "
        "minute.",
    )
    fleet_cap_percent: Annotated[int | None, optional(whole(1, 100))] = setting(
        None,
        "Percentage of all tasks of all services that may be removed within five minutes. Not set: 50 with several "
        "services, and no cap with a single one. If you set a value, it also applies to a single service.",
        "When many queues appear empty at the same time, a fault is more likely than the end of all work. A single "
        "service often empties its queue: a cap of 50 cost 16 % more on the scorecard's traces at a latency target of "
        "60 s.",
        stays="this setting limits scale-in.",
    )
    rate_share_percent: Annotated[int, whole(1, 100)] = setting(
        25,
        "Percentage of each published AWS API quota that the autoscaler may use. Scale-out calls may use the full "
        "quota.",
        "Other callers in the account use the same quotas: consoles, deployments, other tools.",
        stays="this setting limits the calls of all services.",
    )
    discover_clusters: Annotated[tuple[str, ...], names(_NAME)] = setting(
        (),
        "Clusters in which services are discovered: every service with the tag autoscaler:queues is added. Other tags, "
        "autoscaler:<setting>, set its settings. The tags are read once a minute, in the Region and with the role of "
        "the defaults.",
        "Only services that are configured, or that have the tag, are scaled.",
        stays="the services discovered in a removed cluster are no longer scaled.",
    )
    max_tasks_ceiling: Annotated[int, whole(1, MOST_TASKS)] = setting(
        100,
        "Highest max_tasks that a tag may set. A profile may set more.",
        "More people can usually tag a service than may decide its cost.",
        stays="this setting limits the values that tags may set.",
    )
    event_queue: Annotated[QueueRef | None, optional(EVENT_QUEUE)] = setting(
        None,
        "The SQS queue to which an EventBridge rule sends the events of ECS: a name, URL or ARN of a standard queue "
        "that only this daemon reads. The daemon deletes the events that it has received. It uses them for diagnosis, "
        "and to poll a service sooner. Not set: ECS is only polled.",
        "Polling needs no queue and no further permission. Events report stopped tasks and placement failures within "
        "seconds, and ECS shows a stopped task for only about an hour.",
    )
    caps: Annotated[Caps, CAPS] = setting(
        {},
        "Resources that several services share, each under a name of your choice: {most=total amount, "
        "per_task={service key = amount that one task uses}}. A scale-out never uses more than `most`.",
        "The workers may share a resource with a limit that ECS does not check, such as database connections.",
        stays="caps limit scale-out.",
    )
    http_host: Annotated[str, _HOST] = setting(
        "127.0.0.1",
        "Address on which the page, the metrics and the health checks are served.",
        "Nothing is open to the network by default. The container image sets 0.0.0.0, because Prometheus runs on "
        "another host.",
    )
    http_port: Annotated[int, whole(0, 65535)] = setting(
        9108,
        "Port of the HTTP server; 0 selects any free port.",
        "The port is unprivileged, and no common exporter uses it.",
    )
    web_config_file: Annotated[str | None, optional(_PATH)] = setting(
        None,
        "A file in the format of the Prometheus web configuration (`web.yml`). tls_server_config configures TLS, "
        "basic_auth_users the users and passwords. Requires the extra `web`.",
        "By default the server is read-only and listens only on loopback.",
    )
    log_format: Annotated[LogFormat, choice(LogFormat)] = setting(
        LogFormat.AUTO,
        "json: one object per line. console: human-readable text. auto: console on a terminal, JSON elsewhere.",
        "Log systems parse JSON. On a terminal, text is easier to read.",
    )
    log_level: Annotated[LogLevel, choice(LogLevel)] = setting(
        LogLevel.INFO,
        "Lowest severity that is logged.",
        "info logs every change, and one line per service and minute.",
    )
    log_interval: Annotated[float, duration(60.0)] = setting(
        60.0,
        "Longest time between two log lines of a service whose decisions stay the same: it holds its count, or, in "
        "shadow, would set about the same count. Changes, errors, pauses, drift and notices are always logged, and "
        "every line has all inputs, so `autoscaler replay` works with any interval. The page and API do not change.",
        "A line per minute shows within a minute why a count does not change. A service then logs about 6.5 MB per "
        "day; with 1h, about 0.3 MB.",
    )
    config_file: Annotated[str | None, optional(_PATH)] = setting(
        None, "A TOML file with settings. Environment variables override it.", "One service does not need a file."
    )
