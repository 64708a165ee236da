"""One table from the SDK's errors to ours. Every text names the thing, what happened, and the remedy.

Law: whatever AWS or the network says, no credential and no control character reaches the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from botocore import exceptions as sdk

from autoscaler.aws.apis import Call
from autoscaler.aws.redirects import Redirected
from autoscaler.core.model import Missing
from autoscaler.errors import AutoscalerError, ClockSkewed, Denied, NotFound, Refused, Throttled, Unavailable

QUOTED = 200
"""How many characters of AWS's own text are passed on."""


class Row(NamedTuple):
    """What an error becomes, and what to do about it.

    `quotable`: AWS's text may be passed on. Those about signatures repeat the request's headers, tokens included.
    """

    fault: type[AutoscalerError]
    remedy: str
    quotable: bool = True


_LATER = Row(Throttled, "nothing was done; it is tried again, later each time")
_AGAIN = Row(Unavailable, "it is tried again at the next tick")
_NOBODY = Row(Denied, "give the task a task role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
_ONCE: Mapping[Row, str] = {
    _LATER: "nothing was done; try again in a minute",
    _AGAIN: "try again",
    _NOBODY: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
}
"""The remedies where no task asks and no next tick comes: of a command that asks once."""

_ROLE = Row(Denied, "give {holder} {api} on {resource}")
_IDENTITY = Row(Denied, "check the credentials: the task role, or AWS_PROFILE and the AWS_* variables")
_SECRET = Row(Denied, "check the credentials: key and secret do not belong together", quotable=False)
_CLOCK = Row(ClockSkewed, "set this machine's clock (NTP, or the container host's time)")
_QUEUE = Row(NotFound, "check the queue in AUTOSCALER_QUEUES, its account and its Region")
_SERVICE = Row(NotFound, "check AUTOSCALER_CLUSTER, AUTOSCALER_SERVICE and the Region")
_CANNOT = Row(Refused, "check the settings of this service, or take it out of them")
_ALARMS = Row(Refused, "let the role of the service's scalable target read the alarms of its policies")
_ENDPOINT = Row(Unavailable, "check AWS_ENDPOINT_URL, the Region and the proxy: what answered is not AWS")

CODES: Mapping[str, Row] = {
    **dict.fromkeys(
        (
            "BandwidthLimitExceeded",
            "EC2ThrottledException",
            "KmsThrottled",
            "LimitExceeded",
            "LimitExceededException",
            "OverLimit",
            "PriorRequestNotComplete",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "ThrottledException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "TooManyRequestsException",
        ),
        _LATER,
    ),
    **dict.fromkeys(
        (
            "ConcurrentUpdateException",
            "InternalError",
            "InternalFailure",
            "InternalServiceError",
            "InternalServiceException",
            "InternalServiceFault",
            "RequestTimeout",
            "RequestTimeoutException",
            "ServerException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ),
        _AGAIN,
    ),
    **dict.fromkeys(("AccessDenied", "AccessDeniedException", "NotAuthorized", "UnauthorizedOperation"), _ROLE),
    **dict.fromkeys(
        (
            "AuthFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSecurity",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "OptInRequired",
            "UnrecognizedClientException",
        ),
        _IDENTITY,
    ),
    **dict.fromkeys(
        ("IncompleteSignature", "IncompleteSignatureException", "InvalidSignatureException", "SignatureDoesNotMatch"),
        _SECRET,
    ),
    **dict.fromkeys(("RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"), _CLOCK),
    **dict.fromkeys(
        (
            "AWS.SimpleQueueService.NonExistentQueue",
            "AWS.SimpleQueueService.QueueDeletedRecently",
            "InvalidAddress",
            "QueueDeletedRecently",
            "QueueDoesNotExist",
        ),
        _QUEUE,
    ),
    "FailedResourceAccessException": _ALARMS,
    **dict.fromkeys(("ClusterNotFoundException", "ServiceNotFoundException"), _SERVICE),
    **dict.fromkeys(
        (
            "ClientException",
            "InvalidParameterException",
            "InvalidParameterValue",
            "ServiceNotActiveException",
            "UnsupportedOperation",
            "ValidationError",
            "ValidationException",
        ),
        _CANNOT,
    ),
}

STATUSES: Mapping[int, Row] = {403: _ROLE, 408: _AGAIN, 429: _LATER}

LOOKED_AT = 20_000
"""Letters: some milliseconds."""

FAILURES: tuple[tuple[tuple[type[Exception], ...], Row], ...] = (
    (
        (Redirected,),
        Row(Unavailable, "set AWS_ENDPOINT_URL, the proxy or the credentials' address to one that answers itself"),
    ),
    (
        (
            sdk.NoCredentialsError,
            sdk.PartialCredentialsError,
            sdk.CredentialRetrievalError,
            sdk.MetadataRetrievalError,
            sdk.MissingDependencyException,
            sdk.NoAuthTokenError,
            sdk.TokenRetrievalError,
            sdk.UnknownCredentialError,
            sdk.RefreshWithMFAUnsupportedError,
            sdk.SSOError,
            sdk.LoginError,
        ),
        _NOBODY,
    ),
    ((sdk.NoRegionError,), Row(Refused, "set AWS_REGION, or `region` for the service")),
    (
        (sdk.ProfileNotFound, sdk.ConfigParseError, sdk.ConfigNotFound, sdk.InvalidConfigError),
        Row(Refused, "check AWS_PROFILE and the file that AWS_CONFIG_FILE names"),
    ),
    (
        (sdk.InvalidRegionError, sdk.BaseEndpointResolverError, sdk.EndpointProviderError),
        Row(Refused, "check the Region and AWS_ENDPOINT_URL"),
    ),
    ((sdk.BotoCoreError,), Row(Unavailable, "check the network, the proxy and AWS_ENDPOINT_URL")),
)
"""Errors without an answer, the first match counting."""

VERBS: Mapping[type[AutoscalerError], str] = {
    Throttled: "was throttled",
    Unavailable: "failed",
    Denied: "was denied",
    NotFound: "found nothing",
    Refused: "was refused",
    ClockSkewed: "was rejected because of this machine's clock",
}


def fault_of_answer(error: sdk.ClientError, call: Call) -> AutoscalerError:
    """What an error that AWS answered with means for us: by its code, else by its HTTP status."""
    told, metadata = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, text, status = str(told.get("Code", "")), str(told.get("Message", "")), metadata.get("HTTPStatusCode", 0)
    row = _row(code, text, status)
    return _fault(row, call, f"{code}: {text}" if row.quotable and text else code)


def fault_of_failure(error: Exception, call: Call) -> AutoscalerError:
    """What an error of the SDK, without an answer that could be read, means for us."""
    row = next((row for kinds, row in FAILURES if isinstance(error, kinds)), _ENDPOINT)
    return _fault(row, call, str(error) or type(error).__name__)


def fault_of_silence(call: Call, what: str) -> Unavailable:
    """What it means that a call did not end in time: `what` says how far it came, and within which time."""
    remedy = f"check the network, the proxy and AWS_ENDPOINT_URL; {_remedy(_AGAIN, call)}"
    return Unavailable(f"{clean(call.where)}: {call.api.name} {what}; {remedy}")


def missing(fault: AutoscalerError) -> Missing:
    """The reading that could not be had because of that error."""
    return Missing(str(fault), fault.kind)


def clean(text: str, most: int = QUOTED) -> str:
    """Somebody else's text on one printable line of at most `most` characters, without anything like a credential.

    Of a very long text only the beginning is looked at, up to a whole word: half a credential would not look like one.
    """
    if len(text) > LOOKED_AT:
        text = text[:LOOKED_AT].rpartition(" ")[0] or text[:LOOKED_AT]
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    for pattern in _SECRETS:
        line = pattern.sub("***", line)
    return line if len(line) <= most else line[: most - 1] + "…"


_SECRETS = (
    re.compile(r"(?<=//)[^/@\s]+(?=@)"),  # user:password@ of a URL
    re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b"),  # key and principal ids
    re.compile(r"(?<![A-Za-z0-9/+=])[A-Za-z0-9/+=]{40,}"),  # secret keys have 40 characters, tokens more
)
_SKEW = re.compile("signature expired|not yet current", re.IGNORECASE)


def _row(code: str, text: str, status: int) -> Row:
    known = CODES.get(code) or STATUSES.get(status)
    if known is _SECRET and _SKEW.search(text):
        return _CLOCK
    if known is not None:
        return known
    if status >= 500:
        return _AGAIN
    # Without a code the SDK puts the status in its place: an error page of a proxy or a wrong endpoint.
    return _ENDPOINT if not code or code.isdigit() else _CANNOT


def _fault(row: Row, call: Call, said: str) -> AutoscalerError:
    api = call.api
    remedy = _remedy(row, call).format(api=api.name, resource=api.resource, holder=api.holder)
    return row.fault(f"{clean(call.where)}: {api.name} {VERBS[row.fault]} ({clean(said)}); {remedy}")


def _remedy(row: Row, call: Call) -> str:
    return _ONCE.get(row, row.remedy) if call.once else row.remedy
