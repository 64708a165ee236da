"""A shared cap names configured services and leaves room for their min_tasks."""

import json
from pathlib import Path
from typing import Any

import pytest

from autoscaler.config import load
from autoscaler.config.model import SharedCap
from tests.config.spoken import flat, many, problems


def settings_with(**caps: object) -> dict[str, str]:
    """Return the variables of two valid services, `a` with min_tasks 3 and `b-1`, with these caps."""
    return many("A", "B-1", SERVICES__A__MIN_TASKS="3", CAPS=json.dumps(caps))


def cap(most: object = 200, **per_task: object) -> dict[str, object]:
    return {"most": most, "per_task": {key.replace("_", "-"): taken for key, taken in per_task.items()}}


def test_a_cap_names_services_by_their_keys() -> None:
    caps = load(settings_with(database=cap(10, B_1=2, a=1), quota=cap(1, b_1=1))).caps
    assert caps == (SharedCap("database", 10, (("b-1", 2), ("a", 1))), SharedCap("quota", 1, (("b-1", 1),)))


def test_a_single_service_may_have_a_cap() -> None:
    assert load(flat(CAPS=json.dumps({"database": cap(10, orders=2)}))).caps[0].per_task == (("orders", 2),)


def test_the_default_is_no_caps() -> None:
    assert load(flat()).caps == ()


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (cap(0, a=1), "database, most: 0 is out of range"),
        (cap("many", a=1), "database, most"),
        (cap(10, a=0), "database, per_task, a: 0 is out of range"),
        (cap(10, a="two"), "database, per_task, a"),
        (cap(10, a=1.5), "database, per_task, a"),
        (cap(10), "database, per_task"),
        ({"most": 10, "per_task": ["a"]}, "database, per_task: a list is not a table of services"),
        ({"most": 10}, "database, per_task: the value is missing"),
        ({"per_task": {"a": 1}}, "database, most: the value is missing"),
        (cap(10, a=1) | {"least": 1}, "database, least: unknown setting; known settings here: most, per_task"),
        (5, "database: the value must be a table with most, per_task"),
        (cap(10, b_2=1), "database: 'b-2' is not the key of a service; did you mean b-1?"),
        (cap(10, zzz=1), "database: 'zzz' is not the key of a service; known keys: a, b-1"),
        (cap(10, a=1, A=1), "database: the service a is listed twice"),
        (cap(5, a=2), "database: with min_tasks, the services already use 6, and most is 5"),
    ],
)
def test_an_error_in_a_cap_names_the_cap_and_the_field(wrong: Any, what: str) -> None:
    errors = problems(settings_with(database=wrong))
    assert errors.keys() == {"AUTOSCALER_CAPS"}
    assert what in errors["AUTOSCALER_CAPS"]


def test_a_cap_equal_to_the_use_at_min_tasks_is_accepted() -> None:
    assert load(settings_with(database=cap(6, a=2, b_1=9))).caps[0].most == 6


@pytest.mark.parametrize("name", ["", "two words", "-x", "c" * 65])
def test_an_invalid_cap_name_is_rejected(name: Any) -> None:
    assert "name of a cap" in problems(settings_with(**{name: cap(10, a=1)}))["AUTOSCALER_CAPS"]


def test_a_cap_in_the_file_may_name_a_service_from_variables(tmp_path: Path) -> None:
    path = tmp_path / "autoscaler.toml"
    text = "[caps.database]\nmost = 5\n[caps.database.per_task]\n"
    path.write_text(text + "a = 1\n")
    environ = many("A") | {"AUTOSCALER_CONFIG_FILE": str(path)}
    assert load(environ).caps == (SharedCap("database", 5, (("a", 1),)),)
    path.write_text(text + "c = 1\n")
    assert problems(environ).keys() == {"autoscaler.toml: caps"}
