"""The daemon's own credentials, from the source that every AWS tool uses, such as the ECS task role or a shared file.

They are read again when AWS rejects them, because the source may have new ones: at most once a minute, and on SIGHUP. A
source that does not answer, or hangs, does not end credentials that are still valid.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partialmethod
from typing import Any, cast

from aiobotocore.credentials import (
    AioCredentials,
    AioProcessProvider,
    AioRefreshableCredentials,
    get_credentials,
)
from aiobotocore.session import AioSession
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError, NoCredentialsError

from autoscaler.aws.clients import Clocks
from autoscaler.core.model import Instant

SEARCH_S = 5.0
"""Seconds before the search for credentials is repeated if none were found: it can take seconds for each caller."""

REREAD_S = 60.0
"""Seconds between two reads after AWS has rejected the credentials: a source can be shared by many programs."""

REFRESH_S, REFRESH_AGAIN_S = 1.0, 15.0
"""The time limit of a renewal while the old credentials are valid, and the seconds until the next one after a failure.
The SDK renews them 15 minutes before they expire, and its own limits would delay each call by 8 s.
"""

LEAST_VALID_S = 30
"""The shortest remaining lifetime with which a call is sent."""

SOURCE_ERRORS = (
    BotoCoreError,
    ClientError,
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""The SDK's errors while credentials are loaded. The last ones are for a response of an undocumented shape."""


class OwnCredentials:
    """`session` opens a new SDK session: a session reads the files of profiles only once. `generation` counts the
    replacements.
    """

    def __init__(self, session: Callable[[], AioSession], clocks: Clocks) -> None:
        self._session = session
        self._clocks = clocks
        self._lock = asyncio.Lock()
        self._held: AioCredentials | None = None
        self._keys: ReadOnlyCredentials | None = None
        self._search_after: Instant = float("-inf")
        self._refresh_after: Instant = float("-inf")
        self._reread_after: Instant = float("-inf")
        self._is_asked = False
        self.generation = 0
        self.failure: Exception | None = None
        """The error of the last read after a rejection (None: it succeeded, or there was none)."""

    def ask(self) -> None:
        """Read the source again before the next call, as after SIGHUP."""
        self._is_asked, self._refresh_after = True, float("-inf")

    async def keys(self) -> ReadOnlyCredentials:
        """Return credentials that are valid now. Raises one of `SOURCE_ERRORS`."""
        if self._held is None:
            async with self._lock:
                if self._held is None:
                    self._held, self._is_asked = await self._search(), False
        if self._keys is not None and self._clocks.now() < self._refresh_after and self._is_valid():
            return self._keys
        if self._is_asked:
            await self._replace_as_asked()
        try:
            async with asyncio.timeout(REFRESH_S if self._keys is not None and self._is_valid() else None):
                self._keys = await self._held.get_frozen_credentials()
        except SOURCE_ERRORS:
            if self._keys is None or not self._is_valid():
                raise
            self._refresh_after = self._clocks.now() + REFRESH_AGAIN_S
        return self._keys

    async def _replace_as_asked(self) -> None:
        """Read the source again, as `ask` requested. After a failure it is repeated later: the request stays."""
        async with self._lock:
            if self._is_asked and self._clocks.now() >= self._refresh_after:
                await self._replace(REFRESH_S)
                self._is_asked = self.failure is not None
                if self._is_asked:
                    self._refresh_after = self._clocks.now() + REFRESH_AGAIN_S

    async def replaced(self, generation: int, limit_s: float) -> bool:
        """Return whether the credentials of that generation, which AWS rejected, were replaced by other ones. The
        source is read for at most `limit_s` seconds.
        """
        async with self._lock:
            if self.generation != generation:
                return True
            if self._clocks.now() < self._reread_after:
                return False
            self._reread_after = self._clocks.now() + REREAD_S
            return await self._replace(limit_s)

    def _is_valid(self) -> bool:
        """Whether the keys that were read last are still valid. Keys without an end always are."""
        held: Any = self._held  # its stub does not know that refreshable credentials are credentials
        return not isinstance(held, AioRefreshableCredentials) or not held.refresh_needed(refresh_in=LEAST_VALID_S)

    async def _search(self) -> AioCredentials:
        if self._clocks.now() < self._search_after:
            raise NoCredentialsError
        found: AioCredentials | None = await get_credentials(self._session())
        if found is None:
            self._search_after = self._clocks.now() + SEARCH_S
            raise NoCredentialsError
        return found

    async def _replace(self, limit_s: float) -> bool:
        """Read the source again. Keep the old credentials if that fails or takes too long, or if it has the same ones.

        The SDK's own limits are longer than those of a call: 8 s for an endpoint that hangs, none for a program.
        """
        try:
            async with asyncio.timeout(limit_s):
                found = await self._search()
                keys: ReadOnlyCredentials = await found.get_frozen_credentials()
        except TimeoutError:
            self.failure = TimeoutError(f"no answer within {limit_s:g} s")
            return False
        except SOURCE_ERRORS as error:
            self.failure = error
            return False
        self.failure = None
        if keys == self._keys:
            return False
        self._held, self._keys, self.generation = found, keys, self.generation + 1
        return True


# The program of the setting `credential_process` in a profile. The SDK only stops waiting for it if the read is
# cancelled: each later read would start one more program. The SDK creates its provider in several places, without a
# setting for the start of the program, so the default of the class is changed once per process.

MOST_OUTPUT = 2**20
"""Bytes that such a program may write. Credentials are about a thousand; the SDK itself would store any number."""


class _Program(asyncio.SubprocessProtocol):
    """A program whose output is read. It is ended after that, and if the read is cancelled."""

    def __init__(self) -> None:
        self._written = {1: bytearray(), 2: bytearray()}
        self._ended = asyncio.get_running_loop().create_future()
        self._too_large = ""  # the name of the pipe

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._written[fd] += data
        if len(self._written[fd]) > MOST_OUTPUT:
            self._too_large = "output" if fd == 1 else "error output"
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 # the signature of the protocol
        """The program has ended, and its pipes are closed."""
        if not self._ended.done():
            self._ended.set_result(None)

    @property
    def returncode(self) -> int | None:
        return self._transport.get_returncode()

    async def communicate(self) -> tuple[bytes, bytes]:
        """Return the output and the errors. Raises `CredentialRetrievalError` if one is larger than `MOST_OUTPUT`."""
        try:
            await self._ended
        finally:
            self._end()
        if self._too_large:
            raise CredentialRetrievalError(
                provider="custom-process",
                error_msg=f"the program of credential_process wrote more than {MOST_OUTPUT} bytes of "
                f"{self._too_large}. It must write one JSON object",
            )
        return bytes(self._written[1]), bytes(self._written[2])

    def _end(self) -> None:
        """Kill the program if it runs, and close its pipes: a program that it started can hold them open."""
        with suppress(ProcessLookupError):  # it has ended
            self._transport.close()


async def _start(*command: str, **options: Any) -> _Program:
    _, program = await asyncio.get_running_loop().subprocess_exec(_Program, *command, stdin=None, **options)
    return program


_PROVIDER: Any = AioProcessProvider
_PROVIDER.__init__ = partialmethod(_PROVIDER.__init__, popen=_start)
