"""Run the targets: `python -m tests.fuzz [TARGET...] --minutes 10 --seed 1`."""

from __future__ import annotations

import sys
import time

import click

from tests.fuzz.fuzzing import run_for
from tests.fuzz.targets import TARGETS


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([target.name for target in TARGETS]))
@click.option("--minutes", type=float, default=10.0, show_default=True, help="Minutes for each target.")
@click.option("--seed", "first", type=int, default=None, help="First seed.  [default: the time]")
def fuzz(names: tuple[str, ...], minutes: float, first: int | None) -> None:
    """Check that no input of a target has a traceback or takes more than 100 ms of the processor per 10 kB."""
    failed = False
    for target in TARGETS:
        if not names or target.name in names:
            number = int(time.time()) if first is None else first
            try:
                inputs = run_for(target, minutes, number)
            except Exception as error:  # noqa: BLE001 - every exception is a finding
                failed = True
                click.echo(f"{target.name}: seed {number}: {type(error).__name__}: {error}")
                for note in getattr(error, "__notes__", ()):
                    click.echo(f"  {note[:2_000]}")
            else:
                click.echo(f"{target.name}: {inputs:,} inputs, none failed (first seed {number})")
    sys.exit(int(failed))


fuzz()
