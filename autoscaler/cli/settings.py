"""`check` and `settings`: validate the settings, and print their reference or their effective values."""

from __future__ import annotations

import json
import os

import click

from autoscaler.cli.exits import USAGE, listed, refuse
from autoscaler.cli.streams import piped
from autoscaler.config import (
    Config,
    aligned,
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


@click.command(short_help="Validate the settings without AWS calls.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(as_json: bool) -> None:
    """Validate the settings without AWS calls. All problems are reported, each with the name of its setting.

    \b
    Example:
      AUTOSCALER_CONFIG_FILE=autoscaler.toml autoscaler check
    """
    try:
        config = load(os.environ)
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
        click.echo("\n".join([f"Settings are valid: {_named(config)}", *(f"  note: {note}" for note in remarks)]))


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
    else:
        click.echo((markdown if form == "markdown" else plain)(reference()), nl=False)


def _print_effective(as_json: bool) -> None:
    try:
        rows = effective(os.environ)
    except ConfigError as error:
        refuse(error)
    click.echo(json.dumps([row._asdict() for row in rows], indent=2) if as_json else aligned(rows))
