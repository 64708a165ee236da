"""Which of two answers of ECS is certainly newer: only what can not happen in the other order is proof."""

from __future__ import annotations

import pytest

from autoscaler.core.model import Fleet, Revision

OLD, NEW = 100.0, 200.0


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [
        (Revision(event=NEW), Revision(event=OLD), True),
        (Revision(event=OLD), Revision(event=NEW), False),
        (Revision(event=NEW), Revision(event=NEW), False),
        (Revision(event=NEW), Revision(), False),
        (Revision(), Revision(event=OLD), False),
        (Revision(OLD, NEW), Revision(OLD, OLD), True),
        (Revision(OLD, OLD), Revision(OLD, NEW), False),
        (Revision(OLD, NEW), Revision(OLD, NEW), False),
        (Revision(OLD, NEW), Revision(OLD, None), False),
        (Revision(OLD, None), Revision(OLD, OLD), False),
        (Revision(NEW, NEW), Revision(OLD, OLD), False),  # another deployment: its update can be older
        (Revision(OLD, 0.5), Revision(OLD, 0.2), True),
        (Revision(OLD, 0.5), Revision(OLD, 0.0), True),
        (Revision(OLD, 0.0), Revision(OLD, 0.5), False),
        (Revision(OLD, 0.0), Revision(OLD, 0.0), False),
        (Revision(OLD, None), Revision(OLD, -1.0), False),
        (Revision(OLD, 0.0), Revision(OLD, -1.0), True),
        (Revision(OLD, NEW, NEW), Revision(OLD, NEW, None), False),
        (Revision(OLD, NEW, NEW), Revision(OLD, OLD, None), True),  # without both events, the updates count
        (Revision(OLD, NEW, None), Revision(OLD, OLD, NEW), True),
        (Revision(OLD, NEW, OLD), Revision(OLD, OLD, OLD), True),
        (Revision(OLD, OLD, NEW), Revision(OLD, NEW, OLD), True),  # events come first
        (Revision(), Revision(), False),
    ],
)
def test_an_answer_is_newer_only_if_that_is_certain(one: Revision, other: Revision, newer: bool) -> None:
    assert one.is_newer_than(other) is newer


@pytest.mark.parametrize(
    "answer",
    [
        Fleet(5, 5, 0, 0.0, revision=Revision(NEW, NEW, NEW)),
        Fleet(5, 5, 0, 0.0, providers=(("FARGATE_SPOT", 1.0),)),
        Fleet(5, 5, 0, 0.0, task_definitions=("orders:8",)),
    ],
)
def test_a_service_is_the_same_whatever_decisions_do_not_depend_on(answer: Fleet) -> None:
    assert answer == Fleet(5, 5, 0, 0.0)
    assert answer != Fleet(6, 5, 0, 0.0)
