"""The deployment grants no right that the daemon does not use, and opens no port that it does not need.

The template and the plain files have the same content.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

from autoscaler.aws.calls import CALLS, Purpose
from tests.deploy.stack import (
    ACCOUNT,
    EVENTS,
    OPTIONAL,
    QUEUES,
    REGION,
    REQUIRED,
    ROOT,
    TEMPLATE,
    deployed,
    filled_in,
    template,
)

ROLES = "sts:AssumeRole"
"""Also used, on the roles that the settings name. Neither the template nor the policy file grants it."""

WHERE_SET_UP = {"ecs:ListServices"}
"""Calls of discovery, which this stack does not use."""

RECEIVING = {api.name for api in CALLS if api.purpose is Purpose.RECEIVE_EVENTS}
"""Calls that only the parameter EventQueueArn needs."""

USED = {api.name for api in CALLS} - {ROLES} - WHERE_SET_UP - RECEIVING
"""The calls of the daemon in this stack. GetQueueUrl is for queues that the settings name without a URL."""

WITHOUT_RESOURCE = {api.name for api in CALLS if api.resource.is_any} | {"ecr:GetAuthorizationToken"}
"""AWS supports only the resource `*` for these actions."""

FIND = "sqs:GetQueueUrl"
"""Also for a queue of events that is named by its ARN."""

READING = re.compile(":(?:Describe|Get|List)")
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/shop"
# Task ARNs are not known in advance: all tasks of the cluster.
TASKS = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/shop/*"

BOTH = pytest.mark.parametrize("given", [REQUIRED, REQUIRED | OPTIONAL], ids=["required", "everything"])

PERMISSIONS = ROOT / "docs" / "iam.md"

ONE_QUEUE = REQUIRED | {"QueueArns": QUEUES[0]}


def linted(path: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [Path(sys.executable).parent / "cfn-lint", "--regions", REGION, "--", path]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]


def allowed(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in statements(role) if one["Effect"] == "Allow"]


def container(given: dict[str, str]) -> dict[str, Any]:
    only: dict[str, Any]
    (only,) = deployed(given)["TaskDefinition"]["ContainerDefinitions"]
    return only


def plain(name: str) -> Any:
    return json.loads(filled_in(name))


def as_the_api_spells(node: Any) -> Any:
    """Return the node with the keys of the API: CloudFormation's `StopTimeout` is the API's `stopTimeout`."""
    match node:
        case dict():
            return {key[0].lower() + key[1:]: as_the_api_spells(value) for key, value in node.items()}
        case list():
            return [as_the_api_spells(value) for value in node]
    return node


def test_the_templates_are_clean() -> None:
    for path in (TEMPLATE, EVENTS):
        result = linted(path)
        assert result.returncode == 0, result.stdout + result.stderr


def test_a_misspelled_right_is_detected(tmp_path: Path) -> None:
    misspelt = tmp_path / "stack.yaml"
    misspelt.write_text(TEMPLATE.read_text().replace("sqs:GetQueueUrl", "sqs:GetQueueUri"))
    result = linted(misspelt)
    assert result.returncode != 0
    assert "getqueueuri" in result.stdout.lower()


@BOTH
def test_the_daemon_has_exactly_the_rights_that_it_uses(given: Any) -> None:
    statements = {one["Sid"]: one for one in allowed(deployed(given)["TaskRole"])}
    events = statements.pop("ReceiveEvents", {})
    assert sorted(action for one in statements.values() for action in one["Action"]) == sorted(USED)
    if "EventQueueArn" in given:
        assert (set(events["Action"]), events["Resource"]) == (RECEIVING | {FIND}, [given["EventQueueArn"]])
    else:
        assert events == {}


def test_the_page_has_both_policies_for_a_role_of_another_account() -> None:
    policies = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PERMISSIONS.read_text(), re.DOTALL)]
    ours, theirs = (one["Statement"][0] for one in policies)
    assert (ours["Action"], ours["Resource"]) == ([ROLES], ["arn:aws:iam::OTHER_ACCOUNT:role/autoscaler"])
    assert (theirs["Action"], theirs["Principal"]) == ([ROLES], {"AWS": "arn:aws:iam::ACCOUNT:role/autoscaler"})


@BOTH
@pytest.mark.parametrize("role", ["TaskRole", "ExecutionRole"])
def test_a_right_names_its_resources_if_aws_permits_it(given: Any, role: str) -> None:
    for one in allowed(deployed(given)[role]):
        assert all("*" not in action for action in one["Action"])
        if not set(one["Action"]) <= WITHOUT_RESOURCE:
            assert one["Resource"]
            assert all("*" not in resource for resource in one["Resource"] if resource != TASKS), one


def test_only_the_named_queues_and_the_named_service_are_permitted() -> None:
    queues, services, *_ = allowed(deployed()["TaskRole"])
    assert queues["Resource"] == QUEUES
    assert services["Resource"] == [f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/shop/worker"]


@BOTH
def test_no_ecs_right_applies_outside_the_cluster(given: Any) -> None:
    """A task definition belongs to no cluster; the only right on it is to read it."""
    rights = allowed(deployed(given)["TaskRole"])
    about_ecs = [one for one in rights if any("ecs:" in name for name in one["Action"])]
    about_ecs = [one for one in about_ecs if one["Action"] != ["ecs:DescribeTaskDefinition"]]
    assert len(about_ecs) == 4
    assert all(one["Condition"] == {"ArnEquals": {"ecs:cluster": CLUSTER}} for one in about_ecs)


def test_a_right_to_write_is_only_for_the_named_service() -> None:
    writing = [one for one in allowed(deployed()["TaskRole"]) if not all(map(READING.search, one["Action"]))]
    assert [one["Sid"] for one in writing] == ["ReadAndScaleServices"]
    assert [right for right in writing[0]["Action"] if not READING.search(right)] == ["ecs:UpdateService"]


def test_every_right_is_explained() -> None:
    explained = PERMISSIONS.read_text().partition("## Without a permission")[0]
    assert [right for right in USED | RECEIVING if f"`{right}`" not in explained] == []


@BOTH
def test_no_role_can_be_passed(given: Any) -> None:
    assert "PassRole" not in json.dumps(deployed(given))
    assert "PassRole" not in (ROOT / "deploy" / "iam-policy.json").read_text()


def test_the_untested_denials_are_off_by_default() -> None:
    def denied(given: dict[str, str]) -> list[tuple[list[str], dict[str, Any]]]:
        found = [one for one in statements(deployed(given)["TaskRole"]) if one["Effect"] == "Deny"]
        return [(one["Action"], one["Condition"]) for one in found]

    assert denied(REQUIRED) == []
    assert denied(REQUIRED | {"DenyRedefinition": "true"}) == [
        (["ecs:UpdateService"], {"Null": {"ecs:task-definition": "false"}}),
        (["ecs:UpdateService"], {"Null": {"ecs:capacity-provider": "false"}}),
    ]


def test_the_task_role_is_only_for_tasks_of_this_account() -> None:
    (trust,) = deployed()["TaskRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_the_image_is_pulled_only_from_the_named_repository() -> None:
    def fetching(given: dict[str, str]) -> list[list[str]]:
        return [one["Resource"] for one in allowed(deployed(given)["ExecutionRole"]) if one["Sid"] == "FetchImage"]

    assert fetching(REQUIRED) == []
    assert fetching(REQUIRED | OPTIONAL) == [[OPTIONAL["ImageRepositoryArn"]]]


@BOTH
def test_the_container_has_minimal_privileges(given: Any) -> None:
    definition = container(given)
    assert definition["User"] == "65532:65532"
    assert definition["ReadonlyRootFilesystem"] is True
    assert definition["LinuxParameters"] == {"InitProcessEnabled": True, "Capabilities": {"Drop": ["ALL"]}}
    assert definition["StopTimeout"] == 30
    assert "Privileged" not in definition
    assert "MountPoints" not in definition
    assert deployed(given)["Service"]["EnableExecuteCommand"] is False


@BOTH
def test_two_tasks_never_overlap_in_a_deployment(given: Any) -> None:
    service = deployed(given)["Service"]
    assert service["DesiredCount"] == 1
    assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 0
    assert service["DeploymentConfiguration"]["MaximumPercent"] == 100
    assert service["AvailabilityZoneRebalancing"] == "DISABLED"


def test_the_port_is_open_only_to_the_vpc() -> None:
    (ingress,) = deployed()["SecurityGroup"]["SecurityGroupIngress"]
    assert (ingress["FromPort"], ingress["ToPort"], ingress["CidrIp"]) == (9108, 9108, "10.0.0.0/16")
    assert [port["ContainerPort"] for port in container(REQUIRED)["PortMappings"]] == [9108]


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "128.0.0.0/1", "10.0.0.0/7", "10.0.0.0", "::/0"])
def test_the_port_cannot_be_opened_to_the_internet(cidr: str) -> None:
    with pytest.raises(AssertionError, match="VpcCidr"):
        deployed(REQUIRED | {"VpcCidr": cidr})


def test_additional_security_groups_are_added() -> None:
    def groups(given: dict[str, str]) -> list[str]:
        answer: list[str] = deployed(given)["Service"]["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"]
        return answer

    assert groups(REQUIRED) == ["<SecurityGroup.GroupId>"]
    assert groups(REQUIRED | OPTIONAL) == ["<SecurityGroup.GroupId>", "sg-endpoints", "sg-proxy"]


def test_a_log_outage_does_not_block_and_logs_expire() -> None:
    assert container(REQUIRED)["LogConfiguration"]["Options"]["mode"] == "non-blocking"
    assert deployed()["LogGroup"]["RetentionInDays"] == "30"


def test_the_default_mode_is_shadow() -> None:
    environment = {one["Name"]: one["Value"] for one in container(REQUIRED)["Environment"]}
    assert environment["AUTOSCALER_MODE"] == "shadow"


def test_the_plain_task_definition_is_the_template_s() -> None:
    expected = as_the_api_spells(deployed(ONE_QUEUE)["TaskDefinition"])
    found = plain("task-definition.json")
    for role in ("taskRoleArn", "executionRoleArn"):
        assert expected.pop(role).startswith("<")
        assert found.pop(role).startswith(f"arn:aws:iam::{ACCOUNT}:role/")
    logs = expected["containerDefinitions"][0]["logConfiguration"]["options"]
    assert logs["awslogs-group"] == "<LogGroup>"
    logs["awslogs-group"] = "/ecs/autoscaler"
    assert found == expected


def test_the_plain_policy_is_the_template_s() -> None:
    (policy,) = deployed(ONE_QUEUE)["TaskRole"]["Policies"]
    assert plain("iam-policy.json") == policy["PolicyDocument"]


def test_the_plain_task_definition_is_valid_for_ecs() -> None:
    model = ServiceModel(Loader().load_service_model("ecs", "service-2"))
    shape = model.operation_model("RegisterTaskDefinition").input_shape
    assert shape is not None
    assert ParamValidator().validate(plain("task-definition.json"), shape).generate_report() == ""


def texts(node: Any) -> Iterator[str]:
    match node:
        case dict():
            for key, value in node.items():
                yield from (str(key), *texts(value))
        case list():
            for value in node:
                yield from texts(value)
        case str():
            yield node


def test_every_parameter_and_condition_is_used() -> None:
    source = template()
    used = set(texts({"Conditions": source["Conditions"], "Resources": source["Resources"]}))
    used |= {name for text in used for name in re.findall(r"\$\{([^}]+)\}", text)}
    assert set(source["Parameters"]) <= used
    assert set(source["Conditions"]) <= set(texts(source["Resources"]))
