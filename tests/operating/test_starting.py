"""What `init` writes: two spellings of the same settings, a role that may change nothing, the task that is deployed."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

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
def test_the_file_and_the_task_say_the_same(answers, tmp_path_factory):
    place = tmp_path_factory.mktemp("init") / "autoscaler.toml"
    place.write_text(files(answers)["autoscaler.toml"])
    of_file = load({"AUTOSCALER_CONFIG_FILE": str(place)})
    assert of_file.services == load(environment(answers)).services
    [service] = of_file.services
    assert service.policy.mode.value == "shadow"
    assert service.policy.max_tasks == answers.max_tasks
    assert service.policy.acceptable_latency_s == answers.acceptable_latency_s


def test_the_role_of_a_first_start_may_change_nothing():
    policy = json.loads(files(ANSWERS)["iam-policy.json"])
    actions = [action for statement in policy["Statement"] for action in statement["Action"]]
    assert actions
    assert all(action.partition(":")[2].startswith(("Get", "Describe", "List")) for action in actions)


def test_the_task_is_the_one_that_is_deployed():
    ours, deployed = task(ANSWERS), json.loads(filled_in("task-definition.json"))
    [mine], [theirs] = ours.pop("containerDefinitions"), deployed.pop("containerDefinitions")
    assert ours == deployed
    environment = {one["name"]: one["value"] for one in mine.pop("environment")}
    wanted = {one["name"]: one["value"] for one in theirs.pop("environment")}
    assert mine == theirs
    assert environment.pop("AUTOSCALER_REGION") == REGION
    assert environment | {"AUTOSCALER_QUEUES": ""} == wanted | {"AUTOSCALER_QUEUES": ""}


def test_the_task_has_the_shape_that_ecs_takes():
    model = ServiceModel(Loader().load_service_model("ecs", "service-2"))
    shape = model.operation_model("RegisterTaskDefinition").input_shape
    assert ParamValidator().validate(task(ANSWERS), shape).generate_report() == ""


def test_region_and_account_are_the_queues_where_nobody_says_them():
    bare = Answers("shop", "worker", (f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders",), 60.0, 20)
    assert (bare.completed().region, bare.completed().account) == (REGION, ACCOUNT)
    assert replace(bare, region="eu-west-2", queues=("orders",)).completed().region == "eu-west-2"
    two = (*bare.queues, f"arn:aws:sqs:{REGION}:{'9' * 12}:refunds")
    assert replace(bare, queues=two).completed().account is None


def test_what_is_not_known_is_a_word_in_capitals_and_the_first_step():
    bare = Answers("shop", "worker", ("orders",), 60.0, 20)
    assert steps(bare)[0] == "put the right words for REGION, ACCOUNT, IMAGE into the files"
    assert "put the right words" not in " ".join(steps(ANSWERS))
    assert "ACCOUNT" not in "".join(files(ANSWERS).values())


def test_the_alert_rules_are_those_of_dashboards():
    assert files(ANSWERS)["rules.yml"] == monitoring.files(None)["rules.yml"]
    assert "AutoscalerPromiseBroken" in files(ANSWERS)["rules.yml"]


def test_every_file_is_told_of_in_the_one_to_read():
    told = files(ANSWERS)
    assert all(f"`{name}`" in told["README.md"] for name in told.keys() - {"README.md"})


def test_wrong_answers_are_refused_all_at_once():
    with pytest.raises(ConfigError) as refused:
        files(Answers("no cluster!", "worker", ("orders",), 60.0, 20, region="nowhere"))
    assert {problem.where for problem in refused.value.problems} == {"AUTOSCALER_CLUSTER", "AUTOSCALER_REGION"}


def test_nothing_that_was_answered_can_break_the_file():
    text = Answers("shop", "worker", ('a"]\nmode="active"',), 60.0, 20).toml()
    assert tomllib.loads(text)["services"]["worker"]["mode"] == "shadow"
