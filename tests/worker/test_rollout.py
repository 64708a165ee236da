"""A task of a task definition that its service replaces: how it learns that, how often, and when it gives way."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Event, Semaphore, Thread
from threading import enumerate as enumerate_threads
from typing import Any

import pytest

from autoscaler.worker import RevisionCheck, TaskIdentity
from autoscaler.worker.rollout import SPREAD, VARIABLE, described
from tests.worker.times import VirtualTime

TASK = {"Cluster": "shop", "ServiceName": "orders", "Family": "web", "Revision": "7", "TaskARN": "arn:aws:ecs:x"}
ARN = "arn:aws:ecs:eu-west-1:111122223333:task-definition/web:{}"


class Metadata:
    """The metadata endpoint on loopback. `answers`: the status and body of the next requests; the last one stays."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = [(200, json.dumps(TASK).encode())]
        self.paths: list[str] = []
        self.uri = ""


@contextmanager
def serving() -> Iterator[Metadata]:
    double = Metadata()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            double.paths.append(self.path)
            status, body = double.answers.pop(0) if len(double.answers) > 1 else double.answers[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    double.uri = f"http://127.0.0.1:{server.server_port}/v4/container-1"
    Thread(target=server.serve_forever, args=(0.005,), daemon=True).start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    with serving() as double:
        yield double


class FakeEcs:
    """`deployments`: as DescribeServices returns them; an exception is raised instead."""

    def __init__(self, *deployments: dict[str, Any]) -> None:
        self.deployments: Any = list(deployments)
        self.requests: list[dict[str, Any]] = []

    def describe_services(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if isinstance(self.deployments, Exception):
            raise self.deployments
        return {"services": [{"taskDefinition": ARN.format(1), "deployments": self.deployments}], "failures": []}


def deployed(revision: int, status: str = "PRIMARY", state: str = "IN_PROGRESS") -> dict[str, Any]:
    return {"status": status, "rolloutState": state, "taskDefinition": ARN.format(revision)}


def rollout(metadata: Metadata, ecs: FakeEcs, time: VirtualTime | None = None, **options: Any) -> RevisionCheck:
    usual: dict[str, Any] = {"time": time or VirtualTime(), "chance": lambda: 0.5, "begin": at_once}
    return RevisionCheck(metadata.uri, described(ecs), **(usual | options))


def at_once(read: Callable[[], None]) -> None:
    read()


@pytest.mark.parametrize(
    ("deployments", "replaced"),
    [
        ([deployed(8), deployed(7, "ACTIVE")], True),
        ([deployed(7, state="COMPLETED")], False),
        ([deployed(6), deployed(7, "ACTIVE")], True),
        ([deployed(7, "PRIMARY", "COMPLETED"), deployed(8, "ACTIVE")], False),
        ([deployed(8, state="FAILED"), deployed(7, "ACTIVE")], False),
        ([{"status": "PRIMARY"}], False),
        ([], False),
    ],
    ids=["newer", "own", "rolled back", "blue/green before the shift", "failed", "unknown", "none"],
)
def test_the_primary_deployment_decides_whether_a_task_is_replaced(
    metadata: Metadata, deployments: list[dict[str, Any]], replaced: bool
) -> None:
    ecs = FakeEcs(*deployments)
    assert rollout(metadata, ecs).is_replaced() is replaced
    assert ecs.requests == [{"cluster": "shop", "services": ["orders"]}]
    assert metadata.paths == ["/v4/container-1/task"]


def test_ecs_is_read_once_per_interval_and_the_metadata_once(metadata: Metadata) -> None:
    time, ecs = VirtualTime(), FakeEcs(deployed(7))
    one = rollout(metadata, ecs, time, every_s=100)
    for second in range(301):
        assert one.is_replaced() is (second >= 200)
        if second == 150:
            ecs.deployments = [deployed(8)]
        time.advance(1)
    assert (len(ecs.requests), len(metadata.paths)) == (4, 1)


@pytest.mark.parametrize(("drawn", "due_s"), [(0.0, 1 - SPREAD), (1.0, 1 + SPREAD)])
def test_the_time_between_reads_varies(metadata: Metadata, drawn: float, due_s: float) -> None:
    time, ecs = VirtualTime(), FakeEcs(deployed(7))
    one = rollout(metadata, ecs, time, every_s=100, chance=lambda: drawn)
    one.is_replaced()
    time.advance(100 * due_s - 1)
    one.is_replaced()
    assert len(ecs.requests) == 1
    time.advance(1)
    one.is_replaced()
    assert len(ecs.requests) == 2


def test_a_failed_read_changes_nothing_and_is_logged_once(metadata: Metadata, caplog: Any) -> None:
    time, ecs = VirtualTime(), FakeEcs(deployed(8))
    one = rollout(metadata, ecs, time)
    assert one.is_replaced()
    ecs.deployments = PermissionError("AccessDenied: ecs:DescribeServices")
    with caplog.at_level(logging.WARNING):
        for _ in range(5):
            time.advance(300)
            assert one.is_replaced()
    assert [record.getMessage() for record in caplog.records] == [
        "it is not known which task definition the service deploys: PermissionError: AccessDenied: ecs:DescribeServices"
    ]


@pytest.mark.parametrize(
    "answer",
    [(500, b"{}"), (200, b"nonsense"), (200, b"[]"), (200, b"{}"), (200, b'{"Cluster": "shop"'), (404, b"")],
)
def test_unreadable_metadata_is_read_again_later(metadata: Metadata, answer: tuple[int, bytes]) -> None:
    time, ecs = VirtualTime(), FakeEcs(deployed(8))
    metadata.answers.insert(0, answer)
    one = rollout(metadata, ecs, time)
    assert not one.is_replaced()
    assert ecs.requests == []
    time.advance(300)
    assert one.is_replaced()


def test_an_agent_without_the_name_of_the_service_needs_it_from_the_worker(metadata: Metadata, caplog: Any) -> None:
    metadata.answers = [(200, json.dumps(TASK | {"ServiceName": None}).encode())]
    ecs = FakeEcs(deployed(8))
    assert not rollout(metadata, ecs).is_replaced()
    assert "pass service=" in caplog.text
    assert ecs.requests == []
    assert rollout(metadata, ecs, service="orders").is_replaced()


def test_a_custom_function_receives_what_the_task_is(metadata: Metadata) -> None:
    asked: list[TaskIdentity] = []
    one = RevisionCheck(metadata.uri, lambda own: asked.append(own) or "web:8", begin=at_once)  # type: ignore[func-returns-value]
    assert one.is_replaced()
    assert asked == [TaskIdentity("shop", "orders", "web:7")]


@pytest.mark.parametrize("unknown", ["", "web", "arn:aws:ecs:eu-west-1:1:task-definition/web"])
def test_a_task_definition_without_a_revision_is_unknown(metadata: Metadata, unknown: str) -> None:
    assert not RevisionCheck(metadata.uri, lambda _: unknown, begin=at_once).is_replaced()


def test_a_read_that_hangs_delays_nothing_and_is_not_begun_again(metadata: Metadata) -> None:
    time, answer, begun = VirtualTime(), Event(), Semaphore(0)

    def hanging(_: TaskIdentity) -> str:
        begun.release()
        answer.wait(20)
        return "web:8"

    one = RevisionCheck(metadata.uri, hanging, time=time)
    for _ in range(10):
        assert not one.is_replaced(), "not known yet"
        time.advance(400)
    assert begun.acquire(timeout=20)
    (reader,) = [each for each in enumerate_threads() if each.name == "deployed task definition"]
    answer.set()
    reader.join(20)
    assert one._is_replaced
    assert not begun.acquire(blocking=False)


def test_without_a_thread_nothing_is_read(metadata: Metadata, caplog: Any) -> None:
    def none_left(_: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    time = VirtualTime()
    one = RevisionCheck(metadata.uri, lambda _: "web:8", time=time, begin=none_left)
    assert not one.is_replaced()
    assert "can't start new thread" in caplog.text
    one._begin = at_once
    time.advance(400)
    assert one.is_replaced()


def test_outside_ecs_there_is_no_rollout(monkeypatch: Any) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert RevisionCheck.from_environment(FakeEcs()) is None
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:1/v4/x")
    one = RevisionCheck.from_environment(FakeEcs())
    assert one is not None
    assert not one.is_replaced(), "the endpoint does not answer"
    with pytest.raises(ValueError, match=VARIABLE):
        RevisionCheck("file:///etc/passwd", lambda _: None)
    with pytest.raises(ValueError, match="at least 60"):
        RevisionCheck("http://127.0.0.1/v4", lambda _: None, every_s=59)


def breaks(world: Any, one: RevisionCheck | None, **settings: Any) -> list[float]:
    """Process 40 messages of 25 s each without being idle; return the times of the breaks."""
    world.sqs.send(*map(str, range(40)))
    began, found = world.time.now(), []
    wait = world.time.wait

    def watched(bell: Any, seconds: float) -> Any:
        if seconds == 10.0:
            found.append(world.time.now() - began)
        return wait(bell, seconds)

    world.time.wait = watched
    worker = world.worker(lambda _: world.time.advance(25), **settings)
    worker._rollout = one
    worker.run()
    return list(dict.fromkeys(found))  # a ring can interrupt a wait, which then continues


@pytest.mark.parametrize(("revision", "every_s"), [(7, 600), (8, 75)])
def test_a_replaced_task_that_is_never_idle_takes_its_breaks_sooner(
    world: Any, metadata: Metadata, revision: int, every_s: int
) -> None:
    """1,000 s of work in messages of 25 s: a break of 10 s after 600 s, or after the first message that ends after 60 s
    of protection.
    """
    found = breaks(world, rollout(metadata, FakeEcs(deployed(revision)), world.time))
    assert found[0] == every_s
    assert {after - before for before, after in pairwise(found[:-1])} <= {every_s + 10}
    assert len(found) >= 1000 // every_s


def test_an_idle_task_makes_no_calls(world: Any, metadata: Metadata) -> None:
    ecs = FakeEcs(deployed(8))
    world.sqs.send("a")
    worker = world.worker(lambda _: None)
    worker._rollout = rollout(metadata, ecs, world.time)
    worker.run()
    assert ecs.requests == []
    assert metadata.paths == []


def test_the_calls_of_a_busy_task_are_bounded(world: Any, metadata: Metadata) -> None:
    ecs = FakeEcs(deployed(7))
    breaks(world, rollout(metadata, ecs, world.time))
    assert 1 <= len(ecs.requests) <= 5, "1,000 s, once in 300 s"
