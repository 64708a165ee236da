"""The exceptions of the autoscaler.

Errors of AWS and the network are `AutoscalerError`: expected, caught by name in a poll, and retried. Wrong settings
raise a `ConfigError` with all problems. Any other exception is a bug and ends the process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class AutoscalerError(Exception):
    """A call to AWS or the network failed. The text names the resource and the remedy.

    `kind` is one of a closed set of words: a metric label and a log field. `permanent`: AWS will reject the same call
    again until something is changed.
    """

    kind: ClassVar[str] = "failed"
    permanent: ClassVar[bool] = False


class Throttled(AutoscalerError):
    """AWS or the client-side rate limiter rejected the call. Nothing was done; the same call may succeed later."""

    kind = "throttled"


class Unavailable(AutoscalerError):
    """No response, a timeout, or a 5xx: it is not known whether the call took effect."""

    kind = "unavailable"


class Garbled(Unavailable):
    """The response cannot be parsed. In a batch, a single member may be the cause."""


class Unreadable(AutoscalerError):
    """The response differs from AWS's documentation. Missing data (`no_data`) is a different case."""

    kind = "unreadable"


class Denied(AutoscalerError):
    """AWS rejected the credentials (expired, unknown, wrong signature), or they have no permission for the call."""

    kind = "denied"
    permanent = True


class CredentialsRejected(Denied):
    """AWS does not accept the credentials: they have expired, are unknown, or do not match. Others may be accepted.

    `generation`: which credentials of the source signed the call.
    """

    generation = 0


class NoCredentials(AutoscalerError):
    """No valid credentials to sign a request: not found, incomplete, an expired login, a wrong profile.

    Nothing was sent. A credential source that does not answer is `Unavailable`.
    """

    kind = "no_credentials"


class NotFound(AutoscalerError):
    """The queue, cluster or service does not exist in this account and Region."""

    kind = "not_found"
    permanent = True


class Refused(AutoscalerError):
    """AWS rejected the call permanently: a DAEMON or draining service, an invalid parameter."""

    kind = "refused"
    permanent = True


class ClockSkewed(AutoscalerError):
    """The difference between this machine's clock and AWS's is too large: AWS rejects the signature."""

    kind = "clock_skewed"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the settings: where it is, as the operator wrote it, and what is wrong."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ConfigError(Exception):
    """All problems of the settings."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[object, ...]]:
        """Pickle the problems, not the text: the error may be raised in another process."""
        return type(self), (self.problems,)
