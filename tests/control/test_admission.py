"""Admission across services: the tasks that all of them may remove in a window, and the shared caps."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autoscaler.config.model import SharedCap
from autoscaler.control.admission import FIRST_WINDOW_S, WINDOW_S, WRITE_S, Admission
from autoscaler.core.model import Decision, Rule, Verdict

KEYS = ("a", "b", "c", "d")


def change(current: int, target: int) -> Decision:
    return Decision("any", current, target, target, target, (), ())


@dataclass
class AdmissionDesk:
    """An admission with a settable clock, and the counts in ECS. It has run for `runs_s`."""

    percent: int | None = 50
    caps: tuple[SharedCap, ...] = ()
    now: float = 1000.0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KEYS, 10))
    keys: tuple[str, ...] = KEYS
    runs_s: float = FIRST_WINDOW_S

    def __post_init__(self) -> None:
        self.now -= self.runs_s
        self.admission = Admission(self.keys, lambda: self.now, self.percent, self.caps)
        self.now += self.runs_s
        for key in self.counts:
            self.admission.observe(key, self.counts[key])

    def request(self, key: str, target: int, *, is_made: bool = True) -> Decision:
        decision = self.admission.admit(key, change(self.counts[key], target))
        if decision.verdict is not Verdict.HOLD:
            if is_made:
                self.counts[key] = decision.target
                self.admission.confirm(key)
            else:
                self.admission.release(key)
        return decision


def test_the_fleet_cap_limits_the_removals_if_all_queues_read_zero_at_once() -> None:
    desk = AdmissionDesk()
    targets = [desk.request(key, 0).target for key in KEYS]
    assert targets == [0, 0, 10, 10], "20 of 40 tasks, first come, first served"
    desk.now += WINDOW_S - 1
    refused = desk.request("c", 0)
    assert (refused.target, refused.rule) == (10, Rule.FLEET_CAP)
    assert "at most 20 tasks (50 % of 40) may be removed within 300 s; already removed: 20" in refused.steps[-1].reason
    desk.now += 1
    assert desk.request("c", 0).target == 0


def test_a_scale_in_is_permitted_in_part() -> None:
    desk = AdmissionDesk(percent=10)
    assert desk.request("a", 3).target == 6


def test_the_fleet_cap_permits_at_least_one_removal() -> None:
    desk = AdmissionDesk(percent=1, counts={"a": 1, "b": 1})
    assert desk.request("a", 0).target == 0
    assert desk.request("b", 0).target == 1


def test_a_single_service_has_a_fleet_cap_only_if_it_is_configured() -> None:
    assert AdmissionDesk(percent=None, keys=("a",), counts={"a": 10}).request("a", 0).target == 0
    assert AdmissionDesk(percent=None, keys=("a", "a"), counts={"a": 10}).request("a", 0).target == 0
    assert AdmissionDesk(percent=50, keys=("a",), counts={"a": 10}).request("a", 0).target == 5


def test_the_default_fleet_cap_of_several_services_is_half_of_the_tasks() -> None:
    assert AdmissionDesk(percent=None, keys=("a", "b"), counts={"a": 10, "b": 2}).request("a", 0).target == 4


def test_the_fleet_cap_does_not_limit_a_scale_out() -> None:
    desk = AdmissionDesk(percent=1)
    assert desk.request("a", 500).target == 500
    assert desk.request("a", 500).steps == ()


def test_a_change_that_was_certainly_not_made_is_released() -> None:
    desk = AdmissionDesk()
    for _ in range(5):
        assert desk.request("a", 0, is_made=False).target == 0
    assert [desk.request(key, 0).target for key in KEYS] == [0, 0, 10, 10]


def test_a_change_without_an_answer_counts_until_its_result_is_known() -> None:
    desk = AdmissionDesk()
    for key in ("a", "b"):
        assert desk.admission.admit(key, change(10, 0)).target == 0
        assert desk.admission.admit(key, change(10, 0)).target == 0, "requested again: the same 10 tasks, not 10 more"
    assert desk.request("c", 0).target == 10
    desk.now += WINDOW_S + WRITE_S - 1
    assert desk.request("c", 0).target == 10
    desk.admission.observe("a", 0)  # the change was made, possibly just now
    desk.now += 1
    refused = desk.request("c", 0)
    assert refused.target == 5, "the tasks of a may have been removed long before the window: 30 are certain"
    assert "at most 15 tasks (50 % of 30) may be removed within 300 s; already removed: 10" in refused.steps[-1].reason
    assert desk.request("d", 0).target == 10


def test_a_scale_out_without_an_answer_does_not_raise_the_fleet_cap() -> None:
    desk = AdmissionDesk(percent=10)
    desk.admission.admit("b", change(10, 11))  # ECS's answer is unknown: 40 or 41 tasks
    assert desk.request("a", 0).target == 6, "10 % of 40"


def test_a_removal_without_an_answer_is_removed_and_not_present() -> None:
    desk = AdmissionDesk()
    desk.admission.admit("a", change(10, 6))  # it was made, and its answer is lost: 36 tasks
    desk.request("b", 14)
    assert desk.request("c", 0).target == 0
    refused = desk.request("d", 0)
    assert refused.target == 4
    assert "at most 20 tasks (50 % of 40) may be removed within 300 s; already removed: 14" in refused.steps[-1].reason


def test_a_removal_that_ecs_does_not_show_within_the_window_was_not_made() -> None:
    desk = AdmissionDesk()
    desk.admission.admit("a", change(10, 0))
    desk.admission.observe("a", 10)
    desk.now += WINDOW_S + WRITE_S
    assert [desk.request(key, 0).target for key in ("b", "c", "d")] == [0, 0, 10]


def test_a_removal_that_is_confirmed_late_does_not_keep_an_old_count_of_all_tasks() -> None:
    desk = AdmissionDesk()
    desk.admission.admit("a", change(10, 9))  # of 40; its answer is lost, and ECS cannot be read for a while
    assert [desk.request(key, 0).target for key in ("b", "c")] == [0, 1]
    desk.now += 200
    desk.admission.observe("a", 9)
    desk.now += WINDOW_S - 200
    assert desk.request("a", 0).target == 1, "50 % of the 20 tasks of the last window; one was removed before"


@pytest.mark.parametrize("percent", [1, 50, 99])
def test_nothing_is_removed_before_a_whole_window_was_seen_since_the_start(percent: int) -> None:
    desk = AdmissionDesk(percent=percent, runs_s=0.0)
    desk.now += WINDOW_S + WRITE_S - 1
    refused = desk.request("a", 0)
    assert (refused.target, refused.rule) == (10, Rule.FLEET_CAP)
    assert "removals before the start are not known" in refused.steps[-1].reason
    assert desk.request("a", 11).target == 11
    desk.now += 1
    assert desk.request("a", 0).target < 11


def test_without_a_fleet_cap_or_with_one_of_100_percent_a_start_limits_nothing() -> None:
    assert AdmissionDesk(percent=100, runs_s=0.0).request("a", 0).target == 0
    assert AdmissionDesk(percent=None, keys=("a",), counts={"a": 10}, runs_s=0.0).request("a", 0).target == 0


def test_no_two_daemons_in_succession_remove_more_than_the_fleet_cap() -> None:
    """A daemon removes what it may, and is killed; its successor sees the counts that are left."""
    first = AdmissionDesk()
    before = sum(first.counts.values())
    assert [first.request(key, 0).target for key in KEYS] == [0, 0, 10, 10]
    second = AdmissionDesk(counts=dict(first.counts), runs_s=0.0)
    for _ in range(int(WINDOW_S)):
        for key in KEYS:
            second.request(key, 0)
        assert before - sum(second.counts.values()) <= before // 2
        second.now += 1.0


def test_a_scale_out_that_a_reading_shows_raises_the_fleet_cap() -> None:
    desk = AdmissionDesk(percent=10)
    desk.admission.admit("b", change(10, 11))
    desk.admission.observe("b", 11)
    assert desk.request("a", 0).target == 5, "10 % of 41, rounded up"


def test_a_decision_without_a_change_keeps_the_reservation() -> None:
    desk = AdmissionDesk()
    desk.admission.admit("a", change(10, 0))
    desk.admission.admit("a", change(10, 10))
    assert desk.request("b", 0).target == 0
    assert desk.request("c", 0).target == 10


SERVICES = st.sampled_from(KEYS)
ACTS = st.tuples(
    SERVICES,
    st.sampled_from([0, 1, 5, 9, 10, 11, 60]),
    st.sampled_from(["made", "released", "no answer", "no answer, but made"]),
    st.sampled_from([0.0, 1.0, 150.0, WINDOW_S - 1, WINDOW_S]),
)


@settings(deadline=None, max_examples=300)
@example([("b", 11, "no answer", 0.0), ("a", 0, "made", 0.0)], 10)
@given(st.lists(ACTS, max_size=40), st.sampled_from([1, 10, 50, 100]))
def test_no_window_removes_more_tasks_than_the_fleet_cap(acts: list[tuple[str, int, str, float]], percent: int) -> None:
    """The check uses only the writes that took effect."""
    desk = AdmissionDesk(percent=percent)
    removals: list[tuple[float, int, int]] = []
    for key, target, result, after_s in acts:
        desk.now += after_s
        desk.admission.observe(key, desk.counts[key])
        decision = desk.admission.admit(key, change(desk.counts[key], target))
        assert min(decision.current, target) <= decision.target <= max(decision.current, target)
        if decision.verdict is Verdict.HOLD:
            continue
        if result in ("made", "no answer, but made"):
            removals.append((desk.now, max(0, decision.current - decision.target), sum(desk.counts.values())))
            desk.counts[key] = decision.target
        if result == "made":
            desk.admission.confirm(key)
        elif result == "released":
            desk.admission.release(key)
    for began, *_ in removals:
        window = [(tasks, of) for at, tasks, of in removals if began <= at < began + WINDOW_S]
        most = max(of for at, _, of in removals if began - WINDOW_S - WRITE_S <= at < began + WINDOW_S)
        assert sum(tasks for tasks, _ in window) <= -(-most * percent // 100)


DATABASE = SharedCap("connections", 100, (("a", 2), ("b", 3), ("c", 1)))


def test_a_scale_out_is_limited_to_the_rest_of_a_shared_cap() -> None:
    desk = AdmissionDesk(caps=(DATABASE,))
    decision = desk.request("a", 50)  # b uses 30 and c 10: 60 are left, 2 per task
    assert (decision.target, decision.rule) == (30, Rule.SHARED_CAP)
    assert "shared cap connections: 60 of 100 left, 2 per task" in decision.steps[-1].reason
    assert desk.request("c", 30).target == 10
    assert desk.request("d", 500).target == 500, "a service outside the cap is not limited"


def test_a_shared_cap_neither_forces_nor_limits_a_scale_in() -> None:
    desk = AdmissionDesk(caps=(SharedCap("connections", 5, (("a", 1), ("b", 1))),))
    assert desk.request("a", 11).target == 10
    assert desk.request("a", 9).steps == ()


def test_the_smallest_of_several_shared_caps_applies() -> None:
    caps = (SharedCap("wide", 1000, (("a", 1),)), SharedCap("tight", 12, (("a", 1),)))
    assert AdmissionDesk(caps=caps).request("a", 50).target == 12
    assert AdmissionDesk(caps=caps[::-1]).request("a", 50).target == 12


def test_a_member_that_was_not_yet_read_is_unknown_and_not_zero() -> None:
    desk = AdmissionDesk(caps=(DATABASE,), counts={"a": 1, "b": 1})
    assert desk.request("a", 5).target == 1
    assert "the task count of c is not yet known" in desk.request("a", 5).steps[-1].reason
    desk.admission.absent("c")
    assert desk.request("a", 5).target == 5


def test_a_scale_out_in_progress_uses_its_share_until_it_is_released() -> None:
    desk = AdmissionDesk(caps=(DATABASE,))
    desk.admission.admit("a", change(10, 30))
    assert desk.request("c", 20).target == 10
    desk.admission.release("a")
    assert desk.request("c", 20).target == 20


def test_a_scale_in_in_progress_keeps_its_share_until_it_is_confirmed() -> None:
    desk = AdmissionDesk(caps=(DATABASE,))
    desk.request("c", 50)
    desk.admission.admit("a", change(10, 5))
    assert desk.request("b", 20).target == 10
    desk.admission.confirm("a")
    assert desk.request("b", 20).target == 13


@settings(deadline=None, max_examples=200)
@given(st.lists(ACTS, max_size=40))
def test_no_scale_out_exceeds_a_shared_cap(acts: list[tuple[str, int, str, float]]) -> None:
    desk = AdmissionDesk(percent=None, caps=(DATABASE,), counts=dict.fromkeys(KEYS, 5))
    for key, target, result, after_s in acts:
        desk.now += after_s
        before = dict(desk.counts)
        desk.request(key, target, is_made=result == "made")
        taken = sum(desk.counts[member] * each for member, each in DATABASE.per_task)
        assert taken <= DATABASE.most or desk.counts[key] <= before[key]


@pytest.mark.parametrize("percent", [None, 50])
def test_removals_do_not_accumulate(percent: int | None) -> None:
    desk = AdmissionDesk(percent=percent)
    for number in range(2000):
        desk.now += 10
        desk.counts["a"] = 10
        desk.admission.observe("a", 10)
        desk.request("a", 9 - number % 2)
    assert len(desk.admission._removals) <= WINDOW_S / 10 + 1
