"""The beginning of every report page: its Content-Security-Policy, its style and its heading.

The policy permits only the page's own script and style, by their hashes, and no network request.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template


@dataclass(frozen=True, slots=True)
class ReportHead:
    """`facts`: HTML, one item each. `table`: the id of the table that the first link leads to. `command`: the command
    that writes the page.
    """

    title: str
    heading: str
    facts: Iterable[str]
    table: str
    command: str

    def html(self, style: str, scripts: Sequence[str] = ()) -> str:
        """Return the page up to its `main` element."""
        return Template(asset("autoscaler.sim.report", "head.html")).substitute(
            policy=_policy(scripts, style),
            title=escape(self.title),
            style=style,
            table=self.table,
            command=self.command,
            heading=escape(self.heading),
            facts="".join(f"<li>{fact}</li>" for fact in self.facts),
        )


def asset(package: str, name: str) -> str:
    """Return a file of a package's folder `assets`."""
    return files(package).joinpath("assets", name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str], style: str) -> str:
    permitted = f"script-src {' '.join(map(_hash, scripts))}; " if scripts else ""
    return f"default-src 'none'; {permitted}style-src {_hash(style)}; base-uri 'none'; form-action 'none'"


def _hash(source: str) -> str:
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"
