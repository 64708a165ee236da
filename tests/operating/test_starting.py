"""What `init` writes: two spellings of the same settings, a role that may change nothing, the task that is deployed."""

from __future__ import annotations

import json
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
from autoscaler.operating.starting import Answers, files, steps
from tests.deploy.stack import ACCOUNT, PLACEHOLDERS, REGION, filled_in

ANSWERS = Answers("shop", "worker", ("orders",), 60.0, 20, REGION, ACCOUNT, PLACEHOLDERS["IMAGE"])


def task(answers: Answers) -> Any:
    return json.loads(files(answers)["task-definition.json"])


def environment(answers: Answers) -> dict[str, str]:
    [container] = task(answers)["containerDefinitions"]
    return {one["name"]: one["value"] for one in container["environment"]}


queue = st.sampled_from(["orders", "a.fifo", f"arn:aws:sqs:{REGION}:{ACCOUNT}:refunds"])
answered = st.builds(
    Answers,
    cluster=st.sampled_from(["prod", "a_b-c"]),
    service=st.sampled_from(["worker", "orders_worker", "X-1"]),
    queues=st.lists(queue, min_size=1, max_size=3, unique=True).map(tuple),
    acceptable_latency_s=st.sampled_from([1.5, 60.0, 5400.0]),
    max_tasks=st.integers(1, 5000),
    region=st.sampled_from([None, REGION]),
)


@given(answers=answered)
def test_the_file_and_the_task_say_the_same(answers: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("init") / "autoscaler.toml"
    place.write_text(files(answers)["autoscaler.toml"])
    of_file = load({"AUTOSCALER_CONFIG_FILE": str(place)})
    assert of_file.services == load(environment(answers)).services
    [service] = of_file.services
    assert service.policy.mode.value == "shadow"
    assert service.policy.max_tasks == answers.max_tasks
    assert service.policy.acceptable_latency_s == answers.acceptable_latency_s


def test_the_role_of_a_first_start_may_change_nothing() -> None:
    policy = json.loads(files(ANSWERS)["iam-policy.json"])
    actions = [action for statement in policy["Statement"] for action in statement["Action"]]
    assert actions
    assert all(action.partition(":")[2].startswith(("Get", "Describe", "List")) for action in actions)


def test_the_task_is_the_one_that_is_deployed() -> None:
    ours, deployed = task(ANSWERS), json.loads(filled_in("task-definition.json"))
    [mine], [theirs] = ours.pop("containerDefinitions"), deployed.pop("containerDefinitions")
    assert ours == deployed
    environment = {one["name"]: one["value"] for one in mine.pop("environment")}
    wanted = {one["name"]: one["value"] for one in theirs.pop("environment")}
    assert mine == theirs
    assert environment.pop("AUTOSCALER_REGION") == REGION
    assert environment | {"AUTOSCALER_QUEUES": ""} == wanted | {"AUTOSCALER_QUEUES": ""}


def test_the_task_has_the_shape_that_ecs_takes() -> None:
    model = ServiceModel(Loader().load_service_model("ecs", "service-2"))
    shape = model.operation_model("RegisterTaskDefinition").input_shape
    assert shape is not None
    assert ParamValidator().validate(task(ANSWERS), shape).generate_report() == ""


def test_region_and_account_are_the_queues_where_nobody_says_them() -> None:
    bare = Answers("shop", "worker", (f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders",), 60.0, 20)
    assert (bare.completed().region, bare.completed().account) == (REGION, ACCOUNT)
    assert replace(bare, region="eu-west-2", queues=("orders",)).completed().region == "eu-west-2"
    two = (*bare.queues, f"arn:aws:sqs:{REGION}:{'9' * 12}:refunds")
    assert replace(bare, queues=two).completed().account is None


def test_what_is_not_known_is_a_word_in_capitals_and_the_first_step() -> None:
    bare = Answers("shop", "worker", ("orders",), 60.0, 20)
    assert steps(bare)[0] == "put the right words for REGION, ACCOUNT, IMAGE into the files"
    assert "put the right words" not in " ".join(steps(ANSWERS))
    assert "ACCOUNT" not in "".join(files(ANSWERS).values())


def commands(answers: Answers) -> list[list[str]]:
    """What the steps have one type, in order, after `aws`."""
    return [shlex.split(step.partition(": aws ")[2]) for step in steps(answers) if ": aws " in step]


def asked(client: Any, words: list[str], contents: dict[str, str]) -> Any:
    """One command of the `aws` tool, as the SDK makes it: options are the operation's parameters."""
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


def test_the_steps_lead_an_empty_account_to_a_daemon_whose_roles_and_log_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        clients = {name: boto3.client(name, region_name=REGION) for name in ("iam", "logs", "ecs", "ec2")}
        clients["ecs"].create_cluster(clusterName=ANSWERS.cluster)
        subnet = clients["ec2"].describe_subnets()["Subnets"][0]["SubnetId"]
        guard = clients["ec2"].describe_security_groups()["SecurityGroups"][0]["GroupId"]
        for words in commands(ANSWERS):
            meant = [word.replace("SUBNET", subnet).replace("SECURITY_GROUP", guard) for word in words]
            asked(clients[words[0]], meant, files(ANSWERS))
        told, iam = task(ANSWERS), clients["iam"]
        for arn in (told["taskRoleArn"], told["executionRoleArn"]):
            role = iam.get_role(RoleName=arn.rpartition("/")[2])["Role"]
            [trusted] = role["AssumeRolePolicyDocument"]["Statement"]
            assert trusted["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
        assert iam.list_role_policies(RoleName="autoscaler")["PolicyNames"] == ["autoscaler"]
        assert iam.list_attached_role_policies(RoleName="ecsTaskExecutionRole")["AttachedPolicies"]
        [group] = clients["logs"].describe_log_groups()["logGroups"]
        [container] = told["containerDefinitions"]
        assert group["logGroupName"] == container["logConfiguration"]["options"]["awslogs-group"]
        assert clients["ecs"].list_services(cluster=ANSWERS.cluster)["serviceArns"]


def test_every_step_that_reads_the_settings_names_their_file() -> None:
    for step in steps(ANSWERS):
        for command in ("doctor", "run", "dashboards", "iam-policy"):
            if f"autoscaler {command}" in step:
                assert f"AUTOSCALER_CONFIG_FILE=autoscaler.toml autoscaler {command}" in step


def test_the_alert_rules_are_those_of_dashboards() -> None:
    assert files(ANSWERS)["rules.yml"] == monitoring.files(None)["rules.yml"]
    assert "AutoscalerSloMissed" in files(ANSWERS)["rules.yml"]


def test_every_file_is_told_of_in_the_one_to_read() -> None:
    told = files(ANSWERS)
    assert all(f"`{name}`" in told["README.md"] for name in told.keys() - {"README.md"})


def test_wrong_answers_are_refused_all_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        files(Answers("no cluster!", "worker", ("orders",), 60.0, 20, region="nowhere"))
    assert {problem.where for problem in refused.value.problems} == {"AUTOSCALER_CLUSTER", "AUTOSCALER_REGION"}


def test_nothing_that_was_answered_can_break_the_file() -> None:
    text = Answers("shop", "worker", ('a"]\nmode="active"',), 60.0, 20).toml()
    assert tomllib.loads(text)["services"]["worker"]["mode"] == "shadow"
