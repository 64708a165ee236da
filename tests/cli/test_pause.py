"""`pause` and `resume` write only one tag and print its effect on the daemon."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from autoscaler.cli import main
from autoscaler.control.readers import TagPause, read_tag
from autoscaler.core.policy import Pause
from autoscaler.operating.pausing import seen, value_of
from tests.aws.double import HANG, AwsDouble, fault, ok, serving
from tests.cli.spoken import Ended, autoscaler
from tests.cli.test_explain import poll
from tests.cli.test_status import listed
from tests.cli.worlds import WORLD, fake_daemon, free_port, world
from tests.operating.answers import ARN
from tests.operating.settings import LEAST, config

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab"


def described(pause: str | None) -> dict[str, Any]:
    tags = [] if pause is None else [{"key": "autoscaler:paused", "value": pause}]
    return {"services": [{"serviceName": "orders", "serviceArn": ARN, "desiredCount": 3, "tags": tags}], "failures": []}


async def run(double: AwsDouble, *arguments: str, **settings: str) -> Ended:
    return await autoscaler(
        *arguments, **(WORLD | {"AWS_ENDPOINT_URL": double.url, "AWS_SECRET_ACCESS_KEY": SECRET} | settings)
    )


async def test_pause_writes_a_tag_and_resume_removes_it() -> None:
    async with world() as observer:
        settings = WORLD | {"AWS_ENDPOINT_URL": observer.url}
        paused = await autoscaler("pause", "orders", "in", "--until", "2999-01-01T00:00Z", **settings)
        assert (paused.code, paused.err) == (0, "")
        assert "tag before   none" in paused.out.decode()
        assert "tag now      autoscaler:paused=in until 2999-01-01T00:00Z" in paused.out.decode()
        assert "no scale-in; scale-out continues until 2999-01-01 00:00 UTC" in paused.out.decode()
        assert b"\x1b" not in paused.out

        resumed = await autoscaler("resume", "Orders", "--json", **settings)
        output = json.loads(resumed.out)
        assert (output["before"], output["after"], output["done"]) == ("in until 2999-01-01T00:00Z", None, True)
        assert output["sees"] == "nothing is paused"
        assert {request.action for request in observer.requests} == {
            "DescribeServices", "TagResource", "UntagResource",
        }  # fmt: skip


async def test_a_tag_that_is_already_set_is_not_written_again() -> None:
    async with serving() as double:
        double.on("DescribeServices", ok(described("all")))
        ended = await run(double, "pause", "orders")
        assert ended.code == 0
        assert not double.requests("TagResource")


async def test_a_tag_that_ecs_does_not_return_after_the_write_exits_with_1() -> None:
    async with serving() as double:
        double.on("DescribeServices", ok(described(None)))
        double.on("TagResource", ok({}))
        ended = await run(double, "pause", "orders", "5")
        assert ended.code == 1
        assert "does not return autoscaler:paused=5 yet" in ended.err
        [write] = double.requests("TagResource")
        assert write.body == {"resourceArn": ARN, "tags": [{"key": "autoscaler:paused", "value": "5"}]}


async def test_a_refusal_exits_with_3_an_unreachable_aws_with_4_and_no_secret_is_shown() -> None:
    async with serving() as double:
        double.on("DescribeServices", ok(described(None)))
        double.on("TagResource", fault("AccessDeniedException", f"not {SECRET}"))
        denied = await run(double, "pause", "orders")
        assert (denied.code, denied.out) == (3, b"")
        assert "grant the user or role that runs this command ecs:TagResource on the service" in denied.err
        double.on("DescribeServices", ok({"services": [], "failures": [{"arn": ARN, "reason": "MISSING"}]}))
        missing = await run(double, "resume", "orders")
        assert missing.code == 3
        assert "does not exist" in missing.err
        double.on("DescribeServices", HANG)
        hung = await run(double, "resume", "orders")
        assert hung.code == 4
        gone = await run(double, "resume", "orders", AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
        assert gone.code == 4
        for ended in (denied, missing, hung, gone):
            assert SECRET not in ended.err + ended.out.decode()


async def test_a_discovered_service_is_paused_by_the_daemons_key() -> None:
    found = listed(poll())
    found["services"][0] |= {"key": "prod-orders", "ecs_service": "orders", "cluster": "prod", "region": "eu-north-1"}
    async with serving() as double, fake_daemon(200, found) as (url, _):
        double.on("DescribeServices", ok(described(None)), ok(described("all")))
        double.on("TagResource", ok({}))
        ended = await run(double, "pause", "prod-orders", "--url", url)
        assert (ended.code, double.requests("TagResource")[0].region) == (0, "eu-north-1")
        unknown = await run(double, "pause", "prod-ordres", "--url", url)
    assert unknown.code == 2
    assert "Did you mean prod-orders?" in unknown.err
    assert "Known services: orders, prod-orders" in unknown.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pause", "ordrs"], "Did you mean orders?"),
        (["pause", "orders", "sideways"], "is not one of: all, in, out"),
        (["pause", "orders", "99999999999"], "is not one of: all"),
        (["pause", "orders", "--until", "tomorrow"], "is not a time"),
        (["pause", "orders", "--until", "2001-01-01T00:00Z"], "the end is in the past"),
        (["pause", "orders", "--for", "2"], "has no unit"),
        (["pause", "orders", "--for", "2h", "--until", "2999-01-01"], "Use only one"),
        (["resume"], "Missing argument"),
    ],
)
def test_invalid_input_exits_with_2_and_a_message(arguments: Any, message: str) -> None:
    result = CliRunner().invoke(main, arguments, env=LEAST)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize("paused", [*Pause, 0, 7])
@pytest.mark.parametrize("until", [None, 1_800_000_001.0])
def test_a_written_tag_reads_back_as_the_same_pause(paused: Any, until: float | None) -> None:
    read = read_tag(value_of(paused, until))
    assert isinstance(read, TagPause)
    assert read.paused == paused
    assert read.until == (float("inf") if until is None else 1_800_000_060.0), "up to the next whole minute"


@pytest.mark.parametrize(
    ("tag", "setting", "text"),
    [
        (None, "none", "nothing is paused"),
        (None, "in", "no tag; the setting `paused` applies: no scale-in"),
        ("out", "none", "no scale-out; scale-in continues"),
        ("12", "none", "fixed at 12 tasks"),
        ("later", "none", "invalid tag, so everything is paused"),
        ("all until 2001-01-01", "none", "the pause has ended"),
        ("all until 2027-01-15T08:00Z", "none", "the pause has ended"),  # at that second
        ("all until 2027-01-15T08:00:01Z", "none", "no scaling in either direction until 2027-01-15 08:00 UTC"),
    ],
)
def test_the_effect_of_each_tag_is_described(tag: str | None, setting: str, text: str) -> None:
    [service] = config(paused=setting).services
    assert text in seen(tag, service.policy.paused, 1_800_000_000.0)
