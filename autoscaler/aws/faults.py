"""Translate the SDK's errors in one table. Every text names the subject, what happened, and the remedy.

Invariant: the text never contains a credential or a control character, for any response of AWS or the network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from botocore import exceptions as sdk

from autoscaler.aws.calls import Call
from autoscaler.aws.sdk_http import Redirected, TooLarge
from autoscaler.config.addresses import unknown_region
from autoscaler.core.advice import SEPARATOR
from autoscaler.core.figures import sentence, shortened
from autoscaler.core.model import Missing
from autoscaler.diagnosis.masking import masked
from autoscaler.errors import (
    AutoscalerError,
    ClockSkewed,
    CredentialsRejected,
    Denied,
    Garbled,
    NoCredentials,
    NotFound,
    Refused,
    Throttled,
    Unavailable,
)

QUOTED = 200
"""Maximum number of characters of AWS's own text that are included."""


class FaultRow(NamedTuple):
    """The error type and the remedy.

    `quotable`: AWS's text may be included. Texts about signatures repeat the request's headers, tokens included.
    `verb`: what happened to the call, if the error type's verb (`VERBS`) would be wrong.
    """

    fault: type[AutoscalerError]
    remedy: str
    quotable: bool = True
    verb: str = ""


_LATER = FaultRow(Throttled, "nothing was changed; it is tried again with backoff")
_AGAIN = FaultRow(Unavailable, "it is tried again at the next poll")
_NOT_FOUND = FaultRow(
    NoCredentials, "configure a task role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or set AWS_PROFILE"
)
_ONCE: Mapping[FaultRow, str] = {
    _LATER: "nothing was changed; try again in a minute",
    _AGAIN: "try again",
    _NOT_FOUND: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE",
}
"""The remedies for a command that makes a call once: there is no task and no next poll."""

_ROLE = FaultRow(Denied, "{grant}")
_EXPIRED = FaultRow(
    CredentialsRejected,
    "check the credentials: they have expired. Renew them (`aws sso login`, a new AWS_SESSION_TOKEN, or the task role)",
)
_IDENTITY = FaultRow(
    CredentialsRejected,
    "check the credentials: AWS does not know this access key or session token. Check the task role, AWS_PROFILE, "
    "the AWS_* variables, and whether the Region is enabled for the account",
)
_UNSIGNED = FaultRow(Denied, "check the credentials, and whether a proxy removes the Authorization header of requests")
_SECRET = FaultRow(
    CredentialsRejected,
    "check the credentials: AWS_SECRET_ACCESS_KEY does not belong to the access key, or a proxy changes requests",
    quotable=False,
)
_NOT_OPTED_IN = FaultRow(Denied, "enable the service and the Region for this account")
_CLOCK = FaultRow(ClockSkewed, "correct the clock of this machine or container host (NTP)")
_QUEUE = FaultRow(NotFound, "check the queue in AUTOSCALER_QUEUES, its account and its Region")
_SERVICE = FaultRow(NotFound, "check AUTOSCALER_CLUSTER, AUTOSCALER_SERVICE and the Region")
_NOTHING = FaultRow(NotFound, "check its name and its Region")
_CANNOT = FaultRow(Refused, "check the settings of this service, or remove it from them")
_ALARMS = FaultRow(Refused, "allow the role of the service's scalable target to read the alarms of its policies")
_ENDPOINT = FaultRow(Unavailable, "the response is not from AWS. Check AWS_ENDPOINT_URL, the Region and the proxy")

CODES: Mapping[str, FaultRow] = {
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
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSecurity",
            "UnrecognizedClientException",
        ),
        _IDENTITY,
    ),
    **dict.fromkeys(("ExpiredToken", "ExpiredTokenException"), _EXPIRED),
    **dict.fromkeys(("MissingAuthenticationToken", "MissingAuthenticationTokenException"), _UNSIGNED),
    "OptInRequired": _NOT_OPTED_IN,
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
    **dict.fromkeys(("NoSuchResourceException", "ResourceNotFoundException"), _NOTHING),
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

STATUSES: Mapping[int, FaultRow] = {403: _ROLE, 408: _AGAIN, 429: _LATER}

MOST_CHECKED = 20_000
"""Maximum number of characters that are checked. Masking takes 0.03 ms for a short text, and for the worst one of this
length 0.6 s.
"""

MOST_STORED = 1_024
"""Texts up to this length are cleaned once: ECS's longest reason. The cache takes at most 8 MB."""

_NOT_SENT = "was not sent"
_SOURCE = FaultRow(
    NoCredentials,
    "check the source of the credentials: the task role, the files that AWS_CONFIG_FILE and "
    "AWS_SHARED_CREDENTIALS_FILE name, and the AWS_* variables",
)
_SOURCE_SILENT = FaultRow(
    Unavailable,
    "check network access to the source of the credentials: the credentials endpoint of ECS "
    "(AWS_CONTAINER_CREDENTIALS_*), the instance metadata of EC2, STS, or the SSO portal",
    verb=_NOT_SENT,
)

FAILURES: tuple[tuple[tuple[type[Exception], ...], FaultRow], ...] = (
    (
        (Redirected,),
        FaultRow(
            Unavailable, "set AWS_ENDPOINT_URL, the proxy or the credentials' address to one that does not redirect"
        ),
    ),
    ((TooLarge,), FaultRow(Garbled, "check AWS_ENDPOINT_URL, the proxy and the address of the credentials")),
    ((sdk.NoCredentialsError,), _NOT_FOUND),
    (
        (sdk.PartialCredentialsError,),
        FaultRow(NoCredentials, "set the missing value, or remove the others so that the next source is used"),
    ),
    (
        (sdk.SSOError, sdk.TokenRetrievalError, sdk.NoAuthTokenError),
        FaultRow(NoCredentials, "run `aws sso login`, with --profile where AWS_PROFILE is set"),
    ),
    ((sdk.LoginError,), FaultRow(NoCredentials, "run `aws login`, with --profile where AWS_PROFILE is set")),
    (
        (sdk.RefreshWithMFAUnsupportedError,),
        FaultRow(NoCredentials, "use credentials that need no MFA code, such as a task role"),
    ),
    (
        (sdk.ProfileNotFound,),
        FaultRow(
            NoCredentials,
            "correct AWS_PROFILE, or add the profile to the file that AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE "
            "names",
        ),
    ),
    (
        (sdk.ConfigParseError, sdk.ConfigNotFound, sdk.InvalidConfigError),
        FaultRow(NoCredentials, "check AWS_PROFILE and the file that AWS_CONFIG_FILE names"),
    ),
    (
        (
            sdk.CredentialRetrievalError,
            sdk.MetadataRetrievalError,
            sdk.MissingDependencyException,
            sdk.UnknownCredentialError,
        ),
        _SOURCE,
    ),
    ((sdk.NoRegionError,), FaultRow(Refused, "set AWS_REGION, or `region` for the service", verb=_NOT_SENT)),
    (
        (sdk.InvalidRegionError, sdk.BaseEndpointResolverError, sdk.EndpointProviderError),
        FaultRow(Refused, "check the Region and AWS_ENDPOINT_URL", verb=_NOT_SENT),
    ),
    ((sdk.BotoCoreError,), FaultRow(Unavailable, "check the network, the proxy and AWS_ENDPOINT_URL")),
)
"""Errors without a response; the first match applies."""

NO_ANSWER = (sdk.HTTPClientError, sdk.ConnectionError, OSError)
"""The connection errors of the SDK and of Python. OSError also includes file errors."""

VERBS: Mapping[type[AutoscalerError], str] = {
    Throttled: "was throttled",
    Unavailable: "failed",
    Garbled: "failed",
    Denied: "was denied",
    CredentialsRejected: "was denied",
    NoCredentials: _NOT_SENT,
    NotFound: "found nothing",
    Refused: "was refused",
    ClockSkewed: "was rejected because of this machine's clock",
}


def fault_of_answer(error: sdk.ClientError, call: Call) -> AutoscalerError:
    """Translate an error response of AWS, by its code, otherwise by its HTTP status."""
    details, metadata = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, text, status = (
        str(details.get("Code", "")),
        str(details.get("Message", "")),
        metadata.get("HTTPStatusCode", 0),
    )
    row = _row(code, text, status)
    return _fault(row, call, f"{code}: {text}" if row.quotable and text else code)


def fault_of_failure(error: Exception, call: Call) -> AutoscalerError:
    """Translate an SDK error without a readable response."""
    row = next((row for kinds, row in FAILURES if isinstance(error, kinds)), _ENDPOINT)
    return _fault(row, call, str(error) or type(error).__name__, answered=False)


def _suspecting(call: Call, remedy: str) -> str:
    """Return the remedy for a call without an answer. A Region that the SDK does not know is the first suspect."""
    unknown = unknown_region(call.region)
    return remedy if unknown is None else f"{unknown} Otherwise {remedy}"


def fault_of_credentials(error: Exception, call: Call) -> AutoscalerError:
    """Translate an error that occurred while the daemon's own credentials were loaded: the call was not sent.

    The cause is the source of the credentials, not the call or its permission. `Unavailable` if the source did not
    respond or failed, otherwise `NoCredentials`.
    """
    if isinstance(error, sdk.ClientError):
        return _fault(_row_of_source(error), call, f"no credentials: {error}")
    row = next((row for kinds, row in FAILURES if isinstance(error, kinds)), _SOURCE)
    if isinstance(error, Redirected | TooLarge):
        return _fault(row, call, str(error))
    if row is _SOURCE and isinstance(error, OSError) and error.filename is not None:
        return _fault(_SOURCE, call, f"no credentials: {error.strerror}: {error.filename}")
    if _is_unanswered(error):
        row = _SOURCE_SILENT
    return _fault(row, call, str(error) or type(error).__name__)


def _row_of_source(error: sdk.ClientError) -> FaultRow:
    """Return the row for an error response of STS or the SSO portal, as for a profile whose role may not be assumed."""
    details, metadata = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    row = _row(str(details.get("Code", "")), str(details.get("Message", "")), metadata.get("HTTPStatusCode", 0))
    if row.fault in (Throttled, Unavailable):
        return _SOURCE_SILENT
    return row if row.fault is ClockSkewed else _SOURCE


def _is_unanswered(error: BaseException | None) -> bool:
    """Whether a connection failed. The SDK reports that only in the text of another error; the original one is its
    context.
    """
    while error is not None:
        if isinstance(error, NO_ANSWER):
            return True
        error = error.__cause__ or error.__context__
    return False


def fault_of_reread(fault: CredentialsRejected, error: Exception) -> CredentialsRejected:
    """Add to a rejection that the source of the credentials could not be read again."""
    row = _SOURCE_SILENT if _is_unanswered(error) else _SOURCE
    cause = clean(str(error) or type(error).__name__)
    return type(fault)(
        f"{sentence(str(fault))} The source of the credentials could not be read again ({cause}); {row.remedy}"
    )


def fault_of_slow_credentials(call: Call, limit_s: float) -> Unavailable:
    """Return the error for credentials that were not available in time."""
    remedy = _remedy(_SOURCE_SILENT, call)
    what = f"the source of the credentials did not answer within {limit_s:g} s"
    return Unavailable(f"{where_of(call)}: {call.api.name} {_NOT_SENT} ({what}){SEPARATOR}{remedy}")


def fault_of_silence(call: Call, what: str) -> Unavailable:
    """Return the error for a call that timed out. `what`: how far it got, and the time limit."""
    remedy = _suspecting(call, f"check the network, the proxy and AWS_ENDPOINT_URL; {_remedy(_AGAIN, call)}")
    return Unavailable(f"{where_of(call)}: {call.api.name} {what}{SEPARATOR}{remedy}")


def missing(fault: AutoscalerError) -> Missing:
    """The missing reading for that error."""
    return Missing(str(fault), fault.kind)


def where_of(call: Call) -> str:
    """Return `call.where` as clean text. Only the subject is shortened: the Region ends the place of an error."""
    return f"{clean(call.subject)} in {clean(call.region)}"


def clean(text: str, most: int = QUOTED) -> str:
    """Return foreign text as one printable line of at most `most` characters, without anything that resembles a
    credential or the separator between the cause and the remedy of an error.

    Only the beginning of a very long text is used, up to a whole word: half a credential would not be recognized.
    """
    if len(text) > MOST_CHECKED:
        text = text[:MOST_CHECKED].rpartition(" ")[0] or text[:MOST_CHECKED]
    return _cleaned(text, most) if len(text) <= MOST_STORED else _cleaned.__wrapped__(text, most)


@lru_cache(maxsize=4_000)  # each answer of ECS repeats the names and reasons of the one before it
def _cleaned(text: str, most: int) -> str:
    if "\n" in text:
        text = masked(text)  # a secret over several lines is not recognized in one line
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    line = masked(line).replace(SEPARATOR, ", ")
    return shortened(line, most)


_SKEW = re.compile("signature expired|not yet current", re.IGNORECASE)


def _row(code: str, text: str, status: int) -> FaultRow:
    known = CODES.get(code) or STATUSES.get(status)
    if known is _SECRET and _SKEW.search(text):
        return _CLOCK
    if known is not None:
        return known
    if status >= 500:
        return _AGAIN
    # Without a code the SDK uses the status instead: an error page of a proxy or a wrong endpoint.
    return _ENDPOINT if not code or code.isdigit() else _CANNOT


def _fault(row: FaultRow, call: Call, cause: str, *, answered: bool = True) -> AutoscalerError:
    api = call.api
    remedy = _remedy(row, call).format(grant=api.grant)
    if not answered:
        remedy = _suspecting(call, remedy)
    return row.fault(f"{where_of(call)}: {api.name} {row.verb or VERBS[row.fault]} ({clean(cause)}){SEPARATOR}{remedy}")


def _remedy(row: FaultRow, call: Call) -> str:
    return _ONCE.get(row, row.remedy) if call.once else row.remedy
