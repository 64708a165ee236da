"""The commands. They read arguments, print, and choose the exit code; whatever they do is done elsewhere.

Exit codes: 0 good, 1 findings, 2 usage or settings, 3 AWS refused us, 4 AWS unreachable.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import click

from autoscaler import __version__
from autoscaler.config import Config, aligned, effective, json_schema, load, markdown, plain, reference
from autoscaler.config.durations import seconds
from autoscaler.core.engine import decide as decide_on
from autoscaler.core.explain import sentence
from autoscaler.errors import ConfigError
from autoscaler.situation import decision_of, decode

FINDINGS, USAGE = 1, 2


class Duration(click.ParamType[float]):
    """A duration as in the settings, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return value if isinstance(value, float) else seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="autoscaler")
def main() -> None:
    """Keeps the promise of how long an SQS message may wait, with the fewest Amazon ECS tasks, and says why.

    Settings come from variables named AUTOSCALER_... and from the TOML file that AUTOSCALER_CONFIG_FILE names;
    `autoscaler settings` lists them all.
    """


@main.command()
def run() -> None:
    """Run the daemon until SIGTERM or SIGINT."""
    config = _settings_or_exit()
    from autoscaler.app import run as run_daemon  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        run_daemon(config)
    except ConfigError as error:
        _refuse(error)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(as_json: bool) -> None:
    """Validate the settings without asking AWS anything: every problem at once, by its own name."""
    try:
        config = load(os.environ)
    except ConfigError as error:
        if not as_json:
            _refuse(error)
        problems = [{"where": problem.where, "what": problem.what} for problem in error.problems]
        click.echo(json.dumps({"ok": False, "problems": problems}, indent=2))
        raise SystemExit(USAGE) from None
    services = [service.ref.key for service in config.services]
    if as_json:
        click.echo(json.dumps({"ok": True, "services": services}, indent=2))
    else:
        click.echo(f"Settings are good: {len(services)} service(s): {', '.join(services)}")


@main.command()
@click.option("--effective", "form", flag_value="effective", help="The values in force, and where each came from.")
@click.option("--markdown", "form", flag_value="markdown", help="The reference as a Markdown table.")
@click.option("--schema", "form", flag_value="schema", help="A JSON Schema of the settings file, for editors.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def settings(form: str | None, as_json: bool) -> None:
    """Print the reference of all settings, or the values in force."""
    if form == "schema":
        click.echo(json.dumps(json_schema(), indent=2))
    elif form == "effective":
        _print_effective(as_json)
    elif as_json:
        click.echo(json.dumps([row._asdict() for row in reference()], indent=2))
    else:
        click.echo((markdown if form == "markdown" else plain)(reference()))


def _print_effective(as_json: bool) -> None:
    try:
        rows = effective(os.environ)
    except ConfigError as error:
        _refuse(error)
    click.echo(json.dumps([row._asdict() for row in rows], indent=2) if as_json else aligned(rows))


@main.command()
def decide() -> None:
    """Decide on situations: one JSON object per line on stdin, one decision per line on stdout.

    A line that cannot be read yields {"name", "error"} in its place; the rest goes on, and the exit code is 1.
    """
    unreadable = False
    for answer in _decisions(sys.stdin):
        unreadable = unreadable or "error" in answer
        click.echo(json.dumps(answer, ensure_ascii=False))
    raise SystemExit(FINDINGS if unreadable else 0)


def _decisions(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    return (_decision(line) for line in lines if line.strip())


def _decision(line: str) -> dict[str, Any]:
    situation: object = None
    try:
        situation = json.loads(line)
        policy, memory, seen = decode(situation)
    except (ValueError, RecursionError) as error:
        return {"name": None, "error": f"not JSON: {error}"}
    except ConfigError as error:
        name = situation.get("name") if isinstance(situation, dict) else None
        return {"name": name, "error": "; ".join(map(str, error.problems))}
    decision = decide_on(policy, memory, seen)
    return decision_of(decision, sentence(policy, decision))


@main.command()
@click.option(
    "--duration",
    "duration_s",
    type=Duration(),
    default="120s",
    show_default=True,
    help="How long the load lasts, in wall time.",
)
@click.option("--trace", type=click.Path(path_type=Path), help="Play this workload (CSV: t_seconds,arrivals).")
@click.option("--from-day", type=float, default=0.0, show_default=True, help="Where in the trace to begin.")
@click.option("--speed", type=float, default=1.0, show_default=True, help="How many trace seconds pass in one.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything that is drawn at random.")
@click.option("--json", "json", is_flag=True, help="Print the summary as JSON, and nothing else on stdout.")
def demo(**options: Any) -> None:
    """Watch the daemon at work: a region of its own on this machine, a queue, workers, and a load that swells."""
    from autoscaler import demo as stage  # noqa: PLC0415 - the demo's libraries are an extra

    raise SystemExit(stage.run(stage.Options(**options)))


def _settings_or_exit() -> Config:
    try:
        return load(os.environ)
    except ConfigError as error:
        _refuse(error)


def _refuse(error: ConfigError) -> NoReturn:
    """The whole list on stderr, and out."""
    count = len(error.problems)
    click.echo(f"{count} problem{'s' if count > 1 else ''} in the settings:", err=True)
    for problem in error.problems:
        click.echo(f"  {problem}", err=True)
    click.echo("`autoscaler settings` lists every setting; `autoscaler check` tries them out.", err=True)
    raise SystemExit(USAGE)
