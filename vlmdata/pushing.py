"""A built dataset to the Hub."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from vlmdata.hub.address import MAIN, Address
from vlmdata.hub.result import PushResult
from vlmdata.hub.sending import send
from vlmdata.push_plan import dataset_plan


def push(  # noqa: PLR0913  (what a person may ask of it, each by its name)
    path: str | Path,
    to: str,
    *,
    revision: str = MAIN,
    message: str = "",
    public: bool = False,
    include: Collection[str] = (),
    allow_gps: bool = False,
    replace: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[str], None] | None = None,
) -> PushResult:
    """Push a built dataset to the Hub as `owner/name`: its splits as Parquet, its card, and its manifest.

    What the Hub has is not sent again, so that an interrupted push goes on, and a second one sends nothing. `include`
    names what goes besides: "report", "rejected". With `dry_run` nothing is sent and no network is used. `replace`
    takes over a repository that holds something else.

    Raises ConfigError, ContractError, PushRefusedError for photos that say where they were taken (unless `allow_gps`),
    and HubError.
    """
    address = Address(to=to, revision=revision, message=message, public=public, replace=replace)
    address.check()
    tell = on_progress or _silent
    plan = dataset_plan(Path(path), to, include, allow_gps=allow_gps, tell=tell)
    return PushResult(plan=plan, address=address, sent=None if dry_run else send(plan, address, tell))


def _silent(line: str) -> None:
    """Nobody is watching."""
