"""Zip files as image roots: the members zipfile finds, to the byte, and every hostile kind by its name."""

from __future__ import annotations

import io
import stat
import struct
import sys
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmdata.errors import SourceError
from vlmdata.image import archive as archive_module
from vlmdata.image.archive import ImageArchive
from vlmdata.image.names import ImageReferenceError, plain
from vlmdata.image.patterns import steps_of

NOISE = bytes(zlib.crc32(bytes([number])) & 0xFF for number in range(256)) * 20


def zipped(path: Path, members: dict[str | ZipInfo, bytes], method: int = ZIP_STORED) -> Path:
    with ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data, compress_type=method)
    return path


def refused(archive: ImageArchive, reference: str) -> ImageReferenceError:
    with pytest.raises(ImageReferenceError) as raised:
        archive.read(reference)
    return raised.value


def directory_at(data: bytes) -> int:
    return data.index(b"PK\1\2")


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
def test_members_are_read_as_they_are(tmp_path: Path, method: int) -> None:
    path = zipped(tmp_path / "photos.zip", {"a.jpg": NOISE, "deep/ä b.png": b"b", "empty.png": b""}, method)
    archive = ImageArchive(path, 10_000)
    assert archive.read("a.jpg") == archive.read("./a.jpg") == NOISE
    assert archive.read("deep//ä b.png") == b"b"
    assert archive.read("empty.png") == b""
    assert (archive.size("./a.jpg"), archive.size("empty.png")) == (len(NOISE), 0)
    for missing in ("deep", "deep/", "A.jpg", "b.jpg", ""):
        assert refused(archive, missing).rule == "images.missing"
        assert archive.size(missing) is archive.size("../a.jpg") is None


names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(st.dictionaries(names, st.binary(max_size=300)), st.sampled_from([ZIP_STORED, ZIP_DEFLATED]), st.binary())
@settings(max_examples=60)
def test_any_zip_holds_what_zipfile_finds_in_it(
    tmp_path: Path, members: dict[str, bytes], method: int, before: bytes
) -> None:
    buffer = io.BytesIO()
    buffer.write(before)
    with ZipFile(buffer, "a", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.comment = b"a comment"
    path = tmp_path / "any.zip"
    path.write_bytes(buffer.getvalue())
    opened = ImageArchive(path, 1000)
    with ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if not info.filename.endswith("/")]
        for info in infos:
            member = opened._directory.find(plain(info.filename))
            assert member is not None
            if not member.fault:
                assert opened._unpacked(member, opened._packed(member)) == archive.read(info)
        assert len(opened._directory.names) == len(infos)


def test_a_member_is_found_with_and_without_the_folder_of_the_archives_name(tmp_path: Path) -> None:
    without = ImageArchive(zipped(tmp_path / "2D-spatial.zip", {"x/1.png": b"1", "x/2.PNG": b"2"}), 10)
    assert without.read("./2D-spatial/x/1.png") == without.read("x/1.png") == b"1"
    assert list(without.candidates("./2D-spatial/x/2.png")) == ["2D-spatial/x/2.PNG"]
    assert without.read("2D-spatial/x/2.PNG") == b"2"
    (tmp_path / "other").mkdir()
    having = ImageArchive(zipped(tmp_path / "other" / "2D-spatial.zip", {"2D-spatial/x/1.png": b"1"}), 10)
    assert having.read("./2D-spatial/x/1.png") == b"1"
    assert refused(having, "3D-spatial/x/1.png").rule == "images.missing"


def test_needless_steps_in_a_members_name_mean_nothing(tmp_path: Path) -> None:
    path = zipped(tmp_path / "dots.zip", {"./a.jpg": b"a", "b//c.jpg": b"c", "d.jpg": b"d", "./d.jpg": b"d"})
    archive = ImageArchive(path, 10)
    assert (archive.read("a.jpg"), archive.read("./b/c.jpg")) == (b"a", b"c")
    assert refused(archive, "d.jpg").rule == "archive.duplicate"


def test_names_of_old_dos_and_of_macos_are_found(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"\u00e4.png": b"utf-8", "ue.png": b"dos"})
    data = path.read_bytes().replace(b"ue.png", b"\x81e.png")
    flags = [place for mark, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)) for place in _flags(data, mark, offset)]
    changed = bytearray(data)
    for place in flags:
        changed[place + 1] &= 0xF7
    path.write_bytes(changed)
    archive = ImageArchive(path, 100)
    assert archive.read("\u00e4.png") == b"utf-8"
    assert archive.read("\u00fce.png") == b"dos"


def _flags(data: bytes, mark: bytes, offset: int) -> list[int]:
    return [place + offset for place in range(len(data)) if data.startswith(mark, place)]


def test_a_zip_with_sizes_of_64_bits_is_read(tmp_path: Path) -> None:
    path = tmp_path / "big.zip"
    with ZipFile(path, "w") as archive:
        for number in range(66_000):
            archive.writestr(f"{number}.png", b"")
        with archive.open("wide.png", "w", force_zip64=True) as member:
            member.write(b"wide")
    assert ImageArchive(path, 100).read("wide.png") == b"wide"
    assert ImageArchive(path, 100).read("65999.png") == b""


def test_the_directory_is_kept_small(tmp_path: Path) -> None:
    path = tmp_path / "big.zip"
    with ZipFile(path, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"photos/product-{number:07d}.jpg", b"")
    archive = ImageArchive(path, 100)
    assert list(archive.candidates("photos/PRODUCT-0000007.png")) == ["photos/product-0000007.jpg"]
    kept = archive._directory
    assert kept._near is not None
    size = sum(sys.getsizeof(name) for name in kept.names) + sys.getsizeof(kept.names) + kept._members.nbytes
    size += sum(part.nbytes for part in kept._near)
    assert size / 20_000 < 200


def test_a_local_header_with_many_extra_fields_is_read(tmp_path: Path) -> None:
    info = ZipInfo("a.jpg")
    info.extra = struct.pack("<HH", 0x9999, 1000) + bytes(1000)
    assert ImageArchive(zipped(tmp_path / "a.zip", {info: NOISE}), 10_000).read("a.jpg") == NOISE


def test_many_threads_read_at_once(tmp_path: Path) -> None:
    members = {f"{number}.png": bytes([number]) * 5000 + NOISE for number in range(100)}
    archive = ImageArchive(zipped(tmp_path / "a.zip", members, ZIP_DEFLATED), 100_000)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(archive.read, [*members] * 5)) == [*members.values()] * 5


@pytest.mark.parametrize("name", ["../out.png", "/etc/a.png", "C:\\a.png", "a/../../b.png", "\\\\server\\a.png"])
def test_a_name_that_climbs_is_never_read(tmp_path: Path, name: str) -> None:
    archive = ImageArchive(zipped(tmp_path / "slip.zip", {name: b"x", "mug.jpg": b"mug"}), 100)
    assert refused(archive, name).rule == "images.outside"
    assert list(archive.candidates(name.upper())) == []
    assert list(archive.matching(steps_of("**"))) == ["mug.jpg"]
    assert archive.read("mug.jpg") == b"mug"


def test_a_name_with_backslashes_is_a_near_miss(tmp_path: Path) -> None:
    archive = ImageArchive(zipped(tmp_path / "dos.zip", {"deep\\mug.jpg": b"mug"}), 100)
    assert refused(archive, "deep/mug.jpg").rule == "images.missing"
    assert list(archive.candidates("deep/mug.jpg")) == ["deep\\mug.jpg"]
    assert archive.read("deep\\mug.jpg") == b"mug"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    info = ZipInfo("link.jpg")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = ImageArchive(zipped(tmp_path / "link.zip", {info: b"/etc/hostname"}), 100)
    assert refused(archive, "link.jpg").rule == "archive.link"


def test_a_name_that_stands_twice_is_refused_and_others_are_not(tmp_path: Path) -> None:
    path = tmp_path / "twice.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", b"one")
        archive.writestr("b.jpg", b"b")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.jpg", b"two")
    opened = ImageArchive(path, 100)
    error = refused(opened, "a.jpg")
    assert (error.rule, error.message) == (
        "archive.duplicate",
        "'a.jpg' in twice.zip stands in the archive more than once",
    )
    assert opened.read("b.jpg") == b"b"


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "secret.zip", {"a.jpg": b"one"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[directory_at(data) + 8] |= 1
    path.write_bytes(data)
    assert refused(ImageArchive(path, 100), "a.jpg").rule == "archive.encrypted"


def test_a_member_compressed_otherwise_is_refused(tmp_path: Path) -> None:
    archive = ImageArchive(zipped(tmp_path / "bz.zip", {"a.jpg": NOISE}, ZIP_BZIP2), 10_000)
    assert refused(archive, "a.jpg").rule == "archive.method"


@pytest.mark.parametrize("method", [ZIP_STORED, ZIP_DEFLATED])
def test_a_damaged_member_is_refused(tmp_path: Path, method: int) -> None:
    path = zipped(tmp_path / "bad.zip", {"a.jpg": NOISE}, method)
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    assert refused(ImageArchive(path, 10_000), "a.jpg").rule in {"archive.crc", "archive.size"}


def test_a_large_member_is_not_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "large.zip", {"a.bmp": bytes(1_000_000)}, ZIP_DEFLATED)
    assert refused(ImageArchive(path, 999_999), "a.bmp").rule == "images.too_large"


def test_a_member_packed_beyond_reason_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = zipped(tmp_path / "bomb.zip", {"a.bmp": bytes(17_000_000)}, ZIP_DEFLATED)
    monkeypatch.setattr(archive_module.zlib, "decompressobj", None)
    error = refused(ImageArchive(path, 256_000_000), "a.bmp")
    assert error.rule == "archive.ratio"
    assert "claims to hold 17,000,000 bytes in 16," in error.message


@pytest.mark.parametrize(("claimed", "found"), [(10, "more"), (6000, "less")])
def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path, claimed: int, found: str) -> None:
    path = zipped(tmp_path / "lie.zip", {"a.bmp": bytes(5000)}, ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, directory_at(data) + 24, claimed)
    path.write_bytes(data)
    error = refused(ImageArchive(path, 10_000), "a.bmp")
    assert (error.rule, f"holds {found} than the {claimed:,} bytes" in error.message) == ("archive.size", True)


def test_a_member_that_is_called_otherwise_where_it_stands_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "names.zip", {"a.jpg": b"one"})
    data = path.read_bytes()
    path.write_bytes(data.replace(b"a.jpg", b"b.jpg", 1))
    error = refused(ImageArchive(path, 100), "a.jpg")
    assert error.rule == "archive.name"
    assert "'b.jpg'" in error.message


def test_a_member_that_is_not_where_it_should_be_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "moved.zip", {"a.jpg": b"one"})
    path.write_bytes(path.read_bytes().replace(b"PK\3\4", b"PK\3\5", 1))
    assert refused(ImageArchive(path, 100), "a.jpg").rule == "archive.header"


def test_an_archive_that_is_gone_or_cut_later_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "gone.zip", {"a.jpg": NOISE})
    archive = ImageArchive(path, 10_000)
    path.write_bytes(path.read_bytes()[:100])
    assert refused(archive, "a.jpg").rule == "archive.header"
    path.unlink()
    assert refused(archive, "a.jpg").rule == "images.unreadable"


def test_members_that_share_bytes_make_the_whole_archive_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "overlap.zip", {"a.jpg": NOISE, "b.jpg": NOISE})
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\1\2")
    struct.pack_into("<I", data, second + 42, 0)
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"overlap\.zip: the member '[ab]\.jpg' shares bytes with '[ab]\.jpg'"):
        ImageArchive(path, 10_000)


def test_an_archive_with_too_many_members_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlmdata.image.directory.MEMBER_LIMIT", 2)
    with pytest.raises(SourceError, match="names 3 members"):
        ImageArchive(zipped(tmp_path / "many.zip", {"a": b"", "b": b"", "c": b""}), 10)


def test_one_part_of_several_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "part.zip", {"a.jpg": b"a"})
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\5\6") + 4] = 2
    path.write_bytes(data)
    with pytest.raises(SourceError, match="one part of a zip in several parts"):
        ImageArchive(path, 10)


def test_a_file_that_is_no_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"\xff\xd8\xff no zip")
    with pytest.raises(SourceError, match=r"photos\.zip: no zip directory at its end: it is no zip file"):
        ImageArchive(tmp_path / "photos.zip", 10)


def test_an_archive_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "cut.zip", {"a.jpg": b"a" * 30, "b.jpg": b"b" * 30})
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(SourceError, match=r"cut\.zip: "):
            ImageArchive(path, 100)


@given(st.data())
@settings(max_examples=400)
def test_a_damaged_archive_is_refused_or_read(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "any.zip"
    if not (tmp_path / "whole").exists():
        zipped(tmp_path / "whole", {"a.jpg": NOISE, "deep/b.jpg": b"b" * 50}, ZIP_DEFLATED)
    damaged = bytearray((tmp_path / "whole").read_bytes())
    start = data.draw(st.sampled_from([0, directory_at(damaged)]))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(start, len(damaged) - 1))] = data.draw(st.sampled_from([0, 1, 0x7F, 0xFF, 0x50]))
    path.write_bytes(damaged)
    try:
        archive = ImageArchive(path, 10_000)
    except SourceError:
        return
    for name in ("a.jpg", "deep/b.jpg", "A.png"):
        list(archive.candidates(name))
        try:
            assert archive.read(name) in {NOISE, b"b" * 50}
        except ImageReferenceError as error:
            assert error.rule.partition(".")[0] in {"images", "archive"}
    assert zipfile.is_zipfile(path)
