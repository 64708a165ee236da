"""A service in shadow that misses its latency target gives a notice, unless something else scales it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from autoscaler.config.model import ModeSetting
from autoscaler.control.cadence import Rhythm
from autoscaler.control.loop import ServiceLoop
from autoscaler.control.readers import ConflictWatch
from autoscaler.control.shadow import LEAST_LATE, OVERDUE_S, RECENT_S, SCALED_S, Shadow, ShadowWatch
from autoscaler.core.engine import decide
from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, TimedCount
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Fleet, Missing, Observation, QueueReading
from autoscaler.core.policy import Mode
from autoscaler.core.slo import SHADOW_MISSES_LATENCY
from tests.control.fakes import FakePorts, ports_of, service
from tests.virtual import run_virtually

LATENCY_S = 60.0
ACTIVATE = "set AUTOSCALER_MODE=active"
SHADOWED = replace(service(mode=Mode.SHADOW), mode_setting=ModeSetting(activate=ACTIVATE))


def play(
    world: FakePorts, seconds: float, script: Mapping[Any, Callable[[], object]] | None = None, mode: Mode = Mode.SHADOW
) -> None:
    """Run the loop for `seconds`, built as in the daemon: in shadow it writes nothing."""

    async def main() -> None:
        ports, stopping, clock = ports_of(world), asyncio.Event(), asyncio.get_running_loop()
        ports = replace(ports, fleets=Shadow(world)) if mode is Mode.SHADOW else ports
        config = replace(SHADOWED, policy=replace(SHADOWED.policy, mode=mode))
        began = clock.time()
        task = asyncio.create_task(ServiceLoop(config, ports, Rhythm(10.0)).run(stopping))
        for at, action in sorted((script or {}).items()):
            await asyncio.sleep(began + at - clock.time())
            action()
        await asyncio.sleep(began + seconds - clock.time())
        stopping.set()
        await task

    run_virtually(main())


def noticed_at(world: FakePorts) -> list[float]:
    """Return the times of the polls with the notice, in seconds from the first poll."""
    seen = [(poll.observation.now, poll.notices) for poll in world.polls if poll.observation is not None]
    return [at - seen[0][0] for at, notices in seen if any(one.kind == SHADOW_MISSES_LATENCY for one in notices)]


def test_a_backlog_that_nothing_scales_gives_a_notice_after_a_minute_over_its_target() -> None:
    world = FakePorts(waiting=300)
    play(world, 400)
    assert world.writes == []
    first = noticed_at(world)[0]
    assert LATENCY_S + OVERDUE_S - 10 < first <= LATENCY_S + OVERDUE_S + 20
    assert noticed_at(world)[-1] >= 390, "the notice stays while the target is missed"
    texts = {one.reason for poll in world.polls for one in poll.notices if one.kind == SHADOW_MISSES_LATENCY}
    [text] = texts
    assert all(
        part in text for part in ("queue orders", "60 s", "service orders", "shadow", ACTIVATE, "docs/shadow.md")
    )


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(FakePorts(waiting=0, desired=3), id="an empty queue"),
        pytest.param(
            FakePorts(waiting=300, scalers=("a target of Application Auto Scaling",)), id="a conflicting scaler"
        ),
    ],
)
def test_there_is_no_notice_if_the_target_is_met_or_a_conflicting_scaler_is_known(world: FakePorts) -> None:
    play(world, 900)
    assert noticed_at(world) == []


def test_an_active_service_gives_no_notice() -> None:
    world = FakePorts(waiting=300)
    play(world, 900, mode=Mode.SCALE_OUT_ONLY)
    assert noticed_at(world) == []


def test_unreadable_conflicting_scalers_do_not_prevent_the_notice() -> None:
    world = FakePorts(waiting=300, scalers=Missing("not allowed", "denied"))
    play(world, 400)
    assert noticed_at(world)


def test_a_change_of_the_count_within_the_last_hour_prevents_the_notice() -> None:
    world = FakePorts(waiting=300, desired=1)

    def change() -> None:
        world.desired = 2

    play(world, 305 + SCALED_S + 100, {300.0: change})
    quiet = [at for at in noticed_at(world) if 300 < at < 300 + SCALED_S]
    assert quiet == []
    assert noticed_at(world)[-1] >= 300 + SCALED_S
    texts = [one.reason for one in world.polls[-1].notices]
    assert any("in the last hour" in text for text in texts)


class Polls:
    """A `ShadowWatch` with generated polls of one queue."""

    def __init__(self, tasks: int = 1, interval_s: float = 10.0) -> None:
        self.watch, self.tasks, self.interval_s = ShadowWatch(), tasks, interval_s
        self.memory = Memory(expected=tasks)

    def see(self, now: float, oldest_s: float | None = 0.0, received: float = 0.0, late: float = 0.0) -> str | None:
        """Return the text of the notice. `oldest_s` None: the queue could not be read."""
        known = Knowledge(
            *(Estimate(1.0), 1.0, 1.0, Estimate(1.0), Estimate(30.0), 30.0, Estimate(1.0), 1.0, 1.0, self.interval_s),
            received, late, (QueueKnowledge("orders", (TimedCount(oldest_s or 0.0, 5.0),)),),
        )  # fmt: skip
        backlog = Missing("timed out", "unavailable") if oldest_s is None else Backlog(5, 0, 0, now)
        seen = Observation(
            now, Fleet(self.tasks, self.tasks, 0, now), (QueueReading("orders", backlog),), knowledge=known
        )
        decision = decide(SHADOWED.policy, self.memory, seen)
        notice = self.watch.see(SHADOWED, SHADOWED.policy, seen, self.memory, decision, alone=True)
        return None if notice is None else notice.reason


@pytest.mark.parametrize(("age_s", "is_noticed"), [(LATENCY_S, False), (LATENCY_S + 0.1, True)])
def test_a_message_as_old_as_the_target_is_not_late(age_s: float, is_noticed: bool) -> None:
    polls = Polls()
    assert [polls.see(at, age_s) for at in (0.0, 30.0)] == [None, None]
    assert polls.see(OVERDUE_S - 0.1, age_s) is None
    assert (polls.see(OVERDUE_S, age_s) is not None) is is_noticed


@pytest.mark.parametrize("between", [0.0, LATENCY_S, None])
def test_a_poll_within_the_target_or_without_a_reading_restarts_the_minute(between: float | None) -> None:
    polls = Polls()
    polls.see(0.0, 100.0)
    polls.see(30.0, between)
    polls.see(40.0, 100.0)
    assert polls.see(40.0 + OVERDUE_S - 0.1, 100.0) is None
    assert polls.see(40.0 + OVERDUE_S, 100.0) is not None


def test_a_gap_between_two_polls_restarts_the_minute() -> None:
    polls = Polls()
    polls.see(0.0, 100.0)
    assert polls.see(OVERDUE_S + 1, 100.0) is None
    assert polls.see(2 * OVERDUE_S + 1, 100.0) is not None


def test_a_configured_interval_of_minutes_is_no_gap() -> None:
    polls = Polls(interval_s=200.0)
    polls.see(0.0, 1000.0)
    assert polls.see(200.0, 1000.0) is not None


@pytest.mark.parametrize(
    ("received", "late", "is_noticed"),
    [(100.0, LEAST_LATE, False), (100.0, LEAST_LATE + 1, True), (1000.0, 50.0, False), (1000.0, 51.0, True)],
)
def test_late_messages_count_above_a_share_and_a_minimum(received: float, late: float, is_noticed: bool) -> None:
    polls = Polls()
    polls.see(0.0, received=received / 2, late=late / 2)
    text = polls.see(100.0, received=received / 2, late=late / 2)
    assert (text is not None) is is_noticed
    assert text is None or "5% of the messages" in text
    assert polls.see(100.0 + RECENT_S) is None, "older messages do not count"


def test_the_notice_says_if_activation_would_add_no_tasks() -> None:
    few, many = Polls(tasks=0), Polls(tasks=20)  # 20 is max_tasks
    assert few.see(0.0, 100.0) is many.see(0.0, 100.0) is None
    assert "would not add tasks" not in str(few.see(OVERDUE_S, 100.0))
    assert "would not add tasks" in str(many.see(OVERDUE_S, 100.0))


def test_none_known_is_false_before_the_first_read_and_while_a_scaler_is_known() -> None:
    watch = ConflictWatch(SHADOWED.ref)
    assert not watch.none_known

    async def none_known_after(scalers: tuple[str, ...] | Missing) -> bool:
        await watch._read(ports_of(FakePorts(scalers=scalers)))
        return watch.none_known

    answers = [
        none_known_after(Missing("denied", "denied")),
        none_known_after(()),
        none_known_after(("another",)),
        none_known_after(Missing("denied", "denied")),
    ]
    assert [run_virtually(answer) for answer in answers] == [True, True, False, False]
