"""Find settings that are valid one by one and contradict each other: in a policy, in a service, between services.

A check reports only if all settings that it compares are readable. Unreadable settings were reported already. Notes are
about valid settings whose effect an operator may not expect.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

from autoscaler.config.addresses import partition_of, unknown_region
from autoscaler.config.fields import ServiceFields
from autoscaler.config.groups import Path
from autoscaler.config.metrics import QUEUE_SIGNALS, signals, source_of, sources_in_words
from autoscaler.config.model import Config, ServiceConfig
from autoscaler.config.names import folded
from autoscaler.config.quoting import quote
from autoscaler.config.rules import CapFields
from autoscaler.core import formula
from autoscaler.core.estimate.throughput import ASSUMED_S
from autoscaler.core.figures import number
from autoscaler.core.policy import FallbackBehavior, Policy
from autoscaler.core.workers import REMEDY, STOP_TIMEOUT_S, WAITS, long_work

_MIN, _MAX, _QUEUES, _REGION = ("min_tasks",), ("max_tasks",), ("queues",), ("region",)
_PAUSED, _ROLE_ARN, _EXTERNAL_ID = ("paused",), ("role_arn",), ("external_id",)
_BEHAVIOR, _TASKS = ("fallback", "behavior"), ("fallback", "tasks")
_METRICS, _FORMULA, _SCHEDULES = ("metrics",), ("formula",), ("schedules",)
_SIGNALS: tuple[Path, ...] = (_QUEUES, ("cpu_target_percent",), ("memory_target_percent",), _METRICS, _FORMULA)
_ABOUT_QUEUES: tuple[Path, ...] = (("backlog_per_task",), ("processing_time",))
_REQUIRED: Mapping[Path, str] = {
    ("cluster",): "name of the ECS cluster",
    ("service",): "name of the ECS service",
    _MAX: "maximum number of tasks",
}


@dataclass(frozen=True, slots=True)
class Clash:
    """A contradiction, reported at the setting `at`. `among`: all settings that the check compared."""

    at: Path
    what: str
    among: tuple[Path, ...]


def contradictions(fields: ServiceFields, broken: Set[Path]) -> list[Clash]:
    """Return the contradictions within a policy, for every source of the policy."""
    checks = (_bounds(fields), _fallback(fields), _duplicates(fields), _unknown_names(fields), _no_target(fields))
    return _readable(broken, *checks)


def out_of_bounds(fields: ServiceFields, broken: Set[Path]) -> list[Clash]:
    """Return the task counts that are outside the service's own bounds."""
    return _readable(broken, _static(fields), _pause(fields), _schedules(fields))


def no_tasks(fields: ServiceFields, broken: Set[Path]) -> list[Clash]:
    """Return a clash if `max_tasks` is 0. Only a schedule may set 0, for a limited time."""
    return _readable(
        broken, [Clash(_MAX, "0 is out of range: the minimum is 1", (_MAX,))] if fields.max_tasks == 0 else []
    )


def blockers(
    fields: ServiceFields, given: Set[Path], own: Set[Path], broken: Set[Path], home: str | None = None
) -> list[Clash]:
    """Return what prevents scaling of the service. `given`: settings with a value; `own`: not from the defaults;
    `home`: the Region of a service that names none (None: unknown).
    """
    checks = (_required(given), _signals(fields), _queue_settings(fields, own), _other_region(fields))
    return _readable(
        broken,
        *checks,
        _other_partition(fields, home),
        _no_source(fields),
        _queue_names(fields),
        _unused_external_id(fields, own),
    )


def _readable(broken: Set[Path], *checks: Iterable[Clash]) -> list[Clash]:
    return [clash for check in checks for clash in check if broken.isdisjoint(clash.among)]


def _bounds(fields: ServiceFields) -> Iterator[Clash]:
    if fields.min_tasks > fields.max_tasks:
        yield Clash(_MIN, f"{fields.min_tasks} is more than max_tasks ({fields.max_tasks})", (_MIN, _MAX))


def _fallback(fields: ServiceFields) -> Iterator[Clash]:
    behavior, tasks = fields.fallback.behavior, fields.fallback.tasks
    if tasks is None and behavior is not FallbackBehavior.HOLD:
        yield Clash(_TASKS, f"this setting is required with fallback.behavior {behavior}", (_BEHAVIOR, _TASKS))


def _static(fields: ServiceFields) -> Iterator[Clash]:
    behavior, tasks = fields.fallback.behavior, fields.fallback.tasks
    if tasks is not None and behavior is FallbackBehavior.STATIC and not _within_bounds(tasks, fields):
        yield Clash(_TASKS, _outside(tasks, fields), (_BEHAVIOR, _TASKS, _MIN, _MAX))


def _pause(fields: ServiceFields) -> Iterator[Clash]:
    if isinstance(fields.paused, int) and not _within_bounds(fields.paused, fields):
        yield Clash(_PAUSED, _outside(fields.paused, fields), (_PAUSED, _MIN, _MAX))


def _schedules(fields: ServiceFields) -> Iterator[Clash]:
    for name, item in fields.schedules.items():
        least = fields.min_tasks if item.min_tasks is None else item.min_tasks
        most = fields.max_tasks if item.max_tasks is None else item.max_tasks
        if most > fields.max_tasks:
            what = f"{name}: max_tasks {most} is more than the max_tasks of the service ({fields.max_tasks})"
            yield Clash(_SCHEDULES, what, (_SCHEDULES, _MAX))
        elif least > most:
            what = f"{name}: min_tasks {least} would be more than max_tasks {most} during this schedule"
            yield Clash(_SCHEDULES, what, (_SCHEDULES, _MIN, _MAX))


def _unknown_names(fields: ServiceFields) -> Iterator[Clash]:
    """Yield a clash for each name in the formula that is neither a signal nor a metric."""
    names = _formula_names(fields)
    known = sorted(signals() | fields.metrics.keys()) if names else []
    for name in sorted(names - set(known)):
        near = difflib.get_close_matches(name, known, 1)
        meant = f"did you mean {near[0]}?" if near else f"known names: {', '.join(known)}"
        yield Clash(_FORMULA, f"{quote(name)} is neither a signal nor a metric; {meant}", (_FORMULA, _METRICS))


def _no_target(fields: ServiceFields) -> Iterator[Clash]:
    """Yield a clash for each metric without a target that the formula does not use: it has no effect."""
    for name, item in fields.metrics.items():
        if item.target_per_task is None and item.target_value is None and name not in _formula_names(fields):
            what = f"{name}: the metric has no effect. Set target_per_task or target_value, or use it in the formula"
            yield Clash(_METRICS, what, (_METRICS, _FORMULA))


def _formula_names(fields: ServiceFields) -> Set[str]:
    return frozenset() if fields.formula is None else formula.parse(fields.formula).names


def _within_bounds(tasks: int, fields: ServiceFields) -> bool:
    return fields.min_tasks <= tasks <= fields.max_tasks


def _outside(tasks: int, fields: ServiceFields) -> str:
    return f"{tasks} is not between min_tasks ({fields.min_tasks}) and max_tasks ({fields.max_tasks})"


def _duplicates(fields: ServiceFields) -> Iterator[Clash]:
    times = Counter(item.name.name for item in fields.queues)
    for name in sorted(name for name, found in times.items() if found > 1):
        yield Clash(_QUEUES, f"the queue {name} is listed twice", (_QUEUES,))


def _required(given: Set[Path]) -> Iterator[Clash]:
    for path, meaning in _REQUIRED.items():
        if path not in given:
            yield Clash(path, f"this setting is required ({meaning})", (path,))


def _signals(fields: ServiceFields) -> Iterator[Clash]:
    targets = (fields.cpu_target_percent, fields.memory_target_percent, fields.formula)
    if not fields.queues and not fields.metrics and all(target is None for target in targets):
        what = "no signal is configured. Set queues, cpu_target_percent, memory_target_percent, metrics or formula"
        yield Clash(_QUEUES, what, _SIGNALS)


def _queue_settings(fields: ServiceFields, own: Set[Path]) -> Iterator[Clash]:
    """Yield a clash for each queue setting of a service without queues. In the defaults it is for other services."""
    for path in _ABOUT_QUEUES:
        if path in own and not fields.queues:
            yield Clash(
                path,
                "this setting applies to queues, and the service has no queue. Set queues, or remove this setting",
                (path, _QUEUES),
            )


def _unused_external_id(fields: ServiceFields, own: Set[Path]) -> Iterator[Clash]:
    """Yield a clash for an external id without a role. In the defaults it is for the services that have a role."""
    if _EXTERNAL_ID in own and fields.external_id is not None and fields.role_arn is None:
        what = "this setting has no effect without role_arn. Set role_arn, or remove this setting"
        yield Clash(_EXTERNAL_ID, what, (_EXTERNAL_ID, _ROLE_ARN))


def _queue_names(fields: ServiceFields) -> Iterator[Clash]:
    names = sorted(_formula_names(fields) & QUEUE_SIGNALS)
    if names and not fields.queues:
        yield Clash(
            _FORMULA,
            f"the formula uses {', '.join(names)} of queues, and the service has no queue",
            (_FORMULA, _QUEUES),
        )


def _no_source(fields: ServiceFields) -> Iterator[Clash]:
    for name, item in fields.metrics.items():
        if source_of(item, None) is None:
            what = f"{name}: the metric has no source. Set {sources_in_words()}"
            yield Clash(_METRICS, what, (_METRICS,))


def _other_region(fields: ServiceFields) -> Iterator[Clash]:
    for item in fields.queues:
        if None not in {fields.region, item.name.region} and item.name.region != fields.region:
            what = f"the queue {item.name.name} is in {item.name.region}, and the setting region is {fields.region}"
            yield Clash(_QUEUES, what, (_QUEUES, _REGION))


def _other_partition(fields: ServiceFields, home: str | None) -> Iterator[Clash]:
    """Yield a clash for a role and for queues of another partition: credentials are valid in one partition only."""
    region = fields.region or home
    here = partition_of(region)
    if here is None:
        return
    where = f"and the service's Region, {region}, is in {here.name}: no credentials are valid in both"
    named = None if fields.role_arn is None else fields.role_arn.split(":")[1]
    if named not in {None, here.name}:
        yield Clash(_ROLE_ARN, f"the role is in the partition {named}, {where}", (_ROLE_ARN, _REGION))
    for item in fields.queues if fields.region is None else ():
        there = partition_of(item.name.region)
        if there is not None and there != here:
            what = f"the queue {item.name.name} is in {item.name.region} (partition {there.name}), {where}"
            yield Clash(_QUEUES, what, (_QUEUES, _REGION))


def cap_contradictions(cap: CapFields, least: Mapping[str, int]) -> Iterator[str]:
    """Yield the problems of a shared cap. `least`: the services' `min_tasks`, by key."""
    keys = {folded(key): key for key in least}
    times = Counter(folded(key) for key in cap.per_task)
    for key in cap.per_task:
        if folded(key) not in keys:
            near = difflib.get_close_matches(folded(key), keys, 1)
            meant = f"did you mean {keys[near[0]]}?" if near else f"known keys: {', '.join(sorted(least))}"
            yield f"{quote(key)} is not the key of a service; {meant}"
        elif times[folded(key)] > 1:
            yield f"the service {keys[folded(key)]} is listed twice"
    needed = sum(least[keys[folded(key)]] * taken for key, taken in cap.per_task.items() if folded(key) in keys)
    if needed > cap.most:
        yield f"with min_tasks, the services already use {needed}, and most is {cap.most}"


# Notes on valid settings.

LONG_S = 30.0
"""A processing time from which a first plan with the assumed time can miss a latency target: in the simulator, 8 to 21
% of the messages of the first half hour are late.
"""

_FIXED_ZONE = re.compile(r"EST|MST|HST|Etc/GMT[+-][1-9]\d?", re.ASCII)

START_UP_S = 60.0
"""Assumed start-up time of an ECS task in seconds, from launch to first receive: 30 to 90 s, mostly image pull."""


def notes(config: Config) -> tuple[str, ...]:
    """Return one sentence per note, with the service's key and the remedy."""
    waking = waking_notes(config)
    regions = tuple(note for service in config.services for note in (*_of_regions(service), *_of_zones(service)))
    unknown = tuple(note for service in config.services for note in _of_processing_time(service))
    return (
        *empty_notes(config),
        *regions,
        *waking,
        *unknown,
        *(note for service in config.services for note in _of_workers(service.ref.key, service.policy)),
    )


def empty_notes(config: Config) -> Iterator[str]:
    """Yield a note for each empty variable: a template may have failed to fill it in."""
    for name in config.empty_variables:
        yield f"{name} is empty, which counts as not set; set a value, or unset the variable"


def _of_regions(service: ServiceConfig) -> Iterator[str]:
    """Yield a note for each Region of the service that the SDK does not know: it may be misspelled."""
    named = [service.ref.region, *(queue.region for queue in service.queues)]
    for note in dict.fromkeys(map(unknown_region, named)):
        if note is not None:
            yield f"{service.ref.key}: {note}"


def _of_zones(service: ServiceConfig) -> Iterator[str]:
    """Yield a note for each schedule in a zone of a fixed offset other than UTC: it follows no clock with summer time,
    and the sign in `Etc/GMT+5` is the opposite of the usual one.
    """
    for schedule in service.schedules:
        if _FIXED_ZONE.fullmatch(schedule.timezone):
            offset = datetime.now(ZoneInfo(schedule.timezone)).strftime("UTC%z")
            yield (
                f"{service.ref.key}: schedule {schedule.name}: the time zone {schedule.timezone} is {offset} all year, "
                "without summer time; to follow the clock of a place, use a zone such as Europe/Berlin"
            )


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


def _of_processing_time(service: ServiceConfig) -> Iterator[str]:
    policy = service.policy
    if service.queues and policy.processing_time_s is None and policy.backlog_per_task is None:
        yield (
            f"{service.ref.key}: processing_time is not set: without a past in CloudWatch, {ASSUMED_S:g} s are assumed "
            f"for some minutes. Set it if messages take longer than {number(LONG_S)} s, to meet the latency target "
            "from the first message on"
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
