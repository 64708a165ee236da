"""A double of AWS for load and faults: SQS, ECS, CloudWatch, Application Auto Scaling and STS, on loopback, in memory.

It speaks the real protocols, so whatever uses the real SDK can be put before it by `AWS_ENDPOINT_URL`. In a test:

    async with serving(FakeAws(StillClock())) as aws:
        aws.world().put_queue("orders", visible=300)
        aws.world().put_service("prod", "worker", desired=2)
        ...
        aws.clock.pass_s(3600)
        assert not aws.record.complaints

and for another process `python -m tests.fakeaws --services 10000`, driven by `POST /_double/<verb>`.

    server, __main__     the socket, the process            control       what another process may pull
    aws                  a request in, a reply out          record, turns what was asked, bounded
    wire, protocol, cbor which operation; JSON, CBOR, XML   validation    the SDK's own models
    roles, buckets       who asks, and how often he may     faults, poisons   what can be wrong, and of whom
    answers/             one module for each of AWS's       world/        queues, services, minutes, rivals

Nothing runs in it between two questions: a queue is arithmetic, a service catches up with what was due. So idle things
cost nothing, and hours pass at once where a test moves the clock. Its floors go down only: `world` knows nobody.
"""

from __future__ import annotations

from tests.fakeaws.aws import REGION, FakeAws
from tests.fakeaws.clock import RunningClock, StillClock
from tests.fakeaws.faults import Fault
from tests.fakeaws.roles import ACCOUNT
from tests.fakeaws.server import serving

__all__ = ["ACCOUNT", "REGION", "FakeAws", "Fault", "RunningClock", "StillClock", "serving"]
