"""Near-duplicates: what shops do to a photo leaves it the same, another product does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.vlmdata.near_duplicates import SAME, book_cover, jpeg, product_photo, saved
from vlmdata.check.near_duplicates import FAR, NEAR, WIDE, Proposals, expanded
from vlmdata.confirming import Confirmation, Likeness, usual_distance
from vlmdata.image.inspecting import inspect
from vlmdata.image.likeness import distances
from vlmdata.image.small_picture import coarse_picture, is_blank, may_be_alike, small_picture
from vlmdata.pixels import PixelError
from vlmdata.splits.joining import components


def apart(first: bytes, second: bytes) -> float:
    one, two = small_picture(first), small_picture(second)
    return float(distances(one[None], two[None])[0])


@pytest.mark.parametrize("white", [False, True])
@pytest.mark.parametrize("change", SAME)
def test_a_photo_stays_the_same_whatever_a_shop_does_to_it(change: str, white: bool) -> None:
    for seed in range(4):
        photo = product_photo(seed, white=white)
        first, second = small_picture(jpeg(photo)), small_picture(SAME[change](photo))
        assert distances(first[None], second[None])[0] <= usual_distance()
        assert may_be_alike(coarse_picture(first)[None], coarse_picture(second)[None])[0]


@pytest.mark.parametrize("white", [False, True])
def test_another_colour_pattern_or_shape_is_another_product(white: bool) -> None:
    for seed in range(4):
        photo = jpeg(product_photo(seed, white=white, colour=0, striped=True))
        assert apart(photo, jpeg(product_photo(seed, white=white, colour=1, striped=True))) > 1.4 * usual_distance()
        assert apart(photo, jpeg(product_photo(seed, white=white, colour=0, striped=False))) > 1.2 * usual_distance()
        assert apart(photo, jpeg(product_photo(seed + 9, white=white, colour=0, striped=True))) > 2 * usual_distance()


TITLES = (("River", "Moon"), ("Garden", "House"), ("Winter", "Light"), ("River", "Light"))


@pytest.mark.parametrize("change", SAME)
def test_the_cover_of_a_book_stays_the_same_and_another_title_makes_another(change: str) -> None:
    covers = [book_cover(title) for title in TITLES]
    for cover in covers:
        assert apart(jpeg(cover), SAME[change](cover)) <= usual_distance()
        assert all(apart(SAME[change](cover), jpeg(other)) > usual_distance() for other in covers if other is not cover)


def test_detail_is_looked_at_only_in_pairs_that_are_near_without_it() -> None:
    one, two = (small_picture(jpeg(book_cover(title)))[None] for title in TITLES[:2])
    assert distances(one, two, limit=0)[0] < distances(one, two)[0]


def test_distance_is_zero_for_equal_pictures_and_the_same_both_ways() -> None:
    one, two = small_picture(jpeg(product_photo(1))), small_picture(jpeg(product_photo(2)))
    assert distances(one[None], one[None])[0] == 0
    assert distances(one[None], two[None])[0] == distances(two[None], one[None])[0]
    assert len(distances(one[None][:0], one[None][:0])) == 0


def test_a_small_picture_is_turned_and_laid_on_white_as_it_is_shown() -> None:
    photo = product_photo(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = photo.transpose(Image.Transpose.ROTATE_90)
    assert apart(jpeg(photo), saved(turned, "JPEG", quality=88, exif=exif)) <= usual_distance()  # type: ignore[arg-type]
    clear = Image.new("RGBA", (50, 40), (0, 0, 0, 0))
    assert is_blank(small_picture(saved(clear, "PNG")))
    assert small_picture(saved(clear, "PNG"))["colour"].min() == 255


def test_bytes_that_are_no_picture_are_refused() -> None:
    for data in (b"no picture", jpeg(product_photo(1))[:900], b""):
        with pytest.raises(PixelError):
            small_picture(data)


def test_a_picture_of_one_colour_is_blank_and_a_product_is_not() -> None:
    assert is_blank(small_picture(jpeg(Image.new("RGB", (300, 200), (240, 240, 238)))))
    assert not is_blank(small_picture(jpeg(product_photo(1, white=True))))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 2), st.integers(0, 64), st.sampled_from([WIDE, FAR, NEAR]))
def test_every_pair_within_reach_is_proposed_once(seed: int, clumps: int, constant: int, reach: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**63, 300, dtype=np.uint64)
    if clumps:
        hashes[:150] = hashes[0] ^ (np.uint64(1) << rng.integers(0, 63, 150).astype(np.uint64))
    if clumps == 2 and constant:
        hashes &= np.uint64(2**64 - 1) >> np.uint64(min(constant, 50))
    hashes = np.unique(hashes)
    proposals = Proposals(hashes)
    proposals.reach = reach
    found = [pair for one, two in proposals.pairs() for pair in zip(one.tolist(), two.tolist(), strict=True)]
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    wanted = {(i, j) for i, j in zip(*np.nonzero(bits <= reach), strict=True) if i < j}
    assert len(found) == len(set(found))
    assert set(found) == wanted


def test_too_many_candidates_lower_the_reach_and_are_cut_off_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.arange(2_000, dtype=np.uint64)
    monkeypatch.setattr("vlmdata.check.near_duplicates.SMALL", 100)
    assert Proposals(hashes).reach == FAR
    monkeypatch.setattr("vlmdata.check.near_duplicates.MOST_CANDIDATES", 10)
    assert Proposals(hashes).reach == NEAR
    assert not Proposals(hashes).bounded
    monkeypatch.setattr("vlmdata.check.near_duplicates.MOST_NEAR_CANDIDATES", 10)
    bounded = Proposals(hashes)
    assert bounded.bounded
    assert sum(len(one) for one, _ in bounded.pairs()) > 0


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=20), st.integers(1, 7))
def test_expansion_gives_every_place_once_in_chunks(spans: list[tuple[int, int]], chunk: int) -> None:
    begin = np.array([first for first, _ in spans], np.int64)
    end = np.array([first + length for first, length in spans], np.int64)
    found = [pair for rows, places in expanded(begin, end, chunk) for pair in zip(rows, places, strict=True)]
    assert found == [
        (row, place) for row, (first, length) in enumerate(spans) for place in range(first, first + length)
    ]
    assert all(len(rows) <= max(chunk, 1) + 8 for rows, _ in expanded(begin, end, chunk))


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=80))
def test_union_find_joins_exactly_what_hangs_together(edges: list[tuple[int, int]]) -> None:
    found = components(40, *(np.array([edge[side] for edge in edges], np.int64) for side in (0, 1)))
    wanted = list(range(40))
    for _ in range(40):
        for one, two in edges:
            wanted[one] = wanted[two] = min(wanted[one], wanted[two])
    assert found.tolist() == wanted


def confirmed(files: list[bytes], workers: int = 2) -> Likeness:
    hashes = np.array([int(inspect(data).info.dhash or "0", 16) for data in files], np.uint64)
    read = lambda numbers: ((number, files[number]) for number in numbers)  # noqa: E731
    known = np.ones(len(files), bool)
    return Confirmation(hashes=hashes, known=known, read=read, distance=usual_distance(), workers=workers).run()


def test_products_on_white_whose_hashes_are_equal_are_told_apart() -> None:
    files = [jpeg(product_photo(seed, white=True, colour=colour)) for seed in range(6) for colour in range(5)]
    twin = jpeg(product_photo(4, white=True, colour=2), 60)
    found = confirmed([*files, twin])
    assert found.pairs.tolist() == [[22, 30]]
    assert found.images == 2
    assert found.compared > 20


def test_the_number_of_threads_changes_nothing_and_damaged_images_are_said() -> None:
    files = [jpeg(product_photo(seed), quality) for seed in range(5) for quality in (60, 70, 90)]
    one, four = confirmed(files, 1), confirmed(files, 4)
    assert one.pairs.tolist() == four.pairs.tolist()
    assert one.distances.tolist() == four.distances.tolist()
    assert one.images == 15
    hashes = np.zeros(3, np.uint64)
    read = lambda numbers: ((number, files[0] if number else files[0][:500]) for number in numbers)  # noqa: E731
    known = np.ones(3, bool)
    found = Confirmation(hashes=hashes, known=known, read=read, distance=usual_distance()).run()
    assert found.pairs.tolist() == [[1, 2]]
    assert found.notes == ("1 images could not be decoded and were compared with none",)
