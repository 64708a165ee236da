"""The strings that another process pulls: `POST /_double/<verb>` with JSON, answered with JSON.

Each verb's parameters are those of its function here. `account` and `region` may be left out everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.fakeaws.aws import REGION, FakeAws
from tests.fakeaws.buckets import Limit
from tests.fakeaws.faults import ANY, refused, sent
from tests.fakeaws.poisons import poison
from tests.fakeaws.replies import Manner
from tests.fakeaws.roles import ACCOUNT

CONTROL = "/_double/"


def controlled(aws: FakeAws, verb: str, told: dict[str, Any]) -> dict[str, Any]:
    """What a verb answers; `at` is the double's time. Raises `LookupError`, `TypeError` or `ValueError`."""
    answer = VERBS[verb](aws, **told) or {}
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
    """Each of these queues holds so many from now on, and gets so many a second: a burst, if they are many."""
    world = aws.world(account, region)
    for name in names:
        world.set_queue(name, visible, arriving_per_s)
        if in_flight is not None:
            world.queues[name].in_flight = in_flight


def join(
    aws: FakeAws,
    queue: str,
    cluster: str,
    service: str,
    per_task_per_s: float,
    account: str = ACCOUNT,
    region: str = REGION,
) -> None:
    """The service's tasks work on the queue."""
    aws.world(account, region).join(queue, cluster, service, per_task_per_s)


def deploy(
    aws: FakeAws, cluster: str, service: str, takes_s: float = 300.0, account: str = ACCOUNT, region: str = REGION
) -> None:
    """A new revision of the service is rolled out."""
    aws.world(account, region).deploy(cluster, service, takes_s)


def services(
    aws: FakeAws, cluster: str, names: Sequence[str], account: str = ACCOUNT, region: str = REGION
) -> dict[str, Any]:
    """Desired, running and pending of each."""
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
    """Calls of that operation about that subject are refused with `code`, or else answered in that `Manner`."""
    wrong = refused(code, status=status) if code else sent(Manner[manner], after_s)
    aws.faults.script(operation, wrong, subject, times)


def spoil(aws: FakeAws, name: str, service: str, queue: str) -> None:
    """That service's or its queue's answers are spoilt in this way."""
    poison(aws.faults, name, service, queue)


def heal(aws: FakeAws, subjects: Sequence[str] | None = None) -> None:
    """Nothing is wrong with these services and queues any more; None: with anybody."""
    for subject in [None] if subjects is None else subjects:
        aws.faults.heal(subject)


def rates(
    aws: FakeAws,
    factor: float | None = None,
    limited: bool | None = None,
    limits: dict[str, tuple[float, float]] | None = None,
) -> dict[str, Any]:
    """All rates are scaled by `factor`; `limits` sets a category's burst and rate."""
    aws.buckets.factor = aws.buckets.factor if factor is None else factor
    aws.buckets.limited = aws.buckets.limited if limited is None else limited
    aws.buckets.limits |= {category: Limit(*limit) for category, limit in (limits or {}).items()}
    return {"factor": aws.buckets.factor, "limited": aws.buckets.limited, "limits": aws.buckets.limits}


def clock(aws: FakeAws, pass_s: float = 0.0, skew_s: float | None = None) -> None:
    """So much later at once; the answers' `Date` is so far off."""
    aws.clock.pass_s(pass_s)
    aws.skew_s = aws.skew_s if skew_s is None else skew_s


def turns(aws: FakeAws, operation: str) -> dict[str, Any]:
    """Of each queue or service: how often it was answered about, and the longest time that it was not, in seconds."""
    return {"turns": aws.record.turns.of(operation, aws.clock.now())}


def record(aws: FakeAws, since: float = 0.0, forget: bool = False) -> dict[str, Any]:
    """What was asked since then; and it is forgotten afterwards."""
    seen = aws.record
    told = {
        "outcomes": [[*key, count] for key, count in seen.outcomes.items()],
        "per_second": seen.seconds(since),
        "refused_per_second": seen.seconds(since, refused=True),
        "updates": [update for update in seen.updates if update.at >= since],
        "complaints": list(seen.complaints),
    }
    if forget:
        seen.forget()
    return told


VERBS: dict[str, Callable[..., dict[str, Any] | None]] = {
    "queue": queue,
    "join": join,
    "deploy": deploy,
    "services": services,
    "fault": fault,
    "poison": spoil,
    "heal": heal,
    "rates": rates,
    "clock": clock,
    "record": record,
    "turns": turns,
}
