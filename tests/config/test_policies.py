"""A policy and its fields are two spellings of one thing."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.config import fields_of, load, policy_of
from autoscaler.core.policy import (
    Activation,
    DeploymentHold,
    Direction,
    Fallback,
    FallbackBehavior,
    Limit,
    Mode,
    Pause,
    Policy,
    QueuePolicy,
    Select,
    Workers,
)
from autoscaler.errors import ConfigError
from tests.config.spoken import flat, only, refusal

MOST = 2**31 - 1
durations = st.floats(0.0, 365 * 86400.0)
latencies = st.floats(1.0, 365 * 86400.0)
percents = st.floats(0.0, 100.0, exclude_min=True)
positive = st.floats(0.0, exclude_min=True, allow_infinity=False, allow_nan=False)
limits = st.builds(Limit, st.floats(0.001, 86400.0), tasks=st.integers(0, MOST)) | st.builds(
    Limit, st.floats(0.001, 86400.0), percent=st.integers(1, 1_000_000)
)
directions = st.builds(
    Direction, durations, durations, st.lists(limits, max_size=3).map(tuple), st.sampled_from(list(Select))
)
queues = st.builds(QueuePolicy, st.from_regex(r"[A-Za-z0-9_-]{1,20}(\.fifo)?", fullmatch=True), latencies)


@st.composite
def policies(draw) -> Policy:
    least, most = sorted((draw(st.integers(0, MOST)), draw(st.integers(1, MOST))))
    within = st.integers(least, max(most, 1))
    behavior = draw(st.sampled_from(list(FallbackBehavior)))
    tasks = draw(st.none() | within if behavior is FallbackBehavior.HOLD else within)
    return Policy(
        name=draw(st.text()),
        min_tasks=least,
        max_tasks=max(most, 1),
        queues=tuple(draw(st.lists(queues, max_size=3, unique_by=lambda queue: queue.name))),
        acceptable_latency_s=draw(latencies),
        processing_time_s=draw(st.none() | st.floats(0.001, 86400.0)),
        task_concurrency=draw(st.integers(1, 1_000_000)),
        workers=draw(st.sampled_from(list(Workers))),
        backlog_per_task=draw(st.none() | positive),
        cpu_target_percent=draw(st.none() | percents),
        memory_target_percent=draw(st.none() | percents),
        scale_out=draw(directions),
        scale_in=draw(directions),
        tolerance=draw(st.floats(0.0, 1.0, exclude_max=True)),
        activation=Activation(draw(st.integers(0, MOST)), draw(st.integers(1, 1000))),
        fallback=Fallback(behavior, tasks, draw(st.integers(1, 1_000_000))),
        deployments=DeploymentHold(draw(st.booleans()), draw(durations)),
        busy_floor=draw(st.booleans()),
        mode=draw(st.sampled_from(list(Mode))),
        paused=draw(st.none() | st.sampled_from(list(Pause)) | within),
    )


@settings(max_examples=300)
@given(policies())
def test_the_fields_of_a_policy_say_it_exactly_even_through_json(policy):
    assert policy_of(policy.name, json.loads(json.dumps(fields_of(policy), allow_nan=False))) == policy


def test_no_fields_at_all_say_the_cores_own_defaults():
    assert policy_of("x", {}) == Policy("x", 0, MOST)


def test_the_settings_and_the_fields_read_alike():
    fields = {"queues": "orders-queue=5m", "max_tasks": "10", "scale_out": {"cooldown": "30s"}, "paused": "in"}
    environ = flat(QUEUES="orders-queue=5m", SCALE_OUT__COOLDOWN="30s", PAUSED="in")
    assert policy_of("orders", fields) == only(load(environ)).policy


def test_where_a_service_is_may_be_there_and_does_not_matter():
    assert policy_of("x", {"cluster": "c", "service": "s", "region": "eu-west-1"}) == policy_of("x", {})


def test_a_policy_needs_no_signal_and_may_speak_of_queues_without_having_any():
    assert policy_of("x", {"backlog_per_task": 5}).backlog_per_task == 5.0


def test_null_is_as_good_as_absent():
    assert policy_of("x", {"paused": None, "processing_time": None, "region": None}) == policy_of("x", {})


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
        ({"metrics": {}}, "metrics"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"backlog_per_task": float("inf")}, "backlog_per_task"),
        ({"backlog_per_task": 10**400}, "backlog_per_task"),
        ({"cpu_target_percent": True}, "cpu_target_percent"),
        ({"queues": ["a", "a"]}, "queues"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(fields, where):
    with pytest.raises(ConfigError) as caught:
        policy_of("x", fields)
    assert [problem.where for problem in caught.value.problems] == [where]


def test_all_wrong_fields_are_named_at_once():
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
def test_any_fields_say_a_policy_or_what_is_wrong(fields):
    refused = refusal(lambda: policy_of("x", fields))
    assert all(map(str.isprintable, refused.splitlines())) if refused else policy_of("x", fields).max_tasks >= 1


def test_the_fields_are_spelled_like_the_settings():
    policy = only(load(flat(QUEUES="a,b=5m", SCALE_IN__LIMITS='[{"percent": 50, "per": "1m"}]', PAUSED="4"))).policy
    assert fields_of(policy) == {
        "min_tasks": 0,
        "max_tasks": 10,
        "queues": [{"name": "a", "acceptable_latency": "60s"}, {"name": "b", "acceptable_latency": "300s"}],
        "acceptable_latency": "60s",
        "task_concurrency": 1,
        "workers": "draining",
        "scale_out": {"cooldown": "0s", "stabilization": "0s", "limits": [], "select": "max"},
        "scale_in": {
            "cooldown": "0s",
            "stabilization": "60s",
            "limits": [{"percent": 50, "per": "60s"}],
            "select": "max",
        },
        "tolerance": 0.1,
        "activation": {"messages": 0, "reads": 1},
        "fallback": {"behavior": "hold", "after": 3},
        "deployments": {"hold_scale_in": True, "at_most": "3600s"},
        "busy_floor": True,
        "mode": "active",
        "paused": 4,
    }
