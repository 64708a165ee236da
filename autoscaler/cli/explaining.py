"""`explain`: the reasons for a service's task count."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

import click

from autoscaler.cli.kinds import Address, Key
from autoscaler.cli.output import (
    FINDINGS,
    UNREACHABLE,
    USAGE,
    code_of_kinds,
    conversing,
    daemon_url,
    leave,
    meant_key,
    piped,
    progress,
    say,
    settings_or_exit,
    sourced_settings_or_exit,
    standard_input,
    terminal_columns,
    unknown_service,
)
from autoscaler.config.loading import config_of
from autoscaler.config.locating import located, located_in
from autoscaler.errors import Unavailable
from autoscaler.inspection.columns import wrapped
from autoscaler.inspection.deciding import answer, lines, printed
from autoscaler.inspection.replaying import (
    PolicyLookup,
    ReplayCounts,
    Replayed,
    as_json,
    as_table,
    policy_lookup,
    replayed,
)

# `decide`: compute a decision for each situation on standard input.


@click.command(short_help="Compute decisions for recorded inputs (`situation`).")
def decide() -> None:
    """Compute decisions for recorded inputs: one JSON object per line on stdin, one decision per line on stdout.

    The daemon logs the inputs of each decision in the field `situation`. For an unreadable line, the output line
    is {"name", "error"} and the exit code is 1; the other lines are still decided. Output is flushed before the
    command waits for more input. A line without `knowledge` is decided as at the first poll, before anything is
    learned.

    \b
    Examples:
      jq -c 'select(.situation) | .situation' daemon.log | autoscaler decide
      echo '{"current": 2, "policy": {"max_tasks": 9}, "demand": 5}' \\
        | autoscaler decide
    """
    unreadable = False
    with piped():
        questions, answers = conversing()
        for line in lines(questions):
            if line.content is None or line.content.strip():
                decided = answer(line)
                unreadable = unreadable or "error" in decided
                answers.write(printed(decided))
    raise SystemExit(FINDINGS if unreadable else 0)


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
      autoscaler explain orders-worker
      autoscaler explain orders-worker --json | jq .steps
      autoscaler explain orders-worker --url http://autoscaler.internal:9108
    """
    from autoscaler.inspection import explaining  # noqa: PLC0415 - most commands do not need it

    decision = _from_daemon(url or daemon_url(), key) or _from_aws(key)
    account = explaining.explained(decision)
    with piped():
        if as_json:
            click.echo(json.dumps(account, indent=2))
        else:
            columns = terminal_columns()
            click.echo("\n".join((*_title(account, columns), "", explaining.page(account, columns))), nl=False)
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
            say(reason)
        case _:
            say(f"The daemon at {url} has no decision for the service {key!r} yet.")
    return None


def _from_aws(key: str) -> Mapping[str, Any]:
    settings = sourced_settings_or_exit()
    config = config_of(settings)
    keys = [service.ref.key for service in config.services]
    known = meant_key(key, keys)
    if known is None:
        unknown_service(key, keys, "in the settings")
    say("Reading AWS once instead. This decision has no history, so it never scales in.")
    from autoscaler.one_shot import account_once  # noqa: PLC0415 - the AWS SDK takes half a second to import

    try:
        return {"source": "aws", "url": None, **located_in(account_once(config, known), settings, known)}
    except Unavailable as error:
        leave(located(str(error), settings, known), UNREACHABLE)


def _title(account: Mapping[str, Any], columns: int | None) -> Iterator[str]:
    source = f"the daemon at {account['url']}" if account["source"] == "daemon" else "AWS (read once, no history)"
    named = (("", account.get("ts")), ("mode ", account.get("mode")), ("source: ", source))
    where = ", ".join(f"{name}{value}" for name, value in named if value)
    name = str(account.get("service"))
    first, *more = wrapped(f"{name} ({account.get('cluster')}/{account.get('ecs_service')}): {where}", columns)
    yield from (click.style(first[: len(name)], bold=True) + first[len(name) :], *more)


# `replay`: replay the decisions of a log.


@click.command(short_help="Replay the decisions in a log with this version or other settings.")
@click.argument("journal", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--json", "print_json", is_flag=True, help="Print the report as JSON, and nothing else on stdout.")
@click.option("--settings", "with_settings", is_flag=True, help="Use the settings of the environment.")
def replay(journal: Path, print_json: bool, with_settings: bool) -> None:
    """Replay the decisions in a log with this version or other settings, and report the decisions that differ.

    JOURNAL is a JSON log of the daemon, one object per line; `-` is standard input. A text log, as on a terminal, has
    no inputs to replay (AUTOSCALER_LOG_FORMAT=json). Each line with a `situation` is
    decided again, independently of the other lines, with the history that it contains. Other lines are skipped and
    counted. --settings replaces the recorded settings with the settings of the environment. Schedules apply; pauses
    by tag do not.

    Exit codes: 0 all decisions are equal (same target by the same rules), 1 some differ or a situation cannot be read,
    2 usage or settings, or the log contains no decision that can be replayed.

    \b
    Examples:
      autoscaler replay daemon.log
      autoscaler replay daemon.log --settings --config new.toml --json \\
        | jq .different
    """
    policies = _policies() if with_settings else None
    tally = ReplayCounts()
    with piped(), _opened(journal) as stream, progress(journal) as watched:
        outcomes = tally.counted(replayed(watched(lines(stream)), policies))
        differences = (one for one in outcomes if isinstance(one, Replayed) and not one.alike)
        report = as_json(differences, tally) if print_json else as_table(differences, tally, terminal_columns())
        for text in report:
            click.echo(text)
    if tally.is_text:
        leave(
            "replay: the log is text. Use the JSON log of the daemon: set AUTOSCALER_LOG_FORMAT=json, or write the log "
            "to a file instead of a terminal.",
            USAGE,
        )
    if not tally.decisions:
        leave(
            "replay: the log contains no decision that can be replayed. Use a JSON log of the daemon; with --settings, "
            "its services must be in the settings.",
            USAGE,
        )
    raise SystemExit(FINDINGS if tally.different or tally.unread else 0)


def _policies() -> PolicyLookup:
    from autoscaler.sources.schedule import Timetable  # noqa: PLC0415 - needed with --settings only

    services = settings_or_exit().services
    timetables = {service.ref.key: Timetable(service.policy, service.schedules) for service in services}
    return policy_lookup(services, lambda service, wall: timetables[service.ref.key].policy_at(wall))


def _opened(journal: Path) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(standard_input()) if str(journal) == "-" else journal.open("rb")
