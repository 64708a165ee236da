"""STS: AssumeRole. The returned key contains the role's account."""

from __future__ import annotations

from typing import Any

from tests.fakeaws.asks import Ask, Operation
from tests.fakeaws.cbor import Stamp
from tests.fakeaws.replies import FakeRefusal
from tests.fakeaws.roles import FakeRoles


def operations(roles: FakeRoles) -> list[Operation]:
    """Return the operation AssumeRole for these roles."""

    def assume(ask: Ask) -> dict[str, Any]:
        arn, name = ask.body["RoleArn"], ask.body["RoleSessionName"]
        lasts_s = int(ask.body.get("DurationSeconds") or 3600)
        try:
            key = roles.assume(arn, ask.body.get("ExternalId"), ask.now + lasts_s)
        except PermissionError as error:
            raise FakeRefusal("AccessDenied", str(error), 403) from None
        credentials = {
            "AccessKeyId": key,
            "SecretAccessKey": "double",
            "SessionToken": f"double-of-{key}",
            "Expiration": Stamp(ask.now + lasts_s),
        }
        user = {"AssumedRoleId": f"AROADOUBLE:{name}", "Arn": f"{arn}/{name}"}
        return {"Credentials": credentials, "AssumedRoleUser": user}

    return [Operation("sts", "AssumeRole", "roles", "Throttling", assume, lambda ask: [ask.body["RoleArn"]])]
