"""`iam-policy`: the least-privilege policy of the daemon's role."""

from __future__ import annotations

import json
import os

import click

from autoscaler.cli.exits import USAGE, leave, settings_or_exit
from autoscaler.cli.kinds import Account, RoleArn
from autoscaler.cli.streams import piped


@click.command(name="iam-policy", short_help="Print the least-privilege IAM policy for the settings.")
@click.option("--account", type=Account(), help="ID of the AWS account of the services.  [default: from the queues]")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["daemon", "pause"]),
    default="daemon",
    show_default=True,
    help="The daemon's task role, or users who run `pause` and `resume`.",
)
@click.option("--role", type=RoleArn(), help="Print the policy for this role_arn instead of the daemon's own role.")
@click.option(
    "--deny-redefinition", is_flag=True, help="Also deny task-definition and capacity updates (not tested on AWS)."
)
@click.option("--json", "as_json", is_flag=True, help="Print only the policy, without remarks on stderr.")
def iam_policy(account: str | None, purpose: str, role: str | None, deny_redefinition: bool, as_json: bool) -> None:
    """Print the least-privilege IAM policy for the settings: JSON on stdout, remarks on stderr. It makes no AWS calls.

    The policy contains only the permissions that the settings require. For services in shadow it has no write
    permissions. ARNs contain the Region, account, cluster, service and queue if the settings or --account have them;
    otherwise *. Each role_arn in the settings has a separate policy: use --role.

    \b
    Examples:
      autoscaler iam-policy --account 123456789012 > policy.json
      autoscaler iam-policy --for pause --json
      aws iam put-role-policy --role-name autoscaler --policy-name autoscaler \\
        --policy-document file://policy.json
    """
    config = settings_or_exit()
    # the AWS SDK takes half a second to import
    from autoscaler.operating.iam import granted, region_in, roles  # noqa: PLC0415

    if role is not None and role not in (known := roles(config)):
        leave(f"iam-policy: --role: no service has role_arn {role}. Known roles: {', '.join(known) or 'none'}", USAGE)
    found = granted(config, region_in(os.environ), account, purpose, role, deny_redefinition=deny_redefinition)
    with piped():
        click.echo(json.dumps(found.policy, indent=2))
    for remark in () if as_json else found.remarks:
        click.echo(f"note: {remark}", err=True)
