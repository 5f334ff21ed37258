"""The same rows with their images tampered with. A model that answers as well as before does not look at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from vlmdata.errors import ConfigError

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swapped(Sequence[Row]):
    """Rows with others' images: `kept` are the places of the rows, `givers` those of the rows that give the images.

    A row is put together when it is asked for, so that pixels are not held twice.
    """

    rows: Sequence[Row]
    kept: tuple[int, ...]
    givers: tuple[int, ...]

    @property
    def left_out(self) -> int:
        """How many rows could not take part."""
        return len(self.rows) - len(self.kept)

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        giver = self.rows[self.givers[place]]
        return {**self.rows[self.kept[place]], "images": giver["images"], "image_info": giver.get("image_info")}


def swap(rows: Sequence[Row]) -> Swapped:
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
    kept = tuple(sorted(givers))
    return Swapped(rows=rows, kept=kept, givers=tuple(givers[index] for index in kept))


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


CONTROLS: dict[str, Callable[[Sequence[Row]], Swapped]] = {"swap": swap}


def find_control(name: str) -> Callable[[Sequence[Row]], Swapped]:
    """A control by its name. Raises ConfigError with those that there are."""
    if name not in CONTROLS:
        raise ConfigError(f"there is no control {name!r}; known: {', '.join(CONTROLS)}")
    return CONTROLS[name]
