"""How long it takes to clear a backlog: closed forms, and laws over drawn worlds.

Unless stated, a message takes 5 s, a task has one slot and starts in 50 s.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.clearing import Clearing, clearing, has_backlog, in_words, time_to_clear_s
from autoscaler.core.engine import decide
from autoscaler.core.figures import span
from autoscaler.core.knowledge import Estimate, Knowledge
from autoscaler.core.memory import Memory
from tests.core.test_latency import known, policy
from tests.core.test_slo import seen


def arriving(per_s: float, waiting: float = 600.0, **more: float) -> Knowledge:
    return replace(known((30.0, waiting), **more), rate_per_s=Estimate(per_s))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("knowledge", "running", "tasks", "expected_s"),
    [
        (arriving(0.0), 5, 5, 600.0),  # 5 tasks receive one message a second
        (arriving(0.0, slots=2.0), 5, 5, 300.0),
        (arriving(0.5), 5, 5, 1200.0),
        (arriving(0.99), 5, 5, 60_000.0),
        (arriving(1.0), 5, 5, inf),
        (arriving(0.0), 10, 5, 600.0),  # five tasks are removed
        (arriving(0.0), 0, 5, 50.0 + 600.0),
        (arriving(1.0), 0, 10, 50.0 + 650.0),  # 50 messages arrive until the tasks run
        (arriving(0.0), 5, 10, 50.0 + 550.0 / 2),
        (arriving(0.0, 40.0), 5, 10, 40.0),  # cleared before the other tasks run
        (arriving(0.0, 50.0), 5, 10, 50.0),
        (arriving(2.0), 5, 10, inf),
        (arriving(0.0, 0.0), 5, 5, 0.0),
        (arriving(0.0, 60.0), 10, 5, 60.0),
        (arriving(0.0, 20.0, slots=2.0), 5, 5, 10.0),
        (replace(arriving(0.0), slow_s=0.0), 5, 5, 0.12),  # a message takes at least a millisecond
        (replace(arriving(0.0), bottleneck=4.0), 5, 20, 750.0),
        (replace(arriving(0.0), bottleneck=4.0), 2, 20, 50.0 + (600.0 - 0.4 * 50) / 0.8),
        (replace(arriving(0.0), groups=2.0, bottleneck=9.0), 5, 5, 1500.0),
        (replace(arriving(0.0), holding_s=50.0), 5, 5, 6000.0),
    ],
)
def test_the_time_to_clear_is_the_backlog_over_the_surplus_of_receives(
    knowledge: Knowledge, running: int, tasks: int, expected_s: float
) -> None:
    assert time_to_clear_s(knowledge, running, tasks) == pytest.approx(expected_s)


@given(st.floats(0.0, 50.0), st.floats(0.0, 1e5), st.integers(0, 200), st.integers(1, 200), st.integers(0, 50))
def test_more_tasks_never_clear_later_and_more_messages_never_earlier(
    rate: float, waiting: float, running: int, tasks: int, more: int
) -> None:
    here = time_to_clear_s(arriving(rate, waiting), running, tasks)
    assert here >= 0
    assert time_to_clear_s(arriving(rate, waiting), running, tasks + more) <= here * (1 + 1e-9) + 1e-6
    assert time_to_clear_s(arriving(rate, waiting + more), running, tasks) >= here * (1 - 1e-9)
    assert time_to_clear_s(arriving(rate + more, waiting), running, tasks) >= here * (1 - 1e-9)


def test_the_target_and_twice_as_many_tasks_are_stated() -> None:
    observation = seen(arriving(0.2), 600, 5)
    decision = replace(decide(policy(), Memory(), observation), target=5)
    assert clearing(observation, decision) == (Clearing(5, 750.0), Clearing(10, 50.0 + 560.0 / 1.8))
    limited = replace(observation, knowledge=replace(arriving(0.2), bottleneck=5.0))
    assert clearing(limited, decision) == (Clearing(5, 750.0),), "more tasks clear nothing sooner"
    assert clearing(observation, replace(decision, target=0)) == ()
    assert clearing(replace(observation, knowledge=None), decision) == ()
    assert clearing(seen(arriving(0.2, 0.4), 0, 5), decision) == ()


@pytest.mark.parametrize(("waiting", "is_one"), [(0.0, False), (0.49, False), (0.5, True)])
def test_half_a_message_is_a_backlog(waiting: float, is_one: bool) -> None:
    assert has_backlog(arriving(0.0, waiting)) is is_one


def test_the_words_name_the_counts_and_what_is_assumed() -> None:
    learned = arriving(0.0, 900.0)
    times = (Clearing(12, 3720.0), Clearing(24, 900.0))
    assert (
        in_words(learned, times)
        == "the backlog of 900 messages is cleared at 12 tasks in 62 min, at 24 tasks in 15 min"
    )
    assumed = replace(learned, processing_s=Estimate(5.0))
    assert in_words(assumed, (Clearing(1, inf), Clearing(2, 90.0))) == (
        "the backlog of 900 messages is not cleared at 1 task, cleared at 2 tasks in 90 s, if the processing time is "
        "as configured or assumed"
    )
    assert in_words(learned, (Clearing(1, inf),)) == "the backlog of 900 messages is not cleared at 1 task"
    assert in_words(learned, ()) is None


@pytest.mark.parametrize(
    ("duration_s", "words"),
    [
        (0.0, "0 s"),
        (0.4, "0 s"),
        (119.4, "119 s"),
        (119.6, "2 min"),
        (7_169.0, "119 min"),
        (7_170.1, "1.99 h"),
        (7_200.0, "2 h"),
        (11_520.0, "3.2 h"),
        (172_799.0, "48 h"),
        (172_800.0, "2 days"),
    ],
)
def test_a_span_is_given_in_the_unit_that_a_person_would_use(duration_s: float, words: str) -> None:
    assert span(duration_s) == words
