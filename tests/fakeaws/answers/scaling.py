"""Application Auto Scaling: targets, policies and scheduled actions, in pages."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.fakeaws.asks import Ask, Operation, short
from tests.fakeaws.replies import Refusal

KINDS = {"ScalableTargets": "targets", "ScalingPolicies": "policies", "ScheduledActions": "actions"}


def listed(kind: str, ask: Ask) -> dict[str, Any]:
    """A page of what is asked for: of one resource, of some, or of all."""
    scaling, wanted = ask.world.scaling, _wanted(ask)
    found = [one for one in getattr(scaling, KINDS[kind]) if not wanted or one["ResourceId"] in wanted]
    try:
        start = int(ask.body.get("NextToken") or 0)
    except ValueError:
        raise Refusal("InvalidNextTokenException", "The next token is invalid.") from None
    end = start + min(scaling.page, int(ask.body.get("MaxResults") or scaling.page))
    more = {"NextToken": str(end)} if end < len(found) else {}
    return {kind: found[start:end]} | more


def _wanted(ask: Ask) -> list[str]:
    one = ask.body.get("ResourceId")
    return [one] if one else ask.body.get("ResourceIds") or []


OPERATIONS = [
    Operation(
        "application-autoscaling",
        f"Describe{kind}",
        "scaling_read",
        "ThrottlingException",
        partial(listed, kind),
        lambda ask: [short(name) for name in _wanted(ask)],
    )
    for kind in KINDS
]
