"""`check` and `settings`: what may be set, and what is."""

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


@click.command(short_help="Validate the settings, offline: every problem at once.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(as_json: bool) -> None:
    """Validate the settings without asking AWS anything: every problem at once, by its own name.

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
    told = [*notes(config), *shadow_notes(config)]
    if as_json:
        click.echo(json.dumps({"ok": True, "services": services, "notes": told}, indent=2))
        return
    with piped():
        click.echo("\n".join([f"Settings are good: {_named(config)}", *(f"  note: {note}" for note in told)]))


def _named(config: Config) -> str:
    """The services, and the clusters in which more are looked for."""
    keys, clusters = [service.ref.key for service in config.services], config.discovery.clusters
    named = [f"{len(keys)} service{'s' * (len(keys) > 1)}: {', '.join(keys)}"] if keys else []
    sought = [f"services are discovered in {', '.join(clusters)}"] if clusters else []
    return "; ".join([*named, *sought])


@click.command(short_help="Print the reference of all settings, or the values in force.")
@click.option("--effective", "form", flag_value="effective", help="The values in force, and where each came from.")
@click.option("--markdown", "form", flag_value="markdown", help="The reference as a Markdown page.")
@click.option("--schema", "form", flag_value="schema", help="A JSON Schema of the settings file, for editors.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def settings(form: str | None, as_json: bool) -> None:
    """Print the reference of all settings, or the values in force.

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
