"""The table's rows as news: only what changed is told, once made for all who know as much."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from autoscaler.core.model import Backlog, Missing, QueueReading
from autoscaler.ports import ServiceRef
from autoscaler.telemetry.page import rows as module
from autoscaler.telemetry.page.rows import Rows, row_of
from tests.telemetry.ticks import Desk, decided, holding, policy_of, scaling_out, seen, unread

HUNG_AFTER_S = 30.0
BILLS = ServiceRef("bills", "prod", "bills-worker")


class Watcher:
    """Somebody who watches: knows what he was told, and asks for more."""

    def __init__(self, desk: Desk, rows: Rows) -> None:
        self._desk, self._rows, self._known = desk, rows, ""

    async def look(self, *, after_s: float = 1.0) -> dict[str, Any] | None:
        self._desk.clock.now += after_s
        news = await self._rows.news(self._known)
        if news is None:
            return None
        self._known = news.id
        told: dict[str, Any] = json.loads(news.data)
        return told


def watched(*ticks: Any) -> tuple[Desk, Watcher]:
    desk = Desk()
    for tick in ticks:
        desk.record(tick)
    return desk, Watcher(desk, Rows(desk.store, HUNG_AFTER_S))


def keys(news: dict[str, Any] | None) -> list[str]:
    return [] if news is None else [row["key"] for row in news["rows"]]


async def test_whoever_comes_is_told_everything_and_then_only_what_changed() -> None:
    desk, watcher = watched(holding(), decided(seen(), service=BILLS))
    first = await watcher.look()
    assert keys(first) == ["orders", "bills"]
    assert first is not None
    assert first["keys"] == ["orders", "bills"]
    desk.record(holding())
    assert await watcher.look() is None, "a look that saw the same is no news"
    desk.record(scaling_out())
    second = await watcher.look()
    assert keys(second) == ["orders"]
    assert second is not None
    assert second["keys"] is None


async def test_a_service_that_comes_or_goes_is_told() -> None:
    desk, watcher = watched(holding())
    await watcher.look()
    desk.store.admit(BILLS, policy_of("bills"))
    news = await watcher.look()
    assert news is not None
    assert (news["keys"], keys(news)) == (["orders", "bills"], ["bills"])
    desk.store.dismiss("orders")
    news = await watcher.look()
    assert news is not None
    assert (news["keys"], keys(news)) == (["bills"], [])


async def test_whoever_lost_the_line_is_told_what_he_missed_and_after_a_restart_everything() -> None:
    desk, watcher = watched(holding(), decided(seen(), service=BILLS))
    await watcher.look()
    desk.record(scaling_out())
    await Watcher(desk, watcher._rows).look()
    assert keys(await watcher.look()) == ["orders"]
    desk.clock.now += 60
    watcher._rows = Rows(desk.store, HUNG_AFTER_S)
    assert keys(await watcher.look()) == ["orders", "bills"]
    for nonsense in ("x", "9.x", f"{watcher._rows._begun}.999", "1.-1", "١.١"):
        watcher._known = nonsense
        assert keys(await watcher.look()) == ["orders", "bills"]


async def test_a_row_is_made_once_however_many_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def counting(*of: Any) -> Any:
        made.append(of)
        return row_of(*of)

    monkeypatch.setattr(module, "row_of", counting)
    desk, watcher = watched(holding())
    others = [Watcher(desk, watcher._rows) for _ in range(9)]
    told = [await one.look(after_s=0.0) for one in (watcher, *others)]
    assert len(made) == 1
    assert told.count(told[0]) == 10
    desk.record(scaling_out(), 1.0)
    news = [await watcher._rows.news(one._known) for one in (watcher, *others)]
    texts = [each.data for each in news if each is not None]
    assert len(texts) == 10
    assert len(made) == 2
    assert len({id(text) for text in texts}) == 1, "all who are in step get the same text"


async def test_a_loop_that_went_silent_is_said_to_be_and_its_promise_is_not_known() -> None:
    _, watcher = watched(decided(seen(backlog=(1, 1, 0))))
    await watcher.look()
    news = await watcher.look(after_s=HUNG_AFTER_S + 1)
    assert news is not None
    assert (news["rows"][0]["slo"], news["rows"][0]["reason"]) == (
        "unknown", "its loop has not completed a poll for too long",
    )  # fmt: skip


def test_what_is_not_known_of_a_service_is_null() -> None:
    desk, _ = watched(unread())
    row = row_of(desk.store.statuses()[0])
    assert [row[name] for name in ("waiting", "in_flight", "oldest_s", "desired", "running", "verdict")] == [None] * 6
    assert row["sentence"] == "orders: no decision: prod/orders-worker does not exist"


def test_of_several_queues_the_sum_is_known_only_where_each_was_read() -> None:
    tick = decided(seen(backlog=(5, 1, 0)))
    assert tick.observation is not None
    both = replace(tick.observation, queues=(*tick.observation.queues, QueueReading("other", Missing("no"))))
    desk, _ = watched(replace(tick, observation=both))
    row = row_of(desk.store.statuses()[0])
    assert (row["waiting"], row["in_flight"], row["oldest_s"]) == (None, None, None)


@pytest.mark.parametrize(("oldest_s", "told_s"), [(0.5, None), (1e4, 10_000)])
def test_where_a_queue_was_not_read_only_a_late_one_is_the_oldest(oldest_s: float, told_s: int | None) -> None:
    tick = decided(seen(backlog=(5, 1, 0)))
    assert tick.observation is not None
    known = QueueReading("orders", Backlog(5, 1, 0, tick.observation.now, oldest_age_s=oldest_s))
    both = replace(tick.observation, queues=(known, QueueReading("other", Missing("no"))))
    desk, _ = watched(replace(tick, observation=both))
    assert row_of(desk.store.statuses()[0])["oldest_s"] == told_s


def test_a_count_that_ecs_accepted_is_the_desired_one() -> None:
    desk, _ = watched(scaling_out())
    row = row_of(desk.store.statuses()[0])
    assert (row["running"], row["desired"], row["verdict"]) == (2, 20, "scale_out")
