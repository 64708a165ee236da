"""What a deployment and zone rebalancing mean for scaling, in words: for notices, the page, `explain` and `doctor`."""

from __future__ import annotations

from autoscaler.core.advice import Advice
from autoscaler.core.figures import are, several, span
from autoscaler.core.model import ActiveDeployment, Fleet, Instant, Missing, Observation, Revisions
from autoscaler.core.policy import Policy, WorkerSafety
from autoscaler.core.workers import short_stop

MOST_UNFINISHED = 5
"""ECS refuses the next deployment while five are unfinished."""

MANY_UNFINISHED = 3
"""Unfinished deployments from which there is a notice. Two overlap whenever a deployment replaces one in progress."""


def unfinished(fleet: Fleet) -> int:
    """Return the number of deployments that ECS counts as unfinished: the newest one while it is in progress, and each
    older one that still has tasks. 0: no deployment is in progress, or another controller than ECS deploys.
    """
    return sum(one.is_unfinished for one in fleet.deployments)


def shares(fleet: Fleet) -> str | None:
    """Return how many of the running tasks are old and new, such as `old (web:7) 7 of 10, new (web:8) 3 of 10 running
    tasks`. None: only one deployment has tasks, or is to have some.
    """
    present = [one for one in fleet.deployments if one.status in {"PRIMARY", "ACTIVE"}]
    if len(present) <= 1:
        return None
    newest, *older = present
    total = sum(one.running for one in present)
    return f"{_share('old', older, total)}, {_share('new', [newest], total)} running tasks"


def _share(word: str, deployments: list[ActiveDeployment], total: int) -> str:
    names = ", ".join(dict.fromkeys(one.definition for one in deployments if one.definition))
    named = f"{word} ({names})" if names else word
    return f"{named} {sum(one.running for one in deployments):,} of {total:,}"


WAITING_S = 300.0
"""Seconds after which a deployment that waits is reported: its newest task may just have become healthy."""


def state_of(deployment: ActiveDeployment, now: Instant) -> str:
    """Return the rollout state with its reason and age, such as `IN_PROGRESS for 4 min: ECS deployment ecs-svc/1 in
    progress`. DescribeServices does not say at which hook a deployment waits, only that it does not progress.
    """
    age_s = None if deployment.created is None else max(0.0, now - deployment.created)
    is_over = deployment.state in {"COMPLETED", "FAILED"}
    age = "" if age_s is None else f", created {span(age_s)} ago" if is_over else f" for {span(age_s)}"
    failed = f", {several(deployment.failed, 'task')} failed" if deployment.failed else ""
    reason = f": {deployment.reason.rstrip('. ')}" if deployment.reason else ""
    waits = "; all its tasks run: it waits for older tasks, a bake time or a hook" if _waits(deployment, age_s) else ""
    return f"{deployment.state or deployment.status}{age}{failed}{reason}{waits}"


def _waits(deployment: ActiveDeployment, age_s: float | None) -> bool:
    runs = 0 < deployment.desired <= deployment.running and not deployment.pending
    return deployment.state == "IN_PROGRESS" and runs and age_s is not None and age_s >= WAITING_S


def revision_words(revisions: Revisions) -> str:
    """Return the service's task definition, and whether its family has a newer ACTIVE revision."""
    own, newest, behind = revisions.own, revisions.newest, revisions.behind
    if newest is None or behind is None:
        return f"{own} (the newest revision of its family was not read)"
    if behind == 0:
        return f"{own}, the newest active revision of its family"
    if behind < 0:
        return f"{own}, which is no longer active; {newest} is the newest active revision"
    return f"{own}, {several(behind, 'revision')} behind {newest}"


def _failed(fleet: Fleet) -> list[ActiveDeployment]:
    """Return the deployments that failed. One that ECS did not roll back stays the newest, and is not unfinished."""
    return [one for one in fleet.deployments if one.state == "FAILED"]


def ecs_lines(fleet: Fleet, revisions: Revisions | None, now: Instant) -> list[tuple[str, str]]:
    """Return what a deployment, the task definition and zone rebalancing are doing, each with its name."""
    lines = []
    count, parts = unfinished(fleet), shares(fleet)
    if count or parts:
        lines.append(("deployments", f"{are(count, 'deployment')} unfinished" + (f": {parts}" if parts else "")))
    if count or parts or _failed(fleet):
        # The name of a task definition has up to 255 characters: in the text it can be wrapped.
        named = [(one, f"{one.definition}: " if one.definition else "") for one in fleet.deployments]
        lines += [(f"deployment {one.status}", f"{name}{state_of(one, now)}") for one, name in named]
    if revisions is not None:
        lines.append(("task definition", revision_words(revisions)))
    enabled, moved_at = fleet.rebalancing
    if enabled is not None or moved_at is not None:
        words = "unknown" if enabled is None else "enabled" if enabled else "disabled"
        moved = "" if moved_at is None else f", in progress: the newest event is {span(max(0.0, now - moved_at))} old"
        lines.append(("zone rebalancing", words + moved))
    return lines


def ecs_summary(fleet: Fleet, revisions: Revisions | None) -> str | None:
    """Return what is unusual, in a few words (None: nothing): for a list of services."""
    count, behind = unfinished(fleet), None if revisions is None else revisions.behind
    parts = [] if fleet.failure is None else [f"tasks fail to start or to stay up (class {fleet.failure.kind})"]
    parts += [f"{are(count, 'deployment')} unfinished"] if count else []
    parts += [shown] if (shown := shares(fleet)) is not None else []
    parts += [" ".join(filter(None, ("deployment", one.definition, "failed"))) for one in _failed(fleet)]
    parts += ["zone rebalancing moves tasks"] if fleet.rebalancing.moved_at is not None else []
    parts += [f"task definition {revision_words(revisions)}"] if revisions is not None and behind else []
    return "; ".join(parts) or None


def many_deployments(fleet: Fleet) -> Advice | None:
    """Return that ECS will soon refuse a deployment, from `MANY_UNFINISHED` unfinished ones on."""
    count = unfinished(fleet)
    if count < MANY_UNFINISHED:
        return None
    return Advice(
        f"{are(count, 'deployment')} unfinished, and ECS refuses another one while {MOST_UNFINISHED} are",
        "let one finish before the next: tasks that protect themselves keep old deployments active until they are idle",
    )


def rebalancing_risk(
    policy: Policy, fleet: Fleet, cluster: str, service: str, region: str | None = None
) -> Advice | None:
    """Return that zone rebalancing can stop busy tasks of these workers, with the command that disables it. None: the
    workers protect themselves, there is at most one task, or ECS does not say that rebalancing is enabled. `region`
    None: that of the environment.
    """
    is_safe = policy.workers is WorkerSafety.SELF_PROTECTING or policy.max_tasks <= 1
    if is_safe or not fleet.rebalancing.is_enabled:
        return None
    unsafe = policy.workers is WorkerSafety.UNSAFE
    where = "" if region is None else f" --region {region}"
    harm = "loses them" if unsafe else "must finish or return them within stopTimeout"
    return Advice(
        f"Availability Zone rebalancing is enabled: ECS can stop a task with messages in progress, which {harm}",
        "use self-protecting workers (docs/workers.md), or disable it: aws ecs update-service "
        f"--cluster {cluster} --service {service}{where} --availability-zone-rebalancing DISABLED",
    )


def ecs_notices(
    policy: Policy, seen: Observation, cluster: str, service: str, region: str | None = None
) -> list[Missing]:
    """Return the warnings about deployments, rebalancing and stopTimeout at this poll, each with its kind."""
    found = {
        "deployments": many_deployments(seen.fleet),
        "zone_rebalancing": rebalancing_risk(policy, seen.fleet, cluster, service, region),
        "stop_timeout": short_stop(policy, seen.knowledge, seen.stop_timeout),
    }
    return [Missing(advice.text, kind) for kind, advice in found.items() if advice is not None]
