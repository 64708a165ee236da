"""What ECS says about a service and its stopped tasks, in our words: the evidence of a diagnosis."""

from __future__ import annotations

from typing import NamedTuple

from autoscaler.diagnosis.stops import StoppedTask
from autoscaler.errors import AutoscalerError


class StoppedTasks(NamedTuple):
    """The stopped tasks that were read, newest first. `fault`: why more could not be read (None: all were read).
    `left_off`: there are more. `unreadable`: tasks whose description differs from the API.
    """

    tasks: tuple[StoppedTask, ...] = ()
    fault: AutoscalerError | None = None
    left_off: bool = False
    unreadable: int = 0


class Rollout(NamedTuple):
    """A deployment. `state`, `reason`: rolloutState and its reason (empty: ECS gives none). `at`: seconds since the
    epoch.
    """

    status: str
    state: str
    reason: str
    definition: str
    at: float
    desired: int
    running: int
    failed: int


class ServiceEvent(NamedTuple):
    at: float
    text: str


class ServiceReport(NamedTuple):
    """The service with its events, newest first. `subnets`: of `awsvpc`. `providers`: its capacity providers, or its
    launch type.
    """

    status: str
    desired: int
    running: int
    pending: int
    definition: str
    events: tuple[ServiceEvent, ...] = ()
    rollouts: tuple[Rollout, ...] = ()
    subnets: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()


def primary_of(state: ServiceReport | None) -> Rollout | None:
    """Return the present deployment (None: not known, or another controller than ECS)."""
    return None if state is None else next((one for one in state.rollouts if one.status == "PRIMARY"), None)


class NotSeen(NamedTuple):
    """What could not be read, why, and what would show it. `rights`: the calls that read it."""

    what: str
    why: str
    remedy: str
    rights: tuple[str, ...]
