"""The page for people: one table, no script, nothing from anywhere else. Every value in it is escaped."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape
from urllib.parse import quote

from autoscaler import __version__
from autoscaler.telemetry.board import Standing
from autoscaler.telemetry.views import row

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color-scheme:light dark}"
    "table{border-collapse:collapse}"
    "td,th{padding:.3rem .8rem;text-align:left;vertical-align:top;border-bottom:1px solid}"
)

POLICY = (
    "default-src 'none'; "
    f"style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of every answer: this style, and nothing else at all."""

HEADINGS = ("service", "state", "mode", "desired / running / pending", "last decision")
LINKS = ("/metrics", "/healthz", "/readyz", "/api/v1/services")


def render_page(standings: Iterable[Standing]) -> str:
    """The whole page."""
    head = f"<meta charset=utf-8><title>autoscaler</title><style>{STYLE}</style>"
    table = f"<table><tr>{_cells('th', HEADINGS)}</tr>{''.join(map(_line, standings))}</table>"
    links = " · ".join(f'<a href="{link}">{link}</a>' for link in LINKS)
    body = f"<h1>autoscaler {escape(__version__)}</h1>{table}<p>{links}</p>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{body}</body></html>\n"


def _line(standing: Standing) -> str:
    key, *rest = row(standing)
    path = f"/api/v1/services/{quote(key, safe='', errors='backslashreplace')}/decisions"
    return f'<tr><td><a href="{path}">{escape(key)}</a></td>{_cells("td", rest)}</tr>'


def _cells(tag: str, values: Iterable[str]) -> str:
    return "".join(f"<{tag}>{escape(value)}</{tag}>" for value in values)
