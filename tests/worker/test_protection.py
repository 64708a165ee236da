"""Each kind of agent response, and the laws of a protection with several holders."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from autoscaler.worker import Agent, Protection
from autoscaler.worker.protection import Unprotected
from tests.worker.agent_double import error, failure, json_reply, no_http, reply, silence

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
    "another shape": (json_reply(200, {"protection": {"ProtectionEnabled": "true"}}), "UNINTELLIGIBLE", True),
    "the opposite": (json_reply(200, {"protection": {"ProtectionEnabled": False}}), "UNINTELLIGIBLE", True),
    "confirmation with an error status": (
        json_reply(500, {"protection": {"ProtectionEnabled": True}}),
        "UNINTELLIGIBLE",
        True,
    ),
    "cut off": (reply(200, b'{"prot', length=100), "UNINTELLIGIBLE", True),
}


@pytest.mark.parametrize(("fault", "code", "passing"), FAULTS.values(), ids=FAULTS)
def test_every_response_except_a_confirmation_is_a_refusal_with_a_code(
    world: Any, fault: Any, code: Any, passing: Any
) -> None:
    world.agent.faults = [fault]
    refusal = Agent(world.agent.uri).put(True, 60)
    assert refusal is not None
    assert (refusal.code, refusal.passing) == (code, passing)
    assert refusal.blocked == (code == "DEPLOYMENT_BLOCKED")


def test_a_request_to_an_agent_that_does_not_respond_times_out(world: Any) -> None:
    world.agent.faults = [silence(world.agent.over)]
    refusal = Agent(world.agent.uri, timeout_s=0.05).put(True, 60)
    assert refusal is not None
    assert (refusal.code, refusal.passing) == ("UNREACHABLE", True)
    assert "imed" in refusal.detail


def test_an_unreachable_agent_is_a_refusal() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        refusal = Agent(f"http://127.0.0.1:{taken.getsockname()[1]}/api/x").put(True, 60)
    assert refusal is not None
    assert (refusal.code, refusal.passing) == ("UNREACHABLE", True)
    assert "1.65.0" in str(refusal)


def test_the_request_bodies_have_the_format_of_the_agent(world: Any) -> None:
    agent = Agent(world.agent.uri + "/")
    assert agent.put(True, 90) is None
    assert agent.put(False, 90) is None
    assert world.agent.bodies == [{"ProtectionEnabled": True, "ExpiresInMinutes": 90}, {"ProtectionEnabled": False}]


def test_a_proxy_from_the_environment_is_not_used(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert Agent(world.agent.uri).put(True, 60) is None


@pytest.mark.parametrize("uri", ["", "169.254.170.2/api/x", "file:///etc/passwd", "http:///api"])
def test_an_invalid_agent_address_is_an_error_at_once(uri: str) -> None:
    with pytest.raises(ValueError, match="ECS_AGENT_URI"):
        Agent(uri)


@pytest.mark.parametrize("minutes", [0, 2881])
def test_minutes_outside_the_limits_of_ecs_are_an_error_at_once(minutes: int) -> None:
    with pytest.raises(ValueError, match="1 to 2,880"):
        Protection(None, expires_in_minutes=minutes)


def test_protection_is_set_for_the_first_holder_and_removed_after_the_last(world: Any) -> None:
    protection = world.protection()
    for _ in range(3):
        protection.hold()
        assert protection.ask() is None
    protection.drop()
    protection.drop()
    assert world.agent.requested == [True]
    protection.drop()
    assert world.agent.requested == [True, False]
    assert not world.agent.protected
    assert protection.since is None


def test_without_a_holder_no_protection_is_requested(world: Any) -> None:
    """A late heartbeat must not protect an idle task."""
    protection = world.protection()
    protection.hold()
    protection.ask()
    protection.drop()
    protection.ask()
    assert world.agent.requested == [True, False]


@pytest.mark.parametrize(("after_s", "requested"), [(1799.9, 1), (1800.0, 2)])
def test_protection_is_renewed_after_half_of_its_time(world: Any, after_s: float, requested: int) -> None:
    protection = world.protection(expires_in_minutes=60)
    protection.hold()
    protection.ask()
    world.time.advance(after_s)
    protection.ask()
    assert len(world.agent.requested) == requested
    assert protection.since == 1000.0


def test_a_transient_refusal_is_retried_once_and_a_definite_one_is_not(world: Any) -> None:
    protection = world.protection()
    protection.hold()
    world.agent.faults = [error("ThrottlingException")]
    assert protection.ask() is None
    assert len(world.agent.requested) == 2
    world.time.advance(1800)
    world.agent.faults = [failure("DEPLOYMENT_BLOCKED")]
    assert protection.ask().blocked
    assert len(world.agent.requested) == 3


@pytest.mark.parametrize(("after_s", "requested"), [(29.9, 1), (30.0, 2)])
def test_after_a_refusal_no_request_is_sent_for_30_seconds(world: Any, after_s: float, requested: int) -> None:
    protection = world.protection()
    protection.hold()
    world.agent.faults = [failure("TASK_NOT_VALID")]
    assert protection.ask().code == "TASK_NOT_VALID"
    world.time.advance(after_s)
    protection.ask()
    assert len(world.agent.requested) == requested


def test_protection_is_removed_if_the_response_to_its_request_was_lost(world: Any) -> None:
    """ECS may have granted it. After a definite refusal no removal is required."""
    protection = world.protection()
    protection.hold()
    world.agent.faults = [reply(200, b'{"prot', length=100)] * 2
    assert protection.ask().code == "UNINTELLIGIBLE"
    protection.drop()
    assert world.agent.requested == [True, True, False]


def test_refused_protection_is_not_removed(world: Any) -> None:
    protection = world.protection()
    protection.hold()
    world.agent.faults = [failure("DEPLOYMENT_BLOCKED")]
    protection.ask()
    protection.drop()
    assert world.agent.requested == [True]


def test_protection_is_removed_after_a_refused_renewal(world: Any) -> None:
    protection = world.protection()
    protection.hold()
    protection.ask()
    world.time.advance(1800)
    world.agent.blocked = True
    assert protection.ask().blocked
    protection.drop()
    assert world.agent.requested == [True, True, False]


def test_a_failed_removal_is_retried_by_rest_after_30_seconds(world: Any) -> None:
    protection = world.protection()
    protection.hold()
    protection.ask()
    world.agent.faults = [error("ServerException", 500)] * 2
    protection.drop()
    assert world.agent.protected
    protection.rest()
    assert world.agent.requested == [True, False, False]
    world.time.advance(30)
    protection.rest()
    assert not world.agent.protected
    protection.rest()
    assert world.agent.requested == [True, False, False, False]


def test_a_failed_removal_is_retried_by_the_next_holder(world: Any) -> None:
    protection = world.protection()
    with protection:
        world.agent.faults = [error("ServerException", 500)] * 2
    with protection:
        pass
    assert not world.agent.protected


def test_a_with_block_runs_only_while_the_task_is_protected(world: Any) -> None:
    protection = world.protection()
    with protection:
        assert world.agent.protected
    assert not world.agent.protected
    world.agent.blocked = True
    with pytest.raises(Unprotected, match="DEPLOYMENT_BLOCKED"), protection:
        pytest.fail("the block was entered")
    world.agent.blocked = False
    world.time.advance(30)
    with protection:
        assert world.agent.protected
    assert not world.agent.protected


def test_outside_ecs_one_warning_is_logged_and_no_request_is_sent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("ECS_AGENT_URI", raising=False)
    protection = Protection.from_environment()
    for _ in range(3):
        with protection:
            assert protection.since is None
    assert [record.message.split(":")[0] for record in caplog.records] == ["ECS_AGENT_URI is not set"]


def test_on_ecs_the_agent_from_the_environment_is_used(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECS_AGENT_URI", world.agent.uri)
    with Protection.from_environment(expires_in_minutes=7):
        assert world.agent.bodies == [{"ProtectionEnabled": True, "ExpiresInMinutes": 7}]
