"""Exit codes, and the functions that end a command with an error."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence, Set
from typing import NoReturn

import click

from autoscaler.config import Config, load
from autoscaler.errors import AutoscalerError, ConfigError, Unavailable

FINDINGS, USAGE, REFUSED, UNREACHABLE = 1, 2, 3, 4


def settings_or_exit() -> Config:
    """Return the settings of the environment. If they are invalid, print all problems and exit with code 2."""
    try:
        return load(os.environ)
    except ConfigError as error:
        refuse(error)


def refuse(error: ConfigError) -> NoReturn:
    """Print all problems of the settings on stderr, and exit with code 2."""
    count = len(error.problems)
    click.echo(f"{count} problem{'s' if count > 1 else ''} in the settings:", err=True)
    for problem in error.problems:
        click.echo(f"  {problem}", err=True)
    click.echo("`autoscaler settings` lists every setting; `autoscaler check` validates them.", err=True)
    raise SystemExit(USAGE)


def listed(error: ConfigError) -> list[dict[str, str]]:
    """Return all problems for JSON."""
    return [{"where": problem.where, "what": problem.what} for problem in error.problems]


def unknown_service(key: str, keys: Sequence[str], where: str) -> NoReturn:
    """Print that the key is unknown, the most similar key, and all keys, and exit with code 2."""
    near = difflib.get_close_matches(key[:100].lower(), keys, n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    click.echo(f"There is no service {key!r} {where}.{meant}", err=True)
    click.echo(f"Known services: {', '.join(keys) or 'none'}", err=True)
    raise SystemExit(USAGE)


def code_of_kinds(kinds: Set[str]) -> int:
    """Return the exit code for the kinds of missing readings: 4 if AWS was unreachable, 3 if it denied access or there
    are no credentials, else 0.
    """
    from autoscaler.inspection import explaining  # noqa: PLC0415 - most commands do not need it

    return UNREACHABLE if kinds & explaining.UNREACHABLE else REFUSED if kinds & explaining.REFUSALS else 0


def failed(fault: AutoscalerError) -> NoReturn:
    """Print the error of a failed AWS call on stderr, and exit with code 4 if AWS was unreachable, else 3."""
    leave(str(fault), UNREACHABLE if isinstance(fault, Unavailable) else REFUSED)


def leave(message: str, code: int) -> NoReturn:
    """Print the message on stderr, and exit with the code."""
    click.echo(message, err=True)
    raise SystemExit(code)


def meant_key(key: str, keys: Iterable[str]) -> str | None:
    """Return the known key that matches, with any case and with `-` equal to `_` (None: no such key)."""
    from autoscaler.config.names import folded  # noqa: PLC0415 - only here

    return next((known for known in keys if folded(known) == folded(key)), None)
