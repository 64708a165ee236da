"""`iam-policy`: the least that the daemon's role must be allowed."""

from __future__ import annotations

import json
import os

import click

from autoscaler.cli.exits import settings_or_exit
from autoscaler.cli.kinds import Account


@click.command(name="iam-policy", short_help="Print the least IAM policy for exactly these settings.")
@click.option("--account", type=Account(), help="The AWS account of the services.  [default: that of the queues]")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["daemon", "pause"]),
    default="daemon",
    show_default=True,
    help="For the daemon's task role, or for people who run `pause` and `resume`.",
)
@click.option("--deny-redefinition", is_flag=True, help="Deny other task definitions and capacity (untried on AWS).")
@click.option("--json", "as_json", is_flag=True, help="The policy is JSON anyway; this leaves the remarks out.")
def iam_policy(account: str | None, purpose: str, deny_redefinition: bool, as_json: bool) -> None:
    """Print the least IAM policy for exactly these settings: JSON on stdout, remarks on stderr. AWS is not asked.

    Only what some setting leads to is in it: services in shadow get no right to change anything. ARNs are narrowed by
    Region, account, cluster, service and queue, as far as the settings and --account name them.

    \b
    Examples:
      autoscaler iam-policy --account 123456789012 > policy.json
      autoscaler iam-policy --for pause --json
      aws iam put-role-policy --role-name autoscaler --policy-name autoscaler --policy-document file://policy.json
    """
    config = settings_or_exit()
    from autoscaler.operating import permissions  # noqa: PLC0415 - the AWS SDK takes half a second to import

    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None
    granted = permissions.granted(config, region, account, purpose, deny_redefinition=deny_redefinition)
    click.echo(json.dumps(granted.policy, indent=2))
    for remark in () if as_json else granted.remarks:
        click.echo(f"note: {remark}", err=True)
