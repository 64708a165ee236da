"""The metrics of a service: name, help text, unit, labels and reader of each.

Dashboards and alerts use the names: a metric may be added, and must not be renamed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from autoscaler.telemetry import samples
from autoscaler.telemetry.samples import Samples, ScrapeView

Source = TypeVar("Source")


class MetricKind(StrEnum):
    """The Prometheus type of a metric. A counter never decreases while the daemon runs."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Stability(StrEnum):
    """Stable: name, labels and meaning change only with a major version. Beta: they may change with a minor version,
    and the changelog lists the change.
    """

    STABLE = "stable"
    BETA = "beta"


SERVICE_LABELS = ("account", "region", "ecs_cluster", "ecs_service")
"""The labels of every metric of a service."""


@dataclass(frozen=True, slots=True)
class Family(Generic[Source]):
    """One metric. `unit`: the unit of its samples. A metric of a service has `SERVICE_LABELS` before `labels`."""

    name: str
    help: str
    unit: str
    labels: tuple[str, ...]
    read: Callable[[Source], Samples]
    kind: MetricKind = MetricKind.GAUGE
    stability: Stability = Stability.STABLE


def _families() -> Iterator[Family[ScrapeView]]:
    yield from _work()
    yield from _latency()
    yield from _knowledge()
    yield from _decisions()
    yield from _starts()
    yield from _condition()


def _work() -> Iterator[Family[ScrapeView]]:
    yield Family(
        "autoscaler_tasks",
        "Task counts, by kind: desired, running, pending, protected (ECS), demand, target, min, max.",
        "tasks",
        ("kind",),
        samples.tasks,
    )
    yield Family(
        "autoscaler_task_seconds_total",
        "Billed task time, from the counts of running and pending tasks; one task-hour is 3600.",
        "seconds",
        (),
        samples.task_seconds,
        MetricKind.COUNTER,
        Stability.BETA,
    )
    yield Family(
        "autoscaler_wasted_task_seconds_total",
        "Part of autoscaler_task_seconds_total in which no message was processed: starting tasks, and free slots of "
        "running tasks.",
        "seconds",
        (),
        samples.wasted_task_seconds,
        MetricKind.COUNTER,
        Stability.BETA,
    )
    yield Family(
        "autoscaler_queue_messages",
        "Approximate number of messages in the queue, by state: visible, in_flight, delayed. No sample while it cannot "
        "be read.",
        "messages",
        ("queue", "state"),
        samples.queue_messages,
    )
    yield Family(
        "autoscaler_queue_oldest_age_seconds",
        "Age of the oldest message in the queue, from CloudWatch. The value is at least one minute old.",
        "seconds",
        ("queue",),
        samples.oldest_ages,
    )


def _latency() -> Iterator[Family[ScrapeView]]:
    yield Family(
        "autoscaler_acceptable_latency_seconds",
        "Latency target of the service.",
        "seconds",
        (),
        samples.latency,
    )
    yield Family(
        "autoscaler_queue_acceptable_latency_seconds",
        "Latency target of the queue.",
        "seconds",
        ("queue",),
        samples.queue_latencies,
        stability=Stability.BETA,
    )
    yield Family(
        "autoscaler_expected_wait_seconds",
        "Expected time until a message that arrives now is received. No sample if no task runs.",
        "seconds",
        (),
        samples.expected_waits,
    )
    yield Family(
        "autoscaler_time_to_clear_seconds",
        "Time until the present backlog is received with the target task count, while messages go on arriving; "
        "infinite if more arrive than are received. 0 if no message waits. No sample if no task is to run.",
        "seconds",
        (),
        samples.times_to_clear,
        stability=Stability.BETA,
    )
    yield Family(
        "autoscaler_messages_total",
        "Messages received by workers, estimated from the queues' counts.",
        "messages",
        (),
        samples.received_messages,
        MetricKind.COUNTER,
    )
    yield Family(
        "autoscaler_late_messages_total",
        "Messages received after the latency target, estimated from the queues' counts.",
        "messages",
        (),
        samples.late_messages,
        MetricKind.COUNTER,
    )
    yield Family(
        "autoscaler_slo_at_risk",
        "1 while the latency target cannot be met: it requires more tasks than can run, a poll and a start take "
        "longer, or messages have waited longer than the target.",
        "1 or 0",
        (),
        samples.slo_statuses,
        stability=Stability.BETA,
    )
    yield Family(
        "autoscaler_shadow_misses_latency",
        "1 while a service in shadow mode misses its latency target and no other scaler is active. No sample in other "
        "modes.",
        "1 or 0",
        (),
        samples.shadow_misses,
        stability=Stability.BETA,
    )


def _knowledge() -> Iterator[Family[ScrapeView]]:
    yield Family(
        "autoscaler_estimate",
        "Learned values, each in its own unit.",
        "see the label",
        ("estimate",),
        samples.estimates,
        stability=Stability.BETA,
    )
    yield Family(
        "autoscaler_estimate_confidence_ratio",
        "Confidence of the learned value, from 0 (assumed) to 1 (learned from many observations, or fixed with "
        "learn = false).",
        "ratio",
        ("estimate",),
        samples.confidences,
        stability=Stability.BETA,
    )
    yield Family(
        "autoscaler_task_start_seconds",
        "Time of a task's start by ECS's own times, for the newest revision with a start: median (0.5) and 90th "
        "percentile (0.9) of each phase (placing, pulling, booting) and of the whole. No sample while it is not known.",
        "seconds",
        ("phase", "quantile"),
        samples.task_starts,
        stability=Stability.BETA,
    )
    yield Family(
        "autoscaler_task_starts_left_out_total",
        "Started tasks that the start-up times leave out: their times are missing, contradict each other or are in the "
        "future.",
        "tasks",
        (),
        samples.starts_left_out,
        MetricKind.COUNTER,
        Stability.BETA,
    )
    yield Family(
        "autoscaler_expected_messages",
        "Messages expected within the next minute, including look-ahead if it is used.",
        "messages",
        ("queue",),
        samples.expected_messages,
        stability=Stability.BETA,
    )


def _decisions() -> Iterator[Family[ScrapeView]]:
    yield Family(
        "autoscaler_decisions_total",
        "Decisions, by verdict (scale_out, scale_in, hold) and by the last rule that changed the count (none: no rule "
        "changed it).",
        "decisions",
        ("verdict", "rule"),
        samples.decisions,
        MetricKind.COUNTER,
    )
    yield Family(
        "autoscaler_scalings_total",
        "Changes of the desired count that ECS accepted.",
        "changes",
        ("direction",),
        samples.scalings,
        MetricKind.COUNTER,
    )
    yield Family(
        "autoscaler_drifts_total",
        "Changes of the desired count that were not made by the autoscaler (drift).",
        "changes",
        (),
        samples.drifts,
        MetricKind.COUNTER,
    )
    yield Family(
        "autoscaler_contested",
        "1 while another writer reverses the changes of the autoscaler. The autoscaler then pauses its writes for a "
        "bounded time.",
        "1 or 0",
        (),
        samples.contests,
        stability=Stability.BETA,
    )
    yield Family(
        "autoscaler_cooldown_remaining_seconds",
        "Remaining cooldown of the direction. 0 if no cooldown is active.",
        "seconds",
        ("direction",),
        samples.cooldowns,
    )
    yield Family(
        "autoscaler_mode",
        "1 for the current mode of the service, 0 for the others.",
        "1 or 0",
        ("mode",),
        samples.modes,
    )
    yield Family(
        "autoscaler_paused",
        "1 while scaling in that direction is paused.",
        "1 or 0",
        ("direction",),
        samples.pauses,
    )


def _starts() -> Iterator[Family[ScrapeView]]:
    yield Family(
        "autoscaler_scale_out_seconds",
        "Time from the decision to scale out until each task was seen running. Tasks that start during a deployment, "
        "or more than 600 s after the decision, are not counted.",
        "seconds",
        (),
        samples.scale_out_times,
        MetricKind.HISTOGRAM,
        Stability.BETA,
    )
    yield Family(
        "autoscaler_start_failure",
        "1 for the class of the cause for which tasks do not start or do not stay up at present, 0 for the others.",
        "1 or 0",
        ("class",),
        samples.start_failures,
        stability=Stability.BETA,
    )
    yield Family(
        "autoscaler_diagnoses_total",
        "Diagnoses by the daemon, by the class of the main cause; unknown: a text of ECS that is not in the table of "
        "causes.",
        "diagnoses",
        ("class",),
        samples.diagnoses,
        MetricKind.COUNTER,
        Stability.BETA,
    )


def _condition() -> Iterator[Family[ScrapeView]]:
    yield Family(
        "autoscaler_failures_total",
        "Polls with a failed read or write, by kind of failure.",
        "polls",
        ("kind",),
        samples.failures,
        MetricKind.COUNTER,
        Stability.BETA,
    )
    yield Family(
        "autoscaler_signal_age_seconds",
        "Age of the newest reading of the signal, also while new reads fail.",
        "seconds",
        ("signal",),
        samples.signal_ages,
    )
    yield Family(
        "autoscaler_signal_usable",
        "1 if the signal can be used for decisions, 0 if it is required and is missing or stale.",
        "1 or 0",
        ("signal",),
        samples.signals_usable,
    )
    yield Family(
        "autoscaler_service_up",
        "1 while all required reads and writes of the service succeed. 0 before its first poll, and while one of them "
        "fails.",
        "1 or 0",
        (),
        samples.up,
    )
    yield Family(
        "autoscaler_unfinished_deployments",
        "Deployments of the ECS service that are not finished: the one in progress, and each older one that still has "
        "tasks. ECS refuses another deployment while five are unfinished.",
        "deployments",
        (),
        samples.deployments,
        stability=Stability.BETA,
    )
    yield Family(
        "autoscaler_last_tick_timestamp_seconds",
        "Unix time of the last completed poll of the service.",
        "seconds",
        (),
        samples.last_polls,
    )
    yield Family(
        "autoscaler_silent_after_seconds",
        "Seconds without a completed poll after which /healthz reports the service as hung.",
        "seconds",
        (),
        samples.silent_after,
    )


FAMILIES = tuple(_families())
