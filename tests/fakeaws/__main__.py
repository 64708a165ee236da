"""`python -m tests.fakeaws`: run the fake AWS as a process. It prints its address and serves until SIGINT or SIGTERM.

It has services `service-00000` and up in cluster `bench`, each with one queue: `queue-00000` and up.
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
    arguments = _arguments()
    aws = FakeAws(RunningClock(arguments.speed), arguments.seed, validates=arguments.validate, record=Record(keep=0))
    aws.buckets.factor, aws.buckets.limited = arguments.factor, not arguments.unlimited
    uvloop.run(_serve(aws, arguments))


def populate(aws: FakeAws, services: int, clusters: int, region: str, desired: int, cpu: float | None) -> None:
    """Create `services` services, distributed over `clusters` clusters: `bench`, then `bench-1` and up."""
    world = aws.world(region=region)
    for number in range(services):
        cluster = f"{CLUSTER}-{number % clusters}" if number % clusters else CLUSTER
        tags = {"autoscaler:queues": f"queue-{number:05d}"}
        world.put_service(cluster, f"service-{number:05d}", desired, cpu=cpu, tags=tags)
        world.put_queue(f"queue-{number:05d}")


async def _serve(aws: FakeAws, arguments: argparse.Namespace) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with serving(aws, arguments.port):
        populate(aws, arguments.services, arguments.clusters, arguments.region, arguments.desired, arguments.cpu)
        gc.freeze()  # 10,000 services stay alive: exclude them from garbage collection
        sys.stdout.write(f"{aws.url}\n")
        sys.stdout.flush()
        await stopping.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fakeaws", description=__doc__)
    parser.add_argument("--services", type=int, default=10, help="number of services, each with one queue")
    parser.add_argument(
        "--clusters", type=int, default=1, help="number of clusters; AWS allows at most 5,000 services in one"
    )
    parser.add_argument("--desired", type=int, default=1, help="tasks of each service; all are running")
    parser.add_argument("--cpu", type=float, default=None, help="percent, in CloudWatch, of each service")
    parser.add_argument("--port", type=int, default=0, help="port on loopback; 0: a free port")
    parser.add_argument("--region", default=REGION)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", type=float, default=1.0, help="seconds on the fake clock for each real second")
    parser.add_argument("--factor", type=float, default=1.0, help="factor on AWS's call rates")
    parser.add_argument("--unlimited", action="store_true", help="no rate limits")
    parser.add_argument("--validate", action="store_true", help="validate requests against the SDK's models: slow")
    return parser.parse_args()


if __name__ == "__main__":
    main()
