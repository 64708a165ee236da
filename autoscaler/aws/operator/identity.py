"""Who we are to AWS, and what IAM says that we may do, without doing it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from autoscaler.aws.apis import Api
from autoscaler.aws.caller import Caller
from autoscaler.aws.operator.apis import GET_CALLER_IDENTITY, SIMULATE_PRINCIPAL_POLICY
from autoscaler.ports import Place

_SESSION = re.compile(r"arn:(?P<partition>[a-z-]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.+")
_PRINCIPAL = re.compile(r"arn:[a-z-]+:iam::\d{12}:(?:user|role)/.+")


class Identity(NamedTuple):
    """Whose credentials these are: an account, and the ARN of a user or of a role's session."""

    account: str
    arn: str

    @property
    def principal(self) -> str | None:
        """The user or role whose policies count (None: IAM can simulate none, as for the account's root).

        A session names its role without the role's path, so a role below a path is not found by this.
        """
        session = _SESSION.fullmatch(self.arn)
        if session:
            return f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}"
        return self.arn if _PRINCIPAL.fullmatch(self.arn) else None


class Identities:
    """Asks STS and IAM. Neither call changes anything."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def who(self, place: Place) -> Identity:
        """Whose the credentials are. Raises `AutoscalerError`; no right is needed for it."""
        answer = await self._caller.ask(GET_CALLER_IDENTITY, "credentials", place)
        return Identity(answer.word("Account"), answer.word("Arn"))

    async def may(self, principal: str, api: Api, resource: str, context: Mapping[str, str], place: Place) -> bool:
        """Whether the principal's policies allow that call on that resource.

        Permission boundaries count, too, and policies of the organization as far as IAM simulates them; a policy of
        the resource itself does not. Raises `AutoscalerError`: `Denied` where the simulation itself is not allowed.
        """
        answer = await self._caller.ask(
            SIMULATE_PRINCIPAL_POLICY,
            f"right {api.name}",
            place,
            PolicySourceArn=principal,
            ActionNames=[api.name],
            ResourceArns=[resource],
            ContextEntries=[
                {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
                for key, value in context.items()
            ],
        )
        decisions = {part.word("EvalDecision") for part in answer.parts("EvaluationResults")}
        return decisions == {"allowed"}
