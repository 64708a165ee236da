"""What is worth knowing of valid settings: nothing is wrong with them, and still somebody may be surprised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from autoscaler.config.model import Config, Service
from autoscaler.core.figures import number
from autoscaler.core.policy import Policy
from autoscaler.core.workers import REMEDY, STOP_TIMEOUT_S, WAITS, long_work

START_UP_S = 60.0
"""About what an ECS task takes from being asked for to its first receive: 30 to 90 s, mostly the image's pull."""


def notes(config: Config) -> tuple[str, ...]:
    """A sentence each, with the service's key and the remedy."""
    waking = waking_notes(config)
    return (*waking, *(note for service in config.services for note in _of_workers(service.ref.key, service.policy)))


def waking_notes(config: Config, start_up_s: Mapping[str, float] = MappingProxyType({})) -> tuple[str, ...]:
    """Those about the first message at 0 tasks. `start_up_s`: what is known of starts, by key."""
    return tuple(
        note
        for service in config.services
        for note in _of_waking(service, config.interval_s, start_up_s.get(service.ref.key, START_UP_S))
    )


def _of_workers(key: str, policy: Policy) -> Iterator[str]:
    work = long_work(policy, None, None)
    if work is not None:
        yield (
            f"{key}: workers is not set and processing_time is {number(work.takes_s)}s: unless the task definition has "
            f"a stopTimeout at least as long (ECS's default is {STOP_TIMEOUT_S:g} s), workers are treated as {WAITS}. "
            f"{REMEDY}"
        )


def _of_waking(service: Service, interval_s: float, start_up_s: float) -> Iterator[str]:
    policy, key = service.policy, service.ref.key
    if policy.min_tasks > 0 or any(schedule.min_tasks for schedule in service.schedules):
        return
    first_s = interval_s + start_up_s
    if not service.queues and not policy.metrics and policy.formula is None:
        yield f"{key}: follows only CPU or memory, which nothing shows at 0 tasks: min_tasks=1 lets it wake again"
    elif service.queues and policy.shortest_latency_s < first_s:
        yield (
            f"{key}: from 0 tasks the first message waits about {number(first_s)}s (a poll of {number(interval_s)}s, "
            f"and about {number(start_up_s)}s until a task has started), although it may wait "
            f"{number(policy.shortest_latency_s)}s: min_tasks=1 keeps a task for it"
        )


def shadow_notes(config: Config) -> tuple[str, ...]:
    """A sentence for each service in shadow: its key, what the daemon does not do, and how to activate the service."""
    told = ((service.ref.key, shadow_note(service)) for service in config.services)
    return tuple(f"{key}: {text}" for key, text in told if text is not None)


def shadow_note(service: Service) -> str | None:
    """What a service in shadow does not do, and how to activate it, without its key (None: it is not in shadow)."""
    if service.activation is None:
        return None
    return f"{shadow_state(service)}. To activate it, {service.activation}; read docs/shadow.md first"


def shadow_state(service: Service) -> str:
    """What shadow means for the service, and whether it is only the default."""
    default = " (the default: mode is not set)" if service.mode_setting.is_default else ""
    return f"mode is shadow{default}: the daemon decides, and never changes the desired count"
