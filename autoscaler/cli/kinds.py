"""Types of arguments and options."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import click
from click.shell_completion import CompletionItem

from autoscaler.cli.equipping import environ_of
from autoscaler.config import load
from autoscaler.config.addresses import queue, role_arn
from autoscaler.config.quoting import quote
from autoscaler.config.values import seconds
from autoscaler.core.policy import Pause
from autoscaler.errors import ConfigError

_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_PAGE = re.compile(r"https?://[A-Za-z0-9.:\[\]-]*[A-Za-z0-9\]](?:[/?][A-Za-z0-9._~:/?@!$&()*+,;=%-]*)?", re.ASCII)
_COUNT = re.compile(r"\d{1,10}", re.ASCII)


class Duration(click.ParamType[float]):
    """A duration as in the settings, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return value if isinstance(value, float) else seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Address(click.ParamType[str]):
    """The URL of a daemon: `http://` or `https://`, a host, and optionally a port."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from urllib.parse import urlsplit  # noqa: PLC0415 - most commands do not need it

        try:
            parts = urlsplit(value)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            good = good and parts.username is None and parts.password is None
        except ValueError:
            good = False
        if not good:
            self.fail(
                f"{quote(str(value))} is not a URL such as http://127.0.0.1:9108 (without user and password)",
                param,
                ctx,
            )
        return str(value)


class PageAddress(click.ParamType[str]):
    """The URL of a page, to which a section can be added: without a user, spaces, quotes and a `#section`."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _PAGE.fullmatch(str(value)):
            self.fail(
                f"{quote(str(value))} is not the address of a page: http:// or https://, a host, no spaces, no user "
                "and no #section. Example: https://docs.example.com/runbook.html",
                param,
                ctx,
            )
        return str(value)


class Account(click.ParamType[str]):
    """An AWS account: twelve digits."""

    name = "account"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _ACCOUNT.fullmatch(str(value)):
            self.fail(
                f"{str(value)[:20]!r} is not an AWS account ID. It has twelve digits, such as 123456789012", param, ctx
            )
        return str(value)


LONGEST_KEY = 300
"""Longer than each key: a name of ECS has at most 255 characters."""


class Key(click.ParamType[str]):
    """A service's key. The shell completes the keys of the settings."""

    name = "key"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        key = str(value)
        if key in {"", ".", ".."} or len(key) > LONGEST_KEY:  # not a path of the API: the answer would mislead
            self.fail(f"{key[:20]!r} is not the key of a service; autoscaler status lists the keys", param, ctx)
        return key

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        try:
            keys = [service.ref.key for service in load(environ_of(ctx)).services]
        except ConfigError:
            return []
        return [CompletionItem(key) for key in keys if key.startswith(incomplete)]


class ScenarioList(click.ParamType[Any]):
    """Names of scenarios separated by commas, or `all`, as scenarios. The shell completes the last name."""

    name = "scenarios"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            from autoscaler.sim.scenarios import named  # noqa: PLC0415 - NumPy is an extra
        except ImportError:
            return ()  # the command reports the missing extra
        try:
            return named(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        from autoscaler.sim.scenarios import ALL, SCENARIOS  # noqa: PLC0415 - NumPy is an extra

        before, comma, last = incomplete.rpartition(",")
        names = [*SCENARIOS, ALL] if not comma else list(SCENARIOS)
        return [CompletionItem(f"{before}{comma}{name}") for name in names if name.startswith(last)]


class Paused(click.ParamType[Pause | int]):
    """The value of a pause: `all`, `in`, `out`, or a fixed task count."""

    name = "all|in|out|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Pause | int:
        text = str(value).lower()
        if _COUNT.fullmatch(text) and int(text) < 2**31:
            return int(text)
        if text not in set(Pause):
            self.fail(f"{text[:20]!r} is not one of: all, in, out, or a task count", param, ctx)
        return Pause(text)


class Moment(click.ParamType[float]):
    """A time, in seconds since the epoch. One without a zone is UTC, as in the tag."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            time = datetime.fromisoformat(str(value).upper())
            return (time.replace(tzinfo=UTC) if time.tzinfo is None else time).timestamp()
        except (ValueError, OverflowError):
            self.fail(f"{str(value)[:40]!r} is not a time, such as 2026-11-23T18:00Z", param, ctx)


class RoleArn(click.ParamType[str]):
    """An IAM role, by its ARN."""

    name = "role-arn"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return role_arn(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class QueueList(click.ParamType[tuple[str, ...]]):
    """SQS queues separated by commas, each a name, a URL or an ARN, as they were written."""

    name = "queues"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(",") if name.strip())
        try:
            for name in names:
                queue(name)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return names or self.fail(f"{quote(str(value))} contains no queue. Pass names, URLs or ARNs", param, ctx)
