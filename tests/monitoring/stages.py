"""Staged causes as `promtool` test cases: what Prometheus scrapes each minute, and the alert that must fire.

The series are those of the real metrics page, with the values of a healthy service; a stage changes some of them. In
each case the daemon restarts at another time, so an alert may neither be late nor fire twice because of a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from autoscaler.monitoring.conditions import CONDITIONS, SLOW_CONDITIONS
from autoscaler.monitoring.rules import ALERTS
from autoscaler.ports import Category
from autoscaler.telemetry.families import FAMILIES, SERVICE_LABELS, Family, MetricKind
from autoscaler.telemetry.metrics import Form, render
from autoscaler.telemetry.own import OWN
from tests.monitoring.queries import metrics_in
from tests.telemetry.polls import holding
from tests.telemetry.scraping import after

BEGIN, END, MINUTES = 21, 46, 70
"""Minutes: the cause begins and ends, and the case ends."""

ALWAYS = 1_000_000

Changes = Callable[[int], Mapping[str, float | None]]
"""The changed values by series at a minute. A counter: its increase per minute. None: no sample. A series is written as
`NAME` or `NAME VALUE-OF-ITS-OWN-LABEL`.
"""

HEALTHY: dict[str, float] = {
    "autoscaler_service_up": 1,
    "autoscaler_signal_usable": 1,
    "autoscaler_slo_at_risk": 0,
    "autoscaler_shadow_misses_latency": 0,
    "autoscaler_contested": 0,
    "autoscaler_paused": 0,
    "autoscaler_unfinished_deployments": 1,
    "autoscaler_tasks demand": 5,
    "autoscaler_tasks desired": 5,
    "autoscaler_tasks running": 5,
    "autoscaler_tasks max": 40,
    "autoscaler_silent_after_seconds": 120,
    "autoscaler_messages_total": 100,
    "autoscaler_decisions_total hold none": 6,
    "autoscaler_build_info": 1,
}

FIRST_MINUTE: dict[str, float | None] = {
    "autoscaler_service_up": 0,
    "autoscaler_signal_usable": None,
    "autoscaler_slo_at_risk": None,
    "autoscaler_shadow_misses_latency": None,
    "autoscaler_contested": 0,
    "autoscaler_unfinished_deployments": None,
    "autoscaler_tasks demand": None,
    "autoscaler_tasks desired": None,
    "autoscaler_tasks running": None,
    "autoscaler_last_tick_timestamp_seconds": None,
    "autoscaler_messages_total": 0,
    "autoscaler_late_messages_total": 0,
    "autoscaler_decisions_total": 0,
}
"""The values of a daemon that has not polled yet."""

UNLEARNED = {
    "autoscaler_shadow_misses_latency": 2,
    "autoscaler_contested": 2,
    "autoscaler_decisions_total hold no_progress": 6,
}
"""For how many minutes a new daemon has not observed enough, and serves 0 whatever the cause."""


class DaemonRestart(NamedTuple):
    """Minutes without a scrape, from `at`; then a new process, at another address if `moved`. A failed scrape is not a
    new process.
    """

    at: int
    lasting: int = 1
    moved: bool = False
    new: bool = True


NEVER = DaemonRestart(ALWAYS)


class Fired(NamedTuple):
    """The alert of a cause, and the first and the last minute in which it fires, counted from the start of the cause.
    `of_all`: the alert has no job.
    """

    alert: str
    severity: str
    first: int
    last: int
    of_all: bool = False


@dataclass(frozen=True)
class StagedCause:
    """A cause. `among`: the affected of `services`. `until`: when it ends."""

    name: str
    changes: Changes
    fired: Fired
    services: Sequence[tuple[str, str]] = (("eu-west-1", "orders"),)
    among: Callable[[str, str], bool] = lambda _region, _service: True
    own: Changes = field(default=lambda _minute: {})
    until: int = END


@cache
def series() -> tuple[tuple[str, str, tuple[tuple[str, str], ...], bool], ...]:
    """Return the series that the rules use: its key in `Changes`, name, labels, and whether it is a counter."""
    desk = after(holding())
    desk.metrics.made("sqs:GetQueueAttributes", Category.QUEUE_READ, "ok")
    expressions = [*(each.expr for each in (*CONDITIONS, *SLOW_CONDITIONS)), *(alert.expr for alert in ALERTS)]
    used = set().union(*map(metrics_in, expressions))
    families: tuple[Family[Any], ...] = (*FAMILIES, *OWN)
    counters = {each.name for each in families if each.kind is MetricKind.COUNTER}
    found = []
    for family in text_string_to_metric_families(render(desk.metrics.snapshot(), Form.TEXT).decode()):
        for sample in family.samples:
            own = [value for name, value in sample.labels.items() if name not in SERVICE_LABELS]
            key = " ".join([sample.name, *own])
            if sample.name in used:
                found.append((key, sample.name, tuple(sample.labels.items()), sample.name in counters))
    in_other_states = ("autoscaler_shadow_misses_latency", "autoscaler_silent_after_seconds")
    found += [(name, name, found[0][2][: len(SERVICE_LABELS)], False) for name in in_other_states]
    return tuple(found)


def of(changes: Mapping[str, Any], key: str) -> Any:
    """Return the changed value of a series, by its key or by the name of its metric (...: not changed)."""
    return changes[key] if key in changes else changes.get(key.split(" ", maxsplit=1)[0], ...)


def _of_restart(restart: DaemonRestart, minute: int) -> Mapping[str, float | None]:
    """Return what a new daemon serves instead of the values of the stage."""
    age = minute - restart.at - restart.lasting
    if not restart.new or age < 0:
        return {}
    unlearned = {key: 0.0 for key, minutes in UNLEARNED.items() if age < minutes}
    return unlearned | (FIRST_MINUTE if age == 0 else {})


def _values(
    key: str, stage: StagedCause, changes: Changes, restart: DaemonRestart, *, counter: bool
) -> list[float | None]:
    """Return the value of one series at each minute (None: no sample)."""
    values: list[float | None] = []
    total = 0.0
    for minute in range(MINUTES):
        if restart.at <= minute < restart.at + restart.lasting:
            values.append(None)
            total = 0.0 if restart.new else total
            continue
        changed = of(changes(minute - BEGIN), key) if BEGIN <= minute < stage.until else ...
        value = of(_of_restart(restart, minute), key)
        value = changed if value is ... else value
        value = of(HEALTHY, key) if value is ... else value
        if value is ... and key == "autoscaler_last_tick_timestamp_seconds":
            value = 60.0 * minute
        total += value if counter and value not in {..., None} else 0.0
        values.append(total if counter else 0.0 if value is ... else value)
    return values


def _text(values: Sequence[float | None]) -> str:
    """Return the values in promtool's notation. A target that is down ends its series: `stale`."""
    before = [None, *values]
    return " ".join(
        f"{value:g}" if value is not None else "stale" if last is not None else "_"
        for last, value in zip(before, values, strict=False)
    )


def _written(name: str, labels: Mapping[str, str]) -> str:
    pairs = [f'{label}="{value}"' for label, value in labels.items() if value]
    return f"{name}{{{','.join(pairs)}}}"


def _inputs(stage: StagedCause, restart: DaemonRestart) -> Iterator[dict[str, str]]:
    """Yield the series of all services and of the daemon, of the process before and after the restart."""
    for key, name, labels, counter in series():
        own = "ecs_service" not in dict(labels)
        for region, service in [("", "")] if own else stage.services:
            changes = stage.own if own else stage.changes if stage.among(region, service) else _unchanged
            if _is_unused(key, stage, changes, counter=counter):
                continue
            named = dict(labels) | ({} if own else {"region": region, "ecs_service": service})
            values = _values(key, stage, changes, restart, counter=counter)
            for instance, part in _by_instance(values, restart):
                target = {"instance": instance, "job": job_of(stage, restart)}
                yield {"series": _written(name, named | target), "values": _text(part)}


def _unchanged(_minute: int) -> Mapping[str, float | None]:
    return {}


def _is_unused(key: str, stage: StagedCause, changes: Changes, *, counter: bool) -> bool:
    """Return whether the series stays 0, or exists only in another mode."""
    changed = any(of(changes(minute), key) is not ... for minute in range(stage.until - BEGIN))
    only = counter or key == "autoscaler_shadow_misses_latency"
    return not changed and of(HEALTHY if counter else {}, key) is ... and only


def _by_instance(values: list[float | None], restart: DaemonRestart) -> list[tuple[str, list[float | None]]]:
    if not restart.moved:
        return [("10.0.0.1:9108", values)]
    none: list[float | None] = [None]
    before = [*values[: restart.at], *none * (MINUTES - restart.at)]
    later = [*none * restart.at, *values[restart.at :]]
    return [("10.0.0.1:9108", before), ("10.0.0.2:9108", later)]


def job_of(stage: StagedCause, restart: DaemonRestart) -> str:
    """Return the Prometheus job of the stage: the daemons of two jobs have nothing in common."""
    return f"{stage.name}; {restart}"


FIRING = 'ALERTS{alertstate="firing"}'
TIMES = f"(timestamp({FIRING}) / 60)[{MINUTES}m:1m]"
OF_ALERT = "by (job, alertname, severity)"

EXPRESSIONS = {
    "series": f"count {OF_ALERT} (count_over_time({FIRING}[{MINUTES}m]))",
    "first": f"min {OF_ALERT} (min_over_time({TIMES})) - {BEGIN}",
    "last": f"max {OF_ALERT} (max_over_time({TIMES})) - {BEGIN}",
    "minutes": f"max {OF_ALERT} (count_over_time({FIRING}[{MINUTES}m]))",
}
"""Of each alert: its number of series, the minutes of its start and its end, and for how many minutes it fired."""


def case(staged: Sequence[tuple[StagedCause, DaemonRestart]]) -> dict[str, Any]:
    """Return one promtool case: each stage fires its alert once, at its minute and without a gap, and no other."""
    expected: dict[str, list[tuple[str, int]]] = {name: [] for name in EXPRESSIONS}
    for stage, restart in staged:
        alert = stage.fired
        names = {"alertname": alert.alert, "job": "" if alert.of_all else job_of(stage, restart)}
        labels = _written("", names | {"severity": alert.severity})
        values = {"series": 1, "first": alert.first, "last": alert.last, "minutes": alert.last - alert.first + 1}
        for name, value in values.items():
            expected[name].append((labels, value))
    return {
        "interval": "1m",
        "input_series": [each for stage, restart in staged for each in _inputs(stage, restart)],
        "promql_expr_test": [
            {
                "expr": EXPRESSIONS[name],
                "eval_time": f"{MINUTES}m",
                "exp_samples": [{"labels": labels, "value": value} for labels, value in samples],
            }
            for name, samples in expected.items()
        ],
    }
