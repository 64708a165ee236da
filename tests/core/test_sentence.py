"""The sentence of a decision: where a number comes from, and the latency targets."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from autoscaler.core.engine import decide
from autoscaler.core.explain import sentence
from autoscaler.core.knowledge import Estimate
from autoscaler.core.memory import Memory
from autoscaler.core.model import Backlog, QueueReading, Utilization
from autoscaler.core.policy import QueuePolicy
from tests.core.calm import NOW, policy, seen
from tests.core.test_latency import known as knowledge


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"processing_s": Estimate(5.0)}, "5 s each (assumed, nothing learned yet)"),
        ({"processing_s": Estimate(5.0, 90.0)}, "5 s each (learned, confidence 90%)"),
        (
            {"processing_s": Estimate(5.0, 90.0), "slow_s": 6.0},
            "6 s each (in the last minutes, learned, confidence 90%)",
        ),
        ({"processing_s": Estimate(5.0, inf)}, "5 s each (configured)"),
        ({"holding_s": 300.0}, "300 s each (held longer than any before)"),
        ({"holding_s": 0.5}, "5 s each (held longer than any before)"),
    ],
)
def test_the_sentence_says_where_the_processing_time_comes_from(known: dict[str, Any], words: str) -> None:
    world = replace(seen(80), knowledge=replace(knowledge(), **known))
    unset = policy(backlog_per_task=None)
    assert words in sentence(unset, decide(unset, Memory(), world))
    assumed = replace(unset, processing_time_s=5.0)
    if "nothing" in words:
        assert "(configured, nothing learned yet)" in sentence(assumed, decide(assumed, Memory(), world))


def test_the_sentence_gives_the_range_of_several_latency_targets() -> None:
    several = policy(
        backlog_per_task=None,
        processing_time_s=5.0,
        queues=(QueuePolicy("q", 60.0), QueuePolicy("slow", 600.0)),
    )
    assert "latency targets 60 s to 600 s: " in sentence(several, decide(several, Memory(), seen(80)))


def test_a_limit_that_decides_is_named_with_what_is_needed_without_it() -> None:
    """Above a bottleneck of 14.5 tasks, more tasks complete no more messages."""
    limited = replace(knowledge((30.0, 300.0)), bottleneck=14.5)
    world = replace(seen(300), knowledge=limited)
    unset = policy(backlog_per_task=None)
    text = sentence(unset, decide(unset, Memory(), world))
    assert "15 tasks required; 56.6 to receive 300 waiting or expected messages" in text
    assert "after its start, but more than 14.5 tasks complete no more messages" in text


def test_a_whole_number_of_tasks_is_stated_once() -> None:
    steady = replace(knowledge(), lasting_load=4.0)
    world = replace(seen(0, desired=10), knowledge=steady)
    unset = policy(backlog_per_task=None)
    assert "4 tasks required, for 0.8 messages/s" in sentence(unset, decide(unset, Memory(), world))


@pytest.mark.parametrize(
    ("counted", "words"), [(True, "backlog 80, 0 in flight, 7 delayed, 10"), (False, "in flight, 10")]
)
def test_delayed_messages_are_named_if_they_are_counted(counted: bool, words: str) -> None:
    per_task = policy(count_delayed=counted)
    world = replace(seen(80), queues=(QueueReading("q", Backlog(80, 0, 7, NOW)),))
    assert f"{words} per task" in sentence(per_task, decide(per_task, Memory(), world))


@pytest.mark.parametrize(
    ("percent", "words"),
    [
        (100.0, "): cpu was at 100 % on 10 tasks, target 50 %: 20 tasks required"),
        (
            51.0,
            "): cpu was at 51 % on 10 tasks, target 50 %; it is not above 10 tasks by more than its noise: 10 tasks "
            "required",
        ),
    ],
)
def test_a_reason_that_the_signal_gives_already_is_not_repeated(percent: float, words: str) -> None:
    by_cpu = policy(cpu_target_percent=50.0, backlog_per_task=1000.0)
    world = seen(1000, cpu=Utilization(percent, NOW, 10.0))
    assert sentence(by_cpu, decide(by_cpu, Memory(), world)).endswith(words)


def test_the_present_count_as_the_limit_is_stated_once_with_what_more_tasks_would_do() -> None:
    """It is no limit of what is needed: the words already say how many tasks would be kept."""
    world = replace(seen(0, desired=3), knowledge=knowledge(load=3.0))
    unset = policy(backlog_per_task=None)
    assert sentence(unset, decide(unset, Memory(), world)).endswith(
        "latency target 60 s: 3 tasks required; 3 tasks can meet the latency target; up to 3.58 tasks would be kept, "
        "but none is added"
    )
