"""Detect a deployment in progress and the time of its start, for every deployment controller.

A change of the desired count starts no deployment. A failed rollout is over: it starts no more tasks.
"""

from __future__ import annotations

from autoscaler.aws.answers import ResponsePart


def deployment_since(service: ResponsePart) -> float | None:
    """The creation time of the deployment in progress, in wall-clock seconds; None if there is none.

    It is the time of the newest part of the rollout: the rule `deployment` is limited in time, and the replaced part
    may be months old.
    """
    in_progress = _rollouts(service) if _controller(service) == "ECS" else _task_sets(service)
    return max((one.moment("createdAt") for one in in_progress), default=None)


def _controller(service: ResponsePart) -> str:
    if not service.has("deploymentController"):
        return "ECS"
    return service.part("deploymentController").word_or("type", "ECS")


def _rollouts(service: ResponsePart) -> list[ResponsePart]:
    """The ECS controller's deployments, if one is in progress.

    It may be rolling, blue/green, linear or canary; the last three list both revisions until the old one is gone. A
    missing rolloutState is normal: services behind a Classic Load Balancer have none.
    """
    alive = [one for one in service.parts("deployments") if _is_alive(one)]
    rolling = any(one.word("status") == "PRIMARY" and _rollout_state(one) == "IN_PROGRESS" for one in alive)
    return alive if rolling or len(alive) > 1 else []


def _is_alive(deployment: ResponsePart) -> bool:
    return deployment.word("status") != "INACTIVE" and _rollout_state(deployment) != "FAILED"


def _rollout_state(deployment: ResponsePart) -> str:
    return deployment.word_or("rolloutState", "COMPLETED")


def _task_sets(service: ResponsePart) -> list[ResponsePart]:
    """The task sets of CodeDeploy or an external controller, if a deployment is in progress.

    Until the traffic has moved, the new set is ACTIVE and the old one PRIMARY. A single task set also stabilizes after
    each change of the count; its creation time is old then, so it counts as an old deployment.
    """
    sets = list(service.parts_if_any("taskSets"))
    return sets if len(sets) > 1 or any(_is_stabilizing(one) for one in sets) else []


def _is_stabilizing(task_set: ResponsePart) -> bool:
    serving = task_set.word("status") in {"PRIMARY", "ACTIVE"}
    return serving and task_set.word_or("stabilityStatus", "STEADY_STATE") == "STABILIZING"
