"""What a push, or its dry run, came to: as plain data for a program, and in lines for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from vlmdata.hub.address import Address
from vlmdata.hub.plan import Plan
from vlmdata.hub.sending import Sent

SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """The plan of a push, where it goes, and what was done; `sent` is None after a dry run."""

    plan: Plan
    address: Address
    sent: Sent | None

    def as_data(self) -> dict[str, Any]:
        """Plain values for JSON."""
        going = [
            {"path": each.path, "bytes": each.bytes, "sha256": each.sha256, "why": each.why} for each in self.plan.going
        ]
        return {
            "to": self.address.to,
            "type": self.plan.kind,
            "revision": self.address.revision,
            "visibility": "public" if self.address.public else "private",
            "going": going,
            "staying": [asdict(each) for each in self.plan.staying],
            "notes": list(self.plan.notes),
            "pushed": None if self.sent is None else asdict(self.sent),
        }

    def lines(self) -> Iterator[str]:
        """What a person reads."""
        yield from self._planned() if self.sent is None else self._done(self.sent)
        yield from (f"note      {note}" for note in self.plan.notes)
        yield self._end()

    def _planned(self) -> Iterator[str]:
        yield f"goes      {len(self.plan.going):,} files, {size(self.plan.bytes)}"
        yield from _table([(each.path, size(each.bytes), each.why) for each in self.plan.going])
        yield "stays" if self.plan.staying else "stays     nothing"
        yield from _table([(each.path, "", each.why) for each in self.plan.staying])
        if self.plan.owned:
            yield f"removed   what an earlier push left on the Hub under {', '.join(self.plan.owned)}"

    def _done(self, sent: Sent) -> Iterator[str]:
        yield f"sent      {len(sent.sent):,} files, {size(sent.sent_bytes)}"
        if sent.present:
            yield f"there     {len(sent.present):,} files that the Hub had already"
        if sent.removed:
            shown = ", ".join(sent.removed[:SHOWN]) + (" …" if len(sent.removed) > SHOWN else "")
            yield f"removed   {len(sent.removed):,} files of an earlier push: {shown}"
        if sent.private and self.address.public:
            yield "note      it was private before and stays so; its settings on the Hub change that"

    def _end(self) -> str:
        if self.sent is None:
            seen = "public" if self.address.public else "private"
            return f"-> {self.plan.kind} {self.address.to}, branch {self.address.revision}, {seen}; nothing was sent"
        seen = "private" if self.sent.private else "public"
        return f"-> {self.sent.url}    {seen}, commit {self.sent.commit}"


def _table(rows: list[tuple[str, str, str]]) -> Iterator[str]:
    """Rows of a name, a size and a reason under each other; a long list is cut, with a count."""
    width = max((len(name) for name, _, _ in rows[:SHOWN]), default=0)
    for name, bytes_, why in rows[:SHOWN]:
        yield f"  {name:<{width}}  {bytes_:>9}  {why}" if bytes_ else f"  {name:<{width}}  {why}"
    if len(rows) > SHOWN:
        yield f"  … {len(rows) - SHOWN:,} more; --format json lists all"


def size(count: int) -> str:
    """Bytes as a person reads them: 438.2 MB."""
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= bytes_:
            return f"{count / bytes_:,.1f} {unit}"
    return f"{count:,} B"
