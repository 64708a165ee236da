"""Deployments, rebalancing and stopTimeout as notices, and the law that a rebalancing changes no decision."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.core.deploying import (
    ecs_lines,
    ecs_notices,
    ecs_summary,
    many_deployments,
    rebalancing_risk,
    revision_words,
    shares,
    state_of,
    unfinished,
)
from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    ActiveDeployment,
    Backlog,
    Fleet,
    QueueReading,
    Revisions,
    StartFailure,
    StopTimeout,
    Utilization,
    ZoneRebalancing,
)
from autoscaler.core.policy import WorkerSafety
from tests.core.calm import NOW, policy, seen


def deployment(
    status: str = "PRIMARY", state: str = "IN_PROGRESS", running: int = 0, **more: object
) -> ActiveDeployment:
    return ActiveDeployment(status, state, running=running, **more)  # type: ignore[arg-type]


def fleet(*deployments: ActiveDeployment, enabled: bool | None = None) -> Fleet:
    return Fleet(10, 10, 0, NOW, deployments=deployments, rebalancing=ZoneRebalancing(enabled))


OLD = deployment("ACTIVE", "COMPLETED", 7, definition="web:7")
NEW = deployment("PRIMARY", "IN_PROGRESS", 3, definition="web:8")


@pytest.mark.parametrize(
    ("deployments", "count"),
    [
        ((), 0),
        ((deployment(state="COMPLETED"),), 0),
        ((deployment(state="FAILED"),), 0),
        ((deployment(state=""),), 0),
        ((deployment(),), 1),
        ((NEW, OLD), 2),
        ((deployment(state="COMPLETED"), OLD), 1),
        ((deployment(state="COMPLETED"), deployment("INACTIVE", "IN_PROGRESS")), 0),
        ((NEW, OLD, OLD, OLD, OLD), 5),
    ],
)
def test_unfinished_are_the_primary_in_progress_and_all_active_ones(
    deployments: tuple[ActiveDeployment, ...], count: int
) -> None:
    assert unfinished(fleet(*deployments)) == count


@pytest.mark.parametrize(("older", "noticed"), [(1, False), (2, True), (4, True)])
def test_from_three_unfinished_deployments_there_is_a_notice(older: int, noticed: bool) -> None:
    advice = many_deployments(fleet(NEW, *[OLD] * older))
    assert (advice is not None) == noticed
    if advice is not None:
        assert advice.cause == f"{older + 1} deployments are unfinished, and ECS refuses another one while 5 are"


@pytest.mark.parametrize(
    ("deployments", "words"),
    [
        ((), None),
        ((NEW,), None),
        ((NEW, deployment("INACTIVE", running=4)), None),
        ((NEW, OLD), "old (web:7) 7 of 10, new (web:8) 3 of 10 running tasks"),
        (
            (NEW, OLD, deployment("ACTIVE", "COMPLETED", 2, definition="web:6")),
            "old (web:7, web:6) 9 of 12, new (web:8) 3 of 12 running tasks",
        ),
        (
            (deployment("ACTIVE", "IN_PROGRESS", 3, definition="web:8"), deployment("PRIMARY", "COMPLETED", 7)),
            "old 7 of 10, new (web:8) 3 of 10 running tasks",
        ),
    ],
)
def test_the_shares_of_old_and_new_tasks(deployments: tuple[ActiveDeployment, ...], words: str | None) -> None:
    assert shares(fleet(*deployments)) == words


def test_a_deployment_is_described_with_its_state_age_failures_and_reason() -> None:
    one = deployment(created=NOW - 240, failed=2, reason="ECS deployment ecs-svc/1 in progress.")
    assert state_of(one, NOW) == "IN_PROGRESS for 4 min, 2 tasks failed: ECS deployment ecs-svc/1 in progress"
    assert state_of(deployment("ACTIVE", ""), NOW) == "ACTIVE"
    assert state_of(deployment(created=NOW + 9), NOW) == "IN_PROGRESS for 0 s", "the clocks of ECS may be ahead"


@pytest.mark.parametrize(
    ("changed", "waits"),
    [
        ({}, True), ({"created": NOW - 299}, False), ({"created": None}, False), ({"running": 9}, False),
        ({"pending": 1}, False), ({"desired": 0, "running": 0}, False), ({"state": "COMPLETED"}, False),
    ],
)  # fmt: skip
def test_a_deployment_whose_tasks_all_run_waits_for_something_else(changed: dict[str, object], waits: bool) -> None:
    fields: dict[str, object] = {"created": NOW - 300, "desired": 10, "running": 10} | changed
    text = state_of(ActiveDeployment(**{"status": "ACTIVE", "state": "IN_PROGRESS"} | fields), NOW)  # type: ignore[arg-type]
    assert ("it waits for older tasks, a bake time or a hook" in text) == waits


@pytest.mark.parametrize(
    ("newest", "words"),
    [
        (None, "web:7 (the newest revision of its family was not read)"),
        ("web:7", "web:7, the newest active revision of its family"),
        ("web:8", "web:7, 1 revision behind web:8"),
        ("web:10", "web:7, 3 revisions behind web:10"),
        ("web:5", "web:7, which is no longer active; web:5 is the newest active revision"),
    ],
)
def test_the_revision_of_a_service_and_whether_it_is_behind(newest: str | None, words: str) -> None:
    assert revision_words(Revisions("web:7", newest)) == words


def test_the_lines_and_the_summary_of_a_service() -> None:
    """The same words are on the page, in `explain` and in `status`."""
    during = replace(fleet(NEW, OLD), rebalancing=ZoneRebalancing(True, NOW - 30))
    assert ecs_lines(during, Revisions("web:8", "web:9"), NOW) == [
        ("deployments", "2 deployments are unfinished: old (web:7) 7 of 10, new (web:8) 3 of 10 running tasks"),
        ("deployment PRIMARY", "web:8: IN_PROGRESS"),
        ("deployment ACTIVE", "web:7: COMPLETED"),
        ("task definition", "web:8, 1 revision behind web:9"),
        ("zone rebalancing", "enabled, in progress: the newest event is 30 s old"),
    ]
    assert ecs_summary(during, Revisions("web:8", "web:9")) == (
        "2 deployments are unfinished; old (web:7) 7 of 10, new (web:8) 3 of 10 running tasks; zone rebalancing moves "
        "tasks; task definition web:8, 1 revision behind web:9"
    )
    calm = fleet(deployment(state="COMPLETED"), enabled=False)
    assert ecs_lines(calm, Revisions("web:8"), NOW) == [
        ("task definition", "web:8 (the newest revision of its family was not read)"),
        ("zone rebalancing", "disabled"),
    ]
    assert ecs_lines(fleet(), None, NOW) == []
    assert ecs_summary(calm, Revisions("web:8", "web:8")) is None
    assert ecs_summary(fleet(), None) is None


def test_the_summary_begins_with_starts_that_fail() -> None:
    """A list of services shows them also before a message has waited longer than the latency target."""
    failing = replace(fleet(NEW), failure=StartFailure("fix", "no_image", "the image does not exist", "push it", NOW))
    assert ecs_summary(failing, None) == ("tasks fail to start or to stay up (class fix); 1 deployment is unfinished")


def test_a_failed_deployment_is_shown_though_none_is_unfinished() -> None:
    failed = deployment(state="FAILED", reason="tasks failed to start.", failed=30, definition="web:8")
    assert ecs_lines(fleet(failed), None, NOW) == [
        ("deployment PRIMARY", "web:8: FAILED, 30 tasks failed: tasks failed to start")
    ]
    assert ecs_summary(fleet(failed), None) == "deployment web:8 failed"
    assert ecs_summary(fleet(failed._replace(definition="")), None) == "deployment failed"


@pytest.mark.parametrize("enabled", [True, False, None])
@pytest.mark.parametrize("workers", [None, *WorkerSafety])
@pytest.mark.parametrize("most", [1, 2])
def test_rebalancing_is_a_risk_for_several_tasks_that_do_not_protect_themselves(
    workers: WorkerSafety | None, enabled: bool | None, most: int
) -> None:
    risky = enabled is True and workers is not WorkerSafety.SELF_PROTECTING and most > 1
    advice = rebalancing_risk(policy(workers=workers, max_tasks=most), fleet(enabled=enabled), "prod", "orders")
    assert (advice is not None) == risky
    if advice is not None:
        command = "aws ecs update-service --cluster prod --service orders --availability-zone-rebalancing DISABLED"
        assert advice.remedy.endswith(command)
        assert ("which loses them" in advice.cause) == (workers is WorkerSafety.UNSAFE)


def test_the_command_against_rebalancing_names_the_region_of_the_service() -> None:
    """Without it, the command would change a service of the same name in the user's own Region."""
    risky, during = policy(workers=WorkerSafety.UNSAFE), replace(seen(0), fleet=fleet(enabled=True))
    notices = ecs_notices(risky, during, "prod", "orders", "eu-north-1")
    assert "--service orders --region eu-north-1 --availability-zone-rebalancing DISABLED" in notices[0].reason


def test_a_steady_service_has_no_notice_and_one_with_every_problem_has_each_once() -> None:
    steady = replace(seen(0), fleet=fleet(deployment(state="COMPLETED"), enabled=False))
    assert ecs_notices(policy(workers=WorkerSafety.DRAINING, processing_time_s=90.0), steady, "prod", "orders") == []
    worst = replace(seen(0), fleet=fleet(NEW, OLD, OLD, enabled=True), stop_timeout=StopTimeout(30.0, "app"))
    found = ecs_notices(policy(workers=WorkerSafety.DRAINING, processing_time_s=90.0), worst, "prod", "orders")
    assert [one.kind for one in found] == ["deployments", "zone_rebalancing", "stop_timeout"]


@given(
    st.integers(0, 300),
    st.integers(1, 20),
    st.lists(st.integers(0, 8), min_size=1, max_size=8),
    st.sampled_from([None, *WorkerSafety]),
)
def test_tasks_above_the_desired_count_change_no_decision(
    waiting: int, desired: int, extra: list[int], workers: WorkerSafety | None
) -> None:
    """At a constant desired count, and with equal readings otherwise."""
    configured = policy(workers=workers, cpu_target_percent=50.0)
    plain = moved = Memory(since=NOW - 3600, watched_at=NOW)
    for number, more in enumerate((*extra, 0)):
        now = NOW + 10.0 * number
        calm = seen(waiting, desired=desired, in_flight=min(desired, waiting))
        queues = (QueueReading("q", Backlog(waiting, min(desired, waiting), 0, now)),)
        calm = replace(calm, now=now, fleet=replace(calm.fleet, at=now), queues=queues, cpu=Utilization(70.0, now))
        above = replace(
            calm,
            fleet=replace(
                calm.fleet, running=desired + more, rebalancing=ZoneRebalancing(True, now - 5 if more else None)
            ),
        )
        expected, found = decide(configured, plain, calm), decide(configured, moved, above)
        assert (found.target, found.verdict, found.rule) == (expected.target, expected.verdict, expected.rule)
        plain, moved = plain.remembering(configured, calm, expected), moved.remembering(configured, above, found)
    assert moved.starting is None
