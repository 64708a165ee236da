"""The policy has least privilege: it grants every call that the settings need, on the named resources, and no other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import botocore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.aws.arns import Home
from autoscaler.aws.calls import CALLS, Purpose
from autoscaler.aws.operator import OPERATOR_CALLS
from autoscaler.config import Config, load
from autoscaler.operating.iam import granted, rights_of
from tests.deploy.stack import filled_in
from tests.operating.settings import ACCOUNT, EVENT_CALLS, EVERYTHING, QUEUE_CALLS, USUAL_CALLS, config, several

APIS = {api.name for api in CALLS}
"""Every AWS call of the daemon."""

PARTITIONS = Path(botocore.__file__).parent / "data" / "partitions.json"
OTHER = "9" * 12
ROLE = f"arn:aws:iam::{OTHER}:role/autoscaler"

OPERATORS = {api.name for api in OPERATOR_CALLS}


def policy(of: Any, account: str | None = ACCOUNT, **options: Any) -> dict[str, Any]:
    return granted(of, "eu-west-1", account, **options).policy


def actions(document: dict[str, Any]) -> set[str]:
    return {action for statement in document["Statement"] for action in statement["Action"]}


def statement(document: dict[str, Any], action: str) -> dict[str, Any]:
    found: dict[str, Any]
    [found] = [one for one in document["Statement"] if action in one["Action"]]
    return found


def test_with_all_settings_the_policy_grants_exactly_the_calls_of_the_daemon() -> None:
    assert actions(policy(load(EVERYTHING))) == USUAL_CALLS
    more = {"AUTOSCALER_DISCOVER_CLUSTERS": "prod", "AUTOSCALER_EVENT_QUEUE": "events"}
    of = load(EVERYTHING | {"AUTOSCALER_ROLE_ARN": ROLE} | more)
    assert actions(policy(of)) | actions(policy(of, role=ROLE)) == APIS
    assert not APIS & {"ecs:TagResource", "ecs:UntagResource", "iam:SimulatePrincipalPolicy"}


def test_a_role_is_granted_its_own_calls_and_the_daemon_only_assumes_the_role() -> None:
    of = several({"region": "eu-west-1"}, {"role_arn": ROLE}, {"role_arn": ROLE})
    ours, theirs = policy(of), policy(of, role=ROLE)
    assert statement(ours, "sts:AssumeRole")["Resource"] == [ROLE]
    assert "w0" in json.dumps(ours)
    assert "w1" not in json.dumps(ours)
    assert statement(theirs, "ecs:UpdateService")["Resource"] == [
        f"arn:aws:ecs:eu-west-1:{OTHER}:service/prod/w1", f"arn:aws:ecs:eu-west-1:{OTHER}:service/prod/w2",
    ]  # fmt: skip
    assert statement(theirs, "sqs:GetQueueUrl")["Resource"][0] == f"arn:aws:sqs:eu-west-1:{OTHER}:q1"
    assert "sts:AssumeRole" not in actions(theirs)
    assert any(ROLE in remark for remark in granted(of, "eu-west-1", ACCOUNT).remarks)


def discovering(folder: Path, profiles: str = "", defaults: str = "", clusters: str = '"a", "b"') -> Config:
    """Load settings that discover services in these clusters, with a price. `profiles`: the tables of the profiles."""
    path = folder / "settings.toml"
    shared = f"[defaults]\ntask_price = 0.05\n{defaults}"
    path.write_text(f"discover_clusters = [{clusters}]\n{shared}\n{profiles}\n", encoding="utf-8")
    return load({"AUTOSCALER_CONFIG_FILE": str(path)})


ACTIVE = '[profiles.batch]\nmode = "active"\nmax_tasks = 9'
WRITES = {"ecs:UpdateService"}
PROTECTION = {"ecs:GetTaskProtection"}
STOPPING = {"ecs:DescribeTaskDefinition"}
DISCOVERY = APIS - {"sts:AssumeRole"} - EVENT_CALLS


def test_discovery_grants_every_service_of_those_clusters_and_no_other(tmp_path: Path) -> None:
    of = discovering(tmp_path, ACTIVE)
    document = policy(of)
    updates = [one for one in document["Statement"] if "ecs:UpdateService" in one["Action"]]
    assert [one["Resource"] for one in updates] == [
        [f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/{cluster}/*"] for cluster in "ab"
    ]
    for one in document["Statement"]:
        if one["Action"][0].startswith("ecs:") and one["Action"] != ["ecs:DescribeTaskDefinition"]:
            assert one["Condition"]["ArnEquals"]["ecs:cluster"].endswith((":cluster/a", ":cluster/b"))
    assert any("scaling of any service" in remark for remark in granted(of, "eu-west-1", ACCOUNT).remarks)


@pytest.mark.parametrize(
    ("profiles", "defaults", "missing"),
    [
        ("", "", WRITES | PROTECTION),
        ("", 'mode = "active"', WRITES | PROTECTION),
        ('[profiles.p]\nmode = "shadow"', "", WRITES | PROTECTION),
        ("[profiles.p]\nmax_tasks = 9", 'mode = "active"', WRITES | PROTECTION),
        (ACTIVE, "", PROTECTION),
        ('[profiles.p]\nmode = "scale_out_only"', "", PROTECTION),
        ('[profiles.p]\nmode = "shadow"\n' + ACTIVE, "", PROTECTION),
        ("", 'workers = "draining"', WRITES | PROTECTION),
        ("", 'workers = "self_protecting"', WRITES | STOPPING),
        ('[profiles.p]\nworkers = "self_protecting"', "", WRITES),
        ('[profiles.p]\nworkers = "none"', 'workers = "draining"', WRITES | PROTECTION),
        ('[profiles.p]\nworkers = "draining"', 'workers = "self_protecting"', WRITES),
        ("[profiles.p]\nqueue_minutes = false", "queue_minutes = false", WRITES | PROTECTION),
    ],
)
def test_discovery_grants_only_what_a_tag_with_one_of_the_profiles_can_need(
    tmp_path: Path, profiles: str, defaults: str, missing: set[str]
) -> None:
    """The mode of the defaults is for services that are configured by name. A tag may turn queue_minutes on."""
    of = discovering(tmp_path, profiles, defaults)
    assert actions(policy(of)) == DISCOVERY - missing
    remarks = " ".join(granted(of, "eu-west-1", ACCOUNT).remarks)
    assert ("scaling of any service" in remarks) is not bool(WRITES & missing)
    assert "reading of any queue" in remarks


def test_a_service_by_name_is_scaled_next_to_discovery_in_shadow_and_no_other_is(tmp_path: Path) -> None:
    named = '[services.w]\ncluster = "a"\nservice = "w"\nqueues = ["q"]\nmax_tasks = 9\nmode = "active"'
    document = policy(discovering(tmp_path, named))
    assert statement(document, "ecs:UpdateService")["Resource"] == [f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/a/w"]


def test_the_queues_of_a_profile_are_granted_in_their_own_account(tmp_path: Path) -> None:
    queues = f'["arn:aws:sqs:eu-west-1:{OTHER}:shared", "https://sqs.eu-west-1.amazonaws.com/{OTHER}/by-url"]'
    document = policy(discovering(tmp_path, f"[profiles.p]\nqueues = {queues}", clusters='"a"'))
    names = (f"{ACCOUNT}:*", f"{OTHER}:shared", f"{OTHER}:by-url")
    own, shared, url = (f"arn:aws:sqs:eu-west-1:{name}" for name in names)
    assert statement(document, "sqs:GetQueueAttributes")["Resource"] == [own, url, shared]
    assert statement(document, "sqs:GetQueueUrl")["Resource"] == [own, shared]


def test_discovery_with_the_role_of_the_defaults_is_granted_to_that_role(tmp_path: Path) -> None:
    of = discovering(tmp_path, ACTIVE, f'role_arn = "{ROLE}"')
    assert actions(policy(of)) == {"sts:AssumeRole"}
    assert f":{OTHER}:service/a/*" in json.dumps(policy(of, role=ROLE))


def test_operators_may_pause_discovered_services(tmp_path: Path) -> None:
    document = policy(discovering(tmp_path, clusters='"a"'), purpose="pause")
    assert actions(document) == {"ecs:DescribeServices", "ecs:TagResource", "ecs:UntagResource"}
    for one in document["Statement"]:
        assert one["Resource"] == [f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/a/*"]


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"mode": "shadow"}, {"ecs:UpdateService"}),
        ({"workers": "unsafe"}, {"ecs:GetTaskProtection"}),
        ({"queues": f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/orders"}, {"sqs:GetQueueUrl"}),
        ({"queue_minutes": "false", "cpu_target_percent": "none"}, {"cloudwatch:GetMetricData"}),
        ({"queues": "[]"}, set(QUEUE_CALLS)),
    ],
)
def test_a_call_that_no_setting_needs_is_not_granted(fields: Any, missing: Any) -> None:
    settings = EVERYTHING | {f"AUTOSCALER_{name.upper()}": value for name, value in fields.items()}
    assert actions(policy(load(settings))) == USUAL_CALLS - missing


def test_every_purpose_is_a_statement_and_the_statements_have_the_order_of_the_purposes() -> None:
    more = {"AUTOSCALER_DISCOVER_CLUSTERS": "prod", "AUTOSCALER_EVENT_QUEUE": "events"}
    elsewhere = EVERYTHING | {"AUTOSCALER_ROLE_ARN": ROLE} | more
    documents = [policy(load(elsewhere)), policy(load(elsewhere), role=ROLE)]
    documents += [policy(config(), purpose=purpose) for purpose in ("pause", "diagnose")]
    sids = [[one["Sid"].rstrip("0123456789") for one in document["Statement"]] for document in documents]
    assert {sid for each in sids for sid in each} == set(Purpose)
    assert all(each == sorted(each, key=list(Purpose).index) for each in sids)


def test_the_rights_of_a_service_are_in_the_order_of_the_policy_and_each_once() -> None:
    of = config(queues="a,b", cpu_target_percent="60", workers="self_protecting", task_price="0.05")
    names = [right.api.name for right in rights_of(of.services[0], Home("eu-west-1", ACCOUNT))]
    ends = len(QUEUE_CALLS), 2 * len(QUEUE_CALLS)
    assert set(names[: ends[0]]) == set(names[ends[0] : ends[1]]) == set(QUEUE_CALLS)
    in_order = [api.name for purpose in Purpose for api in CALLS if api.purpose is purpose]
    assert names[ends[1] :] == [name for name in in_order if name in USUAL_CALLS.difference(QUEUE_CALLS)]
    assert names[ends[1]] == "ecs:DescribeServices"
    assert names[-1].startswith("application-autoscaling:")


@pytest.mark.parametrize("text", ["events", f"https://sqs.eu-west-1.amazonaws.com/{ACCOUNT}/events"])
def test_the_queue_of_events_is_granted_alone_and_only_to_the_daemon_itself(text: str) -> None:
    of = load(EVERYTHING | {"AUTOSCALER_ROLE_ARN": ROLE, "AUTOSCALER_EVENT_QUEUE": text})
    ours, theirs = policy(of), policy(of, role=ROLE)
    receiving = statement(ours, "sqs:ReceiveMessage")
    assert receiving["Action"] == ["sqs:ReceiveMessage", "sqs:DeleteMessage"]
    assert receiving["Resource"] == [f"arn:aws:sqs:eu-west-1:{ACCOUNT}:events"]
    assert ("sqs:GetQueueUrl" in actions(ours)) is (text == "events")
    assert not actions(theirs) & EVENT_CALLS


def test_a_policy_that_permits_to_delete_events_is_not_called_read_only() -> None:
    shadow = EVERYTHING | {"AUTOSCALER_MODE": "shadow", "AUTOSCALER_EVENT_QUEUE": "events"}
    remarks = " ".join(granted(load(shadow), "eu-west-1", ACCOUNT).remarks)
    assert "read-only, except for event_queue" in remarks


def test_arns_are_as_narrow_as_the_settings() -> None:
    document = policy(load(EVERYTHING))
    service = f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/prod/orders"
    assert statement(document, "ecs:UpdateService")["Resource"] == [service]
    assert statement(document, "ecs:GetTaskProtection")["Resource"] == [f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/prod/*"]
    assert statement(document, "sqs:GetQueueUrl")["Resource"] == [f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders"]
    about_ecs = [one for one in document["Statement"] if one["Action"][0].startswith("ecs:")]
    assert len(about_ecs) == 5
    cluster = {"ArnEquals": {"ecs:cluster": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/prod"}}
    assert all(one["Condition"] == cluster for one in about_ecs)


def test_each_cluster_has_separate_statements_with_its_own_condition() -> None:
    document = policy(several({"cluster": "a"}, {"cluster": "b"}, {"cluster": "a", "region": "eu-north-1"}))
    updates = [one for one in document["Statement"] if "ecs:UpdateService" in one["Action"]]
    assert [one["Sid"] for one in updates] == ["ScaleServices", "ScaleServices2", "ScaleServices3"]
    for one in updates:
        cluster = one["Condition"]["ArnEquals"]["ecs:cluster"].replace(":cluster/", ":service/")
        assert all(resource.startswith(f"{cluster}/") for resource in one["Resource"])


@pytest.mark.parametrize(
    ("region", "partition"),
    [(max(one["regions"]), one["id"]) for one in json.loads(PARTITIONS.read_bytes())["partitions"]],
)
def test_every_partition_of_aws_has_its_own_arns(region: str, partition: str) -> None:
    for one in policy(config(region=region))["Statement"]:
        assert all(resource == "*" or resource.startswith(f"arn:{partition}:") for resource in one["Resource"])


def test_without_a_region_the_arns_have_the_partition_of_the_role() -> None:
    role = f"arn:aws-eusc:iam::{OTHER}:role/autoscaler"
    document = granted(several({"role_arn": role}), None, None, role=role).policy
    assert f"arn:aws-eusc:ecs:*:{OTHER}:service/prod/w0" in statement(document, "ecs:UpdateService")["Resource"]
    assert f"arn:aws-eusc:sqs:*:{OTHER}:q0" in statement(document, "sqs:GetQueueUrl")["Resource"]


def test_the_account_comes_from_the_queue_arns_and_an_unknown_account_is_remarked() -> None:
    arn = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders"
    of_queue = granted(config(queues=arn), "eu-west-1", None)
    assert f":{ACCOUNT}:service/" in json.dumps(of_queue.policy)
    assert any("assumed to be in the account of the queues" in remark for remark in of_queue.remarks)
    nowhere = granted(config(), None, None)
    assert "arn:aws:ecs:*:*:service/prod/orders" in json.dumps(nowhere.policy)
    assert any("--account" in remark for remark in nowhere.remarks)
    assert any("AWS_REGION" in remark for remark in nowhere.remarks)
    other = f"arn:aws:sqs:eu-west-1:{'9' * 12}:refunds"
    assert any("several accounts" in one for one in granted(config(queues=f"{arn},{other}"), None, None).remarks)


def test_a_queue_of_another_account_has_an_arn_of_that_account() -> None:
    document = policy(config(queues=f"arn:aws:sqs:eu-west-1:{'9' * 12}:orders"))
    assert statement(document, "sqs:GetQueueAttributes")["Resource"] == [f"arn:aws:sqs:eu-west-1:{'9' * 12}:orders"]
    assert f":{ACCOUNT}:service/prod/orders" in statement(document, "ecs:UpdateService")["Resource"][0]


def test_the_policy_for_pausing_grants_only_the_pause_tag() -> None:
    document = policy(config(), purpose="pause")
    assert actions(document) == {"ecs:DescribeServices", "ecs:TagResource", "ecs:UntagResource"}
    tagging = statement(document, "ecs:TagResource")
    assert tagging["Condition"] == {"ForAllValues:StringEquals": {"aws:TagKeys": ["autoscaler:paused"]}}
    assert tagging["Resource"] == [f"arn:aws:ecs:eu-west-1:{ACCOUNT}:service/prod/orders"]


def test_the_policy_for_diagnosing_is_read_only_and_limited_to_the_cluster() -> None:
    document = policy(config(), purpose="diagnose")
    assert actions(document) == {
        "ecs:DescribeServices", "ecs:ListTasks", "ecs:DescribeTasks", "ecs:DescribeTaskDefinition",
        "ecs:ListServiceDeployments", "ecs:DescribeServiceDeployments", "logs:GetLogEvents", "ec2:DescribeSubnets",
        "servicequotas:GetServiceQuota",
    }  # fmt: skip
    cluster = {"ArnEquals": {"ecs:cluster": f"arn:aws:ecs:eu-west-1:{ACCOUNT}:cluster/prod"}}
    anywhere = {"ReadTaskDefinitions", "ReadContainerLogs", "ReadSubnets", "ReadQuotas"}
    assert {one["Sid"] for one in document["Statement"] if one.get("Condition") != cluster} == anywhere
    assert statement(document, "logs:GetLogEvents")["Resource"] == [
        f"arn:aws:logs:*:{ACCOUNT}:log-group:*:log-stream:*"
    ]
    described = statement(document, "ecs:DescribeTasks")
    assert (described["Sid"], described["Resource"]) == (
        "ReadTasks", [f"arn:aws:ecs:eu-west-1:{ACCOUNT}:task/prod/*"],
    )  # fmt: skip
    assert statement(policy(load(EVERYTHING)), "ecs:DescribeTasks") == described, "the daemon reads why tasks stop"


def test_deny_statements_are_added_only_on_request() -> None:
    assert all(one["Effect"] == "Allow" for one in policy(config())["Statement"])
    *_, task_definition, provider = policy(config(), deny_redefinition=True)["Statement"]
    assert [one["Effect"] for one in (task_definition, provider)] == ["Deny", "Deny"]
    assert task_definition["Condition"] == {"Null": {"ecs:task-definition": "false"}}
    assert provider["Condition"] == {"Null": {"ecs:capacity-provider": "false"}}


def test_the_deployed_policy_allows_the_same_calls() -> None:
    def pairs(document: dict[str, Any]) -> set[tuple[str, str, str]]:
        return {
            (action, resource, json.dumps(one.get("Condition")))
            for one in document["Statement"]
            for action in one["Action"]
            for resource in one["Resource"]
        }

    names = {"CLUSTER": "shop", "SERVICE": "worker", "QUEUES": "orders"}
    settings = EVERYTHING | {f"AUTOSCALER_{name}": value for name, value in names.items()}
    ours = [policy(load(settings | {"AUTOSCALER_WORKERS": kind})) for kind in ("self_protecting", "none")]
    assert set().union(*map(pairs, ours)) == pairs(json.loads(filled_in("iam-policy.json")))


def test_the_task_definition_is_read_only_if_stop_timeout_matters_or_the_price_is_not_set() -> None:
    kinds = ("none", "draining", "self_protecting", "unsafe")
    permissions = {kind: actions(policy(config(workers=kind, task_price="0.05"))) for kind in kinds}
    assert [kind for kind, has in permissions.items() if "ecs:DescribeTaskDefinition" in has] == ["none", "draining"]
    assert all("ecs:DescribeTaskDefinition" in actions(policy(config(workers=kind))) for kind in kinds)
    [reads] = [one for one in policy(config())["Statement"] if "ecs:DescribeTaskDefinition" in one["Action"]]
    assert reads["Resource"] == ["*"]
    assert "Condition" not in reads, "a task definition is in no cluster, so the condition would never match"


def test_a_policy_that_is_too_long_is_remarked() -> None:
    long = several(*({"service": f"worker-number-{number}"} for number in range(60)))
    assert any("characters" in remark for remark in granted(long, "eu-west-1", ACCOUNT).remarks)
    assert not any("characters" in remark for remark in granted(config(), "eu-west-1", ACCOUNT).remarks)


def test_cfn_lint_accepts_the_policies(tmp_path: Path) -> None:
    documents = [policy(load(EVERYTHING), deny_redefinition=True), policy(config(), purpose="pause")]
    documents.append(policy(config(), purpose="diagnose"))
    assert _linted(tmp_path, documents).returncode == 0, _linted(tmp_path, documents).stdout
    documents[0]["Statement"][0]["Action"] = ["sqs:GetQueueAttribute"]
    assert _linted(tmp_path, documents).returncode != 0, "a misspelled permission is found"


def _linted(folder: Path, documents: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    resources = {
        f"Policy{number}": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document}}
        for number, document in enumerate(documents)
    }
    stack = folder / "stack.json"
    stack.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}))
    command: list[str | Path] = [Path(sys.executable).parent / "cfn-lint", "--regions", "eu-west-1", "--", stack]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


fields = st.fixed_dictionaries(
    {},
    optional={
        "cluster": st.sampled_from(["a", "b"]),
        "region": st.sampled_from(["eu-west-1", "eu-north-1"]),
        "mode": st.sampled_from(["shadow", "active"]),
        "workers": st.sampled_from(["draining", "self_protecting", "none"]),
        "queue_minutes": st.sampled_from(["true", "false"]),
    },
)


@given(st.lists(fields, min_size=1, max_size=4))
def test_sids_are_unique_and_no_resource_or_action_is_repeated(services: Any) -> None:
    document = policy(several(*services))
    sids = [one["Sid"] for one in document["Statement"]]
    assert len(set(sids)) == len(sids)
    assert all(sid.isalnum() for sid in sids)
    for one in document["Statement"]:
        assert len(set(one["Resource"])) == len(one["Resource"]) > 0
        assert len(set(one["Action"])) == len(one["Action"]) > 0
        assert "*" not in "".join(one["Action"])
