"""Changes of a service's count from outside the loop: pauses, schedules, drift, conflicting scalers, shared caps."""

from __future__ import annotations

from autoscaler.config.model import Schedule, SharedCap
from autoscaler.control.admission import Admission
from autoscaler.control.readers import CONFLICTS_S, RETRY_S
from autoscaler.core.model import Missing, Rule
from autoscaler.core.policy import ConflictingScalers, Pause
from autoscaler.errors import Throttled, Unavailable
from tests.control.fakes import NOON, FakePorts, play
from tests.telemetry.polls import JournalDesk


def targets(world: FakePorts) -> list[int]:
    return [tasks for _, tasks in world.writes]


def test_a_pause_tag_pauses_without_a_restart_and_its_end_resumes_scaling() -> None:
    world = FakePorts(waiting=95)
    end = "1970-01-01T00:00Z"  # in the past
    script = {
        5: lambda: setattr(world, "pause_tag", "all"),
        15: lambda: setattr(world, "waiting", 195),
        45: lambda: setattr(world, "pause_tag", f"all until {end}"),
    }
    play(world, 60, script)
    assert [(at - 1000, tasks) for at, tasks in world.writes] == [(0, 10), (50, 20)]
    assert [poll.policy.paused for poll in world.polls] == [None, *[Pause.ALL] * 4, None]


def test_a_pause_tag_replaces_the_setting_until_it_is_removed() -> None:
    world = FakePorts(waiting=95, pause_tag="in")
    play(world, 25, {5: lambda: setattr(world, "pause_tag", None), 6: lambda: setattr(world, "waiting", 195)},
         paused=Pause.ALL)  # fmt: skip
    assert targets(world) == [10]
    assert [poll.policy.paused for poll in world.polls] == [Pause.IN, Pause.ALL, Pause.ALL]


def test_a_task_count_in_the_pause_tag_is_limited_by_max_tasks() -> None:
    world = FakePorts(waiting=95, pause_tag="500")
    play(world, 5)
    assert targets(world) == [20]


def test_a_wrong_pause_tag_pauses_the_service_and_gives_a_notice() -> None:
    world = FakePorts(waiting=95, pause_tag="paused")
    play(world, 5)
    assert targets(world) == []
    assert "does not begin with `all`" in world.polls[0].notices[0].reason


def test_a_failed_read_of_the_service_keeps_the_pause_in_force() -> None:
    world = FakePorts(waiting=95, pause_tag="out")
    play(world, 25, {5: lambda: setattr(world, "service_missing", Missing("throttled", "throttled"))})
    assert [poll.policy.paused for poll in world.polls] == [Pause.OUT] * 3


def test_a_schedule_raises_the_minimum_until_its_end() -> None:
    world = FakePorts(in_flight=1)
    until_the_start = 600 - (NOON + 1000) % 600
    rush = Schedule("rush", "*/10 * * * *", 60.0, "UTC", min_tasks=7, max_tasks=None, lead_s=20.0)
    play(world, until_the_start + 200, schedules=(rush,), min_tasks=1)
    assert targets(world) == [1, 7, 1]
    in_force = [poll for poll in world.polls if poll.policy.schedule == "rush"]
    at = [poll.observation.now - 1000 - until_the_start for poll in in_force if poll.observation]
    assert at == [-20, -10, 0, 10, 20, 30, 40, 50]
    assert {poll.policy.min_tasks for poll in in_force} == {7}


def drifts(world: FakePorts) -> list[tuple[int, int]]:
    """Return the counts before and after each drift, as logged."""
    desk = JournalDesk()
    for poll in world.polls:
        desk.record(poll, 60.0)
    return [(fields["from"], fields["to"]) for _, event, fields in desk.lines.entries if event == "drift"]


def test_a_count_that_another_program_set_is_logged_as_drift_and_decided_again() -> None:
    world = FakePorts(waiting=95)
    play(world, 45, {15: lambda: setattr(world, "desired", 2), 25: lambda: setattr(world, "desired", 14)})
    assert targets(world) == [10, 10], "a scale-out at once, a scale-in only by its rules"
    assert drifts(world) == [(10, 2), (10, 14)]


def test_our_own_writes_are_no_drift_whatever_ecs_answers() -> None:
    for refusal, accepts in (
        (Unavailable("timed out"), True),
        (Unavailable("timed out"), False),
        (Throttled("x"), False),
    ):
        world = FakePorts(waiting=95, write_error=refusal, accepts_despite_error=accepts)
        play(world, 45, {25: lambda world=world: setattr(world, "write_error", None)})  # type: ignore[misc]
        assert drifts(world) == []
    late = FakePorts(waiting=95, stale_reads=1)
    play(late, 30, interval_s=2.0)
    assert drifts(late) == []


def test_conflicting_scalers_are_read_at_the_start_and_then_periodically() -> None:
    world = FakePorts(scalers=("Application Auto Scaling may set 1 to 10 tasks: 1 policy (cpu)",))
    play(world, CONFLICTS_S + 15)
    assert world.scaler_reads == 2
    assert all("1 policy (cpu)" in poll.notices[0].reason for poll in world.polls)


def test_conflicting_scalers_block_changes_only_with_refuse() -> None:
    for rule, written in ((ConflictingScalers.WARN, [10]), (ConflictingScalers.REFUSE, [])):
        world = FakePorts(waiting=95, scalers=("a target",))
        play(world, 5, conflicting_scalers=rule)
        assert targets(world) == written
        decision = world.polls[0].decision
        assert decision is not None
        assert (decision.rule is Rule.CONFLICTING_SCALER) == (rule is ConflictingScalers.REFUSE)


def test_conflicting_scalers_that_cannot_be_read_stay_as_last_read() -> None:
    gap = Missing("give the task role application-autoscaling:Describe*", "denied")
    world = FakePorts(waiting=95, scalers=("a target",))
    script = {5: lambda: setattr(world, "scalers", gap), CONFLICTS_S + 55: lambda: setattr(world, "scalers", ())}
    play(world, CONFLICTS_S + RETRY_S + 15, script, conflicting_scalers=ConflictingScalers.REFUSE)
    assert [(at - 1000 >= CONFLICTS_S + RETRY_S) for at, _ in world.writes] == [True]
    assert gap in [notice for poll in world.polls for notice in poll.notices]
    assert world.polls[-1].notices == ()


def test_conflicting_scalers_that_were_never_read_limit_nothing() -> None:
    world = FakePorts(waiting=95, scalers=Missing("denied", "denied"))
    play(world, 5, conflicting_scalers=ConflictingScalers.REFUSE)
    assert targets(world) == [10]
    assert [notice.kind for notice in world.polls[0].notices] == ["denied"]


def admission_of(world: FakePorts, **rules: object) -> Admission:
    def clock() -> float:
        return world.polls[-1].observation.now if world.polls and world.polls[-1].observation else 1000.0

    return Admission(["orders", "refunds"], clock, **rules)  # type: ignore[arg-type]  # fields of Admission


def test_a_decision_is_limited_by_admission_before_its_write() -> None:
    world = FakePorts(waiting=195)
    admission = admission_of(world, caps=(SharedCap("connections", 20, (("orders", 2), ("refunds", 1))),))
    admission.observe("refunds", 6)
    play(world, 15, admission=admission)
    assert targets(world) == [7]
    assert [poll.decision.rule for poll in world.polls if poll.decision] == [Rule.SHARED_CAP] * 2
    assert [poll.outcome for poll in world.polls] == ["accepted", "unchanged"]


def test_a_refused_write_releases_its_reservation_and_one_without_an_answer_keeps_it() -> None:
    for refusal, left in ((Throttled("x"), 20), (Unavailable("timed out"), 10)):
        world = FakePorts(waiting=95, write_error=refusal)
        admission = admission_of(world, caps=(SharedCap("connections", 20, (("orders", 1), ("refunds", 1))),))
        admission.observe("refunds", 0)
        play(world, 5, admission=admission)
        assert admission._left("refunds", admission._shares["refunds"][0])[0] == left


def test_a_service_that_does_not_exist_uses_nothing_of_a_shared_cap() -> None:
    for gap, left in ((Missing("no such service", "not_found"), 20), (Missing("timed out", "unavailable"), 0)):
        world = FakePorts(service_missing=gap)
        admission = admission_of(world, caps=(SharedCap("connections", 20, (("orders", 1), ("refunds", 1))),))
        play(world, 5, admission=admission)
        assert admission._left("refunds", admission._shares["refunds"][0])[0] == left
