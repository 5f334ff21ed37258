"""WebDataset: tars in which the files of a row share a name: its images, and a .json with the conversation.

Source: webdataset, src/webdataset/tariterators.py: a name ends at its first dot. The tars are the same bytes for the
same rows: no time, owner or name of the machine stands in them.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from vlmdata.exports.extras import extras
from vlmdata.exports.json_files import as_json
from vlmdata.exports.parquet_files import DATA, named_by_number
from vlmdata.exports.part_rows import part_rows
from vlmdata.exports.protocol import Exporter, Holds, Opening, Options, Survey, Written
from vlmdata.exports.row import Row

TAR_BYTES = 500_000_000
TAR_ROWS = 10_000
KEPT = frozenset({"id", "group", "tags", "fields"})


@dataclass(slots=True)
class WebDataset(Exporter):
    """Tars of about half a gigabyte, or 10,000 rows."""

    folder: Path
    survey: Survey
    options: Options
    first: tuple[str, ...] | None = field(init=False, default=None)
    holds: ClassVar[Holds] = Holds(reader="webdataset", kept=KEPT)

    def losses(self, row: Row) -> Iterator[str]:
        """Other files than the first row's, over which datasets' own reader of tars stops."""
        members = tuple(picture.ending for picture in row.images)
        if self.first is None:
            self.first = members
        if members != self.first:
            yield "other_members"

    def write(self, split: str, rows: Iterable[Row]) -> Written:
        """The tars of a split, in `data/`."""
        place = self.folder / DATA
        place.mkdir(exist_ok=True)
        parts: list[Path] = []
        count, waiting = 0, iter(rows)
        begin = split.replace(".", "_")
        row = next(waiting, None)
        while row is not None or not parts:
            parts.append(place / f"{split}.part-{len(parts)}")
            with tarfile.open(parts[-1], "w", format=tarfile.USTAR_FORMAT) as tar:
                inside = 0
                while row is not None and inside < TAR_ROWS and tar.offset < TAR_BYTES:
                    self._add(tar, f"{begin}-{count:09d}", row)
                    count, inside = count + 1, inside + 1
                    row = next(waiting, None)
        return Written(rows=count, files=tuple(named_by_number(parts, split, ".tar")))

    def finish(self) -> Opening:
        """Nothing is left to write."""
        return Opening(text="open it with webdataset", command='WebDataset("OUT/data/SPLIT-00000-of-00001.tar")')

    def _add(self, tar: tarfile.TarFile, key: str, row: Row) -> None:
        for number, picture in enumerate(row.images):
            _add_member(tar, f"{key}.{number}{picture.ending}", picture.data)
        conversation = {"id": row.id, "messages": part_rows(row.messages), **extras(row, self.survey)}
        _add_member(tar, f"{key}.json", memoryview(as_json(conversation).encode()))


def _add_member(tar: tarfile.TarFile, name: str, data: memoryview) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
