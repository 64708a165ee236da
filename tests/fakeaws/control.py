"""The control API for other processes: `POST /_double/<verb>` with JSON, answered with JSON.

Each verb has the parameters of its function in this module. `account` and `region` are always optional.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.fakeaws.aws import REGION, FakeAws
from tests.fakeaws.buckets import FakeLimit
from tests.fakeaws.faults import ANY, refused, sent
from tests.fakeaws.poisons import poison
from tests.fakeaws.replies import Manner
from tests.fakeaws.roles import ACCOUNT
from tests.fakeaws.world.services import FakeFailure

CONTROL = "/_double/"


def controlled(aws: FakeAws, verb: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the answer of a verb; `at` is the time of the fake. Raises `LookupError`, `TypeError` or `ValueError`."""
    answer = VERBS[verb](aws, **parameters) or {}
    return {"at": aws.clock.now(), **answer}


def queue(
    aws: FakeAws,
    names: Sequence[str],
    visible: float | None = None,
    in_flight: int | None = None,
    arriving_per_s: float | None = None,
    account: str = ACCOUNT,
    region: str = REGION,
) -> None:
    """Set the visible and in-flight messages and the arrivals per second of each of these queues; None: unchanged."""
    world = aws.world(account, region)
    for name in names:
        world.set_queue(name, visible, arriving_per_s)
        if in_flight is not None:
            world.queues[name].in_flight = in_flight


def send(aws: FakeAws, queue: str, bodies: Sequence[str], account: str = ACCOUNT, region: str = REGION) -> None:
    """Send messages to a queue of events."""
    aws.world(account, region).queues[queue].mail.send(*bodies)


def join(
    aws: FakeAws,
    queue: str,
    cluster: str,
    service: str,
    per_task_per_s: float,
    account: str = ACCOUNT,
    region: str = REGION,
) -> None:
    """Let the service's tasks process the queue, each `per_task_per_s` messages per second."""
    aws.world(account, region).join(queue, cluster, service, per_task_per_s)


def deploy(
    aws: FakeAws, cluster: str, service: str, takes_s: float = 300.0, account: str = ACCOUNT, region: str = REGION
) -> None:
    """Start a deployment of a new revision of the service."""
    aws.world(account, region).deploy(cluster, service, takes_s)


def fail(
    aws: FakeAws, cluster: str, names: Sequence[str], reason: str, account: str = ACCOUNT, region: str = REGION
) -> None:
    """Let each new task of these services fail with this reason, 12 s after its creation."""
    for name in names:
        aws.world(account, region).service(cluster, name).fails = FakeFailure(reason)


def services(
    aws: FakeAws, cluster: str, names: Sequence[str], account: str = ACCOUNT, region: str = REGION
) -> dict[str, Any]:
    """Return the desired, running and pending count of each service."""
    world, now = aws.world(account, region), aws.clock.now()
    found = {name: world.service(cluster, name) for name in names}
    return {"services": {name: (one.desired, one.running(now), one.pending(now)) for name, one in found.items()}}


def fault(
    aws: FakeAws,
    operation: str = ANY,
    subject: str = ANY,
    code: str | None = None,
    status: int = 400,
    manner: str = "WHOLE",
    after_s: float = 0.0,
    times: int | None = None,
) -> None:
    """Script a fault: calls are refused with `code`; without one, they are answered in that `Manner`."""
    scripted = refused(code, status=status) if code else sent(Manner[manner], after_s)
    aws.faults.script(operation, scripted, subject, times)


def apply_poison(aws: FakeAws, name: str, service: str, queue: str) -> None:
    """Apply the named poison to the answers about that service or its queue."""
    poison(aws.faults, name, service, queue)


def heal(aws: FakeAws, subjects: Sequence[str] | None = None) -> None:
    """Remove the faults of these services and queues; None: all faults."""
    for subject in [None] if subjects is None else subjects:
        aws.faults.heal(subject)


def rates(
    aws: FakeAws,
    factor: float | None = None,
    limited: bool | None = None,
    limits: dict[str, tuple[float, float]] | None = None,
) -> dict[str, Any]:
    """Scale all rates by `factor`; `limits` sets a category's burst and rate."""
    aws.buckets.factor = aws.buckets.factor if factor is None else factor
    aws.buckets.limited = aws.buckets.limited if limited is None else limited
    aws.buckets.limits |= {category: FakeLimit(*limit) for category, limit in (limits or {}).items()}
    return {"factor": aws.buckets.factor, "limited": aws.buckets.limited, "limits": aws.buckets.limits}


def clock(aws: FakeAws, pass_s: float = 0.0, skew_s: float | None = None) -> None:
    """Move the clock forward by `pass_s`, and set the offset of the answers' `Date`."""
    aws.clock.pass_s(pass_s)
    aws.skew_s = aws.skew_s if skew_s is None else skew_s


def answers(aws: FakeAws, operation: str) -> dict[str, Any]:
    """Return, for each queue or service, the number of its answers and the longest time without one, in seconds."""
    return {"answers": aws.record.answers.of(operation, aws.clock.now())}


def record(aws: FakeAws, since: float = 0.0, forget: bool = False) -> dict[str, Any]:
    """Return the calls since then; `forget` clears the record afterwards."""
    seen = aws.record
    report = {
        "outcomes": [[*key, count] for key, count in seen.outcomes.items()],
        "per_second": seen.seconds(since),
        "refused_per_second": seen.seconds(since, refused=True),
        "updates": [update for update in seen.updates if update.at >= since],
        "complaints": list(seen.complaints),
    }
    if forget:
        seen.forget()
    return report


VERBS: dict[str, Callable[..., dict[str, Any] | None]] = {
    "queue": queue,
    "send": send,
    "join": join,
    "deploy": deploy,
    "fail": fail,
    "services": services,
    "fault": fault,
    "poison": apply_poison,
    "heal": heal,
    "rates": rates,
    "clock": clock,
    "record": record,
    "answers": answers,
}
