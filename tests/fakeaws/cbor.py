"""The part of CBOR (RFC 8949) that the SDK uses: definite and indefinite items, floats, tag 1 for times."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

UNSIGNED, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)
INDEFINITE, BREAK = 31, 0xFF
EPOCH = 1
SIMPLE_VALUES = {20: False, 21: True, 22: None, 23: None}
FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}


class Stamp(float):
    """Seconds since the epoch, for protocols that distinguish times from numbers."""

    __slots__ = ()


def dumps(value: Any) -> bytes:
    """Return the value as one item. Raises `TypeError` for a type that this encoder does not support."""
    return b"".join(_written(value))


def loads(data: bytes) -> Any:
    """Return the one item in `data`; times are `Stamp`. Raises `ValueError` if `data` is not exactly one item."""
    value, end = _read(data, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} extra bytes after the CBOR item")
    return value


def _head(major: int, size: int) -> bytes:
    if size < 24:
        return bytes([major << 5 | size])
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if size < 1 << 8 * width:
            return bytes([major << 5 | info]) + size.to_bytes(width, "big")
    raise TypeError(f"{size} does not fit into 64 bits")


def _written(value: Any) -> Iterator[bytes]:
    match value:
        case None | bool():
            yield bytes([SIMPLE << 5 | {False: 20, True: 21, None: 22}[value]])
        case Stamp():
            yield _head(TAG, EPOCH) + _float(value)
        case int():
            yield _head(UNSIGNED, value) if value >= 0 else _head(NEGATIVE, -1 - value)
        case float():
            yield _float(value)
        case bytes():
            yield _head(BYTES, len(value)) + value
        case str():
            yield _head(TEXT, len(encoded := value.encode())) + encoded
        case list() | tuple():
            yield _head(ARRAY, len(value))
            for each in value:
                yield from _written(each)
        case dict():
            yield _head(MAP, len(value))
            for key, each in value.items():
                yield from _written(key)
                yield from _written(each)
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be encoded in CBOR")


def _float(value: float) -> bytes:
    return bytes([SIMPLE << 5 | 27]) + struct.pack(">d", value)


def _read(data: bytes, at: int) -> tuple[Any, int]:
    """Return the item that begins at `at`, and the position of the next item."""
    major, info, at = data[at] >> 5, data[at] & 31, at + 1
    if major == SIMPLE:
        return _simple(data, info, at)
    if info == INDEFINITE:
        return _indefinite(data, major, at)
    size, at = _size(data, info, at)
    match major:
        case 0:
            return size, at
        case 1:
            return -1 - size, at
        case 2:
            return data[at : at + size], at + size
        case 3:
            return data[at : at + size].decode(), at + size
        case 4:
            return _items(data, at, size)
        case 5:
            flat, at = _items(data, at, 2 * size)
            return _paired(flat), at
        case _:
            value, at = _read(data, at)
            return (Stamp(value) if size == EPOCH else value), at


def _size(data: bytes, info: int, at: int) -> tuple[int, int]:
    if info < 24:
        return info, at
    if info > 27:
        raise ValueError(f"{info} is not a valid size of a CBOR item")
    width = 1 << info - 24
    return int.from_bytes(data[at : at + width], "big"), at + width


def _simple(data: bytes, info: int, at: int) -> tuple[Any, int]:
    if info in SIMPLE_VALUES:
        return SIMPLE_VALUES[info], at
    if info not in FLOATS:
        raise ValueError(f"{info} is not a supported simple value of CBOR")
    form, width = FLOATS[info]
    return struct.unpack(form, data[at : at + width])[0], at + width


def _items(data: bytes, at: int, count: int) -> tuple[list[Any], int]:
    found = []
    for _ in range(count):
        value, at = _read(data, at)
        found.append(value)
    return found, at


def _indefinite(data: bytes, major: int, at: int) -> tuple[Any, int]:
    found = []
    while data[at] != BREAK:
        value, at = _read(data, at)
        found.append(value)
    joined: dict[int, Callable[[list[Any]], Any]] = {BYTES: b"".join, TEXT: "".join, ARRAY: list, MAP: _paired}
    return joined[major](found), at + 1


def _paired(flat: list[Any]) -> dict[Any, Any]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
