"""A service of another account has a role, and the account of the role decides which names are the same service."""

import json
from typing import Any

import pytest

from autoscaler.config import json_schema, load
from autoscaler.ports import Role
from tests.config.spoken import flat, many, only, problems

ROLE = "arn:aws:iam::123456789012:role/autoscaler"
OTHER = "arn:aws:iam::210987654321:role/autoscaler"
ARN = "arn:aws:sqs:eu-west-1:{}:q-A"


def test_a_service_and_its_queues_use_its_role() -> None:
    service = only(load(flat(ROLE_ARN=ROLE, EXTERNAL_ID="shop-4711", QUEUES=f"a,{ARN.format('999999999999')}")))
    role = Role(ROLE, "shop-4711")
    assert service.ref.role == role
    assert [queue.role for queue in service.queues] == [role, role]
    assert [queue.account for queue in service.queues] == [None, "999999999999"]
    assert role.account == "123456789012"


def test_without_a_role_arn_no_role_is_assumed() -> None:
    service = only(load(flat()))
    assert (service.ref.role, service.queues[0].role) == (None, None)


def test_a_service_may_replace_or_remove_the_role_of_the_defaults() -> None:
    values = {"DEFAULTS__ROLE_ARN": ROLE, "DEFAULTS__EXTERNAL_ID": "x1"}
    config = load(many("A", "B", "C", SERVICES__B__ROLE_ARN=OTHER, SERVICES__C__ROLE_ARN="none", **values))
    assert [service.ref.role for service in config.services] == [Role(ROLE, "x1"), Role(OTHER, "x1"), None]


@pytest.mark.parametrize(
    "arn",
    [
        ROLE,
        "arn:aws-cn:iam::123456789012:role/autoscaler",
        "arn:aws-us-gov:iam::123456789012:role/autoscaler",
        "arn:aws:iam::123456789012:role/teams/shop/auto+scaler=,.@-_",
        f"arn:aws:iam::123456789012:role/{'r' * 64}",
    ],
)
def test_a_valid_role_arn_is_accepted(arn: Any) -> None:
    assert only(load(flat(ROLE_ARN=arn))).ref.role == Role(arn)


@pytest.mark.parametrize(
    "text",
    [
        "autoscaler",
        "arn:aws:iam::12345678901:role/autoscaler",
        "arn:aws:iam::123456789012:user/autoscaler",
        "arn:aws:iam:eu-west-1:123456789012:role/autoscaler",
        "arn:aws:sts::123456789012:assumed-role/autoscaler/session",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:role/a b",
        "arn:amazon:iam::123456789012:role/autoscaler",
        f"arn:aws:iam::123456789012:role/{'r' * 65}",
        "arn:aws:iam::123456789012:role/" + "!/" * 5000 + " ",
        "arn:aws:iam::١٢٣٤٥٦٧٨٩٠١٢:role/autoscaler",
    ],
)
def test_an_invalid_role_arn_is_rejected_with_an_example(text: Any) -> None:
    assert "arn:aws:iam::123456789012:role/" in problems(flat(ROLE_ARN=text))["AUTOSCALER_ROLE_ARN"]


@pytest.mark.parametrize("text", ["ab", "a" * 1224, "shop_4711+=,.@:/-"])
def test_a_valid_external_id_is_accepted(text: Any) -> None:
    role = only(load(flat(ROLE_ARN=ROLE, EXTERNAL_ID=text))).ref.role
    assert role == Role(ROLE, text)


@pytest.mark.parametrize("text", ["a", "a" * 1225, "two words", "käse", "a;b"])
def test_an_invalid_external_id_is_rejected(text: Any) -> None:
    assert "external id" in problems(flat(ROLE_ARN=ROLE, EXTERNAL_ID=text))["AUTOSCALER_EXTERNAL_ID"]


def test_an_external_id_without_a_role_is_an_error() -> None:
    assert "role_arn" in problems(flat(EXTERNAL_ID="shop-4711"))["AUTOSCALER_EXTERNAL_ID"]
    assert problems(flat(EXTERNAL_ID="shop-4711", ROLE_ARN="x")).keys() == {"AUTOSCALER_ROLE_ARN"}


def test_an_external_id_of_the_defaults_applies_only_to_services_with_a_role() -> None:
    config = load(many("A", "B", DEFAULTS__EXTERNAL_ID="shop-4711", SERVICES__B__ROLE_ARN=ROLE))
    assert [service.ref.role for service in config.services] == [None, Role(ROLE, "shop-4711")]


def test_the_text_of_a_role_does_not_contain_the_external_id() -> None:
    assert "hush" not in repr(Role(ROLE, "hush"))


def same(**values: str) -> dict[str, str]:
    """Return the variables of two services with the same ECS service name and queue name."""
    return many("A", "B", SERVICES__B__SERVICE="s-A", SERVICES__B__QUEUES="q-A", **values)


BOTH = {"AUTOSCALER_SERVICES__B__SERVICE", "AUTOSCALER_SERVICES__B__QUEUES"}


@pytest.mark.parametrize("other", [None, OTHER])
def test_the_same_names_in_two_accounts_are_different_services(other: Any) -> None:
    roles = {"SERVICES__B__ROLE_ARN": ROLE} | ({"SERVICES__A__ROLE_ARN": other} if other else {})
    assert len(load(same(**roles)).services) == 2


def test_the_same_names_with_two_roles_of_one_account_are_one_service() -> None:
    roles = {"SERVICES__A__ROLE_ARN": ROLE, "SERVICES__B__ROLE_ARN": ROLE + "-2"}
    assert problems(same(**roles)).keys() == BOTH
    assert len(load(same(**roles, SERVICES__A__REGION="eu-west-1", SERVICES__B__REGION="eu-west-2")).services) == 2


def test_an_invalid_role_causes_no_further_error() -> None:
    assert problems(same(SERVICES__B__ROLE_ARN="x")).keys() == {"AUTOSCALER_SERVICES__B__ROLE_ARN"}


def test_the_account_of_a_queue_arn_overrides_the_account_of_the_role() -> None:
    mine = {"SERVICES__A__QUEUES": ARN.format("123456789012"), "SERVICES__B__ROLE_ARN": ROLE}
    assert problems(many("A", "B", SERVICES__B__QUEUES="q-A", **mine)).keys() == {"AUTOSCALER_SERVICES__B__QUEUES"}
    theirs = {"SERVICES__B__QUEUES": ARN.format("999999999999")}
    assert len(load(many("A", "B", **mine, **theirs)).services) == 2


def test_the_schema_contains_the_role_and_the_external_id() -> None:
    service = dict[str, Any](json_schema())["$defs"]["service"]["properties"]
    assert "role/" in json.dumps(service["role_arn"])
    assert "external_id" in service
