"""`dashboards`: write the monitoring files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from autoscaler.cli.exits import USAGE, leave, settings_or_exit
from autoscaler.cli.streams import piped
from autoscaler.config import Config


@click.command(short_help="Write Grafana dashboards, Prometheus rules and CloudWatch alarms.")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Directory to write to.")
@click.option("--json", "as_json", is_flag=True, help="Print the files' names as JSON.")
def dashboards(out: Path, as_json: bool) -> None:
    """Write Grafana dashboards, Prometheus rules with alerts, and CloudWatch alarms into a directory.

    The alarms for the configured queues are CloudFormation templates, one per account and Region, and per 500
    queues. Without settings, one template is written, with parameters for a single queue. Existing files with the
    same names are replaced.

    \b
    Examples:
      autoscaler dashboards --out monitoring
      AUTOSCALER_CONFIG_FILE=autoscaler.toml autoscaler dashboards --out monitoring
    """
    from autoscaler.monitoring import files  # noqa: PLC0415 - only here

    config = _settings()
    written = {out / name: text for name, text in files(config).items()}
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
        click.echo("No settings found. The alarm template is for one queue, which its parameters set.", err=True)


def _settings() -> Config | None:
    """Return the settings (None: there are none). Invalid settings end the command."""
    return settings_or_exit() if any(name.startswith("AUTOSCALER_") for name in os.environ) else None
