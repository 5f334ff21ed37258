"""Mutations of zips, workbooks and tars that know their structure: names that lead out, lies about sizes, bombs."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from random import Random

from tests.vlmdata.fuzzing.bytewise import changed_blindly
from tests.vlmdata.fuzzing.imagewise import changed_picture
from tests.vlmdata.fuzzing.textwise import changed_text

NAMES = (
    "../secret.png",
    "/etc/hostname",
    "a\\..\\b.png",
    "a/../b.png",
    "",
    "/",
    "a\0b.png",
    "x" * 60_000,
    "C:/x.png",
    "é.png",
    "..",
)
ATTRIBUTES = (0o120777 << 16, 0o020666 << 16, 0o040755 << 16, 0x10, 0xFFFFFFFF)
FIELDS = {
    **{"made by": (4, "<H"), "flags": (8, "<H"), "method": (10, "<H"), "crc": (16, "<I"), "packed": (20, "<I")},
    **{"size": (24, "<I"), "name length": (28, "<H"), "extra length": (30, "<H"), "comment length": (32, "<H")},
    **{"attributes": (38, "<I"), "offset": (42, "<I")},
}
"""Where the numbers of a directory's entry stand; those of a member's own header stand two bytes before."""

TELLING = {
    "flags": (1, 0x800, 0x41, 0x2000, 8),
    "attributes": ATTRIBUTES,
    "made by": (0x0314, 0x0014, 0xFFFF),
    "method": (0, 1, 8, 9, 12, 14, 93, 99),
}
SIZES = (0, 1, 7, 0x7FFF, 0xFFFF, 1 << 31, 0xFFFFFFFF)
XML = (
    *((b'r="', b'r="ZZZ9'), (b'r="', b'r="XFE1048577'), (b"<v>", b"<v>9"), (b"<v>", b"<v>-1e999")),
    *((b't="s"', b't="e"'), (b't="s"', b't="b"'), (b"<row", b"<row/><row"), (b"<c ", b"<c><c ")),
    *((b'count="', b'count="99999999999'), (b"<sheetData>", b"<sheetData>" + b"<row>" * 20_000)),
    *((b"?>", b'?><!DOCTYPE a [<!ENTITY b "c">]>&b;'), (b'ref="', b'ref="A1:XFD1048576'), (b"sheetId=", b"x=")),
    *((b'Target="', b'Target="../../../../etc/'), (b"<t>", b"<t>&#0;")),
)
"""What stands in a workbook's XML, and what nobody expects in its place."""

BOMB_BYTES = 40_000_000
CENTRAL, LOCAL, END = b"PK\1\2", b"PK\3\4", b"PK\5\6"
WHEN = (2024, 1, 1, 0, 0, 0)


def changed_zip(random: Random, data: bytes) -> tuple[bytes, str]:
    """A zip with one member, one entry of its directory, or its end changed."""
    return random.choice((_field, _field, _member, _member, _inner, _end, _overlap, _bomb))(random, data)


def _places(data: bytes, mark: bytes) -> list[int]:
    places, place = [], data.find(mark)
    while place >= 0:
        places.append(place)
        place = data.find(mark, place + 1)
    return places


def _field(random: Random, data: bytes) -> tuple[bytes, str]:
    """A number in an entry of the directory, or in a member's header."""
    mark = random.choice((CENTRAL, CENTRAL, LOCAL))
    places = _places(data, mark)
    if not places:
        return data, "nothing"
    name = random.choice(sorted(FIELDS))
    offset, form = FIELDS[name]
    place = random.choice(places) + (offset if mark == CENTRAL else max(offset - 2, 4))
    size = struct.calcsize(form)
    values = TELLING.get(name, (*SIZES, len(data)))
    value = random.choice(values) & ((1 << 8 * size) - 1)
    return data[:place] + struct.pack(form, value) + data[place + size :], f"zip {name}"


def _members(data: bytes) -> list[tuple[str, bytes, int]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(info.filename, archive.read(info), info.external_attr) for info in archive.infolist()]


def _written(members: list[tuple[str, bytes, int]]) -> bytes:
    """A zip of these members. zipfile warns of a name that stands twice, so each is written under one of its own."""
    buffer = io.BytesIO()
    names: dict[bytes, bytes] = {}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, (name, content, attributes) in enumerate(members):
            raw = name.encode("utf-8", "surrogatepass")
            place = f"{number:06}".ljust(max(len(raw), 6), "_")[: max(len(raw), 6)]
            names[place.encode()] = raw.ljust(len(place), b"_")
            info = zipfile.ZipInfo(place, WHEN)
            info.external_attr, info.create_system = attributes, 3
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    data = buffer.getvalue()
    for place_name, raw in names.items():
        data = data.replace(place_name, raw)
    return data


def _member(random: Random, data: bytes) -> tuple[bytes, str]:
    """A member with another name, kind, or place; or none at all."""
    members = _members(data)
    if not members:
        return data, "nothing"
    place = random.randrange(len(members))
    name, content, attributes = members[place]
    kind = random.randrange(5)
    if kind == 0:
        members[place] = (random.choice(NAMES), content, attributes)
    elif kind == 1:
        members.append((name, random.choice(members)[1], attributes))
    elif kind == 2:
        members[place] = (name, b"../secret.png", random.choice(ATTRIBUTES))
    elif kind == 3:
        del members[place]
    else:
        members = [
            (random.choice((name.upper(), f"{name}/", f"./{name}")), content, attributes)
            for name, content, _ in members
        ]
    return _written(members), f"zip member {kind}"


def _inner(random: Random, data: bytes) -> tuple[bytes, str]:
    """What a member holds, changed, with the right checksum."""
    members = _members(data)
    if not members:
        return data, "nothing"
    place = random.randrange(len(members))
    name, content, attributes = members[place]
    content, how = _changed_content(random, name, content)
    members[place] = (name, content, attributes)
    return _written(members), f"zip {name}: {how}"


def _changed_content(random: Random, name: str, content: bytes) -> tuple[bytes, str]:
    if name.endswith((".xml", ".rels")) and content and random.random() < 0.6:
        return _changed_xml(random, content)
    if random.random() < 0.5 and content:
        return changed_blindly(random, content, content)
    return changed_picture(random, content)


def _changed_xml(random: Random, content: bytes) -> tuple[bytes, str]:
    """Numbers, places and texts of a workbook that nobody expects."""
    old, new = random.choice(XML)
    return content.replace(old, new, random.choice((1, 1, -1))), f"xml {new[:16]!r}"


def _end(random: Random, data: bytes) -> tuple[bytes, str]:
    """The record at the end, with other counts and sizes, twice, or behind a zip64 locator; or bytes before it all."""
    places = _places(data, END)
    if not places:
        return data, "nothing"
    place = places[-1]
    kind = random.randrange(4)
    if kind == 0:
        offset, form = random.choice(((8, "<H"), (10, "<H"), (12, "<I"), (16, "<I"), (20, "<H")))
        value = random.choice((0, 1, 0xFFFF, 0xFFFFFFFF, len(data))) & ((1 << 8 * struct.calcsize(form)) - 1)
        return data[: place + offset] + struct.pack(form, value) + data[
            place + offset + struct.calcsize(form) :
        ], "zip end"
    if kind == 1:
        return random.randbytes(random.randint(1, 300)) + data, "zip behind other bytes"
    if kind == 2:
        return data + data[place:], "zip with two ends"
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, random.choice((0, place, 1 << 63)), 1)
    return data[:place] + locator + data[place : place + 10] + b"\xff" * 10 + data[place + 20 :], "zip64 locator"


def _overlap(random: Random, data: bytes) -> tuple[bytes, str]:
    """Two members over the same bytes."""
    places = _places(data, CENTRAL)
    if len(places) < 2:
        return data, "nothing"
    first, second = random.sample(places, 2)
    return data[: second + 42] + data[first + 42 : first + 46] + data[second + 46 :], "zip overlap"


def _bomb(random: Random, data: bytes) -> tuple[bytes, str]:
    """A member that holds a great deal more than it takes."""
    members = _members(data)
    if not members:
        return data, "nothing"
    place = random.randrange(len(members))
    name, content, attributes = members[place]
    filler = random.choice((b"\0", b" "))
    members[place] = (name, content + filler * random.choice((1_000_000, BOMB_BYTES)), attributes)
    return _written(members), "zip bomb"


def changed_tar(random: Random, data: bytes) -> tuple[bytes, str]:
    """A tar with a header or a member changed."""
    if random.random() < 0.5:
        return _tar_header(random, data)
    members = _tar_members(data)
    place = random.randrange(len(members))
    info, content = members[place]
    kind = random.choice(("name", "link", "twice", "sparse", "pax", "inner", "form", "size"))
    extra: dict[str, str] = {}
    if kind == "name":
        info.name = random.choice((*NAMES[:9], "a.b.c.d", ".json", "a.json", f"{'d/' * 200}x.png"))[:5_000].replace(
            "\0", ""
        )
    elif kind == "link":
        info.type, info.linkname, info.size = (
            random.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, b"Z")),
            "../secret.png",
            0,
        )
    elif kind == "twice":
        members.append((info, content))
    elif kind == "sparse":
        extra = {"GNU.sparse.map": random.choice(("0,1", "0,99999999999", "x", "1,2,3")), "GNU.sparse.size": "100"}
    elif kind == "pax":
        extra = {
            random.choice(("path", "size", "linkpath", "mtime", "hdrcharset", "uid")): random.choice(
                ("../x", "-5", "1e9", "99999999999999999999", "\x00", "BINARY")
            )
        }
    elif kind == "inner":
        change = (
            changed_picture if not info.name.endswith(("json", "txt")) else lambda r, d: changed_text(r, d, info.name)
        )
        content, _ = change(random, content)
        info.size = len(content)
        members[place] = (info, content)
    info.pax_headers = extra
    form = random.choice((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)) if kind in {"form", "name"} else tarfile.PAX_FORMAT
    written = _tar_written(members, form)
    return (written[: -random.randint(1, 1024)], "tar cut") if kind == "size" else (written, f"tar {kind}")


def _tar_members(data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [(info, file.read() if (file := archive.extractfile(info)) else b"") for info in archive.getmembers()]


def _tar_written(members: list[tuple[tarfile.TarInfo, bytes]], form: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _tar_header(random: Random, data: bytes) -> tuple[bytes, str]:
    """A field of a header, with the checksum that belongs to it."""
    starts = [place for place in range(0, len(data), 512) if data[place + 257 : place + 262] == b"ustar"]
    if not starts:
        return data, "nothing"
    start = random.choice(starts)
    header = bytearray(data[start : start + 512])
    fields = {
        "name": (0, 100),
        "size": (124, 12),
        "type": (156, 1),
        "link": (157, 100),
        "mtime": (136, 12),
        "magic": (257, 8),
        "prefix": (345, 155),
    }
    name = random.choice(sorted(fields))
    place, length = fields[name]
    values = (
        b"\xff" * length,
        b"7" * length,
        b"\x80" + b"\0" * (length - 2) + b"\x09",
        b"-1",
        b"../secret.png",
        b"\0" * length,
        b"S",
        b"L",
        b"K",
        b"x",
        b"g",
        b"1",
    )
    header[place : place + length] = random.choice(values)[:length].ljust(length, b"\0")
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    return data[:start] + bytes(header) + data[start + 512 :], f"tar header {name}"


def deflated_zeros(size: int) -> bytes:
    """A deflate stream of zeros, made without holding them."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    parts = [stream.compress(bytes(min(1 << 20, size - place))) for place in range(0, size, 1 << 20)]
    return b"".join(parts) + stream.flush()
