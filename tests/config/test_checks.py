"""Settings that are valid alone but contradict each other, within a service and between services."""

from typing import Any

import pytest

from autoscaler.config import load, notes
from tests.config.spoken import flat, many, problems

URL = "https://sqs.{}.amazonaws.com/{}/q-A"


@pytest.mark.parametrize(
    ("values", "setting"),
    [
        ({"MIN_TASKS": "11"}, "MIN_TASKS"),
        ({"PAUSED": "11"}, "PAUSED"),
        ({"PAUSED": "1", "MIN_TASKS": "2"}, "PAUSED"),
        ({"PAUSED": "-1"}, "PAUSED"),
        ({"FALLBACK__BEHAVIOR": "static"}, "FALLBACK__TASKS"),
        ({"FALLBACK__BEHAVIOR": "current_if_higher"}, "FALLBACK__TASKS"),
        ({"FALLBACK__BEHAVIOR": "current_if_lower"}, "FALLBACK__TASKS"),
        ({"FALLBACK__BEHAVIOR": "static", "FALLBACK__TASKS": "11"}, "FALLBACK__TASKS"),
        ({"FALLBACK__BEHAVIOR": "static", "FALLBACK__TASKS": "1", "MIN_TASKS": "2"}, "FALLBACK__TASKS"),
        ({"QUEUES": "[]"}, "QUEUES"),
        ({"QUEUES": "[]", "CPU_TARGET_PERCENT": "60", "BACKLOG_PER_TASK": "5"}, "BACKLOG_PER_TASK"),
        ({"QUEUES": "[]", "CPU_TARGET_PERCENT": "60", "PROCESSING_TIME": "5s"}, "PROCESSING_TIME"),
        ({"QUEUES": "[]", "CPU_TARGET_PERCENT": "60", "FORMULA": "visible / 5 + running"}, "FORMULA"),
        ({"FORMULA": "visible / 5 + lag"}, "FORMULA"),
        ({"METRICS": '{"lag": {"target_value": 1}}'}, "METRICS"),
    ],
)
def test_a_contradiction_is_reported_at_the_setting_that_causes_it(values: Any, setting: str) -> None:
    assert problems(flat(**values)).keys() == {f"AUTOSCALER_{setting}"}


@pytest.mark.parametrize(
    "values",
    [
        {"MIN_TASKS": "10"},
        {"PAUSED": "10"},
        {"PAUSED": "0"},
        {"FALLBACK__BEHAVIOR": "hold"},
        {"FALLBACK__BEHAVIOR": "static", "FALLBACK__TASKS": "10"},
        {"FALLBACK__BEHAVIOR": "static", "FALLBACK__TASKS": "2", "MIN_TASKS": "2"},
        {"FALLBACK__BEHAVIOR": "current_if_higher", "FALLBACK__TASKS": "11"},
        {"QUEUES": "[]", "CPU_TARGET_PERCENT": "60"},
        {"QUEUES": "[]", "MEMORY_TARGET_PERCENT": "60"},
        {"QUEUES": "[]", "FORMULA": "cpu_percent / 5 + running"},
        {"QUEUES": "[]", "METRICS": '{"lag": {"namespace": "n", "metric": "m", "target_value": 1}}'},
        {"QUEUES": "[]", "CPU_TARGET_PERCENT": "60", "DEFAULTS__BACKLOG_PER_TASK": "5"},
    ],
)
def test_settings_close_to_a_contradiction_are_accepted(values: Any) -> None:
    assert load(flat(**values)).services


def test_contradictions_are_reported_together_with_invalid_values() -> None:
    errors = problems(flat(MODE="on", MIN_TASKS="11", PAUSED="soon"))
    assert errors.keys() == {"AUTOSCALER_MODE", "AUTOSCALER_MIN_TASKS", "AUTOSCALER_PAUSED"}


def test_an_invalid_value_causes_no_contradiction() -> None:
    assert problems(flat(MAX_TASKS="ten", MIN_TASKS="5")).keys() == {"AUTOSCALER_MAX_TASKS"}
    assert problems(flat(QUEUES="a b", BACKLOG_PER_TASK="5")).keys() == {"AUTOSCALER_QUEUES"}


def test_an_invalid_setting_is_not_also_reported_as_missing() -> None:
    assert set(problems(flat(CLUSTER="a b"))) == {"AUTOSCALER_CLUSTER"}


@pytest.mark.parametrize("empty", ["", " ", "\t"])
def test_an_empty_variable_counts_as_not_set_and_is_noted(empty: str) -> None:
    config = load(flat(MODE=empty, CONFIG_FILE=empty, SERVICES__B__CLUSTER=empty, DEFAULTS__REGION=empty))
    assert config == load(flat())
    names = ["CONFIG_FILE", "DEFAULTS__REGION", "MODE", "SERVICES__B__CLUSTER"]
    assert config.empty_variables == tuple(f"AUTOSCALER_{name}" for name in names)
    found = [note for note in notes(config) if "counts as not set" in note]
    assert [note.partition(" ")[0] for note in found] == list(config.empty_variables)


def test_a_required_setting_with_an_empty_variable_is_missing() -> None:
    found = problems(flat(CLUSTER="", QUEUES=""))
    assert "this setting is required" in found["AUTOSCALER_CLUSTER"]
    assert "no signal is configured" in found["AUTOSCALER_QUEUES"]
    assert all(text.endswith("; the variable is empty, which counts as not set") for text in found.values())
    assert "is empty" not in problems({"AUTOSCALER_SERVICE": "orders"})["AUTOSCALER_CLUSTER"]


def test_an_empty_variable_with_an_unknown_name_is_still_an_error() -> None:
    assert "did you mean AUTOSCALER_MAX_TASKS?" in problems(flat(MAX_TASK=""))["AUTOSCALER_MAX_TASK"]


def test_two_configured_services_must_not_name_the_same_ecs_service() -> None:
    errors = problems(many("A", "B", SERVICES__B__SERVICE="s-A"))
    assert errors.keys() == {"AUTOSCALER_SERVICES__B__SERVICE"}
    assert "AUTOSCALER_SERVICES__A__SERVICE" in errors["AUTOSCALER_SERVICES__B__SERVICE"]


@pytest.mark.parametrize(
    "values",
    [
        {"SERVICES__B__CLUSTER": "other"},
        {"SERVICES__A__REGION": "eu-west-1", "SERVICES__B__REGION": "us-east-1"},
    ],
)
def test_services_with_the_same_name_in_another_cluster_or_region_are_different(values: Any) -> None:
    assert len(load(many("A", "B", SERVICES__B__SERVICE="s-A", **values)).services) == 2


@pytest.mark.parametrize(("home", "same"), [("eu-west-1", True), ("us-east-1", False), ("", True)])
def test_a_service_without_a_region_is_in_the_region_of_the_daemon(home: str, same: bool) -> None:
    environ = many("A", "B", SERVICES__B__SERVICE="s-A", SERVICES__B__REGION="eu-west-1") | {"AWS_REGION": home}
    if same:
        assert problems(environ).keys() == {"AUTOSCALER_SERVICES__B__SERVICE"}
    else:
        assert len(load(environ).services) == 2


@pytest.mark.parametrize("queue", ["q-A", "x,q-A", URL.format("eu-west-1", "123456789012")])
def test_two_services_must_not_use_the_same_queue(queue: Any) -> None:
    errors = problems(many("A", "B", SERVICES__B__QUEUES=queue))
    assert "cannot be shared" in errors["AUTOSCALER_SERVICES__B__QUEUES"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (URL.format("eu-west-1", "123456789012"), URL.format("eu-west-2", "123456789012")),
        (URL.format("eu-west-1", "123456789012"), URL.format("eu-west-1", "210987654321")),
    ],
)
def test_queues_with_the_same_name_in_another_region_or_account_are_different(one: Any, other: Any) -> None:
    assert len(load(many("A", "B", SERVICES__A__QUEUES=one, SERVICES__B__QUEUES=other)).services) == 2


def test_each_further_service_on_a_queue_gets_one_error_that_names_the_first() -> None:
    errors = problems(many("A", "B", "C", SERVICES__B__QUEUES="q-A", SERVICES__C__QUEUES="q-A"))
    assert errors.keys() == {"AUTOSCALER_SERVICES__B__QUEUES", "AUTOSCALER_SERVICES__C__QUEUES"}
    assert all(what.count("configured for the service a ") == 1 for what in errors.values())
