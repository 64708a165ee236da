"""Prices of tasks: AWS's own examples, and every case in which there is no price."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.pricing import Architecture, NoPrice, TaskPrice, TaskSize, configured, dollars, list_price, task_dollars

FARGATE, SPOT = {"FARGATE": 1.0}, {"FARGATE_SPOT": 1.0}

SIZE = TaskSize("us-east-1", 1.0, 2.0)


def price(size: TaskSize, providers: dict[str, float]) -> TaskPrice:
    found = list_price(size, providers)
    assert isinstance(found, TaskPrice), found
    return found


def reason(size: TaskSize, providers: dict[str, float]) -> str:
    found = list_price(size, providers)
    assert isinstance(found, NoPrice), found
    assert found.remedy.startswith("set task_price")
    return found.reason


# https://aws.amazon.com/fargate/pricing/, "Pricing Examples", as of October 2026. All are in us-east-1 and for a month
# of 30 days. The page adds ephemeral storage in examples 1 and 2 ($0.03), which is reported as not included here.
EXAMPLES = [
    pytest.param(replace(SIZE, storage_gb=30.0), 5, 600, 1.01 + 0.22, id="example 1: 5 tasks, x86"),
    pytest.param(
        replace(SIZE, architecture=Architecture.ARM, storage_gb=30.0), 5, 600, 0.81 + 0.18, id="example 2: 5 tasks, Arm"
    ),
    pytest.param(TaskSize("us-east-1", 0.25, 1.0), 10, 3600, 4.37, id="example 3: 10 pods"),
]


@pytest.mark.parametrize(("size", "tasks", "seconds_a_day", "month"), EXAMPLES)
def test_the_price_matches_the_examples_of_aws(size: TaskSize, tasks: int, seconds_a_day: int, month: float) -> None:
    hours = tasks * seconds_a_day / 3600 * 30
    assert hours * price(size, FARGATE).dollars_per_hour == pytest.approx(month, abs=0.01)


def test_storage_above_twenty_gigabytes_is_named_as_not_included() -> None:
    assert price(SIZE, FARGATE).excluded == ()
    assert price(replace(SIZE, storage_gb=20.0), FARGATE).excluded == ()
    with_storage = price(replace(SIZE, storage_gb=50.0), FARGATE)
    assert with_storage.excluded == ("30 GB of ephemeral storage above 20 GB",)
    assert with_storage.text.endswith("; without 30 GB of ephemeral storage above 20 GB)")


def test_a_price_names_its_size_kind_region_and_date() -> None:
    found = price(SIZE, FARGATE)
    assert found.text == (
        "$0.04937 per task and hour (1 vCPU, 2 GB, Fargate x86 in us-east-1, list price of 2026-09-29)"
    )
    assert found.as_of == date(2026, 9, 29)
    assert found.source is not None
    assert configured(0.1).text == "$0.1 per task and hour (the setting task_price)"


def test_several_capacity_providers_have_the_mean_by_weight() -> None:
    on_demand, spot = price(SIZE, FARGATE).dollars_per_hour, price(SIZE, SPOT).dollars_per_hour
    mixed = price(SIZE, {"FARGATE": 1.0, "FARGATE_SPOT": 3.0})
    assert mixed.dollars_per_hour == pytest.approx(on_demand / 4 + 3 * spot / 4)
    assert "Fargate x86 25% and Fargate Spot x86 75%" in mixed.basis
    assert price(SIZE, {"FARGATE": 0.0, "FARGATE_SPOT": 1.0}).dollars_per_hour == spot
    assert price(SIZE, {"FARGATE": 0.0, "FARGATE_SPOT": 0.0}).dollars_per_hour == on_demand


def test_without_a_source_there_is_no_price() -> None:
    assert reason(replace(SIZE, windows=True), FARGATE).startswith("the task runs Windows")
    assert reason(SIZE, {}) == "ECS did not return a launch type or capacity provider"
    assert "the task runs on EC2, not on Fargate" in reason(SIZE, {"EC2": 1.0})
    assert "the task runs on my-instances" in reason(SIZE, {"FARGATE": 1.0, "my-instances": 1.0})
    arm = replace(SIZE, architecture=Architecture.ARM)
    assert reason(arm, SPOT) == "this version has no list price of Fargate Spot Arm in us-east-1"
    assert reason(replace(SIZE, region="xx-new-1"), FARGATE) == (
        "this version has no list price of Fargate x86 in xx-new-1"
    )
    assert "Fargate Arm in us-west-2" in reason(replace(arm, region="us-west-2"), FARGATE)


def _tables() -> list[dict[str, Any]]:
    text = files("autoscaler.pricing").joinpath("fargate.toml").read_text(encoding="utf-8")
    tables: list[dict[str, Any]] = tomllib.loads(text)["tables"]
    return tables


def test_every_table_has_a_date_and_an_address_and_no_region_twice() -> None:
    seen = set[tuple[str, str, str]]()
    for table in _tables():
        assert isinstance(table["as_of"], date)
        assert table["source"].startswith("https://")
        for region, (vcpu, memory) in table["regions"].items():
            assert 0.005 < memory / vcpu < 0.2  # a GB costs about a ninth of a vCPU everywhere: no transposed row
            assert 0.01 < vcpu < 0.2
            row = (table["architecture"], table["capacity"], region)
            assert row not in seen
            seen.add(row)


def test_spot_and_arm_are_cheaper_than_x86_on_demand_wherever_both_are_known() -> None:
    for table in _tables():
        for region in table["regions"]:
            size = replace(SIZE, region=region, architecture=Architecture(table["architecture"]))
            providers = SPOT if table["capacity"] == "spot" else FARGATE
            usual = price(replace(SIZE, region=region), FARGATE).dollars_per_hour
            assert price(size, providers).dollars_per_hour <= usual


@given(vcpu=st.floats(0.25, 16), memory=st.floats(0.5, 120), weight=st.floats(0.001, 1000))
def test_a_price_is_linear_in_the_size_and_between_those_of_its_providers(
    vcpu: float, memory: float, weight: float
) -> None:
    size = replace(SIZE, vcpu=vcpu, memory_gb=memory)
    one, both = price(size, FARGATE), price(size, {"FARGATE": weight, "FARGATE_SPOT": 1.0})
    assert price(replace(size, vcpu=2 * vcpu, memory_gb=2 * memory), FARGATE).dollars_per_hour == pytest.approx(
        2 * one.dollars_per_hour
    )
    assert price(size, SPOT).dollars_per_hour <= both.dollars_per_hour <= one.dollars_per_hour


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0"),
        (0.004, "less than $0.01"),
        (-0.004, "more than -$0.01"),
        (0.005, "$0.01"),
        (38.2, "$38.20"),
        (99.99, "$99.99"),
        (99.996, "$100"),
        (1234.5, "$1,234"),
        (-7.5, "-$7.50"),
    ],
)
def test_dollars_for_people(amount: float, text: str) -> None:
    assert dollars(amount) == text


def test_the_price_of_a_task_has_four_digits() -> None:
    assert [task_dollars(each) for each in (0.04937, 0.00012345, 1.5, 12345.0)] == [
        "$0.04937",
        "$0.0001234",
        "$1.5",
        "$12,345",
    ]
