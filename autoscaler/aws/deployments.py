"""Whether a deployment is in progress, for every controller, and since when.

Setting the desired count starts none. A failed rollout is over: it launches nothing more.
"""

from __future__ import annotations

from autoscaler.aws.answers import Answer


def deployment_since(service: Answer) -> float | None:
    """When the deployment in progress was made, in wall seconds; None where there is none.

    Of several it is the primary's instant, which is the newest one's.
    """
    going_on = _rollouts(service) if _controller(service) == "ECS" else _task_sets(service)
    if not going_on:
        return None
    primary = [one for one in going_on if one.word("status") == "PRIMARY"]
    return max(one.moment("createdAt") for one in primary or going_on)


def _controller(service: Answer) -> str:
    if not service.has("deploymentController"):
        return "ECS"
    return service.part("deploymentController").word_or("type", "ECS")


def _rollouts(service: Answer) -> list[Answer]:
    """The ECS controller's deployments, if one is in progress.

    A missing rolloutState is normal: services behind a classic load balancer have none.
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

    A lone task set also stabilizes after each change of the count; made long ago, it counts as an old deployment.
    """
    sets = list(service.parts_if_any("taskSets"))
    return sets if len(sets) > 1 or any(_is_stabilizing(one) for one in sets) else []


def _is_stabilizing(task_set: Answer) -> bool:
    serving = task_set.word("status") in {"PRIMARY", "ACTIVE"}
    return serving and task_set.word_or("stabilityStatus", "STEADY_STATE") == "STABILIZING"
