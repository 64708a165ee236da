"""The newest deployments of a service's history: life-cycle stage, hooks, circuit breaker, rollback.

The fields are those of the SDK's service model. How ECS fills them was not tried.
"""

from __future__ import annotations

from autoscaler.aws.answers import ResponsePart
from autoscaler.aws.faults import clean
from autoscaler.aws.names import short_name
from autoscaler.diagnosis.evidence import Hook, ServiceDeployment

MOST_DETAILS = 2
"""Deployments that are read in detail: the present one, and the one before."""

MOST_REASON = 1_024


def newest_in(listed: ResponsePart) -> list[str]:
    """Return the ARNs of the newest deployments, newest first."""
    briefs = listed.parts_if_any("serviceDeployments")
    newest = sorted(briefs, key=lambda one: -(_moment(one, "createdAt") or 0.0))
    return [one.word("serviceDeploymentArn") for one in newest[:MOST_DETAILS]]


def deployment_in(found: ResponsePart) -> ServiceDeployment:
    """Return a deployment. Raises `Unreadable`."""
    breaker = _part(found, "deploymentCircuitBreaker")
    rollback = _part(found, "rollback")
    alarms = _part(found, "alarms")
    status = clean(found.word_or("status", ""))
    return ServiceDeployment(
        clean(short_name(found.word("serviceDeploymentArn")), 255),
        status,
        _text(found, "statusReason"),
        clean(found.word_or("lifecycleStage", "")),
        _moment(found, "startedAt", "createdAt"),
        _moment(found, "finishedAt", "stoppedAt"),
        clean(breaker.word_or("status", "")),
        breaker.count("failureCount") if breaker.has("failureCount") else 0,
        breaker.count("threshold") if breaker.has("threshold") else 0,
        _text(rollback, "reason"),
        _moment(rollback, "startedAt"),
        tuple(clean(one) for one in alarms.words("triggeredAlarmNames")) if alarms.has("triggeredAlarmNames") else (),
        tuple(_hook(one, found) for one in found.parts_if_any("lifecycleHookDetails")),
    )


def _hook(hook: ResponsePart, deployment: ResponsePart) -> Hook:
    """Return a hook. ECS gives no time at which it began to wait: it is the end minus the time limit of its settings,
    else the last change of the deployment.
    """
    kind = clean(hook.word_or("targetType", ""))
    expires = _moment(hook, "expiresAt")
    limit_s = _limit_s(hook, deployment)
    since = _moment(deployment, "updatedAt") if expires is None or limit_s is None else expires - limit_s
    status, action = clean(hook.word_or("status", "")), clean(hook.word_or("timeoutAction", ""))
    return Hook(kind, status, since, expires, action)


def _limit_s(hook: ResponsePart, deployment: ResponsePart) -> float | None:
    """Return the time limit of the hook, in seconds (None: not clear which hook of the settings it is)."""
    stage = deployment.word_or("lifecycleStage", "")
    limits = set[float]()
    for one in _part(deployment, "deploymentConfiguration").parts_if_any("lifecycleHooks"):
        same_kind = one.word_or("targetType", "AWS_LAMBDA") == hook.word_or("targetType", "AWS_LAMBDA")
        same_target = one.word_or("hookTargetArn", "") == hook.word_or("targetArn", "")
        limit = _part(one, "timeoutConfiguration")
        stages = one.words("lifecycleStages") if one.has("lifecycleStages") else ()
        if same_kind and same_target and (not stages or stage in stages) and limit.has("timeoutInMinutes"):
            limits.add(60.0 * limit.count("timeoutInMinutes"))
    return limits.pop() if len(limits) == 1 else None


def _part(found: ResponsePart, name: str) -> ResponsePart:
    return found.part(name) if found.has(name) else ResponsePart(found.call, {})


def _text(found: ResponsePart, name: str) -> str:
    return clean(found.word(name), MOST_REASON) if found.body.get(name) else ""


def _moment(found: ResponsePart, *names: str) -> float | None:
    return next((found.moment(name) for name in names if found.has(name)), None)
