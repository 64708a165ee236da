"""Conflicting scalers of a service: found by their policies and scheduled actions, and read every five minutes."""

from __future__ import annotations

from typing import Any

import pytest

from autoscaler.aws import conflicts
from autoscaler.aws.connection import Aws
from autoscaler.core.model import Missing
from autoscaler.ports import Category, ServiceRef
from tests.aws.double import HANG, AwsDouble, AwsReply, fault, ok
from tests.aws.spies import Spies, connected

REF = ServiceRef("shop", "arn:aws:ecs:eu-west-1:123456789012:cluster/prod", "orders")
OURS = {"ResourceId": "service/prod/orders"}
OTHERS: dict[str, Any] = {"ResourceId": "service/prod/invoices"}


def target(suspended: dict[str, object] | None = None, **fields: object) -> dict[str, object]:
    return {**OURS, "MinCapacity": 1, "MaxCapacity": 10, "SuspendedState": suspended, **fields}


def suspending(*what: str) -> dict[str, object]:
    return {f"{name}Suspended": True for name in what}


def policy(name: str, **fields: object) -> dict[str, object]:
    return {**OURS, "PolicyName": name, **fields}


def action(name: str, **fields: object) -> dict[str, object]:
    return {**OURS, "ScheduledActionName": name, **fields}


def script(
    double: AwsDouble,
    targets: list[dict[str, object]],
    policies: list[dict[str, object]] | None = None,
    actions: list[dict[str, object]] | None = None,
) -> None:
    double.on("DescribeScalableTargets", ok({"ScalableTargets": targets}))
    double.on("DescribeScalingPolicies", ok({"ScalingPolicies": policies or []}))
    double.on("DescribeScheduledActions", ok({"ScheduledActions": actions or []}))


async def kind(aws: Aws) -> str:
    reading = await aws.fleets.conflicting_scalers(REF)
    assert isinstance(reading, Missing), reading
    assert "shop (prod/orders)" in reading.reason
    return reading.kind


async def test_the_requests_name_the_service_s_desired_count(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    script(double, [target()], [policy("a")])
    await aws.fleets.conflicting_scalers(REF)
    about = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}
    one = about | {"ResourceId": "service/prod/orders"}
    assert [seen.body for seen in double.seen] == [about | {"ResourceIds": ["service/prod/orders"]}, one, one]
    assert [call[:2] for call in spies.calls] == [
        ("application-autoscaling:DescribeScalableTargets", Category.SCALING_READ),
        ("application-autoscaling:DescribeScalingPolicies", Category.SCALING_READ),
        ("application-autoscaling:DescribeScheduledActions", Category.SCALING_READ),
    ]


async def test_a_service_without_a_target_needs_one_call(aws: Aws, double: AwsDouble) -> None:
    script(double, [])
    assert await aws.fleets.conflicting_scalers(REF) == ()
    assert len(double.seen) == 1


@pytest.mark.parametrize(
    ("policies", "actions", "listed"),
    [
        (["a"], [], "1 policy (a)"),
        (["b", "a"], [], "2 policies (a, b)"),
        ([], ["x"], "1 scheduled action (x)"),
        (["a"], ["x", "y"], "1 policy (a), 2 scheduled actions (x, y)"),
        (["d", "c", "b", "a"], [], "4 policies (a, b, c, …)"),
    ],
)
async def test_a_conflicting_scaler_is_reported_with_its_policies_and_actions(
    aws: Aws, double: AwsDouble, policies: list[str], actions: list[str], listed: str
) -> None:
    script(double, [target()], [policy(name) for name in policies], [action(name) for name in actions])
    assert await aws.fleets.conflicting_scalers(REF) == (f"Application Auto Scaling may set 1 to 10 tasks: {listed}",)


@pytest.mark.parametrize(
    ("suspended", "listed"),
    [
        (None, "1 policy (a), 1 scheduled action (x)"),
        ({}, "1 policy (a), 1 scheduled action (x)"),
        (suspending("DynamicScalingIn"), "1 policy (a), 1 scheduled action (x)"),
        (suspending("DynamicScalingOut"), "1 policy (a), 1 scheduled action (x)"),
        (suspending("DynamicScalingIn", "DynamicScalingOut"), "1 scheduled action (x)"),
        (suspending("ScheduledScaling"), "1 policy (a)"),
        (suspending("DynamicScalingIn", "DynamicScalingOut", "ScheduledScaling"), None),
    ],
)
async def test_suspended_scaling_is_no_conflict(
    aws: Aws, double: AwsDouble, suspended: dict[str, object] | None, listed: str | None
) -> None:
    script(double, [target(suspended)], [policy("a")], [action("x")])
    sentences = (f"Application Auto Scaling may set 1 to 10 tasks: {listed}",) if listed else ()
    assert await aws.fleets.conflicting_scalers(REF) == sentences


@pytest.mark.parametrize(("ends_in_s", "is_conflict"), [(-1, False), (0, False), (1, True), (None, True)])
async def test_a_scheduled_action_that_has_ended_is_no_conflict(
    aws: Aws, double: AwsDouble, spies: Spies, ends_in_s: float | None, is_conflict: bool
) -> None:
    end = None if ends_in_s is None else spies.wall_s + ends_in_s
    script(double, [target()], actions=[action("x", EndTime=end)])
    assert bool(await aws.fleets.conflicting_scalers(REF)) is is_conflict


async def test_scaling_of_another_service_is_no_conflict(aws: Aws, double: AwsDouble) -> None:
    script(double, [target(**OTHERS)], [policy("a")])
    assert await aws.fleets.conflicting_scalers(REF) == ()
    script(double, [target()], [policy("a", **OTHERS)], [action("x", **OTHERS)])
    assert await aws.fleets.conflicting_scalers(ServiceRef("other", "prod", "orders")) == ()


async def test_all_pages_are_read(aws: Aws, double: AwsDouble) -> None:
    script(double, [target()])
    first = {"ScalingPolicies": [policy("a")], "NextToken": "more"}
    double.on("DescribeScalingPolicies", ok(first), ok({"ScalingPolicies": [policy("b")]}))
    found = await aws.fleets.conflicting_scalers(REF)
    assert not isinstance(found, Missing)
    [sentence] = found
    assert sentence.endswith("2 policies (a, b)")
    assert [seen.body.get("NextToken") for seen in double.requests("DescribeScalingPolicies")] == [None, "more"]


async def test_endless_pages_are_stopped(aws: Aws, double: AwsDouble) -> None:
    double.on("DescribeScalableTargets", ok({"ScalableTargets": [], "NextToken": "more"}))
    assert await kind(aws) == "unavailable"
    assert len(double.seen) == conflicts.MOST_PAGES


@pytest.mark.parametrize("found", [[], [policy("a")]])
async def test_a_result_is_cached_for_five_minutes(
    aws: Aws, double: AwsDouble, spies: Spies, found: list[dict[str, object]]
) -> None:
    script(double, [target()] if found else [], found)
    first, calls = await aws.fleets.conflicting_scalers(REF), len(double.seen)
    spies.pass_s(299)
    assert await aws.fleets.conflicting_scalers(REF) == first
    assert len(double.seen) == calls
    script(double, [target()], [policy("b")])
    spies.pass_s(1)
    assert "policy (b)" in str(await aws.fleets.conflicting_scalers(REF))


async def test_services_do_not_share_results(aws: Aws, double: AwsDouble) -> None:
    script(double, [target()], [policy("a")])
    assert await aws.fleets.conflicting_scalers(REF)
    assert await aws.fleets.conflicting_scalers(ServiceRef("invoices", "prod", "invoices")) == ()


PERMISSIONS = ["DescribeScalableTargets", "DescribeScalingPolicies", "DescribeScheduledActions"]


@pytest.mark.parametrize("call", PERMISSIONS)
async def test_a_missing_permission_is_named_and_cached_for_five_minutes(
    aws: Aws, double: AwsDouble, spies: Spies, call: str
) -> None:
    script(double, [target()], [policy("a")])
    double.on(call, fault("AccessDeniedException"))
    reading = await aws.fleets.conflicting_scalers(REF)
    assert isinstance(reading, Missing)
    assert reading.kind == "denied"
    assert f"grant the task role application-autoscaling:{call} on *; without it" in reading.reason
    calls = len(double.seen)
    spies.pass_s(299)
    assert await aws.fleets.conflicting_scalers(REF) == reading
    assert len(double.seen) == calls
    script(double, [])
    spies.pass_s(1)
    assert await aws.fleets.conflicting_scalers(REF) == ()


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (fault("ThrottlingException"), "throttled"),
        (fault("InternalServiceException", status=500), "unavailable"),
        (fault("ConcurrentUpdateException", status=500), "unavailable"),
        (fault("ValidationException"), "refused"),
        (fault("FailedResourceAccessException"), "refused"),
        (ok({}), "unreadable"),
        (ok({"ScalableTargets": 5}), "unavailable"),
        (ok({"ScalableTargets": [{}]}), "unreadable"),
        (ok({"ScalableTargets": [], "NextToken": ""}), "unreadable"),
        (AwsReply(b"garbage"), "unreadable"),
    ],
)
async def test_an_error_is_missing_and_retried_after_a_minute(
    aws: Aws, double: AwsDouble, spies: Spies, reply: AwsReply, expected: str
) -> None:
    double.on("DescribeScalableTargets", reply, ok({"ScalableTargets": []}))
    assert await kind(aws) == expected
    spies.pass_s(59)
    assert await kind(aws) == expected
    assert len(double.seen) == 1
    spies.pass_s(1)
    assert await aws.fleets.conflicting_scalers(REF) == ()


@pytest.mark.parametrize(
    ("targets", "policies", "actions"),
    [
        ([target(MinCapacity=None)], [policy("a")], []),
        ([target(MaxCapacity="10")], [policy("a")], []),
        ([target({"DynamicScalingInSuspended": "yes"})], [policy("a")], []),
        ([target()], [{**OURS}], []),
        ([target()], [policy("a")], [{**OURS}]),
        ([target()], [policy("a")], [action("x", EndTime="soon")]),
    ],
)
async def test_an_incomplete_response_is_missing(
    aws: Aws,
    double: AwsDouble,
    targets: list[dict[str, object]],
    policies: list[dict[str, object]],
    actions: list[dict[str, object]],
) -> None:
    script(double, targets, policies, actions)
    assert await kind(aws) in {"unreadable", "unavailable"}


async def test_names_are_printable_and_shortened(aws: Aws, double: AwsDouble) -> None:
    script(double, [target()], [policy("line\nbreak" + "x" * 500)])
    found = await aws.fleets.conflicting_scalers(REF)
    assert not isinstance(found, Missing)
    [sentence] = found
    assert sentence.isprintable()
    assert len(sentence) < 160


async def test_one_timeout_limits_all_calls(monkeypatch: pytest.MonkeyPatch, double: AwsDouble, spies: Spies) -> None:
    monkeypatch.setattr(conflicts, "WHOLE_S", 0.3)
    double.on("DescribeScalableTargets", HANG)
    async with connected(spies) as aws:
        assert await kind(aws) == "unavailable"
