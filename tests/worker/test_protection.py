"""The agent's answers, each kind once, and the laws of a protection that several share."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from autoscaler.worker import Agent, Protection
from autoscaler.worker.protection import Unprotected
from tests.worker.agent_double import error, failure, no_http, reply, said, silence

FAULTS = {
    "internal error": (error("ServerException", 500), "ServerException", True),
    "internal error, unknown": (error("SomethingNew", 500), "SomethingNew", True),
    "no HTTP": (no_http, "UNREACHABLE", True),
    "bare 500": (reply(500, b"Internal Server Error"), "UNINTELLIGIBLE", True),
    "throttled": (error("ThrottlingException"), "ThrottlingException", True),
    "timed out calling ECS": (error("RequestCanceled", 504), "RequestCanceled", True),
    "forbidden": (error("AccessDeniedException", 403), "AccessDeniedException", False),
    "blocked as failure": (failure("DEPLOYMENT_BLOCKED"), "DEPLOYMENT_BLOCKED", False),
    "blocked as error": (error("DEPLOYMENT_BLOCKED"), "DEPLOYMENT_BLOCKED", False),
    "not of a service": (failure("TASK_NOT_VALID"), "TASK_NOT_VALID", False),
    "garbage": (reply(200, b"<html>\xff"), "UNINTELLIGIBLE", True),
    "nested too deeply": (reply(200, b"[" * 60_000), "UNINTELLIGIBLE", True),
    "nothing": (reply(200, b""), "UNINTELLIGIBLE", True),
    "another shape": (said(200, {"protection": {"ProtectionEnabled": "true"}}), "UNINTELLIGIBLE", True),
    "the contrary": (said(200, {"protection": {"ProtectionEnabled": False}}), "UNINTELLIGIBLE", True),
    "a yes with an error's status": (said(500, {"protection": {"ProtectionEnabled": True}}), "UNINTELLIGIBLE", True),
    "cut off": (reply(200, b'{"prot', length=100), "UNINTELLIGIBLE", True),
}


@pytest.mark.parametrize(("fault", "code", "passing"), FAULTS.values(), ids=FAULTS)
def test_whatever_is_not_a_yes_is_a_no_with_its_reason(world: Any, fault: Any, code: Any, passing: Any) -> None:
    world.agent.faults = [fault]
    refusal = Agent(world.agent.uri).put(True, 60)
    assert refusal is not None
    assert (refusal.code, refusal.passing) == (code, passing)
    assert refusal.blocked == (code == "DEPLOYMENT_BLOCKED")


def test_an_agent_that_does_not_answer_is_not_waited_for_for_ever(world: Any) -> None:
    world.agent.faults = [silence(world.agent.over)]
    refusal = Agent(world.agent.uri, timeout_s=0.05).put(True, 60)
    assert refusal is not None
    assert (refusal.code, refusal.passing) == ("UNREACHABLE", True)
    assert "imed" in refusal.detail


def test_an_agent_that_is_not_there_is_a_no() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        refusal = Agent(f"http://127.0.0.1:{taken.getsockname()[1]}/api/x").put(True, 60)
    assert refusal is not None
    assert (refusal.code, refusal.passing) == ("UNREACHABLE", True)
    assert "1.65.0" in str(refusal)


def test_what_is_asked_is_what_the_agent_takes(world: Any) -> None:
    agent = Agent(world.agent.uri + "/")
    assert agent.put(True, 90) is None
    assert agent.put(False, 90) is None
    assert world.agent.bodies == [{"ProtectionEnabled": True, "ExpiresInMinutes": 90}, {"ProtectionEnabled": False}]


def test_a_proxy_of_the_environment_is_not_asked(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert Agent(world.agent.uri).put(True, 60) is None


@pytest.mark.parametrize("uri", ["", "169.254.170.2/api/x", "file:///etc/passwd", "http:///api"])
def test_an_address_that_is_none_is_said_at_once(uri: str) -> None:
    with pytest.raises(ValueError, match="ECS_AGENT_URI"):
        Agent(uri)


@pytest.mark.parametrize("minutes", [0, 2881])
def test_minutes_that_ecs_does_not_take_are_said_at_once(minutes: int) -> None:
    with pytest.raises(ValueError, match="1 to 2,880"):
        Protection(None, expires_in_minutes=minutes)


def test_it_is_on_with_the_first_and_off_after_the_last(world: Any) -> None:
    protection = world.protection()
    for _ in range(3):
        protection.hold()
        assert protection.ask() is None
    protection.drop()
    protection.drop()
    assert world.agent.asked == [True]
    protection.drop()
    assert world.agent.asked == [True, False]
    assert not world.agent.protected
    assert protection.since is None


def test_nobody_holds_it_so_nobody_asks(world: Any) -> None:
    """A heartbeat that comes too late must not protect a task that is idle by now."""
    protection = world.protection()
    protection.hold()
    protection.ask()
    protection.drop()
    protection.ask()
    assert world.agent.asked == [True, False]


@pytest.mark.parametrize(("after_s", "asked"), [(1799.9, 1), (1800.0, 2)])
def test_it_is_renewed_after_half_of_its_time(world: Any, after_s: float, asked: int) -> None:
    protection = world.protection(expires_in_minutes=60)
    protection.hold()
    protection.ask()
    world.time.advance(after_s)
    protection.ask()
    assert len(world.agent.asked) == asked
    assert protection.since == 1000.0


def test_what_passes_is_tried_once_more_and_what_is_definite_is_not(world: Any) -> None:
    protection = world.protection()
    protection.hold()
    world.agent.faults = [error("ThrottlingException")]
    assert protection.ask() is None
    assert len(world.agent.asked) == 2
    world.time.advance(1800)
    world.agent.faults = [failure("DEPLOYMENT_BLOCKED")]
    assert protection.ask().blocked
    assert len(world.agent.asked) == 3


@pytest.mark.parametrize(("after_s", "asked"), [(29.9, 1), (30.0, 2)])
def test_after_a_refusal_ecs_is_left_alone_for_a_while(world: Any, after_s: float, asked: int) -> None:
    protection = world.protection()
    protection.hold()
    world.agent.faults = [failure("TASK_NOT_VALID")]
    assert protection.ask().code == "TASK_NOT_VALID"
    world.time.advance(after_s)
    protection.ask()
    assert len(world.agent.asked) == asked


def test_protection_whose_answer_was_lost_is_taken_off_all_the_same(world: Any) -> None:
    """ECS may have granted it. A definite no needs no taking off."""
    protection = world.protection()
    protection.hold()
    world.agent.faults = [reply(200, b'{"prot', length=100)] * 2
    assert protection.ask().code == "UNINTELLIGIBLE"
    protection.drop()
    assert world.agent.asked == [True, True, False]


def test_what_was_never_granted_is_not_taken_off(world: Any) -> None:
    protection = world.protection()
    protection.hold()
    world.agent.faults = [failure("DEPLOYMENT_BLOCKED")]
    protection.ask()
    protection.drop()
    assert world.agent.asked == [True]


def test_what_a_refused_renewal_leaves_is_taken_off(world: Any) -> None:
    protection = world.protection()
    protection.hold()
    protection.ask()
    world.time.advance(1800)
    world.agent.blocked = True
    assert protection.ask().blocked
    protection.drop()
    assert world.agent.asked == [True, True, False]


def test_an_idle_task_is_unprotected_as_soon_as_the_agent_is_well_again(world: Any) -> None:
    protection = world.protection()
    protection.hold()
    protection.ask()
    world.agent.faults = [error("ServerException", 500)] * 2
    protection.drop()
    assert world.agent.protected
    protection.rest()
    assert world.agent.asked == [True, False, False]
    world.time.advance(30)
    protection.rest()
    assert not world.agent.protected
    protection.rest()
    assert world.agent.asked == [True, False, False, False]


def test_what_could_not_be_taken_off_once_is_taken_off_at_once_the_next_time(world: Any) -> None:
    protection = world.protection()
    with protection:
        world.agent.faults = [error("ServerException", 500)] * 2
    with protection:
        pass
    assert not world.agent.protected


def test_a_loop_of_ones_own_begins_only_where_it_is_protected(world: Any) -> None:
    protection = world.protection()
    with protection:
        assert world.agent.protected
    assert not world.agent.protected
    world.agent.blocked = True
    with pytest.raises(Unprotected, match="DEPLOYMENT_BLOCKED"), protection:
        pytest.fail("begun")
    world.agent.blocked = False
    world.time.advance(30)
    with protection:
        assert world.agent.protected
    assert not world.agent.protected


def test_outside_ecs_it_says_so_once_and_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("ECS_AGENT_URI", raising=False)
    protection = Protection.from_environment()
    for _ in range(3):
        with protection:
            assert protection.since is None
    assert [record.message.split(":")[0] for record in caplog.records] == ["ECS_AGENT_URI is not set"]


def test_on_ecs_it_is_the_agent_of_the_environment(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECS_AGENT_URI", world.agent.uri)
    with Protection.from_environment(expires_in_minutes=7):
        assert world.agent.bodies == [{"ProtectionEnabled": True, "ExpiresInMinutes": 7}]
