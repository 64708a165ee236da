"""What may go wrong, by whose hand.

The world's failures are `AutoscalerError`: expected, caught by name where a tick meets them, and tried again.
The operator's are a `ConfigError` with the whole list. Anything else is our bug and ends the process.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class AutoscalerError(Exception):
    """AWS or the network did not do what was asked. The text names the thing and the remedy.

    `kind` is one of a closed set of words: the label of metrics, the key of logs.
    """

    kind: ClassVar[str] = "failed"


class Throttled(AutoscalerError):
    """AWS asked for fewer calls. Nothing was done; the same call may succeed later."""

    kind = "throttled"


class Unavailable(AutoscalerError):
    """No answer, a late one, or a 5xx: it is not known whether the call took effect."""

    kind = "unavailable"


class Garbled(Unavailable):
    """An answer came that cannot be read. What was asked about together may have one member to blame for it."""


class Unreadable(AutoscalerError):
    """AWS answered, but not with what it documents. That is not the same as having no data yet."""

    kind = "unreadable"


class Denied(AutoscalerError):
    """AWS rejected the credentials (expired, unknown, wrong signature), or does not allow them to do this."""

    kind = "denied"


class NoCredentials(AutoscalerError):
    """There are no valid credentials to sign a request with: none found, incomplete, an expired login, a bad profile.

    Nothing was sent, so AWS refused nothing. A source of credentials that does not answer is `Unavailable`.
    """

    kind = "no_credentials"


class NotFound(AutoscalerError):
    """The queue, cluster or service does not exist (in this account and Region)."""

    kind = "not_found"


class Refused(AutoscalerError):
    """AWS understood and will never do it: a DAEMON or draining service, a bad parameter."""

    kind = "refused"


class ClockSkewed(AutoscalerError):
    """This machine's clock is too far from AWS's for a signature to be accepted."""

    kind = "clock_skewed"


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the settings: where it stands, in the operator's own words for it, and what is wrong."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class ConfigError(Exception):
    """Everything that is wrong with the settings, at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[object, ...]]:
        """It may be raised in another process than the one that tells it: made again of its problems, not its text."""
        return type(self), (self.problems,)
