"""What GNU Radio's ZMQ sinks put before the samples of each message where they "Pass Tags".

Source: gr-zeromq `tag_headers.cc` (little-endian: 16 bits 0x5ff0, 8 bits version 1, 64 bits number
of the first item, 64 bits number of tags; of each tag its item's number and three values), PMT's
`pmt_serialize.cc` (big-endian: a byte of type, then the value).
"""

from __future__ import annotations

import struct
from collections.abc import Callable

_HEADER = struct.Struct("<HBQQ")
_MAGIC, _VERSION = 0x5FF0, 1
_TAG_OFFSET_BYTES = 8
_VALUES_OF_A_TAG = 3
_DEEPEST = 50
_FIXED_BYTES = {0: 0, 1: 0, 3: 4, 4: 8, 5: 16, 6: 0, 0x0B: 8, 0x0D: 8}
"""True, false, int32, double, complex, nothing, uint64, int64."""
_SYMBOL, _PAIR, _VECTOR, _DICTIONARY, _UNIFORM, _TUPLE = 2, 7, 8, 9, 0x0A, 0x0C
_ITEM_BYTES = (1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 8, 16)
"""Of a uniform vector, by its kind: 8 to 64 bits unsigned and signed, floats, complex floats."""


def samples_of(message: bytes) -> bytes | None:
    """What follows the tags of a message; None if it does not begin with tags."""
    if len(message) < _HEADER.size:
        return None
    magic, version, _, n_tags = _HEADER.unpack_from(message)
    if (magic, version) != (_MAGIC, _VERSION) or n_tags > len(message):
        return None
    place = _HEADER.size
    try:
        for _ in range(n_tags):
            place += _TAG_OFFSET_BYTES
            for _ in range(_VALUES_OF_A_TAG):
                place = _after(message, place, 0)
    except (struct.error, IndexError, KeyError, RecursionError):
        return None
    return message[place:] if place <= len(message) else None


def _after(message: bytes, place: int, depth: int) -> int:
    """Where the value that begins at a place ends."""
    if depth > _DEEPEST:
        raise RecursionError
    kind, place = message[place], place + 1
    if kind in _FIXED_BYTES:
        return place + _FIXED_BYTES[kind]
    return _OTHERS[kind](message, place, depth + 1)


def _after_symbol(message: bytes, place: int, depth: int) -> int:
    (length,) = struct.unpack_from(">H", message, place)
    return place + 2 + int(length)


def _after_pair(message: bytes, place: int, depth: int) -> int:
    return _after(message, _after(message, place, depth), depth)


def _after_items(message: bytes, place: int, depth: int) -> int:
    (count,) = struct.unpack_from(">I", message, place)
    place += 4
    for _ in range(count):
        place = _after(message, place, depth)
    return place


def _after_uniform(message: bytes, place: int, depth: int) -> int:
    kind, count, n_padding = struct.unpack_from(">BIB", message, place)
    return place + 6 + int(n_padding) + int(count) * _ITEM_BYTES[kind]


_OTHERS: dict[int, Callable[[bytes, int, int], int]] = {
    _SYMBOL: _after_symbol,
    _PAIR: _after_pair,
    _DICTIONARY: _after_pair,
    _VECTOR: _after_items,
    _TUPLE: _after_items,
    _UNIFORM: _after_uniform,
}
