"""The rows of the table as events: only changed rows, rendered once for all clients with the same version."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from autoscaler.core.model import Backlog, Missing, QueueReading
from autoscaler.ports import ServiceRef
from autoscaler.telemetry.account import cause_of
from autoscaler.telemetry.page import rows as module
from autoscaler.telemetry.page.rows import Rows, row_of
from autoscaler.telemetry.page.trend import PART_S, POINTS
from tests.telemetry.polls import (
    JournalDesk,
    decided,
    holding,
    missing_signal,
    policy_of,
    refused,
    scaling_out,
    seen,
    shadowed,
    unread,
)

HUNG_AFTER_S = 30.0
BILLS = ServiceRef("bills", "prod", "bills-worker")


class Watcher:
    """A client that stores its last event ID and requests newer rows."""

    def __init__(self, desk: JournalDesk, rows: Rows) -> None:
        self._desk, self._rows, self._known = desk, rows, ""

    async def fetch(self, *, after_s: float = 1.0) -> dict[str, Any] | None:
        self._desk.clock.now += after_s
        news = await self._rows.news(self._known)
        if news is None:
            return None
        self._known = news.id
        data: dict[str, Any] = json.loads(news.data)
        return data


def watched(*polls: Any) -> tuple[JournalDesk, Watcher]:
    desk = JournalDesk()
    for poll in polls:
        desk.record(poll)
    return desk, Watcher(desk, Rows(desk.store, HUNG_AFTER_S))


def keys(news: dict[str, Any] | None) -> list[str]:
    return [] if news is None else [row["key"] for row in news["rows"]]


async def test_a_new_client_gets_all_rows_and_then_only_changed_ones() -> None:
    desk, watcher = watched(holding(), decided(seen(), service=BILLS))
    first = await watcher.fetch()
    assert keys(first) == ["orders", "bills"]
    assert first is not None
    assert first["keys"] == ["orders", "bills"]
    desk.record(holding())
    assert keys(await watcher.fetch()) == ["orders"], "its tasks have an idle share, after the first time between polls"
    desk.record(holding())
    assert await watcher.fetch() is None, "a poll with the same values is no change"
    desk.record(scaling_out())
    second = await watcher.fetch()
    assert keys(second) == ["orders"]
    assert second is not None
    assert second["keys"] is None


async def test_an_added_or_removed_service_changes_the_list_of_keys() -> None:
    desk, watcher = watched(holding())
    await watcher.fetch()
    desk.store.admit(BILLS, policy_of("bills"))
    news = await watcher.fetch()
    assert news is not None
    assert (news["keys"], keys(news)) == (["orders", "bills"], ["bills"])
    desk.store.dismiss("orders")
    news = await watcher.fetch()
    assert news is not None
    assert (news["keys"], keys(news)) == (["bills"], [])


async def test_a_client_gets_the_rows_that_it_missed_and_after_a_restart_all_rows() -> None:
    desk, watcher = watched(holding(), decided(seen(), service=BILLS))
    await watcher.fetch()
    desk.record(scaling_out())
    await Watcher(desk, watcher._rows).fetch()
    assert keys(await watcher.fetch()) == ["orders"]
    desk.clock.now += 60
    watcher._rows = Rows(desk.store, HUNG_AFTER_S)
    assert keys(await watcher.fetch()) == ["orders", "bills"]
    for invalid in ("x", "9.x", f"{watcher._rows._begun}.999", "1.-1", "١.١"):
        watcher._known = invalid
        assert keys(await watcher.fetch()) == ["orders", "bills"]


async def test_a_row_is_built_once_for_any_number_of_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []

    def counting(*of: Any) -> Any:
        built.append(of)
        return row_of(*of)

    monkeypatch.setattr(module, "row_of", counting)
    desk, watcher = watched(holding())
    others = [Watcher(desk, watcher._rows) for _ in range(9)]
    received = [await one.fetch(after_s=0.0) for one in (watcher, *others)]
    assert len(built) == 1
    assert received.count(received[0]) == 10
    desk.record(scaling_out(), 1.0)
    news = [await watcher._rows.news(one._known) for one in (watcher, *others)]
    texts = [each.data for each in news if each is not None]
    assert len(texts) == 10
    assert len(built) == 2
    assert len({id(text) for text in texts}) == 1, "all clients with the same version get the same text"


async def test_the_slo_status_of_a_stalled_loop_is_unknown() -> None:
    _, watcher = watched(decided(seen(backlog=(1, 1, 0))))
    await watcher.fetch()
    news = await watcher.fetch(after_s=HUNG_AFTER_S + 1)
    assert news is not None
    assert (news["rows"][0]["slo"], news["rows"][0]["reason"]) == (
        "unknown", "its loop has not completed a poll for too long",
    )  # fmt: skip


def test_unknown_values_of_a_service_are_null() -> None:
    desk, _ = watched(unread())
    row = row_of(desk.store.statuses()[0])
    assert [row[name] for name in ("waiting", "in_flight", "oldest_s", "desired", "running", "verdict")] == [None] * 6
    assert row["sentence"] == "orders: no decision: prod/orders-worker does not exist"


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("prod/a, prod/b in eu-west-1: ecs:DescribeServices timed out; check", "ecs:DescribeServices timed out; check"),
        (
            "the queue a in us-gov-west-1: sqs:GetQueueAttributes: x in eu-west-1: y",
            "sqs:GetQueueAttributes: x in eu-west-1: y",
        ),
        ("prod/a does not exist; check the Region", "prod/a does not exist; check the Region"),
        ("took longer than 5 s in total: it is tried again", "took longer than 5 s in total: it is tried again"),
        ("", ""),
    ],
)
def test_the_cause_of_an_error_names_no_resource(reason: str, cause: str) -> None:
    assert cause_of(reason) == cause


def test_a_service_that_cannot_be_read_has_a_cause_without_the_remedy() -> None:
    desk, _ = watched(unread("prod/a, prod/b in eu-west-1: ecs:DescribeServices timed out; check the network"))
    row = row_of(desk.store.statuses()[0])
    assert row["unread"] == "ecs:DescribeServices timed out"
    assert row["sentence"] == "orders: no decision: ecs:DescribeServices timed out; check the network"
    assert row_of(watched(decided(seen()))[0].store.statuses()[0])["unread"] is None


def test_a_service_before_its_first_poll_is_not_unread_unless_its_loop_is_stalled() -> None:
    desk = JournalDesk()
    desk.store.admit(ServiceRef("orders", "prod", "orders"), policy_of())
    [status] = desk.store.statuses()
    assert (row_of(status)["slo"], row_of(status)["unread"]) == ("unknown", None)
    assert row_of(status, silent_s=99.0)["unread"] == "its loop has not completed a poll for too long"


def test_the_sum_over_queues_is_known_only_if_each_was_read() -> None:
    poll = decided(seen(backlog=(5, 1, 0)))
    assert poll.observation is not None
    both = replace(poll.observation, queues=(*poll.observation.queues, QueueReading("other", Missing("no"))))
    desk, _ = watched(replace(poll, observation=both))
    row = row_of(desk.store.statuses()[0])
    assert (row["waiting"], row["in_flight"], row["oldest_s"]) == (None, None, None)


@pytest.mark.parametrize(("oldest_s", "expected_s"), [(0.5, None), (1e4, 10_000)])
def test_with_an_unread_queue_the_oldest_age_is_known_only_if_another_queue_is_late(
    oldest_s: float, expected_s: int | None
) -> None:
    poll = decided(seen(backlog=(5, 1, 0)))
    assert poll.observation is not None
    known = QueueReading("orders", Backlog(5, 1, 0, poll.observation.now, oldest_age_s=oldest_s))
    both = replace(poll.observation, queues=(known, QueueReading("other", Missing("no"))))
    desk, _ = watched(replace(poll, observation=both))
    assert row_of(desk.store.statuses()[0])["oldest_s"] == expected_s


def test_a_target_that_ecs_accepted_is_the_desired_count() -> None:
    desk, _ = watched(scaling_out())
    row = row_of(desk.store.statuses()[0])
    assert (row["running"], row["desired"], row["verdict"]) == (2, 20, "scale_out")


LATE = Backlog(100, 0, 0, 1_000.0, oldest_age_s=61.0)


async def test_a_trend_is_sent_when_it_is_new_and_not_with_every_change_of_the_row() -> None:
    desk, watcher = watched(holding())
    first = await watcher.fetch()
    assert first is not None
    assert first["rows"][0]["trend"]["tasks"] == [2.0, "." * 59 + "z"]
    desk.record(scaling_out())
    second = await watcher.fetch()
    assert second is not None
    assert "trend" not in second["rows"][0]
    desk.record(scaling_out(), PART_S)
    third = await watcher.fetch()
    assert third is not None
    assert len(third["rows"][0]["trend"]["age"][1]) == POINTS
    new = await Watcher(desk, watcher._rows).fetch(after_s=0.0)
    assert new is not None
    assert "trend" in new["rows"][0], "a new client gets every trend"


async def test_the_polls_of_a_quiet_service_are_no_news() -> None:
    """Not even when a part of its trend ends: its sparklines stay the same once they are full. Nor after a day, when
    its oldest samples are removed.
    """
    desk, watcher = watched()
    idle = decided(seen(tasks=0, backlog=(0, 0, 0)))
    for _ in range(5 * POINTS):
        desk.record(idle, PART_S)
    await watcher.fetch()
    news = 0
    for _ in range(PART_S // 10):
        desk.record(idle, 9.0)
        news += await watcher.fetch() is not None
    assert news == 0


async def test_trends_that_are_due_at_once_are_computed_over_several_refreshes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRENDS_AT_A_TIME", 3)
    services = [ServiceRef(f"service-{number}", "prod", f"service-{number}") for number in range(10)]
    desk, watcher = watched(*(decided(seen(), service=each) for each in services))
    await watcher.fetch()
    desk.clock.now += PART_S - 1
    for each in services:
        desk.record(decided(seen(tasks=4), service=each))
    sent = []
    while (news := await watcher.fetch()) is not None:
        sent.append(sum("trend" in row for row in news["rows"]))
    assert sent == [3, 3, 3, 1]


async def test_without_a_stored_history_a_row_has_no_trend(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, watcher = watched(holding())
    await watcher.fetch()
    monkeypatch.setattr("autoscaler.telemetry.status_store.MOST_SERVICES_WITH_HISTORY", 1)
    desk.record(decided(seen(), service=BILLS))
    news = await watcher.fetch()
    assert news is not None
    assert ([row["trend"] for row in news["rows"]], news["remembers"]) == ([None, None], False)


def test_a_target_that_was_missed_is_remembered_for_six_hours_and_not_stated_while_it_is_missed() -> None:
    desk, _ = watched(decided(seen(backlog=LATE)))
    missed_at = desk.clock.wall()
    assert row_of(desk.store.statuses()[0])["missed_at"] is None
    desk.record(holding(), 40 * 60.0)
    assert row_of(desk.store.statuses()[0])["missed_at"] == missed_at
    desk.record(unread(), 60.0)
    assert row_of(desk.store.statuses()[0])["missed_at"] == missed_at
    desk.record(holding(), 6 * 3600.0)
    assert row_of(desk.store.statuses()[0])["missed_at"] is None


@pytest.mark.parametrize(
    ("poll", "brief"),
    [
        (decided(seen(tasks=0, backlog=(0, 0, 0))), "no change"),
        (scaling_out(), "2 → 20"),
        (shadowed(), "would be 2 → 20"),
        (decided(seen(backlog=(3_000, 0, 0))), "2 → 20: bounds, 600 required"),
        (decided(seen(tasks=20, backlog=(3_000, 0, 0))), "bounds, 600 required"),
        (missing_signal(), "no signal could be read"),
        (refused(), "2 → 20: AWS throttled the call"),
        (unread("prod/a in eu-west-1: ecs:DescribeServices timed out; check"), "ecs:DescribeServices timed out"),
    ],
)  # fmt: skip
def test_the_brief_form_of_a_decision_has_the_counts_and_what_determined_them(poll: Any, brief: str) -> None:
    row = row_of(watched(poll)[0].store.statuses()[0])
    assert row["brief"] == brief


def test_a_row_has_the_idle_share_of_today() -> None:
    desk, _ = watched(decided(seen(tasks=4, backlog=(0, 1, 0))))
    assert row_of(desk.store.statuses()[0])["idle"] is None
    desk.record(holding(), 10.0)
    assert row_of(desk.store.statuses()[0])["idle"] == 0.75


def test_a_missed_target_has_the_cause_and_a_met_one_has_none() -> None:
    backlog = Backlog(900, 0, 0, 1_000.0, oldest_age_s=90.0)
    late = decided(seen(backlog=backlog), policy=policy_of(max_tasks=6, backlog_per_task=10.0))
    assert late.decision is not None
    assert late.decision.target == 6
    desk, _ = watched(late)
    row = row_of(desk.store.statuses()[0])
    assert (row["slo"], row["cause"]) == ("missed", "max_tasks is 6, and 90 tasks are required")
    desk, _ = watched(holding())
    assert row_of(desk.store.statuses()[0])["cause"] is None
