"""Mistakes in a catalog's photos: what stands in a product's photo file, and the rule that should find it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from random import Random

from PIL import Image

from tests.vlmdata.planted.catalog import Product, drawn, jpeg, saved
from tests.vlmdata.planted.texts import Change, Kind


def file(make: Callable[[int], bytes], suffix: str = "") -> Change:
    """Other bytes in the photo's file, of the product's own number; under another ending, where one is given."""

    def change(product: Product, _: Random) -> Product:
        name = product.photo.replace(".jpg", suffix) if suffix else product.photo
        return replace(product, photo=name, data=make(int(product.sku.rpartition("-")[2])))

    return change


def named(name: Callable[[Product], str]) -> Change:
    """Another name in the photo's cell; the file stays where it is."""
    return lambda product, _: replace(product, photo=name(product), data=None)


def whole(number: int) -> bytes:
    """A large photo, so that it can be cut."""
    return jpeg(drawn(number, size=(640, 480)))


def cut(number: int) -> bytes:
    """The first part of a JPEG."""
    return whole(number)[:-4_000]


def cut_progressive(number: int) -> bytes:
    """A progressive JPEG without its last scans."""
    data = jpeg(drawn(number, size=(640, 480)), progressive=True)
    return data[: len(data) * 2 // 3]


def filled_with_zeros(number: int) -> bytes:
    """A JPEG whose second half a broken download left as zeros."""
    data = whole(number)
    return data[: len(data) // 2] + bytes(len(data) - len(data) // 2)


def flipped(number: int) -> bytes:
    """A JPEG in which some bytes of the picture were damaged."""
    data = bytearray(whole(number))
    for place in range(len(data) // 2, len(data) // 2 + 400):
        data[place] ^= 0x5A
    return bytes(data)


def png(number: int, size: tuple[int, int] = (176, 144)) -> bytes:
    """A photo as PNG."""
    return saved(drawn(number, size=size), "PNG")


def damaged_png(number: int) -> bytes:
    """A PNG with a chunk that its checksum does not fit."""
    data = bytearray(png(number))
    data[len(data) // 2] ^= 0xFF
    return bytes(data)


def bomb(_: int) -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a few kilobytes."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(bytes(7_501) * 20)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


def turned(number: int) -> bytes:
    """A photo that its EXIF turns."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return jpeg(drawn(number), exif=exif)


def with_position(number: int) -> bytes:
    """A photo that says where it was taken."""
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 22.0, 0.1 + number / 1_000), 3: "E", 4: (8.0, 32.0, 1.0)})
    return jpeg(drawn(number), exif=exif)


def animated(number: int) -> bytes:
    """Two frames."""
    return saved(drawn(number), "GIF", save_all=True, append_images=[drawn(number + 1)], duration=100)


def see_through(number: int) -> bytes:
    """A product cut out, with nothing behind it."""
    image = drawn(number).convert("RGBA")
    image.putalpha(Image.radial_gradient("L").resize(image.size))
    return saved(image, "PNG")


def sixteen_bit(number: int) -> bytes:
    """A TIFF of 16 bits a value."""
    return saved(drawn(number).convert("L").convert("I").point(lambda v: v * 256).convert("I;16"), "TIFF")


def blank(number: int) -> bytes:
    """One colour all over."""
    return jpeg(Image.new("RGB", (200, 160), (number % 250, 90, 120)))


def with_noise(number: int, level: int) -> Image.Image:
    """One colour in a sensor's noise of five to twelve levels."""
    rng = Random(number)
    image = Image.new("RGB", (200, 160))
    deviation = 5 + number % 8
    image.putdata([tuple(round(rng.gauss(level, deviation)) for _ in range(3)) for _ in range(200 * 160)])
    return image


def black(number: int) -> bytes:
    """A photo taken with the lid on: black, with a little noise."""
    rng = Random(number)
    image = Image.new("RGB", (200, 160))
    image.putdata([(rng.randrange(4),) * 3 for _ in range(200 * 160)])
    return jpeg(image)


def heic(number: int) -> bytes:
    """The beginning of a HEIC file, as a phone takes it."""
    body = b"ftypheic\x00\x00\x00\x00mif1heicMiHB"
    return struct.pack(">I", len(body) + 4) + body + bytes([number % 250]) * 600


SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90"><circle r="{}"/></svg>'
HTML = "<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>No such photo {}.</body></html>"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:{:064x}\nsize 48220\n"
JSON = '{{"error": "AccessDenied", "request": {}}}'
XML = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code><Id>{}</Id></Error>'
PDF = "%PDF-1.7\n1 0 obj <</Type /Catalog /N {}>> endobj\n%%EOF\n"


def text_file(text: str) -> Callable[[int], bytes]:
    """A text in place of a picture."""
    return lambda number: text.format(number).encode()


def _kind(name: str, rules: str, change: Change) -> Kind:
    return Kind(name=name, rules=tuple(rules.split()), change=change)


KINDS = (
    _kind("no such file", "images.missing", named(lambda product: f"99/{product.sku}.jpg")),
    _kind("no name at all", "images.none images.missing images.value", named(lambda _: "")),
    _kind("nan for a name", "images.missing images.value images.none", named(lambda _: "nan")),
    _kind("out of the folder", "images.outside", named(lambda _: "../../etc/passwd.jpg")),
    _kind("absolute path", "images.outside", named(lambda _: "/etc/passwd")),
    _kind("path of a Windows machine", "images.missing images.outside", named(lambda p: f"C:\\photos\\{p.sku}.jpg")),
    _kind("address", "network.host images.url", named(lambda p: f"https://shop.example/{p.sku}.jpg")),
    _kind("file address", "network.scheme images.outside images.url", named(lambda p: f"file:///tmp/{p.sku}.jpg")),
    _kind("bucket", "images.bucket images.url", named(lambda p: f"s3://photos/{p.sku}.jpg")),
    _kind("a number for a name", "images.value images.missing", named(lambda _: "17")),
    _kind("a folder for a name", "images.missing images.unreadable images.not_an_image", named(lambda _: "01")),
    _kind("list as text", "images.missing images.value", named(lambda p: f"['{p.photo}']")),
    _kind("broken data address", "images.data_uri images.not_an_image", named(lambda _: "data:image/jpeg;base64,AAAA")),
    _kind("zero bytes", "images.empty", file(lambda _: b"")),
    _kind("web page", "images.not_an_image", file(text_file(HTML))),
    _kind("JSON", "images.not_an_image", file(text_file(JSON))),
    _kind("XML error of a bucket", "images.not_an_image", file(text_file(XML))),
    _kind("PDF", "images.not_an_image", file(text_file(PDF))),
    _kind("plain text", "images.not_an_image", file(text_file("no photo {}"))),
    _kind("SVG", "images.not_an_image images.format", file(text_file(SVG))),
    _kind("SVG by its own name", "images.not_an_image images.format", file(text_file(SVG), ".svg")),
    _kind("LFS pointer", "images.lfs_pointer", file(text_file(LFS))),
    _kind("zeros", "images.not_an_image images.corrupt", file(lambda n: bytes(2_000 + n % 50))),
    _kind("zip", "images.not_an_image", file(lambda n: b"PK\x03\x04" + bytes([n % 250]) * 400)),
    _kind(
        "video",
        "images.not_an_image images.format",
        file(lambda n: b"\x00\x00\x00\x18ftypmp42" + bytes([n % 250]) * 99),
    ),
    _kind("HEIC by another name", "images.format images.corrupt images.heic images.truncated", file(heic)),
    _kind("truncated JPEG", "images.truncated", file(cut)),
    _kind("truncated progressive JPEG", "images.truncated", file(cut_progressive)),
    _kind("JPEG cut in its header", "images.truncated images.corrupt", file(lambda n: whole(n)[:200])),
    _kind("half of zeros", "images.truncated images.corrupt", file(filled_with_zeros)),
    _kind("damaged JPEG", "images.corrupt images.truncated", file(flipped)),
    _kind("truncated PNG", "images.truncated", file(lambda n: png(n, (400, 300))[:-900], ".png")),
    _kind("damaged PNG", "images.corrupt", file(damaged_png, ".png")),
    _kind("truncated WebP", "images.truncated", file(lambda n: saved(drawn(n), "WEBP")[:-300], ".webp")),
    _kind("WebP without its last byte", "images.truncated", file(lambda n: saved(drawn(n), "WEBP")[:-1], ".webp")),
    _kind("truncated AVIF", "images.truncated", file(lambda n: saved(drawn(n), "AVIF")[:-100], ".avif")),
    _kind("truncated TIFF", "images.truncated", file(lambda n: saved(drawn(n), "TIFF")[:-100], ".tif")),
    _kind("truncated BMP", "images.truncated", file(lambda n: saved(drawn(n), "BMP")[:-100], ".bmp")),
    _kind("JPEG without its end", "images.truncated", file(lambda n: whole(n)[:-2])),
    _kind("PNG without its end", "images.truncated", file(lambda n: png(n)[: -1 - n % 12], ".png")),
    _kind("PNG cut in its last pixels", "images.truncated", file(lambda n: png(n)[: -13 - n % 4], ".png")),
    _kind("GIF without its end", "images.truncated", file(lambda n: saved(drawn(n), "GIF")[: -1 - n % 2], ".gif")),
    _kind(
        "animation cut in its second frame",
        "images.truncated images.animated",
        file(lambda n: animated(n)[:-50], ".gif"),
    ),
    _kind("bomb", "images.bomb", file(bomb, ".png")),
    _kind("tracking pixel", "images.too_small", file(lambda n: png(n, (1, 1)), ".png")),
    _kind("thumbnail", "images.too_small", file(lambda n: jpeg(drawn(n, size=(24, 20))))),
    _kind("panorama", "images.aspect_ratio", file(lambda n: jpeg(drawn(n, size=(9_000, 40))))),
    _kind("rule", "images.aspect_ratio images.too_small", file(lambda n: png(n, (1_200, 3)), ".png")),
    _kind("banner", "images.narrow", file(lambda n: jpeg(drawn(n, size=(1_400, 60))))),
    _kind("blank", "images.blank", file(blank)),
    _kind("white wall in little light", "images.blank", file(lambda n: jpeg(with_noise(n, 250)))),
    _kind("grey card", "images.blank", file(lambda n: jpeg(with_noise(n, 128)))),
    _kind("white PNG", "images.blank", file(lambda n: saved(Image.new("L", (90 + n % 80, 99), 255), "PNG"), ".png")),
    _kind(
        "empty cut-out",
        "images.blank images.alpha",
        file(lambda n: saved(Image.new("RGBA", (90 + n % 80, 99)), "PNG"), ".png"),
    ),
    _kind("CMYK", "images.cmyk", file(lambda n: jpeg(drawn(n).convert("CMYK")))),
    _kind("16 bits", "images.sixteen_bit", file(sixteen_bit, ".tif")),
    _kind(
        "16-bit PNG",
        "images.sixteen_bit",
        file(
            lambda n: saved(drawn(n).convert("L").convert("I").point(lambda v: v * 256).convert("I;16"), "PNG"), ".png"
        ),
    ),
    _kind("animated", "images.animated", file(animated, ".gif")),
    _kind("see-through", "images.alpha", file(see_through, ".png")),
    _kind("turned", "images.turned", file(turned)),
    _kind("position", "images.gps", file(with_position)),
    _kind(
        "JPEG with more behind it", "images.trailing", file(lambda n: jpeg(drawn(n)) + b"MZ" + bytes([n % 250]) * 5_000)
    ),
    _kind("zip behind a PNG", "images.trailing", file(lambda n: png(n) + b"PK\x03\x04" + bytes(5_000), ".png")),
)
FINE = (
    file(png),  # a PNG whose name ends in .jpg
    file(lambda n: jpeg(drawn(n).convert("L"))),
    file(lambda n: jpeg(drawn(n), progressive=True)),
    file(lambda n: saved(drawn(n), "WEBP"), ".webp"),
    file(lambda n: saved(drawn(n).quantize(32), "PNG"), ".png"),
    file(lambda n: jpeg(drawn(n)) + b"\r\n"),
    file(lambda n: saved(drawn(n), "BMP"), ".bmp"),
)
"""What looks odd and is a whole picture all the same."""
