"""An in-memory fake of AWS on loopback, for load and fault tests: SQS, ECS, CloudWatch, Application Auto Scaling, STS.

It speaks the real protocols: set `AWS_ENDPOINT_URL` to its address in any program that uses the real SDK. In a test:

    async with serving(FakeAws(StillClock())) as aws:
        aws.world().put_queue("orders", visible=300)
        aws.world().put_service("prod", "worker", desired=2)
        ...
        aws.clock.pass_s(3600)
        assert not aws.record.complaints

For another process: `python -m tests.fakeaws --services 10000`, controlled by `POST /_double/<verb>`.

    server, __main__         the socket, the process           control           the control verbs
    aws                      request in, reply out             record, ordering  the recorded calls, bounded
    routing, protocol, cbor  operation; JSON, CBOR, XML        validation        the SDK's own models
    roles, buckets           callers and their rate limits     faults, poisons   faults, by operation and subject
    answers/                 one module for each AWS service   world/            queues, services, metrics, scaling

Nothing runs between two requests: a queue is computed, and a service processes all events that are due when it is read.
So idle queues and services cost nothing, and a test that moves the clock skips hours at once. `world` imports no other
layer of the fake.
"""

from __future__ import annotations

from tests.fakeaws.aws import REGION, FakeAws
from tests.fakeaws.clock import RunningClock, StillClock
from tests.fakeaws.faults import FakeFault
from tests.fakeaws.roles import ACCOUNT
from tests.fakeaws.server import serving

__all__ = ["ACCOUNT", "REGION", "FakeAws", "FakeFault", "RunningClock", "StillClock", "serving"]
