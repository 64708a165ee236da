"""Disable redirects in all SDK clients: an HTTP 3xx is an error, and nothing is sent to the address that it names.

AWS does not redirect the calls that this program makes. aiohttp, which the SDK uses, would follow a redirect to any
host, with the signed headers and the session token. The SDK has no setting for it, and creates such sessions in many
places: for its clients, for the clients of its credential providers (STS, SSO), for container credentials and for the
instance metadata. All use the same class, so that class is changed once per process, when this module is imported.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from aiobotocore.httpsession import AIOHTTPSession
from botocore.exceptions import BotoCoreError


class Redirected(BotoCoreError):
    """The endpoint responded with a redirect. No second request was made."""

    fmt = "{endpoint_url} answered HTTP {status}, a redirect to {target}, which is not followed"


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


class _Direct:
    """An aiohttp session without redirects."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    async def request(self, *given: Any, **named: Any) -> Any:
        return await self._session.request(*given, **{**named, "allow_redirects": False})


_SESSION: Any = AIOHTTPSession
_get_session, _send = _SESSION._get_session, _SESSION.send  # noqa: SLF001 # there is no public name for it


async def _get_direct_session(self: Any, proxy_url: str | None) -> _Direct:
    return _Direct(await _get_session(self, proxy_url))


async def _send_directly(self: Any, request: Any) -> Any:
    response = await _send(self, request)
    refuse_redirect(request.url, response.status_code, response.headers.get("location"))
    return response


_SESSION._get_session, _SESSION.send = _get_direct_session, _send_directly  # noqa: SLF001 # the same
