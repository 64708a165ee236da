"""What the deployment puts into the environment is what the settings understand, and means what the operator said."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

import pytest

from autoscaler.config import Config, load
from tests.deploy.stack import OPTIONAL, REQUIRED, ROOT, deployed, filled_in


def environment(given: dict[str, str]) -> dict[str, str]:
    (container,) = deployed(given)["TaskDefinition"]["ContainerDefinitions"]
    return {one["Name"]: one["Value"] for one in container["Environment"]}


def settings(given: dict[str, str]) -> Config:
    return load(environment(given) | in_the_image())


def in_the_image() -> dict[str, str]:
    return dict(re.findall(r"\b(AUTOSCALER_\w+)=(\S+)", (ROOT / "Dockerfile").read_text()))


def test_the_least_that_an_operator_says_is_a_whole_configuration() -> None:
    (service,) = settings(REQUIRED).services
    assert (service.ref.cluster, service.ref.service) == ("shop", "worker")
    assert [queue.name for queue in service.queues] == ["orders", "refunds.fifo"]
    assert (service.policy.min_tasks, service.policy.max_tasks) == (0, 20)
    assert service.policy.acceptable_latency_s == 60.0
    assert service.policy.processing_time_s is None
    assert service.policy.cpu_target_percent is None
    assert service.policy.mode.value == "shadow"


def test_everything_that_an_operator_can_say_arrives() -> None:
    (service,) = settings(REQUIRED | OPTIONAL | {"MinTasks": "2", "AcceptableLatency": "1h30m"}).services
    assert service.policy.min_tasks == 2
    assert service.policy.acceptable_latency_s == 5400.0
    assert service.policy.processing_time_s == 5.0
    assert service.policy.cpu_target_percent == 60.0
    assert service.policy.mode.value == "active"


@pytest.mark.parametrize("mode", ["shadow", "scale_out_only", "active"])
def test_every_mode_that_the_template_offers_is_one(mode: str) -> None:
    (service,) = settings(REQUIRED | {"Mode": mode}).services
    assert service.policy.mode.value == mode


def test_the_image_lets_the_daemon_be_heard_on_the_port_that_is_open() -> None:
    config = settings(REQUIRED)
    assert config.http_host == "0.0.0.0"
    assert config.http_port == 9108
    assert in_the_image().keys() == {"AUTOSCALER_HTTP_HOST"}


def test_the_plain_task_definition_is_understood_too() -> None:
    (container,) = json.loads(filled_in("task-definition.json"))["containerDefinitions"]
    plain = load({one["name"]: one["value"] for one in container["environment"]})
    templated = load(environment(REQUIRED | {"QueueArns": REQUIRED["QueueArns"].split(",")[0]}))
    assert asdict(plain) == asdict(templated)


def test_the_example_of_several_services_is_understood() -> None:
    lines = re.findall(
        r"^- \{Name: (\w+), Value: \"?([\w,-]+)\"?\}$", (ROOT / "deploy" / "README.md").read_text(), re.MULTILINE
    )
    assert len(lines) == 5
    (service,) = load(dict(lines)).services
    assert (service.ref.key, service.ref.cluster, service.ref.service) == ("worker", "shop", "worker")
