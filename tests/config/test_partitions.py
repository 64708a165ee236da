"""Every partition and Region that the SDK knows is accepted in ARNs, and a contradiction between two is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import botocore
import pytest

from autoscaler.config import load, notes
from autoscaler.config.addresses import (
    PARTITIONS,
    REGIONS,
    address,
    partition,
    partition_of,
    queue,
    role_arn,
    unknown_region,
)
from autoscaler.config.quoting import WrongValue
from tests.config.spoken import flat, many, only, problems

DATA: dict[str, Any] = json.loads((Path(botocore.__file__).parent / "data" / "endpoints.json").read_bytes())
KNOWN = [(region, one["partition"]) for one in DATA["partitions"] for region in one["regions"]]
"""The Regions of the SDK's other, older file."""


@pytest.mark.parametrize(("region", "name"), KNOWN)
def test_every_region_of_the_sdk_has_its_partition(region: str, name: str) -> None:
    assert region in REGIONS
    assert partition(region) == name
    assert unknown_region(region) is None
    arn = f"arn:{name}:sqs:{region}:123456789012:orders"
    assert address(queue(arn)) == arn
    url = f"https://sqs.{region}.{partition_of(region).suffixes[0]}/123456789012/orders"  # type: ignore[union-attr]
    assert queue(url).region == region
    role = f"arn:{name}:iam::123456789012:role/autoscaler"
    assert only(load(flat(REGION=region, ROLE_ARN=role, QUEUES=arn))).ref.region == region


def test_all_partitions_of_the_sdk_are_known() -> None:
    assert {one.name for one in PARTITIONS} == {one["partition"] for one in DATA["partitions"]}
    assert {"aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b"} <= {one.name for one in PARTITIONS}


def test_a_new_region_has_the_partition_of_its_form() -> None:
    assert partition("eu-west-9") == "aws"
    assert partition("eusc-de-west-1") == "aws-eusc"
    assert partition("xx-new-east-1") == "aws"
    assert partition_of("xx-new-east-1") is None
    assert queue("arn:aws-eusc:sqs:xx-new-east-1:123456789012:orders").region == "xx-new-east-1"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("eu-wst-1", "did you mean eu-west-1?"),
        ("us-east1", "did you mean us-east-1?"),
        ("xx-new-east-1", "if the Region"),
    ],
)
def test_an_unknown_region_is_named_with_a_suggestion(text: str, meant: str) -> None:
    sentence = unknown_region(text)
    assert sentence is not None
    assert text in sentence
    assert meant in sentence
    assert unknown_region(None) is None


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        ("arn:aws:sqs:cn-north-1:123456789012:q", "cn-north-1 is in the partition aws-cn: write arn:aws-cn:"),
        ("arn:aws-cn:sqs:eu-west-1:123456789012:q", "eu-west-1 is in the partition aws: write arn:aws:"),
        ("arn:aws:sqs:eusc-de-east-1:123456789012:q", "write arn:aws-eusc:"),
        ("arn:aws-iso:sqs:us-isob-east-1:123456789012:q", "write arn:aws-iso-b:"),
        ("arn:aws-eucs:sqs:eusc-de-east-1:123456789012:q", "did you mean aws-eusc?"),
        ("arn:aws:sqs:eu-west-1:12345678901:q", "has 11 digits; an AWS account ID has 12"),
        ("arn:aws:sqs:eu-west-1:1234567890123:q", "has 13 digits; an AWS account ID has 12"),
        ("https://sqs.eu-west-1.amazonaws.com/12345678901/q", "has 11 digits; an AWS account ID has 12"),
        ("https://queue.amazonaws.com/12345678901/q", "has 11 digits; an AWS account ID has 12"),
    ],
)
def test_a_wrong_part_of_a_queue_address_is_named(arn: str, message: str) -> None:
    with pytest.raises(WrongValue) as caught:
        queue(arn)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        ("arn:aws:iam::12345678901:role/r", "has 11 digits; an AWS account ID has 12"),
        ("arn:aws-gov:iam::123456789012:role/r", "did you mean aws-us-gov?"),
        ("arn:amazon:iam::123456789012:role/r", "amazon is not a partition"),
    ],
)
def test_a_wrong_part_of_a_role_arn_is_named(arn: str, message: str) -> None:
    with pytest.raises(WrongValue) as caught:
        role_arn(arn)
    assert message in str(caught.value)


CN = "arn:aws-cn:iam::123456789012:role/r"


@pytest.mark.parametrize("region", [{"AUTOSCALER_REGION": "eu-west-1"}, {"AWS_REGION": "eu-west-1"}])
def test_a_role_of_another_partition_than_the_region_is_refused(region: dict[str, str]) -> None:
    sentence = problems(flat(ROLE_ARN=CN) | region)["AUTOSCALER_ROLE_ARN"]
    assert "partition aws-cn" in sentence
    assert "eu-west-1, is in aws" in sentence


def test_a_queue_of_another_partition_than_the_daemons_region_is_refused() -> None:
    environ = flat(QUEUES="arn:aws-cn:sqs:cn-north-1:123456789012:q") | {"AWS_REGION": "eu-west-1"}
    assert "(partition aws-cn)" in problems(environ)["AUTOSCALER_QUEUES"]
    assert only(load(environ | {"AWS_REGION": "cn-northwest-1"})).queues[0].region == "cn-north-1"


def test_without_a_region_no_partition_is_compared() -> None:
    assert only(load(flat(ROLE_ARN=CN))).ref.role is not None
    assert only(load(flat(ROLE_ARN=CN, REGION="xx-new-east-1"))).ref.role is not None
    assert problems(many("A", REGION="cn-north-1"))  # the setting belongs to a service
    assert only(load(many("A", DEFAULTS__REGION="cn-north-1", DEFAULTS__ROLE_ARN=CN))).ref.role is not None


def test_check_notes_a_region_that_the_sdk_does_not_know() -> None:
    found = notes(load(flat(REGION="eu-wst-1", QUEUES="a,b")))
    assert [note for note in found if "did you mean eu-west-1?" in note] == [found[0]]
    assert found[0].startswith("orders: ")
    assert not any("did you mean" in note for note in notes(load(flat(REGION="eu-west-1"))))


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("sqs.eu-west1.amazonaws.com", "is not an endpoint of SQS, such as sqs.eu-west-1.amazonaws.com"),
        ("sqs.cn-north-1.amazonaws.com", "such as sqs.cn-north-1.amazonaws.com.cn"),
        ("sqs.eu-west-1.vpce.amazonaws.com", "is not an endpoint of SQS"),
        ("evil.sqs.eu-west-1.amazonaws.com", "is not an endpoint of SQS"),
        ("sqs.eu-west-1.amazonaws.com:4566", "has no port 4566"),
    ],
)
def test_a_misspelled_host_of_sqs_is_refused(host: str, message: str) -> None:
    with pytest.raises(WrongValue) as caught:
        queue(f"https://{host}/123456789012/orders")
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["aws-isoo", "aws-c", "elsewhere"])
def test_a_message_about_an_unknown_partition_has_no_two_marks_in_a_row(name: str) -> None:
    for text in (f"arn:{name}:iam::123456789012:role/a", f"arn:{name}:sqs:eu-west-1:123456789012:orders"):
        with pytest.raises(WrongValue) as wrong:
            role_arn(text) if ":iam:" in text else queue(text)
        assert not re.search(r"[.?!][.?!]", str(wrong.value)), str(wrong.value)
