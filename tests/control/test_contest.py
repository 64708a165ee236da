"""Two daemons with different settings on one service, each with its own loop, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.core.model import Revision, Rule
from autoscaler.errors import Unavailable
from autoscaler.telemetry.status_store import StatusStore
from autoscaler.telemetry.views import readiness
from tests.control.fakes import FakePorts, loop_over, now, ports_of, service
from tests.virtual import run_virtually

HOUR_S = 3_600.0


class Side(FakePorts):
    """The ports of one of the daemons: its own record, and the counts of the shared service."""

    def __init__(self, shared: FakePorts) -> None:
        super().__init__(waiting=399, in_flight=1)
        self.shared = shared

    async def read(self, *args: Any) -> Any:
        return await self.shared.read(*args)

    async def scale_to(self, *args: Any) -> Revision | None:
        return await self.shared.scale_to(*args)


def two_daemons(
    interval_s: float,
    other_s: float,
    lasts_s: float,
    script: Mapping[float, Callable[[list[ServiceLoop], list[asyncio.Event]], None]] | None = None,
) -> tuple[FakePorts, Side, Side]:
    """Run a daemon that requires 40 tasks and one with a maximum of 17. `script`: what happens when."""
    shared = FakePorts(desired=40)
    ours, theirs = Side(shared), Side(shared)

    async def main() -> None:
        loops = [
            ServiceLoop(service(max_tasks=50), ports_of(ours), Rhythm(interval_s)),
            ServiceLoop(service(max_tasks=17), ports_of(theirs), Rhythm(other_s, offset_s=interval_s / 3)),
        ]
        stops = [asyncio.Event(), asyncio.Event()]
        tasks = [asyncio.create_task(loop.run(stop)) for loop, stop in zip(loops, stops, strict=True)]
        began = now()
        for at, action in sorted((script or {}).items()):
            await asyncio.sleep(began + at - now())
            action(loops, stops)
        await asyncio.sleep(began + lasts_s - now())
        for stop in stops:
            stop.set()
        await asyncio.gather(*tasks)

    run_virtually(main())
    return shared, ours, theirs


def is_contested(side: Side) -> bool:
    return any(notice.kind == Rule.CONTESTED for notice in side.polls[-1].notices)


@pytest.mark.parametrize("interval_s", [5.0, 30.0])
@pytest.mark.parametrize("other_s", [4.0, 20.0])
def test_two_daemons_stop_changing_the_count_back_and_forth(interval_s: float, other_s: float) -> None:
    shared, ours, theirs = two_daemons(interval_s, other_s, 1.5 * HOUR_S)
    assert is_contested(ours)
    assert is_contested(theirs)
    late = [at for at, _ in shared.writes if at > 1_000.0 + HOUR_S]
    assert len(late) <= 12, "each tries at most about once in ten minutes"


def test_the_notice_is_in_readyz_with_the_number_of_changes() -> None:
    _, ours, _ = two_daemons(10.0, 10.0, 600.0)
    store = StatusStore(lambda: 0.0, lambda: 0.0)
    _, page = readiness([store.note(ours.polls[-1])], 0.0)
    [notice] = page["services"]["orders"]["notices"]
    assert notice["kind"] == "contested"
    assert "desiredCount was changed by someone else" in notice["text"]
    assert "CloudTrail" in notice["text"]


def test_after_the_other_daemon_has_stopped_the_count_is_required_again_within_the_longest_pause() -> None:
    def stop_the_other(_: list[ServiceLoop], stops: list[asyncio.Event]) -> None:
        stops[1].set()

    shared, ours, _ = two_daemons(10.0, 10.0, HOUR_S + 3_000.0, {HOUR_S: stop_the_other})
    assert shared.desired == 40
    assert shared.writes[-1][0] <= 1_000.0 + HOUR_S + 610.0
    assert not is_contested(ours)


def test_new_settings_end_the_pause_at_once() -> None:
    def resolve(loops: list[ServiceLoop], stops: list[asyncio.Event]) -> None:
        stops[1].set()
        loops[0].adopt(service(max_tasks=45), loops[0]._ports, Rhythm(10.0))

    shared, ours, _ = two_daemons(10.0, 10.0, 1_821.0, {1_800.0: resolve})
    assert shared.desired == 40
    assert not is_contested(ours)


def test_a_pause_tag_of_the_operator_applies_at_once() -> None:
    def pin(shared: FakePorts, stops: list[asyncio.Event]) -> None:
        stops[1].set()
        shared.pause_tag = "25"

    shared, ours, _ = two_daemons(10.0, 10.0, 1_821.0, {1_800.0: lambda loops, stops: pin(shared_of(loops), stops)})
    assert shared.desired == 25
    assert not is_contested(ours)


def shared_of(loops: list[ServiceLoop]) -> FakePorts:
    side = loops[0]._ports.fleets
    assert isinstance(side, Side)
    return side.shared


def test_lost_writes_of_our_own_are_no_other_writer() -> None:
    """The answers of two writes are lost: 8 to 18, and 8 to 20. Both land, one after the other."""
    world = FakePorts(waiting=79, desired=8, write_error=Unavailable("timeout"))

    async def main() -> None:
        loop = loop_over(world, max_tasks=50, tolerance=0.0)
        for waiting, desired in ((79, 8), (179, 8), (199, 8), (179, 18), (199, 20)):
            world.waiting, world.desired = waiting, desired
            world.polls.append(await loop.poll())
            await asyncio.sleep(10.0)

    run_virtually(main())
    drifts = [poll.memory.drift(poll.observation.fleet) for poll in world.polls if poll.observation]
    assert drifts == [0] * 5
