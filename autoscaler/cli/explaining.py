"""`explain`: why a service has the count that it has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import click

from autoscaler.cli.exits import UNREACHABLE, code_of_kinds, leave, meant_key, settings_or_exit, unknown_service
from autoscaler.cli.kinds import Address, Key
from autoscaler.cli.streams import daemon_url, piped
from autoscaler.errors import Unavailable


@click.command(short_help="Say why a service has the count that it has.")
@click.argument("key", type=Key())
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON, and nothing else on stdout.")
@click.option("--url", type=Address(), help="Where the running daemon answers.  [default: from the settings]")
def explain(key: str, as_json: bool, url: str | None) -> None:
    """Say why the service KEY has the count that it has: what was read, who asked for what, what moved it.

    It asks the running daemon for its newest decision. Where none answers it reads AWS once, with the settings of
    the environment, and decides as a daemon would that starts now: without history, so that it would not scale in
    yet. It says so, and changes nothing either way.

    Exit code 3 where AWS refused a reading or there are no credentials, 4 where AWS could not be reached; 2 where there
    is no such service.

    \b
    Examples:
      autoscaler explain orders
      autoscaler explain orders --url http://autoscaler.internal:9108 --json | jq .steps
    """
    from autoscaler.inspection import explaining  # noqa: PLC0415 - most commands need none of it

    told = _ask(url or daemon_url(), key) or _look(key)
    account = explaining.explained(told)
    with piped():
        if as_json:
            click.echo(json.dumps(account, indent=2))
        else:
            click.echo(f"{_title(account)}\n\n{explaining.page(account)}", nl=False)
    raise SystemExit(code_of_kinds(explaining.kinds_of(account)))


def _ask(url: str, key: str) -> Mapping[str, Any] | None:
    """The newest decision of the daemon; None, and said on stderr, where there is none to be had."""
    from autoscaler.inspection.asking import Answered, Silent, Unknown, ask  # noqa: PLC0415 - it speaks HTTP

    heard = asyncio.run(ask(url, key))
    if isinstance(heard, Unknown):
        known = meant_key(key, heard.keys)
        if known is None or known == key:
            unknown_service(key, heard.keys, f"the daemon at {url} has")
        heard = asyncio.run(ask(url, known))
    match heard:
        case Answered([*_, newest]):
            return {"source": "daemon", "url": url, **newest}
        case Silent(reason):
            click.echo(reason, err=True)
        case _:
            click.echo(f"the daemon at {url} has not decided on it yet", err=True)
    return None


def _look(key: str) -> Mapping[str, Any]:
    config = settings_or_exit()
    keys = [service.ref.key for service in config.services]
    known = meant_key(key, keys)
    if known is None:
        unknown_service(key, keys, "the settings have")
    click.echo("reading AWS cold: a daemon that starts now has no history, and would not scale in yet", err=True)
    from autoscaler.one_shot import account_once  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        return {"source": "aws", "url": None, **account_once(config, known)}
    except Unavailable as error:
        leave(str(error), UNREACHABLE)


def _title(account: Mapping[str, Any]) -> str:
    source = f"the daemon at {account['url']}" if account["source"] == "daemon" else "AWS, read cold"
    where = ", ".join(str(account[key]) for key in ("ts", "mode") if account.get(key))
    name = click.style(str(account.get("service")), bold=True)
    return f"{name} ({account.get('cluster')}/{account.get('ecs_service')}): {where}, {source}"
