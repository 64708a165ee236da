"""The caller's identity, and the permissions that IAM simulates for it, without making the calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from autoscaler.aws.caller import Caller
from autoscaler.aws.calls import Api, Holder, ResourceForm
from autoscaler.ports import Category, Place

GET_CALLER_IDENTITY = Api("sts:GetCallerIdentity", Category.IDENTITY, ResourceForm.ANY, holder=Holder.COMMAND)
SIMULATE_PRINCIPAL_POLICY = Api(
    "iam:SimulatePrincipalPolicy", Category.SIMULATION, ResourceForm.SIMULATED_ROLE, holder=Holder.COMMAND
)

_SESSION = re.compile(r"arn:(?P<partition>[a-z-]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.+")
_PRINCIPAL = re.compile(r"arn:[a-z-]+:iam::\d{12}:(?:user|role)/.+")


class Identity(NamedTuple):
    """The owner of the credentials: an account, and the ARN of a user or of a role session."""

    account: str
    arn: str

    @property
    def principal(self) -> str | None:
        """The user or role whose policies apply (None: IAM cannot simulate it, as for the account's root user).

        A session ARN does not contain the role's path, so a role with a path is not found.
        """
        session = _SESSION.fullmatch(self.arn)
        if session:
            return f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}"
        return self.arn if _PRINCIPAL.fullmatch(self.arn) else None


class Identities:
    """Reads STS and IAM. Neither call changes anything."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def who(self, place: Place) -> Identity:
        """Return the owner of the credentials. Raises `AutoscalerError`; the call needs no permission."""
        answer = await self._caller.ask(GET_CALLER_IDENTITY, "credentials", place)
        return Identity(answer.word("Account"), answer.word("Arn"))

    async def may(self, principal: str, api: Api, resource: str, context: Mapping[str, str], place: Place) -> bool:
        """Whether the principal's policies allow the call on the resource.

        Includes permission boundaries, and organization policies as far as IAM simulates them; not the policies of the
        resource. Raises `AutoscalerError`: `Denied` if the simulation itself is not allowed.
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
