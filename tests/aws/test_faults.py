"""The table of errors: every row is tested through the real protocol, and no text contains a secret."""

from __future__ import annotations

import pytest
from botocore import exceptions as sdk
from hypothesis import example, given
from hypothesis import strategies as st

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.calls import DESCRIBE_SERVICES, GET_METRIC_DATA, GET_QUEUE_ATTRIBUTES, Api, Call
from autoscaler.aws.connection import Aws
from autoscaler.aws.faults import (
    CODES,
    MOST_CHECKED,
    QUOTED,
    VERBS,
    clean,
    fault_of_answer,
    fault_of_failure,
    fault_of_silence,
    fault_of_slow_credentials,
)
from autoscaler.aws.names import service_subject
from autoscaler.aws.operator.tags import READ_SERVICE
from autoscaler.core.model import Missing
from autoscaler.errors import AutoscalerError, ClockSkewed, Denied, NotFound, Refused, Throttled, Unavailable
from autoscaler.ports import QueueRef, ServiceRef
from autoscaler.telemetry.account import cause_of
from tests.aws.double import AwsDouble, AwsReply, fault
from tests.aws.spies import REGION, Spies

REF = ServiceRef("shop", "prod", "orders")
ORDERS = QueueRef("orders", url="https://sqs.eu-west-1.amazonaws.com/123456789012/orders")

GOLDEN: dict[str, type[AutoscalerError]] = {
    "ThrottlingException": Throttled,
    "Throttling": Throttled,
    "RequestThrottled": Throttled,
    "TooManyRequestsException": Throttled,
    "RequestLimitExceeded": Throttled,
    "SlowDown": Throttled,
    "InternalFailure": Unavailable,
    "ServerException": Unavailable,
    "ServiceUnavailable": Unavailable,
    "AccessDenied": Denied,
    "AccessDeniedException": Denied,
    "ExpiredToken": Denied,
    "ExpiredTokenException": Denied,
    "UnrecognizedClientException": Denied,
    "InvalidClientTokenId": Denied,
    "MissingAuthenticationToken": Denied,
    "InvalidSignatureException": Denied,
    "SignatureDoesNotMatch": Denied,
    "RequestExpired": ClockSkewed,
    "RequestTimeTooSkewed": ClockSkewed,
    "QueueDoesNotExist": NotFound,
    "AWS.SimpleQueueService.NonExistentQueue": NotFound,
    "ClusterNotFoundException": NotFound,
    "ServiceNotFoundException": NotFound,
    "ServiceNotActiveException": Refused,
    "InvalidParameterException": Refused,
    "ClientException": Refused,
}
"""The required error class of these codes, written independently of the table."""


async def missing_reading(aws: Aws, double: AwsDouble, reply: AwsReply) -> Missing:
    double.on("DescribeServices", reply)
    reading = await aws.fleets.read(REF)
    assert isinstance(reading, Missing)
    return reading


@pytest.mark.parametrize(("code", "error"), GOLDEN.items())
async def test_a_known_code_has_its_error_class(
    aws: Aws, double: AwsDouble, code: str, error: type[AutoscalerError]
) -> None:
    assert (await missing_reading(aws, double, fault(code))).kind == error.kind


async def test_every_row_names_the_subject_the_event_and_a_remedy(aws: Aws, double: AwsDouble, spies: Spies) -> None:
    for code, row in CODES.items():
        reading = await missing_reading(aws, double, fault(code, "in AWS words"))
        assert reading.kind == row.fault.kind, code
        start = f"shop (prod/orders) in {REGION}: ecs:DescribeServices {VERBS[row.fault]} ({code}"
        assert reading.reason.startswith(start)
        assert ("in AWS words" in reading.reason) is row.quotable
        assert reading.reason.partition("; ")[2]
        assert spies.calls[-1][2] == row.fault.kind
        reported = "throttled" if row.fault is Throttled else "succeeded"
        assert (spies.limiter_events[-1] == "admitted") is (row.fault is Unavailable)
        assert row.fault is Unavailable or spies.limiter_events[-1] == reported


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "InvalidSignatureException"])
@pytest.mark.parametrize(
    "text", ["Signature expired: 20270115T080000Z is now earlier than 20270115T081500Z", "Signature not yet current: x"]
)
async def test_a_signature_with_a_wrong_time_is_a_clock_error(
    aws: Aws, double: AwsDouble, code: str, text: str
) -> None:
    reading = await missing_reading(aws, double, fault(code, text, status=403))
    assert reading.kind == "clock_skewed"
    assert "clock" in reading.reason


async def test_only_a_signature_error_can_be_a_clock_error(aws: Aws, double: AwsDouble) -> None:
    assert (
        await missing_reading(aws, double, fault("InvalidParameterException", "signature expired"))
    ).kind == "refused"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "Odd", "denied"),
        (408, "Odd", "unavailable"),
        (429, "Odd", "throttled"),
        (400, "Odd", "refused"),
        (500, "Odd", "unavailable"),
        (503, "Odd", "unavailable"),
        (599, "Odd", "unavailable"),
        (503, "ThrottlingException", "throttled"),
        (500, "AccessDeniedException", "denied"),
    ],
)
async def test_an_unknown_code_is_classified_by_its_status(
    aws: Aws, double: AwsDouble, status: int, code: str, kind: str
) -> None:
    assert (await missing_reading(aws, double, fault(code, status=status))).kind == kind


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (AwsReply(b"<html><body>Bad Gateway</body></html>", 502), "unavailable"),
        (AwsReply(b"", 500), "unavailable"),
        (AwsReply(b"not found", 404), "unavailable"),
        (AwsReply(b"nope", 403), "denied"),
        (AwsReply(b"calm down", 429), "throttled"),
        (AwsReply(b"[1]", 400), "unavailable"),
        (AwsReply(b'{"__type": 5}', 400), "unavailable"),
        (AwsReply(b'{"__type": null, "message": 5}', 500), "unavailable"),
        (AwsReply(b"\xff\xfe", 400), "unavailable"),
    ],
)
async def test_an_error_outside_the_aws_protocol_is_classified(
    aws: Aws, double: AwsDouble, reply: AwsReply, kind: str
) -> None:
    assert (await missing_reading(aws, double, reply)).kind == kind


async def test_a_missing_queue_is_recognized_by_its_new_and_old_code(aws: Aws, double: AwsDouble) -> None:
    older = {"x-amzn-query-error": "AWS.SimpleQueueService.NonExistentQueue;Sender"}
    for headers in ({}, older):
        double.on("GetQueueAttributes", fault("com.amazonaws.sqs#QueueDoesNotExist", headers=headers))
        reading = await aws.queues.backlog(ORDERS)
        assert isinstance(reading, Missing)
        assert reading.kind == "not_found"
        assert "queue orders in eu-west-1" in reading.reason
        assert "AUTOSCALER_QUEUES" in reading.reason


async def test_a_denied_call_names_the_permission_and_the_resource(aws: Aws, double: AwsDouble) -> None:
    double.on("GetQueueAttributes", fault("AccessDeniedException", status=400))
    double.on("GetMetricData", fault("AccessDenied", status=403))
    queue, cpu = await aws.queues.backlog(ORDERS), await aws.meters.cpu(REF)
    assert isinstance(queue, Missing)
    assert queue.reason.endswith("grant the task role sqs:GetQueueAttributes on the queue")
    assert isinstance(cpu, Missing)
    assert cpu.reason.endswith("grant the task role cloudwatch:GetMetricData on *")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sdk.NoCredentialsError(), "no_credentials"),
        (sdk.PartialCredentialsError(provider="env", cred_var="x"), "no_credentials"),
        (sdk.CredentialRetrievalError(provider="container-role", error_msg="x"), "no_credentials"),
        (sdk.UnauthorizedSSOTokenError(), "no_credentials"),
        (sdk.TokenRetrievalError(provider="sso", error_msg="x"), "no_credentials"),
        (sdk.NoRegionError(), "refused"),
        (sdk.ProfileNotFound(profile="x"), "no_credentials"),
        (sdk.InvalidRegionError(region_name="x y"), "refused"),
        (sdk.EndpointConnectionError(endpoint_url="http://x"), "unavailable"),
        (sdk.ConnectTimeoutError(endpoint_url="http://x"), "unavailable"),
        (sdk.ReadTimeoutError(endpoint_url="http://x"), "unavailable"),
        (sdk.ConnectionClosedError(endpoint_url="http://x"), "unavailable"),
        (sdk.SSLError(endpoint_url="http://x", error=ValueError("x")), "unavailable"),
        (sdk.ProxyConnectionError(proxy_url="http://x"), "unavailable"),
        (ValueError("no JSON"), "unavailable"),
        (TypeError(), "unavailable"),
    ],
)
@pytest.mark.parametrize("api", [DESCRIBE_SERVICES, GET_QUEUE_ATTRIBUTES, GET_METRIC_DATA])
def test_an_error_without_a_response_has_its_class(error: Exception, kind: str, api: Api) -> None:
    fault = fault_of_failure(error, Call(api, "shop", REGION))
    assert fault.kind == kind
    assert str(fault).startswith(f"shop in {REGION}: {api.name} ")


SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "IQoJb3JpZ2luX2VjEXAMPLE" * 8 + "=="
KEY_ID = "ASIAIOSFODNN7EXAMPLE"
SECRETS = st.sampled_from([SECRET_KEY, TOKEN, KEY_ID])
ODD = st.sampled_from(["\n", "\r", "\x1b[31m", "\x00", "\u2028", "\u202e", "\t", " ", ": ", "'", "(", "\ud800"])


@given(st.lists(st.one_of(st.text(), ODD, SECRETS.map(lambda secret: f" {secret} "))).map("".join))
def test_a_cleaned_text_has_no_credential_and_no_control_character(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned) <= QUOTED
    assert all(letter.isprintable() for letter in cleaned)
    assert not any(secret in cleaned for secret in (SECRET_KEY, TOKEN, KEY_ID))
    assert "; " not in clean(f"{text}; {text}")


def test_a_password_in_an_address_is_not_shown() -> None:
    fault = fault_of_failure(
        sdk.EndpointConnectionError(endpoint_url="http://me:hunter2@proxy:3128/"),
        Call(DESCRIBE_SERVICES, "shop", REGION),
    )
    assert "hunter2" not in str(fault)
    assert "proxy:3128" in str(fault)


@pytest.mark.parametrize(
    "text",
    [
        "connecting to http://user:hid@den@proxy:3128 failed",
        "GET /?X-Amz-Security-Token=hid%2F" + "aB3%2F" * 12 + "den",
        "key wJalrXUtnFEMI%2FK7MDENG%2FbPxRfiCYEXhidden is wrong",
    ],
)
def test_a_password_or_a_key_as_written_in_a_url_is_not_shown(text: str) -> None:
    assert "hid" not in clean(text)
    assert "den" not in clean(text)


def test_no_part_of_a_truncated_secret_is_shown() -> None:
    assert SECRET_KEY[:10] not in clean("x" * 10 + " " + "y " * 90 + SECRET_KEY)


async def test_a_signature_error_does_not_repeat_the_request(aws: Aws, double: AwsDouble) -> None:
    text = f"The canonical string should have been 'POST x-amz-security-token:{TOKEN}'"
    reading = await missing_reading(aws, double, fault("InvalidSignatureException", text, status=403))
    assert "canonical" not in reading.reason


async def test_a_long_text_with_control_characters_becomes_one_short_line(aws: Aws, double: AwsDouble) -> None:
    reading = await missing_reading(
        aws, double, fault("ClientException", "line\nbreak \x1b[31m " + "and so on " * 1000)
    )
    assert "line break" in reading.reason
    assert reading.reason.isprintable()
    assert len(reading.reason) < QUOTED + 200


def test_a_text_of_any_length_is_truncated_quickly_without_a_part_of_a_credential() -> None:
    secret = "AKIA" + "A" * 16
    assert clean("x y " * 3_000_000, 9) == "x y x y …"
    assert clean("x" * 10_000_000) == "***"
    line = clean(" " * (MOST_CHECKED - 10) + secret + " " + "y" * 10_000_000)
    assert "AKIA" not in line


@pytest.mark.parametrize(("code", "remedy"), [("InternalFailure", "; try again"), ("Throttling", "in a minute")])
def test_the_error_of_a_command_does_not_refer_to_a_next_poll(code: str, remedy: str) -> None:
    error = sdk.ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeServices")
    calls = (Call(DESCRIBE_SERVICES, "orders", "eu-west-1", once=once) for once in (True, False))
    once, daemon = (fault_of_answer(error, call) for call in calls)
    assert str(once).endswith(remedy)
    assert "it is tried again" in str(daemon)


def test_the_error_of_a_command_without_credentials_names_no_task_role() -> None:
    calls = (Call(DESCRIBE_SERVICES, "orders", "eu-west-1", once=once) for once in (True, False))
    once, daemon = (str(fault_of_failure(sdk.NoCredentialsError(), call)) for call in calls)
    assert once.endswith("; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
    assert "; configure a task role, or set" in daemon


def test_the_error_of_a_denied_command_names_its_user_and_not_the_task_role() -> None:
    error = sdk.ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeServices")
    text = str(fault_of_answer(error, Call(READ_SERVICE, "orders", "eu-west-1")))
    assert text.endswith("grant the user or role that runs this command ecs:DescribeServices on the service")


NAME = st.text(st.sampled_from("aB3-_"), min_size=1, max_size=255)


@given(ref=st.builds(ServiceRef, NAME, NAME, NAME))
@example(ref=ServiceRef("the-orders-" * 20, "prod-" * 20, "orders-" * 20))
def test_services_with_names_of_any_length_have_the_same_cause_in_one_outage(ref: ServiceRef) -> None:
    """The page groups services by the cause: a name that is shortened must not hide where the cause begins."""

    def causes(subject: str) -> list[str]:
        call = Call(DESCRIBE_SERVICES, subject, REGION)
        error = sdk.ClientError({"Error": {"Code": "Throttling", "Message": "no"}}, "DescribeServices")
        unread = ResponsePart(call, {}).unreadable("desiredCount", "a count", None)
        faults = (
            fault_of_answer(error, call),
            fault_of_silence(call, "did not answer"),
            fault_of_slow_credentials(call, 3),
        )
        return [cause_of(str(each)) for each in (*faults, unread)]

    found = causes(service_subject(ref))
    assert found == causes("orders")
    assert all(cause.startswith("ecs:DescribeServices ") for cause in found)
