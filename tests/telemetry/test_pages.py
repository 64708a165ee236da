"""Rendered pages: one rendering for all requests, in a thread, and bodies that are sent in pieces."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.telemetry import pages, serve, views
from autoscaler.telemetry.logs import as_json
from autoscaler.telemetry.pages import FRESH_S, MOST_PAGES, PIECE_BYTES, Page, Pages, Pieces, paced, paced_json
from tests.telemetry.polls import FixedClock, JournalDesk, holding
from tests.telemetry.test_web import HUNG_AFTER_S, desk_with, site


def body_of(page: Page) -> bytes:
    return gzip.decompress(page.packed)


def numbered(made: list[threading.Thread]) -> Callable[[], Page]:
    def render() -> Page:
        made.append(threading.current_thread())
        return Page.of(str(len(made)).encode())

    return render


async def test_concurrent_requests_share_one_rendering_in_another_thread() -> None:
    shared, made = Pages(FixedClock()), list[threading.Thread]()
    found = await asyncio.gather(*(shared.get("a", lambda: numbered(made)) for _ in range(50)))
    assert {body_of(page) for page in found} == {b"1"}
    assert len(made) == 1
    assert made[0] is not threading.main_thread()


async def test_a_page_is_rendered_again_after_a_second_and_other_pages_are_their_own() -> None:
    clock, made = FixedClock(), list[threading.Thread]()
    shared = Pages(clock)
    bodies = []
    for passed_s in (0.0, FRESH_S - 0.01, 0.01):
        clock.now += passed_s
        bodies.append(body_of(await shared.get("a", lambda: numbered(made))))
    bodies.append(body_of(await shared.get("b", lambda: numbered(made))))
    assert bodies == [b"1", b"1", b"2", b"3"]


async def test_values_are_taken_on_the_event_loop_when_the_rendering_begins() -> None:
    shared, taken = Pages(FixedClock()), list[threading.Thread]()

    def prepare() -> Callable[[], Page]:
        taken.append(threading.current_thread())
        return lambda: Page(b"")

    await shared.get("a", prepare)
    assert taken == [threading.main_thread()]


async def test_one_page_is_rendered_at_a_time() -> None:
    shared, running, most = Pages(FixedClock()), 0, 0
    held = threading.Event()

    def render() -> Page:
        nonlocal running, most
        running += 1
        most = max(most, running)
        held.wait(0.01)
        running -= 1
        return Page(b"")

    await asyncio.gather(*(shared.get(number, lambda: render) for number in range(10)))
    assert most == 1


async def test_the_number_of_cached_pages_is_bounded_and_the_least_used_one_goes_first() -> None:
    shared, often, made = Pages(FixedClock()), list[threading.Thread](), list[threading.Thread]()
    for number in range(MOST_PAGES + 5):
        await shared.get("often", lambda: numbered(often))
        await shared.get(number, lambda: numbered(made))
    assert len(shared._pages) == MOST_PAGES
    assert len(often) == 1


async def test_a_rendering_that_fails_is_repeated_by_the_next_request() -> None:
    shared = Pages(FixedClock())

    def fail() -> Page:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await shared.get("a", lambda: fail)
    assert body_of(await shared.get("a", lambda: lambda: Page.of(b"x"))) == b"x"


def test_a_thread_sleeps_after_each_millisecond_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    now, naps = 0.0, list[float]()
    monkeypatch.setattr("autoscaler.telemetry.pages.time.perf_counter", lambda: now)
    monkeypatch.setattr("autoscaler.telemetry.pages.time.sleep", naps.append)
    for _ in paced(range(10)):
        now += 0.0004
    assert len(naps) == 3, "after the 3rd, 6th and 9th item"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_json_that_is_written_in_steps_is_the_same(content: dict[str, Any]) -> None:
    assert paced_json(content) == as_json(content)


@pytest.mark.parametrize(
    ("path", "name"),
    [("/readyz", "readiness"), ("/api/v1/services", "services"), ("/api/v1/services/orders/decisions", "decisions")],
)
async def test_each_response_is_rendered_once_a_second_for_all_clients_and_off_the_event_loop(
    path: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, original = list[threading.Thread](), getattr(views, name)

    def watched(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return original(*arguments)

    monkeypatch.setattr(views, name, watched)
    desk = desk_with(holding())
    async with site(desk) as session:

        async def read() -> bytes:
            async with session.get(path) as response:
                assert response.status == 200
                return await response.read()

        bodies = {await each for each in asyncio.as_completed([read() for _ in range(8)])}
        assert len(bodies) == len(threads) == 1
        desk.clock.now += FRESH_S
        await read()
    assert len(threads) == 2
    assert threading.main_thread() not in threads


async def test_the_services_of_an_unknown_one_are_rendered_once_for_any_number_of_names() -> None:
    desk = desk_with(holding())
    async with site(desk) as session:
        for number in range(3):
            async with session.get(f"/api/v1/services/unknown-{number}") as response:
                assert response.status == 404
                assert await response.json() == {"error": "no such service", "services": ["orders"]}


# Bodies in pieces.


class _Writer(aiohttp.abc.AbstractStreamWriter):
    """A connection. `reads`: whether its client reads."""

    def __init__(self, reads: bool) -> None:
        self.pieces: list[bytes] = []
        self._reads = reads

    async def write(self, chunk: Any, *, drain: bool = True) -> None:
        self.pieces.append(bytes(chunk))
        if drain:
            await self.drain()

    async def drain(self) -> None:
        if not self._reads:
            await asyncio.Event().wait()

    async def write_eof(self, chunk: bytes = b"") -> None: ...

    async def write_headers(self, status_line: str, headers: Any) -> None: ...

    def enable_compression(self, encoding: str = "deflate", strategy: int | None = None) -> None: ...

    def enable_chunking(self) -> None: ...


@given(body=st.binary(max_size=1_000), times=st.integers(1, 500), packed=st.booleans())
def test_a_body_is_sent_whole_in_pieces_that_are_not_too_large(body: bytes, times: int, packed: bool) -> None:
    page, writer = Page.of(body * times), _Writer(reads=True)
    pieces = Pieces(page, asyncio.Semaphore(1), "text/plain", packed=packed)
    asyncio.run(pieces.write(writer))
    sent = b"".join(writer.pieces)
    assert len(sent) == pieces.size
    assert (gzip.decompress(sent) if packed else sent) == body * times
    assert max(map(len, writer.pieces), default=0) <= PIECE_BYTES


LARGE = Page.of(bytes(range(256)) * (10 * PIECE_BYTES // 256))


async def test_a_client_that_does_not_read_gets_one_piece_and_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    turns, silent, reading = asyncio.Semaphore(1), _Writer(reads=False), _Writer(reads=True)
    sending = asyncio.create_task(Pieces(LARGE, turns, "text/plain").write(silent))
    await Pieces(LARGE, turns, "text/plain").write(reading)
    assert len(silent.pieces) == 1
    sending.cancel()
    monkeypatch.setattr(pages, "SENT_WITHIN_S", 0.05)
    with pytest.raises(aiohttp.ClientConnectionResetError):
        await Pieces(LARGE, turns, "text/plain").write(_Writer(reads=False))


async def test_of_many_responses_a_few_pieces_are_sent_in_a_cycle_of_the_event_loop() -> None:
    turns, writers = asyncio.Semaphore(2), [_Writer(reads=True) for _ in range(20)]
    sending = [asyncio.create_task(Pieces(LARGE, turns, "text/plain").write(each)) for each in writers]
    before, most = 0, 0
    while not all(each.done() for each in sending):
        await asyncio.sleep(0)
        after = sum(len(each.pieces) for each in writers)
        before, most = after, max(most, after - before)
    assert before >= 20 * 10
    assert most <= 2


async def test_a_large_response_arrives_whole_and_one_that_is_not_read_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    large = {"services": ["x" * 1_000] * 20_000}
    monkeypatch.setattr(views, "services", lambda *_: large)
    desk = JournalDesk()
    async with serve(desk.store, desk.metrics, "127.0.0.1", 0, HUNG_AFTER_S) as port, asyncio.timeout(60):
        async with aiohttp.request("GET", f"http://127.0.0.1:{port}/api/v1/services") as response:
            assert json.loads(await response.read()) == large
            length = int(response.headers["Content-Length"])
        monkeypatch.setattr(pages, "SENT_WITHIN_S", 0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_024)
        writer.write(b"GET /api/v1/services HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readline()
        await asyncio.sleep(0.2)  # the server's timer is due before this one
        received = 0
        try:
            while part := await reader.read(1_000_000):
                received += len(part)
        except ConnectionResetError:
            pass
        assert received < length
        writer.close()
