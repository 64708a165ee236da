"""The commands that print a document: settings, iam-policy, dashboards and completion."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class

from autoscaler.cli.kinds import Account, PageAddress, RoleArn
from autoscaler.cli.output import USAGE, leave, listed, piped, refuse, say, settings_or_exit, terminal_columns
from autoscaler.config import (
    Config,
    effective,
    json_schema,
    load,
    markdown,
    notes,
    plain,
    reference,
    shadow_notes,
)
from autoscaler.errors import ConfigError
from autoscaler.inspection.columns import INDENT, indented, laid_out, reflowed, widths_of, wrapped

# `check` and `settings`: validate the settings, and print their reference or their effective values.


@click.command(short_help="Validate the settings without AWS calls.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(as_json: bool) -> None:
    """Validate the settings without AWS calls. All problems are reported, each with the name of its setting.

    The web configuration file, if one is set, is read too, with its certificates.

    \b
    Example:
      autoscaler check --config autoscaler.toml
    """
    try:
        config = load(os.environ)
        _check_web_config(config)
    except ConfigError as error:
        if not as_json:
            refuse(error)
        click.echo(json.dumps({"ok": False, "problems": listed(error)}, indent=2))
        raise SystemExit(USAGE) from None
    services = [service.ref.key for service in config.services]
    remarks = [*notes(config), *shadow_notes(config)]
    if as_json:
        click.echo(json.dumps({"ok": True, "services": services, "notes": remarks}, indent=2))
        return
    with piped():
        columns = terminal_columns()
        click.echo("\n".join(wrapped(f"Settings are valid: {_named(config)}", columns)))
        for remark in remarks:
            click.echo("\n".join(indented("  note: ", remark, columns)))


def _check_web_config(config: Config) -> None:
    """Read the web configuration file as the daemon does at its start. Raises ConfigError with every problem."""
    if config.web_config_file is not None:
        from autoscaler.telemetry.access import read_access  # noqa: PLC0415 - the HTTP server takes time to import

        read_access(config.web_config_file)


def _named(config: Config) -> str:
    """Return the services, and the clusters in which services are discovered."""
    keys, clusters = [service.ref.key for service in config.services], config.discovery.clusters
    named = [f"{len(keys)} service{'s' * (len(keys) > 1)}: {', '.join(keys)}"] if keys else []
    discovered = [f"services are discovered in {', '.join(clusters)}"] if clusters else []
    return "; ".join([*named, *discovered])


@click.command(short_help="Print the reference of all settings, or the effective values.")
@click.option("--effective", "form", flag_value="effective", help="Print the effective values and their origins.")
@click.option("--markdown", "form", flag_value="markdown", help="Print the reference as a Markdown page.")
@click.option("--schema", "form", flag_value="schema", help="Print a JSON Schema of the settings file, for editors.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def settings(form: str | None, as_json: bool) -> None:
    """Print the reference of all settings, or the effective values.

    \b
    Examples:
      autoscaler settings | less
      autoscaler settings --effective
      autoscaler settings --schema > autoscaler.schema.json
    """
    if form == "schema":
        click.echo(json.dumps(json_schema(), indent=2))
    elif form == "effective":
        _print_effective(as_json)
    elif as_json:
        click.echo(json.dumps([row._asdict() for row in reference()], indent=2))
    elif form == "markdown":
        click.echo(markdown(reference()), nl=False)
    else:
        click.echo("\n".join(reflowed(plain(reference()), terminal_columns(), hang=0)))


def _print_effective(as_json: bool) -> None:
    try:
        rows = effective(os.environ)
    except ConfigError as error:
        refuse(error)
    if as_json:
        click.echo(json.dumps([row._asdict() for row in rows], indent=2))
    elif (columns := terminal_columns()) is None:
        widths = widths_of(rows)
        click.echo("\n".join(line for row in rows for line in laid_out(row, widths, None)))
    else:
        named = (f"{row.name} = {row.value} ({row.origin})" for row in rows)
        click.echo("\n".join(line for text in named for line in reflowed(text, columns, hang=INDENT)))


# `iam-policy`: the least-privilege policy of the daemon's role.


@click.command(name="iam-policy", short_help="Print the least-privilege IAM policy for the settings.")
@click.option("--account", type=Account(), help="ID of the AWS account of the services.  [default: from the queues]")
@click.option(
    "--for",
    "purpose",
    type=click.Choice(["daemon", "pause", "diagnose", "assess"]),
    default="daemon",
    show_default=True,
    help="The daemon's task role, or users who run `pause` and `resume`, `diagnose KEY`, or `assess`.",
)
@click.option("--cluster", help="Cluster for `--for assess`.  [default: any]")
@click.option("--role", type=RoleArn(), help="Print the policy for this role_arn instead of the daemon's own role.")
@click.option(
    "--deny-redefinition", is_flag=True, help="Also deny task-definition and capacity updates (not tested on AWS)."
)
@click.option("--json", "as_json", is_flag=True, help="Print only the policy, without remarks on stderr.")
def iam_policy(**options: Any) -> None:
    """Print the least-privilege IAM policy for the settings: JSON on stdout, remarks on stderr. It makes no AWS calls.

    The policy contains only the permissions that the settings require. For services in shadow it has no write
    permissions. ARNs contain the Region, account, cluster, service and queue if the settings or --account have them;
    otherwise *. Each role_arn in the settings has a separate policy: use --role. `--for assess` needs no settings.

    \b
    Examples:
      autoscaler iam-policy --account 123456789012 > policy.json
      autoscaler iam-policy --for pause --json
      autoscaler iam-policy --for assess --cluster prod
      aws iam put-role-policy --role-name autoscaler --policy-name autoscaler \\
        --policy-document file://policy.json
    """
    # the AWS SDK takes half a second to import
    from autoscaler.operating.iam import assessing, granted, region_in, roles  # noqa: PLC0415

    account, purpose, role, region = options["account"], options["purpose"], options["role"], region_in(os.environ)
    if purpose == "assess":
        found = assessing(options["cluster"], region, account)
    else:
        config = settings_or_exit()
        if options["cluster"] is not None:
            leave("iam-policy: --cluster is only for `--for assess`; otherwise the settings name the clusters.", USAGE)
        if role is not None and role not in (known := roles(config)):
            names = ", ".join(known) or "none"
            leave(f"iam-policy: --role: no service has role_arn {role}. Known roles: {names}", USAGE)
        denies = options["deny_redefinition"]
        found = granted(config, region, account, purpose, role, deny_redefinition=denies)
    with piped():
        click.echo(json.dumps(found.policy, indent=2))
    for remark in () if options["as_json"] else found.remarks:
        say(f"note: {remark}")


# `dashboards`: write the monitoring files.


@click.command(short_help="Write Grafana dashboards, Prometheus rules and CloudWatch alarms.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Directory to write to.")
@click.option(
    "--runbook-url",
    type=PageAddress(),
    metavar="URL",
    help="Address of your copy of docs/runbook.md, for links in alerts, alarms and dashboards.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the files' names as JSON.")
def dashboards(out: Path, runbook_url: str | None, as_json: bool) -> None:
    """Write Grafana dashboards, Prometheus rules with alerts, and CloudWatch alarms into a directory.

    The alarms for the configured queues are CloudFormation templates, one per account and Region, and per 500
    queues. Without settings, one template is written, with parameters for a single queue. Existing files with the
    same names are replaced.

    Each alert links to its section of the runbook (`runbook_url`) if --runbook-url is given. Without it the alerts
    name the section and have no link.

    \b
    Examples:
      autoscaler dashboards --out monitoring
      autoscaler dashboards --config autoscaler.toml --out monitoring
      autoscaler dashboards --out out --runbook-url https://example.com/runbook
    """
    from autoscaler.monitoring import files  # noqa: PLC0415 - only here

    config = _settings()
    written = {out / name: text for name, text in files(config, runbook_url).items()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, text in written.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        leave(f"dashboards: --out {out}: {error.strerror or error}. Choose a writable directory.", USAGE)
    names = [str(path) for path in written]
    with piped():
        click.echo(json.dumps({"files": names}, indent=2) if as_json else "\n".join(names))
    if config is None and not as_json:
        say("No settings found. The alarm template is for one queue, which its parameters set.")
    if runbook_url is None and not as_json:
        say("No --runbook-url: the alerts name their section of docs/runbook.md and have no link.")


def _settings() -> Config | None:
    """Return the settings (None: there are none). Invalid settings end the command."""
    return settings_or_exit() if any(name.startswith("AUTOSCALER_") for name in os.environ) else None


# `completion`: the shell script that completes commands, options, and the keys of services.

PROGRAMS = ("autoscaler", "ecs-queue-autoscaler")
"""The names of the console script (`pyproject.toml`). The script completes the name that printed it."""


@click.command(short_help="Print the shell completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for bash, zsh or fish.

    It completes commands, options, and the keys of the configured services. bash must be 4.4 or later.

    \b
    Examples:
      eval "$(autoscaler completion bash)"    # in ~/.bashrc
      eval "$(autoscaler completion zsh)"     # in ~/.zshrc
      autoscaler completion fish > ~/.config/fish/completions/autoscaler.fish
    """
    found = get_completion_class(shell)
    if found is None:
        leave(f"completion: {shell} is not supported. Use bash, zsh or fish.", USAGE)
    root = context.find_root()
    program = root.info_name if root.info_name in PROGRAMS else PROGRAMS[0]
    variable = f"_{program.replace('-', '_')}_COMPLETE".upper()  # the name that click reads
    with piped():
        click.echo(found(root.command, {}, program, variable).source())
