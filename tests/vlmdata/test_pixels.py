"""Bytes to pixels: every format and mode as a person sees it, and every kind of damage caught by its name."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.vlmdata.shop import drawn, encoded
from vlmdata.image.inspecting import inspect
from vlmdata.pixels import PixelError, to_rgb

ORIENTATION = 0x0112


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[ORIENTATION] = orientation
    block[0x010F] = "Maker"
    return block.tobytes()


def ramp(highest: int) -> Image.Image:
    """A grey ramp of 16 bits, from 0 to `highest`."""
    return Image.fromarray(np.linspace(0, highest, 40 * 30).reshape(30, 40).astype(np.uint16))


PICTURE = drawn(3)
SEEN_AS_IT_IS: dict[str, bytes] = {
    "png": encoded(PICTURE),
    "png-palette": encoded(PICTURE.quantize(64)),
    "png-rgba": encoded(PICTURE.convert("RGBA")),
    "webp-lossless": encoded(PICTURE, "WEBP", lossless=True),
    "gif": encoded(PICTURE.quantize(64), "GIF"),
    "tiff-lzw": encoded(PICTURE, "TIFF", compression="tiff_lzw"),
    "bmp": encoded(PICTURE, "BMP"),
}
SEEN_ALMOST_AS_IT_IS: dict[str, bytes] = {
    "jpeg": encoded(PICTURE, "JPEG", quality=95, subsampling=0),
    "jpeg-progressive": encoded(PICTURE, "JPEG", quality=95, progressive=True, subsampling=0),
    "jpeg-cmyk": encoded(PICTURE.convert("CMYK"), "JPEG", quality=95),
    "webp": encoded(PICTURE, "WEBP", quality=95),
}
WHOLE = SEEN_AS_IT_IS | SEEN_ALMOST_AS_IT_IS


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), dtype=np.int16)


@pytest.mark.parametrize("kind", SEEN_AS_IT_IS)
def test_lossless_pictures_are_seen_to_the_bit(kind: str) -> None:
    assert np.array_equal(pixels(to_rgb(SEEN_AS_IT_IS[kind])), pixels(PICTURE))


@pytest.mark.parametrize("kind", SEEN_ALMOST_AS_IT_IS)
def test_lossy_pictures_are_seen_nearly_so(kind: str) -> None:
    assert np.abs(pixels(to_rgb(SEEN_ALMOST_AS_IT_IS[kind])) - pixels(PICTURE)).mean() < 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_seen_upright_and_measured_so(kind: str, orientation: int) -> None:
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    data = encoded(PICTURE, kind, exif=exif(orientation), **options)
    with Image.open(io.BytesIO(data)) as stored:
        upright = ImageOps.exif_transpose(stored).convert("RGB")
    seen = to_rgb(data)
    info = inspect(data).info
    assert np.array_equal(pixels(seen), pixels(upright))
    assert (info.width, info.height) == seen.size == ((40, 30) if orientation < 5 else (30, 40))
    if kind != "JPEG":
        assert info.dhash == inspect(encoded(upright, "PNG")).info.dhash


@pytest.mark.parametrize("side", [60, 600])
def test_a_jpeg_is_hashed_like_the_same_picture_in_another_format(side: int) -> None:
    image = Image.effect_noise((9, 8), 200).resize((side, side), Image.Resampling.BICUBIC).convert("RGB")
    hashes = [inspect(encoded(image, kind)).info.dhash or "" for kind in ("JPEG", "PNG")]
    assert (int(hashes[0], 16) ^ int(hashes[1], 16)).bit_count() <= 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_see_through_lies_on_white(mode: str) -> None:
    if mode == "PA":
        image = Image.new("P", (40, 30), 0)
        image.putpalette([10, 20, 30, 200, 0, 0])
        image.paste(1, (10, 10, 20, 20))
        data = encoded(image, "PNG", transparency=0)
    else:
        image = PICTURE.convert(mode)
        image.putalpha(Image.new("L", image.size, 0))
        data = encoded(image)
    assert to_rgb(data).getpixel((0, 0)) == (255, 255, 255)


def test_one_colour_declared_see_through_lies_on_white_too() -> None:
    data = encoded(Image.new("RGB", (8, 8), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert to_rgb(data).getpixel((4, 4)) == (255, 255, 255)


def test_half_seen_is_half_white() -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert to_rgb(encoded(image)).getpixel((1, 1)) == (127, 127, 127)


@pytest.mark.parametrize(("highest", "brightest"), [(65535, 255), (30000, 117), (200, 1)])
def test_a_grey_picture_of_16_bits_is_scaled_not_clipped(highest: int, brightest: int) -> None:
    seen = np.asarray(to_rgb(encoded(ramp(highest))))
    assert abs(int(seen.max()) - brightest) <= 1
    assert seen.min() == 0
    assert np.all(np.diff(seen[:, :, 0].reshape(-1).astype(int)) >= 0)


def test_a_picture_of_floats_between_0_and_1_is_not_black() -> None:
    image = Image.fromarray(np.linspace(0, 1, 1200, dtype=np.float32).reshape(30, 40))
    assert np.asarray(to_rgb(encoded(image, "TIFF"))).max() >= 250


def test_of_an_animation_the_first_frame_is_seen() -> None:
    first, second = drawn(1), drawn(2)
    data = encoded(first, "GIF", save_all=True, append_images=[second])
    with Image.open(io.BytesIO(data)) as animation:
        assert np.array_equal(pixels(to_rgb(data)), pixels(animation))
    assert inspect(data).info.format == "GIF"


@pytest.mark.parametrize("kind", WHOLE)
def test_a_picture_cut_short_is_refused_unless_no_pixel_is_missing(kind: str) -> None:
    data = WHOLE[kind]
    whole = pixels(to_rgb(data))
    for length in range(len(data)):
        try:
            inspect(data[:length])
        except PixelError:
            continue
        assert np.array_equal(pixels(to_rgb(data[:length])), whole), length
        assert len(data) - length < 30


@pytest.mark.parametrize("kind", ["jpeg", "jpeg-progressive", "jpeg-cmyk", "png", "gif", "bmp"])
def test_a_picture_cut_in_its_body_is_called_truncated(kind: str) -> None:
    data = WHOLE[kind]
    with pytest.raises(PixelError) as raised:
        inspect(data[: len(data) * 7 // 10])
    assert raised.value.kind == "truncated"


@pytest.mark.parametrize("kind", [*WHOLE, "turned"])
@given(st.data())
@settings(max_examples=120)
def test_damaged_bytes_are_a_picture_or_a_pixel_error(kind: str, data: st.DataObject) -> None:
    whole = encoded(PICTURE, "JPEG", exif=exif(6)) if kind == "turned" else WHOLE[kind]
    damaged = bytearray(whole)
    reach = data.draw(st.sampled_from([40, 300, len(whole)]))
    for _ in range(data.draw(st.integers(1, 5))):
        damaged[data.draw(st.integers(0, min(reach, len(whole)) - 1))] = data.draw(st.integers(0, 255))
    try:
        info = inspect(bytes(damaged)).info
    except PixelError as error:
        with pytest.raises(PixelError) as raised:
            inspect(bytes(damaged), verify="whole")
        assert raised.value.message == error.message
        return
    assert replace(info, dhash=None) == inspect(bytes(damaged), verify="whole").info
    seen = to_rgb(bytes(damaged))
    assert (info.width, info.height) == seen.size


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF", b"GIF89a", b"II*\0", b"BM"]),
)
@settings(max_examples=200)
def test_any_bytes_are_a_picture_or_a_pixel_error(data: bytes, start: bytes) -> None:
    for look in (inspect, to_rgb):
        try:
            look(start + data)
        except PixelError as error:
            assert error.message


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def claimed(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "lfs_pointer"),
        (b"\n <!DOCTYPE html><html>", "html"),
        (b"\xef\xbb\xbf<HTML><body>404", "html"),
        (b'<?xml version="1.0"?><error>', "html"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg">', "not_an_image"),
        (b"The photo follows.", "not_an_image"),
        (claimed(60_000, 60_000), "bomb"),
        (claimed(9_000, 9_950), "bomb"),
        (encoded(drawn(1), "ICO"), "not_an_image"),
        (encoded(drawn(1), "PPM"), "not_an_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not_an_image"),
    ],
)
def test_each_kind_of_wrong_bytes_has_its_name(data: bytes, kind: str) -> None:
    for look in (inspect, to_rgb):
        with pytest.raises(PixelError) as raised:
            look(data)
        assert raised.value.kind == kind


def test_the_bound_on_pixels_is_held_before_decoding() -> None:
    for data in (encoded(PICTURE), encoded(PICTURE, "JPEG")):
        assert inspect(data, pixel_limit=40 * 30).info.width == 40
        with pytest.raises(PixelError, match="1,200 pixels, at most 1,199"):
            inspect(data, pixel_limit=40 * 30 - 1)


def test_a_hole_in_a_jpeg_is_found() -> None:
    data = bytearray(encoded(Image.effect_noise((200, 200), 80).convert("RGB"), "JPEG", quality=90))
    middle = len(data) // 2
    data[middle : middle + 4096] = bytes(4096)
    with pytest.raises(PixelError) as raised:
        inspect(bytes(data))
    assert raised.value.kind == "corrupt"


def test_what_follows_the_end_of_a_jpeg_does_no_harm() -> None:
    data = encoded(PICTURE, "JPEG")
    assert inspect(data + b"trailing").info.format == "JPEG"
    assert inspect(data[:-2] + b"\0\0\0" + data[-2:]).info.dhash == inspect(data).info.dhash


def test_a_header_is_enough_where_the_recipe_says_so() -> None:
    data = encoded(PICTURE, "JPEG", exif=exif(6))
    info = inspect(data[: len(data) * 8 // 10] + b"\xff\xd9", verify="header").info
    assert (info.width, info.height, info.dhash) == (30, 40, None)
