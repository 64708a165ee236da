"""The laws of the deployment: no right that the daemon does not use, no door that it does not need.

Both ways to deploy, the template and the plain files, are held to the same.
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

from tests.deploy.stack import (
    ACCOUNT,
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

# All that the daemon ever asks of AWS. GetQueueUrl: where the settings name a queue and give no URL.
CALLS = {
    "sqs:GetQueueAttributes",
    "sqs:GetQueueUrl",
    "ecs:DescribeServices",
    "ecs:UpdateService",
    "ecs:ListTasks",
    "ecs:GetTaskProtection",
    "ecs:DescribeTaskDefinition",
    "cloudwatch:GetMetricData",
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScalingPolicies",
    "application-autoscaling:DescribeScheduledActions",
}
# And this on the roles that the settings name, where they name any: neither the template nor the file grants it.
ROLES = "sts:AssumeRole"
# For these AWS defines no resource that a policy could name.
WITHOUT_RESOURCE = {
    "cloudwatch:GetMetricData",
    "ecr:GetAuthorizationToken",
    "ecs:ListTasks",
    "ecs:DescribeTaskDefinition",
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:DescribeScalingPolicies",
    "application-autoscaling:DescribeScheduledActions",
}
READING = re.compile(":(?:Describe|Get|List)")
CLUSTER = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/shop"
# Tasks have no names that could be known before: those of the one cluster.
TASKS = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/shop/*"

BOTH = pytest.mark.parametrize("given", [REQUIRED, REQUIRED | OPTIONAL], ids=["required", "everything"])

README = ROOT / "deploy" / "README.md"

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


WHERE_SET_UP = {"ecs:ListServices"}
"""What it does only where it was told to, which this stack does not: discovery."""


def as_the_api_spells(node: Any) -> Any:
    """CloudFormation's `StopTimeout` is the API's `stopTimeout`; the keys of log options are the operator's own."""
    match node:
        case dict():
            return {key[0].lower() + key[1:]: as_the_api_spells(value) for key, value in node.items()}
        case list():
            return [as_the_api_spells(value) for value in node]
    return node


def test_the_template_is_clean() -> None:
    result = linted(TEMPLATE)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_misspelt_right_is_found(tmp_path: Path) -> None:
    misspelt = tmp_path / "stack.yaml"
    misspelt.write_text(TEMPLATE.read_text().replace("sqs:GetQueueUrl", "sqs:GetQueueUri"))
    result = linted(misspelt)
    assert result.returncode != 0
    assert "getqueueuri" in result.stdout.lower()


@BOTH
def test_the_daemon_may_do_what_it_does_and_nothing_else(given: Any) -> None:
    rights = [action for one in allowed(deployed(given)["TaskRole"]) for action in one["Action"]]
    assert sorted(rights) == sorted(CALLS)


def test_the_right_to_act_as_roles_is_told_for_those_roles_alone_and_from_both_sides() -> None:
    told = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", README.read_text(), re.DOTALL)]
    ours, theirs = (one["Statement"][0] for one in told)
    assert (ours["Action"], ours["Resource"]) == ([ROLES], ["arn:aws:iam::OTHER_ACCOUNT:role/autoscaler"])
    assert (theirs["Action"], theirs["Principal"]) == ([ROLES], {"AWS": "arn:aws:iam::ACCOUNT:role/autoscaler"})


def test_the_daemon_does_what_it_may_and_nothing_else() -> None:
    daemons = [path for path in sorted((ROOT / "autoscaler" / "aws").rglob("*.py")) if path.parent.name != "operator"]
    sources = "".join(path.read_text() for path in daemons)
    found = set(re.findall(r'"((?:sqs|ecs|cloudwatch|application-autoscaling|iam|sts):[A-Z]\w+)"', sources))
    assert found == CALLS | WHERE_SET_UP | {ROLES}


@BOTH
@pytest.mark.parametrize("role", ["TaskRole", "ExecutionRole"])
def test_a_right_names_its_resources_wherever_aws_lets_it(given: Any, role: str) -> None:
    for one in allowed(deployed(given)[role]):
        assert all("*" not in action for action in one["Action"])
        if not set(one["Action"]) <= WITHOUT_RESOURCE:
            assert one["Resource"]
            assert all("*" not in resource for resource in one["Resource"] if resource != TASKS), one


def test_only_the_named_queues_and_the_named_service_are_reached() -> None:
    queues, services, *_ = allowed(deployed()["TaskRole"])
    assert queues["Resource"] == QUEUES
    assert services["Resource"] == [f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/shop/worker"]


@BOTH
def test_nothing_of_ecs_is_reached_outside_the_one_cluster(given: Any) -> None:
    """A task definition is of no cluster, and reading it is all that is allowed."""
    rights = allowed(deployed(given)["TaskRole"])
    about_ecs = [one for one in rights if any("ecs:" in name for name in one["Action"])]
    about_ecs = [one for one in about_ecs if one["Action"] != ["ecs:DescribeTaskDefinition"]]
    assert len(about_ecs) == 3
    assert all(one["Condition"] == {"ArnEquals": {"ecs:cluster": CLUSTER}} for one in about_ecs)


def test_a_right_to_write_is_for_the_named_service_alone() -> None:
    writing = [one for one in allowed(deployed()["TaskRole"]) if not all(map(READING.search, one["Action"]))]
    assert [one["Sid"] for one in writing] == ["ReadAndScaleServices"]
    assert [right for right in writing[0]["Action"] if not READING.search(right)] == ["ecs:UpdateService"]


def test_every_right_is_explained() -> None:
    explained = (ROOT / "deploy" / "README.md").read_text().partition("## What each right is for")[2]
    for right in CALLS:
        service, _, action = right.partition(":")
        assert f"`{right}`" in explained or f"`…{action.removeprefix('Describe')}`" in explained, (service, action)


@BOTH
def test_nobody_here_may_pass_a_role(given: Any) -> None:
    assert "PassRole" not in json.dumps(deployed(given))
    assert "PassRole" not in (ROOT / "deploy" / "iam-policy.json").read_text()


def test_the_untried_denials_are_there_only_when_asked_for() -> None:
    def denied(given: dict[str, str]) -> list[tuple[list[str], dict[str, Any]]]:
        found = [one for one in statements(deployed(given)["TaskRole"]) if one["Effect"] == "Deny"]
        return [(one["Action"], one["Condition"]) for one in found]

    assert denied(REQUIRED) == []
    assert denied(REQUIRED | {"DenyRedefinition": "true"}) == [
        (["ecs:UpdateService"], {"Null": {"ecs:task-definition": "false"}}),
        (["ecs:UpdateService"], {"Null": {"ecs:capacity-provider": "false"}}),
    ]


def test_the_task_role_is_for_tasks_of_this_account_only() -> None:
    (trust,) = deployed()["TaskRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_the_image_is_fetched_only_from_the_repository_that_was_named() -> None:
    def fetching(given: dict[str, str]) -> list[list[str]]:
        return [one["Resource"] for one in allowed(deployed(given)["ExecutionRole"]) if one["Sid"] == "FetchImage"]

    assert fetching(REQUIRED) == []
    assert fetching(REQUIRED | OPTIONAL) == [[OPTIONAL["ImageRepositoryArn"]]]


@BOTH
def test_the_container_is_as_poor_as_it_can_be(given: Any) -> None:
    definition = container(given)
    assert definition["User"] == "65532:65532"
    assert definition["ReadonlyRootFilesystem"] is True
    assert definition["LinuxParameters"] == {"InitProcessEnabled": True, "Capabilities": {"Drop": ["ALL"]}}
    assert definition["StopTimeout"] == 30
    assert "Privileged" not in definition
    assert "MountPoints" not in definition
    assert deployed(given)["Service"]["EnableExecuteCommand"] is False


@BOTH
def test_two_tasks_never_overlap_by_our_doing(given: Any) -> None:
    service = deployed(given)["Service"]
    assert service["DesiredCount"] == 1
    assert service["DeploymentConfiguration"]["MinimumHealthyPercent"] == 0
    assert service["DeploymentConfiguration"]["MaximumPercent"] == 100
    assert service["AvailabilityZoneRebalancing"] == "DISABLED"


def test_the_one_port_is_open_to_the_vpc_alone() -> None:
    (door,) = deployed()["SecurityGroup"]["SecurityGroupIngress"]
    assert (door["FromPort"], door["ToPort"], door["CidrIp"]) == (9108, 9108, "10.0.0.0/16")
    assert [port["ContainerPort"] for port in container(REQUIRED)["PortMappings"]] == [9108]


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "128.0.0.0/1", "10.0.0.0/7", "10.0.0.0", "::/0"])
def test_the_port_cannot_be_opened_to_the_internet(cidr: str) -> None:
    with pytest.raises(AssertionError, match="VpcCidr"):
        deployed(REQUIRED | {"VpcCidr": cidr})


def test_further_security_groups_join_our_own() -> None:
    def groups(given: dict[str, str]) -> list[str]:
        answer: list[str] = deployed(given)["Service"]["NetworkConfiguration"]["AwsvpcConfiguration"]["SecurityGroups"]
        return answer

    assert groups(REQUIRED) == ["<SecurityGroup.GroupId>"]
    assert groups(REQUIRED | OPTIONAL) == ["<SecurityGroup.GroupId>", "sg-endpoints", "sg-proxy"]


def test_an_outage_of_the_logs_does_not_block_and_logs_do_not_pile_up() -> None:
    assert container(REQUIRED)["LogConfiguration"]["Options"]["mode"] == "non-blocking"
    assert deployed()["LogGroup"]["RetentionInDays"] == "30"


def test_whoever_says_the_least_changes_nothing() -> None:
    environment = {one["Name"]: one["Value"] for one in container(REQUIRED)["Environment"]}
    assert environment["AUTOSCALER_MODE"] == "shadow"


def test_the_plain_task_definition_is_the_template_s() -> None:
    wanted = as_the_api_spells(deployed(ONE_QUEUE)["TaskDefinition"])
    found = plain("task-definition.json")
    for role in ("taskRoleArn", "executionRoleArn"):
        assert wanted.pop(role).startswith("<")
        assert found.pop(role).startswith(f"arn:aws:iam::{ACCOUNT}:role/")
    logs = wanted["containerDefinitions"][0]["logConfiguration"]["options"]
    assert logs["awslogs-group"] == "<LogGroup>"
    logs["awslogs-group"] = "/ecs/autoscaler"
    assert found == wanted


def test_the_plain_policy_is_the_template_s() -> None:
    (policy,) = deployed(ONE_QUEUE)["TaskRole"]["Policies"]
    assert plain("iam-policy.json") == policy["PolicyDocument"]


def test_the_plain_task_definition_has_the_shape_that_ecs_takes() -> None:
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
