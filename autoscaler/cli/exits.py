"""Exit codes, and the ways out that several commands share."""

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
    """The settings of the environment. Where they are wrong the whole list is on stderr, and the exit code is 2."""
    try:
        return load(os.environ)
    except ConfigError as error:
        refuse(error)


def refuse(error: ConfigError) -> NoReturn:
    """The whole list on stderr, and out."""
    count = len(error.problems)
    click.echo(f"{count} problem{'s' if count > 1 else ''} in the settings:", err=True)
    for problem in error.problems:
        click.echo(f"  {problem}", err=True)
    click.echo("`autoscaler settings` lists every setting; `autoscaler check` tries them out.", err=True)
    raise SystemExit(USAGE)


def listed(error: ConfigError) -> list[dict[str, str]]:
    """The whole list, for JSON."""
    return [{"where": problem.where, "what": problem.what} for problem in error.problems]


def unknown_service(key: str, keys: Sequence[str], of: str) -> NoReturn:
    """That there is no such service, the one that was probably meant, and all there are."""
    near = difflib.get_close_matches(key[:100].lower(), keys, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    click.echo(f"{of} no service {key!r}{meant}", err=True)
    click.echo(f"services: {', '.join(keys) or 'none'}", err=True)
    raise SystemExit(USAGE)


def code_of_kinds(kinds: Set[str]) -> int:
    """By why readings are missing: 4 where AWS could not be reached, 3 where it refused or there are no credentials to
    ask it with, else 0.
    """
    from autoscaler.inspection import explaining  # noqa: PLC0415 - most commands need none of it

    return UNREACHABLE if kinds & explaining.UNREACHABLE else REFUSED if kinds & explaining.REFUSALS else 0


def failed(fault: AutoscalerError) -> NoReturn:
    """AWS did not do what was asked: its text on stderr, and 4 where it could not be reached, else 3."""
    leave(str(fault), UNREACHABLE if isinstance(fault, Unavailable) else REFUSED)


def leave(message: str, code: int) -> NoReturn:
    """A last word on stderr, and out."""
    click.echo(message, err=True)
    raise SystemExit(code)


def meant_key(key: str, keys: Iterable[str]) -> str | None:
    """The key that is called so, capitals and `-` for `_` aside (None: there is none)."""
    from autoscaler.config.names import folded  # noqa: PLC0415 - only here

    return next((known for known in keys if folded(known) == folded(key)), None)
