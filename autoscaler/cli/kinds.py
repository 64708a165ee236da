"""Kinds of arguments."""

from __future__ import annotations

import re
from typing import Any

import click

from autoscaler.config.durations import seconds


class Duration(click.ParamType[float]):
    """A duration as in the settings, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return value if isinstance(value, float) else seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Past(Duration):
    """How far back, in seconds: a duration as in the settings, or whole days, as `14d`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        days = re.fullmatch(r"\s*(\d{1,4})d\s*", value, re.ASCII) if isinstance(value, str) else None
        return super().convert(f"{24 * int(days[1])}h" if days else value, param, ctx)


class Address(click.ParamType[str]):
    """Where a daemon answers: `http://` or `https://`, a host, and perhaps a port."""

    name = "url"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from urllib.parse import urlsplit  # noqa: PLC0415 - most commands need none

        try:
            parts = urlsplit(value)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            good = good and parts.username is None and parts.password is None
        except ValueError:
            good = False
        if not good:
            self.fail("is not a URL such as http://127.0.0.1:9108 (without user and password)", param, ctx)
        return str(value)


class Account(click.ParamType[str]):
    """An AWS account: twelve digits."""

    name = "account"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not re.fullmatch(r"\d{12}", str(value), re.ASCII):
            self.fail(f"{str(value)[:20]!r} is not an account: it has twelve digits, as 123456789012", param, ctx)
        return str(value)
