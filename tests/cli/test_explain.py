"""`explain`: the running daemon's word where there is one, else one cold look at AWS, which changes nothing."""

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
    Backlog,
    Deployment,
    Fleet,
    Measurement,
    MetricReading,
    Missing,
    Observation,
    QueueReading,
    StopTimeout,
    Trouble,
    Utilization,
)  # fmt: skip
from autoscaler.core.policy import MetricPolicy, Mode, Policy, QueuePolicy, Workers
from autoscaler.errors import AutoscalerError
from autoscaler.inspection.explaining import REFUSALS, UNREACHABLE, explained, kinds_of, page
from autoscaler.ports import ServiceRef, Tick
from autoscaler.telemetry.account import account_of, faults_of
from autoscaler.telemetry.status_store import StatusStore
from autoscaler.telemetry.views import decisions
from tests.cli.spoken import Ended, autoscaler
from tests.cli.worlds import WORLD, fake_daemon, free_port, world
from tests.e2e.region import Observer

NOW = 1_000.0
WRITES = ("Update", "Create", "Delete", "Put", "Set", "Tag", "Send", "Purge", "Run", "Stop", "Start")


def tick(backlog: Backlog | Missing | None = None, cpu: Utilization | Missing | None = None, **fleet: Any) -> Tick:
    """A decided tick of a service with a queue, CPU and a metric."""
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
    return Tick(ServiceRef("orders", "prod", "orders-worker"), policy, seen, Memory(), decision, "accepted")


def told_by(daemon_tick: Tick) -> dict[str, Any]:
    """What the real API says once that tick was recorded."""
    store = StatusStore(lambda: NOW, lambda: 1_800_000_000.0)
    status = store.note(daemon_tick)
    answer: dict[str, Any] = json.loads(json.dumps(decisions((), status)))
    return answer


def account(of: Tick) -> dict[str, Any]:
    return explained(json.loads(json.dumps(account_of(of, faults_of(of)))))


async def cold(observer: Observer, *arguments: str, **settings: str) -> Ended:
    nobody = f"http://127.0.0.1:{free_port()}"
    return await autoscaler(
        "explain", *arguments, "--url", nobody, **(WORLD | {"AWS_ENDPOINT_URL": observer.url} | settings)
    )


async def test_the_daemons_newest_decision_is_shown_and_no_settings_are_needed() -> None:
    async with fake_daemon(200, told_by(tick())) as (url, asked):
        ended = await autoscaler("explain", "orders", "--url", url)
    assert asked == ["GET /api/v1/services/orders/decisions"]
    assert (ended.code, ended.err) == (0, "")
    shown = ended.out.decode()
    assert f"the daemon at {url}" in shown
    assert "orders: 2 -> 8 tasks" in shown
    assert "10 -> 8" in shown
    assert "\x1b" not in shown, "colours are for terminals"


async def test_json_is_the_account_and_alone_on_stdout() -> None:
    newest = told_by(tick())
    older = {**newest["decisions"][0], "target": 1}
    async with fake_daemon(200, {"decisions": [older, *newest["decisions"]]}) as (url, _):
        ended = await autoscaler("explain", "orders", "--json", "--url", url)
    told = json.loads(ended.out)
    assert (told["source"], told["url"], told["target"]) == ("daemon", url, 8)
    assert told.items() >= newest["decisions"][0].items()
    assert {entry["name"] for entry in told["inputs"]} >= {"tasks", "cpu"}


async def test_a_key_is_found_whatever_its_capitals_and_an_unknown_one_gets_a_suggestion() -> None:
    body = {"/api/v1/services/my-orders/decisions": told_by(tick())}
    unknown = {"error": "no such service", "services": ["my-orders", "refunds"]}
    body["/api/v1/services/My_Orders/decisions"] = unknown
    body["/api/v1/services/my-order/decisions"] = unknown
    async with fake_daemon(200, body) as (url, asked):
        assert (await autoscaler("explain", "My_Orders", "--url", url)).code == 0
        ended = await autoscaler("explain", "my-order", "--url", url)
    assert (ended.code, ended.out) == (2, b"")
    assert "did you mean my-orders?" in ended.err
    assert "services: my-orders, refunds" in ended.err
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, "<html>"), (200, {"decisions": [{}]}), (404, "not found"), (500, {}), (302, ""), (200, "["), (404, [])],
)
async def test_a_stranger_on_the_port_is_told_from_a_daemon(status: int, body: Any) -> None:
    async with fake_daemon(status, body) as (url, _):
        ended = await autoscaler("explain", "orders", "--url", url)
    assert "no autoscaler" in ended.err
    assert (ended.code, ended.out) == (2, b""), "there are no settings to fall back to"


@pytest.mark.parametrize(
    "url", ["ftp://x", "127.0.0.1:9108", "http://", "http://x:99999", "http://[", "", "http://u:p@x"]
)
def test_a_wrong_url_is_a_usage_error(url: str) -> None:
    result = CliRunner().invoke(main, ["explain", "orders", "--url", url])
    assert result.exit_code == 2
    assert "is not a URL such as" in result.stderr


async def test_a_daemon_that_has_not_decided_yet_is_said_to_be_so() -> None:
    async with fake_daemon(200, {"decisions": []}) as (url, _):
        ended = await autoscaler("explain", "orders", "--url", url)
    assert "has not decided on it yet" in ended.err
    assert ended.code == 2


async def test_cold_reads_aws_once_says_so_and_writes_nothing() -> None:
    async with world() as observer:
        ended = await cold(observer, "orders")
        actions = [request.action for request in observer.requests]
    assert (ended.code, ended.out.decode().count("cold")) == (0, 1)
    assert "no daemon at" in ended.err
    assert "has no history" in ended.err
    assert "orders: 2 -> 4 tasks" in ended.out.decode()
    assert not [action for action in actions if action.startswith(WRITES)]
    assert actions.count("DescribeServices") == actions.count("GetQueueAttributes") == 1


async def test_what_aws_refuses_is_3_unknown_keys_are_2_and_no_answer_is_4() -> None:
    async with world(messages=0) as observer:
        missing_queue = await cold(observer, "orders", "--json", AUTOSCALER_QUEUES="misspelt")
        assert missing_queue.code == 3
        told = json.loads(missing_queue.out)
        assert told["source"] == "aws"
        assert [fault["kind"] for fault in told["faults"]] == ["not_found"]

        missing_service = await cold(observer, "nowhere", AUTOSCALER_SERVICE="nowhere")
        assert missing_service.code == 3
        assert "no decision" in missing_service.out.decode()

        unknown = await cold(observer, "order")
        assert (unknown.code, unknown.out) == (2, b"")
        assert "did you mean orders?" in unknown.err

        gone = await cold(observer, "orders", AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
        assert gone.code == 4
        assert observer.requests
        assert not [request for request in observer.requests if request.action.startswith(WRITES)]


def test_every_input_is_shown_with_its_age() -> None:
    of = tick(deployment=Deployment(NOW - 120), protected=1, trouble=Trouble("no capacity", NOW - 20))
    told = {entry["name"]: (entry["value"], entry["age_s"]) for entry in account(of)["inputs"]}
    assert told["tasks"] == ("2 desired, 2 running, 0 pending", 0.5)
    assert told["queue orders"] == ("100 visible, 0 in flight, 3 delayed, the oldest 40 s old", 0.25)
    assert told["cpu"] == ("71.5 %, 2 tasks at the time", 63)
    assert told["metric lag"] == ("12.5", 30)
    assert told["deployment"] == ("in progress", 120)
    assert told["protected"] == ("1 of the tasks", None)
    assert told["trouble"] == ("no capacity", 20)
    assert "memory" in told


def test_a_reading_that_is_missing_says_why() -> None:
    told = account(tick(backlog=Missing("not allowed; give the role a right", "denied")))
    [queue] = [entry for entry in told["inputs"] if entry["name"] == "queue orders"]
    assert queue == {"name": "queue orders", "value": "missing: not allowed; give the role a right", "age_s": None}
    assert kinds_of(told) == {"denied"}
    assert "denied" in page(told)
    assert "''" not in page(told), "what has no age has an empty cell"


def test_votes_are_there_also_where_an_older_daemon_does_not_tell_them() -> None:
    told = json.loads(json.dumps(account_of(tick(), ())))
    votes = told.pop("votes")
    assert votes
    assert explained(told)["votes"] == votes


def test_a_situation_of_a_stranger_leaves_the_inputs_out_and_the_walk_in() -> None:
    told = explained({**account_of(tick(), ()), "situation": {"surprise": 1}, "votes": []})
    assert (told["inputs"], told["votes"]) == ([], [])
    assert "bounds" in page(told)


def test_nothing_hostile_reaches_the_terminal() -> None:
    told = account(tick())
    told["steps"][0]["reason"] = "\x1b[2J\n"
    shown = page({**told, "sentence": "\x1b[2J"})
    assert "\x1b" not in shown


def test_every_kind_of_fault_has_its_exit_code() -> None:
    assert {fault.kind for fault in AutoscalerError.__subclasses__()} == REFUSALS | UNREACHABLE
    assert REFUSALS.isdisjoint(UNREACHABLE)
    assert "denied" in REFUSALS
    assert {"unavailable"} == UNREACHABLE


def long(**changes: Any) -> dict[str, Any]:
    """The account of a service whose messages take 95 s, with 3 in flight."""
    whole = tick(Backlog(0, 3, 0, NOW))
    policy, seen = replace(whole.policy, processing_time_s=95.0, cpu_target_percent=None, metrics=()), whole.observation
    assert seen is not None
    policy, seen = replace(policy, workers=changes.get("workers")), replace(seen, stop_timeout=changes.get("stop"))
    decided = replace(whole, policy=policy, observation=seen, decision=decide(policy, Memory(), seen))
    return explained(account_of(decided, faults_of(decided)))


def test_what_is_assumed_of_workers_is_an_input() -> None:
    def told(**changes: Any) -> list[str]:
        return [entry["value"] for entry in long(**changes)["inputs"] if entry["name"] == "workers"]

    assert told() == [
        "not set, treated as unsafe: messages take up to 95 s (processing_time); the stopTimeout of 30 s (assumed; "
        "grant ecs:DescribeTaskDefinition to read it)"
    ]
    assert told(stop=StopTimeout(120.0, "app")) == [
        "not set, treated as draining; the stopTimeout of 120 s of container app"
    ]
    assert told(workers=Workers.UNSAFE) == [], "that is in the settings"
    assert "not set, treated as unsafe" in page(long())
