"""Check passwords against bcrypt hashes with the system's libcrypt (libxcrypt). Python has no bcrypt: `crypt` was
removed.

Debian and Fedora, and images based on them, have the library. Without it, settings with passwords are rejected.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from functools import cache
from hmac import compare_digest
from typing import TypeAlias

NAMES = ("libcrypt.so.1", "libcrypt.so.2")

HASH = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-9])\$[./A-Za-z0-9]{53}")
"""A bcrypt hash with a cost from 4 to 19. Each step doubles the time; cost 19 takes about 25 s."""

DATA_BYTES = 32_768
"""The size of `struct crypt_data` of libxcrypt, which is fixed for compatibility (crypt_rn(3))."""

PROBE = "$2b$04$" + "." * 22
"""A salt of the lowest cost. A library that can hash with it supports bcrypt."""

Crypt: TypeAlias = Callable[[bytes, bytes], bytes | None]


def is_there() -> bool:
    """Return whether this system can check a bcrypt hash."""
    return _crypt() is not None


def matches(password: str, hashed: str) -> bool:
    """Return whether the password has this hash. Blocks about 0.05 s at cost 10: do not call it on the event loop."""
    crypt, phrase = _crypt(), password.encode(errors="surrogatepass")
    if crypt is None or b"\0" in phrase:
        return False
    made = crypt(phrase, hashed.encode())
    return made is not None and compare_digest(made, hashed.encode())


@cache
def _crypt() -> Crypt | None:
    for name in NAMES:
        try:
            crypt = _of(ctypes.CDLL(name))
        except (OSError, AttributeError):
            continue
        made = crypt(b"", PROBE.encode())
        if made is not None and HASH.fullmatch(made.decode()):
            return crypt
    return None


def _of(library: ctypes.CDLL) -> Crypt:
    function = library.crypt_rn
    function.restype = ctypes.c_char_p
    function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int)

    def crypt(phrase: bytes, setting: bytes) -> bytes | None:
        made: bytes | None = function(phrase, setting, ctypes.create_string_buffer(DATA_BYTES), DATA_BYTES)
        return made

    return crypt
