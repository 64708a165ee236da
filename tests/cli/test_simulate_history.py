"""`simulate --from-cloudwatch`: a real queue's past is the load; what cannot be read ends it by the right exit code."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from autoscaler import one_shot
from autoscaler.cli import main
from autoscaler.errors import Unavailable
from autoscaler.ports import QueueRef
from tests.aws.double import HANG, Double, Reply, fault, ok, serving
from tests.cli.spoken import autoscaler

BARE = dict.fromkeys(("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL")) | {
    "AWS_CONFIG_FILE": "none",
    "AWS_SHARED_CREDENTIALS_FILE": "none",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "*",
}
"""Nothing of whoever runs the tests."""

WORLD = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "eu-west-1"}


@pytest.fixture
def double() -> Iterator[Double]:
    """A scripted AWS in a thread: the command has the main one, for its signals and an event loop of its own."""
    loop, scripted = asyncio.new_event_loop(), serving()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield asyncio.run_coroutine_threadsafe(scripted.__aenter__(), loop).result(10)
    asyncio.run_coroutine_threadsafe(scripted.__aexit__(None, None, None), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def every_period(value: float, but: int = 0, but_first: int = 0) -> Any:
    """Answers with this sum of each period that is asked for, but for so many of the last, and of the first."""

    def reply(asked: dict[str, Any]) -> Reply:
        [query] = asked["MetricDataQueries"]
        times = range(int(asked["StartTime"]), int(asked["EndTime"]), query["MetricStat"]["Period"])
        times = times[but_first : len(times) - but]
        result = {"Id": query["Id"], "StatusCode": "Complete", "Timestamps": list(times)}
        return ok({"MetricDataResults": [result | {"Values": [value] * len(times)}]})

    return reply


def arguments_of(*arguments: str, back: str = "1h") -> list[str]:
    of = ["--from-cloudwatch", back, "--policy", "static:9", "--service-time", "constant:1", "--json", "-"]
    return ["simulate", *of, *arguments]


def simulate(double: Double | None, *arguments: str, back: str = "1h", **settings: str) -> Result:
    url = {"AWS_ENDPOINT_URL": double.url} if double else {}
    return CliRunner().invoke(main, arguments_of(*arguments, back=back), env=BARE | WORLD | url | settings)


async def test_the_past_of_a_queue_is_the_load_and_its_gaps_are_told(double: Double) -> None:
    double.on("GetMetricData", every_period(40.0, but=12))
    before = time.time()
    ended = await autoscaler(*arguments_of("--queue", "orders"), **WORLD, AWS_ENDPOINT_URL=double.url)
    assert ended.code == 0, ended.err
    result = json.loads(ended.out)
    assert result["trace"] == "orders"
    # 48 minutes of 40: a Poisson count with a mean of 1,920 and a standard deviation of 44.
    assert 1700 < result["results"][0]["jobs"] < 2140
    assert re.search(r"queue orders: 60 minutes, .* UTC; 12 of them had no datapoint", ended.err)
    [seen] = double.seen
    assert seen.operation == "GetMetricData"
    assert seen.body["EndTime"] <= before - 120, "the newest minutes are not published yet"
    assert seen.body["EndTime"] - seen.body["StartTime"] == 3600


def test_a_history_begins_with_the_first_datapoint_and_says_when_that_was(double: Double) -> None:
    double.on("GetMetricData", every_period(1.0, but_first=45))
    ended = simulate(double, "--queue", "orders")
    told = re.search(r"queue orders: 15 minutes, (.{16}) to (.{16}) UTC; 0 of them", ended.stderr)
    assert told, ended.stderr
    first, last = (datetime.fromisoformat(f"{at}:00+00:00").timestamp() for at in told.groups())
    assert (last - first, last) == (900, double.seen[0].body["EndTime"])


def test_what_is_older_than_fifteen_days_is_read_by_five_minutes(double: Double) -> None:
    double.on("GetMetricData", every_period(0.0))
    ended = simulate(double, "--queue", "orders", "--days", "1", back="16d")
    assert [seen.body["MetricDataQueries"][0]["MetricStat"]["Period"] for seen in double.seen] == [300, 60]
    assert re.search(r"queue orders: 2304\d minutes, .*; 0 of them had no datapoint", ended.stderr), ended.stderr


def test_the_region_of_a_queue_s_arn_is_where_it_is_looked_for(double: Double) -> None:
    double.on("GetMetricData", every_period(1.0))
    ended = simulate(double, "--queue", "arn:aws:sqs:us-east-2:123456789012:orders")
    assert ended.exit_code == 0, ended.stderr
    [seen] = double.seen
    assert seen.region == "us-east-2"


def test_a_queue_that_is_not_there_is_3_and_says_where_it_was_looked_for(double: Double) -> None:
    double.on("GetMetricData", every_period(1.0, but=60))
    ended = simulate(double, "--queue", "misspelt")
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert "simulate: queue misspelt in eu-west-1: CloudWatch has no NumberOfMessagesSent" in ended.stderr
    assert "check its name" in ended.stderr


@pytest.mark.parametrize(
    ("reply", "code", "says"),
    [
        (fault("AccessDenied"), 3, "give whoever runs this command cloudwatch:GetMetricData"),
        (fault("Throttling"), 3, "was throttled"),
        (fault("InternalFailure", status=500), 4, "failed"),
        (Reply(b"<html>"), 3, "MetricDataResults, a list, should be"),
    ],
)
def test_what_aws_refuses_is_3_and_what_it_fails_at_is_4(double: Double, reply: Reply, code: int, says: str) -> None:
    double.on("GetMetricData", reply)
    ended = simulate(double, "--queue", "orders")
    assert (ended.exit_code, ended.stdout, len(double.seen)) == (code, "", 1)
    assert says in ended.stderr
    assert isinstance(ended.exception, SystemExit)


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, 3, "AWS_PROFILE"),
        ({"AWS_REGION": ""}, 3, "set AWS_REGION"),
        ({"AWS_PROFILE": "nobody"}, 3, "AWS_PROFILE"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, 4, "check the network"),
    ],
)
def test_without_credentials_region_or_network_nothing_is_simulated(
    settings: dict[str, str], code: int, says: str
) -> None:
    ended = simulate(None, "--queue", "orders", **settings)
    assert (ended.exit_code, ended.stdout) == (code, "")
    assert says in ended.stderr
    assert isinstance(ended.exception, SystemExit)


@pytest.mark.parametrize(
    ("arguments", "back", "says"),
    [
        ((), "1h", "needs --queue"),
        (("--queue", ""), "1h", "needs --queue"),
        (("--queue", "no queue"), "1h", "is not a queue"),
        (("--queue", "https://user:word@host/1/orders"), "1h", "must not hold a user"),
        (("--queue", "orders"), "59s", "less than a minute"),
        (("--queue", "orders"), "0s", "less than a minute"),
    ],
)
def test_what_cannot_be_meant_is_2_and_nothing_is_asked(
    double: Double, arguments: tuple[str, ...], back: str, says: str
) -> None:
    ended = simulate(double, *arguments, back=back)
    assert (ended.exit_code, ended.stdout, double.seen) == (2, "", [])
    assert says in ended.stderr
    assert ":word" not in ended.stderr


async def test_a_history_that_takes_too_long_is_given_up(double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    double.on("GetMetricData", HANG)
    for name, value in (WORLD | {"AWS_ENDPOINT_URL": double.url, "NO_PROXY": "*"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(one_shot, "LOOK_S", 0.5)
    with pytest.raises(Unavailable, match=r"queue orders: its history was not read within 0\.5 s"):
        await one_shot._history(QueueRef("orders"), [(0.0, 60.0, 60)])
