"""What whole-dataset checks compare of a row: 64-bit hashes of its question, its answer, its images and its group.

They are read off the columns' buffers. A row's texts lie next to each other there, so that no Python text is made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

SHA_DIGITS = 64
HASH_DIGITS = 16
STEP = np.uint64(0x9E3779B97F4A7C15)
FIRST_FACTOR, SECOND_FACTOR = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
"""The constants of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowKeys:
    """Of each row of a batch: hashes, the number of its images, and its last turn's text.

    `questions` covers every text before the last turn, `answers` those of the last turn. `image_sets` covers a row's
    images in order, `images` each image on its own, row after row. A row without a group is a group of its own.
    `answer_texts` is null where the last turn is not one text.
    """

    questions: Hashes
    answers: Hashes
    image_sets: Hashes
    groups: Hashes
    images: Hashes
    image_counts: Places
    answer_texts: pa.StringArray


def row_keys(batch: pa.RecordBatch) -> RowKeys:
    """The keys of a batch in the columns of `corpus.corpus_schema`."""
    questions, answers, texts = _turns(batch.column("messages"))
    infos = batch.column("image_info")
    bounds = _bounds(infos)
    images = _of_images(infos.values.field("sha256").slice(bounds[0], bounds[-1] - bounds[0]))
    groups, ids = batch.column("group"), batch.column("id")
    named = _lengths(groups) > 0
    return RowKeys(
        questions=questions,
        answers=answers,
        image_sets=mixed(images, bounds - bounds[0]),
        groups=_of_texts(groups) if named.all() else np.where(named, _of_texts(groups), _of_texts(ids)),
        images=images,
        image_counts=np.diff(bounds),
        answer_texts=texts,
    )


def mixed(values: Hashes, bounds: Places) -> Hashes:
    """One hash for each run of values between two bounds; the order within a run counts."""
    starts, counts = bounds[:-1], np.diff(bounds)
    places = np.arange(len(values), dtype=np.int64) - np.repeat(starts, counts)
    found = values + (places + 1).astype(np.uint64) * STEP
    found = (found ^ (found >> np.uint64(30))) * FIRST_FACTOR
    found = (found ^ (found >> np.uint64(27))) * SECOND_FACTOR
    sums: Hashes = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(found ^ (found >> np.uint64(31)), out=sums[1:])
    begun: Hashes = sums[starts]
    return sums[bounds[1:]] - begun


def _turns(messages: pa.ListArray) -> tuple[Hashes, Hashes, pa.StringArray]:
    """The hashes of what stands before each row's last turn, and of that turn; and its text."""
    contents = messages.values.field("content")
    texts, turns, parts = contents.values.field("text"), _bounds(messages), _bounds(contents)
    first, end = turns[:-1], turns[1:]
    bounds = np.empty(2 * len(messages) + 1, np.int64)
    bounds[:-1:2], bounds[1::2], bounds[-1] = parts[first], parts[np.maximum(end - 1, first)], parts[turns[-1]]
    found = _of_runs(texts, bounds)
    is_text = np.diff(bounds)[1::2] == 1
    answers = texts.take(pa.array(np.where(is_text, bounds[1::2], 0), mask=~is_text))
    return found[0::2], found[1::2], answers


def _bounds(lists: pa.ListArray) -> Places:
    """Where each list begins in the values, and where the last one ends."""
    return lists.offsets.to_numpy().astype(np.int64) if len(lists) else np.zeros(1, np.int64)


def _offsets(texts: pa.StringArray) -> Places:
    """Where each text begins in the bytes."""
    places = texts.buffers()[1]
    if places is None or not len(texts):
        return np.zeros(len(texts) + 1, np.int64)
    return np.frombuffer(places, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)


def _lengths(texts: pa.StringArray) -> Places:
    """The bytes of each text; none of one that is missing."""
    found: Places = np.diff(_offsets(texts)) * texts.is_valid().to_numpy(zero_copy_only=False)
    return found


def _of_runs(texts: pa.StringArray, bounds: Places) -> Hashes:
    """A hash of the texts between each two bounds, and of how long each of them is."""
    offsets = _offsets(texts)
    lengths = np.diff(offsets[bounds[0] : bounds[-1] + 1]).astype(np.uint64)
    joined = _of_bytes(texts, offsets[bounds[:-1]], offsets[bounds[1:]])
    return joined + mixed(lengths, bounds - bounds[0])


def _of_texts(texts: pa.StringArray) -> Hashes:
    offsets = _offsets(texts)
    return _of_bytes(texts, offsets[:-1], offsets[1:])


def _of_bytes(texts: pa.StringArray, starts: Places, ends: Places) -> Hashes:
    held = texts.buffers()[2]
    data = memoryview(held) if held is not None else memoryview(b"")
    digest = xxhash.xxh3_64_intdigest
    found = [digest(data[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return np.array(found, np.uint64)


def _of_images(shas: pa.StringArray) -> Hashes:
    """The first eight bytes of each sha256, which stand for it; a hash of what is none."""
    if shas.null_count or (np.diff(_offsets(shas)) != SHA_DIGITS).any():
        return _of_texts(shas)
    start = int(_offsets(shas)[0])
    digits = np.frombuffer(shas.buffers()[2] or b"", np.uint8)[start : start + SHA_DIGITS * len(shas)]
    digits = digits.reshape(-1, SHA_DIGITS)[:, :HASH_DIGITS]
    halves = np.where(digits > ord("9"), digits - (ord("a") - 10), digits - ord("0")).astype(np.uint8)
    return ((halves[:, 0::2] << 4) | halves[:, 1::2]).copy().view(">u8").astype(np.uint64).reshape(-1)
