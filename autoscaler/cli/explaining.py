"""`explain`: the reasons for a service's task count."""

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


@click.command(short_help="Explain the task count of a service.")
@click.argument("key", type=Key())
@click.option("--json", "as_json", is_flag=True, help="Print the decision as JSON, and nothing else on stdout.")
@click.option("--url", type=Address(), help="Address of the running daemon.  [default: from the settings]")
def explain(key: str, as_json: bool, url: str | None) -> None:
    """Explain the task count of the service KEY: the readings, the demand per signal, and the rules that changed it.

    The newest decision comes from the running daemon. If none answers, AWS is read once, with the settings of the
    environment, and the output says so. This decision has no history, as just after a start of the daemon, so it
    never scales in. The command changes nothing.

    Exit codes: 0 ok, 2 settings or unknown service, 3 access denied by AWS or no credentials, 4 AWS unreachable.

    \b
    Examples:
      autoscaler explain orders
      autoscaler explain orders --url http://autoscaler.internal:9108 --json | jq .steps
    """
    from autoscaler.inspection import explaining  # noqa: PLC0415 - most commands do not need it

    decision = _from_daemon(url or daemon_url(), key) or _from_aws(key)
    account = explaining.explained(decision)
    with piped():
        if as_json:
            click.echo(json.dumps(account, indent=2))
        else:
            click.echo(f"{_title(account)}\n\n{explaining.page(account)}", nl=False)
    raise SystemExit(code_of_kinds(explaining.kinds_of(account)))


def _from_daemon(url: str, key: str) -> Mapping[str, Any] | None:
    """Return the daemon's newest decision (None: there is none; the reason is printed on stderr)."""
    from autoscaler.inspection.asking import Answered, NoDaemon, Unknown, fetch_decisions  # noqa: PLC0415 - it speaks HTTP

    heard = asyncio.run(fetch_decisions(url, key))
    if isinstance(heard, Unknown):
        known = meant_key(key, heard.keys)
        if known is None or known == key:
            unknown_service(key, heard.keys, f"in the daemon at {url}")
        heard = asyncio.run(fetch_decisions(url, known))
    match heard:
        case Answered([*_, newest]):
            return {"source": "daemon", "url": url, **newest}
        case NoDaemon(reason):
            click.echo(reason, err=True)
        case _:
            click.echo(f"The daemon at {url} has no decision for the service {key!r} yet.", err=True)
    return None


def _from_aws(key: str) -> Mapping[str, Any]:
    config = settings_or_exit()
    keys = [service.ref.key for service in config.services]
    known = meant_key(key, keys)
    if known is None:
        unknown_service(key, keys, "in the settings")
    click.echo("Reading AWS once instead. This decision has no history, so it never scales in.", err=True)
    from autoscaler.one_shot import account_once  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        return {"source": "aws", "url": None, **account_once(config, known)}
    except Unavailable as error:
        leave(str(error), UNREACHABLE)


def _title(account: Mapping[str, Any]) -> str:
    source = f"the daemon at {account['url']}" if account["source"] == "daemon" else "AWS (read once, no history)"
    named = (("", account.get("ts")), ("mode ", account.get("mode")), ("source: ", source))
    where = ", ".join(f"{name}{value}" for name, value in named if value)
    name = click.style(str(account.get("service")), bold=True)
    return f"{name} ({account.get('cluster')}/{account.get('ecs_service')}): {where}"
