"""Whether a deployment is in progress, for every controller, and since when.

Setting the desired count starts none. A failed rollout is over: it launches nothing more.
"""

from __future__ import annotations

from autoscaler.aws.answers import Answer


def deployment_since(service: Answer) -> float | None:
    """When the deployment in progress was made, in wall seconds; None where there is none.

    That is when the newest of what is being rolled out was made: the hold that hangs on it is bounded in time, and what
    it replaces may be months old.
    """
    going_on = _rollouts(service) if _controller(service) == "ECS" else _task_sets(service)
    return max((one.moment("createdAt") for one in going_on), default=None)


def _controller(service: Answer) -> str:
    if not service.has("deploymentController"):
        return "ECS"
    return service.part("deploymentController").word_or("type", "ECS")


def _rollouts(service: Answer) -> list[Answer]:
    """The ECS controller's deployments, if one is in progress.

    It may be rolling, blue/green, linear or canary; the last three show both revisions until the old one is gone. A
    missing rolloutState is normal: services behind a classic load balancer have none.
    """
    alive = [one for one in service.parts("deployments") if _is_alive(one)]
    rolling = any(one.word("status") == "PRIMARY" and _rollout_state(one) == "IN_PROGRESS" for one in alive)
    return alive if rolling or len(alive) > 1 else []


def _is_alive(deployment: Answer) -> bool:
    return deployment.word("status") != "INACTIVE" and _rollout_state(deployment) != "FAILED"


def _rollout_state(deployment: Answer) -> str:
    return deployment.word_or("rolloutState", "COMPLETED")


def _task_sets(service: Answer) -> list[Answer]:
    """CodeDeploy's or an external controller's task sets, if a deployment is in progress.

    Until the traffic has moved, the new set is ACTIVE and the old one PRIMARY. A lone task set also stabilizes after
    each change of the count; made long ago, it counts as an old deployment.
    """
    sets = list(service.parts_if_any("taskSets"))
    return sets if len(sets) > 1 or any(_is_stabilizing(one) for one in sets) else []


def _is_stabilizing(task_set: Answer) -> bool:
    serving = task_set.word("status") in {"PRIMARY", "ACTIVE"}
    return serving and task_set.word_or("stabilityStatus", "STEADY_STATE") == "STABILIZING"
