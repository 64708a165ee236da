"""Application Auto Scaling: targets, policies and scheduled actions, in pages."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.fakeaws.asks import Ask, Operation, short
from tests.fakeaws.replies import FakeRefusal

KINDS = {"ScalableTargets": "targets", "ScalingPolicies": "policies", "ScheduledActions": "actions"}


def listed(kind: str, ask: Ask) -> dict[str, Any]:
    """Return a page of that kind: of one resource, of several, or of all."""
    scaling, resources = ask.world.scaling, _resources(ask)
    found = [one for one in getattr(scaling, KINDS[kind]) if not resources or one["ResourceId"] in resources]
    try:
        start = int(ask.body.get("NextToken") or 0)
    except ValueError:
        raise FakeRefusal("InvalidNextTokenException", "The next token is invalid.") from None
    end = start + min(scaling.page, int(ask.body.get("MaxResults") or scaling.page))
    more = {"NextToken": str(end)} if end < len(found) else {}
    return {kind: found[start:end]} | more


def _resources(ask: Ask) -> list[str]:
    one = ask.body.get("ResourceId")
    return [one] if one else ask.body.get("ResourceIds") or []


OPERATIONS = [
    Operation(
        "application-autoscaling",
        f"Describe{kind}",
        "scaling_read",
        "ThrottlingException",
        partial(listed, kind),
        lambda ask: [short(name) for name in _resources(ask)],
    )
    for kind in KINDS
]
