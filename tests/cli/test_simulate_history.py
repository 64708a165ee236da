"""`simulate --from-cloudwatch` uses the history of a queue as the load. Each kind of failed read has an exit code."""

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
from tests.aws.double import HANG, AwsDouble, AwsReply, fault, ok, serving
from tests.cli.spoken import autoscaler

BARE = dict.fromkeys(("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL")) | {
    "AWS_CONFIG_FILE": "none",
    "AWS_SHARED_CREDENTIALS_FILE": "none",
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_PROXY": "*",
}
"""An environment without the AWS settings of the user who runs the tests."""

WORLD = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "eu-west-1"}


@pytest.fixture
def double() -> Iterator[AwsDouble]:
    """Run a scripted AWS in a thread. The command needs the main thread for its signals and its own event loop."""
    loop, scripted = asyncio.new_event_loop(), serving()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield asyncio.run_coroutine_threadsafe(scripted.__aenter__(), loop).result(10)
    asyncio.run_coroutine_threadsafe(scripted.__aexit__(None, None, None), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def every_period(value: float, without_last: int = 0, without_first: int = 0) -> Any:
    """Return a reply with this sum for each requested period, without this number of last and first periods."""

    def reply(body: dict[str, Any]) -> AwsReply:
        [query] = body["MetricDataQueries"]
        times = range(int(body["StartTime"]), int(body["EndTime"]), query["MetricStat"]["Period"])
        times = times[without_first : len(times) - without_last]
        result = {"Id": query["Id"], "StatusCode": "Complete", "Timestamps": list(times)}
        return ok({"MetricDataResults": [result | {"Values": [value] * len(times)}]})

    return reply


def arguments_of(*arguments: str, back: str = "1h") -> list[str]:
    of = ["--from-cloudwatch", back, "--policy", "static:9", "--service-time", "constant:1", "--json", "-"]
    return ["simulate", *of, *arguments]


def simulate(double: AwsDouble | None, *arguments: str, back: str = "1h", **settings: str) -> Result:
    url = {"AWS_ENDPOINT_URL": double.url} if double else {}
    return CliRunner().invoke(main, arguments_of(*arguments, back=back), env=BARE | WORLD | url | settings)


async def test_the_history_of_a_queue_is_the_load_and_its_gaps_are_reported(double: AwsDouble) -> None:
    double.on("GetMetricData", every_period(40.0, without_last=12))
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


def test_a_history_starts_with_the_first_datapoint_and_its_period_is_reported(double: AwsDouble) -> None:
    double.on("GetMetricData", every_period(1.0, without_first=45))
    ended = simulate(double, "--queue", "orders")
    period = re.search(r"queue orders: 15 minutes, (.{16}) to (.{16}) UTC; 0 of them", ended.stderr)
    assert period, ended.stderr
    first, last = (datetime.fromisoformat(f"{at}:00+00:00").timestamp() for at in period.groups())
    assert (last - first, last) == (900, double.seen[0].body["EndTime"])


def test_a_history_older_than_fifteen_days_is_read_in_periods_of_five_minutes(double: AwsDouble) -> None:
    double.on("GetMetricData", every_period(0.0))
    ended = simulate(double, "--queue", "orders", "--days", "1", back="16d")
    assert [seen.body["MetricDataQueries"][0]["MetricStat"]["Period"] for seen in double.seen] == [300, 60]
    assert re.search(r"queue orders: 2304\d minutes, .*; 0 of them had no datapoint", ended.stderr), ended.stderr


def test_the_history_is_read_in_the_region_of_the_queues_arn(double: AwsDouble) -> None:
    double.on("GetMetricData", every_period(1.0))
    ended = simulate(double, "--queue", "arn:aws:sqs:us-east-2:123456789012:orders")
    assert ended.exit_code == 0, ended.stderr
    [seen] = double.seen
    assert seen.region == "us-east-2"


def test_a_missing_queue_exits_with_3_and_names_the_region(double: AwsDouble) -> None:
    double.on("GetMetricData", every_period(1.0, without_last=60))
    ended = simulate(double, "--queue", "misspelt")
    assert (ended.exit_code, ended.stdout) == (3, "")
    assert "simulate: queue misspelt in eu-west-1: CloudWatch has no NumberOfMessagesSent" in ended.stderr
    assert "check its name" in ended.stderr


@pytest.mark.parametrize(
    ("reply", "code", "message"),
    [
        (fault("AccessDenied"), 3, "grant the user or role that runs this command cloudwatch:GetMetricData"),
        (fault("Throttling"), 3, "was throttled"),
        (fault("InternalFailure", status=500), 4, "failed"),
        (AwsReply(b"<html>"), 3, "for MetricDataResults, expected a list"),
    ],
)
def test_a_refusal_of_aws_exits_with_3_and_a_failure_with_4(
    double: AwsDouble, reply: AwsReply, code: int, message: str
) -> None:
    double.on("GetMetricData", reply)
    ended = simulate(double, "--queue", "orders")
    assert (ended.exit_code, ended.stdout, len(double.seen)) == (code, "", 1)
    assert message in ended.stderr
    assert isinstance(ended.exception, SystemExit)


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, 3, "AWS_PROFILE"),
        ({"AWS_REGION": ""}, 3, "set AWS_REGION"),
        ({"AWS_PROFILE": "missing"}, 3, "AWS_PROFILE"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, 4, "check the network"),
    ],
)
def test_without_credentials_region_or_network_nothing_is_simulated(
    settings: dict[str, str], code: int, message: str
) -> None:
    ended = simulate(None, "--queue", "orders", **settings)
    assert (ended.exit_code, ended.stdout) == (code, "")
    assert message in ended.stderr
    assert isinstance(ended.exception, SystemExit)


@pytest.mark.parametrize(
    ("arguments", "back", "message"),
    [
        ((), "1h", "requires --queue"),
        (("--queue", ""), "1h", "requires --queue"),
        (("--queue", "no queue"), "1h", "is not a queue"),
        (("--queue", "https://user:word@host/1/orders"), "1h", "must not contain a user"),
        (("--queue", "orders"), "59s", "at least one minute"),
        (("--queue", "orders"), "0s", "at least one minute"),
    ],
)
def test_invalid_options_exit_with_2_without_a_call_to_aws(
    double: AwsDouble, arguments: tuple[str, ...], back: str, message: str
) -> None:
    ended = simulate(double, *arguments, back=back)
    assert (ended.exit_code, ended.stdout, double.seen) == (2, "", [])
    assert message in ended.stderr
    assert ":word" not in ended.stderr


async def test_a_history_that_takes_too_long_times_out(double: AwsDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    double.on("GetMetricData", HANG)
    for name, value in (WORLD | {"AWS_ENDPOINT_URL": double.url, "NO_PROXY": "*"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(one_shot, "ONE_SHOT_S", 0.5)
    with pytest.raises(Unavailable, match=r"queue orders: its history was not read within 0\.5 s"):
        await one_shot._history(QueueRef("orders"), [(0.0, 60.0, 60)])
