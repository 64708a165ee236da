"""The metrics: a scrape has all recorded values, an unknown value has no series, and every scrape can be parsed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric

from autoscaler import errors
from autoscaler.core.memory import AcceptedChange, Memory
from autoscaler.core.model import (
    ActiveDeployment,
    Backlog,
    Measurement,
    MetricReading,
    Missing,
    Rule,
    Utilization,
    Verdict,
)
from autoscaler.core.policy import Direction, MetricPolicy, Mode, Pause, QueuePolicy, ScaleIn
from autoscaler.errors import Unreadable
from autoscaler.ports import Category, Poll, Role, ServiceRef
from autoscaler.telemetry.account import cooldowns_s
from autoscaler.telemetry.families import SERVICE_LABELS
from autoscaler.telemetry.metrics import Form, labels_of, render
from autoscaler.telemetry.tally import FAILURES
from tests.telemetry.polls import (
    NOON,
    SERVICE,
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
from tests.telemetry.scraping import READERS, after, scraped

POLLS = [holding, scaling_out, missing_signal, refused, shadowed, unread]

EXPORTED = {
    "autoscaler_tasks",
    "autoscaler_queue_messages",
    "autoscaler_acceptable_latency_seconds",
    "autoscaler_decisions_total",
    "autoscaler_scalings_total",
    "autoscaler_drifts_total",
    "autoscaler_cooldown_remaining_seconds",
    "autoscaler_signal_age_seconds",
    "autoscaler_signal_usable",
    "autoscaler_service_up",
    "autoscaler_mode",
    "autoscaler_paused",
    "autoscaler_aws_requests_total",
    "autoscaler_aws_throttles_total",
    "autoscaler_tick_seconds_bucket",
    "autoscaler_tick_lag_seconds_bucket",
    "autoscaler_last_tick_timestamp_seconds",
    "autoscaler_build_info",
}


def of_service(desk: JournalDesk, name: str, **labels: str) -> float | None:
    """Return the value of one series of the service (None: there is no such series)."""
    names = labels_of(SERVICE, "") | labels
    return scraped(desk).get((name, frozenset(names.items())))


def test_every_expected_metric_is_exported_after_one_poll() -> None:
    desk = after(holding())
    desk.metrics.made("sqs:GetQueueAttributes", Category.QUEUE_READ, "ok")
    names = {name for name, _ in scraped(desk)}
    assert names >= EXPORTED


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(POLLS), max_size=12))
def test_the_counters_match_the_recorded_polls(kinds: list[Callable[[], Poll]]) -> None:
    polls = [kind() for kind in kinds]
    desk = JournalDesk()
    desk.store.admit(SERVICE, policy_of())
    for poll in polls:
        desk.record(poll)
    decisions = [poll.decision for poll in polls if poll.decision is not None]
    expected = Counter((decision.verdict.value, str(decision.rule or "none")) for decision in decisions)
    series = scraped(desk)
    counted = {
        (labels["verdict"], labels["rule"]): value
        for (name, pairs), value in series.items()
        if name == "autoscaler_decisions_total"
        for labels in [dict(pairs)]
    }
    assert {key: value for key, value in counted.items() if value} == expected
    assert of_service(desk, "autoscaler_scalings_total", direction="out") == kinds.count(scaling_out)
    assert of_service(desk, "autoscaler_failures_total", kind="denied") == kinds.count(missing_signal)
    assert series["autoscaler_tick_seconds_count", frozenset()] == len(polls)
    assert series["autoscaler_tick_seconds_sum", frozenset()] == pytest.approx(0.02 * len(polls))


def test_a_scale_in_is_counted_by_its_direction() -> None:
    desk = after(decided(seen(tasks=9, backlog=(1, 0, 0))))
    assert of_service(desk, "autoscaler_scalings_total", direction="in") == 1
    assert of_service(desk, "autoscaler_scalings_total", direction="out") == 0


@pytest.mark.parametrize(("expected", "drifts"), [(None, 0), (2, 0), (3, 1), (0, 1)])
def test_an_unexpected_desired_count_is_a_drift(expected: int | None, drifts: int) -> None:
    desk = after(decided(seen(tasks=2), memory=Memory(expected=expected)), unread())
    assert of_service(desk, "autoscaler_drifts_total") == drifts


def test_each_configured_metric_is_a_separate_signal() -> None:
    policy = policy_of(metrics=(MetricPolicy("lag", target_per_task=5.0), MetricPolicy("depth", target_per_task=5.0)))
    readings = (MetricReading("lag", Measurement(3.0, 990.0)), MetricReading("depth", Missing("no series", "no_data")))
    desk = after(decided(replace(seen(), metrics=readings), policy=policy))
    assert of_service(desk, "autoscaler_signal_usable", signal="metric:lag") == 1
    assert of_service(desk, "autoscaler_signal_usable", signal="metric:depth") == 0
    assert of_service(desk, "autoscaler_signal_age_seconds", signal="metric:lag") == 10.0
    assert of_service(desk, "autoscaler_signal_age_seconds", signal="metric:depth") is None


def test_a_change_in_shadow_is_not_counted() -> None:
    desk = after(shadowed())
    assert of_service(desk, "autoscaler_scalings_total", direction="out") == 0


def test_before_the_first_poll_all_series_of_closed_sets_are_zero() -> None:
    desk = JournalDesk()
    desk.store.admit(SERVICE, policy_of())
    for verdict in Verdict:
        for rule in (*Rule, "none"):
            assert of_service(desk, "autoscaler_decisions_total", verdict=verdict, rule=rule) == 0
    for direction in ("in", "out"):
        assert of_service(desk, "autoscaler_scalings_total", direction=direction) == 0
        assert of_service(desk, "autoscaler_cooldown_remaining_seconds", direction=direction) == 0
    assert all(of_service(desk, "autoscaler_failures_total", kind=kind) == 0 for kind in FAILURES)
    assert of_service(desk, "autoscaler_service_up") == 0


def test_before_the_first_poll_unknown_values_have_no_series() -> None:
    desk = JournalDesk()
    desk.store.admit(SERVICE, policy_of())
    assert of_service(desk, "autoscaler_tasks", kind="max") == 20
    assert of_service(desk, "autoscaler_tasks", kind="desired") is None
    assert of_service(desk, "autoscaler_last_tick_timestamp_seconds") is None


def test_the_closed_set_of_failures_has_the_kind_of_every_error() -> None:
    known: set[type[errors.AutoscalerError]] = {errors.AutoscalerError, *errors.AutoscalerError.__subclasses__()}
    assert {error.kind for error in known | {Unreadable}} | {"no_data", "stale", "not_read"} == set(FAILURES)


def test_an_unknown_kind_of_failure_creates_no_new_series() -> None:
    desk = after(missing_signal("other_kind"))
    desk.metrics.made("sqs:GetQueueAttributes", Category.QUEUE_READ, "other_kind")
    assert of_service(desk, "autoscaler_failures_total", kind="failed") == 1
    failed = frozenset({"api": "sqs:GetQueueAttributes", "outcome": "failed"}.items())
    assert scraped(desk)["autoscaler_aws_requests_total", failed] == 1
    assert not [labels for _, labels in scraped(desk) if "other_kind" in dict(labels).values()]


def test_a_queue_that_cannot_be_read_has_no_message_counts() -> None:
    readable = after(decided(seen(backlog=(3, 2, 1))))
    unreadable = after(decided(seen(backlog=(3, 2, 1))), missing_signal())
    for state, count in (("visible", 3), ("in_flight", 2), ("delayed", 1)):
        assert of_service(readable, "autoscaler_queue_messages", queue="orders-queue", state=state) == count
        assert of_service(unreadable, "autoscaler_queue_messages", queue="orders-queue", state=state) is None


def test_a_service_that_cannot_be_read_has_only_its_minimum_and_maximum() -> None:
    desk = after(holding(), unread())
    kinds = ("desired", "running", "pending", "demand", "target", "min", "max", "protected")
    counts = {kind: of_service(desk, "autoscaler_tasks", kind=kind) for kind in kinds}
    assert {kind: count for kind, count in counts.items() if count is not None} == {"min": 0, "max": 20}
    assert of_service(desk, "autoscaler_signal_usable", signal="ecs") == 0


def test_the_task_counts_are_exported_by_kind() -> None:
    observation = seen(backlog=(100, 0, 0))
    observation = replace(observation, fleet=replace(observation.fleet, running=1, pending=3, protected=1))
    desk = after(decided(observation, policy=policy_of(min_tasks=1, max_tasks=7)))
    expected = {"desired": 2, "running": 1, "pending": 3, "protected": 1, "demand": 20, "target": 7, "min": 1, "max": 7}
    assert {kind: of_service(desk, "autoscaler_tasks", kind=kind) for kind in expected} == expected


@pytest.mark.parametrize("older", [0, 1, 4])
def test_the_unfinished_deployments_are_exported_while_the_service_can_be_read(older: int) -> None:
    deployments = (ActiveDeployment("PRIMARY", "IN_PROGRESS"), *[ActiveDeployment("ACTIVE", "COMPLETED")] * older)
    during = seen()
    during = replace(during, fleet=replace(during.fleet, deployments=deployments))
    assert of_service(after(decided(during)), "autoscaler_unfinished_deployments") == 1 + older
    assert of_service(after(decided(during), holding()), "autoscaler_unfinished_deployments") == 0
    assert of_service(after(decided(during), unread()), "autoscaler_unfinished_deployments") is None


def test_without_a_vote_the_demand_is_unknown() -> None:
    assert of_service(after(missing_signal()), "autoscaler_tasks", kind="demand") is None
    assert of_service(after(missing_signal()), "autoscaler_tasks", kind="target") == 2


def test_the_age_of_a_missing_signal_increases() -> None:
    desk = after(holding())
    desk.record(missing_signal(), 30.0)
    desk.clock.now += 15.0
    assert of_service(desk, "autoscaler_signal_age_seconds", signal="queue:orders-queue") == 45.0
    assert of_service(desk, "autoscaler_signal_usable", signal="queue:orders-queue") == 0
    assert of_service(desk, "autoscaler_signal_usable", signal="ecs") == 1


def test_a_stale_datapoint_is_not_usable_and_at_zero_tasks_none_is_required() -> None:
    policy = policy_of(cpu_target_percent=60.0)
    old = Utilization(90.0, at=100.0)
    desk = after(decided(seen(cpu=old), policy=policy))
    assert of_service(desk, "autoscaler_signal_usable", signal="cpu") == 0
    assert of_service(desk, "autoscaler_signal_age_seconds", signal="cpu") == 900.0
    desk = after(decided(seen(tasks=0, backlog=(0, 0, 0)), policy=policy))
    assert of_service(desk, "autoscaler_signal_usable", signal="cpu") is None


@pytest.mark.parametrize(
    ("poll", "up"),
    [
        (holding(), 1),
        (scaling_out(), 1),
        (shadowed(), 1),
        (missing_signal(), 0),
        (refused(), 0),
        (unread(), 0),
        (decided(seen(cpu=Missing("no datapoint yet", "no_data")), policy=policy_of(cpu_target_percent=60.0)), 1),
        (decided(seen(cpu=Missing("not allowed", "denied")), policy=policy_of(cpu_target_percent=60.0)), 0),
        (missing_signal("no_data"), 0),
    ],
)
def test_a_service_is_up_while_it_is_served(poll: Poll, up: int) -> None:
    assert of_service(after(poll), "autoscaler_service_up") == up


@pytest.mark.parametrize(
    ("paused", "out", "into"), [(None, 0, 0), (Pause.ALL, 1, 1), (Pause.IN, 0, 1), (Pause.OUT, 1, 0), (0, 1, 1)]
)
def test_the_paused_metric_is_1_for_each_paused_direction(paused: Pause | int | None, out: int, into: int) -> None:
    desk = after(decided(seen(), policy=policy_of(paused=paused)))
    assert of_service(desk, "autoscaler_paused", direction="out") == out
    assert of_service(desk, "autoscaler_paused", direction="in") == into


@pytest.mark.parametrize("mode", list(Mode))
def test_exactly_one_mode_is_1(mode: Mode) -> None:
    desk = after(decided(seen(), policy=policy_of(mode=mode)))
    assert {one: of_service(desk, "autoscaler_mode", mode=one) for one in Mode} == {one: one is mode for one in Mode}


@settings(deadline=None)
@given(
    changes=st.lists(st.tuples(st.sampled_from([0.0, 1.0, 29.0, 30.0, 31.0, 60.0, 90.0]), st.sampled_from([-3, 2]))),
    out_s=st.sampled_from([0.0, 1.0, 30.0, 60.0]),
    in_s=st.sampled_from([0.0, 1.0, 30.0, 60.0]),
)
def test_a_cooldown_remains_exactly_while_a_change_in_its_direction_is_younger(
    changes: list[tuple[float, int]], out_s: float, in_s: float
) -> None:
    now = 1_000.0
    memory = Memory(changes=tuple(sorted(AcceptedChange(now - age_s, tasks) for age_s, tasks in changes)))
    policy = policy_of(scale_out=Direction(cooldown_s=out_s), scale_in=ScaleIn(cooldown_s=in_s, stabilization_s=0.0))
    remaining = cooldowns_s(policy, memory, now)
    assert (remaining["out"] > 0) == any(tasks > 0 and age_s < out_s for age_s, tasks in changes)
    assert (remaining["in"] > 0) == any(tasks < 0 and age_s < in_s for age_s, tasks in changes)
    assert remaining["out"] <= out_s
    assert remaining["in"] <= in_s


def test_a_cooldown_begins_with_the_change_and_decreases_between_polls() -> None:
    desk = after(decided(seen(backlog=(100, 0, 0)), policy=policy_of(scale_out=Direction(cooldown_s=30.0))))
    assert of_service(desk, "autoscaler_cooldown_remaining_seconds", direction="out") == 30.0
    desk.clock.now += 12.0
    assert of_service(desk, "autoscaler_cooldown_remaining_seconds", direction="out") == 18.0
    desk.clock.now += 18.0
    assert of_service(desk, "autoscaler_cooldown_remaining_seconds", direction="out") == 0.0
    assert of_service(desk, "autoscaler_cooldown_remaining_seconds", direction="in") == 0.0
    desk.clock.now += 5.0
    assert of_service(desk, "autoscaler_cooldown_remaining_seconds", direction="out") == 0.0


@pytest.mark.parametrize("outcome", ["shadow", "throttled"])
def test_a_change_that_ecs_did_not_accept_starts_no_cooldown(outcome: str) -> None:
    policy = policy_of(scale_out=Direction(cooldown_s=30.0))
    desk = after(decided(seen(backlog=(100, 0, 0)), outcome, policy=policy))
    assert of_service(desk, "autoscaler_cooldown_remaining_seconds", direction="out") == 0.0


def test_the_time_of_the_last_poll_is_wall_time() -> None:
    desk = after(holding())
    desk.record(holding(), 10.0)
    assert of_service(desk, "autoscaler_last_tick_timestamp_seconds") == NOON + 10.0


def test_the_stall_limit_is_exported_before_the_first_poll_and_follows_the_settings() -> None:
    desk = JournalDesk()
    for limit_s in (76.0, 376.0):
        desk.store.admit(SERVICE, policy_of(), silent_after_s=limit_s)
        assert of_service(desk, "autoscaler_silent_after_seconds") == limit_s


def test_the_series_of_a_removed_service_end() -> None:
    desk = after(holding())
    desk.journal.forget("orders")
    assert not [labels for _, labels in scraped(desk) if "ecs_service" in dict(labels)]


def test_the_counters_of_a_removed_service_restart_at_zero() -> None:
    desk = after(scaling_out())
    desk.journal.forget("orders")
    desk.record(holding())
    assert of_service(desk, "autoscaler_scalings_total", direction="out") == 0


def test_requests_are_counted_by_outcome_and_throttles_by_category() -> None:
    desk = JournalDesk()
    for outcome in ("ok", "ok", "throttled", "denied"):
        desk.metrics.made("ecs:UpdateService", Category.SERVICE_MODIFY, outcome)
    series = scraped(desk)
    calls = {"ok": 2.0, "throttled": 1.0, "denied": 1.0, "unavailable": 0.0}
    for outcome, count in calls.items():
        labels = frozenset({"api": "ecs:UpdateService", "outcome": outcome}.items())
        assert series["autoscaler_aws_requests_total", labels] == count
    for category in Category:
        expected = 1.0 if category is Category.SERVICE_MODIFY else 0.0
        assert series["autoscaler_aws_throttles_total", frozenset({("category", category.value)})] == expected


@settings(deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.01, 0.010001, 0.5, 30.0, 31.0]), max_size=20))
def test_a_bucket_counts_all_polls_up_to_its_bound(durations: list[float]) -> None:
    desk = JournalDesk()
    for duration_s in durations:
        desk.record(replace(holding(), took_s=duration_s))
    series = scraped(desk)
    for bound in (0.01, 0.025, 0.5, 30.0, float("inf")):
        label = "+Inf" if bound == float("inf") else str(bound)
        counted = series["autoscaler_tick_seconds_bucket", frozenset({("le", label)})]
        assert counted == sum(duration_s <= bound for duration_s in durations)


def regions_and_accounts(desk: JournalDesk) -> set[tuple[str, ...]]:
    found = (dict(labels) for name, labels in scraped(desk) if name == "autoscaler_service_up")
    return {tuple(each[name] for name in SERVICE_LABELS) for each in found}


def test_the_region_and_the_account_are_labels_of_their_own_whatever_services_there_are() -> None:
    """They were a prefix of the cluster as soon as a second Region appeared, which broke series and alerts."""
    desk = JournalDesk()
    desk.metrics.region = "eu-west-1"
    desk.record(decided(seen(), service=SERVICE))
    first = ("", "eu-west-1", "prod", "orders-worker")
    assert regions_and_accounts(desk) == {first}
    role = Role("arn:aws:iam::000000000001:role/autoscaler")
    for number, (region, of) in enumerate((("us-east-1", None), (None, role), ("us-east-1", role))):
        desk.record(decided(seen(), service=replace(SERVICE, key=f"orders-{number}", region=region, role=of)))
    assert regions_and_accounts(desk) == {
        first,
        ("", "us-east-1", "prod", "orders-worker"),
        ("000000000001", "eu-west-1", "prod", "orders-worker"),
        ("000000000001", "us-east-1", "prod", "orders-worker"),
    }


def test_a_snapshot_does_not_change() -> None:
    desk = after(scaling_out())
    desk.metrics.made("sqs:GetQueueAttributes", Category.QUEUE_READ, "ok")
    snapshot = desk.metrics.snapshot()
    before = [line for line in render(snapshot, Form.TEXT).splitlines() if line.startswith(b"autoscaler_")]
    desk.metrics.made("sqs:GetQueueAttributes", Category.QUEUE_READ, "throttled")
    desk.record(scaling_out(), 5.0)
    assert [line for line in render(snapshot, Form.TEXT).splitlines() if line.startswith(b"autoscaler_")] == before


HOSTILE = st.one_of(
    st.text(min_size=1),
    st.sampled_from(
        ['"', "\\", "\n", "a\\nb", "\x1b[2J", "\u2028", "<script>", "\udc80", "x" * 2_000, '"} 1\nevil 1', "\r"]
    ),
)


@pytest.mark.parametrize("form", list(Form))
@settings(deadline=None, max_examples=40)
@given(cluster=HOSTILE, service=HOSTILE, queue=HOSTILE)
def test_any_name_is_parsed_back_from_the_exposition(form: Form, cluster: str, service: str, queue: str) -> None:
    desk = JournalDesk()
    policy = policy_of(queues=(QueuePolicy(queue, 60.0),))
    desk.record(decided(seen(queue=queue), service=ServiceRef("k", cluster, service), policy=policy))
    encodable = [name.encode("utf-8", "backslashreplace").decode() for name in (cluster, service, queue)]
    labels = dict(zip((*SERVICE_LABELS, "queue", "state"), ("", "", *encodable, "in_flight"), strict=True))
    assert scraped(desk, form)["autoscaler_queue_messages", frozenset(labels.items())] == 10


def families_of(desk: JournalDesk) -> list[Metric]:
    return list(READERS[Form.OPENMETRICS](render(desk.metrics.snapshot(), Form.OPENMETRICS).decode()))


def test_names_follow_the_conventions_of_prometheus() -> None:
    desk = after(decided(seen(backlog=Backlog(1, 2, 3, 1_000.0, oldest_age_s=4.0))))
    desk.metrics.made("sqs:GetQueueAttributes", Category.QUEUE_READ, "ok")
    ours = [family for family in families_of(desk) if family.name.startswith("autoscaler_")]
    assert len(ours) >= len(EXPORTED)
    for family in ours:
        assert family.documentation.endswith("."), family.name
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket")), family.name
        assert not any(unit in family.name for unit in ("_ms", "_percent", "_minutes")), family.name
        for sample in family.samples:
            assert not {"service", "cluster", "type", "instance", "job"} & set(sample.labels), family.name
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
