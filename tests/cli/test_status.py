"""`status` prints one line per service from the daemon. Without a daemon it reads AWS once and reports that."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cli import main
from autoscaler.cli.status import _met, _paragraphs, _spent
from autoscaler.core.knowledge import Estimate, Knowledge, QueueKnowledge, TimedCount
from autoscaler.core.model import ActiveDeployment, Backlog, Missing, Revisions
from autoscaler.operating.status import GOOD, Statuses
from autoscaler.telemetry.page.rows import row_of
from autoscaler.telemetry.status_store import SloStatus, StatusStore
from autoscaler.telemetry.views import services
from tests.cli.spoken import Ended, autoscaler, started
from tests.cli.terminal import on_a_terminal
from tests.cli.test_explain import NOW, poll
from tests.cli.worlds import WORLD, fake_daemon, free_port, world
from tests.processes import ended

SECONDS = Estimate(1.0, 5.0, 1.0)


def listed(*polls: Any) -> dict[str, Any]:
    """Return the answer of the real API after these polls are recorded."""
    store = StatusStore(lambda: NOW, lambda: 1_800_000_000.0)
    for each in polls:
        store.note(each)
    answer: dict[str, Any] = json.loads(json.dumps(services(store.statuses(), NOW)))
    return answer


def cells(line: str) -> list[str]:
    return re.split(r"  +", line)


def row(**changed: Any) -> Any:
    [service] = listed(poll())["services"]
    [one] = Statuses.of([service | changed], None).rows
    return one


def test_a_risk_that_is_the_cause_is_said_once() -> None:
    advice = {"cause": "a poll and a start take 54 s", "remedy": "raise min_tasks"}
    risk = {"slo": "at_risk", "reason": "a poll and a start take 54 s; raise min_tasks"}
    at_risk = list(_paragraphs(row(**risk)._replace(**advice)))
    assert at_risk[:2] == ["Cause: a poll and a start take 54 s.", "To do: raise min_tasks."]
    assert sum("54 s" in text for text in at_risk) == 1
    other = list(_paragraphs(row(**risk | {"reason": "10 messages are late"})._replace(**advice)))
    assert "At risk: 10 messages are late." in other


async def test_each_service_is_a_line_with_its_slo_status_tasks_backlog_and_last_decision() -> None:
    async with fake_daemon(200, listed(poll())) as (url, requests):
        ended = await autoscaler("status", "--url", url)
    assert requests == ["GET /api/v1/services"]
    assert (ended.code, ended.err) == (0, "")
    heads, line = map(cells, ended.out.decode().splitlines())
    assert heads == ["service", "slo", "tasks", "backlog", "oldest", "last decision"]
    assert line[:-1] == ["orders", "met", "2/2 (0-8)", "100 + 0", "40s of 60s"]
    limit = "Limit: max_tasks is 8, and 10 tasks are required. To do: raise max_tasks. "
    assert line[-1].startswith(f"{limit}2 -> 8 tasks")
    assert b"\x1b" not in ended.out


async def test_with_json_stdout_is_only_json_with_its_source() -> None:
    async with fake_daemon(200, listed(poll())) as (url, _):
        ended = await autoscaler("status", "--json", "--url", url)
    output = json.loads(ended.out)
    assert (output["source"], output["url"]) == ("daemon", url)
    [service] = output["services"]
    assert (service["key"], service["slo"], service["visible"], service["oldest_age_s"]) == (
        "orders", "met", 100, 40.0,
    )  # fmt: skip


async def test_the_fields_of_the_json_are_those_of_the_api() -> None:
    late = poll(Backlog(100, 0, 0, NOW, oldest_age_s=61.0))
    for answer in (listed(poll()), listed(late), listed(poll(Missing("no", "denied")))):
        async with fake_daemon(200, answer) as (url, _):
            [service] = json.loads((await autoscaler("status", "--json", "--url", url)).out)["services"]
        [of_api] = answer["services"]
        assert {name: service[name] for name in of_api} == of_api


async def test_a_missed_latency_target_exits_with_1_and_names_the_queue() -> None:
    late = poll(Backlog(100, 0, 0, NOW, oldest_age_s=61.0))
    async with fake_daemon(200, listed(late)) as (url, _):
        ended = await autoscaler("status", "--url", url)
    assert ended.code == 1
    assert cells(ended.out.decode().splitlines()[1])[:2] == ["orders", "missed"]
    cause = "Cause: max_tasks is 8, and 10 tasks are required. To do: raise max_tasks. "
    assert f"{cause}Missed: orders: the oldest message is 61 s old (latency target 60 s). " in ended.out.decode()


async def test_without_a_daemon_aws_is_read_once_and_nothing_is_written() -> None:
    async with world() as observer:
        unused_url = f"http://127.0.0.1:{free_port()}"
        ended = await autoscaler("status", "--url", unused_url, **(WORLD | {"AWS_ENDPOINT_URL": observer.url}))
        actions = [request.action for request in observer.requests]
    assert (ended.code, "Reading AWS once" in ended.err) == (0, True)
    assert cells(ended.out.decode().splitlines()[1])[:4] == ["orders", "met", "2/0 (0-7)", "40 + 0"]
    assert "UpdateService" not in actions
    assert actions.count("DescribeServices") == 1


async def test_without_a_daemon_no_answer_of_aws_exits_with_4_and_a_refusal_with_3() -> None:
    unused_url = f"http://127.0.0.1:{free_port()}"
    gone = await autoscaler("status", "--url", unused_url, **(WORLD | {"AWS_ENDPOINT_URL": unused_url}))
    assert gone.code == 4
    assert cells(gone.out.decode().splitlines()[1])[:4] == ["orders", "unknown", "?/? (0-7)", "-"]
    async with world(messages=0) as observer:
        settings = WORLD | {"AWS_ENDPOINT_URL": observer.url, "AUTOSCALER_QUEUES": "misspelt"}
        assert (await autoscaler("status", "--url", unused_url, **settings)).code == 3


@pytest.mark.parametrize("body", ["<html>", {"services": [{}]}, {"services": [{"key": 1}]}, {}, []])
async def test_another_program_on_the_port_is_not_taken_for_a_daemon(body: Any) -> None:
    async with fake_daemon(200, body) as (url, _):
        ended = await autoscaler("status", "--url", url)
    assert "No autoscaler" in ended.err
    assert (ended.code, ended.out) == (2, b"")


def coming_late(waiting: int = 100) -> Any:
    """Return a poll without a late message; the next ones will be late. Each of 2 tasks takes 1 message per second."""
    known = Knowledge(
        SECONDS, 1.0, 1.0, SECONDS, SECONDS, 60.0, SECONDS, 1.0, 1.0, 10.0,
        queues=(QueueKnowledge("orders", (TimedCount(2.0, float(waiting)),)),),
    )  # fmt: skip
    of = poll(Backlog(waiting, 0, 0, NOW))
    assert of.observation is not None
    return replace(of, observation=replace(of.observation, knowledge=known))


def received_late() -> Any:
    of = coming_late(waiting=0)
    known = replace(of.observation.knowledge, received=9.0, late=2.0)
    return replace(of, observation=replace(of.observation, knowledge=known))


@pytest.mark.parametrize(
    ("of", "slo"),
    [
        (poll(), SloStatus.MET),
        (poll(Backlog(100, 0, 0, NOW, oldest_age_s=61.0)), SloStatus.MISSED),
        (poll(Missing("no", "denied")), SloStatus.UNKNOWN),
        (coming_late(waiting=1_000), SloStatus.AT_RISK),
        (received_late(), SloStatus.MISSED),
    ],
)
def test_the_slo_status_and_its_reason_are_the_same_as_on_the_page(of: Any, slo: Any) -> None:
    store = StatusStore(lambda: NOW, lambda: 1_800_000_000.0)
    store.note(of)
    [status] = store.statuses()
    [one] = Statuses.of(services(store.statuses(), NOW)["services"], None).rows
    on_the_page = row_of(status)
    assert (one.slo.value, one.reason) == (on_the_page["slo"], on_the_page["reason"])
    assert one.slo is slo
    assert (one.slo in GOOD) is (slo in {SloStatus.MET, SloStatus.NONE})


def test_a_service_with_a_hanging_loop_has_the_same_status_as_on_the_page() -> None:
    store = StatusStore(lambda: NOW, lambda: 1_800_000_000.0)
    store.note(poll())
    [status] = store.statuses()
    [one] = Statuses.of(services([status], NOW, {status.service.key})["services"], None).rows
    on_the_page = row_of(status, silent_s=90.0)
    assert (one.slo.value, one.reason) == (on_the_page["slo"], on_the_page["reason"])
    assert one.slo is SloStatus.UNKNOWN


async def test_the_worst_services_are_listed_first() -> None:
    service = listed(poll())["services"][0]
    body = {"services": [service | {"key": name, "slo": name} for name in ("met", "unknown", "missed", "at_risk")]}
    async with fake_daemon(200, body) as (url, _):
        ended = await autoscaler("status", "--url", url)
    assert [cells(line)[0] for line in ended.out.decode().splitlines()[1:]] == ["missed", "at_risk", "unknown", "met"]


@pytest.mark.parametrize("changed", [{"slo": "splendid"}, {"slo": None}, {"slo": []}])
def test_an_slo_status_of_another_version_is_shown_as_unknown(changed: Any) -> None:
    one = row(**changed)
    assert one.slo is SloStatus.UNKNOWN
    assert "version" in one.reason


def test_of_several_queues_the_worst_is_shown_and_counts_are_sums() -> None:
    queues = [
        {"name": "a", "visible": 3, "in_flight": 1, "oldest_age_s": 50.0, "acceptable_latency_s": 60.0},
        {"name": "b", "visible": 4, "in_flight": 2, "oldest_age_s": 90.0, "acceptable_latency_s": 300.0},
    ]
    one = row(queues=queues)
    assert (one.visible, one.in_flight, one.oldest_age_s, one.acceptable_latency_s) == (7, 3, 50.0, 60.0)
    one = row(queues=[*queues, {"name": "c", "visible": None, "acceptable_latency_s": 60.0}])
    assert one.visible is None, "missing is not zero"
    assert (one.oldest_age_s, one.acceptable_latency_s) == (None, 60.0), "unknown is worse than met"


@given(st.permutations(["met", "unread", "late"]), st.integers(0, 2))
def test_an_unread_queue_is_worse_than_one_that_meets_its_target_and_better_than_a_late_one(
    order: list[str], left_out: int
) -> None:
    waits_s = {"met": 59.0, "unread": None, "late": 61.0}
    names = order[:left_out] + order[left_out + 1 :]
    same = {"visible": 1, "acceptable_latency_s": 60.0}
    queues = [{"name": name, "oldest_age_s": waits_s[name], **same} for name in names]
    worst = next(name for name in ("late", "unread", "met") if name in names)
    assert row(queues=queues).oldest_age_s == waits_s[worst]


def test_the_api_returns_the_counts_of_each_queue_and_the_learned_values() -> None:
    waiting = (TimedCount(2.0, 5.0), TimedCount(12.5, 1.0))
    known = Knowledge(
        processing_s=SECONDS, slow_s=1.0, spread=1.0, concurrency=SECONDS, start_s=Estimate(43.2, 5.0, 9.0),
        start_late_s=60.0, rate_per_s=SECONDS, load=1.0, lasting_load=1.0, interval_s=10.0,
        queues=(QueueKnowledge("orders", waiting),),
    )  # fmt: skip
    of = poll()
    assert of.observation is not None
    learned = listed(of.__class__(**{
        **{name: getattr(of, name) for name in of.__slots__},
        "observation": of.observation.__class__(**{
            **{name: getattr(of.observation, name) for name in of.observation.__slots__}, "knowledge": known,
        }),
    }))["services"][0]  # fmt: skip
    assert learned["queues"][0]["oldest_age_s"] == 12.5
    assert learned["start_up_s"] == 36.4, "the mean of five starts, without the assumed 50 s"
    unread = listed(poll(Missing("no", "denied")))["services"][0]
    assert unread["queues"][0] == {
        "name": "orders", "acceptable_latency_s": 60.0, "visible": None, "in_flight": None, "delayed": None,
        "oldest_age_s": None,
    }  # fmt: skip
    assert (unread["start_up_s"], unread["expected_wait_s"]) == (None, None)


async def test_control_characters_do_not_reach_the_terminal() -> None:
    body = listed(poll())
    body["services"][0]["decision"]["sentence"] = "orders: \x1b[2J\n\u2028"
    async with fake_daemon(200, body) as (url, _):
        ended = await autoscaler("status", "--url", url)
    assert b"\x1b" not in ended.out
    assert len(ended.out.splitlines()) == 2


def test_invalid_options_exit_with_2() -> None:
    assert CliRunner().invoke(main, ["status", "--every", "1ms"]).exit_code == 2
    assert CliRunner().invoke(main, ["status", "--url", "ftp://x"]).exit_code == 2


async def stopped(process: asyncio.subprocess.Process, number: int) -> Ended:
    """Wait for the first line of the process, send it the signal, and return its result."""
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            first = await process.stdout.readline()
            process.send_signal(number)
            out, err = await process.communicate()
    finally:
        await ended(process)
    assert process.returncode is not None
    return Ended(process.returncode, first + out, err.decode())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_watching_continues_until_a_signal_and_then_exits_with_0(number: Any) -> None:
    async with fake_daemon(200, listed(poll())) as (url, requests):
        ended = await stopped(await started("status", "--watch", "--json", "--every", "1s", "--url", url), number)
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out.splitlines()[0])["services"][0]["key"] == "orders"
    assert requests


async def test_watching_without_a_daemon_reports_it_and_continues() -> None:
    ended = await stopped(await started("status", "--watch", "--url", f"http://127.0.0.1:{free_port()}"), signal.SIGINT)
    assert ended.code == 0
    assert "Start it with `autoscaler run`" in ended.out.decode()


def twice(drawn: str) -> bool:
    return drawn.count("\x1b[J") >= 2


async def test_on_a_terminal_it_redraws_in_place_and_restores_the_terminal() -> None:
    async with fake_daemon(200, listed(poll())) as (url, _):
        code, drawn = await on_a_terminal("status", "--watch", "--every", "300ms", "--url", url, stop_on=twice)
    assert code == 0
    assert drawn.startswith("\x1b[?1049h\x1b[?25l\x1b[H")
    assert drawn.rstrip().endswith("\x1b[?25h\x1b[?1049l")
    assert "\x1b[32mmet" in drawn


async def test_on_a_terminal_the_sentence_is_wrapped_and_no_color_is_respected() -> None:
    async with fake_daemon(200, listed(poll())) as (url, _):
        coloured = (await on_a_terminal("status", "--url", url)).text
        plain = (await on_a_terminal("status", "--url", url, NO_COLOR="1")).text
    assert "\x1b[1mservice" in coloured
    assert "\x1b" not in plain
    assert "all latency targets met" in plain
    assert max(map(len, plain.splitlines())) <= 100
    assert len(plain.splitlines()) > 3


def test_a_deployment_and_a_task_definition_that_is_behind_have_a_line() -> None:
    deployments = (ActiveDeployment("PRIMARY", "IN_PROGRESS"), ActiveDeployment("ACTIVE", running=2))
    during = replace(poll(deployments=deployments), revisions=Revisions("web:8", "web:9"))
    [one] = Statuses.of(listed(during)["services"], None).rows
    assert (
        "ECS: 2 deployments are unfinished; old 2 of 2, new 0 of 2 running tasks; task definition web:8, 1 revision "
        "behind web:9."
    ) in list(_paragraphs(one))
    [calm] = Statuses.of(listed(poll())["services"], None).rows
    assert not any(text.startswith("ECS:") for text in _paragraphs(calm))
    [older] = Statuses.of([{k: v for k, v in listed(poll())["services"][0].items() if k != "ecs"}], None).rows
    assert older.ecs is None


def test_the_first_line_counts_each_status_and_an_outage_comes_first_with_its_cause() -> None:
    met, missed = (listed(poll(*of))["services"][0] for of in ((), (Backlog(100, 0, 0, NOW, oldest_age_s=61.0),)))
    [unknown] = listed(poll(Missing("no", "denied")))["services"]
    silence = "ecs:DescribeServices did not answer within 3 s"
    places = [unknown | {"reason": f"s{n}, s{n + 1} in eu-west-1: {silence}; check the network"} for n in range(2)]
    unpolled = unknown | {"decision": None}
    for answers, text in (
        ([met], "all latency targets met"),
        ([*places, met], f"2 of 3 services cannot be read: {silence}"),
        ([*places, missed], f"2 of 3 services cannot be read: {silence}"),
        ([*places, unknown, missed], "3 of 4 services cannot be read: 2 causes"),
        ([unpolled, unpolled, met], "latency targets: 2 unknown, 1 met"),
        ([met, unknown, missed], "latency targets: 1 missed, 1 unknown, 1 met"),
    ):
        assert _met(Statuses.of(answers, "http://daemon")) == text


async def test_the_cost_of_today_is_in_the_json_and_in_the_first_line_on_a_terminal() -> None:
    answer = listed(poll())
    answer["services"][0]["cost"] = {"today_dollars": 12.5}
    answer["services"].append(answer["services"][0] | {"key": "bills", "cost": {"today_dollars": None}})
    async with fake_daemon(200, answer) as (url, _):
        ended = await autoscaler("status", "--json", "--url", url)
    output = json.loads(ended.out)
    assert output["cost_today_dollars"] == 12.5
    assert [each["cost_today_dollars"] for each in output["services"]] == [12.5, None]
    found = Statuses.of(answer["services"], "http://daemon")
    assert _spent(found) == ", tasks today $12.50 (1 of 2 services)"
    assert _spent(Statuses.of(answer["services"][:1], "http://daemon")) == ", tasks today $12.50"
    assert _spent(Statuses.of(answer["services"], None)) == ""  # AWS was read once: nothing is known about today
    del answer["services"][0]["cost"]
    assert Statuses.of(answer["services"][:1], "http://daemon").cost_today_dollars is None  # an earlier daemon
