"""Notes on valid settings whose effect an operator may not expect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from autoscaler.config.model import Config, ServiceConfig
from autoscaler.core.figures import number
from autoscaler.core.policy import Policy
from autoscaler.core.workers import REMEDY, STOP_TIMEOUT_S, WAITS, long_work

START_UP_S = 60.0
"""Assumed start-up time of an ECS task in seconds, from launch to first receive: 30 to 90 s, mostly image pull."""


def notes(config: Config) -> tuple[str, ...]:
    """Return one sentence per note, with the service's key and the remedy."""
    waking = waking_notes(config)
    return (*waking, *(note for service in config.services for note in _of_workers(service.ref.key, service.policy)))


def waking_notes(config: Config, start_up_s: Mapping[str, float] = MappingProxyType({})) -> tuple[str, ...]:
    """Return the notes on scale from zero. `start_up_s`: known start-up times in seconds, by key."""
    return tuple(
        note
        for service in config.services
        for note in _of_waking(service, config.interval_s, start_up_s.get(service.ref.key))
    )


def _of_workers(key: str, policy: Policy) -> Iterator[str]:
    work = long_work(policy, None, None)
    if work is not None:
        yield (
            f"{key}: workers is not set, and processing_time is {number(work.takes_s)} s. If stopTimeout in the task "
            f"definition is shorter (ECS default: {STOP_TIMEOUT_S:g} s), workers are treated as {WAITS}. "
            f"{REMEDY}"
        )


def _of_waking(service: ServiceConfig, interval_s: float, learned_s: float | None) -> Iterator[str]:
    policy, key = service.policy, service.ref.key
    start_up_s, source = (START_UP_S, "assumed") if learned_s is None else (learned_s, "learned")
    if policy.min_tasks > 0 or any(schedule.min_tasks for schedule in service.schedules):
        return
    first_s = interval_s + start_up_s
    if not service.queues and not policy.metrics and policy.formula is None:
        yield f"{key}: scales only on CPU or memory, which have no value at 0 tasks; set min_tasks=1 to scale out again"
    elif service.queues and policy.shortest_latency_s < first_s:
        yield (
            f"{key}: scale from zero: the first message waits about {number(first_s)} s (poll interval "
            f"{number(interval_s)} s, start-up time {number(start_up_s)} s, {source}), and the latency target is "
            f"{number(policy.shortest_latency_s)} s; set min_tasks=1 to meet it"
        )


def shadow_notes(config: Config) -> tuple[str, ...]:
    """Return a sentence for each service in shadow: its key, the effect of the mode, and how to activate it."""
    found = ((service.ref.key, shadow_note(service)) for service in config.services)
    return tuple(f"{key}: {text}" for key, text in found if text is not None)


def shadow_note(service: ServiceConfig) -> str | None:
    """Return the effect of shadow mode and how to activate the service, without its key (None: it is not in shadow)."""
    if service.activation is None:
        return None
    return f"{shadow_state(service)}. To activate it, {service.activation}; read docs/shadow.md first"


def shadow_state(service: ServiceConfig) -> str:
    """Return the effect of shadow mode, and whether the mode is only the default."""
    default = " (default, because `mode` is not set)" if service.mode_setting.is_default else ""
    return f"mode is shadow{default}: the daemon computes decisions but never changes the desired count"
