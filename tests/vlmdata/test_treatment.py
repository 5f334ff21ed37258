"""What a recipe asks to be done to images: smaller, another format, without metadata; and nothing else is touched."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps
from PIL.PngImagePlugin import PngInfo

from tests.vlmdata.shop import drawn, encoded
from tests.vlmdata.test_verifying import PICTURE as PHONE
from tests.vlmdata.test_verifying import exif, heic, see_through
from vlmdata.image.exif import OddMetadataError, without_position
from vlmdata.image.inspecting import examine
from vlmdata.image.jpeg_segments import SOS, segments
from vlmdata.image.metadata import stripped
from vlmdata.image.names import ImageReferenceError
from vlmdata.image.png_chunks import START, chunk, chunks
from vlmdata.image.treating import Treated, treat
from vlmdata.pixels import PIXEL_LIMIT, QUIET, PixelError, open_image, orientation, to_rgb
from vlmdata.push_photos import LOCATED, fault_of
from vlmdata.recipe import Convert, ImagesConfig, Resize

PICTURE = drawn(5, (200, 150))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x=\'adobe:ns:meta/\'><rdf exif:GPSLatitude="48,8.25N" tiff:Orientation="6"/></x:xmpmeta>'
HARMLESS_XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><dc:title>Mug</dc:title></x:xmpmeta>"
KINDS = {"JPEG": {"quality": 90}, "PNG": {}, "WEBP": {"lossless": True}}
COORDINATES = (b"GPSLatitude", b"48,8.25N", bytes([0, 0, 0, 48, 0, 0, 0, 1, 0, 0, 0, 8]))


def strip(data: bytes, wanted: str) -> bytes:
    return stripped(data, wanted, pixel_limit=PIXEL_LIMIT)  # type: ignore[arg-type]


def treated(data: bytes, **asked: Any) -> Treated:
    return treat(data, examine(data), ImagesConfig(**asked))


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def pixels(data: bytes) -> np.ndarray:
    with opened(data) as image:
        return np.asarray(image).copy()


def photo(kind: str, orientation: int = 1, **options: Any) -> bytes:
    extra = {"xmp": XMP} if kind != "PNG" else {}
    return encoded(PICTURE, kind, exif=exif(orientation, position=True), icc_profile=SRGB, **extra, **options)


def gps_of(data: bytes) -> dict[int, Any]:
    with opened(data) as image:
        return dict(image.getexif().get_ifd(0x8825))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("turn", [1, 6])
@pytest.mark.parametrize("wanted", ["strip_location", "strip"])
def test_a_position_goes_and_not_one_pixel_changes(kind: str, turn: int, wanted: str) -> None:
    data = photo(kind, turn, **KINDS[kind])
    assert gps_of(data)
    assert any(word in data for word in COORDINATES)
    made = strip(data, wanted)
    assert gps_of(made) == {}
    assert not any(word in made for word in COORDINATES)
    assert np.array_equal(pixels(made), pixels(data))
    assert np.array_equal(np.asarray(to_rgb(made)), np.asarray(to_rgb(data)))
    with opened(made) as image:
        assert orientation(image) == turn
        assert image.info["icc_profile"] == SRGB
        assert (image.getexif().get(0x010F) == "Maker") == (wanted == "strip_location")
    assert examine(made).image.info.dhash == examine(data).image.info.dhash
    assert strip(made, wanted) is made


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_position_the_bytes_stay_as_they_are(kind: str) -> None:
    data = encoded(PICTURE, kind, exif=exif(6), **KINDS[kind])
    assert strip(data, "strip_location") is data
    plain = encoded(PICTURE, kind, **KINDS[kind])
    assert treated(plain, metadata="strip_location").data is plain


def test_the_scan_of_a_jpeg_is_the_same_to_the_byte() -> None:
    data = photo("JPEG", 6, progressive=True)
    for wanted in ("strip", "strip_location"):
        scans = [[part.raw for part in segments(each) if part.marker == SOS] for each in (data, strip(data, wanted))]
        assert len(scans[0]) > 5
        assert scans[0] == scans[1]
    assert b"".join(part.raw for part in segments(data + b"\0trail")) == data + b"\0trail"


def test_the_colours_of_a_cmyk_jpeg_stay() -> None:
    data = encoded(PICTURE.convert("CMYK"), "JPEG", exif=exif(3, position=True), comment=b"for print")
    made = strip(data, "strip")
    assert b"Adobe" in made
    assert b"for print" not in made
    assert np.array_equal(pixels(made), pixels(data))


def test_an_orientation_that_stands_in_xmp_alone_is_kept() -> None:
    data = encoded(PICTURE, "JPEG", xmp=XMP)
    made = strip(data, "strip_location")
    assert b"GPSLatitude" not in made
    with opened(data) as before, opened(made) as after:
        assert orientation(before) == orientation(after) == 6


def test_xmp_without_a_position_stays() -> None:
    data = encoded(PICTURE, "JPEG", exif=exif(position=True), xmp=HARMLESS_XMP)
    assert HARMLESS_XMP in strip(data, "strip_location")
    assert HARMLESS_XMP not in strip(data, "strip")


def test_pictures_behind_a_phones_picture_go_with_their_positions() -> None:
    data = encoded(PICTURE, "MPO", save_all=True, append_images=[drawn(4)]) + photo("JPEG")
    made = strip(data, "strip_location")
    assert not any(word in made for word in COORDINATES)
    assert b"MPF\0" not in made
    assert np.array_equal(np.asarray(to_rgb(made)), np.asarray(to_rgb(data)))
    assert made.endswith(b"\xff\xd9")


BEHIND: dict[str, Callable[[], bytes]] = {
    "a picture with EXIF": lambda: photo("JPEG"),
    "a picture with XMP": lambda: encoded(PICTURE, "JPEG", xmp=XMP),
    "a film": lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x1a\xa9xyz\0\x12\x15\xc7+48.13+011.57/",
}


@pytest.mark.parametrize("behind", BEHIND)
def test_a_position_behind_the_end_of_a_picture_is_found_and_goes(behind: str) -> None:
    for first in (encoded(PICTURE, "JPEG"), encoded(PICTURE, "JPEG", exif=exif(6))):
        data = first + BEHIND[behind]()
        assert fault_of(data) == LOCATED
        assert treated(data, metadata="strip_location").data == first
    assert "gps" in examine(data).traits
    plain = encoded(PICTURE, "JPEG", exif=exif(6)) + encoded(drawn(4), "JPEG", exif=exif(1))
    assert "gps" not in examine(plain).traits
    assert not fault_of(plain)


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_position_behind_the_end_of_a_png_or_webp_is_found_and_goes(kind: str, behind: str) -> None:
    first = encoded(PICTURE, kind)
    data = first + BEHIND[behind]()
    assert "gps" in examine(data).traits
    assert fault_of(data) == LOCATED
    assert treated(data, metadata="strip_location").data == first
    plain = first + encoded(drawn(4), "JPEG", exif=exif(1))
    assert "gps" not in examine(plain).traits
    assert not fault_of(plain)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_position_in_xmp_of_wide_letters_is_found_and_goes(kind: str, encoding: str) -> None:
    data = encoded(PICTURE, kind, xmp=XMP.decode().encode(encoding))
    assert "gps" in examine(data).traits
    made = treated(data, metadata="strip_location")
    assert "gps" not in made.examined.traits
    assert b"GPS" not in made.data.replace(b"\0", b"")
    assert np.array_equal(pixels(made.data), pixels(data))


def test_a_position_in_the_hexadecimal_xmp_of_a_png_is_found_and_goes() -> None:
    info = PngInfo()
    info.add_text("Raw profile type xmp", f"\nxmp\n{len(XMP):8}\n{XMP.hex()}\n", zip=True)
    data = encoded(PICTURE, "PNG", pnginfo=info)
    assert "gps" in examine(data).traits
    assert "gps" not in treated(data, metadata="strip_location").examined.traits


def test_a_position_in_a_gif_is_found_and_the_picture_refused_where_it_was_to_go() -> None:
    plain = encoded(PICTURE.quantize(), "GIF")
    data = plain[:-1] + b"!\xff\x0bXMP DataXMP" + XMP + b"\x01" + bytes(range(255, -1, -1)) + b"\0;"
    assert "gps" in examine(data).traits
    assert fault_of(data) == LOCATED
    with pytest.raises(ImageReferenceError, match="without encoding it anew"):
        treated(data, metadata="strip_location")
    assert "gps" not in treated(data, metadata="strip_location", convert=Convert(format="PNG")).examined.traits
    assert "gps" not in examine(plain).traits


def test_makers_notes_stay_where_they_point_to() -> None:
    block = exif(6, position=True).removeprefix(b"Exif\0\0")
    made = without_position(b"Exif\0\0" + block)
    assert len(made) == len(block) + 6
    assert made.count(b"Maker") == 1
    assert made.index(b"Maker") == block.index(b"Maker") + 6
    assert without_position(block) == made[6:]


@pytest.mark.parametrize("text", ["tEXt", "zTXt", "iTXt", "iTXt packed"])
def test_positions_in_the_texts_of_a_png_go(text: str) -> None:
    info = PngInfo()
    value = XMP.decode() * 20
    if text.startswith("iTXt"):
        info.add_itxt("XML:com.adobe.xmp", value, zip="packed" in text)
    else:
        info.add_text("Raw profile type xmp", value, zip=text == "zTXt")
    info.add_text("Title", "Mug")
    data = encoded(PICTURE, "PNG", pnginfo=info)
    made = strip(data, "strip_location")
    with opened(made) as image:
        image.load()
        assert "Title" in image.info
        assert "XML:com.adobe.xmp" not in image.info
        assert "Raw profile type xmp" not in image.info
    with opened(strip(data, "strip")) as image:
        image.load()
        assert "Title" not in image.info


def test_a_position_behind_the_pixels_of_a_png_is_found() -> None:
    behind = [(name, content) for name, content in chunks(photo("PNG")) if name != b"eXIf"]
    behind.insert(-1, (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))
    data = START + b"".join(chunk(name, content) for name, content in behind)
    assert "gps" in examine(data).traits
    made = treated(data, metadata="strip_location")
    assert "gps" not in made.examined.traits
    assert b"GPS" not in made.data


@pytest.mark.parametrize("wanted", ["strip", "strip_location"])
def test_heic_is_upright_and_its_position_is_not_given_on(wanted: Any) -> None:
    data = heic(exif=exif(6, position=True))
    assert to_rgb(data).size == (30, 40)
    examined = examine(data)
    assert (examined.image.info.width, examined.image.info.height) == (30, 40)
    assert examined.traits == {"heic", "gps"}
    with pytest.raises(ImageReferenceError, match="HEIF can't be edited"):
        treated(data, metadata=wanted)
    made = treated(data, metadata=wanted, convert=Convert(format="JPEG"))
    assert not made.examined.traits
    upright = np.asarray(to_rgb(made.data)).astype(int)
    assert np.abs(upright - np.asarray(PHONE.transpose(Image.Transpose.ROTATE_270))).mean() < 8


@pytest.mark.parametrize("kind", ["TIFF", "AVIF"])
def test_what_cannot_be_edited_is_refused_with_what_to_do(kind: str) -> None:
    data = encoded(PICTURE, kind, exif=exif(position=True))
    for wanted in ("strip_location", "strip"):
        with pytest.raises(ImageReferenceError, match=f"{kind} can't be edited") as raised:
            treated(data, metadata=wanted)
        assert raised.value.rule == "images.metadata"
        assert "images.convert" in raised.value.hint
    plain = encoded(PICTURE, kind)
    assert treated(plain, metadata="strip").data is plain
    assert gps_of(treated(data, metadata="strip", convert=Convert(format="JPEG")).data) == {}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wanted", ["strip_location", "strip"])
@given(st.data())
@settings(max_examples=150)
def test_odd_metadata_are_left_alone_or_taken_out_whole(kind: str, wanted: str, data: st.DataObject) -> None:
    damaged = bytearray(photo(kind, 6, **KINDS[kind]))
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(2, 600))] = data.draw(st.sampled_from([0, 1, 6, 0x25, 0x88, 0xE1, 0xFF]))
    before = bytes(damaged)
    try:
        made = strip(before, wanted)
    except (OddMetadataError, PixelError):
        return
    try:
        seen = np.asarray(to_rgb(before))
    except PixelError:
        return
    assert np.array_equal(np.asarray(to_rgb(made)), seen)
    with QUIET, open_image(made) as image:
        assert not any(tag in image.getexif().get_ifd(0x8825) for tag in (1, 2, 3, 4))


@given(
    st.binary(max_size=120), st.sampled_from([b"", b"II*\0\x08\0\0\0\x01\0\x25\x88", b"MM\0*\0\0\0\x08\0\x01\x88\x25"])
)
@settings(max_examples=300)
def test_any_exif_block_is_edited_or_odd(data: bytes, start: bytes) -> None:
    try:
        made = without_position(start + data)
    except OddMetadataError:
        return
    assert len(made) == len(start + data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF"])
@pytest.mark.parametrize("turn", [1, 6])
def test_a_large_picture_is_made_smaller_upright_in_its_own_format(kind: str, turn: int) -> None:
    options = {"exif": exif(turn, position=True)} if kind != "BMP" else {}
    data = encoded(PICTURE, kind, **options)
    made = treated(data, resize=Resize(max_pixels=7500))
    info = made.examined.image.info
    upright = (100, 75) if turn == 1 or kind == "BMP" else (75, 100)
    assert (info.format, info.width, info.height) == (kind, *upright)
    assert [change.rule for change in made.changes] == ["images.resized"]
    assert made.encoded_anew
    assert not made.examined.traits
    seen = to_rgb(data).resize(upright, Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(to_rgb(made.data)).astype(int) - np.asarray(seen)).mean() < 4
    again = treat(made.data, made.examined, ImagesConfig(resize=Resize(max_pixels=7500)))
    assert again.data is made.data


def test_a_picture_within_the_bound_keeps_its_bytes() -> None:
    data = photo("JPEG")
    assert treated(data, resize=Resize(max_pixels=200 * 150), convert=Convert(format="JPEG")).data is data


@given(st.integers(1, 4000), st.integers(1, 40), st.integers(1, 3000))
@settings(max_examples=60)
def test_no_picture_is_left_with_more_pixels_than_asked_for(width: int, height: int, most: int) -> None:
    made = treated(encoded(Image.new("L", (width, height))), resize=Resize(max_pixels=most))
    info = made.examined.image.info
    assert 1 <= info.width * info.height <= most
    assert made.encoded_anew == (width * height > most)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_mode_is_converted_to_what_a_person_sees(mode: str, kind: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.linspace(0, 65535, 30_000).reshape(150, 200).astype(np.uint16))
    else:
        start = see_through().resize((200, 150)) if mode in {"LA", "RGBA"} else PICTURE
        image = start.convert(mode, dither=Image.Dither.NONE)
    data = encoded(image, "TIFF")
    made = treated(data, convert=Convert(format=kind, quality=95))  # type: ignore[arg-type]
    assert made.examined.image.info.format == kind
    assert [change.rule for change in made.changes] == ["images.converted"]
    assert np.abs(np.asarray(to_rgb(made.data)).astype(int) - np.asarray(to_rgb(data))).mean() < 6
    smaller = treated(data, resize=Resize(max_pixels=7500)).examined.image.info
    assert (smaller.width, smaller.height, smaller.format) == (100, 75, "TIFF")


def test_what_is_see_through_stays_so_where_the_format_can_hold_it() -> None:
    data = encoded(see_through().quantize(32, method=Image.Quantize.FASTOCTREE))
    for kind in ("WEBP", "PNG"):
        made = treated(data, convert=Convert(format=kind), resize=Resize(max_pixels=300))
        assert "alpha" in made.examined.traits
    assert not treated(data, convert=Convert(format="JPEG")).examined.traits


@pytest.mark.parametrize(("mode", "kept"), [("RGB", True), ("L", False), ("CMYK", False)])
def test_a_colour_profile_is_kept_where_it_still_fits(mode: str, kept: bool) -> None:
    data = encoded(PICTURE.convert(mode), "JPEG", icc_profile=SRGB)
    with opened(treated(data, resize=Resize(max_pixels=900)).data) as image:
        assert (image.info.get("icc_profile") == SRGB) == kept


@pytest.mark.parametrize(("kind", "becomes"), [("GIF", "PNG"), ("HEIF", "JPEG")])
def test_what_cannot_be_written_as_it_is_becomes_what_can(kind: str, becomes: str) -> None:
    animation = encoded(PICTURE, "GIF", save_all=True, append_images=[drawn(2, (200, 150))])
    data = heic() if kind == "HEIF" else animation
    made = treated(data, resize=Resize(max_pixels=600))
    assert made.examined.image.info.format == becomes
    assert {change.rule for change in made.changes} == {"images.resized", "images.converted"}


def test_the_same_picture_is_encoded_to_the_same_bytes() -> None:
    data = photo("JPEG", 6)
    asked: dict[str, Any] = {"resize": Resize(max_pixels=600), "convert": Convert(format="WEBP")}
    assert treated(data, **asked).data == treated(data, **asked).data


def test_a_turned_photo_is_turned_once() -> None:
    data = photo("JPEG", 6)
    made = treated(data, convert=Convert(format="PNG")).data
    with opened(data) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(pixels(made), upright)


def block_with_two_folders(order: str) -> bytes:
    """An EXIF block in a byte order, with GPS between other entries, and a second folder that GPS stands in too."""
    coordinates = struct.pack(f"{order}6I", 48, 1, 8, 1, 15, 1)
    gps = struct.pack(f"{order}H", 2) + struct.pack(f"{order}HHI4s", 1, 2, 2, b"N\0\0\0")
    first = [(0x0112, 3, 1, None, 6), (0x8825, 4, 1, 100, None), (0xC4A5, 4, 1, 77, None)]
    second = [(0x0100, 4, 1, 160, None), (0x8825, 4, 1, 100, None)]
    block = struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 8)
    for entries, following in ((first, 58), (second, 0)):
        block += struct.pack(f"{order}H", len(entries))
        for tag, kind, count, value, short in entries:
            packed = struct.pack(f"{order}HH", short, 0) if value is None else struct.pack(f"{order}I", value)
            block += struct.pack(f"{order}HHI", tag, kind, count) + packed
        block += struct.pack(f"{order}I", following).ljust(58 - len(block), b"\0") if following else bytes(4)
    block = block.ljust(100, b"\0") + gps + struct.pack(f"{order}HHII", 2, 5, 3, 140) + bytes(4)
    return block.ljust(140, b"\0") + coordinates


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_position_goes_in_either_byte_order_and_from_every_folder(order: str) -> None:
    block = block_with_two_folders(order)
    data = encoded(PICTURE, "JPEG", exif=b"Exif\0\0" + block)
    assert "gps" in examine(data).traits
    made = without_position(block)
    assert len(made) == len(block)
    assert made[140:164] == bytes(24)
    assert b"N\0\0\0" not in made
    assert struct.pack(f"{order}H", 0x8825) not in made
    stripped_data = strip(data, "strip_location")
    with opened(stripped_data) as image:
        assert dict(image.getexif()) == {0x0112: 6, 0xC4A5: 77}
    assert struct.unpack_from(f"{order}I", made, 34) == (58,)
    assert struct.unpack_from(f"{order}HHHIII", made, 58) == (1, 0x0100, 4, 1, 160, 0)
    assert np.array_equal(pixels(stripped_data), pixels(data))
