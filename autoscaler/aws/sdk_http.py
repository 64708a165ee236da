"""The HTTP sessions of the SDK: no redirect is followed, the size of an answer is limited, and cookies are forgotten.

AWS does not redirect the calls that this program makes. aiohttp, which the SDK uses, would follow a redirect to any
host, with the signed headers and the session token. It would also read an answer of any size: four answers of 50 MB at
the same time took 350 MB. An HTTP 3xx and a larger answer than AWS sends are errors. A compressed answer is not
decompressed; the requests do not accept one. A cookie of a proxy or load balancer is not sent back: the cookies of all
answers would use more and more memory, and after 8 KB of them most servers reject every request.

The SDK has no setting for these, and creates such sessions in many places: for its clients, for the clients of its
credential providers (STS, SSO), for container credentials and for the instance metadata. All use the same class, so
that class is changed once per process, when this module is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import BotoCoreError, HTTPClientError

CREDENTIALS_BYTES = 65_536
"""Maximum size of an answer outside of `at_most`, in bytes: credentials of a container, the instance metadata, STS and
SSO. They take about 2,000.
"""

_most_bytes: ContextVar[int] = ContextVar("most_bytes", default=CREDENTIALS_BYTES)


class Redirected(BotoCoreError):
    """The endpoint responded with a redirect. No second request was made."""

    fmt = "{endpoint_url} answered HTTP {status}, a redirect to {target}, which is not followed"


class TooLarge(BotoCoreError):
    """The answer is larger than AWS's. The rest of it was not read, and the connection was closed."""

    fmt = "{endpoint_url} sent more than {limit:,} bytes"


@contextmanager
def at_most(most_bytes: int) -> Iterator[None]:
    """Limit the answers to the SDK's requests of this asyncio task within the block."""
    token = _most_bytes.set(most_bytes)
    try:
        yield
    finally:
        _most_bytes.reset(token)


async def bounded_body(response: Any, most_bytes: int) -> bytes:
    """Return the body of aiohttp's response. Raises `TooLarge`, and aiohttp's errors."""
    parts, size, is_whole = list[bytes](), 0, False
    try:
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > most_bytes:
                break
        else:
            is_whole = True
    finally:
        if not is_whole:
            response.close()
            parts.clear()  # the traceback of an error that is stored refers to them
    if not is_whole:
        raise TooLarge(endpoint_url=_place(str(response.url)), limit=most_bytes)
    return b"".join(parts)


def refuse_redirect(url: str, status: int, location: str | None) -> None:
    """Raise `Redirected` if `status` is from 300 to 399. `location`: the response's Location header, or None."""
    if 300 <= status < 400:
        raise Redirected(endpoint_url=_place(url), status=status, target=_host(location or ""))


def _place(url: str) -> str:
    """The address without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _host(location: str) -> str:
    try:
        host = urlsplit(location).netloc.rpartition("@")[2]
    except ValueError:
        return "an unreadable address"
    return (host or "the same host")[:100]


class _Bounded:
    """An aiohttp response with a limited body."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    async def read(self) -> bytes:
        return await bounded_body(self._response, _most_bytes.get())


class _Direct:
    """An aiohttp session without redirects and cookies, whose responses are limited."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def request(self, *given: Any, **named: Any) -> Any:
        self._session.cookie_jar.clear()  # those of earlier answers; aiohttp reads the jar before it waits for anything
        return _Bounded(await self._session.request(*given, **{**named, "allow_redirects": False}))


_SESSION: Any = AIOHTTPSession
_get_session, _send = _SESSION._get_session, _SESSION.send  # noqa: SLF001 # there is no public name for it


async def _get_direct_session(self: Any, proxy_url: str | None) -> _Direct:
    return _Direct(await _get_session(self, proxy_url))


async def _send_directly(self: Any, request: Any) -> Any:
    try:
        response = await _send(self, request)
    except HTTPClientError as error:
        if isinstance(error.kwargs.get("error"), TooLarge):
            raise error.kwargs["error"] from None
        raise
    refuse_redirect(request.url, response.status_code, response.headers.get("location"))
    return response


_SESSION._get_session, _SESSION.send = _get_direct_session, _send_directly  # noqa: SLF001 # the same
