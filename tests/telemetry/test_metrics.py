"""The metrics: what is recorded is what is scraped, what is not known is not there, and every page can be read back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric

from autoscaler import errors
from autoscaler.core.memory import Change, Memory
from autoscaler.core.model import Backlog, Measurement, MetricReading, Missing, Rule, Utilization, Verdict
from autoscaler.core.policy import Direction, MetricPolicy, Mode, Pause, QueuePolicy
from autoscaler.errors import Unreadable
from autoscaler.ports import Category, Role, ServiceRef, Tick
from autoscaler.telemetry.account import cooldowns_s
from autoscaler.telemetry.metrics import Form, render
from autoscaler.telemetry.tally import FAILURES
from tests.telemetry.scraping import READERS, after, scraped
from tests.telemetry.ticks import (
    NOON,
    SERVICE,
    Desk,
    blind,
    decided,
    holding,
    policy_of,
    refused,
    scaling_out,
    seen,
    shadowed,
    unread,
)

KINDS = [holding, scaling_out, blind, refused, shadowed, unread]

FILLED_TODAY = {
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


def of_service(desk: Desk, name: str, **labels: str) -> float | None:
    """One series of the service that the ticks are about (None: there is no such series)."""
    names = {"ecs_cluster": "prod", "ecs_service": "orders-worker"} | labels
    return scraped(desk).get((name, frozenset(names.items())))


def test_every_name_that_can_be_filled_is_there() -> None:
    desk = after(holding())
    desk.metrics.made("sqs:GetQueueAttributes", Category.QUEUE_READ, "ok")
    names = {name for name, _ in scraped(desk)}
    assert names >= FILLED_TODAY


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(KINDS), max_size=12))
def test_what_is_recorded_is_what_is_counted(kinds: list[Callable[[], Tick]]) -> None:
    ticks = [kind() for kind in kinds]
    desk = Desk()
    desk.store.admit(SERVICE, policy_of())
    for tick in ticks:
        desk.record(tick)
    made = [tick.decision for tick in ticks if tick.decision is not None]
    expected = Counter((decision.verdict.value, str(decision.rule or "none")) for decision in made)
    series = scraped(desk)
    counted = {
        (labels["verdict"], labels["rule"]): value
        for (name, pairs), value in series.items()
        if name == "autoscaler_decisions_total"
        for labels in [dict(pairs)]
    }
    assert {key: value for key, value in counted.items() if value} == expected
    assert of_service(desk, "autoscaler_scalings_total", direction="out") == kinds.count(scaling_out)
    assert of_service(desk, "autoscaler_failures_total", kind="denied") == kinds.count(blind)
    assert series["autoscaler_tick_seconds_count", frozenset()] == len(ticks)
    assert series["autoscaler_tick_seconds_sum", frozenset()] == pytest.approx(0.02 * len(ticks))


def test_a_scale_in_is_counted_as_one() -> None:
    desk = after(decided(seen(tasks=9, backlog=(1, 0, 0))))
    assert of_service(desk, "autoscaler_scalings_total", direction="in") == 1
    assert of_service(desk, "autoscaler_scalings_total", direction="out") == 0


@pytest.mark.parametrize(("expected", "drifts"), [(None, 0), (2, 0), (3, 1), (0, 1)])
def test_a_count_that_somebody_else_changed_is_a_drift(expected: int | None, drifts: int) -> None:
    desk = after(decided(seen(tasks=2), memory=Memory(expected=expected)), unread())
    assert of_service(desk, "autoscaler_drifts_total") == drifts


def test_a_metric_is_a_signal_of_its_own() -> None:
    policy = policy_of(metrics=(MetricPolicy("lag", target_per_task=5.0), MetricPolicy("depth", target_per_task=5.0)))
    readings = (MetricReading("lag", Measurement(3.0, 990.0)), MetricReading("depth", Missing("no series", "no_data")))
    desk = after(decided(replace(seen(), metrics=readings), policy=policy))
    assert of_service(desk, "autoscaler_signal_usable", signal="metric:lag") == 1
    assert of_service(desk, "autoscaler_signal_usable", signal="metric:depth") == 0
    assert of_service(desk, "autoscaler_signal_age_seconds", signal="metric:lag") == 10.0
    assert of_service(desk, "autoscaler_signal_age_seconds", signal="metric:depth") is None


def test_shadow_scales_nothing() -> None:
    desk = after(shadowed())
    assert of_service(desk, "autoscaler_scalings_total", direction="out") == 0


def test_before_the_first_tick_all_closed_sets_are_at_zero() -> None:
    desk = Desk()
    desk.store.admit(SERVICE, policy_of())
    for verdict in Verdict:
        for rule in (*Rule, "none"):
            assert of_service(desk, "autoscaler_decisions_total", verdict=verdict, rule=rule) == 0
    for direction in ("in", "out"):
        assert of_service(desk, "autoscaler_scalings_total", direction=direction) == 0
        assert of_service(desk, "autoscaler_cooldown_remaining_seconds", direction=direction) == 0
    assert all(of_service(desk, "autoscaler_failures_total", kind=kind) == 0 for kind in FAILURES)
    assert of_service(desk, "autoscaler_service_up") == 0


def test_before_the_first_tick_nothing_is_said_of_what_nobody_knows() -> None:
    desk = Desk()
    desk.store.admit(SERVICE, policy_of())
    assert of_service(desk, "autoscaler_tasks", kind="max") == 20
    assert of_service(desk, "autoscaler_tasks", kind="desired") is None
    assert of_service(desk, "autoscaler_last_tick_timestamp_seconds") is None


def test_the_closed_set_of_failures_holds_every_error() -> None:
    known: set[type[errors.AutoscalerError]] = {errors.AutoscalerError, *errors.AutoscalerError.__subclasses__()}
    assert {error.kind for error in known | {Unreadable}} | {"no_data", "stale", "not_read"} == set(FAILURES)


def test_an_unknown_kind_opens_no_new_series() -> None:
    desk = after(blind("quaint"))
    desk.metrics.made("sqs:GetQueueAttributes", Category.QUEUE_READ, "quaint")
    assert of_service(desk, "autoscaler_failures_total", kind="failed") == 1
    failed = frozenset({"api": "sqs:GetQueueAttributes", "outcome": "failed"}.items())
    assert scraped(desk)["autoscaler_aws_requests_total", failed] == 1
    assert not [labels for _, labels in scraped(desk) if "quaint" in dict(labels).values()]


def test_a_queue_that_cannot_be_read_has_no_count() -> None:
    readable, unreadable = after(decided(seen(backlog=(3, 2, 1)))), after(decided(seen(backlog=(3, 2, 1))), blind())
    for state, count in (("visible", 3), ("in_flight", 2), ("delayed", 1)):
        assert of_service(readable, "autoscaler_queue_messages", queue="orders-queue", state=state) == count
        assert of_service(unreadable, "autoscaler_queue_messages", queue="orders-queue", state=state) is None


def test_a_service_that_cannot_be_read_has_no_counts_but_its_bounds() -> None:
    desk = after(holding(), unread())
    kinds = ("desired", "running", "pending", "demand", "target", "min", "max", "protected")
    counts = {kind: of_service(desk, "autoscaler_tasks", kind=kind) for kind in kinds}
    assert {kind: count for kind, count in counts.items() if count is not None} == {"min": 0, "max": 20}
    assert of_service(desk, "autoscaler_signal_usable", signal="ecs") == 0


def test_the_counts_of_tasks() -> None:
    observation = seen(backlog=(100, 0, 0))
    observation = replace(observation, fleet=replace(observation.fleet, running=1, pending=3, protected=1))
    desk = after(decided(observation, policy=policy_of(min_tasks=1, max_tasks=7)))
    expected = {"desired": 2, "running": 1, "pending": 3, "protected": 1, "demand": 20, "target": 7, "min": 1, "max": 7}
    assert {kind: of_service(desk, "autoscaler_tasks", kind=kind) for kind in expected} == expected


def test_no_vote_is_no_demand() -> None:
    assert of_service(after(blind()), "autoscaler_tasks", kind="demand") is None
    assert of_service(after(blind()), "autoscaler_tasks", kind="target") == 2


def test_a_signal_that_is_lost_grows_old() -> None:
    desk = after(holding())
    desk.record(blind(), 30.0)
    desk.clock.now += 15.0
    assert of_service(desk, "autoscaler_signal_age_seconds", signal="queue:orders-queue") == 45.0
    assert of_service(desk, "autoscaler_signal_usable", signal="queue:orders-queue") == 0
    assert of_service(desk, "autoscaler_signal_usable", signal="ecs") == 1


def test_a_stale_datapoint_is_not_usable_and_at_zero_tasks_none_is_needed() -> None:
    policy = policy_of(cpu_target_percent=60.0)
    old = Utilization(90.0, at=100.0)
    desk = after(decided(seen(cpu=old), policy=policy))
    assert of_service(desk, "autoscaler_signal_usable", signal="cpu") == 0
    assert of_service(desk, "autoscaler_signal_age_seconds", signal="cpu") == 900.0
    desk = after(decided(seen(tasks=0, backlog=(0, 0, 0)), policy=policy))
    assert of_service(desk, "autoscaler_signal_usable", signal="cpu") is None


@pytest.mark.parametrize(
    ("tick", "up"),
    [
        (holding(), 1),
        (scaling_out(), 1),
        (shadowed(), 1),
        (blind(), 0),
        (refused(), 0),
        (unread(), 0),
        (decided(seen(cpu=Missing("no datapoint yet", "no_data")), policy=policy_of(cpu_target_percent=60.0)), 1),
        (decided(seen(cpu=Missing("not allowed", "denied")), policy=policy_of(cpu_target_percent=60.0)), 0),
        (blind("no_data"), 0),
    ],
)
def test_a_service_is_up_while_it_is_served(tick: Tick, up: int) -> None:
    assert of_service(after(tick), "autoscaler_service_up") == up


@pytest.mark.parametrize(
    ("paused", "out", "into"), [(None, 0, 0), (Pause.ALL, 1, 1), (Pause.IN, 0, 1), (Pause.OUT, 1, 0), (0, 1, 1)]
)
def test_what_is_paused(paused: Pause | int | None, out: int, into: int) -> None:
    desk = after(decided(seen(), policy=policy_of(paused=paused)))
    assert of_service(desk, "autoscaler_paused", direction="out") == out
    assert of_service(desk, "autoscaler_paused", direction="in") == into


@pytest.mark.parametrize("mode", list(Mode))
def test_exactly_one_mode_is_on(mode: Mode) -> None:
    desk = after(decided(seen(), policy=policy_of(mode=mode)))
    assert {one: of_service(desk, "autoscaler_mode", mode=one) for one in Mode} == {one: one is mode for one in Mode}


@settings(deadline=None)
@given(
    changes=st.lists(st.tuples(st.sampled_from([0.0, 1.0, 29.0, 30.0, 31.0, 60.0, 90.0]), st.sampled_from([-3, 2]))),
    out_s=st.sampled_from([0.0, 1.0, 30.0, 60.0]),
    in_s=st.sampled_from([0.0, 1.0, 30.0, 60.0]),
)
def test_a_cooldown_remains_exactly_while_the_corridor_holds(
    changes: list[tuple[float, int]], out_s: float, in_s: float
) -> None:
    now = 1_000.0
    memory = Memory(changes=tuple(sorted(Change(now - age_s, tasks) for age_s, tasks in changes)))
    policy = policy_of(scale_out=Direction(cooldown_s=out_s), scale_in=Direction(cooldown_s=in_s))
    remaining = cooldowns_s(policy, memory, now)
    assert (remaining["out"] > 0) == any(tasks > 0 and age_s < out_s for age_s, tasks in changes)
    assert (remaining["in"] > 0) == any(tasks < 0 and age_s < in_s for age_s, tasks in changes)
    assert remaining["out"] <= out_s
    assert remaining["in"] <= in_s


def test_a_cooldown_begins_with_the_change_and_runs_between_ticks() -> None:
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
def test_what_ecs_did_not_accept_cools_nothing_down(outcome: str) -> None:
    policy = policy_of(scale_out=Direction(cooldown_s=30.0))
    desk = after(decided(seen(backlog=(100, 0, 0)), outcome, policy=policy))
    assert of_service(desk, "autoscaler_cooldown_remaining_seconds", direction="out") == 0.0


def test_the_last_tick_is_a_wall_time() -> None:
    desk = after(holding())
    desk.record(holding(), 10.0)
    assert of_service(desk, "autoscaler_last_tick_timestamp_seconds") == NOON + 10.0


def test_how_long_a_service_may_be_silent_is_told_from_the_beginning_and_anew_with_other_settings() -> None:
    desk = Desk()
    for limit_s in (76.0, 376.0):
        desk.store.admit(SERVICE, policy_of(), silent_after_s=limit_s)
        assert of_service(desk, "autoscaler_silent_after_seconds") == limit_s


def test_the_series_of_a_service_go_with_it() -> None:
    desk = after(holding())
    desk.journal.forget("orders")
    assert not [labels for _, labels in scraped(desk) if "ecs_service" in dict(labels)]


def test_a_service_that_comes_back_is_counted_anew() -> None:
    desk = after(scaling_out())
    desk.journal.forget("orders")
    desk.record(holding())
    assert of_service(desk, "autoscaler_scalings_total", direction="out") == 0


def test_requests_and_throttles() -> None:
    desk = Desk()
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
def test_a_bucket_counts_all_that_lasted_at_most_so_long(durations: list[float]) -> None:
    desk = Desk()
    for duration_s in durations:
        desk.record(replace(holding(), took_s=duration_s))
    series = scraped(desk)
    for bound in (0.01, 0.025, 0.5, 30.0, float("inf")):
        label = "+Inf" if bound == float("inf") else str(bound)
        counted = series["autoscaler_tick_seconds_bucket", frozenset({("le", label)})]
        assert counted == sum(duration_s <= bound for duration_s in durations)


def test_the_same_names_in_two_regions_are_two_services() -> None:
    desk = Desk()
    for region in ("eu-west-1", "us-east-1", None):
        desk.record(decided(seen(), service=replace(SERVICE, key=f"orders-{region}", region=region)))
    clusters = {dict(labels)["ecs_cluster"] for name, labels in scraped(desk) if name == "autoscaler_service_up"}
    assert clusters == {"eu-west-1/prod", "us-east-1/prod", "default/prod"}


def test_the_same_names_in_two_accounts_are_two_services() -> None:
    desk = Desk()
    for number in (None, 1, 2):
        role = Role(f"arn:aws:iam::{number:012}:role/autoscaler") if number else None
        desk.record(decided(seen(), service=replace(SERVICE, key=f"orders-{number}", role=role)))
    clusters = {dict(labels)["ecs_cluster"] for name, labels in scraped(desk) if name == "autoscaler_service_up"}
    assert clusters == {"default/prod", "000000000001/default/prod", "000000000002/default/prod"}


def test_a_snapshot_does_not_change_any_more() -> None:
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
def test_no_name_breaks_the_page(form: Form, cluster: str, service: str, queue: str) -> None:
    desk = Desk()
    policy = policy_of(queues=(QueuePolicy(queue, 60.0),))
    desk.record(decided(seen(queue=queue), service=ServiceRef("k", cluster, service), policy=policy))
    encodable = [name.encode("utf-8", "backslashreplace").decode() for name in (cluster, service, queue)]
    labels = dict(zip(("ecs_cluster", "ecs_service", "queue"), encodable, strict=True)) | {"state": "in_flight"}
    assert scraped(desk, form)["autoscaler_queue_messages", frozenset(labels.items())] == 10


def families_of(desk: Desk) -> list[Metric]:
    return list(READERS[Form.OPENMETRICS](render(desk.metrics.snapshot(), Form.OPENMETRICS).decode()))


def test_names_obey_the_rules_of_prometheus() -> None:
    desk = after(decided(seen(backlog=Backlog(1, 2, 3, 1_000.0, oldest_age_s=4.0))))
    desk.metrics.made("sqs:GetQueueAttributes", Category.QUEUE_READ, "ok")
    ours = [family for family in families_of(desk) if family.name.startswith("autoscaler_")]
    assert len(ours) >= len(FILLED_TODAY)
    for family in ours:
        assert family.documentation.endswith("."), family.name
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket")), family.name
        assert not any(unit in family.name for unit in ("_ms", "_percent", "_minutes")), family.name
        for sample in family.samples:
            assert not {"service", "cluster", "type", "instance", "job"} & set(sample.labels), family.name
            assert sample.name.endswith("_total") == (family.type == "counter"), sample.name
