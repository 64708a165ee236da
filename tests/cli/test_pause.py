"""`pause` and `resume` write one tag and nothing else, and say what the daemon will make of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from autoscaler.cli import main
from autoscaler.control.pausing import TagPause, read_tag
from autoscaler.core.policy import Pause
from autoscaler.operating.pausing import seen, value_of
from tests.aws.double import HANG, Double, fault, ok, serving
from tests.cli.spoken import Ended, autoscaler
from tests.cli.test_explain import tick
from tests.cli.test_status import listed
from tests.cli.worlds import WORLD, fake_daemon, free_port, world
from tests.operating.answers import ARN
from tests.operating.settings import LEAST, config

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYab"


def described(pause: str | None) -> dict[str, Any]:
    tags = [] if pause is None else [{"key": "autoscaler:paused", "value": pause}]
    return {"services": [{"serviceName": "orders", "serviceArn": ARN, "desiredCount": 3, "tags": tags}], "failures": []}


async def told(double: Double, *arguments: str, **settings: str) -> Ended:
    return await autoscaler(
        *arguments, **(WORLD | {"AWS_ENDPOINT_URL": double.url, "AWS_SECRET_ACCESS_KEY": SECRET} | settings)
    )


async def test_a_pause_is_a_tag_and_to_resume_takes_it_away() -> None:
    async with world() as observer:
        settings = WORLD | {"AWS_ENDPOINT_URL": observer.url}
        paused = await autoscaler("pause", "orders", "in", "--until", "2999-01-01T00:00Z", **settings)
        assert (paused.code, paused.err) == (0, "")
        assert "tag before   none" in paused.out.decode()
        assert "tag now      autoscaler:paused=in until 2999-01-01T00:00Z" in paused.out.decode()
        assert "no scale-in; scale-out goes on until 2999-01-01 00:00 UTC" in paused.out.decode()
        assert b"\x1b" not in paused.out

        resumed = await autoscaler("resume", "Orders", "--json", **settings)
        told_of = json.loads(resumed.out)
        assert (told_of["before"], told_of["after"], told_of["done"]) == ("in until 2999-01-01T00:00Z", None, True)
        assert told_of["sees"] == "nothing is paused"
        assert {request.action for request in observer.requests} == {
            "DescribeServices", "TagResource", "UntagResource",
        }  # fmt: skip


async def test_what_is_so_already_is_not_written_again() -> None:
    async with serving() as double:
        double.on("DescribeServices", ok(described("all")))
        ended = await told(double, "pause", "orders")
        assert ended.code == 0
        assert not double.asked("TagResource")


async def test_a_tag_that_ecs_does_not_show_is_a_finding() -> None:
    async with serving() as double:
        double.on("DescribeServices", ok(described(None)))
        double.on("TagResource", ok({}))
        ended = await told(double, "pause", "orders", "5")
        assert ended.code == 1
        assert "does not show autoscaler:paused=5 yet" in ended.err
        [write] = double.asked("TagResource")
        assert write.body == {"resourceArn": ARN, "tags": [{"key": "autoscaler:paused", "value": "5"}]}


async def test_refused_is_3_with_the_right_that_lacks_and_unreachable_is_4_and_no_secret_is_shown() -> None:
    async with serving() as double:
        double.on("DescribeServices", ok(described(None)))
        double.on("TagResource", fault("AccessDeniedException", f"not {SECRET}"))
        denied = await told(double, "pause", "orders")
        assert (denied.code, denied.out) == (3, b"")
        assert "give whoever runs this command ecs:TagResource on the service" in denied.err
        double.on("DescribeServices", ok({"services": [], "failures": [{"arn": ARN, "reason": "MISSING"}]}))
        missing = await told(double, "resume", "orders")
        assert missing.code == 3
        assert "does not exist" in missing.err
        double.on("DescribeServices", HANG)
        hung = await told(double, "resume", "orders")
        assert hung.code == 4
        gone = await told(double, "resume", "orders", AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
        assert gone.code == 4
        for ended in (denied, missing, hung, gone):
            assert SECRET not in ended.err + ended.out.decode()


async def test_a_service_that_the_daemon_discovered_is_paused_by_the_daemons_key() -> None:
    found = listed(tick())
    found["services"][0] |= {"key": "prod-orders", "ecs_service": "orders", "cluster": "prod", "region": "eu-north-1"}
    async with serving() as double, fake_daemon(200, found) as (url, _):
        double.on("DescribeServices", ok(described(None)), ok(described("all")))
        double.on("TagResource", ok({}))
        ended = await told(double, "pause", "prod-orders", "--url", url)
        assert (ended.code, double.asked("TagResource")[0].region) == (0, "eu-north-1")
        unknown = await told(double, "pause", "prod-ordres", "--url", url)
    assert unknown.code == 2
    assert "did you mean prod-orders?" in unknown.err
    assert "services: orders, prod-orders" in unknown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pause", "ordrs"], "did you mean orders?"),
        (["pause", "orders", "sideways"], "is none of `all`, `in`, `out`"),
        (["pause", "orders", "99999999999"], "is none of `all`"),
        (["pause", "orders", "--until", "tomorrow"], "is not a time"),
        (["pause", "orders", "--until", "2001-01-01T00:00Z"], "is over already"),
        (["pause", "orders", "--for", "2"], "has no unit"),
        (["pause", "orders", "--for", "2h", "--until", "2999-01-01"], "give one"),
        (["resume"], "Missing argument"),
    ],
)
def test_what_is_wrong_is_said_before_aws_is_asked(arguments: Any, said: str) -> None:
    result = CliRunner().invoke(main, arguments, env=LEAST)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("paused", [*Pause, 0, 7])
@pytest.mark.parametrize("until", [None, 1_800_000_001.0])
def test_what_is_written_reads_as_what_was_meant(paused: Any, until: float | None) -> None:
    read = read_tag(value_of(paused, until))
    assert isinstance(read, TagPause)
    assert read.paused == paused
    assert read.until == (float("inf") if until is None else 1_800_000_060.0), "up to the next whole minute"


@pytest.mark.parametrize(
    ("tag", "setting", "says"),
    [
        (None, "none", "nothing is paused"),
        (None, "in", "no tag, so the setting counts: no scale-in"),
        ("out", "none", "no scale-out; scale-in goes on"),
        ("12", "none", "12 tasks at once"),
        ("later", "none", "cannot read, so everything is paused"),
        ("all until 2001-01-01", "none", "a pause that is over"),
        ("all until 2027-01-15T08:00Z", "none", "a pause that is over"),  # at that very second
        ("all until 2027-01-15T08:00:01Z", "none", "no scaling in either direction until 2027-01-15 08:00 UTC"),
    ],
)
def test_the_daemons_view_of_any_tag(tag: str | None, setting: str, says: str) -> None:
    [service] = config(paused=setting).services
    assert says in seen(tag, service.policy.paused, 1_800_000_000.0)
