"""What people and other machines do to a service's count while the loop runs: pauses, schedules, drift, rivals."""

from __future__ import annotations

from autoscaler.config.model import Schedule, SharedCap
from autoscaler.control.admission import Admission
from autoscaler.control.conflicts import ASK_AGAIN_S, CONFLICTS_S
from autoscaler.core.model import Missing, Rule
from autoscaler.core.policy import ConflictingScalers, Pause
from autoscaler.errors import Throttled, Unavailable
from tests.control.fakes import NOON, World, play
from tests.telemetry.ticks import Desk


def targets(world: World) -> list[int]:
    return [tasks for _, tasks in world.writes]


def test_a_tag_pauses_without_a_restart_and_its_end_resumes() -> None:
    world = World(waiting=95)
    end = "1970-01-01T00:00Z"  # long over
    script = {
        5: lambda: setattr(world, "pause_tag", "all"),
        15: lambda: setattr(world, "waiting", 195),
        45: lambda: setattr(world, "pause_tag", f"all until {end}"),
    }
    play(world, 60, script)
    assert [(at - 1000, tasks) for at, tasks in world.writes] == [(0, 10), (50, 20)]
    assert [tick.policy.paused for tick in world.ticks] == [None, *[Pause.ALL] * 4, None]


def test_a_tag_replaces_the_setting_while_it_stands() -> None:
    world = World(waiting=95, pause_tag="in")
    play(world, 25, {5: lambda: setattr(world, "pause_tag", None), 6: lambda: setattr(world, "waiting", 195)},
         paused=Pause.ALL)  # fmt: skip
    assert targets(world) == [10]
    assert [tick.policy.paused for tick in world.ticks] == [Pause.IN, Pause.ALL, Pause.ALL]


def test_a_count_to_stand_at_is_held_by_the_bounds() -> None:
    world = World(waiting=95, pause_tag="500")
    play(world, 5)
    assert targets(world) == [20]


def test_a_tag_that_cannot_be_read_pauses_and_is_told() -> None:
    world = World(waiting=95, pause_tag="paused")
    play(world, 5)
    assert targets(world) == []
    assert "begins with none of `all`" in world.ticks[0].notices[0].reason


def test_a_service_that_could_not_be_read_is_not_a_tag_that_is_gone() -> None:
    world = World(waiting=95, pause_tag="out")
    play(world, 25, {5: lambda: setattr(world, "gone", Missing("throttled", "throttled"))})
    assert [tick.policy.paused for tick in world.ticks] == [Pause.OUT] * 3


def test_a_schedule_raises_the_minimum_and_its_end_lets_it_go() -> None:
    world = World(in_flight=1)
    until_the_start = 600 - (NOON + 1000) % 600
    rush = Schedule("rush", "*/10 * * * *", 60.0, "UTC", min_tasks=7, max_tasks=None, lead_s=20.0)
    play(world, until_the_start + 200, schedules=(rush,), min_tasks=1)
    assert targets(world) == [1, 7, 1]
    in_force = [tick for tick in world.ticks if tick.policy.schedule == "rush"]
    at = [tick.observation.now - 1000 - until_the_start for tick in in_force if tick.observation]
    assert at == [-20, -10, 0, 10, 20, 30, 40, 50]
    assert {tick.policy.min_tasks for tick in in_force} == {7}


def drifts(world: World) -> list[tuple[int, int]]:
    """As the log tells them."""
    desk = Desk()
    for tick in world.ticks:
        desk.record(tick, 60.0)
    return [(fields["from"], fields["to"]) for _, event, fields in desk.lines.said if event == "drift"]


def test_a_count_that_somebody_else_set_is_adopted_told_and_decided_anew() -> None:
    world = World(waiting=95)
    play(world, 45, {15: lambda: setattr(world, "desired", 2), 25: lambda: setattr(world, "desired", 14)})
    assert targets(world) == [10, 10], "up again at once; down again only through the rules of a scale-in"
    assert drifts(world) == [(10, 2), (10, 14)]


def test_our_own_writes_are_no_drift_however_they_are_answered() -> None:
    for refusal, takes in (
        (Unavailable("timed out"), True),
        (Unavailable("timed out"), False),
        (Throttled("x"), False),
    ):
        world = World(waiting=95, refuses=refusal, takes_it_all_the_same=takes)
        play(world, 45, {25: lambda world=world: setattr(world, "refuses", None)})  # type: ignore[misc]
        assert drifts(world) == []
    late = World(waiting=95, stale_reads=1)
    play(late, 30, interval_s=2.0)
    assert drifts(late) == []


def test_rivals_are_asked_for_at_the_start_and_then_now_and_again() -> None:
    world = World(others=("Application Auto Scaling may set 1 to 10 tasks: 1 policy (cpu)",))
    play(world, CONFLICTS_S + 15)
    assert world.rival_reads == 2
    assert all("1 policy (cpu)" in tick.notices[0].reason for tick in world.ticks)


def test_rivals_are_warned_of_or_refused() -> None:
    for rule, written in ((ConflictingScalers.WARN, [10]), (ConflictingScalers.REFUSE, [])):
        world = World(waiting=95, others=("a target",))
        play(world, 5, conflicting_scalers=rule)
        assert targets(world) == written
        decision = world.ticks[0].decision
        assert decision is not None
        assert (decision.rule is Rule.CONFLICTING_SCALER) == (rule is ConflictingScalers.REFUSE)


def test_rivals_that_cannot_be_read_are_those_that_were_known() -> None:
    gap = Missing("give the task role application-autoscaling:Describe*", "denied")
    world = World(waiting=95, others=("a target",))
    script = {5: lambda: setattr(world, "others", gap), CONFLICTS_S + 55: lambda: setattr(world, "others", ())}
    play(world, CONFLICTS_S + ASK_AGAIN_S + 15, script, conflicting_scalers=ConflictingScalers.REFUSE)
    assert [(at - 1000 >= CONFLICTS_S + ASK_AGAIN_S) for at, _ in world.writes] == [True]
    assert gap in [notice for tick in world.ticks for notice in tick.notices]
    assert world.ticks[-1].notices == ()


def test_rivals_that_could_never_be_read_restrain_nothing() -> None:
    world = World(waiting=95, others=Missing("denied", "denied"))
    play(world, 5, conflicting_scalers=ConflictingScalers.REFUSE)
    assert targets(world) == [10]
    assert [notice.kind for notice in world.ticks[0].notices] == ["denied"]


def over(world: World, **rules: object) -> Admission:
    def clock() -> float:
        return world.ticks[-1].observation.now if world.ticks and world.ticks[-1].observation else 1000.0

    return Admission(["orders", "refunds"], clock, **rules)  # type: ignore[arg-type]  # fields of Admission


def test_a_decision_passes_admission_before_its_write() -> None:
    world = World(waiting=195)
    admission = over(world, caps=(SharedCap("connections", 20, (("orders", 2), ("refunds", 1))),))
    admission.saw("refunds", 6)
    play(world, 15, admission=admission)
    assert targets(world) == [7]
    assert [tick.decision.rule for tick in world.ticks if tick.decision] == [Rule.SHARED_CAP] * 2
    assert [tick.outcome for tick in world.ticks] == ["accepted", "unchanged"]


def test_a_write_that_was_refused_gives_its_reservation_back_and_a_lost_one_keeps_it() -> None:
    for refusal, left in ((Throttled("x"), 20), (Unavailable("timed out"), 10)):
        world = World(waiting=95, refuses=refusal)
        admission = over(world, caps=(SharedCap("connections", 20, (("orders", 1), ("refunds", 1))),))
        admission.saw("refunds", 0)
        play(world, 5, admission=admission)
        assert admission._left("refunds", admission._shares["refunds"][0])[0] == left


def test_a_service_that_does_not_exist_takes_nothing_of_a_cap() -> None:
    for gap, left in ((Missing("no such service", "not_found"), 20), (Missing("timed out", "unavailable"), 0)):
        world = World(gone=gap)
        admission = over(world, caps=(SharedCap("connections", 20, (("orders", 1), ("refunds", 1))),))
        play(world, 5, admission=admission)
        assert admission._left("refunds", admission._shares["refunds"][0])[0] == left
