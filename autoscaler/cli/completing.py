"""`completion`: the shell script that completes commands, options, and the keys of services."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from autoscaler.cli.exits import USAGE, leave
from autoscaler.cli.streams import piped

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
