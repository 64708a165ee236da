"""A queue is a name, a URL or an ARN. Its Region and account come from the URL or ARN if they are part of it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.config import load
from autoscaler.config.addresses import address, endpoint_to_call, named_endpoint, queue
from autoscaler.config.quoting import WrongValue
from autoscaler.ports import QueueRef
from tests.config.spoken import flat, only, problems, refusal

AWS = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
ACCOUNT = "123456789012"


@pytest.mark.parametrize(
    ("text", "name", "region", "account"),
    [
        ("orders", "orders", None, None),
        ("orders.fifo", "orders.fifo", None, None),
        ("q" * 80, "q" * 80, None, None),
        (AWS, "orders", "eu-west-1", ACCOUNT),
        ("https://sqs.us-gov-west-1.amazonaws.com/123456789012/a.fifo", "a.fifo", "us-gov-west-1", ACCOUNT),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/a", "a", "cn-north-1", ACCOUNT),
        ("https://eu-west-1.queue.amazonaws.com/123456789012/a", "a", "eu-west-1", ACCOUNT),
        ("https://queue.amazonaws.com/123456789012/a", "a", "us-east-1", ACCOUNT),
        ("https://vpce-ab-1.sqs.us-east-2.vpce.amazonaws.com/123456789012/a", "a", "us-east-2", ACCOUNT),
        ("http://127.0.0.1:4566/123/name", "name", None, "123"),
        ("http://localhost:9324/queue/name", "name", None, None),
        ("http://sqs.us-east-1.localhost.localstack.cloud:4566/000000000000/n", "n", "us-east-1", "000000000000"),
        ("arn:aws:sqs:eu-west-1:123456789012:orders.fifo", "orders.fifo", "eu-west-1", ACCOUNT),
        ("arn:aws-cn:sqs:cn-north-1:123456789012:a", "a", "cn-north-1", ACCOUNT),
    ],
)
def test_a_queue_is_parsed_from_a_name_a_url_or_an_arn(text: Any, name: Any, region: str | None, account: Any) -> None:
    read = queue(text)
    assert read == QueueRef(name, region, text if "://" in text else None, account)
    assert queue(address(read)) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "two words",
        "q" * 81,
        "q" * 76 + ".fifo",
        "orders.fifo.fifo",
        ".fifo",
        "orders.std",
        "käse",
        "a\n",
        "https://sqs.eu-west-1.amazonaws.com/orders",
        "https://sqs.eu-west-1.amazonaws.com/123456789012/",
        "https://sqs.eu-west-1.amazonaws.com/123456789012/a?x=1",
        "https:///123456789012/a",
        "https://[::1/123456789012/a",
        "https://host:99999/123456789012/a",
        "ftp://host/123456789012/a",
        "file:///etc/passwd",
        "arn:aws:sns:eu-west-1:123456789012:orders",
        "arn:aws:sqs:eu-west-1:12:orders",
        "arn:aws:sqs::123456789012:orders",
        "arn:aws:sqs:eu-west-1:123456789012:",
        5,
        None,
    ],
)
def test_an_invalid_queue_is_rejected(text: Any) -> None:
    if text == "a\n":
        assert queue(text).name == "a", "white space around it is not part of the name"
        return
    with pytest.raises(WrongValue):
        queue(text)


@pytest.mark.parametrize("userinfo", ["ann:hunter2", "hunter2", ":hunter2"])
def test_a_password_in_a_url_is_rejected_and_not_shown(userinfo: str) -> None:
    errors = problems(flat(QUEUES=f"https://{userinfo}@sqs.eu-west-1.amazonaws.com/123456789012/q"))
    assert "password" in errors["AUTOSCALER_QUEUES"]
    assert "hunter2" not in str(errors)


@given(
    st.text(max_size=120) | st.text(max_size=60).map("https://{}".format) | st.text(max_size=60).map("arn:{}".format)
)
def test_any_text_is_a_queue_or_gives_a_printable_error(text: Any) -> None:
    refused = refusal(lambda: queue(text))
    assert refused.isprintable() if refused else queue(text).name


@pytest.mark.parametrize(
    "value",
    [
        "a,b=5m",
        " a , b = 5m ",
        '["a", "b=5m"]',
        '["a", {"name": "b", "acceptable_latency": "300s"}]',
    ],
)
def test_queues_in_a_variable_are_comma_separated_or_json(value: str) -> None:
    service = only(load(flat(QUEUES=value)))
    assert [item.name for item in service.queues] == ["a", "b"]
    assert [(item.name, item.acceptable_latency_s) for item in service.policy.queues] == [("a", 60.0), ("b", 300.0)]


def test_a_queue_is_in_the_region_of_its_address_or_else_of_its_service() -> None:
    alone = only(load(flat(QUEUES=f"a,{AWS}")))
    placed = only(load(flat(QUEUES=f"a,{AWS}", REGION="eu-west-1")))
    assert [item.region for item in alone.queues] == [None, "eu-west-1"]
    assert [item.region for item in placed.queues] == ["eu-west-1", "eu-west-1"]
    assert (alone.ref.region, placed.ref.region) == (None, "eu-west-1")


@pytest.mark.parametrize("text", [AWS, f"arn:aws:sqs:eu-west-1:{ACCOUNT}:orders"])
def test_a_queue_in_another_region_than_the_service_is_rejected(text: Any) -> None:
    errors = problems(flat(QUEUES=text, REGION="us-east-1"))["AUTOSCALER_QUEUES"]
    assert "eu-west-1" in errors
    assert "us-east-1" in errors


@pytest.mark.parametrize("twice", ["a,a", f"orders,{AWS}", "a=5m,a=6m"])
def test_a_queue_that_is_listed_twice_is_rejected(twice: str) -> None:
    assert "twice" in problems(flat(QUEUES=twice))["AUTOSCALER_QUEUES"]


WEST = "https://sqs.eu-west-1.amazonaws.com"
FIPS = "https://sqs-fips.eu-west-1.amazonaws.com"
VPC = "https://vpce-1-2.sqs.eu-west-1.vpce.amazonaws.com"


@pytest.mark.parametrize(
    ("named", "default", "called"),
    [
        (VPC, WEST, VPC),
        (FIPS, WEST, FIPS),
        (VPC, FIPS, VPC),  # the SDK's own endpoint with AWS_USE_FIPS_ENDPOINT
        (FIPS, VPC, None),  # a VPC endpoint is never the SDK's own: it was configured
        (VPC, "https://vpce-3-4.sqs.eu-west-1.vpce.amazonaws.com", None),
        (VPC, "http://127.0.0.1:4566", None),
        (VPC, "https://sqs.us-east-1.amazonaws.com", None),  # configured for another Region
        ("http://127.0.0.1:9", "http://127.0.0.1:4566", None),
        ("http://127.0.0.1:9", VPC, None),
    ],
)
def test_a_configured_endpoint_applies_to_every_url(named: str, default: str, called: str | None) -> None:
    assert endpoint_to_call(named, default, "eu-west-1") == called


@pytest.mark.parametrize("default", [WEST, FIPS, "https://sqs.eu-west-1.api.aws"])
def test_another_server_is_refused_without_a_configured_endpoint(default: str) -> None:
    with pytest.raises(WrongValue, match="AWS_ENDPOINT_URL_SQS=http"):
        endpoint_to_call("http://127.0.0.1:9", default, "eu-west-1")


@pytest.mark.parametrize("host", ["sqs.eu-west-1.amazonaws.com", "vpce-1-2.sqs.eu-west-1.vpce.amazonaws.com"])
def test_the_dot_that_ends_a_fully_qualified_host_name_changes_nothing(host: str) -> None:
    plain, dotted = (f"https://{name}/123456789012/orders" for name in (host, f"{host}."))
    assert replace(queue(dotted), url=plain) == queue(plain)
    assert named_endpoint(dotted) == named_endpoint(plain)
    with pytest.raises(WrongValue, match="is not an endpoint of SQS"):
        queue("https://sqs.eu-west-9.amazonaws.org.amazonaws.com./123456789012/orders")


def test_a_wrong_account_is_named_also_with_a_dot_after_the_host() -> None:
    with pytest.raises(WrongValue, match="its account ID has 3 digits"):
        queue("https://sqs.eu-west-1.amazonaws.com./123/orders")
