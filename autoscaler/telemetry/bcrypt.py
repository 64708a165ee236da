"""Passwords against bcrypt hashes, by the system's own libcrypt (libxcrypt): Python has no bcrypt since `crypt` left.

Debian and Fedora, and the images that are made of them, have that library. Where it is not there, nobody is let in by
a guess: the settings are refused.
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
"""A hash of a cost from 4 to 19: each step takes twice as long, and 19 half a minute."""

DATA_BYTES = 32_768
"""The size of libxcrypt's `struct crypt_data`, which it keeps for compatibility (crypt_rn(3))."""

PROBE = "$2b$04$" + "." * 22
"""A salt of the lowest cost: whoever can hash with it knows bcrypt."""

Crypt: TypeAlias = Callable[[bytes, bytes], bytes | None]


def is_there() -> bool:
    """Whether this system can check a bcrypt hash."""
    return _crypt() is not None


def matches(password: str, hashed: str) -> bool:
    """Whether the hash is that password's. Takes as long as the hash is strong (0.1 s at cost 10): not for the loop."""
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
