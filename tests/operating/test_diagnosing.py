"""The result of `diagnose KEY` if AWS refuses or does not answer."""

from __future__ import annotations

from autoscaler.diagnosis.reports import StoppedTasks
from autoscaler.errors import AutoscalerError, CredentialsRejected, Denied, Throttled
from autoscaler.operating.diagnosing import Examined, result_of


def refused(fault: AutoscalerError) -> Examined:
    return result_of(fault, StoppedTasks(fault=fault), 1_000_000.0)


def test_credentials_that_aws_rejects_are_not_a_missing_right() -> None:
    found, code = refused(CredentialsRejected("orders: ecs:ListTasks was denied; renew them"))
    assert [one.remedy for one in found.not_seen] == ["renew them", "renew them"]
    assert code == 3
    found, code = refused(Denied("no; grant it"))
    assert "grant the user or role that runs this command ecs:DescribeServices" in found.not_seen[0].remedy
    assert code == 3


def test_a_throttle_is_not_a_refusal() -> None:
    assert refused(Throttled("orders: ecs:ListTasks was throttled; try again in a minute")).code == 4
