"""Ids that are unique among rows that come one at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

from vlmdata.record import Origin, Problem


@dataclass(slots=True, kw_only=True)
class Names:
    """The ids so far, in some 150 bytes each. `may_repeat`: an id that no column gives is numbered where it repeats."""

    may_repeat: bool
    _places: dict[int, tuple[str, int]] = field(default_factory=dict)
    _counts: dict[int, int] = field(default_factory=dict)

    def settled(self, name: str, origin: Origin) -> str | Problem:
        """The row's id, with `-2`, `-3` … behind it where an earlier row has the same and may; else what is wrong."""
        key = _key(name)
        if key not in self._places:
            self._places[key] = (origin.source, origin.line)
            return name
        if self.may_repeat:
            return self._numbered(name, key, origin)
        source, line = self._places[key]
        where = f"line {line}" if source == origin.source else f"{source}:{line}"
        return Problem(
            rule="id.duplicate",
            message=f"the id {name!r} stands already in {where}",
            source=origin.source,
            line=origin.line,
            field="id",
            hint="ids must be unique",
        )

    def _numbered(self, name: str, key: int, origin: Origin) -> str:
        while True:
            count = self._counts[key] = self._counts.get(key, 1) + 1
            other = f"{name}-{count}"
            if _key(other) not in self._places:
                self._places[_key(other)] = (origin.source, origin.line)
                return other


def _key(name: str) -> int:
    return int.from_bytes(blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest())
