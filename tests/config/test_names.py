"""No variable with the prefix AUTOSCALER_ is ignored. An unknown name is an error, with a suggestion if possible."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.config import load
from autoscaler.config.names import FIELDS, GLOBALS, folded, key_of, place, valid_key
from tests.config.spoken import flat, many, problems

VARIABLES = [f"AUTOSCALER_{name}" for name in (*GLOBALS, *FIELDS)]


@pytest.mark.parametrize(
    ("typed", "suggestion"),
    [
        ("AUTOSCALER_MAX_TASK", "AUTOSCALER_MAX_TASKS"),
        ("AUTOSCALER_MAXTASKS", "AUTOSCALER_MAX_TASKS"),
        ("AUTOSCALER_ACCEPTABLE_LATENCEY", "AUTOSCALER_ACCEPTABLE_LATENCY"),
        ("AUTOSCALER_LOGLEVEL", "AUTOSCALER_LOG_LEVEL"),
        ("AUTOSCALER_SCALE_OUT_COOLDOWN", "AUTOSCALER_SCALE_OUT__COOLDOWN"),
        ("AUTOSCALER_SCALE_OUT__COOL_DOWN", "AUTOSCALER_SCALE_OUT__COOLDOWN"),
        ("AUTOSCALER_SCALEIN__COOLDOWN", "AUTOSCALER_SCALE_IN__COOLDOWN"),
        ("AUTOSCALER_FALLBACK__BEHAVIOUR", "AUTOSCALER_FALLBACK__BEHAVIOR"),
        ("AUTOSCALER_max_tasks", "AUTOSCALER_MAX_TASKS"),
        ("AUTOSCALER__MAX_TASKS", "AUTOSCALER_MAX_TASKS"),
        ("AUTOSCALER_DEFAULTS_MAX_TASKS", "AUTOSCALER_DEFAULTS__MAX_TASKS"),
        ("AUTOSCALER_DEFAULT__MAX_TASKS", "AUTOSCALER_DEFAULTS__MAX_TASKS"),
        ("AUTOSCALER_DEFAULTS__MAX_TASK", "AUTOSCALER_DEFAULTS__MAX_TASKS"),
        ("AUTOSCALER_SERVICES_B_MAX_TASKS", "AUTOSCALER_SERVICES__B__MAX_TASKS"),
        ("AUTOSCALER_SERVICES__B_MAX_TASKS", "AUTOSCALER_SERVICES__B__MAX_TASKS"),
        ("AUTOSCALER_SERVICES_B__MAX_TASKS", "AUTOSCALER_SERVICES__B__MAX_TASKS"),
        ("AUTOSCALER_SERVICES_MY_APP_SCALE_IN_COOLDOWN", "AUTOSCALER_SERVICES__MY_APP__SCALE_IN__COOLDOWN"),
        ("AUTOSCALER_SERVICE__B__MAX_TASKS", "AUTOSCALER_SERVICES__B__MAX_TASKS"),
        ("AUTOSCALER_SERVICES__B__MAX_TASK", "AUTOSCALER_SERVICES__B__MAX_TASKS"),
        ("AUTOSCALER_SERVICES__B___MAX_TASKS", "AUTOSCALER_SERVICES__B__MAX_TASKS"),
        ("AUTOSCALER_SERVICES__B__SCALE_OUT_COOLDOWN", "AUTOSCALER_SERVICES__B__SCALE_OUT__COOLDOWN"),
        ("AUTOSCALER_SERVICES__B__max_tasks", "AUTOSCALER_SERVICES__B__MAX_TASKS"),
        ("AUTOSCALER_services__B__MAX_TASKS", "AUTOSCALER_SERVICES__B__MAX_TASKS"),
        ("AUTOSCALAR_CLUSTER", "AUTOSCALER_CLUSTER"),
        ("AUTOSCALE_CLUSTER", "AUTOSCALER_CLUSTER"),
        ("AUTO_SCALER_MAX_TASKS", "AUTOSCALER_MAX_TASKS"),
        ("AUTOSCALERMAX_TASKS", "AUTOSCALER_MAX_TASKS"),
        ("autoscaler_cluster", "AUTOSCALER_CLUSTER"),
        ("Autoscaler_Max_Tasks", "AUTOSCALER_MAX_TASKS"),
        ("autoscaler_services__b__max_tasks", "AUTOSCALER_SERVICES__B__MAX_TASKS"),
        ("AUTOSCALAR_SERVICES__B__MAX_TASKS", "AUTOSCALER_SERVICES__B__MAX_TASKS"),
    ],
)
def test_a_mistyped_variable_gets_a_suggestion(typed: str, suggestion: str) -> None:
    found = problems(flat() | {typed: "hush"})
    assert found == {typed: f"unknown setting; did you mean {suggestion}?"}


@pytest.mark.parametrize(
    "name",
    [
        "AUTOSCALER_",
        "AUTOSCALER_FOO",
        "AUTOSCALER_DEFAULTS",
        "AUTOSCALER_DEFAULTS__",
        "AUTOSCALER_PORT_9108_TCP",
        "AUTOSCALER_X" * 1000,
        "AUTOSCALER_\n\x1b",
    ],
)
def test_an_unknown_variable_with_the_prefix_is_an_error(name: Any) -> None:
    [(where, what)] = problems(flat() | {name: "hush"}).items()
    assert where.isprintable()
    assert "unknown setting" in what
    assert "hush" not in what


@pytest.mark.parametrize("name", ["AUTOSCALER_SERVICES__MAX_TASKS", "AUTOSCALER_SERVICES__B"])
def test_a_variable_without_key_or_field_gets_the_form(name: str) -> None:
    assert "AUTOSCALER_SERVICES__<KEY>__<FIELD>" in problems(flat() | {name: "x"})[name]


@pytest.mark.parametrize(
    "name", ["AUTOSCALER_SCALE_OUT", "AUTOSCALER_DEFAULTS__SCALE_OUT", "AUTOSCALER_SERVICES__B__SCALE_OUT"]
)
def test_a_variable_for_a_whole_group_gets_the_names_of_its_settings(name: str) -> None:
    assert f"{name}__COOLDOWN" in problems(many("A") | {name: "30s"})[name]


@pytest.mark.parametrize(
    "name",
    [
        "AUTOSCALING_REGION",
        "AUTOSCALING_GROUP",
        "AUTOSCALER",
        "SCALER_MAX_TASKS",
        "AUTO_MAX_TASKS",
        "CLUSTER",
        "AUTOSCALE_ZZZ",
    ],
)
def test_variables_of_other_programs_are_ignored(name: str) -> None:
    assert load(flat() | {name: ""}) == load(flat())


@pytest.mark.parametrize(
    "name",
    [
        "QUEUE_SHARE",
        *("RATE_SHARE", "LEASE_TABLE"),
        *("DEFAULTS__QUEUE_SHARE", "SERVICES__B__QUEUE_SHARE"),
    ],
)
def test_a_setting_of_a_later_version_is_rejected_and_not_ignored(name: Any) -> None:
    errors = problems(many("B", **{name: "x"}))
    assert errors[f"AUTOSCALER_{name}"] == "this version does not support this setting yet"


@pytest.mark.parametrize(
    "table", ["METRICS", "SCHEDULES", "CAPS", "DEFAULTS__METRICS", "SERVICES__B__METRICS", "SERVICES__B__SCHEDULES"]
)
def test_a_field_inside_a_table_has_no_separate_variable(table: str) -> None:
    errors = problems(many("B", **{f"{table}__LAG__NAMESPACE": "x"}))
    assert f"set the whole table as JSON in AUTOSCALER_{table}" in errors[f"AUTOSCALER_{table}__LAG__NAMESPACE"]


def test_a_service_has_no_shared_caps() -> None:
    name = "AUTOSCALER_SERVICES__B__CAPS__DATABASE__MOST"
    assert "takes the whole table" not in problems(many("B") | {name: "x"})[name]


@pytest.mark.parametrize("other", ["a", "A-", "a_1"])
def test_keys_that_differ_only_in_case_or_dashes_are_rejected(other: str) -> None:
    pair = {"a": ("A", "a"), "A-": ("A-1", "A_1"), "a_1": ("A-1", "a_1")}[other]
    errors = problems(many(*pair))
    assert all("Use one spelling" in errors[name] for name in errors if f"__{sorted(pair)[1]}__" in name)
    assert any("Use one spelling" in what for what in errors.values())


@pytest.mark.parametrize("key", ["", "-A", "A.B", "Ä", "A" * 65, "A_"])
def test_an_invalid_key_is_rejected(key: Any) -> None:
    name = f"AUTOSCALER_SERVICES__{key}__MAX_TASKS"
    assert name in problems(many("B") | {name: "5"})


@given(st.sampled_from(VARIABLES), st.integers(0, 60), st.sampled_from("XQ_"))
def test_an_extra_letter_in_a_variable_is_always_an_error(name: Any, at: Any, letter: Any) -> None:
    at = len("AUTOSCALER_") + at % (len(name) - len("AUTOSCALER_") + 1)
    typed = name[:at] + letter + name[at:]
    assert typed in problems(flat() | {typed: "hush"})


@given(st.sampled_from(VARIABLES), st.integers(0, 60))
def test_a_missing_letter_in_a_variable_is_an_error_unless_it_names_another_setting(name: Any, at: Any) -> None:
    at %= len(name)
    typed = name[:at] + name[at + 1 :]
    if place(typed) is None or not typed.startswith("AUTOSCALER_"):
        assert typed in problems(flat() | {typed: "hush"})


@given(st.text(min_size=1, max_size=300))
def test_a_simplified_key_is_always_valid(service: Any) -> None:
    assert valid_key(key_of(service))


@given(st.from_regex(r"[A-Za-z0-9](_?[A-Za-z0-9-]){0,20}", fullmatch=True))
def test_folding_ignores_only_case_and_dashes(key: Any) -> None:
    assert folded(key) == folded(key.upper()) == folded(key.replace("-", "_"))
    assert len(folded(key)) == len(key)
