"""The table of calls agrees with the SDK, with AWS's description of its permissions, and with the simulated AWS."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
import pytest
from botocore.session import Session

from autoscaler import aws
from autoscaler.aws.calls import CALLS, GET_METRIC_DATA, LIST_TASKS, PRODUCTS, Api, Holder, ResourceForm, product_of
from autoscaler.aws.operator import OPERATOR_CALLS
from autoscaler.ports import Category
from tests.fakeaws import FakeAws
from tests.fakeaws.buckets import PUBLISHED, FakeLimit

EVERY = (*CALLS, *OPERATOR_CALLS)

IAM_TYPES = {
    ResourceForm.QUEUE: "queue",
    ResourceForm.SERVICE: "service",
    ResourceForm.PAUSE_TAG: "service",
    ResourceForm.TASKS: "task",
    ResourceForm.SERVICE_DEPLOYMENTS: "service-deployment",
    ResourceForm.LOG_STREAMS: "log-stream",
    ResourceForm.FARGATE_QUOTAS: "quota",
    ResourceForm.ROLE: "role",
    ResourceForm.SIMULATED_ROLE: "role",
}
"""IAM's resource type of each form."""

NOT_USED = {LIST_TASKS: {"container-instance"}, GET_METRIC_DATA: {"dataset"}}
"""Resource types that IAM also defines for these calls, and that the daemon does not use."""

every_call = pytest.mark.parametrize("api", EVERY, ids=lambda api: api.name)


@cache
def session() -> Session:
    return Session()


@cache
def sdk_client(service: str) -> Any:
    return session().create_client(service, region_name="eu-west-1")


@cache
def aws_permissions() -> dict[str, Any]:
    """Return the actions of each service with their resource types, as AWS publishes them: cfn-lint has a copy."""
    path = Path(cfnlint.__file__).parent / "data" / "AdditionalSpecs" / "Policies.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@every_call
def test_the_sdk_has_the_method_of_every_call(api: Api) -> None:
    assert callable(getattr(sdk_client(api.sdk_service), api.method))
    assert sdk_client(api.sdk_service).meta.method_to_api_mapping[api.method] == api.sent_as


@every_call
def test_aws_supports_the_resource_of_every_call(api: Api) -> None:
    action = aws_permissions()[api.name.partition(":")[0]]["Actions"][api.operation.lower()]
    types = set(action.get("Resources", ()))
    if api.resource.is_any:
        assert types == NOT_USED.get(api, set())
    else:
        assert IAM_TYPES[api.resource] in types


def test_every_call_has_one_row() -> None:
    assert len({api.name for api in EVERY}) == len(EVERY)
    prefixes = "|".join({api.name.partition(":")[0] for api in EVERY})
    sources = "".join(path.read_text() for path in sorted(Path(aws.__file__).parent.rglob("*.py")))
    named = re.findall(rf'"((?:{prefixes}):[A-Z]\w+)"', sources)
    assert sorted(named) == sorted(api.name for api in EVERY)


def test_the_holder_is_the_daemon_or_a_command() -> None:
    assert {api.holder for api in CALLS} == {Holder.DAEMON}
    assert {api.holder for api in OPERATOR_CALLS} == {Holder.COMMAND}
    assert {api.by_command().holder for api in CALLS} == {Holder.COMMAND}


@every_call
def test_the_remedy_names_the_holder_the_call_and_the_resource(api: Api) -> None:
    assert api.grant == f"grant {api.holder} {api.name} on {api.resource.text}"


def test_products_are_named_as_by_aws() -> None:
    assert PRODUCTS.keys() == {api.sdk_service for api in EVERY}
    for service, product in PRODUCTS.items():
        assert session().get_service_model(service).service_id == product


def test_every_category_has_calls_to_one_service() -> None:
    services = {category: {api.sdk_service for api in EVERY if api.category is category} for category in Category}
    assert {len(each) for each in services.values()} == {1}
    for category in {api.category for api in CALLS}:
        assert PRODUCTS[services[category].pop()] == product_of(category)


def test_a_category_is_its_name_with_a_rate_and_a_burst() -> None:
    for category in Category:
        assert f"{category}" == category.value == category
        assert category.burst >= category.rate > 0


def test_the_simulated_aws_has_the_calls_and_throttles_the_same_calls_together() -> None:
    operations = FakeAws().operations
    assert set(operations) == {(api.sdk_service, api.sent_as) for api in CALLS}
    pairs = {(api.category, operations[api.sdk_service, api.sent_as].category) for api in CALLS}
    assert len(pairs) == len({ours for ours, _ in pairs}) == len({theirs for _, theirs in pairs})
    for ours, theirs in pairs - {(Category.ROLE, "roles")}:  # the daemon's figure for STS is assumed
        assert PUBLISHED[theirs] == FakeLimit(ours.burst, ours.rate)


def test_every_call_of_the_daemon_has_a_purpose() -> None:
    assert all(api.purpose for api in CALLS)
