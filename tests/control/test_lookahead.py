"""The forecast from a queue's history: read once, then updated every minute."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi

import pytest

from autoscaler.control.background import Background
from autoscaler.control.learning import HISTORY_S, TRIES, ForecastHistory
from autoscaler.core.estimate.foreseen import EXPECTED_S
from autoscaler.errors import AutoscalerError, Denied, Unavailable
from autoscaler.ports import PeriodSum, QueueMinute, QueueRef, Span

MIDNIGHT = 1_700_006_400.0
ORDERS = QueueRef("orders")


def load(at: float) -> float:
    """Return the messages of a minute: a daily curve with a peak of 800 at noon and 0 at midnight."""
    return round(400 * (1 - cos(2 * pi * (at % 86_400) / 86_400)))


class DailyHistory:
    """The daily curve of `load`. The first minute of each hour is unknown."""

    def __init__(self, error: AutoscalerError | None = None) -> None:
        self.error = error
        self.requests: list[tuple[str, tuple[Span, ...]]] = []

    async def sent(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        self.requests.append((queue.name, tuple(spans)))
        if self.error is not None:
            raise self.error
        [(start, end, period_s)] = spans
        begins = range(int(start), int(end), period_s)
        return tuple((float(at), period_s, load(at)) for at in begins if at % 3600 >= 60)

    async def received(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
        return await self.sent(queue, spans)


class FixedClocks:
    """A settable wall clock, and the clock of instants: 1,000 s at `MIDNIGHT`."""

    def __init__(self, wall: float) -> None:
        self.wall = wall

    def now(self) -> float:
        return self.wall - MIDNIGHT + 1000


async def begun(history: DailyHistory, wall: float) -> tuple[ForecastHistory, FixedClocks]:
    clocks = FixedClocks(wall)
    async with Background() as background:
        ahead = ForecastHistory([ORDERS], history, background, clocks.now, lambda: clocks.wall)
        await ahead.begin()
    return ahead, clocks


async def test_the_history_of_14_days_is_read_once() -> None:
    history = DailyHistory()
    await begun(history, MIDNIGHT + 30.0)
    assert history.requests == [("orders", ((MIDNIGHT - HISTORY_S, MIDNIGHT, 60),))]


@pytest.mark.parametrize("hour", [6.0, 9.0, 15.0])
async def test_the_forecast_follows_the_time_of_day(hour: float) -> None:
    """The next minute is forecast within 10 %. A minute's messages are spread evenly over it."""
    wall = MIDNIGHT + hour * 3600 + 15.0
    ahead, _ = await begun(DailyHistory(), wall)
    foreseen = ahead.ahead()["orders"]
    within = dict(zip(EXPECTED_S, foreseen.coming, strict=True))
    expected = load(wall - 15) * 45 / 60 + load(wall + 45) * 15 / 60
    assert within[60.0] == pytest.approx(expected, rel=0.1)
    assert within[10.0] == pytest.approx(load(wall - 15) / 6, rel=0.1)
    before = dict(zip(EXPECTED_S, foreseen.past, strict=True))
    assert before[10.0] == pytest.approx(load(wall - 15) / 6, rel=0.1)
    assert before[60.0] == pytest.approx(load(wall - 15) * 15 / 60, rel=0.1), "the minute before is known"


async def test_each_minute_is_added_once_and_at_its_time() -> None:
    """The minute that ended at 06:01 is known at 06:02. The same minute again, or an older one, changes nothing."""
    ahead, clocks = await begun(DailyHistory(), MIDNIGHT + 6 * 3600)
    six_one = 1000 + 6 * 3600 + 60.0
    clocks.wall += 130
    ahead.see({"orders": QueueMinute(six_one, 5000, 5000, sent=5000)})
    after = ahead.ahead()
    assert after["orders"].coming[-1] > 1.5 * load(MIDNIGHT + 6 * 3600), "the newest minute counts"
    for at in (six_one, six_one - 60):
        ahead.see({"orders": QueueMinute(at, 0, 0, sent=0)})
        assert ahead.ahead() == after
    ahead.see({"orders": QueueMinute(six_one + 60), "strange": QueueMinute(six_one + 60, 1, 1, sent=1)})
    assert ahead.ahead() == after


async def test_a_short_clock_change_does_not_stop_the_forecast() -> None:
    ahead, clocks = await begun(DailyHistory(), MIDNIGHT + 6 * 3600)
    six = 1000 + 6 * 3600.0
    clocks.wall += 130
    before = ahead.ahead()
    month_s = 30 * 86_400
    clocks.wall += month_s
    ahead.see({"orders": QueueMinute(six + 60 + month_s, sent=1)})
    clocks.wall -= month_s
    assert ahead.ahead() == before
    ahead.see({"orders": QueueMinute(six + 120, sent=5000)})
    assert ahead.ahead()["orders"].coming[-1] > 1.5 * before["orders"].coming[-1]


async def test_datapoints_from_before_the_requested_time_are_ignored() -> None:
    class Early(DailyHistory):
        async def sent(self, queue: QueueRef, spans: Sequence[Span]) -> tuple[PeriodSum, ...]:
            found = await super().sent(queue, spans)
            return (*((spans[0][0] - 60 * back, 60, 1e5) for back in (3, 2, 1)), *found)

    wall = MIDNIGHT + 6 * 3600 + 15.0
    assert (await begun(Early(), wall))[0].ahead() == (await begun(DailyHistory(), wall))[0].ahead()


async def test_a_forecast_that_is_too_old_expects_no_messages() -> None:
    ahead, clocks = await begun(DailyHistory(), MIDNIGHT + 6 * 3600)
    clocks.wall += 1800
    assert set(ahead.ahead()["orders"].coming + ahead.ahead()["orders"].past) == {0.0}


async def test_a_denied_history_read_gives_a_notice() -> None:
    ahead, _ = await begun(DailyHistory(Denied("not authorized to call cloudwatch:GetMetricData")), MIDNIGHT)
    assert ahead.ahead() == {}
    [notice] = ahead.notices
    assert notice.kind == Denied.kind
    assert "no look-ahead: not authorized to call cloudwatch:GetMetricData" in notice.reason


async def test_an_unavailable_history_is_read_again_and_then_learned_from_new_minutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("autoscaler.control.learning.RETRY_S", 0.0)
    history = DailyHistory(Unavailable("timed out"))
    ahead, clocks = await begun(history, MIDNIGHT)
    assert len(history.requests) == TRIES
    assert (ahead.ahead(), ahead.notices) == ({}, [])
    for minute in range(1, 181):
        clocks.wall = MIDNIGHT + 60.0 * minute + 1
        ahead.see({"orders": QueueMinute(clocks.now() - 1, sent=700 if minute % 5 == 0 else 0)})
    clocks.wall = MIDNIGHT + 60.0 * 184
    assert ahead.ahead()["orders"].coming[-1] > 350, "the next minute is a multiple of five"


async def test_the_last_minute_is_forecast_if_it_is_not_known_yet() -> None:
    """At 06:03:20 the minute that ended at 06:00 is the newest one."""
    ahead, clocks = await begun(DailyHistory(), MIDNIGHT + 6 * 3600)
    clocks.wall = wall = MIDNIGHT + 6 * 3600 + 200
    expected = load(wall - 20) * 20 / 60 + load(wall - 80) * 40 / 60
    assert ahead.ahead()["orders"].past[-1] == pytest.approx(expected, rel=0.1)
