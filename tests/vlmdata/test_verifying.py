"""Verdicts: on every kind of reference, with what was known before, put aside, warned of, and read once more."""

from __future__ import annotations

import base64
import io
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.vlmdata.shop import drawn, encoded
from vlmdata import render
from vlmdata.errors import ConfigError
from vlmdata.image.inspecting import examine
from vlmdata.image.spool import FileSpool, read_run
from vlmdata.image.verifying import Reader, Verified, open_reader, verifying
from vlmdata.pixels import to_rgb
from vlmdata.recipe import Convert, ImagesConfig, Resize, recipe_from
from vlmdata.record import ImageInfo, InlineImage, Inspected, Location, MemberImage

PICTURE = drawn(3)
ORIENTATION, MAKER, GPS = 0x0112, 0x010F, 0x8825


def exif(orientation: int = 1, *, position: bool = False) -> bytes:
    block = Image.Exif()
    block[ORIENTATION] = orientation
    block[MAKER] = "Maker"
    if position:
        block[GPS] = {1: "N", 2: (48.0, 8.0, 15.0), 3: "E", 4: (11.0, 34.0, 31.0)}
    return block.tobytes()


def animated(kind: str) -> bytes:
    return encoded(drawn(1), kind, save_all=True, append_images=[drawn(2)])


def see_through() -> Image.Image:
    image = PICTURE.convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def heic(**options: Any) -> bytes:
    from pillow_heif import from_pillow

    buffer = io.BytesIO()
    from_pillow(PICTURE).save(buffer, **options)
    return buffer.getvalue()


WHOLE: dict[str, bytes] = {
    "jpeg": encoded(PICTURE, "JPEG"),
    "jpeg-progressive": encoded(PICTURE, "JPEG", progressive=True),
    "jpeg-turned": encoded(PICTURE, "JPEG", exif=exif(6, position=True)),
    "jpeg-cmyk": encoded(PICTURE.convert("CMYK"), "JPEG"),
    "mpo": encoded(PICTURE, "MPO", save_all=True, append_images=[drawn(4)]),
    "png": encoded(PICTURE, exif=exif(8)),
    "png-alpha": encoded(see_through()),
    "png-palette": encoded(PICTURE.quantize(16), transparency=0),
    "png-16": encoded(Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(30, 40) * 50)),
    "apng": animated("PNG"),
    "gif": animated("GIF"),
    "webp": encoded(PICTURE, "WEBP", exif=exif(3)),
    "webp-animated": animated("WEBP"),
    "tiff": encoded(PICTURE, "TIFF", exif=exif(6)),
    "tiff-lzw": encoded(PICTURE, "TIFF", compression="tiff_lzw"),
    "tiff-pages": animated("TIFF"),
    "bmp": encoded(PICTURE, "BMP"),
    "avif": encoded(PICTURE, "AVIF"),
    "avif-turned": encoded(PICTURE, "AVIF", exif=exif(6)),
    "heic": heic(),
}
TRAITS = {
    "jpeg-turned": {"gps", "turned"},
    "jpeg-cmyk": {"cmyk"},
    "png": {"turned"},
    "png-alpha": {"alpha"},
    "png-palette": {"alpha"},
    "png-16": {"sixteen_bit"},
    "apng": {"animated"},
    "gif": {"animated"},
    "webp": {"turned"},
    "webp-animated": {"animated"},
    "avif-turned": {"turned"},
    "tiff-pages": {"animated"},
    "heic": {"heic"},
}


def reader(root: Path, **changes: Any) -> Reader:
    extra = {name: changes.pop(name) for name in ("spool", "known", "download") if name in changes}
    return open_reader(ImagesConfig(roots=(root,), **changes), **extra)


def inline(data: bytes, name: str = "a.bin") -> InlineImage:
    return InlineImage(data=data, name=name)


def good(verdict: Verified) -> Inspected:
    assert verdict.problem is None
    assert verdict.image is not None
    return verdict.image


def rules(verdict: Verified) -> set[str]:
    assert all(problem.severity == "warning" and problem.hint for problem in verdict.warnings)
    return {problem.rule for problem in verdict.warnings}


@pytest.mark.parametrize("kind", WHOLE)
def test_every_format_is_verified_and_warned_of_where_readers_differ(tmp_path: Path, kind: str) -> None:
    verdict = reader(tmp_path).verdict(inline(WHOLE[kind]))
    image = good(verdict)
    assert rules(verdict) == {f"images.{trait}" for trait in TRAITS.get(kind, ())}
    assert to_rgb(WHOLE[kind]).size == (image.info.width, image.info.height)
    wanted = {"mpo": "JPEG", "apng": "PNG", "heic": "HEIF"}.get(kind, kind.partition("-")[0].upper())
    assert image.info.format == wanted


@pytest.mark.parametrize("kind", WHOLE)
def test_the_header_says_what_the_whole_picture_says(kind: str) -> None:
    full, header = examine(WHOLE[kind]), examine(WHOLE[kind], verify="header")
    info = header.image.info
    assert info == ImageInfo(
        sha256=full.image.info.sha256,
        width=full.image.info.width,
        height=full.image.info.height,
        format=full.image.info.format,
    )
    assert full.traits - header.traits <= {"alpha"}


@pytest.mark.parametrize("kind", WHOLE)
def test_what_was_verified_before_is_not_decoded_again_and_is_the_same(tmp_path: Path, kind: str) -> None:
    first = reader(tmp_path).verdict(inline(WHOLE[kind]))
    infos = {good(first).info.sha256: good(first).info}
    assert reader(tmp_path, known=infos.get).verdict(inline(WHOLE[kind])) == first


@pytest.mark.parametrize("kind", ["jpeg", "webp", "png-16", "bmp"])
def test_pixels_are_not_decoded_again_where_the_bytes_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "mug.img").write_bytes(WHOLE[kind])
    first = reader(tmp_path).verdict("mug.img")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("vlmdata.image.inspecting.simplejpeg.decode_jpeg", refuse)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", refuse)
    assert reader(tmp_path, known=lambda _: good(first).info).verdict("mug.img") == first


def test_what_was_known_wrongly_is_found_anew(tmp_path: Path) -> None:
    data = WHOLE["jpeg"]
    right = good(reader(tmp_path).verdict(inline(data))).info
    wrong = ImageInfo(sha256=right.sha256, width=1, height=1, format="PNG", dhash="0" * 16)
    assert good(reader(tmp_path, known=lambda _: wrong).verdict(inline(data))).info == right
    unhashed = ImageInfo(sha256=right.sha256, width=40, height=30, format="JPEG")
    assert good(reader(tmp_path, known=lambda _: unhashed).verdict(inline(data))).info == right


def test_an_opaque_picture_with_an_alpha_channel_is_not_warned_of(tmp_path: Path) -> None:
    assert rules(reader(tmp_path).verdict(inline(encoded(PICTURE.convert("RGBA"))))) == set()


def test_a_photo_with_a_damaged_gps_folder_is_a_photo_still(tmp_path: Path) -> None:
    block = bytearray(exif(position=True))
    pointer = block.index(b"\x25\x88") if block[6:8] == b"II" else block.index(b"\x88\x25")
    for far in (b"\xff\xff\xff\x7f", b"\x0a\0\0\0", b"\0\0\0\x0a"):
        block[pointer + 8 : pointer + 12] = far
        data = encoded(PICTURE, "JPEG", exif=bytes(block))
        verdict = reader(tmp_path).verdict(inline(data))
        assert good(verdict).info.width == 40
        assert rules(verdict) <= {"images.gps"}


@pytest.mark.parametrize("kind", ["gif", "apng", "webp-animated", "tiff-pages"])
def test_an_animation_is_rejected_where_the_recipe_says_so(tmp_path: Path, kind: str) -> None:
    verdict = reader(tmp_path, animated="reject").verdict(inline(WHOLE[kind], "mug.gif"))
    assert verdict.problem is not None
    assert str(verdict.problem).startswith("'mug.gif' has several frames, of which models see the first [images.anim")


def test_heic_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    verdict = reader(tmp_path).verdict(inline(WHOLE["heic"], "IMG_1.HEIC"))
    assert verdict.problem is not None
    assert verdict.problem.rule == "images.format"
    assert "pip install 'vlmdata[heic]'" in str(verdict.problem)


def test_looking_at_heic_registers_nothing(tmp_path: Path) -> None:
    good(reader(tmp_path).verdict(inline(WHOLE["heic"])))
    assert "HEIF" not in Image.OPEN


def test_a_photo_in_a_folder_keeps_its_bytes_and_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "mug.jpg").write_bytes(WHOLE["jpeg"])
    look = reader(tmp_path, spool=FileSpool(tmp_path / "spool"))
    image = good(look.verdict("deep/mug.jpg"))
    assert (image.name, image.location, image.size) == ("mug.jpg", None, len(WHOLE["jpeg"]))
    assert look.read("deep/mug.jpg") == WHOLE["jpeg"]
    assert look.original("deep/mug.jpg", None, size=image.size, xxh3=image.xxh3) == WHOLE["jpeg"]
    assert not (tmp_path / "spool").exists()
    (tmp_path / "deep" / "mug.jpg").write_bytes(WHOLE["png"])
    with pytest.raises(ValueError, match=r"'deep/mug\.jpg' changed while"):
        look.original("deep/mug.jpg", None, size=image.size, xxh3=image.xxh3)


def test_a_near_miss_that_is_accepted_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "mug.jpg").write_bytes(WHOLE["jpeg"])
    look = reader(tmp_path, accept=("case",))
    verdict = look.verdict("MUG.JPG")
    image = good(verdict)
    assert [change.rule for change in verdict.changes] == ["images.near_miss"]
    assert image.name == "mug.jpg"
    assert look.original("MUG.JPG", None, size=image.size, xxh3=image.xxh3) == WHOLE["jpeg"]


def test_bytes_in_the_row_are_put_aside(tmp_path: Path) -> None:
    look = reader(tmp_path, spool=FileSpool(tmp_path / "spool"))
    image = good(look.verdict(inline(WHOLE["png"], "/home/me/mug.png")))
    assert image.name == "mug.png"
    assert image.location is not None
    assert look.original("mug.png", image.location, size=image.size, xxh3=image.xxh3) == WHOLE["png"]
    Path(image.location.file).write_bytes(WHOLE["jpeg"])
    with pytest.raises(ValueError, match=r"cut short|changed while"):
        look.original("mug.png", image.location, size=image.size, xxh3=image.xxh3)


def test_a_data_address_is_named_for_its_format(tmp_path: Path) -> None:
    look = reader(tmp_path)
    reference = f"data:image/png;base64,{base64.b64encode(WHOLE['webp']).decode()}"
    image = good(look.verdict(reference))
    assert (image.name, image.info.format) == ("image.webp", "WEBP")
    assert look.original(reference, None, size=image.size, xxh3=image.xxh3) == WHOLE["webp"]
    problem = look.verdict("data:image/png;base64,AAAA").problem
    assert problem is not None
    assert (problem.rule, problem.message.startswith("'data:image/png;base64,AAAA' is not")) == (
        "images.not_an_image",
        True,
    )


def test_a_member_of_a_tar_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "shard.tar").write_bytes(b"..." + WHOLE["jpeg"] + b"...")
    place = Location(file=str(tmp_path / "shard.tar"), offset=3, size=len(WHOLE["jpeg"]))
    look = reader(tmp_path, spool=FileSpool(tmp_path / "spool"))
    image = good(look.verdict(MemberImage(location=place, name="0001.jpg")))
    assert (image.location, image.name) == (place, "0001.jpg")
    assert look.original("0001.jpg", place, size=image.size, xxh3=image.xxh3) == WHOLE["jpeg"]


def test_a_member_whose_metadata_go_is_read_again_without_them(tmp_path: Path) -> None:
    data = WHOLE["jpeg-turned"]
    (tmp_path / "shard.tar").write_bytes(data)
    place = Location(file=str(tmp_path / "shard.tar"), offset=0, size=len(data))
    look = reader(tmp_path, metadata="strip_location")
    verdict = look.verdict(MemberImage(location=place, name="0001.jpg"))
    image = good(verdict)
    assert [change.rule for change in verdict.changes] == ["images.location_stripped"]
    assert rules(verdict) == {"images.turned"}
    stored = look.original("0001.jpg", image.location, size=image.size, xxh3=image.xxh3)
    assert rules(reader(tmp_path).verdict(inline(stored))) == {"images.turned"}
    assert look.read(inline(data)) == stored


@pytest.mark.parametrize("spooled", [True, False])
def test_what_is_encoded_anew_is_put_aside_or_made_again(tmp_path: Path, spooled: bool) -> None:
    (tmp_path / "mug.jpg").write_bytes(WHOLE["jpeg"])
    spool = FileSpool(tmp_path / "spool") if spooled else None
    look = reader(tmp_path, spool=spool, resize=Resize(max_pixels=300), convert=Convert(format="PNG"))
    verdict = look.verdict("mug.jpg")
    image = good(verdict)
    assert (image.location is not None) == spooled
    assert (image.info.width, image.info.height, image.info.format, image.name) == (20, 15, "PNG", "mug.png")
    assert [change.rule for change in verdict.changes] == ["images.resized", "images.converted"]
    assert verdict.changes[0].before.startswith("40x30 JPEG, ")
    assert verdict.changes[0].after.startswith("20x15 PNG, ")
    stored = look.original("mug.jpg", image.location, size=image.size, xxh3=image.xxh3)
    assert good(reader(tmp_path).verdict(inline(stored))).info == image.info


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"", "images.empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "images.lfs_pointer"),
        (b"<!doctype html>", "images.not_an_image"),
        (WHOLE["jpeg"][:400], "images.truncated"),
        (WHOLE["avif"][:-60], "images.truncated"),
        (WHOLE["heic"][:-60], "images.truncated"),
    ],
)
def test_a_problem_names_the_image(tmp_path: Path, data: bytes, rule: str) -> None:
    problem = reader(tmp_path).verdict(inline(data, "mug.jpg")).problem
    assert problem is not None
    assert problem.rule == rule
    assert problem.message.startswith("'mug.jpg' ")
    assert problem.hint


PADDED = {"mpo": 10**6, "tiff-pages": 4}
"""Bytes at the end that nothing speaks of: a second picture behind a JPEG's own end, and Pillow's padding."""


@pytest.mark.parametrize("verify", ["full", "header"])
@pytest.mark.parametrize("kind", WHOLE)
def test_a_file_that_was_cut_is_truncated_wherever_that_was(tmp_path: Path, kind: str, verify: str) -> None:
    look, data = reader(tmp_path, verify=verify), WHOLE[kind]
    for cut in (1, 2, 3, 4, 8, 12, 13, 16, 100, len(data) // 10, len(data) // 2, len(data) * 9 // 10):
        if cut <= PADDED.get(kind, 0):
            continue
        verdict = look.verdict(inline(data[:-cut]))
        found = {verdict.problem.rule} if verdict.problem is not None else rules(verdict)
        assert "images.truncated" in found, cut
        assert "images.trailing" not in found, cut


@pytest.mark.parametrize(
    ("kind", "cut"), [("png", 1), ("png", 8), ("png", 12), ("apng", 12), ("gif", 1), ("gif", 2), ("webp-animated", 0)]
)
def test_what_lacks_its_end_mark_alone_is_warned_of_and_its_pixels_are_used(
    tmp_path: Path, kind: str, cut: int
) -> None:
    data = WHOLE[kind][: len(WHOLE[kind]) - cut]
    verdict = reader(tmp_path).verdict(inline(data))
    assert good(verdict).size == len(data)
    assert ("images.truncated" in rules(verdict)) == bool(cut)
    to_rgb(data)
    infos = {good(verdict).info.sha256: good(verdict).info}
    assert reader(tmp_path, known=infos.get).verdict(inline(data)) == verdict


def test_a_jpeg_without_its_end_mark_is_refused_as_pillow_does_and_said_to_be_whole(tmp_path: Path) -> None:
    problem = reader(tmp_path).verdict(inline(WHOLE["jpeg"][:-2])).problem
    assert problem is not None
    assert "its end mark is missing, without which most readers refuse it" in problem.message
    with pytest.raises(ValueError, match="truncated"):
        to_rgb(WHOLE["jpeg"][:-2])


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "webp", "bmp", "tiff", "avif"])
@pytest.mark.parametrize("padding", [b"\n", bytes(7), b"\r\n" * 100])
def test_padding_behind_the_end_is_no_missing_end(tmp_path: Path, kind: str, padding: bytes) -> None:
    assert "images.truncated" not in rules(reader(tmp_path).verdict(inline(WHOLE[kind] + padding)))


def test_an_end_mark_before_the_scan_is_a_thumbnails(tmp_path: Path) -> None:
    block = Image.Exif()
    block[MAKER] = encoded(drawn(5), "JPEG").decode("latin-1").encode("utf-8") + b"\xff\xd9"
    data = encoded(PICTURE, "JPEG", exif=block.tobytes())
    assert data.count(b"\xff\xd9") > 1
    assert good(reader(tmp_path, verify="header").verdict(inline(data)))
    problem = reader(tmp_path, verify="header").verdict(inline(data[:-2])).problem
    assert problem is not None
    assert problem.rule == "images.truncated"


def test_a_bitmap_that_says_a_wrong_size_of_itself_is_warned_of(tmp_path: Path) -> None:
    data = bytearray(WHOLE["bmp"])
    data[2:6] = (len(data) + 2).to_bytes(4, "little")
    assert rules(reader(tmp_path).verdict(inline(bytes(data)))) == {"images.truncated"}
    data[2:6] = bytes(4)
    assert rules(reader(tmp_path).verdict(inline(bytes(data)))) == set()


@pytest.mark.parametrize("text", [b"BMW sells cars" * 9, b"RIFF a guitar part", b"GIF89a", b"II* is a title" * 9])
def test_what_begins_like_a_picture_gets_a_verdict(tmp_path: Path, text: bytes) -> None:
    problem = reader(tmp_path).verdict(inline(text)).problem
    assert problem is not None
    assert problem.rule in {"images.not_an_image", "images.truncated"}


def test_the_bound_on_pixels_holds_for_every_format(tmp_path: Path) -> None:
    look = reader(tmp_path, pixel_limit=1199)
    for data in WHOLE.values():
        problem = look.verdict(inline(data)).problem
        assert problem is not None
        assert problem.rule == "images.bomb"


def test_more_pixels_than_pillow_warns_of_are_fine_where_the_recipe_says_so(tmp_path: Path) -> None:
    data = encoded(Image.new("1", (10_000, 9_000)))
    assert good(reader(tmp_path, pixel_limit=90_000_000, verify="header").verdict(inline(data))).info.width == 10_000


def test_pillows_warnings_reach_nobody_and_others_do(tmp_path: Path) -> None:
    odd = encoded(PICTURE, "TIFF").replace(b"\x00\x01\x03\x00\x01\x00", b"\x00\x01\x03\x00\x02\x00", 1)
    filters = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with verifying(reader(tmp_path), workers=4) as submit:
            for future in [submit([inline(odd[:length])]) for length in range(8, len(odd), 100)]:
                future.result()
    assert [str(found.message) for found in caught] == []
    assert warnings.filters == filters
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)


@pytest.mark.parametrize("kind", WHOLE)
@given(st.data())
@settings(max_examples=40)
def test_damaged_bytes_get_a_verdict_whatever_is_asked_for(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(WHOLE[kind])
    reach = data.draw(st.sampled_from([40, 200, len(damaged)]))
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, min(reach, len(damaged)) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged))) if data.draw(st.booleans()) else len(damaged)
    wanted = data.draw(
        st.sampled_from(
            [
                {},
                {"metadata": "strip"},
                {"metadata": "strip_location"},
                {"resize": Resize(max_pixels=100)},
                {"convert": Convert(format="PNG")},
                {"verify": "header"},
            ]
        )
    )
    look = reader(Path(), pixel_limit=1_000_000, **wanted)
    verdict = look.verdict(inline(bytes(damaged[:cut])))
    if verdict.image is None:
        assert verdict.problem is not None
        assert verdict.problem.rule.startswith("images.")
    elif not verdict.changes:
        assert verdict.image.size == cut


def test_a_spool_keeps_equal_bytes_once_and_is_read_by_others(tmp_path: Path) -> None:
    spool = FileSpool(tmp_path / "spool")
    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(spool.add, [bytes([number % 50]) * 1000 for number in range(500)]))
    assert len(set(places)) == 50
    assert all(read_run(place) == bytes([number % 50]) * 1000 for number, place in enumerate(places))
    (file,) = (tmp_path / "spool").iterdir()
    assert file.stat().st_size == 50_000
    code = f"import sys; f = open({str(file)!r}, 'rb'); f.seek({places[7].offset}); print(f.read(1))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == repr(bytes([7]))
    spool.close()
    assert read_run(spool.add(bytes(1000))) == read_run(places[0]) == bytes(1000)
    other = FileSpool(tmp_path / "spool")
    assert read_run(other.add(b"x")) == b"x"
    assert len(list((tmp_path / "spool").iterdir())) == 3


def test_another_process_writes_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = FileSpool(tmp_path)
    parent = spool.add(b"parent")
    monkeypatch.setattr(os, "getpid", lambda: 12345)
    child = spool.add(b"child")
    assert Path(child.file).name.startswith("12345-")
    assert parent.file != child.file
    assert (read_run(parent), read_run(child), spool.add(b"parent")) == (b"parent", b"child", parent)


def test_a_prompt_shows_what_the_dataset_would_hold(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("deep/mug.jpg", WHOLE["jpeg-turned"])
    recipe = recipe_from(
        {
            "source": {"type": "csv", "path": "products.csv"},
            "images": {"root": "photos.zip", "from": "photo", "metadata": "strip_location"},
            "conversations": [{"user": "Describe.", "assistant": "{{ text }}"}],
        },
        tmp_path,
    )
    (prompt,) = render([{"photo": "deep/mug.jpg"}], recipe)
    assert rules(reader(tmp_path).verdict(inline(prompt.images[0]))) == {"images.turned"}
    with pytest.raises(ConfigError, match=r"did you mean 'deep/mug\.jpg'"):
        list(render([{"photo": "deep/MUG.jpg"}], recipe))
