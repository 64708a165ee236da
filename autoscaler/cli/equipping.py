"""What every command has: the option `--config FILE`, and help in which no word is broken."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

CONFIG_FILE = "AUTOSCALER_CONFIG_FILE"

UNBROKEN = "\u2011"
"""A hyphen at which no line is wrapped, so that options, dates and addresses in the help stay whole."""


class _HelpFormatter(click.HelpFormatter):
    def write_text(self, text: str) -> None:
        super().write_text(text.replace("-", UNBROKEN))

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        super().write_dl([(term, text.replace("-", UNBROKEN)) for term, text in rows], col_max, col_spacing)

    def getvalue(self) -> str:
        return super().getvalue().replace(UNBROKEN, "-")


class _Context(click.Context):
    formatter_class = _HelpFormatter


def equip(command: click.Command) -> None:
    """Add the option and the help format to the command."""
    command.context_class = _Context
    command.params.append(
        click.Option(
            ["--config"],
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            is_eager=True,
            expose_value=False,
            callback=_use_file,
            help=f"Settings file.  [default: {CONFIG_FILE}]",
        )
    )


def _use_file(context: click.Context, _: click.Parameter, file: Path | None) -> None:
    """Use the settings file until the command ends."""
    if file is None:
        return
    context.meta[CONFIG_FILE] = str(file)
    before = os.environ.get(CONFIG_FILE)
    os.environ[CONFIG_FILE] = str(file)
    context.find_root().call_on_close(lambda: _restore(before))


def environ_of(context: click.Context) -> Mapping[str, str]:
    """Return the environment with the file of the command line. A shell completes after the command's context ended."""
    file = context.meta.get(CONFIG_FILE)
    return os.environ if file is None else os.environ | {CONFIG_FILE: file}


def _restore(before: str | None) -> None:
    if before is None:
        os.environ.pop(CONFIG_FILE, None)
    else:
        os.environ[CONFIG_FILE] = before
