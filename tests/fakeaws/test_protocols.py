"""Every protocol through the real SDK: JSON and CBOR give equal answers, and errors have AWS's own names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.utils import PRIORITY_ORDERED_SUPPORTED_PROTOCOLS

from tests.fakeaws.conftest import client
from tests.fakeaws.faults import refused
from tests.fakeaws.roles import ACCOUNT
from tests.fakeaws.world.minutes import metric

ROLE = "arn:aws:iam::222222222222:role/reader"


def only(protocol: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the SDK prefer this protocol."""
    others = tuple(other for other in PRIORITY_ORDERED_SUPPORTED_PROTOCOLS if other != protocol)
    monkeypatch.setattr("botocore.model.PRIORITY_ORDERED_SUPPORTED_PROTOCOLS", (protocol, *others))


async def cpu_of(aws: Any, **more: Any) -> Any:
    dimensions = [{"Name": "ClusterName", "Value": "prod"}, {"Name": "ServiceName", "Value": "worker"}]
    own = {"Namespace": "AWS/ECS", "MetricName": "CPUUtilization", "Dimensions": dimensions}
    end = aws.clock.now() // 60 * 60
    async with client(aws, "cloudwatch") as cloudwatch:
        answer = await cloudwatch.get_metric_data(
            MetricDataQueries=[{"Id": "cpu", "MetricStat": {"Metric": own, "Period": 60, "Stat": "Average"}}],
            StartTime=datetime.fromtimestamp(end - 300, UTC),
            EndTime=datetime.fromtimestamp(end, UTC),
        )
    kind = answer.pop("ResponseMetadata")["HTTPHeaders"]["content-type"]
    return answer, kind


async def test_cbor_and_json_give_the_same_answer(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.world().put_service("prod", "worker", 1, cpu=62.5)
    answers, kinds = [], []
    for protocol in ("json", "smithy-rpc-v2-cbor"):
        only(protocol, monkeypatch)
        answer, kind = await cpu_of(aws)
        answers.append(answer)
        kinds.append(kind)
    assert kinds == ["application/x-amz-json-1.0", "application/cbor"]
    assert answers[0] == answers[1]
    assert answers[0]["MetricDataResults"][0]["Values"] == [62.5] * 4
    assert not aws.record.complaints


@pytest.mark.parametrize("protocol", ["json", "smithy-rpc-v2-cbor"])
async def test_an_error_has_one_name_in_json_and_cbor(aws: Any, monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    only(protocol, monkeypatch)
    aws.faults.script("GetMetricData", refused("Throttling", "Rate exceeded", query="Throttling"))
    with pytest.raises(ClientError, match="Rate exceeded") as caught:
        await cpu_of(aws)
    assert caught.value.response["Error"]["Code"] == "Throttling"


async def test_nan_is_the_same_in_json_and_cbor(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.world().minutes.put(
        metric("AWS/ECS", "CPUUtilization", {"ClusterName": "prod", "ServiceName": "worker"}),
        aws.clock.now() // 60 * 60 - 120,
        float("nan"),
    )
    for protocol in ("json", "smithy-rpc-v2-cbor"):
        only(protocol, monkeypatch)
        [result] = (await cpu_of(aws))[0]["MetricDataResults"]
        assert [str(value) for value in result["Values"]] == ["nan"]


async def test_a_missing_queue_has_its_query_error_name_and_its_class(aws: Any) -> None:
    async with client(aws, "sqs") as sqs:
        with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
            await sqs.get_queue_url(QueueName="missing")
    error = caught.value.response["Error"]
    assert (error["Code"], error["QueryErrorCode"]) == (
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    )


async def assumed(aws: Any, **more: Any) -> dict[Any, Any]:
    async with client(aws, "sts") as sts:
        answer = await sts.assume_role(RoleArn=ROLE, RoleSessionName="autoscaler", **more)
    found = answer["Credentials"]
    return {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


async def queue_url(aws: Any, **keys: Any) -> Any:
    async with client(aws, "sqs", **keys) as sqs:
        return (await sqs.get_queue_url(QueueName="orders"))["QueueUrl"]


async def test_an_assumed_role_acts_in_its_account_until_it_expires(aws: Any) -> None:
    for account in (ACCOUNT, "222222222222"):
        aws.world(account).put_queue("orders")
    keys = await assumed(aws, DurationSeconds=900)
    assert f"/{ACCOUNT}/" in await queue_url(aws)
    assert "/222222222222/" in await queue_url(aws, **keys)
    assert [call.account for call in aws.record.called("GetQueueUrl")] == [ACCOUNT, "222222222222"]
    aws.clock.pass_s(900)
    with pytest.raises(ClientError, match="expired"):
        await queue_url(aws, **keys)
    assert not aws.record.complaints


async def test_a_role_requires_its_external_id(aws: Any) -> None:
    aws.roles.external_ids[ROLE] = "shop"
    await assumed(aws, ExternalId="shop")
    for wrong in ({}, {"ExternalId": "other"}):
        with pytest.raises(ClientError) as caught:
            await assumed(aws, **wrong)
        assert caught.value.response["Error"]["Code"] == "AccessDenied"


async def test_a_denied_role_is_not_assumed(aws: Any) -> None:
    aws.roles.denied.add(ROLE)
    with pytest.raises(ClientError, match="not authorized"):
        await assumed(aws)
    assert aws.roles.assumed == []


async def test_each_answer_has_a_date_and_a_request_id(aws: Any) -> None:
    aws.skew_s = 3600.0
    async with client(aws, "ecs") as ecs:
        aws.world().put_service("prod", "worker")
        headers = (await ecs.list_services(cluster="prod"))["ResponseMetadata"]["HTTPHeaders"]
    assert headers["date"] == "Fri, 15 Jan 2027 09:00:30 GMT"
    assert headers["x-amzn-requestid"]
