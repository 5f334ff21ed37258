"""Leaks: images that stand in several splits, or in a dataset that must stay unseen, by bytes and by their looks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vlmdata.check.rows import id_order
from vlmdata.check_settings import CheckSettings
from vlmdata.confirming import NOTHING, Confirmation, Likeness
from vlmdata.corpus import Corpus
from vlmdata.corpus_rows import CorpusRows, Shown, collect
from vlmdata.index_rows import suspects_of
from vlmdata.linking import KnownLooks
from vlmdata.record import Problem, Severity
from vlmdata.splits.joining import components

Numbers = npt.NDArray[np.int64]
BYTES, LOOKS, WITHIN = "split.image_leak", "split.near_duplicate_leak", "dataset.near_duplicate"
AGAINST_BYTES, AGAINST_LOOKS, AGAINST_TEXT = "split.against_bytes", "split.against_near_duplicate", "split.against_text"
SHARED, UNSEEN = "split.shared_image", "split.without_near_duplicates"
SPLIT_HINT = "split it anew with `vlmdata split`"
UNSEEN_HINT = "take the row out"
HASH_HINT = "build with images.verify: full; in a dataset of your own, write what vlmdata.image.inspecting.inspect says"


def leak_findings(corpus: Corpus, against: Sequence[Corpus], settings: CheckSettings) -> Iterator[Problem]:
    """Everything that a corpus has twice where it should not, but for groups: those are looked at with the ids."""
    near = {name for name in (LOOKS, WITHIN) if settings.wants(name)}
    near |= {AGAINST_LOOKS} if against and settings.wants(AGAINST_LOOKS) else set()
    if len(corpus.splits) < 2:
        near.discard(LOOKS)
    if not near and not against and (len(corpus.splits) < 2 or not settings.wants(BYTES)):
        return
    rows = collect([corpus, *against])
    farthest = max((settings.threshold(name, "distance") for name in near), default=0.0)
    before = _known_before(rows, farthest) if near else None
    likeness = before or (confirmed(rows, farthest) if near else NOTHING)
    for note in likeness.notes:
        yield Problem(rule=UNSEEN, message=note, severity="warning")
    if near and before is None:  # a split that looked through a recipe's images has said what it could not see
        yield from _without_hash(rows)
    leaks = Leaks(rows=rows, likeness=likeness, settings=settings)
    yield from leaks.findings()
    if against:
        yield from leaks.against()


def _without_hash(rows: CorpusRows) -> Iterator[Problem]:
    """How many images, of all corpora, can't be compared."""
    without = int((~rows.pictures.known).sum())
    if without:
        images = f"{without:,} of {len(rows.pictures.known):,} images have no dhash"
        message = f"{images}: near-duplicates of them were not looked for"
        yield Problem(rule=UNSEEN, message=message, hint=HASH_HINT, severity="warning")


def _known_before(rows: CorpusRows, distance: float) -> Likeness | None:
    """The near-duplicates of a corpus that was looked through while it was split; None where there is more to see."""
    looks: KnownLooks | None = getattr(rows.corpora[0], "looks", None)
    if looks is None or len(rows.corpora) > 1 or looks.distance < distance:
        return None
    return looks.among(rows.pictures)


def confirmed(rows: CorpusRows, distance: float, workers: int | None = None) -> Likeness:
    """The near-duplicates among the images of all corpora."""
    pictures = rows.pictures

    def images(wanted: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        left = {pictures.sha256(number): number for number in wanted}
        for corpus in rows.corpora:
            for sha, data in corpus.image_bytes(set(left)) if left else ():
                if sha in left:
                    yield left.pop(sha), data

    return Confirmation(
        hashes=pictures.hashes,
        known=pictures.known,
        read=images,
        distance=distance,
        workers=workers or os.cpu_count() or 1,
        suspects=suspects_of(rows.incidence, pictures),
    ).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """A reference to an image in a row that an earlier row has, or has something like."""

    reference: int
    other: int


@dataclass(slots=True, kw_only=True)
class Leaks:
    """The search, once the rows are collected and the pairs confirmed."""

    rows: CorpusRows
    likeness: Likeness
    settings: CheckSettings

    def looks(self, rule: str) -> Numbers:
        """Of each image the first that it looks like, by the distance of a rule."""
        near = self.likeness.distances <= self.settings.threshold(rule, "distance")
        pairs = self.likeness.pairs[near]
        return components(self.rows.incidence.image_count, pairs[:, 0], pairs[:, 1])

    def findings(self) -> Iterator[Problem]:
        """Leaks between the splits of the first corpus, and near-duplicates within them."""
        rows = self.rows
        mine = (rows.corpus == 0)[rows.row_of]
        own = np.arange(rows.incidence.image_count)
        looks = self.looks(LOOKS)
        wide = self._wide(looks, mine)
        yield from self._say_wide(looks, wide, mine)
        counted = mine & ~wide[looks[rows.incidence.images]] & ~self._blank()
        split = rows.split[rows.row_of]
        by_bytes = self._elsewhere(own, split, counted)
        yield from self._told(BYTES, by_bytes, "the image is, byte for byte, also in {split}: {other}")
        by_looks = self._elsewhere(looks, split, counted, but=self._leaking(own, split, counted))
        yield from self._told(LOOKS, by_looks, "the image looks the same as one in {split}: {other}")
        yield from self._told(WITHIN, self._within(split, counted), "the image looks the same as that of {other}")

    def against(self) -> Iterator[Problem]:
        """What the first corpus has in common with the others."""
        rows = self.rows
        own, looks = np.arange(rows.incidence.image_count), self.looks(AGAINST_LOOKS)
        side = (rows.corpus > 0).astype(np.int64)[rows.row_of]
        counted = ~self._blank()
        leaking = self._leaking(own, side, counted)
        by_bytes = self._elsewhere(own, 1 - side, counted)
        yield from self._told(AGAINST_BYTES, by_bytes, "the image is, byte for byte, in {corpus}: {other}", UNSEEN_HINT)
        by_looks = self._elsewhere(looks, 1 - side, counted, but=leaking)
        message = "the image looks the same as one in {corpus}: {other}"
        yield from self._told(AGAINST_LOOKS, by_looks, message, UNSEEN_HINT)
        yield from self._texts()

    def _blank(self) -> npt.NDArray[np.bool_]:
        return np.isin(self.rows.incidence.images, sorted(self.likeness.blank))

    def _wide(self, looks: Numbers, mine: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Looks that stand in so many groups that they say nothing of them."""
        rows = self.rows
        both = np.unique(
            looks[rows.incidence.images[mine]] * rows.incidence.unit_count + rows.incidence.units[rows.row_of[mine]]
        )
        counts = np.bincount(both // max(rows.incidence.unit_count, 1), minlength=rows.incidence.image_count)
        wide: npt.NDArray[np.bool_] = counts > self.settings.threshold(SHARED, "groups")
        return wide

    def _say_wide(self, looks: Numbers, wide: npt.NDArray[np.bool_], mine: npt.NDArray[np.bool_]) -> Iterator[Problem]:
        if not self.settings.wants(SHARED):
            return
        rows, row_of, look = self.rows, self.rows.row_of, looks[self.rows.incidence.images]
        sets = [
            (len(np.unique(rows.units[row_of[same]])), self._of_one_group(same))
            for same in self._alike(look, mine & wide[look])
        ]
        shown = rows.shown(int(row) for _, same in sets for row in row_of[same])
        for groups, same in sets:
            reference = min(same.tolist(), key=lambda place: id_order(shown[int(row_of[place])].id))
            message = f"the image, or one that looks the same, stands in {groups:,} groups; it is not counted as a leak"
            hint = "leave it out where it is a placeholder"
            problem = Problem(rule=SHARED, message=message, hint=hint, severity="warning")
            yield self._at(problem, reference, shown[int(row_of[reference])])

    def _alike(self, look: Numbers, wanted: npt.NDArray[np.bool_]) -> list[Numbers]:
        """The wanted references, those of each look together."""
        references = np.flatnonzero(wanted)
        references = references[np.argsort(look[references], kind="stable")]
        starts = np.flatnonzero(np.diff(look[references])) + 1
        return np.split(references, starts) if len(references) else []

    def _of_one_group(self, references: Numbers) -> Numbers:
        """References of one group only, whatever the order of the rows, so that few rows are read to name one."""
        units = self.rows.units[self.rows.row_of[references]]
        one_group: Numbers = references[units == units.min()]
        return one_group

    def _leaking(self, looks: Numbers, side: Numbers, counted: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Which references are to looks that stand on several sides."""
        look = looks[self.rows.incidence.images]
        both = np.unique(np.stack([look[counted], side[counted]]), axis=1)
        several = np.bincount(both[0], minlength=self.rows.incidence.image_count) > 1
        found: npt.NDArray[np.bool_] = several[look] & counted
        return found

    def _elsewhere(
        self, looks: Numbers, side: Numbers, counted: npt.NDArray[np.bool_], but: npt.NDArray[np.bool_] | None = None
    ) -> list[Leak]:
        """References to looks that a side before theirs has too: each row once, with one that has it."""
        leaking = self._leaking(looks, side, counted)
        references = np.flatnonzero(leaking)
        look = looks[self.rows.incidence.images[references]]
        order = np.lexsort((references, side[references], look))
        references, look = references[order], look[order]
        starts = np.flatnonzero(np.r_[True, look[1:] != look[:-1]]) if len(look) else np.zeros(0, np.int64)
        heads = np.repeat(references[starts], np.diff(np.append(starts, len(look)))) if len(look) else references
        later = side[references] != side[heads]
        if but is not None:
            later &= ~but[references]
        return self._once_a_row(references[later], heads[later])

    def _within(self, split: Numbers, counted: npt.NDArray[np.bool_]) -> list[Leak]:
        """References to images that look like one of another group in the same split, whose row's id comes first."""
        looks = self.looks(WITHIN)
        references = np.flatnonzero(counted)
        images = self.rows.incidence.images[references]
        units = self.rows.incidence.units[self.rows.row_of[references]]
        order = np.lexsort(
            (references, self._by_id(references, looks[images], split), split[references], looks[images])
        )
        references, images, units = references[order], images[order], units[order]
        key = looks[images] * (int(split.max(initial=0)) + 1) + split[references]
        starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]) if len(key) else np.zeros(0, np.int64)
        head = np.repeat(starts, np.diff(np.append(starts, len(key)))) if len(key) else starts
        later = (units != units[head]) & (images != images[head])
        return self._once_a_row(references[later], references[head[later]])

    def _by_id(self, references: Numbers, looks: Numbers, split: Numbers) -> Numbers:
        """The places of the references' rows in the order of their ids, where several images of a split look alike."""
        rows = self.rows
        images, row_of = rows.incidence.images[references], rows.row_of[references]
        keys = looks * (int(split.max(initial=0)) + 1) + split[references]
        distinct = np.unique(keys * rows.incidence.image_count + images) // max(rows.incidence.image_count, 1)
        sets, counts = np.unique(distinct, return_counts=True)
        wanted = np.isin(keys, sets[counts > 1])
        shown = rows.shown(row_of[wanted].tolist())
        places = {row: place for place, row in enumerate(sorted(shown, key=lambda row: id_order(shown[row].id)))}
        found = np.zeros(len(references), np.int64)
        found[wanted] = [places[row] for row in row_of[wanted].tolist()]
        return found

    def _once_a_row(self, references: Numbers, others: Numbers) -> list[Leak]:
        _, first = np.unique(self.rows.row_of[references], return_index=True)
        return [Leak(reference=int(references[place]), other=int(others[place])) for place in first]

    def _texts(self) -> Iterator[Problem]:
        """Rows whose question and answer a row of another corpus has, word for word."""
        rows, first = self.rows, self.rows.first_rows[1]
        there, at = np.unique(rows.texts[first:], return_index=True)
        place = np.searchsorted(there, rows.texts[:first])
        place[place == len(there)] = 0
        same = np.flatnonzero(there[place] == rows.texts[:first]) if len(there) else np.zeros(0, np.int64)
        others = {row: int(at[place[row]]) + first for row in same.tolist()}
        shown = rows.shown([*others, *others.values()])
        corpus = rows.corpus
        for row, other in others.items():
            message = f"question and answer are those of {shown[other].id!r} in {rows.corpora[int(corpus[other])].name}"
            mine = shown[row]
            yield Problem(
                rule=AGAINST_TEXT, message=message, source=mine.source, line=mine.line, id=mine.id, hint=UNSEEN_HINT
            )

    def _told(self, rule: str, leaks: Sequence[Leak], message: str, hint: str = SPLIT_HINT) -> Iterator[Problem]:
        """One finding for each of these."""
        if not self.settings.wants(rule):
            return
        rows, row_of, corpus = self.rows, self.rows.row_of, self.rows.corpus
        shown = rows.shown(int(row_of[place]) for leak in leaks for place in (leak.reference, leak.other))
        severity: Severity = "warning" if rule == WITHIN else "error"
        hint = "merge the products, or give them one group" if rule == WITHIN else hint
        for leak in leaks:
            row = int(row_of[leak.other])
            other = shown[row]
            where = f" ({other.source}:{other.line})" if other.line else ""
            name = rows.corpora[int(corpus[row])].name
            words = message.format(split=repr(other.split), corpus=name, other=f"{other.id!r}{where}")
            problem = Problem(rule=rule, message=words, hint=hint, severity=severity)
            yield self._at(problem, leak.reference, shown[int(row_of[leak.reference])])

    def _at(self, problem: Problem, reference: int, row: Shown) -> Problem:
        """The problem at the image of a reference, which is in that row."""
        place = f"images[{int(self.rows.places[reference])}]"
        return replace(problem, source=row.source, line=row.line, id=row.id, field=place)
