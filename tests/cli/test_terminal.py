"""On a terminal of 80 and of 160 columns no line is wider, no word is broken, and nothing ends with a traceback."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import click
import pytest

from autoscaler.cli import main
from autoscaler.core.model import Backlog, Missing
from tests.aws.double import AwsDouble, fault, ok, serving
from tests.cli.spoken import autoscaler, journal_line, situation
from tests.cli.spoken import text as text_of
from tests.cli.terminal import on_a_terminal
from tests.cli.test_doctor import GOOD
from tests.cli.test_explain import NOW, api_answer, poll
from tests.cli.test_status import listed, twice
from tests.cli.worlds import WORLD, fake_daemon, free_port
from tests.operating.answers import healthy, simulated
from tests.operating.stops import container, event, rollout, staged, task

WIDTHS = (80, 160)
LONG = "refunds-and-chargebacks-of-the-european-payment-platform"
FILE = f"""
[defaults]
cluster = "prod"
region = "eu-west-1"
max_tasks = 6000
[services.orders]
service = "orders"
queues = ["orders"]
[services.{LONG}]
service = "{LONG}"
queues = ["refunds"]
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "autoscaler.toml").write_text(FILE)
    return str(tmp_path / "autoscaler.toml")


@pytest.fixture
def short_file(tmp_path: Path) -> str:
    """Return settings without the long key: a variable that is wider than the terminal stays whole."""
    (tmp_path / "short.toml").write_text(FILE.replace(LONG, "refunds"))
    return str(tmp_path / "short.toml")


def words(text: str) -> set[str]:
    return set(click.unstyle(text).split())


async def shown(*arguments: str, columns: int, code: int = 0, **settings: Any) -> str:
    """Run the command on a terminal; check the width of every line, and return the output without colours."""
    ended = await on_a_terminal(*arguments, columns=columns, **settings)
    text = click.unstyle(re.sub(r"[^\n]*\x1b\[K", "", ended.text.replace("\r\n", "\n")))
    assert ended.code == code, text
    assert "Traceback" not in text
    assert [line for line in text.splitlines() if len(line) > columns] == []
    return text


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("name", [None, *sorted(main.commands)])
async def test_help(name: str | None, columns: int) -> None:
    text = await shown(*([] if name is None else [name]), "--help", columns=columns)
    assert not re.search(r"\w-$", text, re.MULTILINE), "a word is broken at its hyphen"
    group = main if name is None else main.commands[name]
    helps = [group.help or "", *(getattr(parameter, "help", "") or "" for parameter in group.params)]
    assert words(" ".join(helps)) - {"\b"} <= words(text)


def services() -> dict[str, Any]:
    """Return services that meet, miss and do not know their latency target, one with a long key."""
    late = listed(poll(Backlog(100, 0, 0, NOW, oldest_age_s=61.0)))["services"][0]
    clearing = {"text": "the backlog of 100 messages is cleared in about 62 min at 12 tasks, in 15 min at 24 tasks"}
    late |= {"key": LONG, "paused": "in", "decision": late["decision"] | {"clearing": clearing}}
    gap = "sqs:GetQueueAttributes timed out for the queue https://sqs.eu-west-1.amazonaws.com/123456789012/mail"
    unread = listed(poll(Missing(gap, "unavailable")))["services"][0]
    return {"services": [*listed(poll())["services"], late, unread | {"key": "mail", "mode": "shadow"}]}


@pytest.mark.parametrize("columns", WIDTHS)
async def test_status(columns: int) -> None:
    async with fake_daemon(200, services()) as (url, _):
        text = await shown("status", "--url", url, columns=columns, code=1)
        plain = (await autoscaler("status", "--url", url)).out.decode()
    assert words(plain) - {"last", "decision"} <= words(text)
    rows = [line.split()[0] for line in text.splitlines()[1:] if not line.startswith(" ")]
    assert [row for row in rows if row in {LONG, "mail", "orders"}] == [LONG, "mail", "orders"]
    assert re.search(r"^    \(paused: in\) orders: 2 -> 8 tasks ", text, re.MULTILINE), "the decision has its own line"


async def test_watching_keeps_the_reason_and_the_colours() -> None:
    async with fake_daemon(200, services()) as (url, _):
        ended = await on_a_terminal("status", "--watch", "--every", "300ms", "--url", url, columns=80, stop_on=twice)
    picture = ended.text.split("\x1b[H")[-1]
    assert ended.code == 0
    assert "\x1b[31mmissed" in picture
    assert "the oldest message is 61 s old" in " ".join(click.unstyle(picture.replace("\x1b[K", "")).split())
    assert "…" not in picture


@pytest.mark.parametrize("columns", WIDTHS)
async def test_explain(columns: int) -> None:
    async with fake_daemon(200, api_answer(poll())) as (url, _):
        text = await shown("explain", "orders", "--url", url, columns=columns)
        assert words((await autoscaler("explain", "orders", "--url", url)).out.decode()) == words(text)


@pytest.mark.parametrize("columns", WIDTHS)
async def test_doctor(columns: int, file: str) -> None:
    given = {name: value for name, value in GOOD.items() if name.startswith("AWS_")}
    async with healthy() as double:
        double.on("SimulatePrincipalPolicy", simulated("implicitDeny"))
        double.on("DescribeScalableTargets", ok({"ScalableTargets": []}))
        options = ("doctor", "--config", file, "--all", "--url", f"http://127.0.0.1:{free_port()}")
        text = await shown(*options, columns=columns, code=1, AWS_ENDPOINT_URL=double.url, **given)
        plain = (await autoscaler(*options, AWS_ENDPOINT_URL=double.url, **given)).out.decode()
    assert words(plain) - {"result", "and", "remedy"} <= words(text)


def troubled(double: AwsDouble) -> None:
    """Stage a service whose container exits, with an event and a deployment. All texts have spaces."""
    exited = ("EssentialContainerExited", "Essential container in task exited")
    crashed = [task(*exited, container("app", 1), container("log-router", 0), ago=60.0 * n, ran=4.0) for n in range(11)]
    pull = "CannotPullContainerError: failed to resolve ref 123.dkr.ecr.eu-west-1.amazonaws.com/worker:v7: not found"
    crashed.append(task("TaskFailedToStart", pull, container("app", None, pull), ran=None, ago=90.0))
    events = [event("has started 2 tasks: (task 5d6c5f4d2a7b4c0e9f1a2b3c4d5e6f70).")]
    events.append(event("is unable to consistently start tasks successfully. For more information, see the guide.", 60))
    reason = "ECS deployment ecs-svc/0123456789012345678 in progress."
    newest = rollout("IN_PROGRESS", 1_200.0, failedTasks=11, runningCount=1, rolloutStateReason=reason)
    older = rollout(ago=90_000.0, status="ACTIVE", taskDefinition="worker:7", desiredCount=0, runningCount=0)
    staged(double, crashed, running=1, pendingCount=2, events=events, deployments=[newest, older])


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("denied", ["", "ListTasks"])
async def test_diagnose(columns: int, denied: str, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.operating.stops.NOW", time.time())
    given = {name: value for name, value in GOOD.items() if name.startswith("AWS_")}
    async with serving() as double:
        troubled(double)
        if denied:
            double.on(denied, fault("AccessDeniedException", "not authorized to perform this call"))
        options = ("diagnose", "orders", "--config", file)
        text = await shown(*options, columns=columns, code=1, AWS_ENDPOINT_URL=double.url, **given)
        plain = (await autoscaler(*options, AWS_ENDPOINT_URL=double.url, **given)).out.decode()
    ages = re.compile(r"\d+ (?:s|min|h|days)\b|\d\d:\d\d")
    assert words(ages.sub("AGE", " ".join(plain.split()))) == words(ages.sub("AGE", " ".join(text.split())))


@pytest.mark.parametrize("columns", WIDTHS)
async def test_check_and_problems(columns: int, file: str, tmp_path: Path) -> None:
    text = await shown("check", "--config", file, columns=columns)
    assert words((await autoscaler("check", "--config", file)).out.decode()) == words(text)
    (tmp_path / "bad.toml").write_text(FILE.replace("max_tasks = 6000", "max_task = 6000"))
    text = await shown("check", "--config", str(tmp_path / "bad.toml"), columns=columns, code=2)
    assert words((await autoscaler("check", "--config", str(tmp_path / "bad.toml"))).err) == words(text)


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("form", [[], ["--effective"]])
async def test_settings(columns: int, form: list[str], short_file: str) -> None:
    text = await shown("settings", *form, "--config", short_file, columns=columns)
    plain = (await autoscaler("settings", *form, "--config", short_file)).out.decode()
    assert words(plain) <= words(re.sub(r"[()]", "", text) if form else text) | {"(min", "n)"}


@pytest.mark.parametrize("columns", WIDTHS)
async def test_replay(columns: int, tmp_path: Path) -> None:
    journal = tmp_path / "daemon.log"
    journal.write_bytes(text_of(journal_line(situation(), 8), journal_line(situation(visible=900), 20, "rate_limit")))
    text = await shown("replay", str(journal), columns=columns, code=1)
    plain = (await autoscaler("replay", str(journal))).out.decode()
    assert words(plain.replace(":", "")) <= words(text.replace(":", ""))
    assert re.search(r"^2026-11-23T08:30:00\.000Z  orders .* 2 -> 8 .* 2 -> 10$", text, re.MULTILINE)


@pytest.mark.parametrize("columns", WIDTHS)
async def test_without_a_daemon_and_without_aws(columns: int, file: str) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    options = ("--url", nowhere, "--config", file)
    settings = {name: value for name, value in WORLD.items() if name.startswith("AWS_")}
    for command in (["status"], ["explain", "orders"]):
        await shown(*command, *options, columns=columns, code=4, AWS_ENDPOINT_URL=nowhere, **settings)


@pytest.mark.parametrize("columns", WIDTHS)
async def test_init(columns: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    options = ["--cluster", "prod", "--service", "orders-worker", "--queues", "orders", "--max-tasks", "20"]
    options += ["--acceptable-latency", "60s", "--processing-time", "5s", "--region", "us-gov-west-1"]
    root: Any = {"PYTHONPATH": str(Path(__file__).parents[2])}
    text = await shown("init", *options, columns=columns, **root)
    assert words((await autoscaler("init", *options, "--force", **root)).out.decode()) - {"\\"} <= words(text)
    assert "arn:aws-us-gov:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy" in text
