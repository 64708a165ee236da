"""A policy for somebody: for the daemon's role, or for people who pause and resume services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from autoscaler.aws import apis
from autoscaler.aws.operator import apis as operators
from autoscaler.config import Config
from autoscaler.operating.arns import Home, cluster_arn, home_of, queue_accounts, service_arn, unknown
from autoscaler.operating.iam import document, remarks
from autoscaler.operating.rights import Right, rights, roles


class Granted(NamedTuple):
    """A policy, and what one should know of it before one uses it, each in a sentence."""

    policy: dict[str, Any]
    remarks: tuple[str, ...]


def granted(
    config: Config,
    region: str | None,
    account: str | None,
    purpose: str = "daemon",
    role: str | None = None,
    *,
    deny_redefinition: bool = False,
) -> Granted:
    """The least policy for that purpose, `daemon` or `pause`, with these settings.

    `region`: where the services are that name none. `account` None: that of the queues, where they name one. `role`:
    the policy of that role, one of the settings' (None: of the daemon's own).
    """
    home = home_of(config, region, account)
    gaps = (*_guessed(home, queue_accounts(config), account), *unknown(config.services, home))
    if purpose == "pause":
        return Granted(document(pausing(config, home)), gaps)
    asked = rights(config, home, role)
    policy = document(asked, deny_redefinition=deny_redefinition)
    return Granted(policy, (*gaps, *remarks(asked, policy), *(_others(config) if role is None else [])))


def _others(config: Config) -> Iterator[str]:
    for arn in roles(config):
        yield (
            f"{arn} needs a policy of its own (`autoscaler iam-policy --role {arn}`), and to trust the daemon's role "
            "(deploy/README.md)"
        )
    if config.discovery.clusters:
        yield (
            "discover_clusters: any service of those clusters may be taken over, and any queue of the account read; "
            "name services in the settings to narrow it"
        )


def pausing(config: Config, home: Home) -> Iterator[Right]:
    """What `pause` and `resume` call. The daemon reads the tag and never writes it: its role must not have these."""
    for service in config.services:
        arn = service_arn(service.ref, home)
        yield Right(apis.DESCRIBE_SERVICES, arn, cluster_arn(service.ref, home))
        yield Right(operators.TAG_RESOURCE, arn)
        yield Right(operators.UNTAG_RESOURCE, arn)


def _guessed(home: Home, named: set[str], account: str | None) -> Iterator[str]:
    if account is None and home.account is not None:
        yield f"the services are taken to be in the queues' account, {home.account}: else give --account"
    elif account is None and named:
        yield f"the queues are in several accounts ({', '.join(sorted(named))}): which is the services'?"
