"""The operator's calls: the caller's identity, the permissions that IAM simulates, and the one tag that is written."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from autoscaler.aws.calls import UPDATE_SERVICE
from autoscaler.aws.operator import Identity, Operator, connect_operator
from autoscaler.errors import Denied, NotFound, Unavailable
from autoscaler.ports import Place, Role, ServiceRef
from tests.aws.double import AwsDouble, assumed, fault, ok, refused
from tests.aws.spies import REGION, Spies
from tests.operating.answers import ARN, ROLE, caller, service, simulated, xml

HERE = Place(REGION)
ELSEWHERE = Role("arn:aws:iam::999999999999:role/autoscaler")


@pytest_asyncio.fixture
async def operator(double: AwsDouble, spies: Spies) -> AsyncIterator[Operator]:
    async with connect_operator(spies, spies, lambda: spies.now_s, lambda: spies.wall_s) as connected:
        yield connected


@pytest.mark.parametrize(
    ("arn", "principal"),
    [
        ("arn:aws:sts::123456789012:assumed-role/autoscaler/task-1", ROLE),
        ("arn:aws-cn:sts::123456789012:assumed-role/a/b", "arn:aws-cn:iam::123456789012:role/a"),
        ("arn:aws:iam::123456789012:user/team/ann", "arn:aws:iam::123456789012:user/team/ann"),
        ("arn:aws:iam::123456789012:root", None),
        ("arn:aws:sts::123456789012:federated-user/ann", None),
        ("nonsense", None),
    ],
)
def test_the_principal_is_the_user_or_role_whose_policies_apply(arn: str, principal: Any) -> None:
    assert Identity("123456789012", arn).principal == principal


async def test_the_identity_is_read_and_an_invalid_token_is_denied(operator: Operator, double: Any) -> None:
    double.on("GetCallerIdentity", caller("arn:aws:iam::123456789012:user/ann"))
    assert await operator.identities.who(HERE) == Identity("123456789012", "arn:aws:iam::123456789012:user/ann")
    double.on("GetCallerIdentity", refused("InvalidClientTokenId"))
    with pytest.raises(Denied):
        await operator.identities.who(HERE)


@pytest.mark.parametrize(
    ("decision", "expected"), [("allowed", True), ("implicitDeny", False), ("explicitDeny", False)]
)
async def test_only_the_decision_allowed_permits_a_call(
    operator: Operator, double: Any, decision: str, expected: bool
) -> None:
    double.on("SimulatePrincipalPolicy", simulated(decision))
    allowed = await operator.identities.may(ROLE, UPDATE_SERVICE, ARN, {"ecs:cluster": "c"}, HERE)
    assert allowed is expected


async def test_a_response_without_a_decision_permits_nothing(operator: Operator, double: Any) -> None:
    double.on("SimulatePrincipalPolicy", xml("SimulatePrincipalPolicy", "<EvaluationResults></EvaluationResults>"))
    assert not await operator.identities.may(ROLE, UPDATE_SERVICE, ARN, {}, HERE)


async def test_the_iam_of_another_account_is_called_as_its_role(operator: Operator, double: Any, spies: Any) -> None:
    double.on("AssumeRole", assumed("ASIAOTHER", spies.wall_s + 3600))
    double.on("SimulatePrincipalPolicy", simulated("allowed"))
    await operator.identities.may(ELSEWHERE.arn, UPDATE_SERVICE, ARN, {}, Place(REGION, ELSEWHERE))
    assert [request.key for request in double.requests("SimulatePrincipalPolicy")] == ["ASIAOTHER"]


async def test_the_tag_is_read_written_and_removed_with_the_operator_s_credentials(
    operator: Operator, double: Any
) -> None:
    ref = ServiceRef("orders", "prod", "orders", REGION, ELSEWHERE)
    double.on(
        "DescribeServices", service(tags=[{"key": "autoscaler:paused", "value": "in"}, {"key": "a", "value": "b"}])
    )
    double.on("TagResource", ok({}))
    double.on("UntagResource", ok({}))
    assert await operator.tags.read(ref) == (ARN, 3, "in")
    await operator.tags.write(ref, ARN, "all")
    await operator.tags.remove(ref, ARN)
    assert double.requests("TagResource")[0].body["tags"] == [{"key": "autoscaler:paused", "value": "all"}]
    assert double.requests("UntagResource")[0].body["tagKeys"] == ["autoscaler:paused"]
    assert {request.key for request in double.seen} == {"testing"}, "the daemon's role has no permission to tag"


async def test_an_error_names_the_remedy(operator: Operator, double: Any) -> None:
    ref = ServiceRef("orders", "prod", "orders", REGION)
    double.on("TagResource", fault("AccessDeniedException"))
    with pytest.raises(Denied, match="grant the user or role that runs this command ecs:TagResource on the service"):
        await operator.tags.write(ref, ARN, "all")
    double.on("DescribeServices", ok({"services": [], "failures": [{"reason": "MISSING"}]}))
    with pytest.raises(NotFound, match="check AUTOSCALER_CLUSTER"):
        await operator.tags.read(ref)
    double.on("DescribeServices", fault("ServerException", status=500))
    with pytest.raises(Unavailable):
        await operator.tags.read(ref)
