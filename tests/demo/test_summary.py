"""The fixed fleet compared with brute force, and the arithmetic of the ledger and the summary."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.demo.load import Arrival
from autoscaler.demo.summary import FleetTotals, Ledger, least_tasks, observed_arrivals, percentile, summarize, waits_s

arrivals_lists = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0, 3.0]), st.sampled_from([0.0, 0.5, 1.75, 2.0, 9.0])), max_size=25
).map(lambda gaps: [Arrival(sum(gap for gap, _ in gaps[: n + 1]), work) for n, (_, work) in enumerate(gaps)])


def brute_force_waits_s(arrivals: Any, slots: Any) -> Any:
    """Return the wait of each message in seconds. Each message takes the slot that is free first."""
    free = [0.0] * slots
    waits = []
    for at_s, work_s in arrivals:
        first = min(range(slots), key=lambda slot: free[slot])
        starts = max(at_s, free[first])
        free[first] = starts + work_s
        waits.append(starts - at_s)
    return waits


@settings(deadline=None)
@given(arrivals_lists, st.integers(1, 6))
def test_waits_are_those_of_a_first_come_first_served_queue(arrivals: Any, slots: Any) -> None:
    assert waits_s(arrivals, slots) == pytest.approx(brute_force_waits_s(arrivals, slots))


@settings(deadline=None)
@given(arrivals_lists, st.integers(1, 3), st.sampled_from([0.0, 0.5, 2.0, 15.0]))
def test_the_fixed_fleet_is_the_smallest_that_meets_the_latency_target_for_every_message(
    arrivals: Any, concurrency: Any, latency_s: Any
) -> None:
    least = least_tasks(arrivals, concurrency, latency_s)
    expected = next(
        n for n in range(40) if not arrivals or (n and max(brute_force_waits_s(arrivals, n * concurrency)) <= latency_s)
    )
    assert least == expected


@settings(deadline=None)
@given(arrivals_lists, st.integers(1, 6))
def test_more_slots_never_make_a_message_wait_longer(arrivals: Any, slots: Any) -> None:
    more = waits_s(arrivals, slots + 1)
    assert all(b <= a + 1e-9 for a, b in zip(waits_s(arrivals, slots), more, strict=True))


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=1), st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_a_percentile_is_the_smallest_value_with_this_share_of_values_at_or_below_it(values: Any, share: Any) -> None:
    value = percentile(values, share)
    assert value in values
    assert sum(v <= value for v in values) >= share * len(values)
    assert all(sum(v <= lower for v in values) < share * len(values) for lower in values if lower < value)


def test_the_percentile_of_no_values_is_zero() -> None:
    assert percentile([], 0.95) == 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 9), max_size=40), st.lists(st.integers(0, 9), max_size=40))
def test_every_message_is_waiting_in_flight_or_processed(received: Any, deleted: Any) -> None:
    ledger = Ledger()
    ledger.note_sent(float(number) for number in range(10))
    for at, number in enumerate(received):
        ledger.note_received(number, 100.0 + at)
    ledger.note_deleted(number for number in deleted if number in ledger.received)
    assert ledger.waiting + ledger.in_flight + ledger.processed == 10
    assert ledger.lost == 10 - ledger.processed
    assert ledger.duplicates == len(received) - len(set(received))
    oldest = min((n for n in range(10) if n not in received), default=None)
    assert ledger.oldest_message_age_s(100.0) == (0.0 if oldest is None else 100.0 - oldest)
    for number in set(received):
        assert ledger.received[number] == 100.0 + received.index(number)


def ledger_of_run(*, lost: int = 0) -> Ledger:
    """Return the ledger of 20 messages, sent one per second. Each is received after 2 s and takes 5 s.

    The last `lost` messages are not received.
    """
    ledger = Ledger()
    ledger.note_sent(1000.0 + second for second in range(20))
    for number in range(20 - lost):
        ledger.note_received(number, 1002.0 + number)
        ledger.note_worked(number, 5.0)
        ledger.note_deleted([number])
    return ledger


def summary_of(ledger: Any, left: Any = 0, task_seconds: Any = 60.0, acceptable_latency_s: Any = 1.5) -> Any:
    return summarize(
        ledger,
        FleetTotals(task_seconds=task_seconds, peak_tasks=3, scale_outs=2, scale_ins=1, left=left),
        acceptable_latency_s=acceptable_latency_s,
        task_concurrency=2,
        elapsed_s=100.0,
    )


def test_a_summary_has_the_values_computed_by_hand() -> None:
    summary = summary_of(ledger_of_run())
    assert (summary.sent, summary.processed, summary.lost, summary.duplicates) == (20, 20, 0, 0)
    assert (summary.wait_p50_s, summary.wait_p95_s, summary.wait_max_s) == (2.0, 2.0, 2.0)
    assert summary.late == 20
    assert summary.fixed_fleet_tasks == 3
    assert summary.fixed_fleet_task_seconds == 300.0
    assert summary.saved_ratio == pytest.approx(0.8)
    assert summary.problems == ()


def test_a_message_that_waited_exactly_the_latency_target_is_not_late() -> None:
    assert summary_of(ledger_of_run(), acceptable_latency_s=2.0).late == 0


def test_lost_messages_and_remaining_tasks_are_problems_and_unreceived_messages_are_late() -> None:
    summary = summary_of(ledger_of_run(lost=2), left=4)
    assert summary.lost == 2
    assert summary.late == 20
    assert summary.problems == (
        "not processed before the time limit: 2 of 20 messages",
        "not scaled in to zero: 4 tasks are still desired or running",
    )


def test_the_summary_is_valid_json_and_has_every_required_key() -> None:
    required = (
        "sent processed lost duplicates late wait_p50_s wait_p95_s wait_max_s acceptable_latency_s task_seconds "
        "peak_tasks scale_outs scale_ins fixed_fleet_tasks fixed_fleet_task_seconds saved_ratio thinned_by"
    )
    for ledger in (ledger_of_run(), Ledger()):
        summary = json.loads(json.dumps(summary_of(ledger).as_json(), allow_nan=False))
        assert set(required.split()) <= set(summary)
    assert summary_of(Ledger()).saved_ratio is None


def test_the_fixed_fleet_gets_the_messages_at_their_actual_send_times() -> None:
    assert observed_arrivals(ledger_of_run())[:2] == [Arrival(0.0, 5.0), Arrival(1.0, 5.0)]
