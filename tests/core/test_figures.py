"""Numbers in texts: short, without exponents, and 0 only for zero."""

from __future__ import annotations

import re
from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.engine import decide
from autoscaler.core.explain import sentence
from autoscaler.core.figures import Several, are, number, protecting, seconds, several
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, Missing, Observation, QueueReading, Rule
from autoscaler.core.policy import Policy
from tests.core.calm import NOW, policy, seen
from tests.core.strategies import worlds

UNREADABLE = re.compile(r"\d\.\d{4,}|\d(\.\d+)?e[+-]?\d", re.IGNORECASE)
ONE = re.compile(r"(?<![\d.,])(?<!and )1 (tasks|messages|readings|minutes|groups)\b")

NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1e5),
    st.floats(0, 1),
    st.sampled_from([200 / 3, 0.1 + 0.2, 1e-5, 5e-324, 0.0005, 0.00049, 0.9996, 9.996, 99.96, 999.5, 1e15, 1e300]),
)


@given(NUMBERS)
def test_a_number_has_at_most_three_decimals_and_no_exponent(value: float) -> None:
    text = number(value)
    assert re.fullmatch(r"(less than |more than )?-?[0-9,]+(\.[0-9]{1,3})?( x 10\^[0-9]+)?", text), text
    assert len(text) <= 25


@given(NUMBERS)
def test_a_number_is_exact_to_half_a_percent_and_only_zero_is_shown_as_0(value: float) -> None:
    text = number(value)
    assert (text in {"0", "-0"}) is (value == 0)
    if abs(value) >= 0.1 and "x" not in text:
        assert float(text.replace(",", "")) == pytest.approx(value, rel=0.005)


@given(st.integers(-(10**14), 10**14))
def test_a_whole_number_is_shown_with_all_digits(value: int) -> None:
    assert int(number(value).replace(",", "")) == value == int(number(float(value)).replace(",", ""))


def test_one_is_singular_and_every_other_number_is_plural() -> None:
    texts = [several(count, "task") for count in (0, 1, 2, 1.0, 1.5)]
    assert texts == ["0 tasks", "1 task", "2 tasks", "1 task", "1.5 tasks"]
    assert (are(1, "message"), are(1000, "message")) == ("1 message is", "1,000 messages are")
    assert (protecting(1), protecting(0)) == ("1 task protects itself", "0 tasks protect themselves")
    assert (seconds(200 / 3), seconds(inf)) == ("66.7 s", "inf s")


@given(worlds(), st.floats(1e-5, 1e5))
def test_the_reasons_of_a_decision_have_no_unreadable_numbers(
    world: tuple[Policy, Memory, Observation], latency_s: float
) -> None:
    policy, memory, seen = world
    scale_in = replace(policy.scale_in, small_step_stabilization_s=latency_s * 3)
    policy = replace(policy, acceptable_latency_s=latency_s, scale_in=scale_in)
    decision = decide(policy, memory, seen)
    texts = [step.reason for step in decision.steps] + [vote.reason for vote in decision.votes]
    for text in [*texts, sentence(policy, decision, seen)]:
        assert not UNREADABLE.search(text), text
        assert not ONE.search(text), text


def busy_reason(in_flight: int, protected: int | None, *queues: QueueReading) -> str:
    """Return the reason of the busy rule for ten tasks and an empty backlog."""
    one = QueueReading("q", Backlog(0, in_flight, 0, NOW))
    world = seen(0, queues=(one, *queues))
    world = replace(world, fleet=replace(world.fleet, protected=protected))
    steps = decide(policy(), Memory(), world).steps
    return next(step.reason for step in steps if step.rule is Rule.BUSY)


def test_protection_that_was_not_read_is_not_reported_as_0() -> None:
    assert busy_reason(3, None) == "3 tasks are busy with 3 messages in flight"
    assert busy_reason(2, 0) == "2 tasks are busy with 2 messages in flight, 0 tasks protect themselves"
    assert busy_reason(0, 4) == "4 tasks protect themselves"


def test_counts_without_all_queues_say_that_they_cover_the_queues_that_were_read() -> None:
    world = seen(
        0, queues=(QueueReading("q", Backlog(0, 0, 0, NOW)), QueueReading("r", Missing("it was denied", "denied")))
    )
    [vote] = decide(policy(), Memory(), world).votes
    assert vote.reason.startswith("backlog 0, 0 in flight in the queues that were read")
    [vote] = decide(policy(), Memory(), replace(world, queues=world.queues[:1])).votes
    assert vote.reason.startswith("backlog 0, 0 in flight, ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (0.0, "0"), (1, "1"), (1.0, "1"), (1234567, "1,234,567"), (-1234.0, "-1,234"),
        (0.1234, "0.123"), (0.9994, "0.999"), (1.001, "1"), (1.236, "1.24"), (9.994, "9.99"), (10.04, "10"),
        (10.06, "10.1"), (99.94, "99.9"), (100.4, "100"), (123.6, "124"), (-12.34, "-12.3"),
        (0.0005, "0.001"), (0.0007, "0.001"), (0.00049, "less than 0.001"), (0.0001, "less than 0.001"),
        (-0.00049, "more than -0.001"), (-0.0007, "-0.001"),
        (10**15 - 1, "999,999,999,999,999"), (10**15, "1 x 10^15"), (-(10**15), "-1 x 10^15"),
        (10**400, "1 x 10^400"),
        (1e15, "1 x 10^15"), (1.5e15, "1.5 x 10^15"), (6e14, "600,000,000,000,000"), (1.23456e20, "1.23 x 10^20"),
        (inf, "inf"), (-inf, "-inf"),
    ],
)  # fmt: skip
def test_three_digits_of_a_fraction_and_all_of_a_whole_number_below_a_thousand_million_million(
    value: float, text: str
) -> None:
    assert number(value) == text
    assert several(value, "task") == f"{text} {'task' if text == '1' else 'tasks'}"
    assert str(Several(value, "task")) == several(value, "task")


def test_a_plural_that_is_not_formed_with_an_s_is_given() -> None:
    assert [several(count, "entry", "entries") for count in (1, 2)] == ["1 entry", "2 entries"]
    assert [are(count, "entry", "entries") for count in (1, 2)] == ["1 entry is", "2 entries are"]
    assert protecting(2) == "2 tasks protect themselves"
