"""What is wrong with the daemon's own credentials is said of them: never of the call, of its right, or of AWS."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from autoscaler.aws import Aws
from autoscaler.aws.apis import GET_QUEUE_ATTRIBUTES, Call
from autoscaler.aws.faults import fault_of_credentials
from autoscaler.core.model import Missing
from autoscaler.ports import QueueRef, ServiceRef
from tests.aws.double import Double, Reply, fault, refused
from tests.aws.spies import Spies, connected

ORDERS = QueueRef("orders", url="http://sqs.example/1/orders")
SHOP = ServiceRef("shop", "prod", "orders")
SSO = """
[profile sso]
sso_session = us
sso_account_id = 123456789012
sso_role_name = r
region = eu-west-1
[sso-session us]
sso_region = eu-west-1
sso_start_url = https://sso.invalid/start
"""
ASSUMING = """
[profile base]
aws_access_key_id = a
aws_secret_access_key = b
[profile other]
role_arn = arn:aws:iam::123456789012:role/other
source_profile = base
"""


@pytest.fixture
def none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """No credentials anywhere."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


def profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "config").write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", name)


async def missed(spies: Spies) -> Missing:
    """The queue's reading; what ECS would be asked for is missing for the same reason."""
    async with connected(spies) as aws:
        queue, fleet = await aws.queues.backlog(ORDERS), await aws.fleets.read(SHOP)
    assert isinstance(queue, Missing)
    assert isinstance(fleet, Missing)
    assert queue.kind == fleet.kind
    assert "sqs:GetQueueAttributes was not sent" in queue.reason
    assert "ecs:DescribeServices was not sent" in fleet.reason
    for reading in (queue, fleet):
        assert "denied" not in reading.reason.lower()
        assert "give the task role" not in reading.reason
    return queue


async def test_no_credentials_are_said_to_be_missing(none: pytest.MonkeyPatch, double: Double, spies: Spies) -> None:
    reading = await missed(spies)
    assert reading.kind == "no_credentials"
    assert "Unable to locate credentials" in reading.reason
    assert "AWS_ACCESS_KEY_ID" in reading.reason.rpartition("; ")[2]
    assert {outcome for _, outcome in spies.outcomes} == {"no_credentials"}
    assert double.seen == []


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"AWS_ACCESS_KEY_ID": "a"}, ("Partial credentials found in env", "AWS_SECRET_ACCESS_KEY", "missing value")),
        ({"AWS_PROFILE": "nope"}, ("nope", "could not be found", "AWS_PROFILE")),
        (
            {"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such/token", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/r"},
            ("/no/such/token", "AWS_CONFIG_FILE"),
        ),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/keys"}, ("example.com", "task role")),
    ],
)
async def test_each_source_is_named_with_what_is_wrong_with_it(
    none: pytest.MonkeyPatch, double: Double, spies: Spies, variables: Mapping[str, str], words: tuple[str, ...]
) -> None:
    for name, value in variables.items():
        none.setenv(name, value)
    reading = await missed(spies)
    assert reading.kind == "no_credentials"
    assert all(word in reading.reason for word in words), reading.reason
    assert double.seen == []


async def test_an_sso_login_that_is_over_asks_for_another(
    none: pytest.MonkeyPatch, double: Double, spies: Spies, tmp_path: Path
) -> None:
    profiles(none, tmp_path, SSO, "sso")
    reading = await missed(spies)
    assert reading.kind == "no_credentials"
    assert "aws sso login" in reading.reason.rpartition("; ")[2]


@pytest.mark.parametrize("command", ["/no/such/program", "false"])
async def test_a_process_that_gives_none_is_named(
    none: pytest.MonkeyPatch, double: Double, spies: Spies, tmp_path: Path, command: str
) -> None:
    profiles(none, tmp_path, f"[profile own]\ncredential_process = {command}\n", "own")
    reading = await missed(spies)
    assert reading.kind == "no_credentials"
    assert command in reading.reason or "custom-process" in reading.reason


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refused("AccessDenied", "not authorized to perform: sts:AssumeRole"), "no_credentials"),
        (refused("RequestTimeTooSkewed"), "clock_skewed"),
    ],
)
async def test_a_profile_whose_role_may_not_be_assumed_is_no_denial_of_the_call(
    none: pytest.MonkeyPatch, double: Double, spies: Spies, tmp_path: Path, answer: Reply, kind: str
) -> None:
    profiles(none, tmp_path, ASSUMING, "other")
    double.on("AssumeRole", answer)
    async with connected(spies) as aws:
        reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert reading.kind == kind
    assert "AssumeRole" in reading.reason
    assert "give the task role sqs:GetQueueAttributes" not in reading.reason
    assert double.asked("GetQueueAttributes") == []


@pytest.mark.parametrize(
    ("code", "status"), [("ServiceUnavailable", 503), ("Throttling", 400), ("InternalFailure", 500)]
)
def test_a_source_that_fails_is_unavailable_and_named(code: str, status: int) -> None:
    answer: Any = {"Error": {"Code": code, "Message": "later"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    call = Call(GET_QUEUE_ATTRIBUTES, "queue orders", "eu-west-1")
    told = fault_of_credentials(ClientError(answer, "AssumeRole"), call)
    assert told.kind == "unavailable"
    assert "AssumeRole" in str(told)
    assert "source of the credentials" in str(told).rpartition("; ")[2]


async def test_a_credentials_endpoint_that_cannot_be_reached_is_not_aws_s_refusal(
    none: pytest.MonkeyPatch, double: Double, spies: Spies
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        none.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://{}:{}/keys".format(*free.getsockname()))
    async with connected(spies, call_timeout_s=30.0) as aws:
        reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert reading.kind == "unavailable"
    assert "was not sent" in reading.reason
    assert "AWS_CONTAINER_CREDENTIALS" in reading.reason.rpartition("; ")[2]
    assert "AWS_ENDPOINT_URL" not in reading.reason


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("ExpiredToken", "expired"),
        ("ExpiredTokenException", "expired"),
        ("InvalidClientTokenId", "does not know this access key"),
        ("UnrecognizedClientException", "does not know this access key"),
        ("SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
        ("OptInRequired", "enable the service and the Region"),
    ],
)
async def test_credentials_that_aws_rejects_are_no_missing_right(
    aws: Aws, double: Double, code: str, remedy: str
) -> None:
    double.on("GetQueueAttributes", fault(code, "in AWS words", status=403))
    reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert (reading.kind, code in reading.reason) == ("denied", True)
    assert remedy in reading.reason.rpartition("; ")[2]
    assert "give the task role" not in reading.reason
