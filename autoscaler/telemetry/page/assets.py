"""The page's own files, read once and kept, plain and packed. Nothing else can be had through them: no path is opened
for a visitor.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath
from typing import NamedTuple

KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    "": "text/plain",
}
"""The content type by the name's ending."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The Content-Security-Policy of every answer: our own files, and no text ever becomes script or markup."""


class Asset(NamedTuple):
    """A file with its content type; `tag` changes with its content."""

    kind: str
    plain: bytes
    packed: bytes
    tag: str


@cache
def assets() -> dict[str, Asset]:
    """Every file by its name."""
    return {file.name: _asset(file) for file in _files()}


def _files() -> Iterator[Traversable]:
    for folder in (files("autoscaler.telemetry.page") / "static", files("autoscaler") / "vendored" / "uplot"):
        yield from folder.iterdir()


def _asset(file: Traversable) -> Asset:
    plain = file.read_bytes()
    kind = KINDS[PurePath(file.name).suffix]
    return Asset(kind, plain, gzip.compress(plain, mtime=0), f'"{sha256(plain).hexdigest()[:16]}"')
