"""The IAM policy of the daemon's role, or of operators who pause and resume services."""

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
    """A policy, and the remarks to read before it is used."""

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
    """Return the least-privilege policy for the purpose `daemon` or `pause` with these settings.

    `region`: the Region of services that name none. `account` None: the account of the queues, if they name only one.
    `role`: return the policy of this role of the settings (None: of the daemon's own role).
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
            f"{arn} needs its own policy (`autoscaler iam-policy --role {arn}`) and must trust the daemon's role "
            "(deploy/README.md)"
        )
    if config.discovery.clusters:
        yield (
            "discover_clusters is set: the policy permits scaling of any service in these clusters and reading of any "
            "queue in the account. To restrict it, configure services by name"
        )


def pausing(config: Config, home: Home) -> Iterator[Right]:
    """Yield the permissions of `pause` and `resume`. The daemon only reads the tag: its role must not have them."""
    for service in config.services:
        arn = service_arn(service.ref, home)
        yield Right(apis.DESCRIBE_SERVICES, arn, cluster_arn(service.ref, home))
        yield Right(operators.TAG_RESOURCE, arn)
        yield Right(operators.UNTAG_RESOURCE, arn)


def _guessed(home: Home, named: set[str], account: str | None) -> Iterator[str]:
    if account is None and home.account is not None:
        yield f"the services are assumed to be in the account of the queues ({home.account}). If not, pass --account"
    elif account is None and named:
        yield f"the queues are in several accounts ({', '.join(sorted(named))}). Pass --account for the services"
