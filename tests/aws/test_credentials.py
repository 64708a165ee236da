"""An error of the daemon's own credentials is never reported as an error of the call, its permission, or AWS."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from autoscaler.aws.calls import GET_QUEUE_ATTRIBUTES, Call
from autoscaler.aws.connection import Aws
from autoscaler.aws.faults import fault_of_credentials
from autoscaler.core.model import Missing
from autoscaler.ports import QueueRef, ServiceRef
from tests.aws.double import AwsDouble, AwsReply, fault, refused
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
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


def profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "config").write_text(text)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", name)


async def missed(spies: Spies) -> Missing:
    """Return the queue's reading. The service's reading is missing for the same reason."""
    async with connected(spies) as aws:
        queue, fleet = await aws.queues.backlog(ORDERS), await aws.fleets.read(SHOP)
    assert isinstance(queue, Missing)
    assert isinstance(fleet, Missing)
    assert queue.kind == fleet.kind
    assert "sqs:GetQueueAttributes was not sent" in queue.reason
    assert "ecs:DescribeServices was not sent" in fleet.reason
    for reading in (queue, fleet):
        assert "denied" not in reading.reason.lower()
        assert "grant the task role" not in reading.reason
    return queue


async def test_missing_credentials_are_reported(bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies) -> None:
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
async def test_each_source_is_named_with_its_error(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, variables: Mapping[str, str], words: tuple[str, ...]
) -> None:
    for name, value in variables.items():
        bare.setenv(name, value)
    reading = await missed(spies)
    assert reading.kind == "no_credentials"
    assert all(word in reading.reason for word in words), reading.reason
    assert double.seen == []


async def test_an_expired_sso_login_names_the_login_command(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, tmp_path: Path
) -> None:
    profiles(bare, tmp_path, SSO, "sso")
    reading = await missed(spies)
    assert reading.kind == "no_credentials"
    assert "aws sso login" in reading.reason.rpartition("; ")[2]


@pytest.mark.parametrize("command", ["/no/such/program", "false"])
async def test_a_failing_credential_process_is_named(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, tmp_path: Path, command: str
) -> None:
    profiles(bare, tmp_path, f"[profile own]\ncredential_process = {command}\n", "own")
    reading = await missed(spies)
    assert reading.kind == "no_credentials"
    assert command in reading.reason or "custom-process" in reading.reason


@pytest.mark.parametrize(("pipe", "what"), [("1", "output"), ("2", "error output")])
@pytest.mark.parametrize("writes", ["yes", "head -c 1048577 /dev/zero"], ids=["without end", "one byte more"])
async def test_a_credential_process_with_too_much_output_is_ended_and_named(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, tmp_path: Path, writes: str, pipe: str, what: str
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\nexec {writes} >&{pipe}\n")
    program.chmod(0o755)
    profiles(bare, tmp_path, f"[profile own]\ncredential_process = {program}\n", "own")
    reading = await missed(spies)
    assert reading.kind == "no_credentials"
    assert f"the program of credential_process wrote more than 1048576 bytes of {what}" in reading.reason


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refused("AccessDenied", "not authorized to perform: sts:AssumeRole"), "no_credentials"),
        (refused("RequestTimeTooSkewed"), "clock_skewed"),
    ],
)
async def test_a_profile_s_role_that_cannot_be_assumed_is_no_denial_of_the_call(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies, tmp_path: Path, answer: AwsReply, kind: str
) -> None:
    profiles(bare, tmp_path, ASSUMING, "other")
    double.on("AssumeRole", answer)
    async with connected(spies) as aws:
        reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert reading.kind == kind
    assert "AssumeRole" in reading.reason
    assert "grant the task role sqs:GetQueueAttributes" not in reading.reason
    assert double.requests("GetQueueAttributes") == []


@pytest.mark.parametrize(
    ("code", "status"), [("ServiceUnavailable", 503), ("Throttling", 400), ("InternalFailure", 500)]
)
def test_a_failing_source_is_unavailable_and_named(code: str, status: int) -> None:
    answer: Any = {"Error": {"Code": code, "Message": "later"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    call = Call(GET_QUEUE_ATTRIBUTES, "queue orders", "eu-west-1")
    error = fault_of_credentials(ClientError(answer, "AssumeRole"), call)
    assert error.kind == "unavailable"
    assert "AssumeRole" in str(error)
    assert "source of the credentials" in str(error).rpartition("; ")[2]


async def test_an_unreachable_credentials_endpoint_is_unavailable(
    bare: pytest.MonkeyPatch, double: AwsDouble, spies: Spies
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://{}:{}/keys".format(*free.getsockname()))
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
async def test_rejected_credentials_are_no_missing_permission(
    aws: Aws, double: AwsDouble, code: str, remedy: str
) -> None:
    double.on("GetQueueAttributes", fault(code, "in AWS words", status=403))
    reading = await aws.queues.backlog(ORDERS)
    assert isinstance(reading, Missing)
    assert (reading.kind, code in reading.reason) == ("denied", True)
    assert remedy in reading.reason.rpartition("; ")[2]
    assert "grant the task role" not in reading.reason
