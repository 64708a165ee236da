"""Rendered responses of the HTTP interface: shared by all requests of one second, and sent in pieces.

Rendering a thousand services takes up to 0.1 s of one core. In a thread, and one at a time, it delays neither polls nor
health checks; because of the shared result, any number of clients costs one rendering of a page a second. A client that
reads slowly holds one piece in memory, and the compressed page, not a copy of the whole response.
"""

from __future__ import annotations

import asyncio
import gzip
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar, cast

from aiohttp import ClientConnectionResetError, Payload
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import StreamWriter

from autoscaler.telemetry.logs import as_json

Item = TypeVar("Item")

FRESH_S = 1.0
"""Seconds that a rendered page is reused: many requests cost one rendering a second."""

MOST_PAGES = 32
"""Pages that are cached, each with at most 50 decisions of one service (about 200 KB)."""

PIECE_BYTES = 65_536
"""Bytes that are passed to a connection before it has sent the earlier ones."""

PIECES_AT_ONCE = 4
"""Pieces of all responses that are sent in one cycle of the event loop: about 1 ms with unpacking and TLS."""

PACKED_BYTES = 4_096
"""Bytes that are unpacked at a time: about a piece of metrics."""

GZIP = 31
"""The `wbits` value of zlib for a gzip header and trailer."""

SENT_WITHIN_S = 30.0
"""Seconds for sending a page. Clients that read slowly would otherwise hold a different page each."""

WORK_S, NAP_S = 0.001, 0.0001
"""A computing thread releases the interpreter lock every 5 ms only. One that sleeps after each millisecond of work lets
the event loop run immediately.
"""


class Page(NamedTuple):
    """A rendered response. `packed`: compressed by gzip, because slow clients hold several pages in memory."""

    packed: bytes
    status: int = 200

    @classmethod
    def of(cls, body: bytes, status: int = 200) -> Page:
        """Return the page of an uncompressed body."""
        return cls(gzip.compress(body, compresslevel=1), status)

    @property
    def size(self) -> int:
        """The bytes of the uncompressed body, below 4 GB: the end of the gzip format."""
        return int.from_bytes(self.packed[-4:], "little")

    def pieces(self, *, packed: bool) -> Iterator[memoryview | bytes]:
        """Yield the body, compressed or not, in pieces."""
        view = memoryview(self.packed)
        if packed:
            yield from cut(view, PIECE_BYTES)
            return
        unpacking = zlib.decompressobj(wbits=GZIP)
        for part in cut(view, PACKED_BYTES):
            piece = unpacking.decompress(part, PIECE_BYTES)
            while piece:
                yield piece
                piece = unpacking.decompress(unpacking.unconsumed_tail, PIECE_BYTES)


def cut(view: memoryview, size: int) -> Iterator[memoryview]:
    """Yield the bytes in parts of this size. The last one can be smaller."""
    return (view[begin : begin + size] for begin in range(0, len(view), size))


NONE = Page(b"")


class Pages:
    """Pages of one kind, by key, least recently used first. One is rendered at a time. `clock`: seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = asyncio.Lock()
        self._pages: OrderedDict[Hashable, tuple[float, Page]] = OrderedDict()

    async def get(self, key: Hashable, prepare: Callable[[], Callable[[], Page]]) -> Page:
        """Return the page, at most `FRESH_S` old. `prepare` takes its values on the event loop, and returns the work
        for the thread.
        """
        async with self._lock:
            at, page = self._pages.get(key, (None, NONE))
            now = self._clock()
            if at is None or now - at >= FRESH_S:
                page = await asyncio.to_thread(prepare())
                self._pages[key] = now, page
            self._pages.move_to_end(key)
            if len(self._pages) > MOST_PAGES:
                self._pages.popitem(last=False)
            return page


def paced(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items, and let other threads run after each millisecond of work."""
    begun = time.perf_counter()
    for item in items:
        yield item
        if time.perf_counter() - begun > WORK_S:
            time.sleep(NAP_S)
            begun = time.perf_counter()


def paced_json(content: Mapping[str, Any]) -> str:
    """Return the content as `as_json` does, and let other threads run between the entries of its lists and tables: one
    call of the encoder does not release the interpreter lock, for 20 ms with a thousand services.
    """
    return f"{{{', '.join(f'{as_json(name)}: {_paced_value(value)}' for name, value in content.items())}}}"


def _paced_value(value: object) -> str:
    match value:
        case list():
            return f"[{', '.join(as_json(one) for one in paced(value))}]"
        case dict():
            return f"{{{', '.join(f'{as_json(name)}: {as_json(one)}' for name, one in paced(value.items()))}}}"
        case _:
            return as_json(value)


class Pieces(Payload):
    """The body of a response, which is sent in pieces. All responses share the page. `turns`: limits the pieces that
    are sent in one cycle of the event loop.
    """

    _value: Page

    def __init__(self, page: Page, turns: asyncio.Semaphore, content_type: str, *, packed: bool = False) -> None:
        super().__init__(page, content_type=content_type)
        self._turns = turns
        self._is_packed = packed

    @property
    def size(self) -> int:
        return len(self._value.packed) if self._is_packed else self._value.size

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return gzip.decompress(self._value.packed).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send the body. Fails if the client does not read it in time, which closes the connection."""
        pieces = self._value.pieces(packed=self._is_packed)
        try:
            async with asyncio.timeout(SENT_WITHIN_S):
                while await self._send_one(pieces, writer):
                    await writer.drain()
        except TimeoutError:
            raise ClientConnectionResetError("the client reads too slowly") from None

    async def _send_one(self, pieces: Iterator[memoryview | bytes], writer: AbstractStreamWriter) -> bool:
        """Send the next piece, and return whether there was one. It does not wait for the client."""
        async with self._turns:
            piece = next(pieces, None)
            if piece is not None:
                await cast("StreamWriter", writer).write(piece, drain=False)
                await asyncio.sleep(0)
        return piece is not None
