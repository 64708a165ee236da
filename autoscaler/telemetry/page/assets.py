"""The files of the page, read once and cached, plain and compressed. A request selects a cached file by name and never
opens a path.
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
"""The content type by file extension."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
"""The Content-Security-Policy of every response: the page's own files only, and no text becomes script or markup."""


class Asset(NamedTuple):
    """A file. `kind`: content type. `packed`: gzip. `tag`: ETag, which changes with the content."""

    kind: str
    plain: bytes
    packed: bytes
    tag: str


@cache
def assets() -> dict[str, Asset]:
    """Return every file by its name."""
    return {file.name: _asset(file) for file in _files()}


def _files() -> Iterator[Traversable]:
    package = files("autoscaler")
    for folder in ("telemetry/page/static", "charts", "vendored/uplot"):
        yield from package.joinpath(folder).iterdir()


def _asset(file: Traversable) -> Asset:
    plain = file.read_bytes()
    kind = KINDS[PurePath(file.name).suffix]
    return Asset(kind, plain, gzip.compress(plain, mtime=0), f'"{sha256(plain).hexdigest()[:16]}"')
