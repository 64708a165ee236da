"""A policy converts to fields and back without loss."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.config import fields_of, load, policy_of
from autoscaler.core.policy import (
    Activation,
    ConflictingScalers,
    DeploymentHold,
    Direction,
    Fallback,
    FallbackBehavior,
    MetricPolicy,
    Mode,
    Pause,
    Policy,
    QueuePolicy,
    RateLimit,
    ScaleIn,
    SelectLimit,
    WorkerSafety,
)
from autoscaler.errors import ConfigError
from tests.config.spoken import flat, only, refusal

MOST = 2**31 - 1
durations = st.floats(0.0, 365 * 86400.0)
latencies = st.floats(1.0, 365 * 86400.0)
percents = st.floats(0.0, 100.0, exclude_min=True)
positive = st.floats(0.0, exclude_min=True, allow_infinity=False, allow_nan=False)
limits = st.builds(RateLimit, st.floats(0.001, 86400.0), tasks=st.integers(0, MOST)) | st.builds(
    RateLimit, st.floats(0.001, 86400.0), percent=st.integers(1, 1_000_000)
)
windows = (
    durations,
    durations,
    st.lists(limits, max_size=3).map(tuple),
    st.sampled_from(list(SelectLimit)),
    st.sampled_from([None, 0.0, 0.05]),
)
queues = st.builds(QueuePolicy, st.from_regex(r"[A-Za-z0-9_-]{1,20}(\.fifo)?", fullmatch=True), latencies)
metric_names = st.from_regex(r"m[a-z0-9_]{0,40}", fullmatch=True).filter(lambda name: name not in {"max", "min"})
metrics = st.builds(MetricPolicy, metric_names, target_per_task=positive) | st.builds(
    MetricPolicy, metric_names, target_value=positive
)
formulas = st.sampled_from(["8", "visible / 50", "max(oldest_age_s,\n  current) + 1"])
schedule_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True) | st.just("none")


@st.composite
def policies(draw: Any) -> Policy:
    schedule = draw(st.none() | schedule_names)
    least, most = sorted((draw(st.integers(0, MOST)), draw(st.integers(0 if schedule else 1, MOST))))
    most = most if schedule else max(most, 1)
    within = st.integers(0, MOST) if schedule else st.integers(least, most)
    behavior = draw(st.sampled_from(list(FallbackBehavior)))
    tasks = draw(st.none() | within if behavior is FallbackBehavior.HOLD else within)
    return Policy(
        name=draw(st.text()),
        min_tasks=least,
        max_tasks=most,
        queues=tuple(draw(st.lists(queues, max_size=3, unique_by=lambda queue: queue.name))),
        acceptable_latency_s=draw(latencies),
        processing_time_s=draw(st.none() | st.floats(0.001, 86400.0)),
        task_concurrency=draw(st.integers(1, 1_000_000)),
        workers=draw(st.none() | st.sampled_from(list(WorkerSafety))),
        count_in_flight=draw(st.booleans()),
        count_delayed=draw(st.booleans()),
        backlog_per_task=draw(st.none() | positive),
        cpu_target_percent=draw(st.none() | percents),
        memory_target_percent=draw(st.none() | percents),
        metrics=tuple(draw(st.lists(metrics, max_size=3, unique_by=lambda metric: metric.name))),
        formula=draw(st.none() | formulas),
        scale_out=draw(st.builds(Direction, *windows)),
        scale_in=draw(st.builds(ScaleIn, *windows, durations)),
        tolerance=draw(st.floats(0.0, 1.0, exclude_max=True)),
        activation=Activation(draw(st.integers(0, MOST)), draw(st.integers(1, 1000))),
        fallback=Fallback(behavior, tasks, draw(st.integers(1, 1_000_000))),
        deployments=DeploymentHold(draw(st.booleans()), draw(durations)),
        busy_floor=draw(st.booleans()),
        launch_per_minute=draw(st.integers(1, 1_000_000)),
        stalled_after_s=draw(latencies),
        conflicting_scalers=draw(st.sampled_from(list(ConflictingScalers))),
        mode=draw(st.sampled_from(list(Mode))),
        paused=draw(st.none() | st.sampled_from(list(Pause)) | within),
        schedule=schedule,
    )


@settings(max_examples=300)
@given(policies())
def test_the_fields_of_a_policy_convert_back_exactly_even_through_json(policy: Any) -> None:
    assert policy_of(policy.name, json.loads(json.dumps(fields_of(policy), allow_nan=False))) == policy


def test_empty_fields_give_the_defaults_of_the_core() -> None:
    assert policy_of("x", {}) == Policy("x", 0, MOST)


def test_settings_and_fields_give_the_same_policy() -> None:
    fields = {"queues": "orders-queue=5m", "max_tasks": "10", "scale_out": {"cooldown": "30s"}, "paused": "in"}
    environ = flat(QUEUES="orders-queue=5m", SCALE_OUT__COOLDOWN="30s", PAUSED="in")
    assert policy_of("orders", fields) == only(load(environ)).policy


def test_cluster_service_and_region_in_the_fields_are_ignored() -> None:
    assert policy_of("x", {"cluster": "c", "service": "s", "region": "eu-west-1"}) == policy_of("x", {})


def test_a_policy_needs_no_signal_and_may_have_queue_settings_without_queues() -> None:
    assert policy_of("x", {"backlog_per_task": 5}).backlog_per_task == 5.0


def test_the_source_of_a_metric_is_optional_in_a_policy() -> None:
    target = {"target_per_task": 5}
    source = {"namespace": "App", "metric": "Lag"}
    assert policy_of("x", {"metrics": {"lag": target}}) == policy_of("x", {"metrics": {"lag": target | source}})


def test_schedules_in_the_fields_are_accepted_and_none_is_in_force() -> None:
    assert policy_of("x", {"schedules": {"day": {"cron": "0 8 * * *", "for": "8h", "min_tasks": 5}}}) == policy_of(
        "x", {}
    )


@pytest.mark.parametrize("beyond", [{"paused": 5}, {"fallback": {"behavior": "static", "tasks": 5}}])
def test_a_pause_or_a_fallback_may_be_outside_the_bounds_of_a_schedule(beyond: Any) -> None:
    taken = policy_of("x", {"max_tasks": 0, "schedule": "closed"} | beyond)
    assert (taken.max_tasks, taken.schedule) == (0, "closed")


def test_a_whole_number_may_be_written_as_a_float() -> None:
    assert policy_of("x", {"max_tasks": 5.0}) == policy_of("x", {"max_tasks": 5})


def test_null_in_a_field_without_a_value_is_the_same_as_a_missing_field() -> None:
    assert policy_of("x", {"paused": None, "formula": None, "region": None, "schedule": None}) == policy_of("x", {})


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"max_tasks": 0}, "max_tasks"),
        ({"max_tasks": None}, "max_tasks"),
        ({"max_task": 1}, "max_task"),
        ({"min_tasks": 2, "max_tasks": 1}, "min_tasks"),
        ({"acceptable_latency": 60}, "acceptable_latency"),
        ({"scale_out": {"cooldown": 60}}, "scale_out.cooldown"),
        ({"scale_out": {"cool_down": "60s"}}, "scale_out.cool_down"),
        ({"scale_out": 5}, "scale_out"),
        ({"scale_in": {"limits": [{"tasks": 1}]}}, "scale_in.limits"),
        ({"fallback": {"behavior": "static"}}, "fallback.tasks"),
        ({"metrics": {"lag": {}}}, "metrics"),
        ({"metrics": {"Lag": {"target_value": 1}}}, "metrics"),
        ({"metrics": {"lag": {"target_value": float("inf")}}}, "metrics"),
        ({"metrics": None}, "metrics"),
        ({"formula": "visible +"}, "formula"),
        ({"formula": "visible + lag"}, "formula"),
        ({"schedule": "two words"}, "schedule"),
        ({"schedule": 5}, "schedule"),
        ({"schedules": {"day": {"cron": "0 8 * * *", "for": "8h", "max_tasks": 5}}, "max_tasks": 4}, "schedules"),
        ({"max_tasks": 4, "paused": 5}, "paused"),
        ({"caps": {}}, "caps"),
        ({"fleet_cap_percent": 5}, "fleet_cap_percent"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"backlog_per_task": float("inf")}, "backlog_per_task"),
        ({"backlog_per_task": 10**400}, "backlog_per_task"),
        ({"cpu_target_percent": True}, "cpu_target_percent"),
        ({"queues": ["a", "a"]}, "queues"),
    ],
)
def test_an_error_names_the_path_of_its_field(fields: Any, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        policy_of("x", fields)
    assert [problem.where for problem in caught.value.problems] == [where]


def test_all_invalid_fields_are_reported_together() -> None:
    with pytest.raises(ConfigError) as caught:
        policy_of("x", {"max_tasks": "ten", "min_tasks": -1, "mood": 1, "fallback": {"after": 0}})
    assert {problem.where for problem in caught.value.problems} == {"max_tasks", "min_tasks", "mood", "fallback.after"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = [*sorted(fields_of(Policy("x", 0, 1))), "processing_time", "paused", "cluster", "region", "cpu_target_percent"]


@given(st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), json_values, max_size=4))
def test_any_fields_give_a_policy_or_a_printable_error(fields: Any) -> None:
    refused = refusal(lambda: policy_of("x", fields))
    assert all(map(str.isprintable, refused.splitlines())) if refused else policy_of("x", fields).max_tasks >= 1


def test_the_fields_have_the_names_of_the_settings() -> None:
    environ = flat(
        QUEUES="a,b=5m",
        SCALE_IN__LIMITS='[{"percent": 50, "per": "1m"}]',
        PAUSED="4",
        METRICS='{"lag": {"namespace": "n", "metric": "m", "target_per_task": 5},'
        ' "depth": {"prometheus": "http://p", "query": "q", "target_value": 0.5}}',
        FORMULA="lag / 2",
    )
    fields = fields_of(only(load(environ)).policy)
    assert fields == fields | {
        "min_tasks": 0,
        "max_tasks": 10,
        "queues": [{"name": "a", "acceptable_latency": "60s"}, {"name": "b", "acceptable_latency": "300s"}],
        "acceptable_latency": "60s",
        "task_concurrency": 1,
        "count_in_flight": True,
        "count_delayed": False,
        "metrics": {"lag": {"target_per_task": 5.0}, "depth": {"target_value": 0.5}},
        "formula": "lag / 2",
        "scale_out": {"cooldown": "0s", "stabilization": "0s", "limits": [], "select": "max"},
        "scale_in": {
            "cooldown": "0s",
            "stabilization": "20s",
            "limits": [{"percent": 50, "per": "60s"}],
            "select": "max",
            "small_step_stabilization": "120s",
            "utilization_stabilization": "900s",
        },
        "tolerance": 0.1,
        "learn": True,
        "look_ahead": True,
        "activation": {"messages": 0, "reads": 1},
        "fallback": {"behavior": "hold", "after": 3},
        "deployments": {"hold_scale_in": True, "at_most": "3600s"},
        "busy_floor": True,
        "launch_per_minute": 500,
        "stalled_after": "300s",
        "conflicting_scalers": "warn",
        "mode": "shadow",
        "paused": 4,
    }
