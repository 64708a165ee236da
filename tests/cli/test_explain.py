"""`explain` shows the decision of a running daemon. Without a daemon it reads AWS once and changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from autoscaler.cli import main
from autoscaler.core.engine import decide
from autoscaler.core.memory import Memory
from autoscaler.core.model import (
    ActiveDeployment,
    Backlog,
    Deployment,
    Fleet,
    Measurement,
    MetricReading,
    Missing,
    Observation,
    QueueReading,
    Revisions,
    StopTimeout,
    Trouble,
    Utilization,
    ZoneRebalancing,
)  # fmt: skip
from autoscaler.core.policy import MetricPolicy, Mode, Policy, QueuePolicy, WorkerSafety
from autoscaler.errors import AutoscalerError
from autoscaler.inspection.explaining import REFUSALS, UNREACHABLE, explained, kinds_of, page
from autoscaler.ports import Poll, ServiceRef
from autoscaler.telemetry.account import account_of, faults_of
from autoscaler.telemetry.starts import starts_of
from autoscaler.telemetry.status_store import StatusStore
from autoscaler.telemetry.views import decisions
from tests.cli.spoken import Ended, autoscaler
from tests.cli.worlds import WORLD, fake_daemon, free_port, world
from tests.e2e.region import MotoProxy
from tests.telemetry.test_starts import DENIED, report, staged

NOW = 1_000.0
WRITES = ("Update", "Create", "Delete", "Put", "Set", "Tag", "Send", "Purge", "Run", "Stop", "Start")


def poll(backlog: Backlog | Missing | None = None, cpu: Utilization | Missing | None = None, **fleet: Any) -> Poll:
    """Return a decided poll of a service with a queue, CPU and a metric."""
    policy = Policy(
        "orders", 0, 8, (QueuePolicy("orders", 60.0),), backlog_per_task=10.0, cpu_target_percent=60.0,
        metrics=(MetricPolicy("lag", target_per_task=5.0),), mode=Mode.ACTIVE,
    )  # fmt: skip
    seen = Observation(
        NOW,
        Fleet(2, 2, 0, NOW - 0.5, **fleet),
        (QueueReading("orders", backlog or Backlog(100, 0, 3, NOW - 0.25, oldest_age_s=40.0)),),
        cpu or Utilization(71.5, NOW - 63, tasks=2),
        metrics=(MetricReading("lag", Measurement(12.5, NOW - 30)),),
    )
    decision = decide(policy, Memory(), seen)
    return Poll(ServiceRef("orders", "prod", "orders-worker"), policy, seen, Memory(), decision, "accepted")


def api_answer(daemon_poll: Poll) -> dict[str, Any]:
    """Return the answer of the real API after that poll is recorded."""
    store = StatusStore(lambda: NOW, lambda: 1_800_000_000.0)
    status = store.note(daemon_poll)
    answer: dict[str, Any] = json.loads(json.dumps(decisions((), status)))
    return answer


def account(of: Poll) -> dict[str, Any]:
    return explained(json.loads(json.dumps(account_of(of, faults_of(of)))))


async def without_daemon(observer: MotoProxy, *arguments: str, **settings: str) -> Ended:
    unused_url = f"http://127.0.0.1:{free_port()}"
    return await autoscaler(
        "explain", *arguments, "--url", unused_url, **(WORLD | {"AWS_ENDPOINT_URL": observer.url} | settings)
    )


async def test_the_daemons_newest_decision_is_shown_and_no_settings_are_needed() -> None:
    async with fake_daemon(200, api_answer(poll())) as (url, requests):
        ended = await autoscaler("explain", "orders", "--url", url)
    assert requests == ["GET /api/v1/services/orders/decisions"]
    assert (ended.code, ended.err) == (0, "")
    shown = ended.out.decode()
    assert f"the daemon at {url}" in shown
    assert "orders: 2 -> 8 tasks" in shown
    assert "10 -> 8" in shown
    assert "\x1b" not in shown, "colours are for terminals"


async def test_with_json_stdout_is_only_the_account() -> None:
    newest = api_answer(poll())
    older = {**newest["decisions"][0], "target": 1}
    async with fake_daemon(200, {"decisions": [older, *newest["decisions"]]}) as (url, _):
        ended = await autoscaler("explain", "orders", "--json", "--url", url)
    explanation = json.loads(ended.out)
    assert (explanation["source"], explanation["url"], explanation["target"]) == ("daemon", url, 8)
    assert explanation.items() >= newest["decisions"][0].items()
    assert {entry["name"] for entry in explanation["inputs"]} >= {"tasks", "cpu"}


async def test_a_key_is_found_in_any_case_and_an_unknown_key_gets_a_suggestion() -> None:
    body = {"/api/v1/services/my-orders/decisions": api_answer(poll())}
    unknown = {"error": "no such service", "services": ["my-orders", "refunds"]}
    body["/api/v1/services/My_Orders/decisions"] = unknown
    body["/api/v1/services/my-order/decisions"] = unknown
    async with fake_daemon(200, body) as (url, requests):
        assert (await autoscaler("explain", "My_Orders", "--url", url)).code == 0
        ended = await autoscaler("explain", "my-order", "--url", url)
    assert (ended.code, ended.out) == (2, b"")
    assert "Did you mean my-orders?" in ended.err
    assert "Known services: my-orders, refunds" in ended.err
    assert len(requests) == 3


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "<html>"), (200, {"decisions": [{}]}), (404, "not found"), (500, {}), (302, ""), (200, "["), (404, [])],
)
async def test_another_program_on_the_port_is_not_taken_for_a_daemon(status: int, body: Any) -> None:
    async with fake_daemon(status, body) as (url, _):
        ended = await autoscaler("explain", "orders", "--url", url)
    assert "No autoscaler" in ended.err
    assert (ended.code, ended.out) == (2, b""), "there are no settings to fall back to"


@pytest.mark.parametrize(
    "url", ["ftp://x", "127.0.0.1:9108", "http://", "http://x:99999", "http://[", "", "http://u:p@x"]
)
def test_an_invalid_url_is_a_usage_error(url: str) -> None:
    result = CliRunner().invoke(main, ["explain", "orders", "--url", url])
    assert result.exit_code == 2
    assert "is not a URL such as" in result.stderr


@pytest.mark.parametrize("key", ["", ".", "..", "a" * 301])
def test_what_cannot_be_a_key_is_a_usage_error(key: str) -> None:
    """As a path of the API it is another address, and the answer that it is no daemon would mislead."""
    result = CliRunner().invoke(main, ["explain", key, "--url", "http://127.0.0.1:1"])
    assert result.exit_code == 2
    assert "is not the key of a service" in result.output
    assert len(result.output) < 300


async def test_a_daemon_without_a_decision_is_reported() -> None:
    async with fake_daemon(200, {"decisions": []}) as (url, _):
        ended = await autoscaler("explain", "orders", "--url", url)
    assert "has no decision for the service" in ended.err
    assert ended.code == 2


async def test_without_a_daemon_aws_is_read_once_and_nothing_is_written() -> None:
    async with world() as observer:
        ended = await without_daemon(observer, "orders")
        actions = [request.action for request in observer.requests]
    assert (ended.code, ended.out.decode().count("read once, no history")) == (0, 1)
    assert "No daemon at" in ended.err
    assert "no history" in ended.err
    assert "orders: 2 -> 4 tasks" in ended.out.decode()
    assert not [action for action in actions if action.startswith(WRITES)]
    assert actions.count("DescribeServices") == actions.count("GetQueueAttributes") == 1


async def test_a_refusal_of_aws_exits_with_3_an_unknown_key_with_2_and_no_answer_with_4() -> None:
    async with world(messages=0) as observer:
        missing_queue = await without_daemon(observer, "orders", "--json", AUTOSCALER_QUEUES="misspelt")
        assert missing_queue.code == 3
        explanation = json.loads(missing_queue.out)
        assert explanation["source"] == "aws"
        assert [fault["kind"] for fault in explanation["faults"]] == ["not_found"]

        missing_service = await without_daemon(observer, "nowhere", AUTOSCALER_SERVICE="nowhere")
        assert missing_service.code == 3
        assert "no decision" in missing_service.out.decode()

        unknown = await without_daemon(observer, "order")
        assert (unknown.code, unknown.out) == (2, b"")
        assert "Did you mean orders?" in unknown.err

        gone = await without_daemon(observer, "orders", AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
        assert gone.code == 4
        assert observer.requests
        assert not [request for request in observer.requests if request.action.startswith(WRITES)]


def test_every_input_is_shown_with_its_age() -> None:
    of = poll(deployment=Deployment(NOW - 120), protected=1, trouble=Trouble("no capacity", NOW - 20))
    inputs = {entry["name"]: (entry["value"], entry["age_s"]) for entry in account(of)["inputs"]}
    assert inputs["tasks"] == ("2 desired, 2 running, 0 pending", 0.5)
    assert inputs["queue orders"] == (
        "100 visible, 0 in flight, 3 delayed, oldest message 40 s old in CloudWatch",
        0.25,
    )
    assert inputs["cpu"] == ("71.5 %, 2 tasks at the time", 63)
    assert inputs["metric lag"] == ("12.5", 30)
    assert inputs["deployment"] == ("in progress", 120)
    assert inputs["protected"] == ("1 of the tasks", None)
    assert inputs["trouble"] == ("no capacity", 20)
    assert "history" in inputs


def test_deployments_task_definition_and_zone_rebalancing_are_inputs() -> None:
    deployments = (
        ActiveDeployment("PRIMARY", "IN_PROGRESS", "", "web:8", NOW - 60, running=3),
        ActiveDeployment("ACTIVE", "COMPLETED", "", "web:7", NOW - 9000, running=7),
    )
    of = replace(
        poll(deployments=deployments, rebalancing=ZoneRebalancing(True)), revisions=Revisions("web:8", "web:9")
    )
    inputs = {entry["name"]: entry["value"] for entry in account(of)["inputs"]}
    shares = "old (web:7) 7 of 10, new (web:8) 3 of 10 running tasks"
    assert inputs["deployments"] == f"2 deployments are unfinished: {shares}"
    assert inputs["deployment PRIMARY"] == "web:8: IN_PROGRESS for 60 s"
    assert inputs["deployment ACTIVE"] == "web:7: COMPLETED, created 2.5 h ago"
    assert inputs["task definition"] == "web:8, 1 revision behind web:9"
    assert inputs["zone rebalancing"] == "enabled"
    shown = page(account(of), 80)
    assert max(map(len, shown.splitlines())) <= 80
    assert explained({**account_of(of, ()), "ecs": None})["inputs"], "an older daemon has no such key"


def test_long_names_of_task_definitions_fit_into_80_columns() -> None:
    new, old = (f"orders-worker-production-eu:{revision}" for revision in (124, 123))
    deployments = (
        ActiveDeployment("PRIMARY", "IN_PROGRESS", "ECS deployment ecs-svc/1 in progress.", new, NOW - 60, running=3),
        ActiveDeployment("ACTIVE", "COMPLETED", "", old, NOW - 9000, running=7),
    )
    of = replace(poll(deployments=deployments), revisions=Revisions(new, old))
    shown = page(account(of), 80)
    assert max(map(len, shown.splitlines())) <= 80
    assert f"{new}: IN_PROGRESS for 60 s" in " ".join(shown.split())


def test_where_the_start_up_time_goes_fits_into_80_columns() -> None:
    times = report(*staged(12, revision="orders-worker-production:123"), gap=DENIED, dropped=1)
    shown = page(explained(json.loads(json.dumps(account_of(poll(), ()) | {"starts": starts_of(times)}))), 80)
    assert max(map(len, shown.splitlines())) <= 80
    block = shown.partition("Starts: ")[2].partition("\n\n")[0]
    assert " ".join(block.split()) == (
        "from the creation of a task until it runs, by ECS's own times "
        "revision orders-worker-production:123, 12 starts "
        "median 48 s: 9 placing, 31 pulling, 8 booting; a smaller image would help most "
        "p90 48 s: 9 placing, 31 pulling, 8 booting "
        "left out 1 task: their times are missing, contradict each other or are in the future "
        "not read ecs:DescribeTasks was denied; grant the task role ecs:DescribeTasks on the tasks"
    )
    for older in (account_of(poll(), ()), account_of(poll(), ()) | {"starts": None}):
        assert "Starts:" not in page(explained(older), 80)


def test_a_missing_reading_has_a_reason() -> None:
    explanation = account(poll(backlog=Missing("not allowed; give the role a right", "denied")))
    [queue] = [entry for entry in explanation["inputs"] if entry["name"] == "queue orders"]
    assert queue == {"name": "queue orders", "value": "missing: not allowed; give the role a right", "age_s": None}
    assert kinds_of(explanation) == {"denied"}
    assert "denied" in page(explanation)
    assert "''" not in page(explanation), "an input without an age has an empty cell"


def test_votes_are_computed_if_an_older_daemon_does_not_report_them() -> None:
    explanation = json.loads(json.dumps(account_of(poll(), ())))
    votes = explanation.pop("votes")
    assert votes
    assert explained(explanation)["votes"] == votes


def test_an_unknown_situation_omits_the_inputs_and_keeps_the_steps() -> None:
    explanation = explained({**account_of(poll(), ()), "situation": {"surprise": 1}, "votes": []})
    assert (explanation["inputs"], explanation["votes"]) == ([], [])
    assert "bounds" in page(explanation)


def test_control_characters_do_not_reach_the_terminal() -> None:
    explanation = account(poll())
    explanation["steps"][0]["reason"] = "\x1b[2J\n"
    shown = page({**explanation, "sentence": "\x1b[2J"})
    assert "\x1b" not in shown


def test_every_kind_of_fault_has_an_exit_code() -> None:
    assert {fault.kind for fault in AutoscalerError.__subclasses__()} == REFUSALS | UNREACHABLE
    assert REFUSALS.isdisjoint(UNREACHABLE)
    assert "denied" in REFUSALS
    assert {"unavailable"} == UNREACHABLE


def long(**changes: Any) -> dict[str, Any]:
    """Return the account of a service with a processing time of 95 s and 3 messages in flight."""
    whole = poll(Backlog(0, 3, 0, NOW))
    policy, seen = replace(whole.policy, processing_time_s=95.0, cpu_target_percent=None, metrics=()), whole.observation
    assert seen is not None
    policy, seen = replace(policy, workers=changes.get("workers")), replace(seen, stop_timeout=changes.get("stop"))
    decided = replace(whole, policy=policy, observation=seen, decision=decide(policy, Memory(), seen))
    return explained(account_of(decided, faults_of(decided)))


def test_the_assumption_about_workers_is_an_input() -> None:
    def assumed(**changes: Any) -> list[str]:
        return [entry["value"] for entry in long(**changes)["inputs"] if entry["name"] == "workers"]

    assert assumed() == [
        "no setting workers, so unsafe is assumed: messages take up to 95 s (processing_time); "
        "the stopTimeout of 30 s (assumed; grant ecs:DescribeTaskDefinition to read it)"
    ]
    assert assumed(stop=StopTimeout(120.0, "app")) == [
        "no setting workers, so draining is assumed; the stopTimeout of 120 s of container app"
    ]
    assert assumed(workers=WorkerSafety.UNSAFE) == [], "`workers` is set"
    assert "no setting workers, so unsafe is assumed" in page(long())
