"""`init` writes a settings file, a task definition with the same settings, and a read-only policy."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from autoscaler import monitoring
from autoscaler.config import load
from autoscaler.errors import ConfigError
from autoscaler.operating.starting import InitAnswers, files, folded, steps
from tests.deploy.stack import ACCOUNT, PLACEHOLDERS, REGION, filled_in

ANSWERS = InitAnswers("shop", "worker", ("orders",), 60.0, 20, REGION, ACCOUNT, PLACEHOLDERS["IMAGE"])


def task(answers: InitAnswers) -> Any:
    return json.loads(files(answers)["task-definition.json"])


def environment(answers: InitAnswers) -> dict[str, str]:
    [container] = task(answers)["containerDefinitions"]
    return {one["name"]: one["value"] for one in container["environment"]}


queue = st.sampled_from(["orders", "a.fifo", f"arn:aws:sqs:{REGION}:{ACCOUNT}:refunds"])
answered = st.builds(
    InitAnswers,
    cluster=st.sampled_from(["prod", "a_b-c"]),
    service=st.sampled_from(["worker", "orders_worker", "X-1"]),
    queues=st.lists(queue, min_size=1, max_size=3, unique=True).map(tuple),
    acceptable_latency_s=st.sampled_from([1.5, 60.0, 5400.0]),
    max_tasks=st.integers(1, 5000),
    region=st.sampled_from([None, REGION]),
)


@given(answers=answered)
def test_the_settings_file_and_the_task_definition_have_the_same_settings(
    answers: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("init") / "autoscaler.toml"
    place.write_text(files(answers)["autoscaler.toml"])
    of_file = load({"AUTOSCALER_CONFIG_FILE": str(place)})
    assert of_file.services == load(environment(answers)).services
    [service] = of_file.services
    assert service.policy.mode.value == "shadow"
    assert service.policy.max_tasks == answers.max_tasks
    assert service.policy.acceptable_latency_s == answers.acceptable_latency_s


def test_the_role_of_a_first_start_is_read_only() -> None:
    policy = json.loads(files(ANSWERS)["iam-policy.json"])
    actions = [action for statement in policy["Statement"] for action in statement["Action"]]
    assert actions
    assert all(action.partition(":")[2].startswith(("Get", "Describe", "List")) for action in actions)


def test_the_task_definition_equals_the_deployed_one() -> None:
    ours, deployed = task(ANSWERS), json.loads(filled_in("task-definition.json"))
    [mine], [theirs] = ours.pop("containerDefinitions"), deployed.pop("containerDefinitions")
    assert ours == deployed
    environment = {one["name"]: one["value"] for one in mine.pop("environment")}
    expected = {one["name"]: one["value"] for one in theirs.pop("environment")}
    assert mine == theirs
    assert environment.pop("AUTOSCALER_REGION") == REGION
    assert environment | {"AUTOSCALER_QUEUES": ""} == expected | {"AUTOSCALER_QUEUES": ""}


@pytest.mark.parametrize(
    ("operation", "name"), [("RegisterTaskDefinition", "task-definition.json"), ("CreateService", "service.json")]
)
def test_the_task_definition_and_the_service_are_valid_for_ecs(operation: str, name: str) -> None:
    model = ServiceModel(Loader().load_service_model("ecs", "service-2"))
    shape = model.operation_model(operation).input_shape
    assert shape is not None
    assert ParamValidator().validate(json.loads(files(ANSWERS)[name]), shape).generate_report() == ""


def test_region_and_account_come_from_the_queue_arns_if_they_are_not_given() -> None:
    bare = InitAnswers("shop", "worker", (f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders",), 60.0, 20)
    assert (bare.completed().region, bare.completed().account) == (REGION, ACCOUNT)
    assert replace(bare, region="eu-west-2", queues=("orders",)).completed().region == "eu-west-2"
    two = (*bare.queues, f"arn:aws:sqs:{REGION}:{'9' * 12}:refunds")
    assert replace(bare, queues=two).completed().account is None


def test_an_unknown_value_is_a_placeholder_and_the_first_step_replaces_it() -> None:
    bare = InitAnswers("shop", "worker", ("orders",), 60.0, 20)
    assert steps(bare)[0].text == "Replace REGION, ACCOUNT, IMAGE in the files."
    assert "in the files" not in " ".join(step.text for step in steps(ANSWERS))
    assert "ACCOUNT" not in "".join(files(ANSWERS).values())


def commands(answers: InitAnswers) -> list[list[str]]:
    """Return the words after `aws` of each AWS CLI command in the steps, in order."""
    words = [shlex.split(command) for step in steps(answers) for command in step.commands]
    return [rest for first, *rest in words if first == "aws"]


def run_command(client: Any, words: list[str], contents: dict[str, str]) -> Any:
    """Run one AWS CLI command through the SDK. Its options are the parameters of the operation."""
    operation, pairs = words[1].replace("-", "_"), dict(zip(words[2::2], words[3::2], strict=True))
    pairs.pop("--region", None)
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape
    names = {"--" + xform_name(name, "-"): member for name, member in shape.members.items()}
    given = (
        json.loads(contents[pairs.pop("--cli-input-json").removeprefix("file://")])
        if len(pairs) == 1 and ("--cli-input-json" in pairs)
        else {}
    )
    exact = {xform_name(name, "-"): name for name in shape.members}
    for option, value in pairs.items():
        text = contents[value.removeprefix("file://")] if value.startswith("file://") else value
        kind = names[option].type_name
        given[exact[option.removeprefix("--")]] = (
            json.loads(text) if kind == "structure" else int(text) if kind == "integer" else text
        )
    return getattr(client, operation)(**given)


def test_the_steps_create_the_roles_the_log_group_and_the_service_in_an_empty_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        clients = {name: boto3.client(name, region_name=REGION) for name in ("iam", "logs", "ecs", "ec2")}
        clients["ecs"].create_cluster(clusterName=ANSWERS.cluster)
        subnet = clients["ec2"].describe_subnets()["Subnets"][0]["SubnetId"]
        guard = clients["ec2"].describe_security_groups()["SecurityGroups"][0]["GroupId"]
        contents = {
            name: text.replace("SUBNET", subnet).replace("SECURITY_GROUP", guard)
            for name, text in files(ANSWERS).items()
        }
        for words in commands(ANSWERS):
            run_command(clients[words[0]], words, contents)
        definition, iam = task(ANSWERS), clients["iam"]
        for arn in (definition["taskRoleArn"], definition["executionRoleArn"]):
            role = iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
            [trusted] = role["AssumeRolePolicyDocument"]["Statement"]
            assert trusted["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert iam.list_role_policies(RoleName="autoscaler")["PolicyNames"] == ["autoscaler"]
        assert iam.list_attached_role_policies(RoleName="ecsTaskExecutionRole")["AttachedPolicies"]
        [group] = clients["logs"].describe_log_groups()["logGroups"]
        [container] = definition["containerDefinitions"]
        assert group["logGroupName"] == container["logConfiguration"]["options"]["awslogs-group"]
        assert clients["ecs"].list_services(cluster=ANSWERS.cluster)["serviceArns"]


def test_every_command_that_reads_the_settings_names_their_file() -> None:
    ours = [command.split() for step in steps(ANSWERS) for command in step.commands if command.startswith("autoscaler")]
    assert [words[1] for words in ours] == ["doctor", "run", "dashboards", "iam-policy"]
    assert all(words[2:4] == ["--config", "autoscaler.toml"] for words in ours)


@pytest.mark.parametrize("arch", ["x86_64", "arm64"])
def test_the_task_definition_has_the_chosen_processors(arch: str) -> None:
    assert task(replace(ANSWERS, arch=arch))["runtimePlatform"]["cpuArchitecture"] == arch.upper()


every_command = st.sampled_from([
    command
    for region in (None, "us-gov-west-1")
    for step in steps(replace(ANSWERS, region=region, cluster="c" * 40))
    for command in step.commands
])  # fmt: skip


@given(command=every_command, columns=st.integers(20, 200))
def test_a_folded_command_is_the_same_command_and_fits_unless_a_word_is_wider(command: str, columns: int) -> None:
    lines = folded(command, columns)
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert shlex.split("\n".join(lines).replace("\\\n", " ")) == shlex.split(command)
    assert all(len(line) <= columns or " " not in line.removesuffix(" \\") for line in lines)


def test_the_code_blocks_of_the_readme_are_the_commands_of_the_steps() -> None:
    readme = files(ANSWERS)["README.md"]
    blocks = re.findall(r"^ +```sh\n(.*?)^ +```$", readme, re.MULTILINE | re.DOTALL)
    shown = [" ".join(line.split()) for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    assert shown == [command for step in steps(ANSWERS) for command in step.commands]
    assert max(map(len, "".join(blocks).splitlines())) <= 80


def test_the_alert_rules_are_those_of_dashboards() -> None:
    assert files(ANSWERS)["rules.yml"] == monitoring.files(None)["rules.yml"]
    assert "AutoscalerSloMissed" in files(ANSWERS)["rules.yml"]


def test_the_readme_names_every_file() -> None:
    written = files(ANSWERS)
    assert all(f"`{name}`" in written["README.md"] for name in written.keys() - {"README.md"})


def test_all_invalid_answers_are_reported_together() -> None:
    with pytest.raises(ConfigError) as refused:
        files(InitAnswers("no cluster!", "worker", ("orders",), 60.0, 20, region="nowhere"))
    assert {problem.where for problem in refused.value.problems} == {"AUTOSCALER_CLUSTER", "AUTOSCALER_REGION"}


def test_no_answer_can_break_the_settings_file() -> None:
    text = InitAnswers("shop", "worker", ('a"]\nmode="active"',), 60.0, 20).toml()
    assert tomllib.loads(text)["services"]["worker"]["mode"] == "shadow"
