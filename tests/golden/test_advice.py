"""Ten situations: the first line that a person reads is the cause, and the second one says what to do."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from autoscaler.aws.calls import GET_QUEUE_ATTRIBUTES, Call
from autoscaler.aws.faults import fault_of_silence, missing
from autoscaler.cli.status import _paragraphs
from autoscaler.core.model import QueueReading
from autoscaler.core.policy import Mode
from autoscaler.inspection.explaining import explained, page
from autoscaler.operating.status import Statuses
from autoscaler.ports import Poll
from autoscaler.telemetry.account import account_of, faults_of
from autoscaler.telemetry.status_store import SloStatus, StatusStore
from autoscaler.telemetry.views import services
from tests.golden.changes import STORIES
from tests.golden.playing import newest_poll
from tests.golden.story import read

SITUATIONS = [
    ("maximum_too_low", 2, "max_tasks is 5, and 30 tasks are required", "raise max_tasks"),
    (
        "no_capacity",
        4,
        "13 tasks do not start: no container instance met",
        "add or enlarge instances",
    ),
    (
        "failing_image",
        4,
        "13 tasks do not start: CannotPullContainerError: pull image manifest",
        "check the image's name and tag",
    ),
    ("poison", 7, "messages are received but not deleted: 160 received and 0 deleted", "check the workers' log"),
    ("pause_directions", 6, "scaling is paused (both directions)", "run autoscaler resume"),
    ("shadow", 2, "shadow mode writes nothing: 10 tasks instead of 2", 'set mode = "active"'),
    ("set_to_zero", 3, "set to 0 by an operator or another program", "raise its desired count"),
    ("one_queue_missing", 2, "sqs:GetQueueAttributes did not answer within 3 s", "check the network"),
    ("restart", 2, "no task is removed soon after a start (observed for", "wait: it ends by itself"),
    ("fifo", 4, "3 message groups are in flight", "use more message groups"),
]
"""The story, how many of its rows were played, the beginning of the cause, and that of the remedy."""


def polled(name: str, rows: int) -> Poll:
    if name == "shadow":
        poll = newest_poll(read(STORIES / "no_capacity.story"), rows)
        return replace(poll, policy=replace(poll.policy, mode=Mode.SHADOW))
    poll = newest_poll(read(STORIES / f"{name}.story"), rows)
    if name == "one_queue_missing":
        assert poll.observation is not None
        [first, *others] = poll.observation.queues
        fault = fault_of_silence(Call(GET_QUEUE_ATTRIBUTES, "orders, bills", "eu-west-1"), "did not answer within 3 s")
        gap = QueueReading(first.name, missing(fault))
        return replace(poll, observation=replace(poll.observation, queues=(gap, *others)))
    return poll


@pytest.mark.parametrize(("name", "rows", "cause", "remedy"), SITUATIONS, ids=[each[0] for each in SITUATIONS])
def test_the_first_line_is_the_cause_and_the_second_what_to_do(name: str, rows: int, cause: str, remedy: str) -> None:
    poll = polled(name, rows)
    account = explained(json.loads(json.dumps(account_of(poll, faults_of(poll)))))
    first, second, *_ = page(account).splitlines()
    assert first.startswith(f"Cause: {cause}")
    assert second.startswith(f"To do: {remedy}")
    store = StatusStore(lambda: 0.0, lambda: 0.0)
    store.note(poll)
    [row] = Statuses.of(services(store.statuses(), 0.0)["services"], None).rows
    shown = list(_paragraphs(row))[:2]
    assert shown == [first.replace("Cause", "Limit") if row.slo is SloStatus.MET else first, second]
