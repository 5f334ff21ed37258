"""Mutations that know nothing of what they change: bytes flipped, cut, swapped, doubled, zeroed, spliced."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

TELLING = (0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x0D, 0x22, 0x2C, 0x5C)
"""Bytes that mean something in one format or another."""

NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
FORMS = ("<H", ">H", "<I", ">I", "<Q", ">Q")
LONGEST_PIECE = 400

Change = Callable[[Random, bytes, bytes], bytes]
"""From the file's bytes and another file's bytes to the changed ones."""


def flip_bits(random: Random, data: bytes, _: bytes) -> bytes:
    """One to eight single bits."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 8)):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def set_bytes(random: Random, data: bytes, _: bytes) -> bytes:
    """A few bytes set to telling values."""
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        changed[random.randrange(len(changed))] = random.choice(TELLING)
    return bytes(changed)


def cut_end(random: Random, data: bytes, _: bytes) -> bytes:
    """The end is missing."""
    return data[: random.randrange(len(data))]


def cut_start(random: Random, data: bytes, _: bytes) -> bytes:
    """The beginning is missing."""
    return data[random.randrange(len(data)) :]


def cut_out(random: Random, data: bytes, _: bytes) -> bytes:
    """A piece is missing."""
    start, end = piece(random, data)
    return data[:start] + data[end:]


def double(random: Random, data: bytes, _: bytes) -> bytes:
    """A piece stands two to nine times."""
    start, end = piece(random, data)
    return data[:start] + data[start:end] * random.randint(2, 9) + data[end:]


def zero(random: Random, data: bytes, _: bytes) -> bytes:
    """A block of zeros, as a disk leaves it."""
    start, end = piece(random, data)
    return data[:start] + bytes(end - start) + data[end:]


def swap(random: Random, data: bytes, _: bytes) -> bytes:
    """Two pieces change places."""
    (a, b), (c, d) = sorted((piece(random, data), piece(random, data)))
    return data if c < b else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def noise(random: Random, data: bytes, _: bytes) -> bytes:
    """A piece of noise, put in or over."""
    start, end = piece(random, data)
    return data[:start] + random.randbytes(random.randint(1, LONGEST_PIECE)) + data[random.choice((start, end)) :]


def number(random: Random, data: bytes, _: bytes) -> bytes:
    """A length or an offset becomes a number that nobody expects."""
    form = random.choice(FORMS)
    size = struct.calcsize(form)
    value = random.choice((*NUMBERS, len(data), random.randrange(1 << 31))) & ((1 << 8 * size) - 1)
    place = random.randrange(max(len(data) - size, 0) + 1)
    return data[:place] + struct.pack(form, value) + data[place + size :]


def splice(random: Random, data: bytes, other: bytes) -> bytes:
    """A piece of another file, put in or over; or the one's beginning and the other's end."""
    if random.random() < 0.3:
        return data[: random.randrange(len(data))] + other[random.randrange(len(other) or 1) :]
    start, end = piece(random, data)
    first, last = piece(random, other or b"\0")
    return data[:start] + (other or b"\0")[first:last] + data[random.choice((start, end)) :]


def append(random: Random, data: bytes, other: bytes) -> bytes:
    """Something behind the end."""
    return data + random.choice((b"\0", b"\n", data, other, random.randbytes(20)))


def replace_all(_: Random, _data: bytes, other: bytes) -> bytes:
    """Another file under this name."""
    return other


def empty(_: Random, _data: bytes, _other: bytes) -> bytes:
    """No bytes at all."""
    return b""


CHANGES: tuple[Change, ...] = (
    *(flip_bits, set_bytes, cut_end, cut_start, cut_out, double, zero, swap, noise, number, splice, append),
)
RARE: tuple[Change, ...] = (replace_all, empty)


def piece(random: Random, data: bytes) -> tuple[int, int]:
    """The beginning and the end of a piece, at least one byte where there is one."""
    start = random.randrange(len(data) or 1)
    return start, min(start + random.randint(1, random.choice((4, 40, LONGEST_PIECE))), len(data))


def changed_blindly(random: Random, data: bytes, other: bytes) -> tuple[bytes, str]:
    """One to four changes, and their names."""
    if random.random() < 0.03:
        change = random.choice(RARE)
        return change(random, data, other), change.__name__
    names = []
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        if not data:
            break
        change = random.choice(CHANGES)
        data = change(random, data, other)
        names.append(change.__name__)
    return data, "+".join(names)
