"""A shared cap names services that there are, and leaves them at least their least."""

import json
from pathlib import Path
from typing import Any

import pytest

from autoscaler.config import load
from autoscaler.config.model import SharedCap
from tests.config.spoken import flat, many, problems


def told(**caps: object) -> dict[str, str]:
    """Two valid services, `a` of at least 3 tasks and `b-1`, with these caps."""
    return many("A", "B-1", SERVICES__A__MIN_TASKS="3", CAPS=json.dumps(caps))


def cap(most: object = 200, **per_task: object) -> dict[str, object]:
    return {"most": most, "per_task": {key.replace("_", "-"): taken for key, taken in per_task.items()}}


def test_caps_are_taken_under_the_services_own_keys() -> None:
    caps = load(told(database=cap(10, B_1=2, a=1), quota=cap(1, b_1=1))).caps
    assert caps == (SharedCap("database", 10, (("b-1", 2), ("a", 1))), SharedCap("quota", 1, (("b-1", 1),)))


def test_a_single_service_may_have_a_cap_too() -> None:
    assert load(flat(CAPS=json.dumps({"database": cap(10, orders=2)}))).caps[0].per_task == (("orders", 2),)


def test_without_caps_there_are_none() -> None:
    assert load(flat()).caps == ()


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (cap(0, a=1), "database, most: 0 is out of range"),
        (cap("many", a=1), "database, most"),
        (cap(10, a=0), "database, per_task, a: 0 is out of range"),
        (cap(10, a="two"), "database, per_task, a"),
        (cap(10, a=1.5), "database, per_task, a"),
        (cap(10), "database, per_task: names no service"),
        ({"most": 10, "per_task": ["a"]}, "database, per_task: a list is not a table of services"),
        ({"most": 10}, "database, per_task: is missing"),
        ({"per_task": {"a": 1}}, "database, most: is missing"),
        (cap(10, a=1) | {"least": 1}, "database, least: is not a setting here; there are most, per_task"),
        (5, "database: is not a table with most, per_task"),
        (cap(10, b_2=1), "database: 'b-2' is not a service's key; did you mean b-1?"),
        (cap(10, zzz=1), "database: 'zzz' is not a service's key; there are a, b-1"),
        (cap(10, a=1, A=1), "database: the service a is there twice"),
        (cap(5, a=2), "database: the services' min_tasks alone take 6, and most is 5"),
    ],
)
def test_whatever_is_wrong_in_a_cap_is_named_at_its_spot(wrong: Any, what: str) -> None:
    said = problems(told(database=wrong))
    assert said.keys() == {"AUTOSCALER_CAPS"}
    assert what in said["AUTOSCALER_CAPS"]


def test_a_cap_that_just_holds_the_least_is_taken() -> None:
    assert load(told(database=cap(6, a=2, b_1=9))).caps[0].most == 6


@pytest.mark.parametrize("name", ["", "two words", "-x", "c" * 65])
def test_a_caps_name_has_a_shape(name: Any) -> None:
    assert "cap's name" in problems(told(**{name: cap(10, a=1)}))["AUTOSCALER_CAPS"]


def test_caps_stand_in_the_file_beside_the_services(tmp_path: Path) -> None:
    path = tmp_path / "autoscaler.toml"
    text = "[caps.database]\nmost = 5\n[caps.database.per_task]\n"
    path.write_text(text + "a = 1\n")
    environ = many("A") | {"AUTOSCALER_CONFIG_FILE": str(path)}
    assert load(environ).caps == (SharedCap("database", 5, (("a", 1),)),)
    path.write_text(text + "c = 1\n")
    assert problems(environ).keys() == {"autoscaler.toml: caps"}
