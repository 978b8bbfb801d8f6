"""Where tensors lie: those that are read no more make room for others of the same rows.

What is still in the nearest cache is read and written several times as fast. Margins of zeros must
stay: only a tensor of rows as long, as wide and as far apart takes a room over.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass


@dataclass
class Room:
    """The rows of one tensor and of its views.

    Args:
        begin: Bytes to it.
        rows: Distance, width and length of its rows.
        channels: How many.
        is_shared: Whether it may take another's place, or give its own.
        first: The operation that writes it first.
        last: The operation that reads it last.
    """

    begin: int
    rows: tuple[int, int, int]
    channels: int
    is_shared: bool
    first: int = -1
    last: int = -1


def moves(rooms: list[Room], firsts: list[int], touched: list[list[int]]) -> list[int]:
    """Return by how many bytes each tensor moves.

    Args:
        rooms: In ascending order of where they begin.
        firsts: Where each tensor's first value is.
        touched: The tensors that each operation reads or writes.
    """
    begins = [room.begin for room in rooms]
    room_of = [rooms[bisect_right(begins, first) - 1] for first in firsts]
    for number, tensors in enumerate(touched):
        for tensor in tensors:
            room = room_of[tensor]
            room.first = number if room.first < 0 else room.first
            room.last = number
    moved, held = dict[int, int](), list[Room]()
    for room in sorted(rooms, key=lambda each: each.first):
        place = _place(room, held) if room.is_shared and room.first >= 0 else None
        if place is None:
            held.append(Room(**vars(room)))
            continue
        moved[room.begin] = place.begin - room.begin
        place.last = room.last
    return [moved.get(room.begin, 0) for room in room_of]


def _place(room: Room, held: list[Room]) -> Room | None:
    """Return the room to take over: of those that do, the one used last."""
    free = [each for each in held if each.is_shared and each.rows == room.rows
            and each.channels >= room.channels and each.last < room.first]  # fmt: skip
    return max(free, key=lambda each: each.last, default=None)
