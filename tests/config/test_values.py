"""Each setting accepts values up to its limits and rejects values just outside them, with its name in the error."""

from typing import Any

import pytest

from autoscaler.config import load
from autoscaler.core.policy import (
    ConflictingScalers,
    FallbackBehavior,
    Mode,
    Pause,
    RateLimit,
    SelectLimit,
    WorkerSafety,
)
from tests.config.spoken import flat, only, policy, problems

DURATIONS = [
    "ACCEPTABLE_LATENCY",
    "PROCESSING_TIME",
    "SCALE_OUT__COOLDOWN",
    "SCALE_OUT__STABILIZATION",
    "SCALE_IN__COOLDOWN",
    "SCALE_IN__STABILIZATION",
    "DEPLOYMENTS__AT_MOST",
    "STALLED_AFTER",
    "INTERVAL",
]
WHOLES = [
    "MIN_TASKS",
    "MAX_TASKS",
    "TASK_CONCURRENCY",
    "ACTIVATION__MESSAGES",
    "ACTIVATION__READS",
    "FALLBACK__TASKS",
    "FALLBACK__AFTER",
    "LAUNCH_PER_MINUTE",
    "FLEET_CAP_PERCENT",
    "HTTP_PORT",
]
NUMBERS = ["TASK_PRICE", "BACKLOG_PER_TASK", "CPU_TARGET_PERCENT", "MEMORY_TARGET_PERCENT", "TOLERANCE"]
CHOICES = [
    "WORKERS",
    "SCALE_OUT__SELECT",
    "SCALE_IN__SELECT",
    "FALLBACK__BEHAVIOR",
    "CONFLICTING_SCALERS",
    "MODE",
    "LOG_FORMAT",
    "LOG_LEVEL",
]


@pytest.mark.parametrize("name", DURATIONS)
@pytest.mark.parametrize("value", ["60", "1.5", "soon", "-5s", "5 s", "5x", "1s1h", "s", "1h1h", "nan", "٣s", "9000h"])
def test_a_duration_is_a_number_with_a_unit(name: str, value: str) -> None:
    assert set(problems(flat(**{name: value}))) == {f"AUTOSCALER_{name}"}


def test_the_error_for_a_number_without_a_unit_suggests_one() -> None:
    assert "'60s'" in problems(flat(ACCEPTABLE_LATENCY="60"))["AUTOSCALER_ACCEPTABLE_LATENCY"]


@pytest.mark.parametrize("name", WHOLES)
@pytest.mark.parametrize("value", ["ten", "1.5", "1e3", "1_0", "-1", "٣", "2147483648", "true", "0x10", "9" * 5000])
def test_a_whole_number_has_only_digits(name: str, value: Any) -> None:
    assert set(problems(flat(**{name: value}))) == {f"AUTOSCALER_{name}"}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["many", "nan", "inf", "-1", "1e999", "1_0", "٣.5", "60%"])
def test_a_number_is_finite_and_within_its_range(name: str, value: str) -> None:
    assert set(problems(flat(**{name: value}))) == {f"AUTOSCALER_{name}"}


@pytest.mark.parametrize("name", CHOICES)
def test_an_invalid_choice_is_rejected_with_the_valid_ones(name: str) -> None:
    errors = problems(flat(**{name: "perhaps"}))
    assert errors.keys() == {f"AUTOSCALER_{name}"}
    assert "'perhaps' is not one of" in errors[f"AUTOSCALER_{name}"]


def test_a_mistyped_choice_gets_a_suggestion() -> None:
    assert problems(flat(MODE="activ"))["AUTOSCALER_MODE"].endswith("did you mean active?")


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("MAX_TASKS", "0"),
        ("TASK_CONCURRENCY", "0"),
        ("ACTIVATION__READS", "0"),
        ("FALLBACK__AFTER", "0"),
        ("HTTP_PORT", "65536"),
        ("LAUNCH_PER_MINUTE", "0"),
        ("STALLED_AFTER", "999ms"),
        ("FLEET_CAP_PERCENT", "0"),
        ("FLEET_CAP_PERCENT", "101"),
        ("COUNT_IN_FLIGHT", "maybe"),
        ("COUNT_DELAYED", "2"),
        ("QUEUE_MINUTES", "1m"),
        ("BACKLOG_PER_TASK", "0"),
        ("CPU_TARGET_PERCENT", "0"),
        ("CPU_TARGET_PERCENT", "100.1"),
        ("MEMORY_TARGET_PERCENT", "0"),
        ("MEMORY_TARGET_PERCENT", "101"),
        ("TOLERANCE", "1"),
        ("ACCEPTABLE_LATENCY", "999ms"),
        ("INTERVAL", "999ms"),
        ("PROCESSING_TIME", "0s"),
        ("BUSY_FLOOR", "maybe"),
        ("DEPLOYMENTS__HOLD_SCALE_IN", "2"),
        ("PAUSED", "both"),
        ("PAUSED", "1.5"),
        ("REGION", "Ireland"),
        ("REGION", "eu-west"),
        ("CLUSTER", "arn:aws:ecs:eu-west-1:123456789012:cluster/c"),
        ("SERVICE", "two words"),
        ("SERVICE", "s" * 256),
        ("HTTP_HOST", "http://localhost"),
        ("TASK_PRICE", "0"),
        ("TASK_PRICE", "1000001"),
        ("TASK_PRICE", "$0.05"),
        ("SCALE_IN__LIMITS", "4 per minute"),
        ("SCALE_IN__LIMITS", "[{"),
        ("SCALE_IN__LIMITS", "[" * 100_000),
        ("SCALE_IN__LIMITS", '[{"tasks": 4}]'),
        ("SCALE_IN__LIMITS", '[{"per": "60s"}]'),
        ("SCALE_IN__LIMITS", '[{"tasks": 4, "percent": 5, "per": "60s"}]'),
        ("SCALE_IN__LIMITS", '[{"tasks": -1, "per": "60s"}]'),
        ("SCALE_IN__LIMITS", '[{"percent": 0, "per": "60s"}]'),
        ("SCALE_IN__LIMITS", '[{"percent": 1000001, "per": "60s"}]'),
        ("SCALE_IN__LIMITS", '[{"tasks": 1, "per": "0s"}]'),
        ("SCALE_IN__LIMITS", '[{"tasks": 1, "per": 60}]'),
        ("SCALE_IN__LIMITS", "[4]"),
        ("SCALE_OUT__LIMITS", '[{"tasks": 1, "per": "60s", "pre": 1}]'),
        ("QUEUES", "a,,b"),
        ("QUEUES", "a,"),
        ("QUEUES", "a="),
        ("QUEUES", "a=5"),
        ("QUEUES", "a=999ms"),
        ("QUEUES", "[5]"),
        ("QUEUES", '[{"acceptable_latency": "5m"}]'),
        ("QUEUES", '[{"name": "a", "latency": "5m"}]'),
    ],
)
def test_a_value_just_outside_its_limits_is_rejected_by_name(name: str, wrong: Any) -> None:
    assert f"AUTOSCALER_{name}" in problems(flat(**{name: wrong}))


@pytest.mark.parametrize(
    ("name", "right", "field", "value"),
    [
        ("MAX_TASKS", "1", "max_tasks", 1),
        ("MAX_TASKS", "2147483647", "max_tasks", 2**31 - 1),
        ("MIN_TASKS", "10", "min_tasks", 10),
        ("TASK_CONCURRENCY", "1", "task_concurrency", 1),
        ("BACKLOG_PER_TASK", "0.001", "backlog_per_task", 0.001),
        ("CPU_TARGET_PERCENT", "100", "cpu_target_percent", 100.0),
        ("MEMORY_TARGET_PERCENT", " 70.5 ", "memory_target_percent", 70.5),
        ("MEMORY_TARGET_PERCENT", "none", "memory_target_percent", None),
        ("TOLERANCE", "0", "tolerance", 0.0),
        ("TOLERANCE", "0.999", "tolerance", 0.999),
        ("ACCEPTABLE_LATENCY", "1s", "acceptable_latency_s", 1.0),
        ("ACCEPTABLE_LATENCY", "1h30m", "acceptable_latency_s", 5400.0),
        ("PROCESSING_TIME", "500ms", "processing_time_s", 0.5),
        ("PROCESSING_TIME", "NONE", "processing_time_s", None),
        ("BUSY_FLOOR", "False", "busy_floor", False),
        ("BUSY_FLOOR", "on", "busy_floor", True),
        ("WORKERS", "self_protecting", "workers", WorkerSafety.SELF_PROTECTING),
        ("COUNT_IN_FLIGHT", "no", "count_in_flight", False),
        ("COUNT_DELAYED", "yes", "count_delayed", True),
        ("LAUNCH_PER_MINUTE", "1", "launch_per_minute", 1),
        ("STALLED_AFTER", "1s", "stalled_after_s", 1.0),
        ("CONFLICTING_SCALERS", "Refuse", "conflicting_scalers", ConflictingScalers.REFUSE),
        ("FORMULA", " visible / 50 ", "formula", "visible / 50"),
        ("FORMULA", "none", "formula", None),
        ("MODE", "SHADOW", "mode", Mode.SHADOW),
        ("PAUSED", "in", "paused", Pause.IN),
        ("PAUSED", "10", "paused", 10),
        ("PAUSED", "0", "paused", 0),
        ("PAUSED", "none", "paused", None),
    ],
)
def test_a_value_just_inside_its_limits_is_accepted(name: str, right: str, field: str, value: Any) -> None:
    taken = getattr(policy(flat(**{name: right})), field)
    assert (taken, type(taken)) == (value, type(value))


def test_two_underscores_separate_a_group_from_its_setting() -> None:
    configured = policy(
        flat(
            SCALE_OUT__COOLDOWN="30s",
            SCALE_OUT__STABILIZATION="1m",
            SCALE_OUT__SELECT="disabled",
            SCALE_IN__COOLDOWN="2m",
            SCALE_IN__LIMITS='{"percent": 50, "per": "1m"}',
            SCALE_OUT__LIMITS='[{"tasks": 4, "per": "60s"}, {"percent": 100, "per": "15s"}]',
            ACTIVATION__MESSAGES="5",
            ACTIVATION__READS="2",
            FALLBACK__BEHAVIOR="static",
            FALLBACK__TASKS="10",
            FALLBACK__AFTER="6",
            DEPLOYMENTS__HOLD_SCALE_IN="no",
            DEPLOYMENTS__AT_MOST="0s",
        )
    )
    assert (configured.scale_out.cooldown_s, configured.scale_out.stabilization_s) == (30.0, 60.0)
    assert configured.scale_out.select is SelectLimit.DISABLED
    assert configured.scale_out.limits == (RateLimit(60.0, tasks=4), RateLimit(15.0, percent=100))
    assert (configured.scale_in.cooldown_s, configured.scale_in.limits) == (120.0, (RateLimit(60.0, percent=50),))
    assert configured.scale_in.stabilization_s == 20.0, "an unset setting of a group keeps its default"
    assert (configured.activation.messages, configured.activation.reads) == (5, 2)
    assert (configured.fallback.behavior, configured.fallback.tasks) == (FallbackBehavior.STATIC, 10)
    assert configured.fallback.after == 6
    assert (configured.deployments.hold_scale_in, configured.deployments.at_most_s) == (False, 0.0)


def test_the_daemons_settings_are_loaded() -> None:
    config = load(
        flat(
            HTTP_HOST="127.0.0.1", HTTP_PORT="0", LOG_FORMAT="json", LOG_LEVEL="DEBUG", LOG_INTERVAL="1h", INTERVAL="5s"
        )
    )
    assert (config.http_host, config.http_port) == ("127.0.0.1", 0)
    assert (config.log_format, config.log_level, config.log_interval_s) == ("json", "debug", 3600.0)
    assert config.interval_s == 5.0


def test_the_log_interval_is_at_least_a_minute() -> None:
    assert load(flat()).log_interval_s == load(flat(LOG_INTERVAL="60s")).log_interval_s == 60.0
    assert "minimum is 60s" in problems(flat(LOG_INTERVAL="59s"))["AUTOSCALER_LOG_INTERVAL"]


def test_the_fleet_cap_is_from_1_to_100_percent() -> None:
    assert [load(flat(FLEET_CAP_PERCENT=text)).fleet_cap_percent for text in ("1", "100")] == [1, 100]
    assert load(flat()).fleet_cap_percent is None


def test_the_rate_share_is_from_1_to_100_percent() -> None:
    assert [load(flat(RATE_SHARE_PERCENT=text)).rate_share_percent for text in ("1", "100")] == [1, 100]
    assert load(flat()).rate_share_percent == 25


def test_queue_minutes_are_on_unless_they_are_turned_off() -> None:
    assert only(load(flat())).queue_minutes
    assert not only(load(flat(QUEUE_MINUTES="off"))).queue_minutes


@pytest.mark.parametrize(
    ("values", "interval_s"),
    [
        ({}, 10.0),
        ({"ACCEPTABLE_LATENCY": "30s"}, 10.0),
        ({"ACCEPTABLE_LATENCY": "29s"}, 29 / 3),
        ({"ACCEPTABLE_LATENCY": "5s", "INTERVAL": "1s"}, 1.0),
        ({"ACCEPTABLE_LATENCY": "1s"}, 1 / 3),
        ({"QUEUES": "a=6s,b"}, 2.0),
        ({"ACCEPTABLE_LATENCY": "10m", "INTERVAL": "3m"}, 180.0),
    ],
)
def test_the_interval_is_never_longer_than_a_third_of_the_shortest_latency(values: Any, interval_s: Any) -> None:
    assert load(flat(**values)).interval_s == interval_s


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "https://ann:hunter2@sqs.eu-west-1.amazonaws.com/123456789012/q",
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    ],
)
@pytest.mark.parametrize(
    "name", ["MAX_TASKS", "ACCEPTABLE_LATENCY", "MODE", "REGION", "TOLERANCE", "PAUSED", "FORMULA", "METRICS", "CAPS"]
)
def test_a_value_that_resembles_a_secret_is_never_shown(name: str, secret: str) -> None:
    errors = str(problems(flat(**{name: secret})))
    assert not any(part in errors for part in ("hunter2", "AKIAIOSF", "wJalrXUt"))


def test_an_invalid_value_is_shown_shortened_and_on_one_line() -> None:
    [errors] = problems(flat(MODE="x\n\x1b[31m" + "long" * 100)).values()
    assert errors.isprintable()
    assert len(errors) < 150


def test_all_problems_are_reported_together() -> None:
    found = problems(flat(MAX_TASKS="ten", MIN_TASKS="-1", MODE="on", SCALE_IN__LIMITS="[4, 5]", MAX_TASK="3"))
    assert found.keys() == {
        f"AUTOSCALER_{name}" for name in ("MAX_TASKS", "MIN_TASKS", "MODE", "MAX_TASK", "SCALE_IN__LIMITS")
    }


def test_the_key_of_a_flat_service_is_its_simplified_name() -> None:
    assert only(load(flat(SERVICE="Image-Resize_2"))).ref.key == "image-resize_2"


def test_the_price_of_a_task_is_a_value_of_the_service_and_not_of_its_policy() -> None:
    [service] = load(flat(TASK_PRICE="0.0494")).services
    assert service.task_price == 0.0494
    assert not hasattr(service.policy, "task_price")
    assert load(flat()).services[0].task_price is None


@pytest.mark.parametrize(
    ("text", "name", "region"),
    [
        ("events", "events", None),
        ("arn:aws:sqs:us-east-1:123456789012:events", "events", "us-east-1"),
        ("https://sqs.us-east-1.amazonaws.com/123456789012/events", "events", "us-east-1"),
    ],
)
def test_the_queue_of_events_is_a_name_arn_or_url(text: str, name: str, region: str | None) -> None:
    queue = load(flat(EVENT_QUEUE=text)).event_queue
    assert queue is not None
    assert (queue.name, queue.region) == (name, region)
    assert load(flat(EVENT_QUEUE="none")).event_queue is load(flat()).event_queue is None


@pytest.mark.parametrize("text", ["events.fifo", "a b", "arn:aws:sns:us-east-1:123456789012:events"])
def test_the_queue_of_events_is_a_standard_queue(text: str) -> None:
    assert "AUTOSCALER_EVENT_QUEUE" in problems(flat(EVENT_QUEUE=text))


@pytest.mark.parametrize(
    ("text", "queue", "is_shared"),
    [
        ("work", "work", True),
        ("arn:aws:sqs:eu-west-1:123456789012:work", "work", True),
        ("work", "https://sqs.eu-west-1.amazonaws.com/123456789012/work", True),
        ("work", "arn:aws:sqs:us-east-1:123456789012:work", False),
        ("work", "work2", False),
    ],
)
def test_the_queue_of_events_is_not_a_queue_of_a_service_under_any_name(text: str, queue: str, is_shared: bool) -> None:
    """The daemon deletes what it receives from it."""
    given = flat(EVENT_QUEUE=text, QUEUES=queue) | {"AWS_REGION": "eu-west-1"}
    if is_shared:
        assert "is also a queue of the service" in problems(given)["AUTOSCALER_EVENT_QUEUE"]
    else:
        assert load(given).event_queue is not None
