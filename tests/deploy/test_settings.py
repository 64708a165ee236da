"""The environment of the deployment is accepted as settings, with the values of the parameters."""

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


def test_the_required_parameters_are_a_complete_configuration() -> None:
    (service,) = settings(REQUIRED).services
    assert (service.ref.cluster, service.ref.service) == ("shop", "worker")
    assert [queue.name for queue in service.queues] == ["orders", "refunds.fifo"]
    assert (service.policy.min_tasks, service.policy.max_tasks) == (0, 20)
    assert service.policy.acceptable_latency_s == 60.0
    assert service.policy.processing_time_s is None
    assert service.policy.cpu_target_percent is None
    assert service.policy.mode.value == "shadow"


def test_every_parameter_is_passed_on() -> None:
    (service,) = settings(REQUIRED | OPTIONAL | {"MinTasks": "2", "AcceptableLatency": "1h30m"}).services
    assert service.policy.min_tasks == 2
    assert service.policy.acceptable_latency_s == 5400.0
    assert service.policy.processing_time_s == 5.0
    assert service.policy.cpu_target_percent == 60.0
    assert service.policy.mode.value == "active"


@pytest.mark.parametrize("mode", ["shadow", "scale_out_only", "active"])
def test_every_mode_of_the_template_is_valid(mode: str) -> None:
    (service,) = settings(REQUIRED | {"Mode": mode}).services
    assert service.policy.mode.value == mode


def test_the_image_listens_on_the_open_port() -> None:
    config = settings(REQUIRED)
    assert config.http_host == "0.0.0.0"
    assert config.http_port == 9108
    assert in_the_image().keys() == {"AUTOSCALER_HTTP_HOST"}


def test_the_plain_task_definition_is_accepted() -> None:
    (container,) = json.loads(filled_in("task-definition.json"))["containerDefinitions"]
    plain = load({one["name"]: one["value"] for one in container["environment"]})
    templated = load(environment(REQUIRED | {"QueueArns": REQUIRED["QueueArns"].split(",")[0]}))
    assert asdict(plain) == asdict(templated)


def test_the_example_of_several_services_is_accepted() -> None:
    lines = re.findall(
        r"^- \{Name: (\w+), Value: \"?([\w,-]+)\"?\}$", (ROOT / "docs" / "deploying.md").read_text(), re.MULTILINE
    )
    assert len(lines) == 5
    (service,) = load(dict(lines)).services
    assert (service.ref.key, service.ref.cluster, service.ref.service) == ("worker", "shop", "worker")
