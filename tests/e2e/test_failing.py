"""A failing image, then a fixed one: the real daemon as a process, against the fake AWS over the real protocols."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.daemon import DaemonProcess, daemon
from tests.e2e.test_daemon import SETTINGS, free_port
from tests.fakeaws import FakeAws, serving
from tests.fakeaws.faults import refused
from tests.fakeaws.world.services import FakeFailure, FakeService

PULL = FakeFailure(
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref "
    "docker.io/shop/worker:8: not found",
    after_s=2.0,
)
CRASH = FakeFailure("Essential container in task exited", 3.0, ran_s=1.0, code="EssentialContainerExited", exit_code=1)
WITHIN_S = 20.0


def failing(aws: FakeAws, how: FakeFailure) -> FakeService:
    """Create a service without tasks whose new tasks fail, and a queue with a backlog."""
    world = aws.world()
    world.put_queue("orders", visible=300)
    return world.put_service("prod", "orders", 0, starts_s=(1.0, 2.0), fails=how)


async def entry(running: DaemonProcess) -> dict[str, Any]:
    """Return the newest account of the service (empty: none yet)."""
    status, text = await running.get("/api/v1/services/orders/decisions")
    entries = json.loads(text)["decisions"] if status == 200 else []
    return dict(entries[-1]) if entries else {}


async def until(met: Callable[[], bool], running: DaemonProcess) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not met():
            assert running.process.returncode is None, running.errors
            await asyncio.sleep(0.05)


async def diagnosed(running: DaemonProcess) -> dict[str, Any]:
    """Return the first account with a diagnosis."""
    async with asyncio.timeout(WITHIN_S):
        while not (found := await entry(running)).get("diagnosis"):
            assert running.process.returncode is None, running.errors
            await asyncio.sleep(0.05)
        return found


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [(PULL, "fix", "never started"), (CRASH, "application", "stopped 1 s after start")],
    ids=["image not found", "program ends"],
)
async def test_nothing_is_requested_while_the_image_fails_and_scaling_goes_on_with_the_fixed_one(
    how: FakeFailure, kind: str, words: str
) -> None:
    async with serving(FakeAws()) as aws:
        service = failing(aws, how)
        async with daemon(aws.url, free_port(), SETTINGS) as running:
            await until(lambda: bool(service.stopped), running)
            first_stop, requested = service.stopped[0].at, service.desired
            found = await diagnosed(running)
            diagnosis = found["diagnosis"]
            assert diagnosis["findings"][0]["class"] == kind
            assert words in diagnosis["text"]
            assert diagnosis["at"] - first_stop < 2.5, "within two polls of the first stop"
            aws.world().set_queue("orders", visible=3000)
            later = aws.clock.now() + 6.0
            await until(lambda: aws.clock.now() >= later, running)
            assert service.desired == requested, "nothing is requested meanwhile"
            last = await entry(running)
            assert last["rule"] == "stalled_start"
            assert last["advice"]["remedy"] == diagnosis["findings"][0]["remedy"]
            service.fails, service.revision = None, 2
            service.deploy(aws.clock.now(), takes_s=1.0)
            await until(lambda: service.desired == 7, running)
            assert service.running(aws.clock.now()) >= 0
            async with asyncio.timeout(WITHIN_S):
                while (await entry(running))["diagnosis"] is not None:  # noqa: ASYNC110 - another process records it
                    await asyncio.sleep(0.05)
        calls = [call.operation for call in aws.record.calls]
        assert calls.count("DescribeTasks") <= 6
        assert not aws.record.complaints


@pytest.mark.parametrize("denied", ["ListTasks", "DescribeTasks"])
async def test_without_the_right_to_read_tasks_the_event_of_ecs_is_enough(denied: str) -> None:
    async with serving(FakeAws()) as aws:
        service = failing(aws, PULL)
        aws.faults.script(denied, refused("AccessDeniedException"))
        async with daemon(aws.url, free_port(), SETTINGS) as running:
            found = await diagnosed(running)
            assert found["diagnosis"]["findings"][0]["cause"] == "start_backoff"
            assert [gap["what"] for gap in found["diagnosis"]["not_seen"]] == ["stopped tasks"]
            assert "ecs:DescribeTasks" in found["diagnosis"]["not_seen"][0]["remedy"]
            assert service.desired > 0
