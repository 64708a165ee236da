"""`assess` from end to end: the command against the fake AWS, with all rights, with some, and with none."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autoscaler.cli import main
from tests.assess.world import FARGATE, environment, past, put, url
from tests.cli.test_simulate_history import BARE, WORLD
from tests.fakeaws import FakeAws, serving
from tests.fakeaws.faults import refused

HOURS = 720.0
PRICE = 0.5 * 0.04048 + 1.0 * 0.004445
READS = {"ListServices", "DescribeServices", "DescribeTaskDefinition", "GetMetricData"}


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    """Run the fake AWS in a thread: the command has its own event loop."""
    loop, fake = asyncio.new_event_loop(), FakeAws()
    served = serving(fake)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield asyncio.run_coroutine_threadsafe(served.__aenter__(), loop).result(10)
    asyncio.run_coroutine_threadsafe(served.__aexit__(None, None, None), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
    assert not fake.record.complaints


def assess(aws: FakeAws, *options: str, cluster: str = "prod") -> Result:
    environ = BARE | WORLD | {"AWS_ENDPOINT_URL": aws.url}
    command = ["assess", "--cluster", cluster, "--days", "1", *options]
    return CliRunner().invoke(main, command, env=environ, catch_exceptions=False)


def json_of(aws: FakeAws, *options: str, code: int = 0) -> dict[str, Any]:
    result = assess(aws, "--json", *options)
    assert result.exit_code == code, result.output
    return dict(json.loads(result.stdout, parse_constant=pytest.fail))


def services(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["service"]: one for one in document["services"]}


def shop(aws: FakeAws) -> None:
    """Add a fixed fleet, a late service and a web service."""
    world = aws.world()
    world.put_service("prod", "orders", 8, containers=environment(QUEUE_URL=url("orders")), definition=FARGATE)
    put(aws, "orders", "orders", past("diurnal:0.5", "static:8", 1, 2.0))
    world.put_service("prod", "invoices", 6, tags={"autoscaler:queues": "invoices"}, definition=FARGATE)
    put(aws, "invoices", "invoices", past("on_off:2:600:3000", "target-tracking", 1, 3.0))
    world.put_service("prod", "web", 4, definition=FARGATE)
    put(aws, "web", None, past("batch:1:43200", "static:4", 1, 1.0))


def test_every_service_has_its_queue_its_cost_now_and_its_cost_with_the_daemon(aws: FakeAws) -> None:
    shop(aws)
    document = json_of(aws)
    found = services(document)
    assert {name: one["queues"] for name, one in found.items()} == {
        "orders": ["orders"],
        "invoices": ["invoices"],
        "web": [],
    }
    orders = found["orders"]
    assert orders["dollars_per_task_hour"] == pytest.approx(PRICE)
    assert orders["now"]["dollars_per_month"] == pytest.approx(8 * HOURS * PRICE, rel=0.02)
    assert orders["now"]["task_hours_per_month"] == pytest.approx(8 * HOURS, rel=0.02)
    assert orders["late_ratio_now"] == 0.0
    # 0.5 messages/s of 2 s keep one task busy on average
    assert HOURS < orders["with_autoscaler"]["task_hours_per_month"] < 3 * HOURS
    assert orders["saving"]["dollars_per_month"] == pytest.approx(
        orders["now"]["dollars_per_month"] - orders["with_autoscaler"]["dollars_per_month"]
    )
    assert orders["saving_low"]["dollars_per_month"] <= orders["saving"]["dollars_per_month"]
    assert orders["processing_time_s"] == pytest.approx(2.0, rel=0.2)
    truth = past("on_off:2:600:3000", "target-tracking", 1, 3.0)
    invoices = found["invoices"]
    assert invoices["late_ratio_now"] == pytest.approx(truth.late_fraction, abs=0.05)
    assert invoices["late_ratio_with_autoscaler"] < truth.late_fraction
    assert found["web"]["saving"] is None
    assert found["web"]["now"]["task_hours_per_month"] == pytest.approx(4 * HOURS, rel=0.02)
    assert document["total"]["services_compared"] == 2
    savings = [one["saving"]["dollars_per_month"] for one in document["services"][:2]]
    assert savings == sorted(savings, reverse=True)
    assert document["total"]["saving"]["dollars_per_month"] == pytest.approx(sum(savings))
    assert {operation for operation, *_ in aws.record.outcomes} <= READS
    assert not aws.record.updates, "only reads are made, and few of them"
    # one list, one description of three services, three definitions, one page of metrics
    assert document["aws_calls"] == 6


def test_the_table_fits_80_columns_and_states_what_it_is_based_on(aws: FakeAws, tmp_path: Path) -> None:
    shop(aws)
    report = tmp_path / "prod.html"
    result = assess(aws, "--report", str(report))
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    head = next(at for at, line in enumerate(lines) if line.startswith("service "))
    assert lines[head].split() == ["service", "queue", "now", "with", "saves", "late", "now", "late", "with"]
    assert [line.split()[0] for line in lines[head + 1 : head + 5]] == ["invoices", "orders", "web", "total"]
    text = " ".join(result.stdout.split())
    assert text.startswith("You would save $")
    assert "queue orders: the variable QUEUE_URL of its task definition: check it, or pass --queue orders=NAME" in text
    assert "no queue found in its tags and environment: pass --queue web=NAME if it has one" in text
    assert "6 AWS calls, all of them read only." in text
    page = unescape(report.read_text())
    headline = text[: text.index(" Cluster prod")]
    assert headline in page
    assert "http://" not in page.replace("http-equiv", "")
    assert "https://" not in page
    assert "<script" not in page


def test_a_given_queue_price_and_unknown_name_are_used_and_reported(aws: FakeAws) -> None:
    world = aws.world()
    world.put_service("prod", "worker", 8, definition=FARGATE, extra={"launchType": "EC2"})
    put(aws, "worker", "jobs", past("diurnal:0.5", "static:8", 1, 2.0))
    plain = services(json_of(aws))["worker"]
    assert plain["saving"] is None
    assert plain["now"]["dollars_per_month"] is None
    assert "the task runs on EC2, not on Fargate" in plain["price_basis"]
    given = json_of(aws, "--queue", "worker=jobs", "--task-price", "worker=0.5", "--queue", "no-such=jobs")
    worker = services(given)["worker"]
    assert worker["queue_from"] == "given with --queue"
    assert worker["now"]["dollars_per_month"] == pytest.approx(worker["now"]["task_hours_per_month"] * 0.5)
    assert worker["saving"]["dollars_per_month"] > 0
    common = services(json_of(aws, "--queue", "worker=jobs", "--task-price", "0.25"))["worker"]
    assert common["dollars_per_task_hour"] == 0.25
    result = assess(aws, "--queue", "no-such=jobs")
    assert "Not in this cluster: no-such." in " ".join(result.stdout.split())


def test_queues_of_repeated_options_are_all_read_and_each_once(aws: FakeAws) -> None:
    aws.world().put_service("prod", "worker", 8, definition=FARGATE)
    shown = past("diurnal:0.5", "static:8", 1, 2.0)
    put(aws, "worker", "jobs", shown)
    worker = services(json_of(aws, "--queue", "worker=jobs", "--queue", "worker=more,jobs"))["worker"]
    assert worker["queues"] == ["jobs", "more"]
    assert worker["messages"] == pytest.approx(shown.sent.sum())


def test_without_task_definitions_the_rest_is_assessed(aws: FakeAws) -> None:
    shop(aws)
    aws.faults.script("DescribeTaskDefinition", refused("AccessDeniedException", status=400))
    found = services(json_of(aws))
    # the queue of invoices is in its tag; that of orders would be in its environment
    assert found["invoices"]["saving"]["task_hours_per_month"] is not None
    assert found["invoices"]["saving"]["dollars_per_month"] is None
    assert found["orders"]["queues"] == []
    for one in found.values():
        assert any("ecs:DescribeTaskDefinition" in note for note in one["notes"])
    calls = [operation for operation, *_ in aws.record.outcomes if operation == "DescribeTaskDefinition"]
    assert len(calls) == 1  # a denial applies to all


def test_without_cloudwatch_every_service_says_so_and_the_exit_code_is_1(aws: FakeAws) -> None:
    shop(aws)
    aws.faults.script("GetMetricData", refused("AccessDeniedException", status=400))
    document = json_of(aws, code=1)
    assert document["total"]["sentence"].startswith("No service could be compared")
    for one in document["services"]:
        assert one["now"] is None
        assert any("cloudwatch:GetMetricData" in note for note in one["notes"])


def test_without_the_list_of_services_the_command_ends_with_the_remedy(aws: FakeAws) -> None:
    aws.faults.script("ListServices", refused("AccessDeniedException", status=400))
    result = assess(aws)
    assert result.exit_code == 3
    assert "ecs:ListServices" in result.stderr
    assert "grant the user or role that runs this command" in result.stderr


def test_an_unknown_cluster_ends_the_command(aws: FakeAws) -> None:
    aws.world().put_service("prod", "worker", 1)
    result = assess(aws, cluster="prd")
    assert result.exit_code == 3
    assert "there is no cluster prd in" in result.stderr
    assert "check --cluster and --region" in result.stderr
    assert "AUTOSCALER_" not in result.stderr, "assess needs no settings"


def test_an_unused_queue_and_a_daemon_service_are_named(aws: FakeAws) -> None:
    world = aws.world()
    world.put_service("prod", "idle", 1, containers=environment(QUEUE_URL=url("elsewhere")), definition=FARGATE)
    put(aws, "idle", None, past("batch:1:43200", "static:4", 1, 1.0))
    world.put_service("prod", "agent", 1, strategy="DAEMON", tags={"autoscaler:queues": "jobs"}, definition=FARGATE)
    put(aws, "agent", "jobs", past("batch:1:43200", "static:4", 1, 1.0))
    found = services(json_of(aws, code=1))
    assert any(
        "CloudWatch has no datapoint of queue elsewhere in account 123456789012" in n for n in found["idle"]["notes"]
    )
    assert any("scheduling strategy DAEMON" in note for note in found["agent"]["notes"])
    assert found["agent"]["saving"] is None


def test_a_page_escapes_names_and_needs_no_network(aws: FakeAws, tmp_path: Path) -> None:
    world = aws.world()
    world.put_service("prod", "web", 2, definition=FARGATE, tags={"autoscaler:queues": "<b>"})
    put(aws, "web", None, past("batch:1:43200", "static:4", 1, 1.0))
    result = assess(aws, "--report", str(tmp_path / "p.html"), "--queue", "<i>=jobs")
    assert result.exit_code == 0
    assert "<i>" not in (tmp_path / "p.html").read_text().partition("<main>")[2].replace("<i class", "")


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (["--days", "15"], "15 is not in the range 1<=x<=14"),
        (["--queue", "orders"], "is not SERVICE=QUEUE[,QUEUE...]"),
        (["--queue", "orders=not a queue"], "is not a queue name, URL or ARN"),
        (["--task-price", "orders=free"], "is not a price above 0"),
        (["--report", "-"], "cannot be written to standard output"),
        (["--region", "Ireland"], "is not a Region"),
    ],
)
def test_wrong_options_are_refused(options: list[str], remedy: str) -> None:
    result = CliRunner().invoke(main, ["assess", "--cluster", "prod", *options])
    assert result.exit_code == 2
    assert remedy in " ".join(result.stderr.split())
