"""`python -m tests.fakeaws`: the double as a process of its own, which prints its address and serves until it is ended.

There are services `service-00000` and on in cluster `bench`, each with a queue `queue-00000` and on.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys

import uvloop

from tests.fakeaws.aws import REGION, FakeAws
from tests.fakeaws.clock import RunningClock
from tests.fakeaws.record import Record
from tests.fakeaws.server import serving

CLUSTER = "bench"


def main() -> None:
    asked = _asked()
    aws = FakeAws(RunningClock(asked.speed), asked.seed, validates=asked.validate, record=Record(keep=0))
    aws.buckets.factor, aws.buckets.limited = asked.factor, not asked.unlimited
    uvloop.run(_serve(aws, asked))


def populate(aws: FakeAws, services: int, clusters: int, region: str, desired: int, cpu: float | None) -> None:
    """So many services, dealt out to so many clusters; the first is `bench`, the others `bench-1` and on."""
    world = aws.world(region=region)
    for number in range(services):
        cluster = f"{CLUSTER}-{number % clusters}" if number % clusters else CLUSTER
        tags = {"autoscaler:queues": f"queue-{number:05d}"}
        world.put_service(cluster, f"service-{number:05d}", desired, cpu=cpu, tags=tags)
        world.put_queue(f"queue-{number:05d}")


async def _serve(aws: FakeAws, asked: argparse.Namespace) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with serving(aws, asked.port):
        populate(aws, asked.services, asked.clusters, asked.region, asked.desired, asked.cpu)
        gc.freeze()  # ten thousand services are not garbage, and need not be looked at again and again
        sys.stdout.write(f"{aws.url}\n")
        sys.stdout.flush()
        await stopping.wait()


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fakeaws", description=__doc__)
    parser.add_argument("--services", type=int, default=10, help="how many, each with one queue")
    parser.add_argument(
        "--clusters", type=int, default=1, help="that they are dealt out to; AWS has 5,000 in one at most"
    )
    parser.add_argument("--desired", type=int, default=1, help="tasks of each, which all run")
    parser.add_argument("--cpu", type=float, default=None, help="percent that CloudWatch tells of each service")
    parser.add_argument("--port", type=int, default=0, help="on loopback; 0: a free one")
    parser.add_argument("--region", default=REGION)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=1.0, help="seconds of the double for each that passes")
    parser.add_argument("--factor", type=float, default=1.0, help="of AWS's rates")
    parser.add_argument("--unlimited", action="store_true", help="no rates at all")
    parser.add_argument("--validate", action="store_true", help="hold requests against the SDK's models: slow")
    return parser.parse_args()


if __name__ == "__main__":
    main()
