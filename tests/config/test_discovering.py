"""Tags become settings: under the same names, beneath the operator's word."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoscaler.config import find
from autoscaler.config.discovering import Tagged, discovered, key_in
from autoscaler.config.model import Service
from autoscaler.core.policy import Mode
from autoscaler.errors import ConfigError
from autoscaler.ports import QueueRef

FILE = """
discover_clusters = ["prod"]
max_tasks_ceiling = 50
[defaults]
acceptable_latency = "2m"
region = "eu-west-1"
[profiles.batch]
max_tasks = 400
mode = "active"
acceptable_latency = "10m"
[profiles.careful]
mode = "scale_out_only"
[profiles.careful.scale_in]
limits = [{tasks = 1, per = "60s"}]
"""


@pytest.fixture
def told(tmp_path: Path):
    """The service of these tags, or what is wrong with them by tag."""
    path = tmp_path / "settings.toml"
    path.write_text(FILE, encoding="utf-8")
    settings = find({"AUTOSCALER_CONFIG_FILE": str(path)})
    assert settings.problems == ()

    def service(**tags: str) -> Service:
        own = {f"autoscaler:{name.replace('__', '.')}": value for name, value in tags.items()}
        return discovered(Tagged("prod", "orders", own | {"team": "a"}), settings)

    return service


def wrong(told, **tags: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        told(**tags)
    return {problem.where: problem.what for problem in caught.value.problems}


def test_two_tags_are_enough_and_such_a_service_begins_in_shadow(told) -> None:
    found = told(queues="orders refunds=30s", max_tasks="20")
    assert found.queues == (QueueRef("orders", "eu-west-1"), QueueRef("refunds", "eu-west-1"))
    assert (found.ref.key, found.ref.cluster, found.ref.service) == ("prod-orders", "prod", "orders")
    policy = found.policy
    assert (policy.mode, policy.max_tasks, policy.acceptable_latency_s) == (Mode.SHADOW, 20, 120.0)
    assert policy.latency_of("refunds") == 30.0


def test_tags_beat_the_profile_they_name_and_a_profile_the_defaults(told) -> None:
    found = told(queues="orders", profile="batch", acceptable_latency="5m").policy
    assert (found.mode, found.max_tasks, found.acceptable_latency_s) == (Mode.ACTIVE, 400, 300.0)
    assert told(queues="orders", profile="batch").policy.acceptable_latency_s == 600.0


def test_dots_lead_into_groups(told) -> None:
    found = told(queues="orders", max_tasks="9", profile="careful", scale_in__cooldown="90s").policy
    assert found.scale_in.cooldown_s == 90.0
    assert len(found.scale_in.limits) == 1


@pytest.mark.parametrize(
    ("tags", "tag", "said"),
    [
        ({"max_tasks": "51"}, "max_tasks", "above AUTOSCALER_MAX_TASKS_CEILING=50"),
        ({"max_tasks": "9", "mode": "active"}, "mode", "more than shadow"),
        ({"profile": "careful", "max_tasks": "9", "mode": "active"}, "mode", "more than scale_out_only"),
        ({"max_tasks": "9", "profile": "nobody"}, "profile", "there is batch, careful"),
        ({"max_tasks": "9", "role_arn": "arn:aws:iam::1:role/x"}, "role_arn", "is no setting for a tag"),
        ({"max_tasks": "9", "cluster": "other"}, "cluster", "is no setting for a tag"),
        ({"max_task": "9"}, "max_task", "did you mean max_tasks"),
        ({"max_tasks": "many"}, "max_tasks", "'many'"),
        ({"max_tasks": "9", "min_tasks": "10"}, "min_tasks", "more than max_tasks"),
        ({}, "max_tasks", "is required"),
        ({"max_tasks": "9", "scale_in": "slow"}, "scale_in", "is a group of settings"),
        ({"max_tasks": "9", "queues": " "}, "queues", "is not a queue"),
        ({"max_tasks": "9", "queues": "arn:aws:sqs:us-east-1:123456789012:x"}, "queues", "us-east-1"),
    ],
)
def test_what_is_wrong_is_told_by_its_tag(told, tags: dict[str, str], tag: str, said: str) -> None:
    found = wrong(told, **({"queues": "orders"} | tags))
    assert said in found[f"tags of orders in prod: autoscaler:{tag}"], found


def test_a_tag_may_ask_for_less_than_the_profile_allows(told) -> None:
    assert told(queues="orders", profile="batch", mode="shadow").policy.mode is Mode.SHADOW


def test_a_pause_is_no_setting(told) -> None:
    assert told(queues="orders", max_tasks="9", paused="all until 2026-11-23T18:00Z").policy.paused is None


def test_keys_of_different_services_differ_and_are_keys() -> None:
    names = ["a" * 255, "a" * 254 + "b", "a_b", "A_b_", "a-b", "a"]
    keys = [key_in(Tagged("prod", name, {})) for name in names]
    assert len({key.replace("-", "_") for key in keys}) >= len(names) - 1, "a_b and a-b are one key: that is told"
    assert all(len(key) <= 64 for key in keys)
