"""Where the start-up time goes: the real command reads a fake ECS with staged times."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.cli.spoken import Ended, autoscaler
from tests.cli.worlds import WORLD, free_port
from tests.fakeaws import FakeAws, serving
from tests.fakeaws.clock import RunningClock
from tests.fakeaws.faults import refused

PHASES = 9 / 48, 40 / 48
SENTENCE = "48 s: 9 placing, 31 pulling, 8 booting; a smaller image would help most"


@asynccontextmanager
async def staged(tasks: int = 6) -> AsyncIterator[FakeAws]:
    """Serve a service whose tasks took 48 s to start."""
    async with serving(FakeAws(RunningClock())) as aws:
        aws.world().put_queue("orders")
        aws.world().put_service("prod", "orders", tasks, starts_s=(48.0, 48.0), phases=PHASES)
        yield aws


async def explained(aws: FakeAws, *arguments: str) -> Ended:
    url = f"http://127.0.0.1:{free_port()}"
    return await autoscaler("explain", "orders", "--url", url, *arguments, **(WORLD | {"AWS_ENDPOINT_URL": aws.url}))


async def test_explain_reads_the_times_of_the_running_tasks() -> None:
    async with staged() as aws:
        ended = await explained(aws, "--json")
    assert ended.code == 0, ended.err
    starts = json.loads(ended.out)["starts"]
    (revision,) = starts["revisions"]
    assert revision["text"] == f"median {SENTENCE}"
    assert revision["whole"] == {"median_s": 48.0, "p90_s": 48.0, "starts": 6}
    assert (starts["dropped"], starts["gap"]) == (0, None)


@pytest.mark.parametrize("operation", ["ListTasks", "DescribeTasks"])
async def test_without_a_permission_explain_names_it_and_exits_with_0(operation: str) -> None:
    async with staged() as aws:
        aws.faults.script(operation, refused("AccessDeniedException", status=400))
        ended = await explained(aws)
    assert ended.code == 0, ended.err
    words = " ".join(ended.out.decode().split())
    assert f"ecs:{operation} was denied" in words
    assert "not read" in words
    assert SENTENCE not in words
