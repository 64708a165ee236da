"""Admission across services: what all of them may remove in a window, and what they share."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.config.model import SharedCap
from autoscaler.control.admission import WINDOW_S, WRITE_S, Admission
from autoscaler.core.model import Decision, Rule, Verdict

KEYS = ("a", "b", "c", "d")


def change(current: int, target: int) -> Decision:
    return Decision("any", current, target, target, target, (), ())


@dataclass
class Desk:
    """An admission with a clock set by hand, and the counts as ECS has them."""

    percent: int | None = 50
    caps: tuple[SharedCap, ...] = ()
    now: float = 1000.0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KEYS, 10))
    keys: tuple[str, ...] = KEYS

    def __post_init__(self) -> None:
        self.admission = Admission(self.keys, lambda: self.now, self.percent, self.caps)
        for key in self.counts:
            self.admission.saw(key, self.counts[key])

    def ask(self, key: str, target: int, *, happens: bool = True) -> Decision:
        decision = self.admission.admit(key, change(self.counts[key], target))
        if decision.verdict is not Verdict.HOLD:
            if happens:
                self.counts[key] = decision.target
                self.admission.made(key)
            else:
                self.admission.given_back(key)
        return decision


def test_when_all_read_zero_at_once_the_share_goes_and_no_more() -> None:
    desk = Desk()
    targets = [desk.ask(key, 0).target for key in KEYS]
    assert targets == [0, 0, 10, 10], "20 of 40 tasks, first come, first served"
    desk.now += WINDOW_S - 1
    refused = desk.ask("c", 0)
    assert (refused.target, refused.rule) == (10, Rule.FLEET_CAP)
    assert "at most 50 % of 40 tasks go within 300 s; 20 of 20 went" in refused.steps[-1].reason
    desk.now += 1
    assert desk.ask("c", 0).target == 0


def test_a_part_of_a_scale_in_is_permitted() -> None:
    desk = Desk(percent=10)
    assert desk.ask("a", 3).target == 6


def test_at_least_one_task_may_always_go() -> None:
    desk = Desk(percent=1, counts={"a": 1, "b": 1})
    assert desk.ask("a", 0).target == 0
    assert desk.ask("b", 0).target == 1


def test_a_single_service_has_a_fleet_cap_only_where_it_is_set() -> None:
    assert Desk(percent=None, keys=("a",), counts={"a": 10}).ask("a", 0).target == 0
    assert Desk(percent=None, keys=("a", "a"), counts={"a": 10}).ask("a", 0).target == 0
    assert Desk(percent=50, keys=("a",), counts={"a": 10}).ask("a", 0).target == 5


def test_of_several_services_half_of_the_tasks_go_where_nothing_is_set() -> None:
    assert Desk(percent=None, keys=("a", "b"), counts={"a": 10, "b": 2}).ask("a", 0).target == 4


def test_the_fleet_cap_has_no_say_in_a_scale_out() -> None:
    desk = Desk(percent=1)
    assert desk.ask("a", 500).target == 500
    assert desk.ask("a", 500).steps == ()


def test_what_certainly_did_not_happen_is_given_back() -> None:
    desk = Desk()
    for _ in range(5):
        assert desk.ask("a", 0, happens=False).target == 0
    assert [desk.ask(key, 0).target for key in KEYS] == [0, 0, 10, 10]


def test_an_answer_that_was_lost_counts_until_it_is_known() -> None:
    desk = Desk()
    for key in ("a", "b"):
        assert desk.admission.admit(key, change(10, 0)).target == 0
        assert desk.admission.admit(key, change(10, 0)).target == 0, "asked again: the same ten tasks, not ten more"
    assert desk.ask("c", 0).target == 10
    desk.now += WINDOW_S + WRITE_S - 1
    assert desk.ask("c", 0).target == 10
    desk.admission.saw("a", 0)  # it did happen, and for all we know just now
    desk.now += 1
    assert desk.ask("c", 0).target == 0
    assert desk.ask("d", 0).target == 10


def test_a_hold_forgets_nothing() -> None:
    desk = Desk()
    desk.admission.admit("a", change(10, 0))
    desk.admission.admit("a", change(10, 10))
    assert desk.ask("b", 0).target == 0
    assert desk.ask("c", 0).target == 10


SERVICES = st.sampled_from(KEYS)
ACTS = st.tuples(
    SERVICES,
    st.sampled_from([0, 1, 5, 9, 10, 11, 60]),
    st.sampled_from(["made", "given back", "lost", "lost and made"]),
    st.sampled_from([0.0, 1.0, 150.0, WINDOW_S - 1, WINDOW_S]),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(ACTS, max_size=40), st.sampled_from([1, 10, 50, 100]))
def test_whoever_counts_tasks_never_sees_more_go_in_a_window_than_the_share(
    acts: list[tuple[str, int, str, float]], percent: int
) -> None:
    """The observer sees the writes that took effect and nothing else."""
    desk = Desk(percent=percent)
    removals: list[tuple[float, int, int]] = []
    for key, target, fate, after_s in acts:
        desk.now += after_s
        desk.admission.saw(key, desk.counts[key])
        decision = desk.admission.admit(key, change(desk.counts[key], target))
        assert min(decision.current, target) <= decision.target <= max(decision.current, target)
        if decision.verdict is Verdict.HOLD:
            continue
        if fate in ("made", "lost and made"):
            removals.append((desk.now, max(0, decision.current - decision.target), sum(desk.counts.values())))
            desk.counts[key] = decision.target
        if fate == "made":
            desk.admission.made(key)
        elif fate == "given back":
            desk.admission.given_back(key)
    for began, *_ in removals:
        window = [(tasks, of) for at, tasks, of in removals if began <= at < began + WINDOW_S]
        most = max(of for at, _, of in removals if began - WINDOW_S - WRITE_S <= at < began + WINDOW_S)
        assert sum(tasks for tasks, _ in window) <= -(-most * percent // 100)


DATABASE = SharedCap("connections", 100, (("a", 2), ("b", 3), ("c", 1)))


def test_a_scale_out_gets_what_the_others_leave_of_a_shared_cap() -> None:
    desk = Desk(caps=(DATABASE,))
    decision = desk.ask("a", 50)  # b takes 30 and c 10: 60 are left, at 2 a task
    assert (decision.target, decision.rule) == (30, Rule.SHARED_CAP)
    assert "60 of 100 connections are left, and a task takes 2" in decision.steps[-1].reason
    assert desk.ask("c", 30).target == 10
    assert desk.ask("d", 500).target == 500, "who is no member is not held back"


def test_a_shared_cap_forces_no_scale_in_and_does_not_touch_one() -> None:
    desk = Desk(caps=(SharedCap("connections", 5, (("a", 1), ("b", 1))),))
    assert desk.ask("a", 11).target == 10
    assert desk.ask("a", 9).steps == ()


def test_the_tightest_of_several_caps_holds() -> None:
    caps = (SharedCap("wide", 1000, (("a", 1),)), SharedCap("tight", 12, (("a", 1),)))
    assert Desk(caps=caps).ask("a", 50).target == 12
    assert Desk(caps=caps[::-1]).ask("a", 50).target == 12


def test_a_member_that_was_not_read_yet_is_unknown_and_not_zero() -> None:
    desk = Desk(caps=(DATABASE,), counts={"a": 1, "b": 1})
    assert desk.ask("a", 5).target == 1
    assert "how many tasks c have is not known" in desk.ask("a", 5).steps[-1].reason
    desk.admission.absent("c")
    assert desk.ask("a", 5).target == 5


def test_a_scale_out_under_way_takes_its_share_until_it_is_given_back() -> None:
    desk = Desk(caps=(DATABASE,))
    desk.admission.admit("a", change(10, 30))
    assert desk.ask("c", 20).target == 10
    desk.admission.given_back("a")
    assert desk.ask("c", 20).target == 20


def test_a_scale_in_under_way_keeps_its_share_until_it_is_made() -> None:
    desk = Desk(caps=(DATABASE,))
    desk.ask("c", 50)
    desk.admission.admit("a", change(10, 5))
    assert desk.ask("b", 20).target == 10
    desk.admission.made("a")
    assert desk.ask("b", 20).target == 13


@settings(deadline=None, max_examples=200)
@given(st.lists(ACTS, max_size=40))
def test_no_scale_out_takes_the_sum_over_the_cap(acts: list[tuple[str, int, str, float]]) -> None:
    desk = Desk(percent=None, caps=(DATABASE,), counts=dict.fromkeys(KEYS, 5))
    for key, target, fate, after_s in acts:
        desk.now += after_s
        before = dict(desk.counts)
        desk.ask(key, target, happens=fate == "made")
        taken = sum(desk.counts[member] * each for member, each in DATABASE.per_task)
        assert taken <= DATABASE.most or desk.counts[key] <= before[key]


@pytest.mark.parametrize("percent", [None, 50])
def test_nothing_piles_up(percent: int | None) -> None:
    desk = Desk(percent=percent)
    for turn in range(2000):
        desk.now += 10
        desk.counts["a"] = 10
        desk.admission.saw("a", 10)
        desk.ask("a", 9 - turn % 2)
    assert len(desk.admission._removals) <= WINDOW_S / 10 + 1
