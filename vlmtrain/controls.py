"""The same rows with their images tampered with. A model that answers as well as before does not look at them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

from vlmdata.errors import ConfigError
from vlmdata.settings import nearest

Row = Mapping[str, Any]
GREY = (127, 127, 127)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampered(Sequence[Row]):
    """Rows with other images: `kept` are the places of the rows that take part, `make` gives one of them anew.

    A row is put together when it is asked for, so that pixels are not held twice.
    """

    rows: Sequence[Row]
    kept: tuple[int, ...]
    make: Callable[[int], Row]

    @property
    def left_out(self) -> int:
        """How many rows could not take part."""
        return len(self.rows) - len(self.kept)

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        return self.make(self.kept[place])


def swap(rows: Sequence[Row]) -> Tampered:
    """Every row with the images of another one: equally many, none of its own, and of a product with other fields.

    Rows are put in an order that has nothing to do with what they hold (by hash of their id) and each takes the images
    of the next; where these are too alike, two rows exchange what they got. So an answer that is read off the images
    falls to what chance gives. Rows without images, or without such a partner, are left out.
    """
    looks = [_Look.of(row) for row in rows]
    order = sorted(range(len(looks)), key=lambda index: looks[index].place)
    buckets: dict[int, list[int]] = {}
    for index in order:
        if looks[index].count:
            buckets.setdefault(looks[index].count, []).append(index)
    givers: dict[int, int] = {}
    for bucket in buckets.values():
        givers |= _givers(bucket, looks)

    def make(index: int) -> Row:
        giver = rows[givers[index]]
        return {**rows[index], "images": giver["images"], "image_info": giver.get("image_info")}

    return Tampered(rows=rows, kept=tuple(sorted(givers)), make=make)


def blank(rows: Sequence[Row]) -> Tampered:
    """Every row with plain grey images of the same sizes, so that the model sees as many tokens, and nothing in them.

    Rows without images are left out.
    """

    def make(index: int) -> Row:
        row = rows[index]
        made = [_grey(info["width"], info["height"]) for info in row["image_info"]]
        info = [
            {**each, "sha256": sha256(grey).hexdigest(), "format": "PNG", "dhash": None}
            for each, grey in zip(row["image_info"], made, strict=True)
        ]
        return {**row, "images": [{"bytes": grey, "path": None} for grey in made], "image_info": info}

    return Tampered(rows=rows, kept=tuple(index for index, row in enumerate(rows) if row["images"]), make=make)


def reorder(rows: Sequence[Row]) -> Tampered:
    """Every row with its own images in another order: each takes the place of the one before it.

    It asks whether a model knows which image is which. Rows of fewer than two different images are left out.
    """

    def make(index: int) -> Row:
        row = rows[index]
        turned = {name: [*row[name][1:], *row[name][:1]] for name in ("images", "image_info") if row.get(name)}
        return {**row, **turned}

    return Tampered(rows=rows, kept=tuple(index for index, row in enumerate(rows) if _turns(row)), make=make)


def _turns(row: Row) -> bool:
    """Whether another order of the images shows something else."""
    shas = [info["sha256"] for info in row.get("image_info") or ()]
    return [*shas[1:], *shas[:1]] != shas


@lru_cache(maxsize=64)
def _grey(width: int, height: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (width, height), GREY).save(file, "PNG")
    return file.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What must differ between a row and the one whose images it gets, and what orders them."""

    fields: tuple[tuple[str, str], ...]
    images: frozenset[str]
    count: int
    place: bytes

    @classmethod
    def of(cls, row: Row) -> _Look:
        fields = tuple((pair["name"], pair["value"]) for pair in row.get("fields") or ())
        name = str(row["id"])
        return cls(
            fields=fields or (("id", name),),
            images=frozenset(info["sha256"] for info in row.get("image_info") or ()),
            count=len(row["images"] or ()),
            place=sha256(name.encode()).digest(),
        )

    def differs(self, other: _Look) -> bool:
        return self.fields != other.fields and not self.images & other.images


def _givers(order: Sequence[int], looks: Sequence[_Look]) -> dict[int, int]:
    """For each row of one bucket, the row whose images it gets; rows for which there is none are missing."""
    givers = dict(zip(order, [*order[1:], *order[:1]], strict=True))

    def fits(index: int, giver: int) -> bool:
        return looks[index].differs(looks[giver])

    for index in order:
        if fits(index, givers[index]):
            continue
        for other in order:
            if fits(index, givers[other]) and fits(other, givers[index]):
                givers[index], givers[other] = givers[other], givers[index]
                break
    return {index: giver for index, giver in givers.items() if fits(index, giver)}


CONTROLS: dict[str, Callable[[Sequence[Row]], Tampered]] = {"swap": swap, "blank": blank, "reorder": reorder}


def find_control(name: str) -> Callable[[Sequence[Row]], Tampered]:
    """A control by its name. Raises ConfigError with those that there are."""
    if name not in CONTROLS:
        hint = nearest(name, list(CONTROLS)) or f"known: {', '.join(CONTROLS)}"
        raise ConfigError(f"there is no control {name!r}; {hint}")
    return CONTROLS[name]
